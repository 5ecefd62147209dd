"""What real images do in a circuit: classes, ones, and the exact cycles of every frame, from the cycle functions.

    alone       first beat of a frame taken -> its result offered, the frame alone in the circuit
    intervals   one result offered -> the next, frames back to back
    bounds      per stage and frame ``max(active taps / banks + actions, words)`` (``timing.lower_bound``)
    own         per stage and frame the interval of its engine that nobody holds up (``timing.engine_alone``)

Images are worked through in parts, so that memory does not grow with their number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.cycles.timing import engine_alone
from s2nn_hw.design import Design
from s2nn_hw.network.early_decision import decided_after, readout_slots
from s2nn_hw.network.first_spikes import counted_slots, slots_of
from s2nn_hw.network.network import Network
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.report.sections.work import Ones, slots_read

SEQUENCE = 100
TIMED_WORDS = 500_000_000  # words whose cycles are worked out, some two minutes
LEAST_TIMED = 8
PART_BYTES = 1 << 29
LANES = 16
TIMELINE = 4  # frames


@dataclass(frozen=True)
class Measured:
    """What real images gave: ``classes`` of all; ``ones``: of each value, over all;
    ``first_spikes``: of tensors of ttfs neurons :func:`.counted_slots` of all; ``decided``: :func:`.decided_after` of
    all, None where the readout reads no times; ``left``: :func:`cycles_left` of the timed ones, None where it does not
    read slot by slot.

    Of the first ``frames`` images, in sequences of ``length``: their ``timed_ones``; cycles ``alone`` ``(frames,)``,
    ``intervals`` ``(sequences, length - 1)``; ``bounds`` ``(frames, stages)``; ``own``: by stage the intervals of its
    engine alone, None for a join. ``opened``, ``closed``: cycles ``(stages, n)`` of the first few frames, back to back,
    and ``offered`` ``(n,)`` of their results.
    """

    classes: np.ndarray
    ones: Ones
    timed_ones: Ones
    frames: int
    length: int
    alone: np.ndarray
    intervals: np.ndarray
    bounds: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    offered: np.ndarray
    own: Sequence[np.ndarray | None]
    first_spikes: Mapping[str, np.ndarray]
    decided: np.ndarray | None
    left: np.ndarray | None

    @property
    def interval_bounds(self) -> np.ndarray:
        """``bounds`` of the frames that ``intervals`` and ``own`` are of: the first of a sequence has no interval."""
        whole = self.frames // self.length * self.length
        return self.bounds[:whole].reshape(-1, self.length, self.bounds.shape[1])[:, 1:]


def frame_words(stages: Sequence[Stage]) -> int:
    """Return the words that pass between the parts of a circuit of ``stages`` for one frame: the work of timing it."""
    return sum(r.frame_words + r.tensor.words for stage in stages for r in stage.readers)


def frame_bytes(network: Network, stages: Sequence[Stage]) -> int:
    """Return about how many bytes the values and the ones of one frame take."""
    gathered = max(
        r.frame_words * r.tensor.width * (r.window.taps if r.window else 1) for stage in stages for r in stage.readers
    )
    return sum(network.size(name) for name in network.shapes) + 2 * gathered


def frames_to_time(count: int, stages: Sequence[Stage], timed_words: int, limit: int | None) -> int:
    """Return of how many of ``count`` images cycles are worked out."""
    timed = min(count, max(LEAST_TIMED, timed_words // frame_words(stages)))
    return min(timed, limit) if limit else timed


def measure(
    design: Design,
    images: npt.NDArray[np.uint8],
    *,
    sequence: int = SEQUENCE,
    timed_words: int = TIMED_WORDS,
    frames: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Measured:
    """Return :class:`Measured` of ``design`` on uint8 ``images``.

    Cycles are worked out for as many of the first images as ``timed_words`` and ``frames`` allow, whole sequences if
    there is more than one; classes and ones for all. At most ``sequence`` frames follow each other, fewer in
    large circuits. ``progress(done)`` is called after each part.
    """
    network, stages = design.network, design.stages
    timed = frames_to_time(len(images), stages, timed_words, frames)
    room = max(1, PART_BYTES // frame_bytes(network, stages))
    # many sequences go through the cycle functions together, so those of a large circuit are shorter
    length = min(sequence, timed, max(LEAST_TIMED, room // LANES))
    timed = timed // length * length if timed < len(images) else timed
    part = max(1, room // length) * length
    seen, cycles = _Seen(network, slots_of(network)), _Cycles(design, length)
    for start in range(0, len(images), part):
        output, values = layer_inputs(network, images[start : start + part])
        seen.add(output.classes, values, max(0, timed - start))
        if progress:
            progress(min(len(images), start + part))
        if start < timed:
            few = {name: x[: timed - start] for name, x in values.items()}
            decided = seen.decided[-1][: timed - start] if seen.decided else None
            cycles.add(few, max(0, timed // length * length - start), decided)
    opened, closed, offered = cycles.first
    return Measured(
        classes=np.concatenate(seen.classes),
        ones=(seen.timed_ones + seen.other_ones).mean(len(images)),
        timed_ones=seen.timed_ones.mean(timed),
        frames=timed,
        length=length,
        alone=np.concatenate(cycles.alone),
        intervals=np.concatenate(cycles.intervals) if cycles.intervals else np.zeros((0, 0), np.int64),
        bounds=np.concatenate(cycles.bounds),
        opened=opened,
        closed=closed,
        offered=offered,
        first_spikes=seen.first_spikes,
        decided=np.concatenate(seen.decided) if seen.decided else None,
        left=np.concatenate(cycles.left) if cycles.left else None,
        own=[np.concatenate(parts) if parts else None for parts in cycles.own],
    )


def cycles_left(ones: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the cycles, int64 ``(frames,)``, that a ramp engine takes for its slots from number ``after`` on, int
    ``(frames,)``, if nobody holds it up: a cycle a spike of the fullest bank, and as many as there are words.

    ``ones``: uint16 ``(frames, 1, 1, slots, words, banks)``.
    """
    each = np.maximum(ones.shape[4], ones.sum(axis=4, dtype=np.int64).max(axis=-1)).reshape(len(ones), -1)
    return np.where(np.arange(each.shape[1]) >= after[:, None], each, 0).sum(axis=1)


@dataclass
class _Sums:
    """Of images so far the sums of :class:`Ones`, int64."""

    bits: Mapping[str, np.ndarray] = field(default_factory=dict)
    spikes: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, values: Mapping[str, np.ndarray]) -> "_Sums":
        """Return those of ``values`` ``(images, size)`` by tensor."""
        return cls(
            {name: np.bitwise_count(x).sum(axis=0, dtype=np.int64) for name, x in values.items()},
            {name: np.count_nonzero(x, axis=0) for name, x in values.items()},
        )

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(
            {name: self.bits.get(name, 0) + x for name, x in other.bits.items()},
            {name: self.spikes.get(name, 0) + x for name, x in other.spikes.items()},
        )

    def mean(self, images: int) -> Ones:
        """Return the means over so many ``images``."""
        return Ones(
            {name: x / images for name, x in self.bits.items()}, {name: x / images for name, x in self.spikes.items()}
        )


@dataclass
class _Seen:
    """Of the parts so far: ``classes``, the ones of each value, of the images that are timed and of the others, and of
    those tensors of ``slots`` when values spike first."""

    network: Network
    slots: Mapping[str, int]
    classes: list[np.ndarray] = field(default_factory=list)
    timed_ones: _Sums = field(default_factory=_Sums)
    other_ones: _Sums = field(default_factory=_Sums)
    first_spikes: dict[str, np.ndarray] = field(default_factory=dict)
    decided: list[np.ndarray] = field(default_factory=list)

    def add(self, classes: np.ndarray, values: Mapping[str, np.ndarray], timed: int) -> None:
        """Take in a part: ``values`` by tensor, the first ``timed`` images of which have cycles."""
        self.classes.append(classes)
        if readout_slots(self.network):
            self.decided.append(decided_after(self.network, values[self.network.layers[-1].sources[0]]))
        self.timed_ones += _Sums.of({name: x[:timed] for name, x in values.items()})
        self.other_ones += _Sums.of({name: x[timed:] for name, x in values.items()})
        for name, x in values.items():
            if name in self.slots:
                self.first_spikes[name] = self.first_spikes.get(name, 0) + counted_slots(x, self.slots[name])


class _Cycles:
    """Cycles of the parts so far, in sequences of ``length``; ``first``: opened, closed, offered of the first few."""

    def __init__(self, design: Design, length: int) -> None:
        self.timing, self.stages, self.length = design.timing, design.stages, length
        self.alone: list[np.ndarray] = []
        self.intervals: list[np.ndarray] = []
        self.bounds: list[np.ndarray] = []
        self.own: list[list[np.ndarray]] = [[] for _ in self.stages]
        self.left: list[np.ndarray] = []

    def add(self, values: Mapping[str, np.ndarray], whole: int, decided: np.ndarray | None) -> None:
        """Take in a part, its classes certain after ``decided`` slots; of its first ``whole`` images the sequences that
        are complete give intervals."""
        ones, length = self.timing.ones(values), self.length
        if decided is not None and slots_read(self.stages[-1]):
            self.left.append(cycles_left(ones[-1], decided))
        if not self.alone:
            few = min(TIMELINE, length)
            start = self.timing.schedule([table[:few] for table in ones], length=few)
            self.first = start.opened[:, 0], start.closed[:, 0], start.offered[0]
        self.alone.append(self.timing.schedule(ones).cycles[:, 0])
        self.bounds.append(self.timing.lower_bounds(ones))
        full = [table[:whole] for table in ones]
        full = [table[: len(table) // length * length] for table in full]
        if not len(full[0]) or length == 1:
            return
        self.intervals.append(np.diff(self.timing.schedule(full, length=length).offered, axis=1))
        for k, (stage, table) in enumerate(zip(self.stages, full, strict=True)):
            if stage.engine is not None:
                self.own[k].append(engine_alone(stage, table, length=length))
