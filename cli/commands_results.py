"""Commands that say what was reached: reports, a board's answers; each imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import Baud, Held, Images, Json, Labels, PlanFile, TestImages

commands = typer.Typer()


@commands.command(epilog="Example: s2nn-hw report models/mnist-mlp.s2nn --board arty_a7 --html -o mnist.report.json")
def report(
    source: Annotated[Path, typer.Argument(metavar="BUILD_DIR|NAME.s2nn", help="Finished build, or network.")],
    board: Annotated[str | None, typer.Option("--board", "-b", metavar="BOARD", help="Clock, budget, link.")] = None,
    build: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of a finished `bitstream`.")] = None,
    images: TestImages = None,
    labels: Labels = None,
    plan: PlanFile = None,
    frames: Annotated[int | None, typer.Option("--frames", min=1, help="Cycles of the first so many images.")] = None,
    readings: Annotated[Path | None, typer.Option(metavar="FILE", help="Power measured, TOML or CSV.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Also write the page, one self-contained file.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="R.json", help="Write figures here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not tables.")] = False,
) -> None:
    """Accuracy, resources, clock, cycles, frames/s and energy: each with its source, estimates with their band."""
    from s2nn_hw.cli.reporting import Options, report_network

    options = Options(
        board=board,
        build=build,
        images=images,
        labels=labels,
        plan=plan,
        frames=frames,
        readings=readings,
        html=html,
        output=output,
        as_json=as_json,
    )
    report_network(source, options)


@commands.command(epilog="Example: s2nn-hw run --images images.npy --port /dev/ttyUSB0 -o board.npz")
def run(
    images: Images,
    port: Annotated[str, typer.Option("--port", metavar="DEV", help="The board's serial port.")],
    network: Held = None,
    labels: Labels = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays to write.")] = None,
    spikes: Annotated[
        Path | None,
        typer.Option("--spikes", metavar="F.events", help="First spikes, from a board built with --events."),
    ] = None,
    baud: Baud = 1_000_000,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit",
            metavar="S",
            min=0.001,
            help="Seconds for all images; default: a minute and 50 times what the line needs.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Classify images or sequences on the board, over its serial port; arrays are `class`, `scores` and `cycles`.

    With --network the accuracy is told, too, where there are labels.
    """
    from s2nn_hw.cli.running import Options
    from s2nn_hw.cli.running import run as run_on_board

    options = Options(baud, network, labels, output, spikes, time_limit, as_json)
    run_on_board(images, port, options)


@commands.command(epilog="Example: s2nn-hw compare a.report.json b.report.json --html compare.html")
def compare(
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT...", help="report.json files, or folders of one.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with plots.")] = None,
    as_json: Json = False,
) -> None:
    """Put several reports side by side: a table with the best of each row, and a page with Pareto plots."""
    from s2nn_hw.report.compare import compare_reports
    from s2nn_hw.report.literature import load_literature

    compare_reports(reports, html=html, as_json=as_json, literature=load_literature())
