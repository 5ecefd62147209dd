"""Small graphs by their parts; for random ones see :mod:`random_networks`."""

import numpy as np

from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, PooledDense, image_shape, weight_limit


def build(shape, bits, parts, *, seed=0):
    """Return a network of ``parts``: functions ``(rng, shapes, name before)`` of synapse and sources; a list adds up.

    Layers are called ``layer0``, ``layer1``, ... and, the last, ``readout``; each reads the one before it unless its
    part says otherwise (``source``).
    """
    rng = np.random.default_rng(seed)
    shapes, layers, before = {INPUT: shape}, [], INPUT
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        name = "readout" if last else f"layer{number}"
        made = [p(rng, shapes, before) for p in (part if isinstance(part, list) else [part])]
        sources = tuple(source for _, several in made for source in several)
        synapses = tuple(synapse for synapse, _ in made)
        inputs = [shapes[source] for source in sources]
        if isinstance(synapses[0], MaxPool | Or):
            shapes[name], neuron = synapses[0].output_shape(*inputs), None
        else:
            shapes[name] = synapses[0].output_shape(inputs[0])
            count = synapses[0].neurons
            reach = sum(np.abs(s.weights.reshape(count, -1).astype(int)).sum(axis=1).max() for s in synapses)
            reach = max(2, int(reach) // 4)
            table = rng.integers(-reach // 2, reach + 1, count).astype(np.int32)
            neuron = Readout(table) if last else Fire(table)
        layers.append(Layer(name, synapses, neuron, sources))
        before = name
    return Network("graph", Input(shape, bits), tuple(layers), tuple(map(str, range(shapes["readout"][0]))))


def convolution(channels, kernel, *, stride=1, padding=0, groups=1, bits=3, source=None):
    """Return a part for :func:`build`; ``groups`` 0: depthwise; ``kernel``: a number or (rows, columns)."""
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel

    def part(rng, shapes, before):
        inputs = image_shape(shapes[source or before])[2]
        parts = groups or inputs
        out = channels if groups else inputs
        return Conv2d(_weights(rng, (out, *kernel, inputs // parts), bits), bits, stride, padding, parts), [
            source or before
        ]

    return part


def identity(source, *, bits=4):
    """Return a part: the shortcut from ``source`` with one weight a channel."""
    return convolution(0, 1, groups=0, bits=bits, source=source)


def dense(neurons, *, bits=3, source=None):
    def part(rng, shapes, before):
        inputs = int(np.prod(shapes[source or before]))
        return Dense(_weights(rng, (neurons, inputs), bits), bits), [source or before]

    return part


def pooled(neurons, pool, *, bits=3, source=None):
    def part(rng, shapes, before):
        rows, columns, channels = image_shape(shapes[source or before])
        inputs = rows // pool[0] * (columns // pool[1]) * channels
        return PooledDense(_weights(rng, (neurons, inputs), bits), bits, pool), [source or before]

    return part


def joined(synapse, *sources):
    """Return a part: ``synapse`` (max pooling or an OR) of ``sources``, by default of the layer before."""

    def part(rng, shapes, before):
        return synapse, list(sources) or [before]

    return part


def _weights(rng, shape, bits):
    limit = weight_limit(bits)
    return (rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape)).astype(np.int8)
