"""Figures of space and spikes: resources against the budget, per layer, and how busy the layers are."""

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.common import (
    BAND_STEP,
    Band,
    Bar,
    along,
    has,
    labelled_bars,
    names_axis,
    tooltip,
    values,
    with_bands,
)
from s2nn_hw.report.show.figure import Figure, rows_of
from s2nn_hw.report.show.palette import BAD, BLUE, GREY, INK, SERIES
from s2nn_hw.report.show.words import DASH, number, origin, plain

TITLES = {"luts": "LUTs", "ffs": "flip-flops", "brams": "block RAMs", "dsps": "DSP blocks"}


def resources(report: Json) -> Figure | None:
    """Return used resources against the board's budget, with the estimate beside a tool's figures."""
    found = report["resources"]
    if not found:
        return None
    bars, ticks, bands, cells = list[Bar](), list[Json](), list[Band](), []
    for key, row in found.items():
        used, budget = row["used"]["value"], (row["budget"] or {}).get("value")
        if used is None or not budget:
            continue
        name, share = plain(row["kind"], 24), used / budget
        about = "~" if row["used"]["source"] == "estimate" and used else ""
        said = f"{name}: {about}{number(used)} of {number(budget)}, {number(share, 'share')} %"
        said += ", does not fit" if share > 1 else ""
        bars.append(Bar(key, share, said, BAD if share > 1 else BLUE))
        if row["used"].get("band") and row["used"]["band"][0] < row["used"]["band"][1]:
            low, high = row["used"]["band"]
            bands.append(Band(key, low / budget, high / budget, f"{number(low)} to {number(high)}"))
        guess = (row.get("estimated") or {}).get("value")
        if guess is not None and row["used"]["source"] != "estimate":
            ticks.append({"row": key, "value": guess / budget, "text": f"estimate {number(guess)}"})
        cells.append((TITLES[key], name, used, budget, number(share, "share"), DASH if guess is None else guess))
    if not bars:
        return None
    end = max([1] + [bar.value for bar in bars] + [band.high for band in bands])
    order = [bar.row for bar in bars]
    chart = with_bands(labelled_bars(bars, order, top=end), bands, order)
    if ticks:
        chart += (
            alt.Chart(rows_of(ticks))
            .mark_tick(thickness=2, size=16, yOffset=9, color=INK, clip=True)
            .encode(y=alt.Y("row:N", sort=order, axis=None), x="value:Q", tooltip=tooltip(estimate="text"))
        )
    if end > 1:
        chart += alt.Chart(rows_of([{"value": 1}])).mark_rule(strokeDash=[4, 3]).encode(x="value:Q")
    return Figure(
        "resources",
        "Resources against the budget",
        f"Used of what the device has ({origin(found['luts']['used'])})."
        + (" The upright stroke is the estimate before synthesis." if ticks else "")
        + (" Lines are the error bands." if bands else ""),
        chart.properties(height={"step": 42}),
        ("resource", "kind", "used", "budget", "share, %", "estimated"),
        tuple(cells),
    )


def layer_resources(report: Json) -> Figure | None:
    """Return the estimated share of each layer in LUTs, flip-flops and block RAMs."""
    table = report["layers"]
    kinds = [kind for kind in ("luts", "ffs", "brams") if has(table, kind)]
    if not kinds:
        return None
    rows, cells = [], []
    for name, *costs in values(table, *kinds):
        cells.append((name, *costs))
        for kind, cost in zip(kinds, costs, strict=True):
            total = sum(row[kind] or 0 for row in table["rows"])
            if cost and total:
                rows.append(
                    {
                        "row": name,
                        "kind": TITLES[kind],
                        "share": cost / total,
                        "cost": number(cost),
                        "shown": f"{number(cost / total, 'share')} %",
                    }
                )
    order, titles = [row[0] for row in cells], [TITLES[kind] for kind in kinds]
    chart = (
        alt.Chart(rows_of(rows))
        .mark_bar(cornerRadiusEnd=1)
        .encode(
            y=names_axis(order, scale=alt.Scale(paddingInner=0.25)),
            yOffset=alt.YOffset("kind:N", sort=titles),
            x=along("share", "share of all layers, %", axis=alt.Axis(format="%", title="share of all layers")),
            color=alt.Color("kind:N", title=None, sort=titles, scale=alt.Scale(domain=titles, range=list(SERIES[:3]))),
            tooltip=tooltip(layer="row", resource="kind", count="cost", share="shown"),
        )
    )
    return Figure(
        "layer-resources",
        "Resources by layer",
        f"What each layer takes of what all layers take together ({origin(table['columns'][kinds[0]])}).",
        chart.properties(height={"step": 11}),
        ("layer", *titles),
        tuple(cells),
    )


def logic_parts(report: Json) -> Figure | None:
    """Return where the LUTs of unrolled layers go: encoder, tables, trees, readout, argmax, the rest."""
    logic = report.get("logic")
    if not logic or not logic["parts"]:
        return None
    cells = [(name, luts, share) for name, luts, share in values(logic["parts"], "luts", "share")]
    bars = [Bar(name, luts, f"{name}: {number(luts)}, {number(share, 'share')} %", BLUE) for name, luts, share in cells]
    chart = labelled_bars(bars, [name for name, *_ in cells], top=max(bar.value for bar in bars) or 1)
    total, bare = (logic["luts"][name]["value"] for name in ("total", "without_encoder"))
    return Figure(
        "logic-parts",
        "Where the LUTs go",
        f"{number(total)} in all, {number(bare)} without the encoder ({origin(logic['luts']['total'])}).",
        chart.properties(height={"step": 42}),
        ("part", "LUTs", "share, %"),
        tuple((name, luts, number(share, "share")) for name, luts, share in cells),
    )


def spikes(report: Json) -> Figure | None:
    """Return how many of the input's bits and of each layer's neurons, in each plane, are 1 in a frame, on average."""
    table = report["layers"]
    if not has(table, "active_share"):
        return None
    first = table["rows"][0]
    rows = [("input", first.get("active_inputs"), first["active_share"])]
    rows += [(name, out, rate) for name, out, rate in values(table, "spikes_out", "spike_rate") if rate is not None]
    rows = [row for row in rows if row[2] is not None]
    data = [
        {"row": name, "value": rate, "ones": number(ones), "shown": f"{number(rate, 'share')} %"}
        for name, ones, rate in rows
    ]
    base = alt.Chart(rows_of(data)).encode(y=names_axis([row[0] for row in rows]))
    most = max(row[2] for row in rows) or 1
    bars = base.mark_bar(height=14, cornerRadiusEnd=2).encode(
        x=along(
            "value", "ones, share of all", alt.Scale(domain=[0, 1.25 * most], nice=False), axis=alt.Axis(format="%")
        ),
        color=alt.condition("datum.row == 'input'", alt.value(GREY), alt.value(BLUE)),
        tooltip=tooltip(layer="row", ones_a_frame="ones", share="shown"),
    )
    text = base.mark_text(align="left", dx=5).encode(x="value:Q", text="shown:N")
    return Figure(
        "spikes",
        "Spikes",
        "Ones per frame among all that could be: bits or steps of the input's pixels, then the neurons of "
        f"each layer, in each of their planes ({origin(table['columns']['active_share'])}).",
        alt.layer(bars, text).properties(height={"step": BAND_STEP}),
        ("tensor", "ones a frame", "share, %"),
        tuple((name, DASH if ones is None else ones, number(rate, "share")) for name, ones, rate in rows),
    )
