"""Buffers in front of joins: the least that costs no cycle, and a bound with which nothing stops."""

from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.buffers import safe_buffers, size_buffers
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.network import Network
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from tests.support.networks import random_images, residual
from tests.support.random_networks import random_graph


def last_result(network, plan, values):
    """Return when the last frame's result comes, frames back to back, None if it never does."""
    timing = Design(network, plan).timing
    ones = timing.ones(values)
    try:
        return timing.schedule(ones, length=len(ones[0])).offered[0, -1]
    except Deadlock:
        return None


@pytest.mark.parametrize("seed", range(3))
def test_the_chosen_depth_costs_nothing_and_one_word_less_does(seed):
    network = residual(np.random.default_rng(seed))
    _, values = layer_inputs(network, random_images(network, 3, seed))
    plan = default_plan(network, "xc7")
    chosen = size_buffers(network, plan, values)
    assert set(chosen) == {"b"}
    ample = {"b": tuple(4 * words + 400 for words in safe_buffers(network, plan)["b"])}
    best = last_result(network, with_buffers(plan, ample), values)
    assert last_result(network, with_buffers(plan, chosen), values) == best
    for place in range(2):
        less = list(chosen["b"])
        less[place] -= 1
        try:
            came = last_result(network, with_buffers(plan, {"b": tuple(less)}), values)
        except UserError:  # below what the window itself needs
            continue
        assert came is None or came > best


def test_powers_of_two_cost_no_more_cycles_than_the_bound():
    network = residual(np.random.default_rng(5))
    _, values = layer_inputs(network, random_images(network, 3))
    plan = default_plan(network, "xc7")
    chosen = size_buffers(network, plan, values, exact=False)
    assert all(words & (words - 1) == 0 for words in chosen["b"])
    rounded = {"b": tuple(1 << (n - 1).bit_length() for n in safe_buffers(network, plan)["b"])}
    assert last_result(network, with_buffers(plan, chosen), values) == last_result(
        network, with_buffers(plan, rounded), values
    )


def test_the_default_plan_of_a_graph_never_stops():
    joined = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        network = random_graph(rng)
        if all(len(layer.sources) == 1 for layer in network.layers):
            continue
        joined += 1
        for images in np.repeat(random_images(network, 3)[1:], 2, axis=0).reshape(2, 2, *network.input.data_shape):
            _, values = layer_inputs(network, images)
            assert last_result(network, default_plan(network, "xc7"), values) is not None
    assert joined >= 3


def test_too_small_a_buffer_stops_for_ever():
    network = residual(np.random.default_rng(0))
    _, values = layer_inputs(network, random_images(network, 3))
    plan = default_plan(network, "xc7")
    plan = replace(plan, layers=tuple(replace(c, buffers=(0, 1)) if c.name == "b" else c for c in plan.layers))
    assert last_result(network, plan, values) is None


def test_a_chain_has_no_buffers_to_size():
    network = residual(np.random.default_rng(0))
    chain = Network(
        "chain", network.input, (*network.layers[:2], replace(network.layers[3], sources=("a",))), network.classes
    )
    _, values = layer_inputs(chain, random_images(chain, 3))
    assert size_buffers(chain, default_plan(chain, "xc7"), values) == {}
    assert safe_buffers(chain, default_plan(chain, "xc7")) == {}
