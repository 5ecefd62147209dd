"""The roofline of the device, and every layer against its own lower bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.common import (
    BAND_STEP,
    along,
    has,
    log_axis,
    log_domain,
    log_scale,
    names_axis,
    positive,
    tooltip,
    values,
)
from s2nn_hw.report.show.charts.labels import PLOT_HEIGHT, PLOT_WIDTH, Align, Ends, labels
from s2nn_hw.report.show.figure import Figure, Layers, rows_of
from s2nn_hw.report.show.palette import BLUE, GREY, INK, MUTED, ORANGE, TEAL
from s2nn_hw.report.show.words import TIMES, number, origin

WHOLE = "all layers"


@dataclass(frozen=True)
class _Work:
    """What a layer, or all of them, does a cycle: ``x`` weight bits read, ``y`` additions."""

    name: str
    x: float
    y: float
    ink: str = ""

    def to_json(self) -> Json:
        """Return the chart's data."""
        adds, bits = f"{number(self.y)} additions/cycle", f"{number(self.x)} bit/cycle"
        return {"name": self.name, "x": self.x, "y": self.y, "adds": adds, "bits": bits}


def roofline(report: Json, room: int = PLOT_WIDTH) -> Figure | None:
    """Return additions per cycle against weight bits per cycle of each layer, under the device's two ceilings.

    ``room``: the least width of the plot in px, for which names are placed.
    """
    table = (report["bounds"] or {}).get("layers")
    if table is None or not has(table, "additions_per_cycle", "weight_bits_per_cycle"):
        return None
    found = values(table, "additions_per_cycle", "weight_bits_per_cycle")
    points = [_Work(name, bits, adds) for name, adds, bits in found if positive(adds, bits)]
    if not points:
        return None
    device = (report["bounds"] or {}).get("device") or {}
    adders, memory = _ceiling(device, "adders_per_cycle"), _ceiling(device, "bram_bits_per_cycle")
    without = [name for name, adds, bits in found if adds and not bits]
    return Figure(
        "roofline",
        "Roofline of the device",
        "Additions each layer makes per cycle against the weight bits it reads, "
        f"under what the device could ({origin(table['columns']['additions_per_cycle'])})."
        + (f" Without weights in memory: {', '.join(without)}." if without else ""),
        _roof([*points, *_whole(device)], adders, memory, room),
        ("layer", "additions per cycle", "weight bits per cycle"),
        tuple(found),
    )


def _roof(points: Sequence[_Work], adders: float | None, memory: float | None, room: int) -> Layers:
    """Return the points with their names, under a line for all ``adders`` and one for all of the ``memory``."""
    xs, ys = [p.x for p in points] + ([memory] if memory else []), [p.y for p in points] + ([adders] if adders else [])
    wide, high = [min(xs) / 3, 2.2 * max(xs)], [min(ys) / 3, 2.2 * max(ys)]
    axes = {
        "x": along("x", "weight bits read per cycle", log_scale(wide), axis=log_axis(*wide)),
        "y": alt.Y("y:Q", title="additions per cycle", scale=log_scale(high), axis=log_axis(*high)),
    }
    dots = (
        alt.Chart(rows_of(point.to_json() for point in points))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            **axes,
            color=alt.condition(f"datum.name == '{WHOLE}'", alt.value(TEAL), alt.value(BLUE)),
            tooltip=tooltip(layer="name", rate="adds", memory="bits"),
        )
    )
    layers = [*labels(points, Ends.of(wide, log=True), Ends.of(high, log=True), axes, room), dots]
    if adders:
        said = {"y": adders, "text": f"all adders of the device: {number(adders)}"}
        layers += _rule(said, {"y": "y:Q"}, {"x": alt.value(4), "y": "y:Q"}, "left")
    if memory:
        said = {"x": memory, "text": f"all block RAMs: {number(memory)} bit"}
        layers += _rule(said, {"x": "x:Q"}, {"x": "x:Q", "y": alt.value("height")}, "right")
    return alt.layer(*layers).properties(height=PLOT_HEIGHT)


def _whole(device: Json) -> list[_Work]:
    """Return the point of all layers together, if the device's figures say enough."""
    adds, bits, interval = (_ceiling(device, key) for key in ("additions", "weight_bits", "interval"))
    return [_Work(WHOLE, bits / interval, adds / interval)] if adds and bits and interval else []


def _ceiling(device: Json, key: str) -> float | None:
    """Return the device's figure of that name if it is positive."""
    said = device.get(key)
    value = said.get("value") if isinstance(said, dict) else None
    return value if isinstance(value, (int, float)) and value > 0 else None


def _rule(row: Json, line: Mapping[str, Any], label: Mapping[str, Any], align: Align) -> list[alt.Chart]:
    """Return a line across the plot and its text; ``line``, ``label``: their encodings."""
    at = alt.Chart(rows_of([row]))
    return [
        at.mark_rule(stroke=ORANGE, strokeWidth=2).encode(**line),
        at.mark_text(align=align, baseline="bottom", dy=-4, dx=-5 if align == "right" else 0, fill=MUTED).encode(
            **label, text="text:N"
        ),
    ]


@dataclass(frozen=True)
class _Kind:
    """A lower bound in the chart: column of the report, title, and colour of its points."""

    column: str
    title: str
    colour: str


KINDS = (
    _Kind("words_bound", "input words", TEAL),
    _Kind("adders_bound", "adders", ORANGE),
    _Kind("memory_bound", "memory", GREY),
)
SHAPES = ("triangle-up", "diamond", "square")


@dataclass(frozen=True)
class _Cycles:
    """Cycles of a layer in the chart, and ``what`` they are: a bound or its interval."""

    row: str
    x: float
    what: str

    def to_json(self) -> Json:
        """Return the chart's data."""
        return {"row": self.row, "x": self.x, "what": self.what, "shown": f"{number(self.x)} cycles"}


def bounds(report: Json) -> Figure | None:
    """Return each layer's interval against the lower bounds from words, adders and memory."""
    table = (report["bounds"] or {}).get("layers")
    if table is None or not has(table, "bound", "interval"):
        return None
    kinds = [kind for kind in KINDS if has(table, kind.column)]
    columns = [kind.column for kind in kinds]
    found = [row for row in values(table, "interval", "bound", "ratio", *columns) if positive(*row[1:3])]
    if not found:
        return None
    titles = [kind.title for kind in kinds]
    points = [
        _Cycles(name, value, what)
        for name, now, _, _, *parts in found
        for what, value in [*zip(titles, parts, strict=True), ("interval", now)]
        if value and value > 0
    ]
    ratios = [(name, ratio) for name, _, _, ratio, *_ in found]
    return Figure(
        "bounds",
        "Layers against their lower bounds",
        "Cycles between frames of each layer left alone, against what "
        f"its words, adders and memory allow at best; {TIMES} is the ratio to the highest of them "
        f"({origin(table['columns']['interval'])}).",
        _against(kinds, points, ratios),
        ("layer", "interval", "bound", "ratio", *titles),
        tuple(found),
    )


def _against(kinds: Sequence[_Kind], points: Sequence[_Cycles], ratios: Sequence[tuple[str, float | None]]) -> Layers:
    """Return the points of each layer on a line, and the ratio behind the last."""
    order, titles = [name for name, _ in ratios], [*(kind.title for kind in kinds), "interval"]
    domain = log_domain(min(p.x for p in points), max(p.x for p in points), right=0.2)
    dots = (
        alt.Chart(rows_of(point.to_json() for point in points))
        .mark_point(filled=True, size=75, opacity=1)
        .encode(
            y=names_axis(order),
            x=along("x", "cycles per frame (logarithmic)", log_scale(domain), axis=log_axis(*domain)),
            color=alt.Color(
                "what:N",
                title=None,
                sort=titles,
                scale=alt.Scale(domain=titles, range=[*(kind.colour for kind in kinds), BLUE]),
            ),
            shape=alt.Shape(
                "what:N",
                title=None,
                sort=titles,
                scale=alt.Scale(domain=titles, range=[*SHAPES[: len(kinds)], "circle"]),
                legend=alt.Legend(columns=2),
            ),
            tooltip=tooltip(layer="row", of="what", cycles="shown"),
        )
    )
    shown = [
        {"row": row, "x": max(p.x for p in points if p.row == row), "text": f"{TIMES} {number(ratio, digits=3)}"}
        for row, ratio in ratios
        if ratio is not None
    ]
    text = (
        alt.Chart(rows_of(shown))
        .mark_text(align="left", dx=9, fill=INK)
        .encode(y=names_axis(order), x="x:Q", text="text:N")
    )
    return alt.layer(dots, text).properties(height={"step": BAND_STEP})
