"""Images through the generated Verilog, everything compared with the golden model: spikes, scores, class, cycles."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np

from s2nn_hw.design import Design
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.sim.verilog.runner import NOT_COMPUTED, Manner, Outcome, Simulation, image_axes

SEQUENCE = 100
ONE = Planes()
Progressed = Callable[[int], object]  # is told how many frames are done
Came = TypeVar("Came")
Part = Callable[[int, int, Path, Path | None], Came]  # of frames from the first number to below the second


class Mismatch(ProofError):
    """The circuit and the golden model differ: this names the first place."""


@dataclass(frozen=True)
class Expected:
    """The golden answer, in the form of :class:`~s2nn_hw.sim.verilog.runner.Outcome`; ``pixels`` is what to send.

    ``planes``: of the ``spikes``, by layer too, and ``fired``: how many there are in each frame, int64 ``(frames,)``.
    ``patience``: cycles within which a result must come; ``drain``: those that the circuit works on after the last.
    """

    pixels: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    spikes: dict[str, np.ndarray]
    planes: dict[str, Planes]
    fired: dict[str, np.ndarray]
    patience: int
    drain: int


def expect(design: Design, images: np.ndarray, *, length: int = 1) -> Expected:
    """Run golden model and cycle model on ``images``; ``length`` frames follow each other without a gap."""
    network = design.network
    output, values = layer_inputs(network, images)
    schedule = design.timing.schedule(design.timing.ones(values), length=length)
    spikes, fired = {}, {}
    for stage in design.stages:
        if stage.engine and not stage.is_readout:
            shape = network.shapes[stage.name]
            table = values[stage.name].reshape(len(images), *image_axes(shape))
            spikes[stage.name] = np.full_like(table, NOT_COMPUTED)
            rows, columns = stage.positions.T
            spikes[stage.name][:, rows, columns] = table[:, rows, columns]
            spikes[stage.name] = spikes[stage.name].reshape(len(images), *shape)
            counts = np.bitwise_count(table[:, rows, columns]).reshape(len(images), -1)
            fired[stage.name] = counts.sum(axis=1, dtype=np.int64)
    return Expected(
        values[INPUT],
        output.classes,
        output.scores,
        schedule.cycles.reshape(-1),
        spikes,
        {name: network.planes[name] for name in spikes},
        fired,
        patience=int(schedule.cycles.max()) + 1000,
        drain=schedule.drain,
    )


def compare(outcome: Outcome, expected: Expected, *, first_frame: int = 0, cycles: bool = True) -> None:
    """Raise :class:`Mismatch` naming the first layer, neuron and frame in which ``outcome`` is not ``expected``.

    Layers that were not probed and, without ``cycles``, the cycle counts are left out. If all that came is right but
    not all came, the first layer with the fewest frames is named: those before wait for it, those behind get no more.
    """
    frames: dict[str, float] = {}
    for name, wanted in expected.spikes.items():
        if name in outcome.spikes:
            image = wanted.ndim > 2
            what = "spike at (row, column, channel)" if image else "spike of neuron"
            planes = expected.planes.get(name, ONE)
            frames[f"layer {name}: spikes"] = outcome.seen.get(name, len(outcome.spikes[name]))
            same(outcome.spikes[name], wanted, f"layer {name}: {what}", first_frame, planes)
    frames["readout"] = len(outcome.scores)
    same(outcome.scores, expected.scores, "readout: score of class", first_frame)
    same(outcome.classes, expected.classes, "class", first_frame)
    if cycles:
        same(outcome.cycles, expected.cycles, "cycle count", first_frame)
    where = min(frames, key=frames.__getitem__)
    if set(frames.values()) != {len(expected.scores)}:
        if frames[where] == len(expected.scores):
            where = max(frames, key=frames.__getitem__)
        raise Mismatch(f"{where}: {len(expected.scores)} frames were sent, {int(frames[where])} came back")


def same(
    came: np.ndarray, wanted: np.ndarray, what: str, first_frame: int = 0, planes: Planes = ONE, unit: str = "frame"
) -> None:
    """Compare arrays whose first axis are the frames, or of what ``unit`` says; ``what`` is followed by the place in
    the others.

    Of values of several ``planes`` the first that differs is named, and all of both in order.
    """
    common = min(len(came), len(wanted))
    differ = np.argwhere(came[:common] != wanted[:common])
    if len(differ):
        frame, *place = differ[0].tolist()
        where = f" {place[0]}" if len(place) == 1 else f" {tuple(place)}" if place else ""
        right, wrong = (int(some[frame, *place]) for some in (wanted, came))
        shown = f"golden model {right}, circuit {wrong}"
        if planes.count > 1:
            first = [a == b for a, b in zip(planes.split(right), planes.split(wrong), strict=True)].index(False)
            digits = [f"{value:0{planes.count}b}" for value in (right, wrong)]
            where += f", {planes.word} {first} of {planes.count},"
            shown = f"golden model {digits[0][first]}, circuit {digits[1][first]} ({digits[0]} and {digits[1]} in all)"
        raise Mismatch(
            f"{what}{where} in {unit} {first_frame + frame}: {shown} ({len(differ):,} such differences in "
            f"{len(np.unique(differ[:, 0]))} of {len(wanted)} {unit}s)"
        )


def run_checked(
    simulation: Simulation,
    images: np.ndarray,
    *,
    length: int = 1,
    stall: tuple[float, float] = (0.0, 0.0),
    waves: Path | None = None,
    jobs: int = 1,
    progress: Progressed | None = None,
    probe: bool = True,
) -> tuple[Outcome, Expected]:
    """Send ``images`` through ``simulation`` and compare; return ``(outcome, expected)``.

    ``probe``: look into the layers too. ``jobs`` simulators share the frames; ``progress(done)`` is called now and
    then. Without stalls every cycle count is compared too.
    """
    count = len(images)
    padded = -count % length
    filled = np.concatenate([images, images[:padded]]) if padded else images
    if padded > count:
        raise UserError(f"{count} images can't fill a sequence of {length}")
    expected = expect(simulation.design, filled, length=length)
    manner = Manner(length, stall, probe, patience=expected.patience, drain=expected.drain)
    sequences = len(filled) // length
    jobs = max(1, min(jobs, sequences))
    cuts = [length * (sequences * k // jobs) for k in range(jobs + 1)]

    def part(begin: int, end: int, work: Path, waves: Path | None) -> Outcome:
        return simulation.run(expected.pixels[begin:end], manner, work=work, waves=waves)

    outcome = Outcome.joined(shared(part, cuts, waves, progress))
    compare(outcome, expected, cycles=not any(stall))
    return outcome, expected


def shared(run: Part[Came], cuts: Sequence[int], waves: Path | None, progress: Progressed | None) -> list[Came]:
    """Return what ``run(begin, end, work, waves)`` gives for each part between two ``cuts``, all at once, each with a
    folder ``work`` of its own; the first records ``waves``."""
    jobs = len(cuts) - 1
    with tempfile.TemporaryDirectory(prefix="s2nn-sim-") as folder, ThreadPoolExecutor(jobs) as pool:
        works = [Path(folder) / f"part{k}" for k in range(jobs)]
        parts: list[Future[Came]] = []
        for work, (begin, end) in zip(works, pairwise(cuts), strict=True):
            work.mkdir()
            parts.append(pool.submit(run, begin, end, work, None if parts else waves))
        pending = set(parts)
        while pending:
            pending = wait(pending, timeout=0.3).not_done
            if progress:
                progress(sum(map(done, works)))
        return [part.result() for part in parts]


def done(work: Path) -> int:
    """Return how many results the simulator in folder ``work`` says it has."""
    try:
        return int((work / "progress").read_text() or 0)
    except FileNotFoundError:
        return 0
