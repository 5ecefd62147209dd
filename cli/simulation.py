"""What `s2nn-hw simulate` and `s2nn-hw verify` do and say."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli import sequences
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.errors import UserError, counted
from s2nn_hw.family import GENERAL
from s2nn_hw.files import checked_apart, checked_npz, checked_place, write_npz
from s2nn_hw.hw.board.boards import Board, find_board
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.quantize.data.images import Taker, read_frames
from s2nn_hw.sim.verilog.both_ways import COMPILING, Sent, affordable, both_ways
from s2nn_hw.sim.verilog.runner import Manner, Simulation
from s2nn_hw.sim.verilog.sequence_summary import verify_sequences
from s2nn_hw.sim.verilog.sequences import SequenceSimulation
from s2nn_hw.sim.verilog.summary import Summary
from s2nn_hw.sim.verilog.verify import Progressed, run_checked
from s2nn_hw.terminal import Terminal, next_step, terminal


@dataclass(frozen=True)
class SimulateOptions:
    """What ``simulate`` may be asked for; see its help."""

    plan: Path | None = None
    waves: Path | None = None
    simulator: str = "verilator"
    back_to_back: bool = False
    build: Path = Path("build")


@dataclass(frozen=True)
class VerifyOptions:
    """What ``verify`` may be asked for; see its help. ``limit`` None: all images, or as many as are
    :func:`affordable`. Without ``plan`` that of ``board`` is taken, or the default one."""

    images: Path | None = None
    labels: Path | None = None
    download: bool = False
    limit: int | None = None
    board: str | None = None
    plan: Path | None = None
    simulator: str = "verilator"
    build: Path = Path("build")


@contextmanager
def _bar(console: Console, title: str, total: int) -> Iterator[Progressed]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=min(done, total))


@contextmanager
def _watched(title: str, total: int) -> Iterator[Progressed]:
    console = Terminal(stderr=True)
    if total:
        with _bar(console, title, total) as progress:
            yield progress
        return
    with console.status(title):
        yield lambda done: None


def simulate(network_path: Path, images_path: Path, output: Path, options: SimulateOptions) -> None:
    """Simulate the circuit on images, compare with the golden model, write class, scores, cycles."""
    console, waves = Terminal(stderr=True), options.waves
    checked_apart(output, network_path, images_path)
    network = load(network_path)
    plan = load_plan(options.plan, network) if options.plan else None
    if network.input.sequences:
        _simulate_sequences(network, plan or default_plan(network, GENERAL), images_path, output, options)
        return
    images = read_frames(images_path, Taker.of(network))[0]
    network.encode(images)
    if not len(images):
        raise UserError(f"images {images_path}: at least one image is needed")
    checked_npz(output)
    _check_waves(options)
    with console.status(COMPILING):
        simulation = Simulation(
            network, plan, simulator=options.simulator, waves=waves is not None, folder=options.build / "sim"
        )
    with _bar(console, "simulating", len(images)) as progress:
        length = len(images) if options.back_to_back else 1
        outcome, _ = run_checked(simulation, images, waves=waves, length=length, progress=progress)
    write_npz(output, **{"class": outcome.classes, "scores": outcome.scores, "cycles": outcome.cycles})
    terminal().print(
        f"{counted(len(images), 'image')} through the Verilog: class, scores, every layer's spikes and every cycle "
        f"count equal the golden model; cycles {outcome.cycles.min()} to {outcome.cycles.max()}, mean "
        f"{outcome.cycles.mean():.1f}. Results are in {output}" + (f", waves in {waves}" if waves else "")
    )
    next_step("verify", network_path, *(["--plan", options.plan] if options.plan else []))


def _check_waves(options: SimulateOptions) -> None:
    wave_format = ".fst" if options.simulator == "icarus" else ".vcd"
    if options.waves is not None and checked_place(options.waves).suffix != wave_format:
        raise UserError(f"waves {options.waves} must end in {wave_format} with {options.simulator}")


def _simulate_sequences(network: Network, plan: Plan, path: Path, output: Path, options: SimulateOptions) -> None:
    """Simulate a circuit of sequences on those in file ``path``."""
    sent = sequences.sequences_for(network, path)
    checked_npz(output)
    _check_waves(options)
    console, waves = Terminal(stderr=True), options.waves
    with console.status(COMPILING):
        simulation = SequenceSimulation(
            network, plan, simulator=options.simulator, waves=waves is not None, folder=options.build / "sim"
        )
    manner = Manner(len(sent) if options.back_to_back else 1)
    sequences.simulate(simulation, sent, output, manner, _watched, waves)


def verify(network_path: Path, options: VerifyOptions) -> None:
    """Send a test set through the Verilog, back to back and alone; write and print what was compared."""
    board = find_board(options.board) if options.board else None
    network = load(network_path)
    plan = load_plan(options.plan, network) if options.plan else default_plan(network, _family(board))
    if network.input.sequences:
        recordings = sequences.sequences_for(network, options.images, options.labels, download=options.download)
        made = verify_sequences(
            network,
            plan,
            recordings.first(options.limit or len(recordings)),
            simulator=options.simulator,
            folder=options.build / "sim",
            watched=_watched,
        )
        sequences.say(made, made.write(options.build / "verify"))
        return
    images, labels, source = frames_for(network_path, options.images, options.labels, download=options.download)
    sent = Sent.of(network, images, labels, source)
    sent = sent.first(options.limit or affordable(network, plan, images))
    folder = options.build / "sim"
    summary = both_ways(network, plan, sent, simulator=options.simulator, folder=folder, watched=_watched)
    _say(summary, summary.write(options.build / "verify"))
    words = ["--plan", options.plan] if options.plan else []
    next_step("bitstream", network_path, *words, "--board", board.name if board else "ulx3s")


def _family(board: Board | None) -> str:
    return board.family if board else GENERAL


def _say(summary: Summary, target: Path) -> None:
    """Print ``summary``, which is in file ``target``."""
    latency = summary.latency_cycles
    terminal().print(
        f"{counted(summary.images, 'image')} ({summary.image_source}) went through the Verilog of {summary.network} "
        f"twice, back to back and one by one:\n  spikes of {counted(len(summary.spikes), 'layer')} "
        f"({sum(summary.spikes.values()):,} of them), scores, classes and all {summary.simulated_frames:,} cycle "
        "counts equal the golden model"
        + (f"\n  accuracy of the circuit {100 * summary.accuracy:.2f} %" if summary.accuracy is not None else "")
        + f"\n  latency {latency.min} to {latency.max} cycles, mean {latency.mean:.1f}\n  build "
        f"{summary.build_seconds:.0f} s, simulation {summary.run_seconds:.0f} s; figures in {target}"
    )
