"""The front as a page: a table, and what the candidates trade for what, from ``front.json`` and nothing else."""

from itertools import combinations
from pathlib import Path
from typing import Any

from s2nn_hw.explore.objectives import FIGURES
from s2nn_hw.files import write_text
from s2nn_hw.report.literature import System
from s2nn_hw.report.show.charts.pareto import AXES, Plot
from s2nn_hw.report.show.charts.pareto import drawn as draw
from s2nn_hw.report.show.page import render

# names and factors of the report's plots
PLOTTED = {
    "accuracy": ("accuracy", 100.0),
    "luts": ("luts", 1.0),
    "brams": ("brams", 1.0),
    "energy_nj": ("energy_uj", 0.001),
    "latency_us": ("latency_us", 1.0),
    "frames_per_second": ("frames_per_second", 1.0),
}
HEADS = {"accuracy": "accuracy", "latency_us": "latency, us", "energy_nj": "energy, nJ", "luts": "LUT", "ffs": "FF"}
NOTE = (
    " Candidates that others beat, or that are beyond the budget, are grey; accuracy and cycles are exact, "
    "resources and energy estimates."
)


def write_page(folder: Path, data: dict[str, Any], title: str) -> None:
    """Write ``front.html`` into ``folder``: ``data`` is the content of ``front.json``, ``title`` the board's."""
    write_text(folder / "front.html", render_page(data, title))


def render_page(data: dict[str, Any], title: str) -> str:
    """Return the page of the exploration ``data`` as HTML text; the same data give the same bytes."""
    name = data["settings"]["source"]["name"]
    task = f"{name} on {title}"
    front = [_point(point, f"trial {point['trial']}", task) for point in data["chart"]["points"] if point["front"]]
    others = [_point(point, "", task) for point in data["chart"]["points"] if not point["front"]]
    axes = [PLOTTED[axis][0] for axis in data["chart"]["axes"] if axis in PLOTTED]
    plots = [Plot.of(x, y, f"{_short(y)} against {_short(x)}", NOTE) for y, x in combinations(axes, 2)]
    drawn = draw(front, others, plots)
    return render(
        "explore.html", drawn, data=data, title=task, heads=_heads(data), rows=_rows(data), figures=list(drawn.values())
    )


def _point(point: dict[str, Any], system: str, task: str) -> System:
    figures: dict[str, Any] = {
        name: None if point.get(axis) is None else point[axis] * factor for axis, (name, factor) in PLOTTED.items()
    }
    return System(system=system, task=task, **figures)


def _short(axis: str) -> str:
    text = AXES[axis].title.split(",")[0]
    return text[0].upper() + text[1:]


def _heads(data: dict[str, Any]) -> list[str]:
    return [HEADS.get(axis["figure"], FIGURES[axis["figure"]].title) for axis in data["objectives"]]


def _rows(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a dictionary per circuit of the front: what it is, its objectives, and what synthesis made of it."""
    rows = []
    for entry in data["front"]:
        values, error = entry["parameters"], entry.get("error") or {}
        used = (entry.get("synthesis") or {}).get("used")
        rows.append(
            {
                "trial": entry["trial"],
                "what": f"{values['input_bits']}-bit pixels, {values['weight_bits']}-bit weights, "
                f"{values['plan']} plan, {values['clock_mhz']:g} MHz",
                "cells": [
                    f"{entry['figures'][axis['figure']]:,.{FIGURES[axis['figure']].digits}f}"
                    for axis in data["objectives"]
                ],
                "synthesis": f"{used['luts']:,} LUT, {used['brams']:g} block RAM" if used else "",
                "error": ", ".join(
                    f"{what} {100 * error[key]:+.1f} %"
                    for key, what in (("luts", "LUT"), ("brams", "RAM"))
                    if error.get(key) is not None
                ),
            }
        )
    return rows
