"""The figures by which circuits of the same scores are compared: cycles, look-up tables, energy of the arithmetic."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.report.energy.arithmetic import Part, arithmetic
from s2nn_hw.report.quantities import Json, column, significant, widest
from s2nn_hw.report.sections.layers import LUT_BAND, layer_rows
from s2nn_hw.report.sections.measure import measure

FIGURES = ("latency", "interval", "luts", "energy_nj")


def circuit_figures(design: Design, images: npt.NDArray[np.uint8], family: str) -> tuple[Json, Json]:
    """Return :data:`FIGURES` of ``design``, cycles as means of ``images``, and the row of its energy with its ends."""
    measured = measure(design, images)
    energy = arithmetic([Part.of(row) for row in layer_rows(design, measured)])["models"]["rows"][0]
    return {
        "latency": significant(float(measured.alone.mean())),
        "interval": significant(float(measured.intervals.mean())) if measured.intervals.size else None,
        "luts": estimate(design, family).luts,
        "energy_nj": energy["total_nj"],
    }, energy


def add_ratios(first: Json, last: Json) -> None:
    """Give row ``first`` its ratios to ``last``, and that one its ones."""
    for name in FIGURES:
        first[f"{name}_ratio"] = significant(first[name] / last[name], 4) if first[name] and last[name] else None
        last[f"{name}_ratio"] = 1


def figure_columns(energies: Sequence[Json], cycles: str, kind: str, over: str) -> Json:
    """Return the columns of :data:`FIGURES` and of their ratios.

    ``energies``: rows with their ends; ``cycles``, ``kind``: where cycles and LUTs are from; ``over``: of which row
    the ratios are multiples.
    """
    band, ratio = widest(energies, "total_nj"), f"over the {over}"
    return {
        "latency": column("cycles", "formula", cycles),
        "interval": column("cycles", "formula", cycles),
        "luts": column("LUTs", "estimate", f"s2nn_hw/cost/parts.py, {kind}, without link", LUT_BAND),
        "energy_nj": column("nJ", "estimate", "arithmetic and its memory in 45 nm", band),
        "latency_ratio": column("ratio", "formula", ratio),
        "interval_ratio": column("ratio", "formula", ratio),
        "luts_ratio": column("ratio", "estimate", ratio, LUT_BAND),
        "energy_nj_ratio": column("ratio", "estimate", ratio, band),
    }
