"""Dense networks in Amaranth's simulator: scores, class and cycle counts equal golden model and cycle model."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from tests.support.networks import random_images, random_network
from tests.support.streams import check_accelerator


def make_plan(network, banks, width, depth):
    return Plan(tuple(LayerPlan(layer.name, banks, width, depth) for layer in network.layers))


@pytest.mark.parametrize(
    ("sizes", "input_bits", "bits", "banks", "width"),
    [
        ((1, 1), 1, 1, 1, 1),
        ((1, 1, 1), 8, 2, 1, 1),
        ((3, 4), 4, 4, 1, 4),
        ((13, 17, 5), 2, 3, 1, 8),
        ((13, 17, 5), 4, 5, 2, 8),
        ((64, 16, 8, 4), 1, 8, 4, 16),
        ((50, 33, 2), 8, 1, 8, 8),
        ((65, 7, 3), 2, 2, 2, 64),
    ],
)
def test_equals_golden(sizes, input_bits, bits, banks, width):
    network = random_network(sizes, input_bits=input_bits, bits=bits, seed=len(sizes) + bits)
    accelerator = Accelerator(network, make_plan(network, banks, width, 4))
    for stall in (0.0, 0.5):
        check_accelerator(accelerator, random_images(network, 8), stall=stall)


@pytest.mark.parametrize("weights", ["zero", "low", "high"])
@pytest.mark.parametrize("input_bits", [1, 8])
def test_extreme_weights(weights, input_bits):
    network = random_network((40, 12, 5), input_bits=input_bits, bits=8, weights=weights)
    check_accelerator(Accelerator(network), random_images(network, 6))


@pytest.mark.parametrize("depth", [2, 3, 16])
def test_queue_depths(depth):
    network = random_network((96, 24, 6), input_bits=2, seed=depth)
    check_accelerator(Accelerator(network, make_plan(network, 2, 16, depth)), random_images(network, 10, seed=depth))


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    input_bits=st.sampled_from([1, 2, 4, 8]),
    bits=st.integers(1, 8),
    banks=st.sampled_from([1, 2, 4]),
    share=st.sampled_from([1, 2, 8, 16]),
    depth=st.integers(2, 9),
    stall=st.sampled_from([0.0, 0.0, 0.3]),
    seed=st.integers(0, 1000),
)
def test_random_networks(sizes, input_bits, bits, banks, share, depth, stall, seed):
    network = random_network(sizes, input_bits=input_bits, bits=bits, seed=seed)
    accelerator = Accelerator(network, make_plan(network, banks, banks * share, depth))
    check_accelerator(accelerator, random_images(network, 5, seed), stall=stall, seed=seed)
