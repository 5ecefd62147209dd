"""Figures of energy: the device's by class and by layer, and arithmetic models against each other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.common import (
    BAND_STEP,
    Band,
    Bar,
    along,
    has,
    labelled_bars,
    log_axis,
    log_domain,
    log_scale,
    names_axis,
    positive,
    tooltip,
    values,
    with_bands,
)
from s2nn_hw.report.show.figure import Figure, Layers, rows_of
from s2nn_hw.report.show.palette import BLUE, GREY, INK, PAPER, SERIES
from s2nn_hw.report.show.words import TIMES, factors, number, origin, plain

CLASSES = {"lut": "LUTs and wires", "ff": "flip-flops", "bram": "block RAM", "clock": "clock", "io": "pins"}


def _device(report: Json) -> Json | None:
    """Return ``energy.device``, None without it."""
    device: Json | None = (report["energy"] or {}).get("device")
    return device


def _band_text(column: Json) -> str:
    """Return the band of a column as text behind a comma, empty without one."""
    return f", {factors(column)}" if column.get("band") else ""


def device_classes(report: Json) -> Figure | None:
    """Return the energy of a frame by resource class, static power's share among them, each with its band."""
    device = _device(report)
    if not device:
        return None
    table, still = device["classes"], device["frame"]["static_nj"]
    parts = [
        (CLASSES.get(name, name), value, low, high)
        for name, value, low, high in values(table, "nj", "low_nj", "high_nj")
        if value
    ]
    parts.sort(key=lambda part: -part[1])
    if still["value"]:
        parts.append(("static", still["value"], *(still.get("band") or (None, None))))
    total = sum(part[1] for part in parts)
    if not total:
        return None
    bars = [
        Bar(
            name,
            value,
            f"{name}: {number(value)} nJ, {number(value / total, 'share')} %",
            GREY if name == "static" else BLUE,
        )
        for name, value, *_ in parts
    ]
    bands = [
        Band(name, low, high, f"{number(low)} to {number(high)} nJ")
        for name, _, low, high in parts
        if low is not None and high is not None
    ]
    top = max([part[1] for part in parts] + [band.high for band in bands])
    column, order = table["columns"]["nj"], [part[0] for part in parts]
    return Figure(
        "energy-classes",
        "Energy by class",
        f"Of {number(total)} nJ per frame at the circuit's rate: switching by "
        f"kind of resource, and static power while the frame passes ({origin(column)}). Lines are the error bands.",
        with_bands(labelled_bars(bars, order, top=top, track=False), bands, order),
        ("class", "nJ per frame", "low", "high"),
        tuple((n, v, number(a), number(b)) for n, v, a, b in parts),
    )


def device_layers(report: Json) -> Figure | None:
    """Return the switching energy of a frame by layer, stacked by resource class."""
    device = _device(report)
    if not device:
        return None
    table = device["layers"]
    classes = [row["name"] for row in device["classes"]["rows"] if has(table, row["name"])]
    if not classes:
        return None
    titles = [CLASSES.get(name, plain(name, 24)) for name in classes]
    rows = [
        {"row": name, "class": title, "order": k, "value": value, "shown": f"{number(value)} nJ"}
        for name, *costs in values(table, *classes)
        for k, (title, value) in enumerate(zip(titles, costs, strict=True))
        if value
    ]
    order = [name for (name,) in values(table)]
    chart = (
        alt.Chart(rows_of(rows))
        .mark_bar(height=16, stroke=PAPER, strokeWidth=0.7)
        .encode(
            y=names_axis(order),
            x=along("value", "nJ per frame", stack="zero"),
            color=alt.Color("class:N", title=None, scale=alt.Scale(domain=titles, range=list(SERIES[: len(titles)]))),
            order=alt.Order("order:Q"),
            tooltip=tooltip(layer="row", of="class", energy="shown"),
        )
    )
    column = table["columns"][classes[0]]
    return Figure(
        "energy-layers",
        "Energy by layer",
        f"Switching energy of a frame ({origin(column)}{_band_text(column)}).",
        chart.properties(height={"step": BAND_STEP}),
        ("layer", *titles, "nJ per frame"),
        tuple((name, *costs) for name, *costs in values(table, *classes, "nj")),
    )


ARITHMETIC = {
    "arithmetic_nj": "arithmetic, nJ",
    "memory_nj": "memory, nJ",
    "total_nj": "both, nJ",
    "to_network": "to this network",
    "low_nj": "low, nJ",
    "high_nj": "high, nJ",
}
ALONE, WITH_MEMORY = "arithmetic alone", "with memory"


def arithmetic(report: Json) -> Figure | None:
    """Return arithmetic and memory energy of this network and of the same topology in other number systems."""
    model = (report["energy"] or {}).get("arithmetic")
    if not model:
        return None
    found = [row for row in values(model["models"], *ARITHMETIC) if positive(row[1], row[3])]
    if not found:
        return None
    return Figure(
        "arithmetic",
        "Energy by number system",
        "The same topology in other number systems, with "
        f"{plain(model['constants']['source'], 120)}; {TIMES} is the ratio to this network, memory included. Left out: "
        f"{plain(model['left_out'], 300)}.",
        _spans([_Model.of(*row) for row in found]),
        ("model", *ARITHMETIC.values()),
        tuple(found),
        wide=True,
    )


@dataclass(frozen=True)
class _Model:
    """A number system in the chart: nJ of the arithmetic alone and in all, and its figures as texts."""

    row: str
    arithmetic: float
    total: float
    ratio: str
    first: str
    second: str
    sum: str
    band: str

    @classmethod
    def of(
        cls, name: str, compute: float, memory: float, total: float, ratio: float, least: float, most: float
    ) -> "_Model":
        """Return that of the report's figures, in the order of :data:`ARITHMETIC`."""
        return cls(
            row=name,
            arithmetic=compute,
            total=total,
            ratio=f"{TIMES} {number(ratio, digits=3)}",
            first=f"{number(compute)} nJ",
            second=f"{number(memory)} nJ",
            sum=f"{number(total)} nJ",
            band=f"{number(least)} to {number(most)} nJ",
        )


def _spans(models: Sequence[_Model]) -> Layers:
    """Return a line per number system from its arithmetic alone to the sum, with a point at each end."""
    order = [model.row for model in models]
    base = alt.Chart(rows_of(map(asdict, models))).encode(
        y=names_axis(order),
        tooltip=tooltip(
            model="row", arithmetic="first", memory="second", both="sum", band="band", to_this_network="ratio"
        ),
    )
    low, high = min(model.arithmetic for model in models), max(model.total for model in models)
    domain = log_domain(low, high, right=0.2)
    x = along("arithmetic", "nJ per frame (logarithmic)", log_scale(domain), axis=log_axis(*domain))
    span = base.mark_rule(strokeWidth=3, stroke=GREY, opacity=0.5).encode(x=x, x2="total:Q")
    points = [
        {"row": model.row, "x": value, "what": what}
        for model in models
        for value, what in ((model.arithmetic, ALONE), (model.total, WITH_MEMORY))
    ]
    dots = (
        alt.Chart(rows_of(points))
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            y=names_axis(order),
            x="x:Q",
            color=alt.Color(
                "what:N",
                title=None,
                legend=alt.Legend(symbolType="circle"),
                scale=alt.Scale(domain=[ALONE, WITH_MEMORY], range=[GREY, BLUE]),
            ),
        )
    )
    text = base.mark_text(align="left", dx=9, fill=INK).encode(x="total:Q", text="ratio:N")
    return alt.layer(span, dots, text).properties(height={"step": BAND_STEP})
