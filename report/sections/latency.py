"""Cycles, microseconds and frames per second of what was measured, as statistics and quantities."""

import numpy as np
import numpy.typing as npt

from s2nn_hw.design import Design
from s2nn_hw.hw.facts import LinkFacts
from s2nn_hw.report.quantities import Json, column, quantity, significant, table
from s2nn_hw.report.sections.measure import Measured

BINS = 40
EXACT = "exact cycle function (s2nn_hw/cycles/timing.py)"


def statistics(values: npt.ArrayLike, unit: str, source: str, by: str | None = None, *, scale: float = 1.0) -> Json:
    """Return min, mean, median, 99th percentile (a value that occurs), max and histogram of integer ``values``.

    All are multiplied by ``scale``. The histogram has at most :data:`BINS` bins of equal, whole width; bin ``k`` counts
    ``edges[k] <= value < edges[k + 1]``.
    """
    found = np.asarray(values).reshape(-1)
    low, high = int(found.min()), int(found.max())
    width = -(-(high - low + 1) // BINS)
    counts = np.bincount((found - low) // width)

    def scaled(value: float) -> float:
        return significant(value * scale if scale != 1 else value)

    result: Json = {
        "unit": unit,
        "source": source,
        "min": scaled(low),
        "mean": scaled(float(found.mean())),
        "median": scaled(float(np.median(found))),
        "p99": scaled(int(np.quantile(found, 0.99, method="higher"))),
        "max": scaled(high),
        "histogram": {"edges": [scaled(low + width * k) for k in range(len(counts) + 1)], "counts": counts.tolist()},
    }
    return result | ({"by": by} if by else {})


def times(values: np.ndarray, clock_mhz: float | None) -> Json:
    """Return ``{"cycles", "us"}`` statistics of cycles ``values``; None for no values, ``us`` None without a clock."""
    if not np.size(values):
        return {"cycles": None, "us": None}
    return {
        "cycles": statistics(values, "cycles", "formula", EXACT),
        "us": statistics(values, "us", "formula", f"cycles / {clock_mhz:g} MHz", scale=1 / clock_mhz)
        if clock_mhz
        else None,
    }


def rate(intervals: np.ndarray, clock_mhz: float | None, link: LinkFacts | None = None) -> Json | None:
    """Return frames/s of the circuit, the link and both, and which limits; None without a clock or intervals.

    ``link``: figures of the host link (:func:`s2nn_hw.hw.facts.link_facts`), or None.
    """
    if not clock_mhz or not np.size(intervals):
        return None
    circuit = 1e6 * clock_mhz / float(np.mean(intervals))
    bound = link.frames_per_second if link else None
    total = min(circuit, bound or circuit)

    def frames(value: float, by: str) -> Json:
        return quantity(significant(value), "frames/s", "formula", by)

    return {
        "circuit": frames(circuit, "clock / mean interval"),
        "link": None if bound is None else frames(bound, "baud / bits of the longer packet"),
        "total": frames(total, "the smaller of circuit and link"),
        "limited_by": "link" if total < circuit else "circuit",
    }


def limiting(design: Design, measured: Measured) -> Json | None:
    """Return the table of frames for which each layer, or the input, sets the rate; None without intervals.

    A layer sets the rate of a frame if its engine alone takes longest for it (the first of equals); the input takes
    a cycle a beat.
    """
    if not measured.intervals.size:
        return None
    names, own = ["input"], [np.full(measured.intervals.shape, design.beats)]
    for stage, cycles in zip(design.stages, measured.own, strict=True):
        names.append(stage.name)
        words = sum(reader.frame_words for reader in stage.readers)
        own.append(np.full(measured.intervals.shape, words) if cycles is None else cycles)
    found = np.bincount(np.argmax(own, axis=0).reshape(-1), minlength=len(names))
    total = int(found.sum())
    return table(
        {"frames": column("frames", "formula", "slowest engine alone"), "share": column("share", "formula")},
        [
            {"name": name, "frames": int(count), "share": significant(int(count) / total)}
            for name, count in zip(names, found, strict=True)
        ],
    )


def timeline(design: Design, measured: Measured) -> Json:
    """Return when each layer works on the first frames, back to back: first word taken, last slot of its engine."""
    rows = [
        {
            "layer": stage.name,
            "frame": frame,
            "begin": int(measured.opened[k, frame]),
            "end": int(measured.closed[k, frame]),
        }
        for frame in range(measured.opened.shape[1])
        for k, stage in enumerate(design.stages)
    ]
    return {
        "unit": "cycles",
        "source": "formula",
        "frames": measured.opened.shape[1],
        "results": measured.offered.tolist(),
        "rows": rows,
    }
