"""The reference networks whose weights are logic: LUTs after synthesis against a peer, the estimate against them."""

from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan

TITLE = "weights in logic, the whole accelerator on xc7: synthesis, cycles, estimate"
# LUT6 and cycles of the DWN study's networks on an XC7A35T, and the LUTs to stay below
PEERS = {"mnist-nano": (3464, 6), "mnist-pico": (2246, 6), "magic-nano": (None, 6)}
TOLERANCE = 0.15


def run(setting: Setting) -> list[Row]:
    """Return the rows of each network: LUT6, cycles of latency and between frames, and the estimate."""
    rows: list[Row] = []
    for name, (luts, latency) in PEERS.items():
        network = load(Path("models") / f"{name}.s2nn")
        plan = default_plan(network, "xc7")
        accelerator = Accelerator(network, plan)
        usage = synthesis_usage(
            library_of("xc7"), synthesise(accelerator, "accelerator", "xc7", setting.output / "synthesis")
        )
        images = np.zeros((16, *network.input.shape), np.uint8)
        timing = accelerator.timing
        schedule = timing.schedule(timing.ones(layer_inputs(network, images)[1]), length=len(images))
        rows += [
            Row(
                f"{name}: LUT6, argmax and encoder included",
                usage.luts,
                "LUT6",
                luts,
                "DWN study" if luts else "",
                binding=luts is not None,
            ),
            Row(f"{name}: latency", int(schedule.cycles.max()), "cycles", latency, "the figure to reach", binding=True),
            Row(
                f"{name}: interval",
                int(np.diff(schedule.offered).max()),
                "cycles",
                1,
                "the figure to reach",
                binding=True,
            ),
            Row(
                f"{name}: estimate",
                estimate(accelerator.design, "xc7").luts,
                "LUT6",
                usage.luts,
                "yosys after synthesis",
                "near",
                TOLERANCE,
                binding=True,
            ),
        ]
    return rows
