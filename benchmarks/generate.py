"""Seconds from a network to Verilog, per layer size; the text must come out the same twice."""

from itertools import pairwise

import numpy as np

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.emit import TOP, to_verilog
from s2nn_hw.network import Input, Layer, Network
from s2nn_hw.neurons import Fire, Readout
from s2nn_hw.synapses import Dense

from .frame import Row, best_seconds

TITLE = "network to Verilog"


def make_network(sizes, *, input_bits=1, bits=4, seed=0, name="random"):
    """Return a random network with ``sizes``: inputs, hidden layers, classes."""
    rng, layers = np.random.default_rng(seed), []
    for k, (inputs, neurons) in enumerate(pairwise(sizes)):
        limit = 2 ** (bits - 1) - 1
        weights = rng.integers(-limit, limit + 1, (neurons, inputs)).astype(np.int8)
        table = rng.integers(-inputs, inputs + 1, neurons).astype(np.int32)
        last = k == len(sizes) - 2
        layers.append(Layer(f"layer{k}", Dense(weights, bits), Readout(table) if last else Fire(table)))
    return Network(name, Input((sizes[0],), input_bits), tuple(layers), tuple(map(str, range(sizes[-1]))))


def run(setting):
    rows = []
    for network in (make_network((784, 64, 10), name="784-64-10"), setting.network):
        texts = []
        seconds = best_seconds(lambda net=network, out=texts: out.append(to_verilog(Accelerator(net), TOP)), repeats=2)
        rows += [
            Row(f"{network.name}, {network.synapse_count:,} synapses", seconds, "s"),
            Row(f"{network.name}, per 1000 synapses", 1e6 * seconds / network.synapse_count, "ms"),
            Row(f"{network.name}, second run differs", len(set(texts)) - 1, "", 0, "byte-identical", binding=True),
        ]
    return rows
