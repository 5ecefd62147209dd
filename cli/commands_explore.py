"""The command that searches designs; it imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import Board, Labels

commands = typer.Typer()


@commands.command(
    help=(
        "Search bits, plans and clocks for the best circuits of a board; synthesise the front.\n\n"
        "A trial is one way to build the network: bits of pixels and weights (of a .s2nn rounded anew, of a recipe "
        "trained), engine, banks, words, groups and memory of each layer or a plan of the planner, and a clock. It is "
        "estimated in a second: accuracy by the golden model, exact cycles, resources, energy. What nothing beats in "
        "all objectives is the front; --synthesise of it go through yosys, and the error of the estimates is told.\n\n"
        "Ctrl-C loses nothing: the same command goes on, and with more --trials it goes further.\n\n"
        "Example: s2nn-hw explore models/mnist-mlp.s2nn -b arty_a7 --budget luts=8000,latency_us=5,accuracy=0.97"
    )
)
def explore(
    source: Annotated[Path, typer.Argument(metavar="RECIPE.toml|NAME.s2nn", help="What to explore.")],
    board: Board,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="F=N[,F=N..]",
            help="Limits beside the board's. At least: "
            "accuracy, frames_per_second; at most: latency_us, latency_cycles, interval_cycles, luts, ffs, brams, "
            "energy_nj.",
        ),
    ] = None,
    objectives: Annotated[
        str | None, typer.Option(metavar="F,F[,F..]", help="Of the same; default accuracy,latency_us,luts,energy_nj.")
    ] = None,
    input_bits: Annotated[
        str | None, typer.Option(metavar="N[,N..]", help="Of a pixel. Default: the network's, and 8, 4, 2, 1 if fewer.")
    ] = None,
    weight_bits: Annotated[
        str | None, typer.Option(metavar="N[,N..]", help="Of hidden layers. Default: the network's and fewer, to 2.")
    ] = None,
    clocks: Annotated[str | None, typer.Option(metavar="MHZ[,MHZ..]", help="Default: the board's alone.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="In all, those of earlier runs included.")] = 64,
    synthesise: Annotated[int, typer.Option(min=0, help="How many of the front, 0 for none.")] = 8,
    jobs: Annotated[int | None, typer.Option(min=1, help="Local processes; default one a core.")] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on a Ray cluster instead: auto, or HOST:PORT.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same trials.")] = 0,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of a recipe, instead of its own.")] = None,
    images: Annotated[Path | None, typer.Option("--images", metavar="X.npy", help="Else the test set.")] = None,
    labels: Labels = None,
    frames: Annotated[int, typer.Option(min=2, help="Images whose cycles are worked out.")] = 50,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Default: runs/explore/NAME-BOARD.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the trials that are in the folder.")] = False,
) -> None:
    """Search the designs of a network or recipe; the help is the decorator's."""
    from s2nn_hw.extras import require

    require("explore")
    if ray:
        require("ray")
    from s2nn_hw.cli.exploration import Options, explore_designs

    options = Options(
        budget=budget,
        objectives=objectives,
        input_bits=input_bits,
        weight_bits=weight_bits,
        clocks=clocks,
        trials=trials,
        seed=seed,
        jobs=jobs,
        ray=ray,
        synthesise=synthesise,
        epochs=epochs,
        images=images,
        labels=labels,
        frames=frames,
        output=output,
        fresh=fresh,
    )
    explore_designs(source, board, options)
