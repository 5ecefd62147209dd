"""What the charts share: axes, columns of a table, bars with a label above."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import ceil, floor, log10
from typing import Any

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.figure import Layers, rows_of
from s2nn_hw.report.show.palette import BLUE, INK, LINE
from s2nn_hw.report.show.words import plain

BAND_STEP = 26  # px per row of a bar chart
LABELLED_STEP = 42  # px per row with a line of text above its bar


def values(table: Json, *names: str) -> list[tuple[Any, ...]]:
    """Return the rows of a report's table as tuples of the name (on one line) and the named columns' values."""
    return [(plain(row["name"], 40), *(row.get(name) for name in names)) for row in table["rows"]]


def positive(*numbers: float | None) -> bool:
    """Return whether all are numbers that a logarithmic scale can show."""
    return all(value is not None and value > 0 for value in numbers)


def has(table: Json | None, *names: str) -> bool:
    """Return whether the table has all these columns with a number in one of their rows."""
    return table is not None and all(
        name in table["columns"] and any(isinstance(row.get(name), (int, float)) for row in table["rows"])
        for name in names
    )


def names_axis(order: Iterable[str], **more: Any) -> alt.Y:
    """Return a y encoding of the rows' names, in the order of the report."""
    return alt.Y("row:N", sort=list(order), title=None, axis=alt.Axis(grid=False), **more)


def along(field: str, title: str | None, scale: alt.Scale | None = None, **more: Any) -> alt.X:
    """Return a quantitative x encoding; ``title`` has the unit."""
    axis = {"title": title} | ({"scale": scale} if scale is not None else {}) | more
    return alt.X(f"{field}:Q", **axis)


def log_domain(low: float, high: float, right: float = 0.0) -> list[float]:
    """Return the domain of a logarithmic scale with some room, and ``right`` of its length free for texts."""
    span = max(high / low, 3)
    return [low / span**0.05, high * span ** (0.05 + right / (1 - right))]


def log_axis(low: float, high: float, **more: Any) -> alt.Axis:
    """Return an axis of a logarithmic scale from ``low`` to ``high`` with 3 to 8 grid lines at round numbers."""
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [round(step * 10.0**k, 12) for k in decades for step in steps if low <= step * 10.0**k <= high]
        if len(ticks) >= 3:
            break
    # d3's m for a thousandth would be read as a million
    label = "datum.value < 1 ? format(datum.value, '~g') : format(datum.value, '~s')"
    return alt.Axis(values=ticks, labelExpr=label, labelOverlap=True, **more)


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """Return tooltips: title -> field (nominal: texts made in Python, so that digits are the page's)."""
    return [alt.Tooltip(f"{field}:N", title=title.replace("_", " ")) for title, field in fields.items()]


@dataclass(frozen=True)
class Bar:
    """A bar of a chart: its ``row``, how long it is, the ``text`` above it, and maybe a ``colour`` of its own."""

    row: str
    value: float
    text: str
    colour: str = ""

    def to_json(self) -> Json:
        """Return the chart's data."""
        colour = {"colour": self.colour} if self.colour else {}
        return {"row": self.row, "value": self.value} | colour | {"text": self.text}


@dataclass(frozen=True)
class Band:
    """A line from ``low`` to ``high`` over the bar of ``row``, and what it says."""

    row: str
    low: float
    high: float
    text: str


def log_scale(domain: Sequence[float]) -> alt.Scale:
    """Return a logarithmic scale over exactly this domain."""
    return alt.Scale(type="log", domain=list(domain), nice=False)


def labelled_bars(bars: Sequence[Bar], order: Iterable[str], *, top: float | None = None, track: bool = True) -> Layers:
    """Return bars with their text above them.

    ``top``: where the scale ends, with a grey ``track`` behind each bar; else at the largest value, without one.
    """
    end = top or max((bar.value for bar in bars), default=0) or 1
    base = alt.Chart(rows_of(bar.to_json() for bar in bars)).encode(y=alt.Y("row:N", sort=list(order), axis=None))
    x = along("value", None, alt.Scale(domain=[0, end], nice=False), axis=None)
    drawn = base.mark_bar(size=10, yOffset=9, clip=True).encode(
        x=x,
        color=alt.Color("colour:N", scale=None) if any(bar.colour for bar in bars) else alt.value(BLUE),
        tooltip=tooltip(figure="text"),
    )
    text = base.mark_text(align="left", baseline="middle", yOffset=-7).encode(x=alt.value(0), text="text:N")
    layers = [drawn, text]
    if top and track:
        behind = base.mark_bar(size=10, yOffset=9, fill=LINE).encode(x=alt.value(0), x2=alt.value("width"))
        layers = [behind, *layers]
    return alt.layer(*layers).properties(height={"step": LABELLED_STEP})


def with_bands(chart: Layers, bands: Sequence[Band], order: Iterable[str]) -> Layers:
    """Return labelled bars with a line for each of ``bands``."""
    if not bands:
        return chart
    lines = (
        alt.Chart(rows_of(map(asdict, bands)))
        .mark_rule(stroke=INK, strokeWidth=1.5, yOffset=9)
        .encode(y=alt.Y("row:N", sort=list(order), axis=None), x="low:Q", x2="high:Q", tooltip=tooltip(band="text"))
    )
    return (chart + lines).properties(height={"step": LABELLED_STEP})
