"""Circuits of first spikes carried as numbers: those of the numbers themselves, in all engines, max pooling too."""

from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.network.first_spikes import first_spikes, simulate, to_first_spikes
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.synapses import Dense
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.verilog.convert import to_verilog
from tests.network.test_ttfs import ttfs_network
from tests.support.networks import random_images
from tests.support.streams import check_accelerator


def as_numbers(network):
    """Return ``network`` with numbers in place of times."""
    layers = [replace(x, neuron=getattr(x.neuron, "number", x.neuron)) for x in network.layers]
    return replace(network, layers=tuple(layers))


@pytest.mark.parametrize(("seed", "conv"), [(1, True), (2, False)])
@pytest.mark.parametrize("engine", ["event", "parallel", "unrolled"])
def test_circuits_are_those_of_numbers(seed, conv, engine):
    times = ttfs_network(seed, conv=conv)
    numbers = as_numbers(times)
    assert to_first_spikes(numbers).digest == times.digest
    if engine == "unrolled":
        plan = unrolled_plan(times, lut=6)
    else:
        plan = default_plan(times, "xc7")
        changed = [
            replace(c, engine=engine, taps=1, banks=1) if x.accumulates else c
            for c, x in zip(plan.layers, times.layers, strict=True)
        ]
        plan = Plan(tuple(changed))
    texts = [to_verilog(Accelerator(network, plan), "accelerator") for network in (times, numbers)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("seed", [3, 4, 6])
def test_the_circuit_has_the_times(seed):
    network = ttfs_network(seed)
    images = random_images(network, 4, seed)
    accelerator = Accelerator(network, default_plan(network, "xc7"))
    check_accelerator(accelerator, images)
    check_accelerator(accelerator, images, stall=0.3, seed=seed)
    assert (simulate(network, images)[0] == network.forward(images).scores).all()


@pytest.mark.parametrize("engine", ["event", "parallel", "unrolled"])
def test_one_neuron_one_input_one_class(engine):
    one = np.ones((1, 1), np.int8)
    neuron = Ttfs(np.array([2], np.int32), np.array([1], np.int32), slots=3)
    layers = (Layer("a", Dense(one, 2), neuron), Layer("readout", Dense(one, 2), Readout(np.array([-1], np.int32))))
    network = Network("one", Input((1,), 2), layers, ("a",))
    plan = Plan(tuple(LayerPlan(x.name, width=1, engine=engine) for x in layers))
    images = np.array([[0], [64], [128], [192]], np.uint8)
    assert first_spikes(network, images)["a"].tolist() == [[3], [2], [2], [1]]
    check_accelerator(Accelerator(network, plan), images)
