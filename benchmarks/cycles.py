"""Cycles per frame on real images: each layer alone against its lower bound, the whole against the figures to reach."""

from s2nn_hw.plan import default_plan
from s2nn_hw.report.latency import latency

from .frame import Row

TITLE = "cycles per frame, exact cycle function, default plan"
RATIO = 1.10
MEAN_LATENCY, MEAN_INTERVAL = 320, 230


def run(setting):
    network = setting.network
    figures = latency(network, default_plan(network), setting.images)
    rows = [
        Row("mean latency", figures["latency_cycles"]["mean"], "cycles", MEAN_LATENCY, "figure to reach", binding=True),
        Row("mean interval", figures["interval_cycles"]["mean"], "cycles", MEAN_INTERVAL, "figure to reach",
            binding=True),
    ]
    for row in figures["layers"]:
        rows += [
            Row(f"{row['name']} alone", row["alone_interval_cycles"], "cycles", row["bound_cycles"],
                "max(ones / banks, words)"),
            Row(f"{row['name']} alone to bound", row["alone_to_bound"], "", RATIO, "figure to reach", binding=True),
        ]
    return rows
