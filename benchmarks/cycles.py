"""Cycles per frame on real images: each layer alone against its lower bound, the whole against the figures to reach."""

from benchmarks.frame import Row, Setting
from s2nn_hw.design import Design
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.sections.layers import layer_rows
from s2nn_hw.report.sections.measure import measure

TITLE = "cycles per frame, exact cycle function, default plan"
RATIO = 1.10
MEAN_LATENCY, MEAN_INTERVAL = 320, 230


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    network = setting.network
    design = Design(network, default_plan(network, "xc7"))
    measured = measure(design, setting.images)
    rows = [
        Row("mean latency", float(measured.alone.mean()), "cycles", MEAN_LATENCY, "figure to reach", binding=True),
        Row(
            "mean interval", float(measured.intervals.mean()), "cycles", MEAN_INTERVAL, "figure to reach", binding=True
        ),
    ]
    for row in layer_rows(design, measured):
        rows += [
            Row(
                f"{row.name} alone",
                row.cycles.alone_interval or 0.0,
                "cycles",
                row.cycles.bound,
                "max(ones / banks, words)",
            ),
            Row(
                f"{row.name} alone to bound",
                row.cycles.alone_to_bound or 0.0,
                "",
                RATIO,
                "figure to reach",
                binding=True,
            ),
        ]
    return rows
