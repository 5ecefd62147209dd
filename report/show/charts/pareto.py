"""Scatter plots of systems against each other: ours in colour with their front, others in grey."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import altair as alt

from s2nn_hw.report.literature import System
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.common import log_axis, log_domain, log_scale, tooltip
from s2nn_hw.report.show.charts.labels import PLOT_HEIGHT, PLOT_WIDTH, Ends, labels
from s2nn_hw.report.show.figure import Figure, rows_of
from s2nn_hw.report.show.palette import BLUE, GREY, MUTED, SERIES
from s2nn_hw.report.show.words import plain, same, scaled, unit_text

LONGEST = 26  # letters of a label
Figures = dict[str, Figure]  # by name


@dataclass(frozen=True)
class Axis:
    """What can be plotted: ``title`` with unit, ``unit`` of the values, ``high``: more is better, ``log`` scale."""

    title: str
    unit: str = ""
    high: bool = False
    log: bool = True

    def text(self, value: float) -> str:
        """Return ``value`` with its unit."""
        digits, unit = scaled(1000 * value, "nJ") if self.unit == "uJ" else scaled(value, self.unit)
        return f"{digits} {unit_text(unit)}".strip()


AXES = {
    "accuracy": Axis("accuracy, %", "%", high=True, log=False),
    "luts": Axis("LUTs"),
    "brams": Axis("block RAMs"),
    "energy_uj": Axis("energy per frame, \u00b5J", "uJ"),
    "latency_us": Axis("latency, \u00b5s", "us"),
    "frames_per_second": Axis("frames/s", "frames/s", high=True),
}


@dataclass(frozen=True)
class Spot:
    """A system in a plot: where it is, and its figures as texts; ``ink``: its name's colour, empty for the usual."""

    name: str
    task: str
    x: float
    y: float
    xs: str = ""
    ys: str = ""
    ink: str = ""

    def to_json(self) -> Json:
        """Return the chart's data."""
        return {name: value for name, value in asdict(self).items() if name != "ink" or value}


@dataclass(frozen=True)
class Plot:
    """Which scatter plot: its figure's ``name``, ``title`` and ``note`` below, and ``x`` and ``y``, of :data:`AXES`."""

    x: str
    y: str
    name: str
    title: str
    note: str = ""

    @classmethod
    def of(cls, x: str, y: str, title: str, note: str = "") -> "Plot":
        """Return the plot that is named by its axes."""
        return cls(x, y, f"{x}-{y}".replace("_", "-"), title, note)

    def spots(self, systems: Iterable[System], ink: str = "") -> list[Spot]:
        """Return the spots of those ``systems`` that have both figures, on a logarithmic axis positive ones."""
        found, across, up = [], AXES[self.x], AXES[self.y]
        for row in systems:
            a, b = row.figure(self.x), row.figure(self.y)
            if a is None or b is None or (across.log and a <= 0) or (up.log and b <= 0):
                continue
            name, task = plain(row.system, LONGEST), plain(row.task, 40) or "no data set"
            found.append(Spot(name, task, a, b, across.text(a), up.text(b), ink))
        return found


def front(points: Iterable[Spot], x: Axis, y: Axis) -> list[Spot]:
    """Return those of ``points`` that no other beats in both, by rising ``x``; ``x``, ``y``: what is plotted."""
    every = list(points)

    def beats(a: Spot, b: Spot) -> bool:
        ways = [(a.x - b.x) * (1 if x.high else -1), (a.y - b.y) * (1 if y.high else -1)]
        return min(ways) >= 0 and max(ways) > 0

    return sorted((p for p in every if not any(beats(other, p) for other in every)), key=lambda p: (p.x, p.y))


def pareto(ours: Sequence[System], others: Sequence[System], plot: Plot, room: int = PLOT_WIDTH) -> Figure | None:
    """Return a scatter plot of ``plot.y`` over ``plot.x``, or None if that would be no comparison.

    Ours are coloured by task and joined by their front; of the others those of the same tasks are shown, in grey.
    ``room``: the least width of the plot in px, for which names are placed.
    """
    across, up, mine = AXES[plot.x], AXES[plot.y], plot.spots(ours)
    if not mine:
        return None
    tasks = list(dict.fromkeys(spot.task for spot in mine))
    grey = [spot for spot in plot.spots(others, MUTED) if any(same(spot.task, task) for task in tasks)]
    shown = mine + grey
    if len(shown) < 2:
        return None
    wide, high = _domain(across, [spot.x for spot in shown]), _domain(up, [spot.y for spot in shown])
    axes = {
        "x": alt.X("x:Q", title=across.title, **_axis(across, wide)),
        "y": alt.Y("y:Q", title=up.title, **_axis(up, high)),
    }
    layers = [
        *_fronts(mine, tasks, across, up, axes),
        *labels(shown, Ends.of(wide, across.log), Ends.of(high, up.log), axes, room),
        *_dots(mine, grey, tasks, axes, tooltip(system="name", task="task", **{plot.x: "xs", plot.y: "ys"})),
    ]
    text = f"{up.title.capitalize()} against {across.title}" + (", others in grey" if grey else "") + f".{plot.note}"
    return Figure(
        plot.name,
        plot.title,
        text,
        alt.layer(*layers).properties(height=PLOT_HEIGHT),
        ("system", "task", across.title, up.title),
        tuple((spot.name, spot.task, spot.xs, spot.ys) for spot in shown),
    )


def _fronts(mine: Sequence[Spot], tasks: Sequence[str], across: Axis, up: Axis, axes: Json) -> list[alt.Chart]:
    """Return a line per task through those that none of ours beats."""
    layers = []
    for k, task in enumerate(tasks):
        best = front([spot for spot in mine if spot.task == task], across, up)
        if len(best) > 1:
            layers.append(
                alt.Chart(rows_of(spot.to_json() for spot in best))
                .mark_line(
                    interpolate="step-before" if across.high else "step-after",
                    strokeWidth=1.5,
                    opacity=0.6,
                    stroke=SERIES[k % len(SERIES)],
                )
                .encode(**axes, order="x:Q")
            )
    return layers


def _dots(
    mine: Sequence[Spot], grey: Sequence[Spot], tasks: Sequence[str], axes: Json, tips: Sequence[alt.Tooltip]
) -> list[alt.Chart]:
    """Return the points: others in grey, ours over them and coloured by task."""
    dots = []
    if grey:
        dots.append(
            alt.Chart(rows_of(spot.to_json() for spot in grey))
            .mark_point(filled=True, size=45, fill=GREY, opacity=0.75)
            .encode(**axes, tooltip=tips)
        )
    colour = (
        alt.value(BLUE)
        if len(tasks) == 1
        else alt.Color("task:N", title=None, scale=alt.Scale(domain=list(tasks), range=list(SERIES)))
    )
    ours = alt.Chart(rows_of(spot.to_json() for spot in mine)).mark_point(filled=True, size=95, opacity=1)
    return [*dots, ours.encode(**axes, color=colour, tooltip=tips)]


def _domain(axis: Axis, values: Sequence[float]) -> list[float]:
    """Return the ends of a scale with room for all ``values``."""
    low, high = min(values), max(values)
    if axis.log:
        return log_domain(low / 1.5, high * 1.5)
    room = 0.12 * (high - low) or 1
    return [low - room, min(100.0, high + room) if axis.unit == "%" else high + room]


def _axis(axis: Axis, domain: Sequence[float]) -> dict[str, Any]:
    """Return scale and axis over exactly this ``domain``."""
    if axis.log:
        return {"scale": log_scale(domain), "axis": log_axis(*domain)}
    scale = alt.Scale(zero=False, domain=list(domain), nice=False)
    return {"scale": scale, "axis": alt.Axis(format=",.4~g", tickCount=5)}


def drawn(ours: Sequence[System], others: Sequence[System], plots: Iterable[Plot], room: int = PLOT_WIDTH) -> Figures:
    """Return those of the ``plots`` that have data, by name."""
    made = (pareto(ours, others, plot, room) for plot in plots)
    return {figure.name: figure for figure in made if figure is not None}


def beside(ours: Sequence[System], others: Sequence[System], room: int = PLOT_WIDTH) -> Figures:
    """Return the figures of the literature, those that have data: accuracy against LUTs and against energy.

    With several data sets each has its own figures, named ``luts-accuracy-mnist`` and so on: accuracies on different
    ones are not to be compared.
    """
    tasks, found = list(dict.fromkeys(row.task for row in ours)), Figures()
    for task in tasks:
        mine = [row for row in ours if row.task == task]
        name, title = (f"-{slug(task)}", f", {task}") if len(tasks) > 1 else ("", "")
        plots = [
            Plot(x, "accuracy", f"{what.lower()}-accuracy{name}", f"Accuracy against {what}{title}", f" {note}")
            for x, what, note in (
                ("luts", "LUTs", "Lookup tables have 4 to 6 inputs, and what is counted differs."),
                ("energy_uj", "energy", "Of a chip or a whole board, measured or estimated."),
            )
        ]
        found |= drawn(mine, others, plots, room)
    return found


def slug(text: str) -> str:
    """Return ``text`` as part of an identifier: letters and digits, lower case, with hyphens between."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
