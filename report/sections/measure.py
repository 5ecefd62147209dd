"""What real images do in a circuit: classes, ones, and the exact cycles of every frame, from the cycle functions.

    alone       first beat of a frame taken -> its result offered, the frame alone in the circuit
    intervals   one result offered -> the next, frames back to back
    bounds      per stage and frame ``max(active taps / banks, words)`` (``timing.lower_bound``)
    own         per stage and frame the interval of its engine that nobody holds up (``timing.engine_alone``)

Images are worked through in parts, so that memory does not grow with their number.
"""

from dataclasses import dataclass, field

import numpy as np

from s2nn_hw.cycles.timing import engine_alone
from s2nn_hw.network.trace import layer_inputs

SEQUENCE = 100
TIMED_WORDS = 500_000_000  # words whose cycles are worked out, some two minutes
LEAST_TIMED = 8
PART_BYTES = 1 << 29
LANES = 16
TIMELINE = 4  # frames


@dataclass
class Measured:
    """What real images gave: ``classes`` of all; ``ones``: by tensor the mean ones of each value over all.

    Of the first ``frames`` images, in sequences of ``length``: their ``timed_ones``; cycles ``alone`` ``(frames,)``,
    ``intervals`` ``(sequences, length - 1)``; ``bounds`` ``(frames, stages)``; ``own``: by stage the intervals of its
    engine alone, None for a join. ``opened``, ``closed``: cycles ``(stages, n)`` of the first few frames, back to back,
    and ``offered`` ``(n,)`` of their results.
    """

    classes: np.ndarray
    ones: dict
    timed_ones: dict
    frames: int
    length: int
    alone: np.ndarray
    intervals: np.ndarray
    bounds: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    offered: np.ndarray
    own: list = field(default_factory=list)

    @property
    def interval_bounds(self):
        """``bounds`` of the frames that ``intervals`` and ``own`` are of: the first of a sequence has no interval."""
        whole = self.frames // self.length * self.length
        return self.bounds[:whole].reshape(-1, self.length, self.bounds.shape[1])[:, 1:]


def frame_words(stages):
    """Return the words that pass between the parts of a circuit of ``stages`` for one frame: the work of timing it."""
    return sum(r.frame_words + r.tensor.words for stage in stages for r in stage.readers)


def frame_bytes(network, stages):
    """Return about how many bytes the values and the ones of one frame take."""
    gathered = max(
        r.frame_words * r.tensor.width * (r.window.taps if r.window else 1) for stage in stages for r in stage.readers
    )
    return sum(network.size(name) for name in network.shapes) + 2 * gathered


def frames_to_time(count, stages, timed_words, limit):
    """Return of how many of ``count`` images cycles are worked out."""
    timed = min(count, max(LEAST_TIMED, timed_words // frame_words(stages)))
    return min(timed, limit) if limit else timed


def measure(design, images, *, sequence=SEQUENCE, timed_words=TIMED_WORDS, frames=None, progress=None):
    """Return :class:`Measured` of ``design`` on uint8 ``images``.

    Cycles are worked out for as many of the first images as ``timed_words`` and ``frames`` allow, whole sequences if
    there is more than one; classes and ones for all. At most ``sequence`` frames follow each other, fewer in
    large circuits. ``progress(done)`` is called after each part.
    """
    network, timing, stages = design.network, design.timing, design.stages
    timed = frames_to_time(len(images), stages, timed_words, frames)
    room = max(1, PART_BYTES // frame_bytes(network, stages))
    # many sequences go through the cycle functions together, so those of a large circuit are shorter
    length = min(sequence, timed, max(LEAST_TIMED, room // LANES))
    timed = timed // length * length if timed < len(images) else timed
    whole = timed // length * length
    part = max(1, room // length) * length
    classes, totals, sums, alone, intervals, bounds, first = [], {}, {}, [], [], [], None
    own = [[] for _ in stages]
    for start in range(0, len(images), part):
        output, values = layer_inputs(network, images[start : start + part])
        classes.append(output.classes.numpy())
        for name, x in values.items():
            early, late = (
                np.bitwise_count(some).sum(axis=0, dtype=np.int64) for some in np.split(x, [max(0, timed - start)])
            )
            totals[name], sums[name] = totals.get(name, 0) + early + late, sums.get(name, 0) + early
        if progress:
            progress(min(len(images), start + part))
        if start >= timed:
            continue
        ones = timing.ones({name: x[: timed - start] for name, x in values.items()})
        if first is None:
            few = min(TIMELINE, length)
            first = timing.schedule([table[:few] for table in ones], length=few)
        alone.append(timing.schedule(ones).cycles[:, 0])
        bounds.append(timing.lower_bounds(ones))
        full = [table[: max(0, whole - start)] for table in ones]
        full = [table[: len(table) // length * length] for table in full]
        if not len(full[0]) or length == 1:
            continue
        intervals.append(np.diff(timing.schedule(full, length=length).offered, axis=1))
        for k, (stage, table) in enumerate(zip(stages, full, strict=True)):
            if stage.engine is not None:
                own[k].append(engine_alone(stage, table, length=length))
    return Measured(
        np.concatenate(classes),
        {name: total / len(images) for name, total in totals.items()},
        {name: total / timed for name, total in sums.items()},
        timed,
        length,
        np.concatenate(alone),
        np.concatenate(intervals) if intervals else np.zeros((0, 0), np.int64),
        np.concatenate(bounds),
        first.opened[:, 0],
        first.closed[:, 0],
        first.offered[0],
        [np.concatenate(parts) if parts else None for parts in own],
    )
