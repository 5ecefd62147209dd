"""The whole circuit in Amaranth's simulator: scores, class and cycle counts equal golden model and cycle model."""

import numpy as np
import pytest
from conftest import random_images, random_network
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import run_accelerator

from s2nn_hw.accelerator import Accelerator, Design
from s2nn_hw.emit import layer_inputs
from s2nn_hw.plan import LayerPlan, Plan


def check(network, plan, images, *, stall=0.0, seed=0):
    accelerator = Accelerator(network, plan)
    output, inputs = layer_inputs(network, images)
    classes, scores, cycles = run_accelerator(accelerator, inputs[0], stall=stall, seed=seed)
    assert (scores == output.scores.numpy()).all()
    assert (classes == output.classes.numpy()).all()
    if not stall:
        timing = accelerator.timing
        schedule = timing.schedule(timing.ones(inputs), length=len(images))
        assert cycles.tolist() == schedule.cycles[0].tolist()


def make_plan(network, banks, width, depth):
    return Plan(tuple(LayerPlan(layer.name, banks, width, depth) for layer in network.layers))


@pytest.mark.parametrize("stall", [0.0, 0.5])
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
def test_equals_golden(sizes, input_bits, bits, banks, width, stall):
    network = random_network(sizes, input_bits=input_bits, bits=bits, seed=len(sizes) + bits)
    check(network, make_plan(network, banks, width, 4), random_images(network, 8), stall=stall)


@pytest.mark.parametrize("weights", ["zero", "low", "high"])
@pytest.mark.parametrize("input_bits", [1, 8])
def test_extreme_weights(weights, input_bits):
    network = random_network((40, 12, 5), input_bits=input_bits, bits=8, weights=weights)
    check(network, None, random_images(network, 6))


@pytest.mark.parametrize("depth", [2, 3, 16])
def test_queue_depths(depth):
    network = random_network((96, 24, 6), input_bits=2, seed=depth)
    check(network, make_plan(network, 2, 16, depth), random_images(network, 10, seed=depth))


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
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
    plan = make_plan(network, banks, banks * share, depth)
    check(network, plan, random_images(network, 5, seed), stall=stall, seed=seed)


def test_frames_alone_and_in_sequence_have_the_stated_cycles():
    network = random_network((60, 20, 4), input_bits=4, seed=3)
    accelerator = Design(network)
    images = random_images(network, 6, seed=3)
    _, inputs = layer_inputs(network, images)
    ones = accelerator.timing.ones(inputs)
    alone = accelerator.timing.schedule(ones).cycles[:, 0]
    for index in range(len(images)):
        _, _, cycles = run_accelerator(Accelerator(network), inputs[0][index : index + 1])
        assert cycles[0] == alone[index]
    pairs = accelerator.timing.schedule(ones, length=2).cycles
    for index in range(0, len(images), 2):
        _, _, cycles = run_accelerator(Accelerator(network), inputs[0][index : index + 2])
        assert cycles.tolist() == pairs[index // 2].tolist()


def test_interval_follows_the_spikes():
    """A layer that nobody holds up takes the largest bank's ones per plane, at least 1, plus 1."""
    network = random_network((64, 8, 2), input_bits=2, seed=5)
    accelerator = Design(network)
    images = np.repeat(random_images(network, 4, seed=8)[3:], 30, axis=0)
    _, inputs = layer_inputs(network, images)
    ones = accelerator.timing.ones(inputs)
    closed = accelerator.timing.schedule(ones, length=30).closed[0, 0]
    per_plane = ones[0][0].sum(axis=1).max(axis=1)
    assert np.diff(closed)[-1] == np.maximum(per_plane, 1).sum() + 1
