"""Random networks of dense layers, and random images for any network."""

from itertools import pairwise

import numpy as np

from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, weight_limit


def random_network(sizes, *, input_bits=1, bits=4, seed=0, weights="random", name="random"):
    """Return a network with ``sizes`` (input, hidden ..., classes); ``weights``: random, zero, low or high."""
    rng = np.random.default_rng(seed)
    limit, layers = weight_limit(bits), []
    for index, (inputs, neurons) in enumerate(pairwise(sizes)):
        shape = (neurons, inputs)
        table = {
            "random": rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape),
            "zero": np.zeros(shape),
            "low": np.full(shape, -limit),
            "high": np.full(shape, limit),
        }[weights].astype(np.int8)
        reach = max(2, limit * inputs // 4)
        offsets = rng.integers(-reach, reach + 1, neurons).astype(np.int32)
        last = index == len(sizes) - 2
        layers.append(Layer(f"layer{index}", Dense(table, bits), Readout(offsets) if last else Fire(offsets)))
    return Network(name, Input((sizes[0],), input_bits), tuple(layers), tuple(map(str, range(sizes[-1]))))


def random_images(network, count, seed=0):
    """Return ``count`` images of mixed density, or events; the second is all zero, the third all of the largest value,
    of signed ones the fourth all of the least."""
    rng, entering = np.random.default_rng(seed), network.input
    shape, density = entering.data_shape, rng.random((count, *(1,) * len(entering.data_shape)))
    low, high = (0, 255) if entering.of_bytes or entering.events else (entering.low, entering.peak)
    images = rng.integers(low, high + 1, (count, *shape)) * (rng.random((count, *shape)) < density)
    images[1:2], images[2:3] = 0, high
    if entering.signed:
        images[3:4] = low
    return (images > 0 if entering.events else images).astype(entering.kind)


def residual(rng, side=6, channels=8):
    """Return a network with one block: two convolutions and the identity."""

    def weights(*shape):
        return rng.integers(-3, 4, shape).astype(np.int8)

    def fire():
        return Fire(np.full(channels, 4, np.int32))

    shortcut = Conv2d(weights(channels, 1, 1, 1), 3, groups=channels)
    return Network(
        "residual",
        Input((side, side), 1),
        (
            Layer("stem", Conv2d(weights(channels, 3, 3, 1), 3, 1, 1), fire(), (INPUT,)),
            Layer("a", Conv2d(weights(channels, 3, 3, channels), 3, 1, 1), fire(), ("stem",)),
            Layer("b", (Conv2d(weights(channels, 3, 3, channels), 3, 1, 1), shortcut), fire(), ("a", "stem")),
            Layer("readout", Dense(weights(3, side * side * channels), 3), Readout(np.zeros(3, np.int32)), ("b",)),
        ),
        ("x", "y", "z"),
    )


def small_network(rng, *, inputs=40, bits=1, sizes=(24, 12), inner=0, classes=4):
    """Return a sparse network whose neurons read at most six bits; ``inner``: each is a sub-network of so many."""
    layers, before, reach = [], inputs, 6 // bits
    for number, size in enumerate(sizes):
        first = np.zeros((size * max(1, inner), before), np.int8)
        for block in first.reshape(size, -1, before):
            block[:, rng.choice(before, min(reach, before), replace=False)] = rng.integers(-3, 4, (len(block), 1))
        layers.append(Layer(f"hidden{number}", Dense(first, 3), Fire(rng.integers(-2, 4, len(first)).astype(np.int32))))
        if inner:
            second = np.kron(np.eye(size, dtype=np.int8), np.ones((1, inner), np.int8))
            second = second * rng.choice([-2, -1, 1, 2], second.shape).astype(np.int8)
            layers.append(Layer(f"outer{number}", Dense(second, 3), Fire(rng.integers(-1, 2, size).astype(np.int32))))
        before, reach = size, 6
    groups = np.zeros((classes, before), np.int8)
    groups[np.arange(before) % classes, np.arange(before)] = 1
    layers.append(Layer("readout", Dense(groups, 2), Readout(rng.integers(-2, 3, classes).astype(np.int32))))
    return Network("small", Input((inputs,), bits), tuple(layers), tuple(map(str, range(classes))))
