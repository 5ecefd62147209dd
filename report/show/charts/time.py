"""Figures of time: distributions of cycles, the timeline, which layer sets the rate."""

from dataclasses import asdict, dataclass

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.common import BAND_STEP, Bar, along, labelled_bars, names_axis, tooltip, values
from s2nn_hw.report.show.figure import Figure, Layers, rows_of
from s2nn_hw.report.show.palette import BLUE, MUTED, PAPER, SERIES, SOFT
from s2nn_hw.report.show.words import number, origin, plain, unit_text

SHOWN_FRAMES = 6


def latency(report: Json) -> Figure | None:
    """Return the histogram of cycles from a frame's first beat to its result."""
    return _histogram(
        report, "latency", "Latency", "From a frame's first beat to its result, the frame alone in the empty circuit"
    )


def interval(report: Json) -> Figure | None:
    """Return the histogram of cycles from one result to the next; None for a single image."""
    return _histogram(report, "interval", "Interval", "From one result to the next, frames sent back to back")


def _histogram(report: Json, key: str, title: str, what: str) -> Figure | None:
    """Return the histogram of the report's statistics ``key``; ``what`` they are."""
    stats = (report[key] or {}).get("cycles")
    if not stats:
        return None
    edges, counts = stats["histogram"]["edges"], stats["histogram"]["counts"]
    frames, unit = sum(counts), stats["unit"]
    rows = [
        {
            "from": a,
            "to": b,
            "frames": n,
            "cycles": f"{number(a)} to {number(b)}",
            "shown": number(n),
            "share": f"{number(n / frames if frames else 0, 'share')} %",
        }
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    times = (report[key] or {}).get("us")
    clock = f" {number(times['mean'])} {unit_text('us')} on average." if times else ""
    return Figure(
        key,
        title,
        f"{what}: {number(stats['mean'])} {unit} on average, {number(stats['min'])} to "
        f"{number(stats['max'])}, over {frames:,} frames ({origin(stats)}).{clock}",
        alt.layer(_bins(rows, stats), *_marks(stats)).properties(height=210),
        (f"{unit}", "frames"),
        tuple((f"{number(a)} to {number(b)}", n) for a, b, n in zip(edges, edges[1:], counts, strict=False)),
    )


def _bins(rows: list[Json], stats: Json) -> alt.Chart:
    """Return the bars of a histogram, ``rows`` one a bin."""
    edges, most = stats["histogram"]["edges"], max(stats["histogram"]["counts"])
    return (
        alt.Chart(rows_of(rows))
        .mark_bar(fill=SOFT, stroke=PAPER, strokeWidth=0.5)
        .encode(
            x=along(
                "from",
                stats["unit"],
                alt.Scale(zero=False, nice=False, domain=[edges[0], edges[-1]]),
                axis=alt.Axis(grid=False, labelFlush=True, labelOverlap=True, format=",d"),
            ),
            x2="to:Q",
            y2=alt.datum(0),
            y=alt.Y(
                "frames:Q",
                title="frames",
                scale=alt.Scale(domain=[0, 1.3 * most], nice=False),
                axis=alt.Axis(format=",d", tickMinStep=1),
            ),
            tooltip=tooltip(cycles="cycles", frames="shown", share="share"),
        )
    )


def _marks(stats: Json) -> list[alt.Chart]:
    """Return a line with its text at the mean and at the 99th percentile."""
    marks, edges = [], stats["histogram"]["edges"]
    # labels stay inside: they lean away from the nearer edge
    for k, (name, value) in enumerate((("mean", stats["mean"]), ("p99", stats["p99"]))):
        late = value > 0.6 * edges[-1] + 0.4 * edges[0]
        said = {"from": value, "text": f"{name} {number(value)}"}
        at = alt.Chart(rows_of([said]))
        marks += [
            at.mark_rule(
                stroke=BLUE if k == 0 else MUTED, strokeWidth=1.5, strokeDash=[1, 0] if k == 0 else [4, 3]
            ).encode(x="from:Q"),
            at.mark_text(align="right" if late else "left", dx=-5 if late else 5, baseline="top").encode(
                x="from:Q", y=alt.value(2 + 16 * k), text="text:N"
            ),
        ]
    return marks


@dataclass(frozen=True)
class _Slot:
    """A layer at work on a frame, counted from 1, from one cycle to another."""

    row: str
    frame: int
    begin: float
    end: float

    def to_json(self) -> Json:
        """Return the chart's data."""
        shown = f"{number(self.begin)} to {number(self.end)}"
        return asdict(self) | {"shown": shown, "taken": number(self.end - self.begin)}


def timeline(report: Json) -> Figure | None:
    """Return which layer works on which frame when, for the first frames sent back to back."""
    line = report["timeline"]
    if not line or not line["rows"]:
        return None
    slots = [
        _Slot(plain(row["layer"], 40), row["frame"] + 1, row["begin"], row["end"])
        for row in line["rows"]
        if row["frame"] < SHOWN_FRAMES
    ]
    return Figure(
        "timeline",
        "Timeline",
        f"What each layer works on while {len({slot.frame for slot in slots})} frames enter back to back "
        f"({origin(line)}); a number is a frame.",
        _slots(slots, line["unit"]),
        ("layer", "frame", "from cycle", "to cycle"),
        tuple((slot.row, slot.frame, slot.begin, slot.end) for slot in slots),
        wide=True,
    )


def _slots(slots: list[_Slot], unit: str) -> Layers:
    """Return a row of bars per layer, coloured by frame, with the frame's number in the wider ones."""
    end = max(slot.end for slot in slots)
    order = list(dict.fromkeys(slot.row for slot in slots))
    frames = sorted({slot.frame for slot in slots})
    bars = (
        alt.Chart(rows_of(slot.to_json() for slot in slots))
        .mark_bar(height=16, cornerRadius=2)
        .encode(
            y=names_axis(order),
            x=along(
                "begin",
                unit,
                alt.Scale(domain=[0, end], nice=False),
                axis=alt.Axis(format=",d", labelFlush=True, labelOverlap=True),
            ),
            x2="end:Q",
            color=alt.Color(
                "frame:O",
                title="frame",
                scale=alt.Scale(domain=frames, range=list(SERIES)),
                legend=alt.Legend(columns=len(frames)),
            ),
            tooltip=tooltip(layer="row", frame="frame", cycles="shown", taken="taken"),
        )
    )
    wide = [
        slot.to_json() | {"middle": (slot.begin + slot.end) / 2} for slot in slots if slot.end - slot.begin > 0.06 * end
    ]
    text = (
        alt.Chart(rows_of(wide))
        .mark_text(fill=PAPER, fontWeight="bold")
        .encode(y=names_axis(order), x=alt.X("middle:Q"), text="frame:O")
    )
    return alt.layer(bars, text).properties(height={"step": BAND_STEP})


def limiting(report: Json) -> Figure | None:
    """Return for how many frames each layer (or the input) was the one that set the rate."""
    table = report["limiting"]
    if not table or not any(row["share"] for row in table["rows"]):
        return None
    found = [(name, frames, share) for name, frames, share in values(table, "frames", "share") if share]
    found.sort(key=lambda row: -row[2])
    bars = [Bar(name, share, f"{name}: {number(share, 'share')} % of the frames") for name, _, share in found]
    return Figure(
        "limiting",
        "What sets the rate",
        f"For how many frames each layer was the slowest ({origin(table['columns']['share'])}).",
        labelled_bars(bars, [row[0] for row in found], top=1),
        ("layer", "frames", "share, %"),
        tuple((name, frames, number(share, "share")) for name, frames, share in found),
    )
