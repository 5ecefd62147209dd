"""What `s2nn-hw simulate` and `s2nn-hw verify` do and say."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError, counted
from s2nn_hw.family import GENERAL
from s2nn_hw.files import checked_npz, checked_place, write_npz
from s2nn_hw.hw.board.boards import Board, find_board
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.quantize.data.images import Taker, read_frames
from s2nn_hw.sim.verilog.runner import Outcome, Simulation
from s2nn_hw.sim.verilog.summary import Latency, Summary, spikes_by_layer
from s2nn_hw.sim.verilog.verify import SEQUENCE, Expected, Progressed, run_checked
from s2nn_hw.terminal import Terminal, next_step, terminal

AFFORDABLE_CYCLES = 30_000_000  # of frames sent alone; back to back they take less
COMPILING = "compiling the generated Verilog (once per circuit)"


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


@dataclass(frozen=True)
class Sent:
    """What goes through the circuit: uint8 ``images`` ``(count, *shape)``, their ``labels`` or None, their source."""

    images: np.ndarray
    labels: np.ndarray | None
    source: str

    def first(self, count: int) -> "Sent":
        """Return the first ``count`` of them."""
        if count >= len(self.images):
            return self
        labels = None if self.labels is None else self.labels[:count]
        return Sent(self.images[:count], labels, f"{self.source}, the first of {len(self.images):,}")


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


def simulate(network_path: Path, images_path: Path, output: Path, options: SimulateOptions) -> None:
    """Simulate the circuit on images, compare with the golden model, write class, scores, cycles."""
    console, waves = Terminal(stderr=True), options.waves
    network = load(network_path)
    plan = load_plan(options.plan, network) if options.plan else None
    images = read_frames(images_path, Taker.of(network))[0]
    network.encode(images)
    if not len(images):
        raise UserError(f"images {images_path}: at least one image is needed")
    checked_npz(output)
    wave_format = ".fst" if options.simulator == "icarus" else ".vcd"
    if waves is not None and checked_place(waves).suffix != wave_format:
        raise UserError(f"waves {waves} must end in {wave_format} with {options.simulator}")
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


def affordable(network: Network, plan: Plan, images: np.ndarray) -> int:
    """Return how many of ``images`` to simulate when nobody says: as many as take minutes, at least 100.

    Measured: the simulator of one core makes about 100,000 cycles a second, whatever the circuit; see `make bench`.
    """
    design = Design(network, plan)
    _, values = layer_inputs(network, images[:8])
    cycles = design.timing.schedule(design.timing.ones(values)).cycles.mean()
    return min(len(images), max(100, int(AFFORDABLE_CYCLES / cycles)))


def verify(network_path: Path, options: VerifyOptions) -> None:
    """Send a test set through the Verilog, back to back and alone; write and print what was compared."""
    board = find_board(options.board) if options.board else None
    images, labels, source = frames_for(network_path, options.images, options.labels, download=options.download)
    network = load(network_path)
    plan = load_plan(options.plan, network) if options.plan else default_plan(network, _family(board))
    network.encode(images)
    labels = None if labels is None else checked_labels(labels, len(images), len(network.classes))
    sent = Sent(images, labels, source).first(options.limit or affordable(network, plan, images))
    ways = _both_ways(network, plan, sent.images, options)
    summary = _summary(network, sent, ways, options.simulator)
    _say(summary, summary.write(options.build / "verify"))
    words = ["--plan", options.plan] if options.plan else []
    next_step("bitstream", network_path, *words, "--board", board.name if board else "ulx3s")


def _family(board: Board | None) -> str:
    return board.family if board else GENERAL


@dataclass(frozen=True)
class Ways:
    """What came both ways, and what had to come in a stream; ``jobs`` simulators took the seconds given."""

    stream: Outcome
    expected: Expected
    alone: Outcome
    jobs: int
    build_seconds: float
    run_seconds: float


def _both_ways(network: Network, plan: Plan, images: np.ndarray, options: VerifyOptions) -> Ways:
    """Send ``images`` back to back, then one by one."""
    console, jobs = Terminal(stderr=True), os.cpu_count() or 1
    start = time.monotonic()
    with console.status(COMPILING):
        simulation = Simulation(network, plan, simulator=options.simulator, optimise=True, folder=options.build / "sim")
    built = time.monotonic()
    with _bar(console, "back to back", len(images)) as progress:
        length = min(SEQUENCE, len(images))
        stream, expected = run_checked(simulation, images, length=length, jobs=jobs, progress=progress)
    with _bar(console, "one by one", len(images)) as progress:
        alone, _ = run_checked(simulation, images, length=1, jobs=jobs, progress=progress)
    return Ways(stream, expected, alone, jobs, built - start, time.monotonic() - built)


def _summary(network: Network, sent: Sent, ways: Ways, simulator: str) -> Summary:
    alone = ways.alone
    return Summary(
        network=network.name,
        digest=network.digest,
        images=len(sent.images),
        image_source=sent.source,
        accuracy=None if sent.labels is None else float((alone.classes == sent.labels).mean()),
        spikes=spikes_by_layer(ways.expected, len(sent.images)),
        latency_cycles=Latency.of(alone.cycles),
        simulated_frames=len(alone.cycles) + len(ways.stream.cycles),
        simulator=simulator,
        jobs=ways.jobs,
        build_seconds=ways.build_seconds,
        run_seconds=ways.run_seconds,
    )


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
