"""Accuracy of converted networks against the number of spikes that an activation may have."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from s2nn_hw.report.show.charts.common import log_scale, tooltip
from s2nn_hw.report.show.charts.labels import PLOT_HEIGHT
from s2nn_hw.report.show.figure import Figure, rows_of
from s2nn_hw.report.show.palette import MUTED, SERIES

LEAST = 10.0  # points of accuracy that the plot shows at least


def steps_plot(title: str, caption: str, relu: float, points: Sequence[Mapping[str, Any]], *, least: float) -> Figure:
    """Return a line a variant of accuracy, %, over T, and a rule for the ReLU network.

    ``relu``: its accuracy, ``points``: ``variant``, ``steps``, ``accuracy``, shares from 0 to 1; what is below
    ``least`` %, or :data:`LEAST` points under the best, is cut off, so that small differences are seen.
    """
    names = list(dict.fromkeys(point["variant"] for point in points))
    counts = sorted({point["steps"] for point in points})
    top = 100 * max(relu, *(point["accuracy"] for point in points))
    low = min(least, top - LEAST)
    rows = [
        {
            "variant": point["variant"],
            "T": point["steps"],
            "accuracy": 100 * point["accuracy"],
            "shown": f"{100 * point['accuracy']:.2f} %",
        }
        for point in points
    ]
    axes: dict[str, Any] = {
        "x": alt.X(
            "T:Q",
            title="T, spikes of an activation at most",
            scale=log_scale([counts[0] / 1.15, counts[-1] * 1.15]),
            axis=alt.Axis(values=counts, grid=False, format="d"),
        ),
        "y": alt.Y(
            "accuracy:Q",
            title="accuracy, %",
            scale=alt.Scale(domain=[low, top + (top - low) / 20], nice=False, zero=False),
            axis=alt.Axis(format=",.4~g"),
        ),
    }
    colour = alt.Color("variant:N", title=None, scale=alt.Scale(domain=names, range=list(SERIES)))
    base = alt.Chart(rows_of(rows)).encode(**axes, color=colour)
    rule = alt.Chart(rows_of([{"accuracy": 100 * relu}])).mark_rule(stroke=MUTED, strokeDash=[4, 4])
    layers = [
        rule.encode(y="accuracy:Q"),
        base.mark_line(strokeWidth=1.5, clip=True),
        base.mark_point(filled=True, size=70, opacity=1, clip=True).encode(
            tooltip=tooltip(variant="variant", T="T", accuracy="shown")
        ),
    ]
    return Figure(
        "steps-accuracy",
        title,
        f"{caption} The dashed line is the ReLU network, {100 * relu:.2f} %.",
        alt.layer(*layers).properties(height=PLOT_HEIGHT),
        ("variant", "T", "accuracy"),
        tuple((row["variant"], row["T"], row["shown"]) for row in rows),
    )
