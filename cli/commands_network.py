"""Commands that make and show a network, its Verilog and its plan; each imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import Board, Check, Images, Json, Labels, NetworkFile, PlanFile, TestImages
from s2nn_hw.errors import UserError

commands = typer.Typer()


@commands.command(epilog="Example: s2nn-hw train models/mnist-tiny.toml -o runs/mnist-tiny")
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train; see models/*.toml.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Default: runs/NAME.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the epochs that an earlier run left.")] = False,
) -> None:
    """Train a network; Ctrl-C stops it, the same command goes on."""
    from s2nn_hw.cli.training import train_recipe

    train_recipe(recipe, output, epochs=epochs, fresh=fresh)


@commands.command(epilog="Example: s2nn-hw quantize runs/mnist-tiny/mnist-tiny.safetensors -o mnist-tiny.s2nn")
def quantize(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT",
            help="Written by `train`, or, with --recipe, another program's weights: safetensors or torch.save.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Integer network to write.")],
    bits: Annotated[str | None, typer.Option("--bits", metavar="N[,N..]", help="Weight bits, 1 to 8.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="RECIPE.toml", help="For foreign weights.")] = None,
    check: Check = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not as a table.")] = False,
) -> None:
    """Fold a checkpoint into integers; figures in a table and beside the output as JSON."""
    from s2nn_hw.cli.training import quantize_checkpoint

    quantize_checkpoint(checkpoint, output, bits=bits, recipe=recipe, check=check, as_json=as_json)


@commands.command(epilog="Example: s2nn-hw convert models/fashion-k4.toml -o fashion-k4.s2nn")
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="RECIPE.toml, whose ReLU network is trained first, or a checkpoint of one."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Integer network to write.")
    ] = None,
    method: Annotated[
        str | None, typer.Option("--method", metavar="M", help="balance, clip-floor, t2 or tandem; else the recipe's.")
    ] = None,
    form: Annotated[str | None, typer.Option("--form", metavar="F", help="two-phase, ttfs or steps.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, max=31, help="T, spikes of an activation.")] = None,
    shift: Annotated[bool | None, typer.Option("--shift/--no-shift", help="Round activations, or cut them.")] = None,
    leak: Annotated[bool | None, typer.Option("--leak/--no-leak", help="Of t2: leaks are trained, too.")] = None,
    percentile: Annotated[
        float | None, typer.Option("--percentile", min=50, max=100, help="Of activations; 100: the largest.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=0, help="Of each training after the ReLU's.")] = None,
    bits: Annotated[str | None, typer.Option("--bits", metavar="N[,N..]", help="Weight bits, 1 to 8.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="RECIPE.toml", help="For foreign weights.")] = None,
    curve: Annotated[
        Path | None, typer.Option("--curve", metavar="NAME.json", help="Accuracy against T: table, JSON, SVG, PNG.")
    ] = None,
    counts: Annotated[str | None, typer.Option("--counts", metavar="N,N..", help="Each T of --curve.")] = None,
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Of what is trained; of recipes runs/NAME-relu.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train the ReLU network anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not as a table.")] = False,
) -> None:
    """Turn a trained ReLU network into a spiking one."""
    from s2nn_hw.cli.conversion import Wanted, convert_network

    changes = {
        "method": method,
        "form": form,
        "steps": steps,
        "shift": shift,
        "leak": leak,
        "percentile": percentile,
        "epochs": epochs,
    }
    convert_network(
        source,
        Wanted(
            changes=changes,
            bits=bits,
            recipe=recipe,
            work=work,
            fresh=fresh,
            output=output,
            curve=curve,
            counts=counts,
            as_json=as_json,
        ),
    )


@commands.command(epilog="Example: s2nn-hw inspect models/mnist-mlp.s2nn")
def inspect(
    network: NetworkFile,
    plan: PlanFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not tables.")] = False,
) -> None:
    """Say what a network is: layers, ranges, widths, memory, provenance, plan and estimated resources."""
    from s2nn_hw.cli.reporting import inspect_network

    inspect_network(network, plan=plan, as_json=as_json)


@commands.command(epilog="Example: s2nn-hw golden models/mnist-mlp.s2nn --images images.npy -o golden.npz")
def golden(
    network: NetworkFile,
    images: Images,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays `class` and `scores`.")],
    labels: Labels = None,
    times: Annotated[
        Path | None,
        typer.Option("--first-spikes", metavar="TIMES.npz", help="Of ttfs neurons: the slot of each spike, by layer."),
    ] = None,
    spikes: Annotated[
        Path | None, typer.Option("--spikes", metavar="F.events", help="Of what the readout reads, as a board's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the exact integer model on images; accuracy where there are labels."""
    from s2nn_hw.cli.golden import classify

    classify(network, images, output, labels=labels, times=times, spikes=spikes, as_json=as_json)


@commands.command(epilog="Example: s2nn-hw events images.npy -o images.events --network my.s2nn")
def events(
    source: Annotated[Path, typer.Argument(metavar="X.npy|X.events", help="Frames, or their events.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="Y.events|Y.npy", help="File to write.")],
    network: Annotated[
        Path | None, typer.Option("--network", metavar="NAME.s2nn", help="Frames are images as it takes them.")
    ] = None,
    slots: Annotated[
        int | None, typer.Option("--slots", metavar="T", min=1, max=255, help="Else: values from 0 to T, 0 silent.")
    ] = None,
    times: Annotated[bool, typer.Option("--times", help="Not values: slots of the spikes, T where none is.")] = False,
) -> None:
    """Turn arrays into first spikes, as address events, and back."""
    from s2nn_hw.cli.events import What, convert

    convert(source, output, What(network, slots, times))


@commands.command(epilog="Example: s2nn-hw collapse counts.s2nn -o numbers.s2nn")
def collapse(
    network: NetworkFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Network to write.")],
    literal: Annotated[bool, typer.Option("--literal", help="The other way: numbers become counts of spikes.")] = False,
) -> None:
    """Carry the counts of T = 2^K - 1 steps as numbers of K bits: the same scores from fewer planes."""
    from s2nn_hw.network.collapse import collapse, expand
    from s2nn_hw.network.store import load, save
    from s2nn_hw.terminal import next_step

    given = load(network)
    made = (expand if literal else collapse)(given)
    save(made, output)
    changed = [name for name, planes in made.planes.items() if planes != given.planes[name]]
    for name in changed:
        typer.echo(f"layer {name}: {given.planes[name]} -> {made.planes[name]}")
    typer.echo(f"{made.name}, with the scores of {given.name}, is in {output}")
    next_step("report", output)


@commands.command(epilog="Example: s2nn-hw verilog models/mnist-mlp.s2nn -o build/verilog --name mnist")
def verilog(
    network: NetworkFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")],
    plan: PlanFile = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of files and modules.")] = "accelerator",
) -> None:
    """Write the circuit as Verilog, its interface, test vectors and a bench for any simulator."""
    from s2nn_hw.api import write_verilog
    from s2nn_hw.network.store import load
    from s2nn_hw.plan.plan import load_plan
    from s2nn_hw.terminal import next_step

    loaded = load(network)
    write_verilog(loaded, output, plan=load_plan(plan, loaded) if plan else None, name=name)
    bench = "" if loaded.input.sequences else f" its bench {name}_tb.v,"
    typer.echo(f"{loaded.name}: {name}.v,{bench} interface.json and test vectors are in {output}")
    next_step("verify", network, *(["--plan", plan] if plan else []))


@commands.command(epilog="Example: s2nn-hw plan models/mnist-mlp.s2nn --board arty_a7 --target-fps 500000 -o plan.json")
def plan(
    network: NetworkFile,
    board: Board,
    target: Annotated[
        float | None, typer.Option("--target-fps", metavar="F", help="Frames/s to reach with the least of the board.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="As fast as fits; so without a target.")] = False,
    unroll: Annotated[bool, typer.Option("--unroll", help="All weights in logic: a frame or pixel a cycle.")] = False,
    levels: Annotated[int | None, typer.Option(min=1, max=64, help="Between registers, with --unroll.")] = None,
    clock: Annotated[float | None, typer.Option("--clock", metavar="MHZ", help="Else the board's.")] = None,
    images: TestImages = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="PLAN.json", help="Write it here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON, not a table.")] = False,
) -> None:
    """Choose engines, parallelism and buffers for a board, from real spikes and the estimate of resources."""
    from s2nn_hw.cli.planning import Options, plan_network

    if bool(target) + fit + unroll > 1:
        raise UserError("only one of --target-fps, --fit, --unroll")
    if levels is not None and not unroll:
        raise UserError("--levels is for --unroll")
    options = Options(
        board=board,
        target_fps=target,
        clock_mhz=clock,
        unroll=(levels or 0) if unroll else None,
        images=images,
        output=output,
        as_json=as_json,
    )
    plan_network(network, options)
