"""The front as a page: a table, and what the candidates trade for what; no more than ``front.json`` has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from s2nn_hw.explore.objectives import FIGURES
from s2nn_hw.explore.rows import Entry
from s2nn_hw.explore.settings import Source
from s2nn_hw.explore.summary import Point, Summary
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


def write_page(folder: Path, summary: Summary, title: str) -> None:
    """Write ``front.html`` of ``summary`` into ``folder``; ``title`` is the board's."""
    write_text(folder / "front.html", render_page(summary, title))


def render_page(summary: Summary, title: str) -> str:
    """Return the page of ``summary`` as HTML text; the same data give the same bytes."""
    task, objectives = f"{summary.settings.source.name} on {title}", summary.settings.objectives
    front = [_system(point, f"trial {point.trial}", task) for point in summary.points if point.front]
    others = [_system(point, "", task) for point in summary.points if not point.front]
    axes = [PLOTTED[name][0] for name in objectives if name in PLOTTED]
    plots = [Plot.of(x, y, f"{_short(y)} against {_short(x)}", NOTE) for y, x in combinations(axes, 2)]
    drawn = draw(front, others, plots)
    return render(
        "explore.html",
        drawn,
        data=summary,
        title=task,
        heads=[HEADS.get(name, FIGURES[name].title) for name in objectives],
        rows=[FrontRow.of(entry, objectives, summary.settings.source) for entry in summary.entries],
        figures=list(drawn.values()),
    )


def _system(point: Point, system: str, task: str) -> System:
    figures: dict[str, Any] = {
        name: point.objectives[axis] * factor for axis, (name, factor) in PLOTTED.items() if axis in point.objectives
    }
    return System(system=system, task=task, **figures)


def _short(axis: str) -> str:
    text = AXES[axis].title.split(",")[0]
    return text[0].upper() + text[1:]


@dataclass(frozen=True)
class FrontRow:
    """A row of the table: the trial, what it is, its objectives, what synthesis counts, the estimate's error."""

    trial: int
    what: str
    cells: tuple[str, ...]
    synthesis: str
    error: str

    @classmethod
    def of(cls, entry: Entry, objectives: Sequence[str], source: Source) -> "FrontRow":
        """Return the row of ``entry``, of the network ``source``."""
        choice, figures = entry.row.choice, entry.row.figures
        entering = f"events in {choice.input_bits} steps" if source.events else f"{choice.input_bits}-bit pixels"
        entering += f", {source.planes}" if source.planes else ""
        return cls(
            trial=entry.row.trial,
            what=f"{entering}, {choice.weight_bits}-bit weights, {choice.plan} plan, {choice.clock_mhz:g} MHz",
            cells=tuple(f"{figures[name]:,.{FIGURES[name].digits}f}" for name in objectives),
            synthesis=_synthesis(entry.used),
            error=_error(entry.error),
        )


def _synthesis(used: Mapping[str, float] | None) -> str:
    return f"{used['luts']:,} LUT, {used['brams']:g} block RAM" if used else ""


def _error(error: Mapping[str, float | None] | None) -> str:
    shares = [(what, (error or {}).get(name)) for name, what in (("luts", "LUT"), ("brams", "RAM"))]
    return ", ".join(f"{what} {100 * share:+.1f} %" for what, share in shares if share is not None)
