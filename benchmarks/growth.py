"""How things grow: the reference networks, and cycles, resources and time with channels, image and depth."""

import time
from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting, find_images
from benchmarks.networks import make_cnn
from benchmarks.synthesis import TOLERANCE
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.emit import TOP
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
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
    """Convolutions with twice the channels, the image or the depth: cycles, estimated resources, time to Verilog."""

    TITLE = "growth of a convolutional network (16-32 channels, 16 x 16, two layers), default plan, xc7 estimate"

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
        rows: list[Row] = []
        first: dict[str, float] = {}
        for name, (channels, side) in cases.items():
            network = make_cnn(channels, image=(side, side, 3))
            images = np.random.default_rng(0).integers(0, 256, (6, *network.input.shape)).astype(np.uint8)
            measured = measure(Design(network, default_plan(network, "xc7")), images)
            start = time.perf_counter()
            to_verilog(Accelerator(network), TOP)
            seconds = time.perf_counter() - start
            guess = estimate(Design(network, default_plan(network, "xc7")), "xc7")
            values = {
                "cycles": float(measured.intervals.mean()),
                "LUT6": guess.luts,
                "RAMB36": guess.brams,
                "s": seconds,
            }
            first = first or values
            rows += [
                Row(f"{name}: {'to Verilog' if unit == 's' else unit}", value, unit, first[unit] or None, "the base")
                for unit, value in values.items()
            ]
        return rows
