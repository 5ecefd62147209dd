"""Scatter plots of systems against each other: ours in colour with their front, others in grey."""

from dataclasses import dataclass

import altair as alt

from s2nn_hw.report.show.charts.common import log_axis, log_domain, tooltip
from s2nn_hw.report.show.charts.labels import PLOT_HEIGHT, PLOT_WIDTH, labels
from s2nn_hw.report.show.figure import Figure, rows_of
from s2nn_hw.report.show.palette import BLUE, GREY, MUTED, SERIES
from s2nn_hw.report.show.words import plain, same, scaled, unit_text

LONGEST = 26  # letters of a label


@dataclass(frozen=True)
class Axis:
    """What can be plotted: ``title`` with unit, ``unit`` of the values, ``high``: more is better, ``log`` scale."""

    title: str
    unit: str = ""
    high: bool = False
    log: bool = True

    def text(self, value):
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


def front(points, x, y):
    """Return those of ``points`` (with fields ``x`` and ``y``) that no other beats in both, by rising ``x``.

    ``x``, ``y``: the :class:`Axis` of each.
    """

    def beats(a, b):
        ways = [(a[f] - b[f]) * (1 if axis.high else -1) for f, axis in (("x", x), ("y", y))]
        return min(ways) >= 0 and max(ways) > 0

    return sorted((p for p in points if not any(beats(other, p) for other in points)), key=lambda p: (p["x"], p["y"]))


def pareto(ours, others, x, y, *, name, title, note="", room=PLOT_WIDTH):
    """Return a scatter plot of ``y`` over ``x`` (keys of :data:`AXES`), or None if that would be no comparison.

    ``ours``, ``others``: dictionaries with ``system``, ``task`` and the fields of :data:`AXES` (numbers or None).
    Ours are coloured by task and joined by their front; of the others those of the same tasks are shown, in grey.
    ``room``: the least width of the plot in px, for which names are placed.
    """
    across, up = AXES[x], AXES[y]
    mine = _points(ours, x, y)
    if not mine:
        return None
    tasks = list(dict.fromkeys(point["task"] for point in mine))
    grey = [
        point | {"ink": MUTED} for point in _points(others, x, y) if any(same(point["task"], task) for task in tasks)
    ]
    if len(mine) + len(grey) < 2:
        return None
    (wide, axis_x), (high, axis_y) = (
        _scale(axis, [p[f] for p in mine + grey]) for f, axis in (("x", across), ("y", up))
    )
    axes = {
        "x": alt.X("x:Q", title=across.title, scale=wide, axis=axis_x),
        "y": alt.Y("y:Q", title=up.title, scale=high, axis=axis_y),
    }
    tips = tooltip(system="name", task="task", **{x: "xs", y: "ys"})
    layers, dots = [], []
    if grey:
        dots.append(
            alt.Chart(rows_of(grey))
            .mark_point(filled=True, size=45, fill=GREY, opacity=0.75)
            .encode(**axes, tooltip=tips)
        )
    for task in tasks:
        best = front([point for point in mine if point["task"] == task], across, up)
        if len(best) > 1:
            layers.append(
                alt.Chart(rows_of(best))
                .mark_line(
                    interpolate="step-before" if across.high else "step-after",
                    strokeWidth=1.5,
                    opacity=0.6,
                    stroke=SERIES[tasks.index(task) % len(SERIES)],
                )
                .encode(**axes, order="x:Q")
            )
    colour = (
        alt.value(BLUE)
        if len(tasks) == 1
        else alt.Color("task:N", title=None, scale=alt.Scale(domain=tasks, range=list(SERIES)))
    )
    dots.append(
        alt.Chart(rows_of(mine)).mark_point(filled=True, size=95, opacity=1).encode(**axes, color=colour, tooltip=tips)
    )
    layers += labels(
        mine + grey,
        (wide.domain, "log" if across.log else "linear"),
        (high.domain, "log" if up.log else "linear"),
        axes,
        room,
    )
    text = f"{up.title.capitalize()} against {across.title}" + (", others in grey" if grey else "") + f".{note}"
    return Figure(
        name,
        title,
        text,
        alt.layer(*layers, *dots).properties(height=PLOT_HEIGHT),
        ("system", "task", across.title, up.title),
        tuple((p["name"], p["task"], p["xs"], p["ys"]) for p in mine + grey),
    )


def _points(rows, x, y):
    found = []
    for row in rows:
        a, b = row.get(x), row.get(y)
        if a is None or b is None or (AXES[x].log and a <= 0) or (AXES[y].log and b <= 0):
            continue
        found.append(
            {
                "name": plain(row["system"], LONGEST),
                "task": plain(row["task"], 40) or "no data set",
                "x": a,
                "y": b,
                "xs": AXES[x].text(a),
                "ys": AXES[y].text(b),
            }
        )
    return found


def _scale(axis, values):
    low, high = min(values), max(values)
    if axis.log:
        low, high = log_domain(low / 1.5, high * 1.5)
        return alt.Scale(type="log", domain=[low, high], nice=False), log_axis(low, high)
    room = 0.12 * (high - low) or 1
    return alt.Scale(
        zero=False, domain=[low - room, min(100.0, high + room) if axis.unit == "%" else high + room], nice=False
    ), alt.Axis(format=",.4~g", tickCount=5)


def beside(ours, others, room=PLOT_WIDTH):
    """Return the figures of the literature, those that have data: accuracy against LUTs and against energy.

    With several data sets each has its own figures, named ``luts-accuracy-mnist`` and so on: accuracies on different
    ones are not to be compared.
    """
    tasks, found = list(dict.fromkeys(row["task"] for row in ours)), {}
    for task in tasks:
        mine = [row for row in ours if row["task"] == task]
        name, title = (f"-{slug(task)}", f", {task}") if len(tasks) > 1 else ("", "")
        for x, what, note in (
            ("luts", "LUTs", "Lookup tables have 4 to 6 inputs, and what is counted differs."),
            ("energy_uj", "energy", "Of a chip or a whole board, measured or estimated."),
        ):
            figure = pareto(
                mine,
                others,
                x,
                "accuracy",
                name=f"{what.lower()}-accuracy{name}",
                title=f"Accuracy against {what}{title}",
                note=f" {note}",
                room=room,
            )
            if figure is not None:
                found[figure.name] = figure
    return found


def slug(text):
    """Return ``text`` as part of an identifier: letters and digits, lower case, with hyphens between."""
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in text.lower()).split())
