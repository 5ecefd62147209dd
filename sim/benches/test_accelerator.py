"""The generated Verilog under cocotb: every spike, score, class and cycle count is the golden model's."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.sets import samples
from s2nn_hw.sim.verilog.runner import Manner, Simulation
from s2nn_hw.sim.verilog.verify import Mismatch, compare, expect, run_checked
from tests.support.edge_cases import CASES, plan_of
from tests.support.graphs import build
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]

# sizes, bits of a pixel, bits of a weight, weights, banks, width, depth of the queues
NETWORKS = {
    "one_by_one": ((1, 1), 1, 1, "random", 1, 1, 2),
    "odd_sizes": ((29, 13, 7, 3), 2, 3, "random", 1, 8, 8),
    "two_banks": ((75, 18, 10), 4, 4, "random", 2, 32, 4),
    "eight_banks": ((130, 11, 5), 8, 7, "random", 8, 16, 3),
    "binary_weights": ((64, 32, 32, 10), 2, 1, "random", 2, 16, 8),
    "lowest_weights": ((33, 9, 4), 8, 8, "low", 2, 8, 2),
}

# of tests/network/test_graphs.py: every engine, window and join between them, and rows that no result needs
GRAPHS = (
    "grouped, parallel",
    "projection with stride",
    "shortcut, parallel, fused pooling",
    "or",
    "strides leave rows out",
    "weights of one bit",
    "taps in the padding",
)


def job(name: str) -> Any:
    sizes, input_bits, bits, weights, banks, width, depth = NETWORKS[name]
    network = random_network(sizes, input_bits=input_bits, bits=bits, weights=weights, seed=len(name))
    plan = Plan(tuple(LayerPlan(layer.name, banks, width, depth) for layer in network.layers))
    return network, plan


def graph_job(name: str) -> Any:
    """Return network, plan and images of the case ``name`` of the tests in Amaranth's simulator."""
    shape, bits, parts, changes = CASES[name]
    network = build(shape, bits, parts, seed=len(name))
    images = random_images(network, 12, seed=1)
    return network, plan_of(network, changes, images), images


@pytest.fixture(scope="module")
def folder() -> Path:
    return ROOT / "build" / "sim"  # compiled once, kept between runs


@pytest.mark.parametrize("name", NETWORKS)
def test_random_networks(name: str, folder: Path) -> None:
    network, plan = job(name)
    simulation = Simulation(network, plan, folder=folder)
    images = random_images(network, 24)
    for length in (1, 24):
        run_checked(simulation, images, length=length)
    for stall in ((0.6, 0.0), (0.0, 0.6), (0.3, 0.3)):
        run_checked(simulation, images, length=24, stall=stall)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name: str, folder: Path) -> None:
    """Every capture of every layer, of frames alone, in sequence and with stalls on both sides."""
    network, plan, images = graph_job(name)
    simulation = Simulation(network, plan, folder=folder)
    for length in (1, 12):
        outcome, expected = run_checked(simulation, images, length=length)
        assert (
            set(outcome.spikes)
            == set(expected.spikes)
            == {layer.name for layer in network.layers[:-1] if layer.accumulates}
        )
    run_checked(simulation, images, length=12, stall=(0.3, 0.3))


@pytest.mark.parametrize("name", ["two_banks", "shortcut, parallel, fused pooling"])
def test_reset_in_mid_frame_recovers(name: str, folder: Path, tmp_path: Path) -> None:
    network, plan = job(name) if name in NETWORKS else graph_job(name)[:2]
    simulation = Simulation(network, plan, folder=folder)
    images = random_images(network, 12)
    expected = expect(simulation.design, images, length=12)
    for cut in (1, 5, 17, 40, 41, 42, 90, 133):
        work = tmp_path / str(cut)
        work.mkdir()
        compare(simulation.run(expected.pixels, Manner(12, resets=[cut, cut + 3]), work=work), expected)


@pytest.mark.parametrize("name", ["mnist-mlp"])
def test_real_images(name: str, folder: Path) -> None:
    """The shipped network on shipped images, alone, in sequence, and with stalls."""
    simulation = Simulation(load(ROOT / "models" / f"{name}.s2nn"), folder=folder)
    images, labels = samples("mnist")
    outcome, _ = run_checked(simulation, images[:150], length=1)
    assert (outcome.classes == labels[:150]).mean() > 0.95
    run_checked(simulation, images, length=100)
    run_checked(simulation, images[:50], length=50, stall=(0.4, 0.4))


def test_a_place_in_an_image_is_named(folder: Path, tmp_path: Path) -> None:
    network, plan, images = graph_job("strides leave rows out")
    simulation = Simulation(network, plan, folder=folder)
    expected = expect(simulation.design, images)
    outcome = simulation.run(expected.pixels, work=tmp_path)
    expected.spikes["layer0"][2, 1, 0, 2] ^= 1
    with pytest.raises(Mismatch, match=r"layer0: spike at \(row, column, channel\) \(1, 0, 2\) in frame 2: golden"):
        compare(outcome, expected)
    expected = expect(simulation.design, images[:7])
    with pytest.raises(Mismatch, match=r"layer layer0: spikes: 7 frames were sent, 12 came back"):
        compare(outcome, expected)


def test_a_circuit_that_stops_is_given_up(folder: Path, tmp_path: Path) -> None:
    """A buffer in front of a join that is too small: patience ends, and no result is made up."""
    network, plan, images = graph_job("identity shortcut")
    simulation = Simulation(network, with_buffers(plan, {"layer2": (0, 4)}), folder=folder)
    with pytest.raises(Deadlock):
        expect(simulation.design, images)
    outcome = simulation.run(network.encode(images), Manner(patience=2000), work=tmp_path)
    assert len(outcome.classes) == 0
    with pytest.raises(Mismatch, match=r"layer layer2: spikes: \d+ frames were sent, 0 came back"):
        compare(outcome, expect(Design(network, plan), images))


@pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog is not on the PATH")
def test_icarus_agrees(folder: Path) -> None:
    for network, plan, images in (
        (*job("odd_sizes"), None),
        graph_job("or"),
        graph_job("groups with spare lanes"),
        graph_job("grouped, parallel"),
    ):
        images = random_images(network, 6) if images is None else images
        run_checked(Simulation(network, plan, folder=folder, simulator="icarus"), images, length=6)


def test_a_difference_is_named(folder: Path, tmp_path: Path) -> None:
    """One threshold changed by one: the first layer, neuron and frame that differ are in the message."""
    network, plan = job("odd_sizes")
    simulation = Simulation(network, plan, folder=folder)
    images = random_images(network, 24)
    expected = expect(simulation.design, images)
    outcome = simulation.run(expected.pixels, work=tmp_path)
    compare(outcome, expected)
    compare(outcome, replace(expected, cycles=expected.cycles + 1), cycles=False)
    spoiled = expected.spikes["layer1"].copy()
    spoiled[7, 3] ^= 1
    expected.spikes["layer1"] = spoiled
    with pytest.raises(Mismatch, match=r"layer layer1: spike of neuron 3 in frame 107: golden model \d, circuit"):
        compare(outcome, expected, first_frame=100)
    wrong = np.array(outcome.cycles)
    wrong[4] += 1
    expected.spikes["layer1"] = outcome.spikes["layer1"]
    with pytest.raises(Mismatch, match=r"cycle count in frame 4: golden model \d+, circuit \d+"):
        compare(type(outcome)(outcome.classes, outcome.scores, wrong, outcome.spikes), expected)
