"""What is left of layers of logic in one circuit computes what they compute alone."""

import numpy as np
import pytest

from s2nn_hw.circuit.unroll.across import simplified
from s2nn_hw.circuit.unroll.logic import ONE, Logic
from s2nn_hw.circuit.unroll.mapping import map_layer


def chained(layers, bits):
    """Return the results of ``layers``, one behind the other; what a layer left out has stands as 0."""
    for logic in layers:
        bits = logic.evaluate(bits)
    return bits


@pytest.mark.parametrize("seed", range(6))
def test_equal_constant_and_unread_neurons_are_left_out(seed):
    rng = np.random.default_rng(seed)
    first = rng.integers(-2, 3, (12, 8))
    first[1], first[2], first[3] = first[0], 0, 0
    offsets = np.array([0, 0, 1, -1, *rng.integers(-2, 3, 8)])
    second = rng.integers(-1, 2, (4, 12))
    second[:, 5] = 0  # nobody reads it
    layers = [
        map_layer(first, offsets, fire=True, moves=3).logic,
        map_layer(second, np.zeros(4, int), fire=True, moves=3).logic,
    ]
    small, last = simplified(layers)
    kept = sorted({bit for node in last.nodes for bit in node.bits() if 0 <= bit < 12})
    bits = rng.integers(0, 2, (64, 8)).astype(np.uint8)
    between = np.zeros((64, 12), np.uint8)
    kept = sorted({*kept, *(bit for result in last.outputs for bit in result if 0 <= bit < 12)})
    assert not {1, 2, 3, 5} & set(kept)
    assert len(small.outputs) == len(kept)
    between[:, kept] = small.evaluate(bits)
    assert np.array_equal(last.evaluate(between), chained(layers, bits))


def test_a_table_of_a_constant_is_smaller():
    layers = [Logic(1, (), ((ONE,), (0,))), map_layer(np.array([[1, 1]]), np.array([-2]), fire=True).logic]
    _, last = simplified(layers)
    assert last.nodes == ()
    assert last.outputs == ((1,),)
