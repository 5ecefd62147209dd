"""Circuits of sequences: cycles of a tick against the ones of its slowest layer, of a second of sound, the estimate."""

from pathlib import Path

import numpy as np

from benchmarks.frame import Row, Setting
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.recurrent.params import KIND
from s2nn_hw.cost.recurrent import circuit_cost
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolreports import synthesis_usage
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.store import load
from s2nn_hw.plan.sequences import sequence_plan
from s2nn_hw.quantize.data import sequence_sets
from s2nn_hw.sequence_accelerator import SequenceAccelerator
from s2nn_hw.sequence_design import SequenceDesign

TITLE = "circuits of sequences: cycles, synthesis, estimate"
NETWORKS = ("digits-lprnn", "digits-small")
SECOND = 20_000  # cycles of sound, at most
EVENTS = 3_500  # of a recording, at most
TOLERANCE = 0.25


def run(setting: Setting) -> list[Row]:
    """Return the rows of both networks, and of the estimate of the small one on three families."""
    rows: list[Row] = []
    for name in NETWORKS:
        network = load(Path("models") / f"{name}.s2nn")
        rows += _cycles(network)
    small = load(Path("models") / f"{NETWORKS[-1]}.s2nn")
    for family, groups in (("xc7", 8), ("ecp5", 8), ("ice40", 32)):
        rows.append(_estimate(small, family, groups, setting.output / "synthesis"))
    return rows


def _cycles(network: Network) -> list[Row]:
    """Return the cycles of a tick, and of a second of sound, and the events of a recording, of the shipped sample."""
    given = sequence_sets.samples("fsdd")
    pixels = network.encode(given.frames)
    output = forward_sequences(network, given.frames, given.offsets, trace=True)
    design = SequenceDesign(network, sequence_plan(network, "xc7"))
    ones = design.ones(pixels, output)
    cycles, ticks = int(design.timing.schedule(ones, output.ticks).offered[-1]), int(output.ticks[-1])
    slowest = max(float(one.mean()) + p.group_cycles + 3 for one, p in zip(ones, design.stages, strict=True))
    events = sum(int(np.bitwise_count(v).sum()) for v in output.spikes.values()) / len(given)
    second = cycles * sequence_sets.FRAMES_PER_SECOND["fsdd"] / len(pixels)
    name = network.name
    return [
        Row(f"{name}: cycles of a tick", cycles / ticks, "cycles", slowest, "its slowest layer's, alone", "near", 0.15),
        Row(f"{name}: cycles of a second of sound", second, "cycles", SECOND, "the figure to reach", binding=True),
        Row(f"{name}: spikes of a recording", events, "spikes", EVENTS, "the figure to reach", binding=True),
    ]


def _estimate(network: Network, family: str, groups: int, output: Path) -> Row:
    """Return the estimate of the accelerator against yosys."""
    layers = [
        LayerPlan(layer.name, width=8, engine=KIND, groups=min(groups, layer.own_neuron.size))
        for layer in network.layers
    ]
    accelerator = SequenceAccelerator(network, Plan(tuple(layers)))
    usage = synthesis_usage(library_of(family), synthesise(accelerator, "accelerator", family, output))
    guess = circuit_cost(FAMILIES[family], accelerator.design, link=False)
    kind = FAMILIES[family].lut_kind
    title = f"{network.name}, {groups} groups, {family}: estimate"
    return Row(title, guess.luts, kind, usage.luts, "yosys after synthesis", "near", TOLERANCE, binding=True)
