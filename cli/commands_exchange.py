"""Commands between other programs' formats and ``.s2nn``; each imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import Json, Labels, NetworkFile

commands = typer.Typer()


@commands.command("import", epilog="Example: s2nn-hw import model.onnx -o model.s2nn --inputs x.npy --labels y.npy")
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="A network of another program: .onnx (or QONNX), .nir.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Integer network to write.")],
    inputs: Annotated[
        Path | None,
        typer.Option(
            "--inputs",
            metavar="X.npy",
            help="Inputs (count, *shape) as the network takes them, or .npz with them as `images`, or with "
            "sequences: scales and thresholds are chosen on them, and the comparison is on them.",
        ),
    ] = None,
    labels: Labels = None,
    bits: Annotated[int, typer.Option("--bits", min=1, max=8, help="Of weights that are floats.")] = 8,
    levels: Annotated[int, typer.Option("--activation-bits", min=1, max=8, help="K of what ReLU becomes.")] = 4,
    percentile: Annotated[
        float, typer.Option("--percentile", min=50, max=100, help="Of activations, that the largest level stands for.")
    ] = 99.9,
    input_bits: Annotated[
        int | None, typer.Option("--input-bits", min=1, max=16, help="Of what enters, if the file doesn't say: 8.")
    ] = None,
    input_range: Annotated[
        str | None, typer.Option("--input-range", metavar="LO,HI", help="What its ends stand for; else of --inputs.")
    ] = None,
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="N,N..", help="Of one input, where the file leaves it open.")
    ] = None,
    split: Annotated[
        bool, typer.Option("--split-levels", help="A spike a level where levels of one width are not the owner's.")
    ] = False,
    ttfs: Annotated[
        bool, typer.Option("--ttfs", help="Numbers of 2 to 5 bits become times to the first spike.")
    ] = False,
    classes: Annotated[str | None, typer.Option("--classes", metavar="A,B..", help="Names; else numbers.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, max=31, help="NIR: T, steps of a sample.")] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            "--frames", min=1, help="NIR: sequences of up to N frames, a step each; default: the longest of --inputs."
        ),
    ] = None,
    reset: Annotated[
        str | None,
        typer.Option(
            "--reset", metavar="soft|hard", help="NIR: the threshold is subtracted, or the membrane set to v_reset."
        ),
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(
            "--dt", metavar="T", help="NIR: length of a step, in the unit of the file's tau (snnTorch: 1e-4)."
        ),
    ] = None,
    leak: Annotated[
        str | None,
        typer.Option("--leak", metavar="exact|nearest", help="NIR: whether a dt / tau that is no 2^-k becomes one."),
    ] = None,
    events: Annotated[
        bool, typer.Option("--events", help="NIR: events of each step enter, not one input that stays.")
    ] = False,
    at_threshold: Annotated[
        bool, typer.Option("--at-threshold", help="NIR: spikes at v_threshold, too, not only above it.")
    ] = False,
    fraction: Annotated[
        int | None, typer.Option("--fraction", min=0, max=8, help="NIR: bits of membranes below a weight.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn another program's network into integers, and compare the two."""
    from s2nn_hw.cli.importing import OverSteps, Wanted, import_file

    wanted = Wanted(
        output=output,
        inputs=inputs,
        labels=labels,
        bits=bits,
        levels=levels,
        percentile=percentile,
        input_bits=input_bits,
        input_range=input_range,
        input_shape=input_shape,
        split=split,
        ttfs=ttfs,
        classes=classes,
        over_steps=OverSteps(steps, reset, dt, leak, events, at_threshold, fraction, frames),
        as_json=as_json,
    )
    import_file(source, wanted)


@commands.command(epilog="Example: s2nn-hw export models/mnist-mlp.s2nn -o mnist-mlp.onnx")
def export(
    network: NetworkFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="What to write: .onnx or .nir.")],
) -> None:
    """Write a network in an exchange format of other programs."""
    from s2nn_hw.cli.importing import export_file

    export_file(network, output)
