"""The command that asks for the verdict of a self-test; it imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import Baud, BuildFolder, Held, Json, PlanFile, TestImages, Vectors

commands = typer.Typer()


@commands.command(epilog="Example: s2nn-hw selftest models/mnist-nano.s2nn --simulate")
def selftest(
    source: Annotated[str, typer.Argument(metavar="PORT|NAME.s2nn", help="Serial port, or what to simulate.")],
    simulate: Annotated[bool, typer.Option("--simulate", help="Run the Verilog, UART included, no board.")] = False,
    network: Held = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="Between the two questions to the board.")] = 1.0,
    restart: Annotated[bool, typer.Option("--restart", help="Let the board begin anew.")] = False,
    fault: Annotated[bool, typer.Option("--fault", help="Begin anew with a wrong expectation: must fail.")] = False,
    baud: Baud = 1_000_000,
    plan: PlanFile = None,
    vectors: Vectors = None,
    images: TestImages = None,
    build: BuildFolder = Path("build"),
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="R.json", help="Write it here.")] = None,
    as_json: Json = False,
) -> None:
    """Ask a board built with `bitstream --self-test`, or simulate one; status 0 if all frames are right, else 1."""
    from s2nn_hw.cli.selftest import BoardOptions, Output, SimulationOptions, ask_board, simulate_self_test

    told = Output(output, as_json)
    if simulate:
        simulated = SimulationOptions(plan, images, vectors, build / "sim", fault)
        status = simulate_self_test(source, simulated, told)
    else:
        status = ask_board(source, BoardOptions(baud, network, seconds, restart, fault), told)
    raise typer.Exit(status)
