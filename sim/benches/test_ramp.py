"""The generated Verilog of ramp engines under cocotb: every spike in its slot is the golden model's."""

from pathlib import Path

import pytest

from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import run_checked
from tests.support.networks import random_images
from tests.support.ramps import ramp_plan, ttfs_network

ROOT = Path(__file__).parents[2]

# sizes, bits of a pixel, slots, engines over and over, words and banks
CASES = {
    "slots all the way": ((40, 24, 17, 5), 4, (15, 7), ("ramp",), 32, 2),
    "numbers between": ((29, 13, 9, 7, 3), 2, (3, 31), ("ramp", "ramp", "event"), 8, 1),
}


@pytest.fixture(scope="module")
def folder() -> Path:
    return ROOT / "build" / "sim"  # compiled once, kept between runs


@pytest.mark.parametrize("name", CASES)
def test_random_networks(name: str, folder: Path) -> None:
    """Frames alone, in sequence and with stalls on both sides."""
    sizes, bits, slots, engines, width, banks = CASES[name]
    network = ttfs_network(sizes, input_bits=bits, slots=slots, seed=len(name))
    simulation = Simulation(network, ramp_plan(network, width=width, banks=banks, engines=engines), folder=folder)
    images = random_images(network, 24)
    for length in (1, 24):
        outcome, expected = run_checked(simulation, images, length=length)
        assert set(outcome.spikes) == set(expected.spikes) == {layer.name for layer in network.layers[:-1]}
    for stall in ((0.6, 0.0), (0.0, 0.6), (0.3, 0.3)):
        run_checked(simulation, images, length=24, stall=stall)
