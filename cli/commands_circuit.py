"""Commands that prove, build and measure a circuit; each imports its stage only when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.options import (
    Board,
    BuildFolder,
    Images,
    Json,
    Labels,
    NetworkFile,
    PlanFile,
    Simulator,
    TestImages,
    Vectors,
)

commands = typer.Typer()


@commands.command(
    epilog="Example: s2nn-hw simulate models/mnist-mlp.s2nn --images images.npy -o out.npz --waves run.vcd"
)
def simulate(
    network: NetworkFile,
    images: Images,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.npz", help="class, scores, cycles.")],
    waves: Annotated[Path | None, typer.Option("--waves", metavar="F.vcd", help="Also record all signals.")] = None,
    plan: PlanFile = None,
    simulator: Simulator = "verilator",
    back_to_back: Annotated[
        bool, typer.Option("--back-to-back", help="Send frames without a gap; else each waits for the result before.")
    ] = False,
    build: BuildFolder = Path("build"),
) -> None:
    """Run images through the generated Verilog and compare everything with the golden model."""
    from s2nn_hw.cli.simulation import SimulateOptions
    from s2nn_hw.cli.simulation import simulate as simulate_images

    options = SimulateOptions(plan=plan, waves=waves, simulator=simulator, back_to_back=back_to_back, build=build)
    simulate_images(network, images, output, options)


@commands.command(epilog="Example: s2nn-hw verify models/mnist-mlp.s2nn --limit 1000")
def verify(
    network: NetworkFile,
    images: TestImages = None,
    labels: Labels = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the test set if it is not here.")] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Only the first so many images; else all, or as many as take minutes."),
    ] = None,
    board: Annotated[str | None, typer.Option("--board", "-b", metavar="BOARD", help="Its default plan.")] = None,
    plan: PlanFile = None,
    simulator: Simulator = "verilator",
    build: BuildFolder = Path("build"),
) -> None:
    """Send a whole test set through the Verilog: every spike, score and cycle count must be the golden model's."""
    from s2nn_hw.cli.simulation import VerifyOptions
    from s2nn_hw.cli.simulation import verify as verify_network

    options = VerifyOptions(
        images=images,
        labels=labels,
        download=download,
        limit=limit,
        board=board,
        plan=plan,
        simulator=simulator,
        build=build,
    )
    verify_network(network, options)


@commands.command(epilog="Example: s2nn-hw bitstream models/mnist-mlp.s2nn --board ulx3s --freq 100")
def bitstream(
    network: NetworkFile,
    board: Board = "ulx3s",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where build folders go.")] = Path(
        "build"
    ),
    plan: PlanFile = None,
    freq: Annotated[
        float | None,
        typer.Option("--freq", metavar="MHZ", help="Clock, an error if missed; else the board's, or what is reached."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Placement seed.")] = 1,
    timeout: Annotated[float | None, typer.Option("--timeout", metavar="MINUTES", help="Of each tool.")] = None,
    baud: Annotated[int | None, typer.Option("--baud", min=1, help="Host link; else the board's.")] = None,
    native: Annotated[bool, typer.Option("--native", help="Prefer yosys and nextpnr on the PATH to YoWASP's.")] = False,
    chipdb: Annotated[str | None, typer.Option(envvar="CHIPDB_DIR", help="openXC7: chip database.")] = None,
    prjxray_db: Annotated[str | None, typer.Option(envvar="PRJXRAY_DB_DIR", help="openXC7: folder prjxray-db.")] = None,
    self_test: Annotated[bool, typer.Option("--self-test", help="Fed from the chip itself; see `selftest`.")] = False,
    vectors: Vectors = None,
    images: TestImages = None,
    events: Annotated[
        bool, typer.Option("--events", help="Of ttfs neurons: the link takes events and gives first spikes.")
    ] = False,
) -> None:
    """Build a board's bitstream; status 3 if the tools here can only synthesise for it."""
    from s2nn_hw.cli.bitstream import Wanted, last_word
    from s2nn_hw.cli.bitstream import bitstream as build_and_report
    from s2nn_hw.hw.flow.build import Options

    options = Options(
        freq_mhz=freq,
        seed=seed,
        baud=baud,
        timeout_minutes=timeout,
        native=native,
        chipdb=chipdb,
        prjxray_db=prjxray_db,
    )
    wanted = Wanted(board, output, plan, self_test, vectors, images, events)
    built = build_and_report(network, wanted, options)
    if built.status:
        typer.echo(last_word(built), err=True)
        raise typer.Exit(built.status)


@commands.command(epilog="Example: s2nn-hw activity models/mnist-mlp.s2nn --board arty_a7")
def activity(
    source: Annotated[Path, typer.Argument(metavar="BUILD_DIR|NAME.s2nn", help="Finished build, or network.")],
    board: Annotated[str | None, typer.Option("--board", "-b", metavar="BOARD", help="Whose netlist.")] = None,
    plan: PlanFile = None,
    images: TestImages = None,
    frames: Annotated[int, typer.Option("--frames", min=1, help="Images sent back to back.")] = 20,
    idle: Annotated[int, typer.Option("--idle", min=0, help="Cycles without input after them.")] = 1000,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Else the build's.")] = None,
    build: BuildFolder = Path("build"),
    as_json: Json = False,
) -> None:
    """Simulate the synthesised netlist on images and count toggles by resource and layer, for energy."""
    from s2nn_hw.cli.activity import Options
    from s2nn_hw.cli.activity import activity as measure

    options = Options(
        board=board, plan=plan, images=images, frames=frames, idle=idle, output=output, build=build, as_json=as_json
    )
    measure(source, options)
