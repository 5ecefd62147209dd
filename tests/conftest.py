"""Shared by all tests: random networks and the Amaranth simulator around an accelerator."""

from itertools import pairwise

import numpy as np
import pytest
from flow_tools import databases, tools  # noqa: F401 (fixtures)

from s2nn_hw.network import Input, Layer, Network
from s2nn_hw.neurons import Fire, Readout
from s2nn_hw.synapses import Dense, weight_limit


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
    """Return ``count`` uint8 images of mixed density; the second is all zero, the third all 255."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, *network.input.shape)) * (
        rng.random((count, *network.input.shape)) < rng.random((count,) + (1,) * len(network.input.shape))
    )
    images = images.astype(np.uint8)
    images[1:2], images[2:3] = 0, 255
    return images


@pytest.fixture
def network():
    return random_network((20, 9, 3), input_bits=2)
