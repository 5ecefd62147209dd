"""Synthesis with yosys: LUTs of the accumulators against a LUT per bit and FINN; the estimate against its result."""

import json

import numpy as np

from benchmarks.frame import Row, Setting
from benchmarks.networks import make_network
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.engines.event import EventEngine, EventParams
from s2nn_hw.circuit.engines.price import adder_bits
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.plan.defaults import default_plan

# LUTs per lane (a weight added per cycle) of others, 16 neurons x 8 inputs, 4-bit weights, same synthesis tool:
# FINN's RTL matrix unit 2,769 LUTs; weight registers reset where there is no spike, adder tree behind, 744 LUTs
FINN_PLAIN, FINN_RESET = 21.6, 5.8
TOLERANCE = 0.15


def lane_rows(name: str, params: EventParams, setting: Setting) -> list[Row]:
    """Return the rows of one event engine on xc7: its own LUTs, without scanners and queues, which stay apart."""
    path = synthesise(EventEngine(params), "engine", "xc7", setting.output / "synthesis", flatten=False)
    cells = json.loads(path.read_text())["modules"]["\\engine"]["num_cells_by_type"]
    luts = sum(weight * cells.get(cell, 0) for cell, weight in library_of("xc7").weights["luts"].items())
    total, lanes = int(params.accumulator_widths().sum()), params.lanes * params.banks
    tree = params.lanes * adder_bits(params.banks, max(params.bits, 2))[0]
    return [
        Row(
            f"{name}: LUT6 a neuron",
            luts / params.lanes,
            "LUT6",
            (total + tree) / params.lanes,
            "one per bit, accumulator and tree",
        ),
        Row(f"{name}: LUT6 a lane", luts / lanes, "LUT6", FINN_PLAIN, "FINN's unit, 16 x 8, theirs"),
        Row(f"{name}: LUT6 a lane", luts / lanes, "LUT6", FINN_RESET, "reset-gated 16 x 8 tree, theirs"),
    ]


class Lanes:
    """Accumulators of the hidden layers, and of an engine shaped like FINN's unit: 16 neurons, 8 inputs a cycle."""

    TITLE = "LUTs of an engine without its scanners, yosys synth_xilinx (neurons x banks, weight bits)"

    @staticmethod
    def run(setting: Setting) -> list[Row]:
        """Return the rows."""
        network = setting.network
        rows: list[Row] = []
        for stage in Design(network, default_plan(network, "xc7")).stages[:-1]:
            if stage.engine.counts_spikes:
                params = stage.engine
                rows += lane_rows(f"{stage.name} {params.lanes} x {params.banks}, {params.bits}-bit", params, setting)
        weights = np.random.default_rng(0).integers(-7, 8, (1, 16, 24, 128)).astype(np.int8)
        shaped = EventParams(weights=weights, bits=4, offsets=np.zeros((1, 16), np.int64), banks=8)
        return rows + lane_rows("alone 16 x 8, 4-bit", shaped, setting)


class Estimates:
    """The estimate against synthesis, small networks on every family."""

    TITLE = "estimate (measured) against synthesis (reference) of whole accelerators"

    @staticmethod
    def run(setting: Setting) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = []
        for name, sizes, input_bits, bits in (
            ("784-40-32-10", (784, 40, 32, 10), 1, 2),
            ("196-64-32-10", (196, 64, 32, 10), 2, 4),
        ):
            network = make_network(sizes, input_bits=input_bits, bits=bits)
            for family, kind in FAMILIES.items():
                path = synthesise(Accelerator(network), "accelerator", family, setting.output / "synthesis")
                design = Design(network, default_plan(network, "xc7"))
                usage, guess = synthesis_usage(library_of(family), path), estimate(design, family)
                titles = {"luts": kind.lut_kind, "ffs": "FF", "brams": kind.bram_kind}
                rows += [
                    Row(
                        f"{name}, {family}",
                        guess.counts()[what],
                        title,
                        getattr(usage, what),
                        "yosys after synthesis",
                        "near",
                        TOLERANCE,
                        binding=True,
                    )
                    for what, title in titles.items()
                ]
        return rows
