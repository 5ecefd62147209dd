"""What is said where circuit and golden model differ, and how many spikes were compared, without a simulator."""

from types import SimpleNamespace

import numpy as np
import pytest

from s2nn_hw.design import Design
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.verilog.summary import spikes_by_layer
from s2nn_hw.sim.verilog.verify import Mismatch, compare, expect
from tests.support.event_networks import event_network, events_of
from tests.support.networks import random_images, random_network


def came(expected, layer, place, bit):
    """Return what a circuit would give that differs in one ``bit`` of a value."""
    spikes = {name: table.copy() for name, table in expected.spikes.items()}
    spikes[layer][place] ^= 1 << bit
    return SimpleNamespace(
        spikes=spikes, seen={}, scores=expected.scores, classes=expected.classes, cycles=expected.cycles
    )


def test_the_step_that_differs_first_is_named():
    network = event_network(4)
    expected = expect(Design(network, default_plan(network, "xc7")), events_of(network, 5))
    value = int(expected.spikes["hidden"][3, 2])
    with pytest.raises(Mismatch) as error:
        compare(came(expected, "hidden", (3, 2), 1), expected)
    right, wrong = (f"{number:04b}" for number in (value, value ^ 2))
    assert str(error.value).startswith(
        f"layer hidden: spike of neuron 2, step 2 of 4, in frame 3: golden model {right[2]}, circuit {wrong[2]} "
        f"({right} and {wrong} in all) (1 such differences in 1 of 5 frames)"
    )
    with pytest.raises(
        Mismatch, match=r"conv: spike at \(row, column, channel\) \(1, 2, 0\), step 0 of 4, in frame 1:"
    ):
        compare(came(expected, "conv", (1, 1, 2, 0), 3), expected)


def test_spikes_are_counted_not_values():
    network = event_network(10)
    events = events_of(network, 5)
    expected = expect(Design(network, default_plan(network, "xc7")), events)
    counts = spikes_by_layer(expected, 3)
    spikes = network.forward(events[:3], trace="spikes").spikes
    assert counts == {name: int(np.bitwise_count(spikes[name]).sum()) for name in ("conv", "hidden")}


def test_numbers_of_eight_bits_all_ones_are_spikes():
    plain = random_network((6, 5, 2))
    neuron = Quantized(np.ones(5, np.int32), np.full(5, 1 << 20, np.int32), 8)
    layers = (Layer("layer0", plain.layers[0].synapses, neuron), plain.layers[1])
    network = Network("full", plain.input, layers, plain.classes)
    expected = expect(Design(network, default_plan(network, "xc7")), random_images(network, 3))
    assert spikes_by_layer(expected, 3) == {"layer0": 3 * 5 * 8}
    with pytest.raises(Mismatch, match="layer0: spike of neuron 4, bit 7 of 8, in frame 0: golden model 1, circuit 0"):
        compare(came(expected, "layer0", (0, 4), 0), expected)
