"""What `s2nn-hw simulate` and `s2nn-hw verify` do and say."""

import os
import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from s2nn_hw.design import Design
from s2nn_hw.errors import UserError, counted
from s2nn_hw.family import GENERAL
from s2nn_hw.files import checked_npz, checked_place, read_images, write_json, write_npz
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import NOT_COMPUTED, SEQUENCE, run_checked
from s2nn_hw.terminal import Terminal, next_step, terminal

AFFORDABLE_CYCLES = 30_000_000  # of frames sent alone; back to back they take less


def _say(text):
    terminal().print(text)


def _run(simulation, images, console, title, **options):
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=len(images))
        return run_checked(
            simulation, images, progress=lambda done: bar.update(task, completed=min(done, len(images))), **options
        )


def _build(network, plan, console, **options):
    with console.status("compiling the generated Verilog (once per circuit)"):
        return Simulation(network, plan, **options)


def simulate(
    network_path,
    images_path,
    output,
    *,
    plan=None,
    waves=None,
    simulator="verilator",
    back_to_back=False,
    build="build",
):
    """Simulate the circuit on images, compare with the golden model, write class, scores, cycles."""
    console = Terminal(stderr=True)
    network = load(network_path)
    chosen = load_plan(plan, network) if plan else None
    images = read_images(images_path)[0]
    network.encode(images)
    if not len(images):
        raise UserError(f"images {images_path}: at least one image is needed")
    checked_npz(output)
    wave_format = ".fst" if simulator == "icarus" else ".vcd"
    if waves is not None and checked_place(waves).suffix != wave_format:
        raise UserError(f"waves {waves} must end in {wave_format} with {simulator}")
    simulation = _build(
        network, chosen, console, simulator=simulator, waves=waves is not None, folder=Path(build) / "sim"
    )
    outcome, _ = _run(simulation, images, console, "simulating", waves=waves, length=len(images) if back_to_back else 1)
    write_npz(output, **{"class": outcome.classes, "scores": outcome.scores, "cycles": outcome.cycles})
    _say(
        f"{counted(len(images), 'image')} through the Verilog: class, scores, every layer's spikes and every cycle "
        f"count equal the golden model; cycles {outcome.cycles.min()} to {outcome.cycles.max()}, mean "
        f"{outcome.cycles.mean():.1f}. Results are in {output}" + (f", waves in {waves}" if waves else "")
    )
    next_step("verify", network_path, *(["--plan", plan] if plan else []))


def affordable(network, plan, images):
    """Return how many of ``images`` to simulate when nobody says: as many as take minutes, at least 100.

    Measured: the simulator of one core makes about 100,000 cycles a second, whatever the circuit; see `make bench`.
    """
    design = Design(network, plan)
    _, values = layer_inputs(network, images[:8])
    cycles = design.timing.schedule(design.timing.ones(values)).cycles.mean()
    return min(len(images), max(100, int(AFFORDABLE_CYCLES / cycles)))


def verify(
    network_path,
    images,
    labels,
    *,
    source,
    limit=None,
    plan=None,
    board=None,
    simulator="verilator",
    build="build",
    jobs=None,
):
    """Send ``images`` through the Verilog, back to back and alone; write and print what was compared.

    ``limit``: only the first so many; without it all, or as many as are :func:`affordable`. Without ``plan`` that of
    ``board`` (:class:`s2nn_hw.hw.board.boards.Board`) is taken, or the default one.
    """
    console = Terminal(stderr=True)
    network = load(network_path)
    chosen = load_plan(plan, network) if plan else default_plan(network, board.family if board else GENERAL)
    network.encode(images)
    labels = None if labels is None else checked_labels(labels, len(images), len(network.classes))
    limit = limit or affordable(network, chosen, images)
    if limit < len(images):
        source = f"{source}, the first of {len(images):,}"
        images, labels = images[:limit], None if labels is None else labels[:limit]
    jobs = jobs or os.cpu_count() or 1
    length = min(SEQUENCE, len(images))
    start = time.monotonic()
    simulation = _build(network, chosen, console, simulator=simulator, optimise=True, folder=Path(build) / "sim")
    built = time.monotonic()
    stream, expected = _run(simulation, images, console, "back to back", length=length, jobs=jobs)
    alone, _ = _run(simulation, images, console, "one by one", length=1, jobs=jobs)
    ended = time.monotonic()
    accuracy = float((alone.classes == labels).mean()) if labels is not None else None
    layers = {
        name: int((table[: len(images)] % NOT_COMPUTED).sum(dtype=np.int64)) for name, table in expected.spikes.items()
    }
    summary = {
        "network": network.name,
        "digest": network.digest,
        "images": len(images),
        "image_source": source,
        "compared": ["spikes of every layer with neurons", "scores", "class", "cycles alone", "cycles back to back"],
        "differences": 0,
        "accuracy": accuracy,
        "spikes": layers,
        "latency_cycles": {
            "min": int(alone.cycles.min()),
            "mean": float(alone.cycles.mean()),
            "max": int(alone.cycles.max()),
        },
        "simulated_frames": len(alone.cycles) + len(stream.cycles),
        "simulator": simulator,
        "jobs": jobs,
        "build_seconds": built - start,
        "run_seconds": ended - built,
    }
    folder = Path(build) / "verify"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{network.name}-{network.digest[:12]}.json"
    write_json(target, summary)
    _say(
        f"{counted(len(images), 'image')} ({source}) went through the Verilog of {network.name} twice, back to back "
        f"and one by one:\n  spikes of {counted(len(layers), 'layer')} ({sum(layers.values()):,} of them), scores, "
        f"classes and all {summary['simulated_frames']:,} cycle counts equal the golden model"
        + (f"\n  accuracy of the circuit {100 * accuracy:.2f} %" if accuracy is not None else "")
        + f"\n  latency {summary['latency_cycles']['min']} to {summary['latency_cycles']['max']} cycles, mean "
        f"{summary['latency_cycles']['mean']:.1f}\n  build {built - start:.0f} s, simulation {ended - built:.0f} s; "
        f"figures in {target}"
    )
    next_step(
        "bitstream", network_path, *(["--plan", plan] if plan else []), "--board", board.name if board else "ulx3s"
    )
