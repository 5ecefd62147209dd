"""The ``s2nn-hw`` command: one function per subcommand, each importing its stage only when it runs."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from s2nn_hw.cli.ending import status_of
from s2nn_hw.cli.options import (
    Baud,
    Board,
    BuildFolder,
    Check,
    Held,
    Images,
    Json,
    Labels,
    NetworkFile,
    PlanFile,
    Simulator,
    TestImages,
    Vectors,
    Version,
)
from s2nn_hw.errors import UserError, counted

app = typer.Typer(
    name="s2nn-hw",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turn a trained single-step spiking network into a verified FPGA circuit.\n\n"
    "The usual order: train, quantize, inspect, plan, verify, bitstream, activity, report, run.",
)


@app.callback()
def base(version: Version = False):
    # a callback keeps subcommands subcommands, however few there are; the help text is the one above
    pass


@app.command(epilog="Example: s2nn-hw train models/mnist-tiny.toml -o runs/mnist-tiny")
def train(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="What to train; see models/*.toml.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="DIR", help="Default: runs/NAME.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", min=1, help="Instead of the recipe's.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the epochs that an earlier run left.")] = False,
):
    """Train a network; Ctrl-C stops it, the same command goes on."""
    from s2nn_hw.cli.training import train_recipe

    train_recipe(recipe, output, epochs=epochs, fresh=fresh)


@app.command(epilog="Example: s2nn-hw quantize runs/mnist-tiny/mnist-tiny.safetensors -o mnist-tiny.s2nn")
def quantize(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="safetensors file written by `train`.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="NAME.s2nn", help="Integer network to write.")],
    bits: Annotated[str | None, typer.Option("--bits", metavar="N[,N..]", help="Weight bits, 1 to 8.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="RECIPE.toml", help="For foreign weights.")] = None,
    check: Check = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, not as a table.")] = False,
):
    """Fold a checkpoint into integers; figures in a table and beside the output as JSON."""
    from s2nn_hw.cli.training import quantize_checkpoint

    quantize_checkpoint(checkpoint, output, bits=bits, recipe=recipe, check=check, as_json=as_json)


@app.command(epilog="Example: s2nn-hw inspect models/mnist-mlp.s2nn")
def inspect(
    network: NetworkFile,
    plan: PlanFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not tables.")] = False,
):
    """Say what a network is: layers, ranges, widths, memory, provenance, plan and estimated resources."""
    from s2nn_hw.cli.reporting import inspect_network

    inspect_network(network, plan=plan, as_json=as_json)


@app.command(epilog="Example: s2nn-hw golden models/mnist-mlp.s2nn --images images.npy -o golden.npz")
def golden(
    network: NetworkFile,
    images: Images,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays `class` and `scores`.")],
):
    """Run the exact integer model on images."""
    from s2nn_hw.files import checked_npz, read_images, write_npz
    from s2nn_hw.network.store import load
    from s2nn_hw.terminal import next_step

    checked_npz(output)
    result = load(network).forward(read_images(images)[0])
    write_npz(output, **{"class": result.classes.numpy(), "scores": result.scores.numpy()})
    typer.echo(f"{counted(len(result.classes), 'image')} classified; class and scores are in {output}")
    next_step("simulate", network, "--images", images, "-o", "simulated.npz")


@app.command(epilog="Example: s2nn-hw verilog models/mnist-mlp.s2nn -o build/verilog --name mnist")
def verilog(
    network: NetworkFile,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the files.")],
    plan: PlanFile = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Of files and modules.")] = "accelerator",
):
    """Write the circuit as Verilog, its interface, test vectors and a bench for any simulator."""
    from s2nn_hw import emit
    from s2nn_hw.network.store import load
    from s2nn_hw.plan.plan import load_plan
    from s2nn_hw.terminal import next_step

    loaded = load(network)
    emit.write(loaded, output, load_plan(plan, loaded) if plan else None, name=name)
    typer.echo(f"{loaded.name}: {name}.v, its bench {name}_tb.v, interface.json and test vectors are in {output}")
    next_step("verify", network, *(["--plan", plan] if plan else []))


@app.command(epilog="Example: s2nn-hw plan models/mnist-mlp.s2nn --board arty_a7 --target-fps 500000 -o plan.json")
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
):
    """Choose engines, parallelism and buffers for a board, from real spikes and the estimate of resources."""
    from s2nn_hw.cli.planning import plan_network
    from s2nn_hw.hw.board.boards import find_board
    from s2nn_hw.hw.facts import board_facts

    if bool(target) + fit + unroll > 1:
        raise UserError("only one of --target-fps, --fit, --unroll")
    plan_network(
        network,
        board=board,
        find_board=lambda name: board_facts(find_board(name)),
        target_fps=target,
        clock_mhz=clock,
        unroll=(levels or 0) if unroll else None,
        output=output,
        as_json=as_json,
        test_images=lambda _: _test_images(network, images, None, download=False),
    )


@app.command(epilog="Example: s2nn-hw simulate models/mnist-mlp.s2nn --images images.npy -o out.npz --waves run.vcd")
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
):
    """Run images through the generated Verilog and compare everything with the golden model."""
    from s2nn_hw.cli.simulation import simulate as simulate_images

    simulate_images(
        network, images, output, plan=plan, waves=waves, simulator=simulator, back_to_back=back_to_back, build=build
    )


@app.command(epilog="Example: s2nn-hw verify models/mnist-mlp.s2nn --limit 1000")
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
):
    """Send a whole test set through the Verilog: every spike, score and cycle count must be the golden model's."""
    from s2nn_hw.cli.simulation import verify as verify_network
    from s2nn_hw.hw.board.boards import find_board

    target = find_board(board) if board else None
    pictures, classes, source = _test_images(network, images, labels, download=download)
    verify_network(
        network,
        pictures,
        classes,
        source=source,
        limit=limit,
        plan=plan,
        board=target,
        simulator=simulator,
        build=build,
    )


def _test_images(*source, **options):
    from s2nn_hw.quantize.data.images import images_for

    return images_for(*source, **options)


@app.command(epilog="Example: s2nn-hw bitstream models/mnist-mlp.s2nn --board ulx3s --freq 100")
def bitstream(
    network: NetworkFile,
    board: Board = "ulx3s",
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Where build folders go.")] = "build",
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
):
    """Build a board's bitstream; status 3 if the tools here can only synthesise for it."""
    from s2nn_hw.cli.bitstream import build_bitstream, last_word, show_resources

    built = build_bitstream(
        network,
        board,
        output=output,
        plan=plan,
        freq_mhz=freq,
        seed=seed,
        baud=baud,
        timeout_minutes=timeout,
        native=native,
        chipdb=chipdb,
        prjxray_db=prjxray_db,
        self_test=self_test,
        vectors=vectors,
        test_images=lambda: _test_images(network, images, None, download=False),
    )
    try:
        _report(built.folder, images=images)
    except UserError as reason:  # the build itself is good: what is missing is images to measure on
        show_resources(built, board)
        typer.echo(f"no accuracy and cycles in the report: {reason}")
    if built.status:
        typer.echo(last_word(built), err=True)
        raise typer.Exit(built.status)


@app.command(epilog="Example: s2nn-hw activity models/mnist-mlp.s2nn --board arty_a7")
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
):
    """Simulate the synthesised netlist on images and count toggles by resource and layer, for energy."""
    from s2nn_hw.cli.activity import activity as measure
    from s2nn_hw.hw.board.boards import find_board
    from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow, find_build
    from s2nn_hw.hw.flow.power import vivado_power

    def pictures(path):
        found, _, where = _test_images(path, images, None, download=False)
        return found, where

    measure(
        source,
        find_flow=lambda name: NetlistFlow(find_board(name)),
        find_build=find_build,
        vivado_power=vivado_power,
        test_images=pictures,
        board=board,
        plan=plan,
        frames=frames,
        idle=idle,
        output=output,
        build=build,
        as_json=as_json,
    )


@app.command(epilog="Example: s2nn-hw report models/mnist-mlp.s2nn --board arty_a7 --html -o mnist.report.json")
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
):
    """Accuracy, resources, clock, cycles, frames/s and energy: each with its source, estimates with their band."""
    _report(
        source,
        board=board,
        build=build,
        images=images,
        labels=labels,
        plan=plan,
        output=output,
        as_json=as_json,
        frames=frames,
        readings=readings,
        html=html,
    )


def _report(source, *, images=None, labels=None, **options):
    from s2nn_hw.cli.reporting import report_network
    from s2nn_hw.hw.board.boards import find_board
    from s2nn_hw.hw.facts import board_facts, link_facts
    from s2nn_hw.quantize.data.sets import known_title

    report_network(
        source,
        find_board=lambda name: board_facts(find_board(name)),
        link_facts=link_facts,
        test_images=lambda path, _: _test_images(path, images, labels, download=False),
        data_set_title=known_title,
        pictures=images,
        labels=labels,
        **options,
    )


@app.command(epilog="Example: s2nn-hw run --images images.npy --port /dev/ttyUSB0 -o board.npz")
def run(
    images: Images,
    port: Annotated[str, typer.Option("--port", metavar="DEV", help="The board's serial port.")],
    network: Held = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", metavar="OUT.npz", help="Arrays to write.")] = None,
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
):
    """Classify images on the board, over its serial port; the arrays are `class`, `scores` and `cycles`."""
    from s2nn_hw.hw.link.host import run as run_on_board

    run_on_board(images, port, output, baud=baud, network=network, limit=time_limit)


@app.command(epilog="Example: s2nn-hw compare a.report.json b.report.json --html compare.html")
def compare(
    reports: Annotated[list[Path], typer.Argument(metavar="REPORT...", help="report.json files, or folders of one.")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with plots.")] = None,
    as_json: Json = False,
):
    """Put several reports side by side: a table with the best of each row, and a page with Pareto plots."""
    from s2nn_hw.report.compare import compare_reports
    from s2nn_hw.report.literature import load_literature

    compare_reports(reports, html=html, as_json=as_json, literature=load_literature())


@app.command(
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
        str | None, typer.Option(metavar="N[,N..]", help="Of a pixel: 1, 2, 4, 8. Default: the network's and fewer.")
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
):
    from s2nn_hw.cli.exploration import Options, explore_designs

    pictures = (
        None
        if source.suffix == ".toml" and images is labels is None
        else (lambda: _test_images(source, images, labels, download=False))
    )
    explore_designs(
        source,
        board,
        test_images=pictures,
        options=Options(
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
            frames=frames,
            output=output,
            fresh=fresh,
        ),
    )


@app.command(epilog="Example: s2nn-hw selftest models/mnist-nano.s2nn --simulate")
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
):
    """Ask a board built with `bitstream --self-test`, or simulate one; status 0 if all frames are right, else 1."""
    from s2nn_hw.cli.selftest import ask_board, simulate_self_test

    common = {"fault": fault, "output": output, "as_json": as_json}
    if simulate:
        from s2nn_hw.sim.verilog.pins import exchange

        status = simulate_self_test(
            source,
            exchange,
            images=lambda: _test_images(source, images, None, download=False),
            plan=plan,
            count=vectors,
            folder=build / "sim",
            **common,
        )
    else:
        status = ask_board(source, baud=baud, network=network, seconds=seconds, restart=restart, **common)
    raise typer.Exit(status)


def main():
    """Run the command; whatever a user can mend ends in one line and status 2 (:mod:`s2nn_hw.cli.ending`)."""
    sys.exit(status_of(app))
