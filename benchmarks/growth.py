"""How things grow: the reference networks, and cycles, resources and time with channels, image and depth."""

import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting, find_images
from benchmarks.networks import make_cnn, make_network
from benchmarks.synthesis import TOLERANCE
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.emit import TOP
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.for_board import find_plan, typical
from s2nn_hw.plan.planned import OutOfReach
from s2nn_hw.report.sections.layers import layer_rows
from s2nn_hw.report.sections.measure import measure
from s2nn_hw.verilog.convert import to_verilog

MODELS = Path("models")
LARGEST = 100_000  # synapses of a network that is synthesised here: larger ones take many minutes
TIMED = 200


class References:
    """Each network in ``models/`` under the default plan: slowest layer, packing, estimate against synthesis."""

    TITLE = "reference networks, default plan, xc7 (estimate against yosys for the smaller ones)"

    @staticmethod
    def run(setting: Setting) -> list[Row]:
        """Return the rows."""
        rows: list[Row] = []
        for path in sorted(MODELS.glob("*.s2nn")):
            network = load(path)
            if network.input.sequences:
                continue
            images, _ = find_images(network, TIMED)
            design = Design(network, default_plan(network, "xc7"))
            layers = [row for row in layer_rows(design, measure(design, images)) if row.cycles.alone_interval]
            slowest = max(layers, key=lambda row: row.cycles.alone_interval or 0.0)
            guess = estimate(Design(network, default_plan(network, "xc7")), "xc7")
            blocks = sum(layer.weights.weight_brams for layer in guess.layers)
            held = sum(layer.weights.weight_bits for layer in guess.layers if layer.weights.weight_brams)
            rows += [
                Row(
                    f"{network.name}: slowest layer, {slowest.name}",
                    slowest.cycles.alone_interval or 0.0,
                    "cycles",
                    slowest.cycles.bound,
                    "max(active taps / banks, words)",
                ),
                Row(
                    f"{network.name}: packing of weight blocks",
                    held / (blocks * 36 * 1024) if blocks else 0,
                    "",
                    1.0,
                    "every bit of them used",
                    "higher",
                ),
            ]
            if network.synapse_count > LARGEST:
                rows.append(Row(f"{network.name}: LUT6, not synthesised here", guess.luts, "LUT6"))
                continue
            path = synthesise(Accelerator(network), "accelerator", "xc7", setting.output / "synthesis")
            usage = synthesis_usage(library_of("xc7"), path)
            rows += [
                Row(
                    f"{network.name}: {title}",
                    guess.counts()[what],
                    title,
                    getattr(usage, what),
                    "yosys after synthesis",
                    "near",
                    TOLERANCE,
                )
                for what, title in (("luts", "LUT6"), ("ffs", "FF"), ("brams", "RAMB36"))
            ]
        return rows


class Growth:
    """Networks with twice the channels, image, depth or neurons: cycles, estimated resources, time to Verilog and to a
    plan."""

    TITLE = "growth of convolutions (16-32 channels, 16 x 16, two layers) and of a dense network, default plan, xc7"

    @staticmethod
    def run(setting: Setting) -> list[Row]:
        """Return the rows."""
        cases = {
            "base": ((16, 32), 16),
            "channels x 2": ((32, 64), 16),
            "channels x 4": ((64, 128), 16),
            "image x 4": ((16, 32), 32),
            "depth x 2": ((16, 32, 32, 32), 16),
        }
        convolutions = {
            name: make_cnn(channels, image=(side, side, 3), name="convolutions")
            for name, (channels, side) in cases.items()
        }
        dense = {f"784-{size}-10": make_network((784, size, 10), name="dense") for size in (256, 512, 1024, 2048)}
        return [*grown(convolutions), *grown(dense)]


def grown(networks: dict[str, Network]) -> list[Row]:
    """Return the rows of ``networks``, by name, each beside those of the first."""
    rows, first = list[Row](), dict[str, float]()
    for name, network in networks.items():
        images = np.random.default_rng(0).integers(0, 256, (6, *network.input.shape)).astype(np.uint8)
        design = Design(network, default_plan(network, "xc7"))
        measured, guess = measure(design, images), estimate(design, "xc7")
        begun = time.perf_counter()
        to_verilog(Accelerator(network), TOP)
        written = time.perf_counter()
        facts = board_facts(BOARDS["arty_a7_100"])
        with suppress(OutOfReach):  # that nothing fits is an answer, too
            find_plan(network, facts, facts.clock_mhz, None, None, typical(network, images))
        values = {
            "cycles": (float(measured.intervals.mean()), "cycles"),
            "LUT6": (guess.luts, "LUT6"),
            "RAMB36": (guess.brams, "RAMB36"),
            "to Verilog": (written - begun, "s"),
            "plan --fit": (time.perf_counter() - written, "s"),
        }
        first = first or {what: value for what, (value, _) in values.items()}
        rows += [
            Row(f"{name}: {what}", value, unit, first[what] or None, f"the same of {next(iter(networks))}")
            for what, (value, unit) in values.items()
        ]
    return rows
