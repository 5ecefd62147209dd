"""Cycles, microseconds and frames per second: the exact cycle function over real images.

    latency     first beat of a frame taken -> its result offered, the frame alone in the circuit
    interval    one result offered -> the next, frames back to back
    bound       per stage and frame ``max(active taps / banks, words)`` (``timing.lower_bound``)

Images are worked through in parts, so that memory does not grow with their number.
"""

from dataclasses import dataclass, field

import numpy as np

from ..accelerator import Design
from ..emit import layer_inputs
from ..timing import engine_alone
from .work import stage_work

SEQUENCE = 100
TIMED_WORDS = 10_000_000  # words whose cycles are worked out, about 5 seconds
LEAST_TIMED = 8
PART_BYTES = 1 << 26


@dataclass
class Measured:
    """What real images gave: ``classes`` of all; ``ones``: by tensor the mean ones of each value over all.

    Of the first ``frames`` images, in sequences of ``length``: ``alone`` cycles ``(frames,)``, ``intervals``;
    ``bounds`` ``(frames, stages)``; ``own``: by stage the intervals of its engine alone, None for a join.
    """

    classes: np.ndarray
    ones: dict
    frames: int
    length: int
    alone: np.ndarray
    intervals: np.ndarray
    bounds: np.ndarray
    own: list = field(default_factory=list)


def frame_words(stages):
    """Return the words that pass between the parts of a circuit of ``stages`` for one frame: the work of timing it."""
    return sum(r.frame_words + r.tensor.words for stage in stages for r in stage.readers)


def frame_bytes(network, stages):
    """Return about how many bytes the values and the ones of one frame take."""
    gathered = max(r.frame_words * r.tensor.width * (r.window.taps if r.window else 1)
                   for stage in stages for r in stage.readers)
    return sum(network.size(name) for name in network.shapes) + 2 * gathered


def measure(design, images, *, sequence=SEQUENCE, timed_words=TIMED_WORDS):
    """Return :class:`Measured` of ``design`` on uint8 ``images``.

    Cycles are worked out for as many of the first images as ``timed_words`` allow, whole sequences if there is more
    than one; classes and ones for all.
    """
    network, timing, stages = design.network, design.timing, design.stages
    timed = min(len(images), max(LEAST_TIMED, timed_words // frame_words(stages)))
    length = min(sequence, timed)
    timed = timed // length * length if timed < len(images) else timed
    whole = timed // length * length
    part = max(1, PART_BYTES // frame_bytes(network, stages) // length) * length
    classes, totals, alone, intervals, bounds = [], {}, [], [], []
    own = [[] for _ in stages]
    for start in range(0, len(images), part):
        output, values = layer_inputs(network, images[start : start + part])
        classes.append(output.classes.numpy())
        for name, x in values.items():
            totals[name] = totals.get(name, 0) + np.bitwise_count(x).sum(axis=0, dtype=np.int64)
        if start >= timed:
            continue
        ones = timing.ones({name: x[: timed - start] for name, x in values.items()})
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
        np.concatenate(classes), {name: total / len(images) for name, total in totals.items()}, timed, length,
        np.concatenate(alone), np.concatenate(intervals) if intervals else np.zeros((0, 0), np.int64),
        np.concatenate(bounds), [np.concatenate(parts) if parts else None for parts in own],
    )


def spread(values):
    """Return min, mean, 99th percentile (a value that occurs) and max of ``values`` as plain numbers."""
    values = np.asarray(values)
    return {
        "min": int(values.min()),
        "mean": round(float(values.mean()), 3),
        "p99": int(np.quantile(values, 0.99, method="higher")),
        "max": int(values.max()),
    }


def latency(network, plan, images, *, clock_mhz=None, link=None, sequence=SEQUENCE):
    """Return the JSON-able cycle figures of ``network`` under ``plan`` on uint8 ``images``, from the exact model.

    ``clock_mhz`` adds microseconds and frames/s; ``link``, ``{"frames_per_second": ...}`` of the host link, says what
    limits the rate. ``sequence`` frames follow each other for the interval; fewer if there are fewer images, and
    the interval is None for a single one. See ``docs/report.md`` for every field.
    """
    design = Design(network, plan)
    return figures(design, measure(design, images, sequence=sequence), clock_mhz=clock_mhz, link=link)


def figures(design, measured, *, clock_mhz=None, link=None):
    """Do the work of :func:`latency` for what was ``measured``."""
    result = {
        "frames": measured.frames,
        "sequence": measured.length,
        "source": "exact cycle function",
        "latency_cycles": spread(measured.alone),
        "interval_cycles": spread(measured.intervals) if measured.intervals.size else None,
        "layers": [_row(design.network, stage, measured, k) for k, stage in enumerate(design.stages)],
    }
    return result | rates(result, clock_mhz, link)


def rates(result, clock_mhz, link=None):
    """Return the fields of :func:`latency` that need a clock; empty without one."""
    if clock_mhz is None:
        return {}
    interval = result["interval_cycles"]
    fields = {
        "clock_mhz": clock_mhz,
        "latency_us": {name: round(value / clock_mhz, 4) for name, value in result["latency_cycles"].items()},
        "circuit_frames_per_second": round(1e6 * clock_mhz / interval["mean"], 1) if interval else None,
    }
    if link and interval:
        circuit = fields["circuit_frames_per_second"]
        fields["frames_per_second"] = min(circuit, link["frames_per_second"])
        fields["limited_by"] = "link" if link["frames_per_second"] < circuit else "circuit"
    return fields


def _row(network, stage, measured, k):
    """Return one stage's row: what enters, what it adds, how long it takes alone, against the bound."""
    bounds, own = measured.bounds[:, k], measured.own[k]
    whole = measured.frames // measured.length * measured.length
    bound = bounds[:whole].reshape(-1, measured.length)[:, 1:]  # the first frame of a sequence has no interval
    return {"name": stage.name} | stage_work(network, stage, measured.ones) | {
        "bound_cycles": round(float(bounds.mean()), 3),
        "alone_frames": 0 if own is None else own.size,
        "alone_interval_cycles": None if own is None else round(float(own.mean()), 3),
        "alone_to_bound": None if own is None else round(float(own.sum() / bound.sum()), 4),
    }
