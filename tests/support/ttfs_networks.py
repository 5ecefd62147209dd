"""Random networks of ttfs neurons for events on the link."""

import numpy as np

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool


def network_of(inputs=9, hidden=5, *, bits=2, slots=7, seed=0):
    """Return a random network of one hidden layer of ttfs neurons."""
    rng = np.random.default_rng(seed)

    def weights(*shape):
        return rng.integers(-3, 4, shape).astype(np.int8)

    def table(low, high, count):
        return rng.integers(low, high, count).astype(np.int32)

    layers = (
        Layer("hidden", Dense(weights(hidden, inputs), 3), Ttfs(table(1, 6, hidden), table(-3, 9, hidden), slots)),
        Layer("readout", Dense(weights(3, hidden), 3), Readout(table(-9, 9, 3))),
    )
    return Network("events", Input((inputs,), bits), layers, tuple("abc"))


def image_network(*, pooled=False):
    """Return a convolution, maybe a pool, and a readout: positions of three channels, a last word that is not full."""
    rng = np.random.default_rng(5)
    neuron = Ttfs(rng.integers(1, 9, 3).astype(np.int32), rng.integers(-3, 9, 3).astype(np.int32), 7)
    layers = [Layer("conv", Conv2d(rng.integers(-3, 4, (3, 3, 3, 3)).astype(np.int8), 3, 1, 1), neuron)]
    layers += [Layer("pool", MaxPool(2, 2), None)] if pooled else []
    weights = rng.integers(-3, 4, (3, 12 if pooled else 48)).astype(np.int8)
    layers.append(Layer("readout", Dense(weights, 3), Readout(np.zeros(3, np.int32))))
    return Network("image", Input((4, 4, 3), 3), tuple(layers), tuple("abc"))


NETWORKS = {
    "dense": lambda: network_of(),
    "one": lambda: network_of(1, 1, bits=1, slots=3),
    "wide": lambda: network_of(30, 17, bits=8, slots=15),
    "odd": lambda: network_of(13, 3, bits=5, slots=15),
    "image": lambda: image_network(),
    "pooled": lambda: image_network(pooled=True),
}
