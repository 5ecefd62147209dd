"""The roofline of the device, and every layer against its own lower bounds."""

import altair as alt

from s2nn_hw.report.show.charts.common import (
    BAND_STEP,
    along,
    has,
    log_axis,
    log_domain,
    names_axis,
    positive,
    tooltip,
    values,
)
from s2nn_hw.report.show.charts.labels import PLOT_HEIGHT, PLOT_WIDTH, labels
from s2nn_hw.report.show.figure import Figure, rows_of
from s2nn_hw.report.show.palette import BLUE, GREY, INK, MUTED, ORANGE, TEAL
from s2nn_hw.report.show.words import TIMES, number, origin

WHOLE = "all layers"


def roofline(report, room=PLOT_WIDTH):
    """Return additions per cycle against weight bits per cycle of each layer, under the device's two ceilings.

    ``room``: the least width of the plot in px, for which names are placed.
    """
    table = (report["bounds"] or {}).get("layers")
    if not has(table, "additions_per_cycle", "weight_bits_per_cycle"):
        return None
    found = values(table, "additions_per_cycle", "weight_bits_per_cycle")
    points = [
        {
            "name": name,
            "x": bits,
            "y": adds,
            "adds": f"{number(adds)} additions/cycle",
            "bits": f"{number(bits)} bit/cycle",
        }
        for name, adds, bits in found
        if positive(adds, bits)
    ]
    if not points:
        return None
    device = (report["bounds"] or {}).get("device") or {}
    points += _whole(device)
    adders, memory = (_ceiling(device, key) for key in ("adders_per_cycle", "bram_bits_per_cycle"))
    xs, ys = [p["x"] for p in points] + [memory] * bool(memory), [p["y"] for p in points] + [adders] * bool(adders)
    wide, high = [min(xs) / 3, 2.2 * max(xs)], [min(ys) / 3, 2.2 * max(ys)]
    axes = {
        "x": along(
            "x", "weight bits read per cycle", alt.Scale(type="log", domain=wide, nice=False), axis=log_axis(*wide)
        ),
        "y": alt.Y(
            "y:Q",
            title="additions per cycle",
            scale=alt.Scale(type="log", domain=high, nice=False),
            axis=log_axis(*high),
        ),
    }
    dots = (
        alt.Chart(rows_of(points))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            **axes,
            color=alt.condition(f"datum.name == '{WHOLE}'", alt.value(TEAL), alt.value(BLUE)),
            tooltip=tooltip(layer="name", rate="adds", memory="bits"),
        )
    )
    layers = [*labels(points, (wide, "log"), (high, "log"), axes, room), dots]
    if adders:
        layers += _rule(
            {"y": adders},
            f"all adders of the device: {number(adders)}",
            {"y": "y:Q"},
            {"x": alt.value(4), "y": "y:Q"},
            "left",
        )
    if memory:
        layers += _rule(
            {"x": memory},
            f"all block RAMs: {number(memory)} bit",
            {"x": "x:Q"},
            {"x": "x:Q", "y": alt.value("height")},
            "right",
        )
    without = [name for name, adds, bits in found if adds and not bits]
    return Figure(
        "roofline",
        "Roofline of the device",
        "Additions each layer makes per cycle against the weight bits it reads, "
        f"under what the device could ({origin(table['columns']['additions_per_cycle'])})."
        + (f" Without weights in memory: {', '.join(without)}." if without else ""),
        alt.layer(*layers).properties(height=PLOT_HEIGHT),
        ("layer", "additions per cycle", "weight bits per cycle"),
        tuple(found),
    )


def _whole(device):
    """Return the point of all layers together, if the device's figures say enough."""
    adds, bits, interval = (_ceiling(device, key) for key in ("additions", "weight_bits", "interval"))
    if not (adds and bits and interval):
        return []
    adds, bits = adds / interval, bits / interval
    return [
        {
            "name": WHOLE,
            "x": bits,
            "y": adds,
            "adds": f"{number(adds)} additions/cycle",
            "bits": f"{number(bits)} bit/cycle",
        }
    ]


def _ceiling(device, key):
    said = device.get(key)
    value = said.get("value") if isinstance(said, dict) else None
    return value if isinstance(value, (int, float)) and value > 0 else None


def _rule(row, text, line, label, align):
    at = alt.Chart(rows_of([row | {"text": text}]))
    return [
        at.mark_rule(stroke=ORANGE, strokeWidth=2).encode(**line),
        at.mark_text(align=align, baseline="bottom", dy=-4, dx=-5 if align == "right" else 0, fill=MUTED).encode(
            **label, text="text:N"
        ),
    ]


def bounds(report):
    """Return each layer's interval against the lower bounds from words, adders and memory."""
    table = (report["bounds"] or {}).get("layers")
    if not has(table, "bound", "interval"):
        return None
    kinds = {"words_bound": ("input words", TEAL), "adders_bound": ("adders", ORANGE), "memory_bound": ("memory", GREY)}
    kinds = {key: said for key, said in kinds.items() if has(table, key)}
    found = [row for row in values(table, "interval", "bound", "ratio", *kinds) if positive(*row[1:3])]
    if not found:
        return None
    order = [row[0] for row in found]
    points = [
        {"row": name, "x": value, "what": what, "shown": f"{number(value)} cycles"}
        for name, now, _, _, *parts in found
        for what, value in [*zip((said[0] for said in kinds.values()), parts, strict=True), ("interval", now)]
        if value and value > 0
    ]
    titles = [said[0] for said in kinds.values()] + ["interval"]
    low, high = min(p["x"] for p in points), max(p["x"] for p in points)
    domain = log_domain(low, high, right=0.2)
    x = along(
        "x", "cycles per frame (logarithmic)", alt.Scale(type="log", domain=domain, nice=False), axis=log_axis(*domain)
    )
    dots = (
        alt.Chart(rows_of(points))
        .mark_point(filled=True, size=75, opacity=1)
        .encode(
            y=names_axis(order),
            x=x,
            color=alt.Color(
                "what:N",
                title=None,
                sort=titles,
                scale=alt.Scale(domain=titles, range=[said[1] for said in kinds.values()] + [BLUE]),
            ),
            shape=alt.Shape(
                "what:N",
                title=None,
                sort=titles,
                scale=alt.Scale(domain=titles, range=["triangle-up", "diamond", "square"][: len(kinds)] + ["circle"]),
                legend=alt.Legend(columns=2),
            ),
            tooltip=tooltip(layer="row", of="what", cycles="shown"),
        )
    )
    ends = {row: max(p["x"] for p in points if p["row"] == row) for row in order}
    ratios = [
        {"row": row[0], "x": ends[row[0]], "text": f"{TIMES} {number(row[3], digits=3)}"}
        for row in found
        if row[3] is not None
    ]
    text = (
        alt.Chart(rows_of(ratios))
        .mark_text(align="left", dx=9, fill=INK)
        .encode(y=names_axis(order), x="x:Q", text="text:N")
    )
    return Figure(
        "bounds",
        "Layers against their lower bounds",
        "Cycles between frames of each layer left alone, against what "
        f"its words, adders and memory allow at best; {TIMES} is the ratio to the highest of them "
        f"({origin(table['columns']['interval'])}).",
        alt.layer(dots, text).properties(height={"step": BAND_STEP}),
        ("layer", "interval", "bound", "ratio", *(said[0] for said in kinds.values())),
        tuple(found),
    )
