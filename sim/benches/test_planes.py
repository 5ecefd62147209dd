"""The generated Verilog of networks over planes under cocotb: every plane of every layer is the golden model's."""

from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.sets import samples
from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import run_checked
from tests.support.networks import random_images
from tests.support.random_plans import random_case

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder() -> Path:
    return ROOT / "build" / "sim"  # compiled once, kept between runs


@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int, folder: Path) -> None:
    """Frames alone, in sequence and with stalls on both sides; all engines, codes and neurons."""
    network, plan = random_case(np.random.default_rng([seed, 41]), planes=1.0)
    simulation, images = Simulation(network, plan, folder=folder), random_images(network, 12, seed)
    for length in (1, 12):
        run_checked(simulation, images, length=length)
    run_checked(simulation, images, length=12, stall=(0.3, 0.3))


@pytest.mark.parametrize("name", ["mnist-if4"])
def test_shipped_network(name: str, folder: Path) -> None:
    """Every spike of every step on shipped images."""
    network = load(ROOT / "models" / f"{name}.s2nn")
    images = samples(str(network.provenance["data_set"]))[0][:100]
    run_checked(Simulation(network, folder=folder), images, length=100)
