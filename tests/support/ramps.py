"""Random dense networks of ttfs neurons, and plans of them."""

from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.synapses import Dense
from tests.support import engines, random_networks


def ttfs_network(sizes, *, input_bits=4, slots=(15,), bits=4, fraction=2, seed=0, sparse=False, odd=False):
    """Return a network with ``sizes`` (input, hidden ..., classes); ``slots``: of the hidden layers, over and over;
    ``odd``: weights of any style, zeros and extremes alone among them."""
    random_weights = random_networks.random_weights if odd else engines.random_weights
    rng, layers, peak = np.random.default_rng(seed), [], 2**input_bits - 1
    for number, (inputs, neurons) in enumerate(pairwise(sizes)):
        dense = Dense(random_weights(rng, (neurons, inputs), bits), bits)
        reach = max(2, int(dense.bounds(peak, 0)[1].max()))
        if number == len(sizes) - 2:
            neuron = Readout(rng.integers(-reach, reach + 1, neurons).astype(np.int32))
        else:
            count = slots[number % len(slots)]
            theta = rng.integers(1, max(2, (reach << fraction) // (count if not sparse else 2)), neurons)
            starts = rng.integers(-reach, reach // 2 + 1, neurons) << fraction
            neuron = Ttfs(theta.astype(np.int32), starts.astype(np.int32), slots=count, fraction=fraction)
            peak = count
        layers.append(Layer(f"layer{number}", dense, neuron))
    return Network("ttfs", Input((sizes[0],), input_bits), tuple(layers), tuple(map(str, range(sizes[-1]))))


def ramp_plan(network, *, width=16, banks=1, depth=4, engines=("ramp",)):
    """Return a plan whose layers are on ``engines``, over and over."""
    return Plan(
        tuple(
            LayerPlan(x.name, banks if engine in ("ramp", "event") else 1, width, depth, engine)
            for x, engine in zip(network.layers, list(engines) * len(network.layers), strict=False)
        )
    )


@st.composite
def networks(draw):
    """Draw a network of ttfs neurons of any sizes and slots."""
    return ttfs_network(
        draw(st.lists(st.integers(1, 24), min_size=2, max_size=5)),
        input_bits=draw(st.integers(1, 5)),
        slots=draw(st.lists(st.sampled_from([3, 7, 15]), min_size=1, max_size=3)),
        bits=draw(st.integers(1, 8)),
        fraction=draw(st.integers(0, 4)),
        seed=draw(st.integers(0, 1000)),
        sparse=draw(st.booleans()),
        odd=draw(st.booleans()),
    )


@st.composite
def plans(draw, network):
    """Draw a plan of ``network``: ramp engines among others, words and banks of any size."""
    layers = []
    for layer in network.layers:
        engine = draw(st.sampled_from(["ramp", "ramp", "ramp", "event", "parallel"]))
        banks = draw(st.sampled_from([1, 1, 2, 4]))
        width = banks * draw(st.sampled_from([1, 2, 4, 8, 16]))
        depth = draw(st.sampled_from([2, 2, 3, 8]))
        layers.append(LayerPlan(layer.name, banks if engine != "parallel" else 1, width, depth, engine))
    return Plan(tuple(layers))
