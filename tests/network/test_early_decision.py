"""The slot after which the class is certain, against trying every spike that may still come."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from s2nn_hw.network.early_decision import decided_after, readout_slots
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense
from tests.network.test_ttfs import ttfs_network
from tests.support.networks import random_images, random_network


def with_readout(network, weights, bias):
    """Return ``network`` with another readout."""
    last = Layer("readout", Dense(np.array(weights, np.int8), 4), Readout(np.array(bias, np.int32)))
    return replace(network, layers=(*network.layers[:-1], last), classes=tuple(map(str, range(len(bias)))))


def certain(network, values, slots, after):
    """Whether all values that silent inputs may still get, after so many slots, give one class."""
    last = network.layers[-1]
    choices = [[v] if v > slots - after else range(slots - after + 1) for v in values]
    scores = np.array(list(product(*choices))) @ last.synapses[0].weights.T.astype(int) + last.neuron.bias
    return len(set(scores.argmax(axis=1))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_first_slot_after_which_nothing_changes_the_class(seed):
    network = ttfs_network(seed, conv=False, bits=3, slots=3)
    rng = np.random.default_rng(seed)
    if seed % 3:
        classes = 1 + seed % 5
        network = with_readout(network, rng.integers(-4, 5, (classes, 4)), rng.integers(-6, 7, classes))
    slots = readout_slots(network)
    values = network.forward(random_images(network, 12, seed), trace="spikes").spikes["second"]
    values = np.concatenate([values, rng.integers(0, 4, (12, 4))])
    for value, after in zip(values.tolist(), decided_after(network, values).tolist(), strict=True):
        assert certain(network, value, slots, after)
        assert after == 0 or not certain(network, value, slots, after - 1)


def test_a_tie_is_certain_for_the_lowest_class():
    network = with_readout(ttfs_network(1, conv=False, bits=3, slots=3), np.ones((3, 4)), [0, 0, 0])
    assert decided_after(network, np.array([[0, 1, 2, 3]])).tolist() == [0]


def test_no_slots_where_the_readout_reads_no_times():
    assert readout_slots(random_network((4, 3, 2))) == 0
