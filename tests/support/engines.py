"""Random weights and inputs of one engine."""

import numpy as np

from s2nn_hw.network.synapses import weight_limit


def random_weights(rng, shape, bits):
    limit = weight_limit(bits)
    return (rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape)).astype(np.int8)


def random_values(rng, params, passes):
    """Return values of all densities; the second pass is all zero, the third all ones."""
    shape = (passes, params.words, params.width)
    values = rng.integers(0, 2**params.planes, shape) * (rng.random(shape) < rng.random((passes, 1, 1)))
    values[1:2], values[2:3] = 0, 2**params.planes - 1
    return values.astype(np.uint8)
