"""A small network of sequences, the same each time."""

import numpy as np

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.synapses import Dense


def small_network(*, channels=5, bits=4, ticks=2, frames=6, classes=3, seed=0):
    """Return an encoder, a layer that reads itself, and a readout."""
    rng = np.random.default_rng(seed)

    def dense(neurons, inputs):
        return Dense(rng.integers(-3, 4, (neurons, inputs)).astype(np.int8), 3)

    def zeros(count):
        return np.zeros(count, np.int32)

    layers = (
        Layer("encoder", [dense(4, channels)], SigmaDeltaEncoder(np.full(4, 40, np.int32), zeros(4), 0)),
        Layer("loop", [dense(4, 4), dense(4, 4)], SigmaDelta(zeros(4), 2, 3, 1), ("encoder", "loop"), (0, 1)),
        Layer("readout", [dense(classes, 4)], IntegratorReadout(zeros(classes), 3, 1), ("loop",)),
    )
    entering = Input((channels,), bits, ticks=ticks, frames=frames)
    return Network("small", entering, layers, tuple(f"class {n}" for n in range(classes)))
