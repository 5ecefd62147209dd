"""A small network of events: convolution, pooling and dense layers of neurons that integrate, T steps."""

import numpy as np

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, OrPool


def event_network(steps, *, leak=0, seed=0, shape=(4, 4, 2)):
    """Return it, with ``leak`` of neurons and readout."""
    rng = np.random.default_rng([seed, steps])

    def weights(*sizes):
        return rng.integers(-3, 4, sizes).astype(np.int8)

    def integrate(size):
        thresholds = np.full(size, 8, np.int32)
        return Integrate(thresholds, thresholds, np.ones(size, np.int32), np.zeros(size, np.int32), steps, leak)

    bias = np.array([1, -2, 0], np.int32)
    return Network(
        f"events{steps}",
        Input(shape, steps, "steps"),
        (
            Layer("conv", Conv2d(weights(3, 3, 3, shape[2]), 3, 1, 1), integrate(3)),
            Layer("pool", OrPool(2), None),
            Layer("hidden", Dense(weights(6, (shape[0] // 2) * (shape[1] // 2) * 3), 3), integrate(6)),
            Layer("out", Dense(weights(3, 6), 3), LeakyReadout(bias, steps, leak) if leak else Readout(bias)),
        ),
        ("a", "b", "c"),
    )


def events_of(network, count, seed=0):
    """Return ``count`` frames of events, uint8 of 0 and 1, ``(count, steps, row, column, channel)``."""
    rng = np.random.default_rng(seed)
    return (rng.random((count, *network.input.data_shape)) < 0.3).astype(np.uint8)
