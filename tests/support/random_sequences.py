"""Random small networks of layers with state, and random sequences for them."""

import json

import numpy as np
from safetensors.numpy import save as pack

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.adaptive import Adaptive
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.low_pass import LowPass
from s2nn_hw.network.neurons.max_readout import MaxReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.planes import RADIX, Planes
from s2nn_hw.network.synapses import Conv2d, Dense, weight_limit
from tests.support.networks import random_images
from tests.support.random_planes import random_quantized

MOST_FRAMES = 9


def random_sequence_network(rng):
    """Return a random small network of sequences: every kind of neuron with state, delays, readout and input."""
    while True:
        try:
            return _drawn(rng)
        except UserError as error:
            if "bits and not the" not in str(error):  # a state that would be too wide is drawn again
                raise


def random_sequences(rng, network, count):
    """Return ``(frames, offsets)`` of ``count`` sequences: one of one frame, one of as many as may be, others of
    any."""
    most = network.input.frames
    lengths = rng.permutation([1, most, *rng.integers(1, most + 1, max(0, count - 2)).tolist()])[:count]
    offsets = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
    return random_images(network, int(offsets[-1]), int(rng.integers(1 << 30)))[: offsets[-1]], offsets


def drawn(seed, count=4):
    """Return a random network and ``count`` sequences for it."""
    rng = np.random.default_rng(seed)
    network = random_sequence_network(rng)
    return network, *random_sequences(rng, network, count)


def packed(network, change=None):
    """Return the bytes of the file of ``network``; ``change``: done to the header before."""
    header = json.loads(json.dumps(network.describe())) | {"provenance": {}, "digest": network.digest}
    if change:
        change(header)
    return pack(network.tensors(), metadata={"s2nn": json.dumps(header)})


def ints(*values):
    """Return a table of neurons."""
    return np.array(values, np.int32)


def _drawn(rng):
    image = rng.random() < 0.2
    shape = tuple(int(n) for n in rng.integers(1, 5, 3)) if image else (int(rng.integers(1, 9)),)
    bits = int(rng.choice([1, 4, 4, 8, 12]))
    entering = Input(
        shape, bits, signed=bool(rng.random() < 0.2), ticks=int(rng.choice([1, 1, 2, 3, 7])), frames=MOST_FRAMES
    )
    planes = int(rng.choice([1, 1, 1, 4]))  # of all tensors behind the input
    sizes, layers = {}, []
    if image:
        inputs = (3, 4) if rng.random() < 0.5 else (4,)
        table = _weights(rng, (inputs[-1], 1, 1, shape[2]), 3)
        layers.append(
            Layer("look", Conv2d(table, 3), _plain(rng, [Conv2d(table, 3)], entering.planes, planes), (INPUT,))
        )
        sizes["look"] = shape[0] * shape[1] * inputs[-1]
    for number in range(int(rng.choice([0, 1, 2, 2, 3]) if image else rng.choice([1, 2, 2, 3]))):
        layers.append(_hidden(rng, f"layer{number}", entering, sizes, layers, planes))
        sizes[layers[-1].name] = layers[-1].neuron.size
    if rng.random() < 0.2:
        layers = _looped(rng, layers, sizes)
    classes = int(rng.integers(1, 4))
    unread = [name for name in sizes if not any(name in x.sources for x in layers if x.name != name)]
    sources = tuple(unread) or (layers[-1].name,)
    synapses = [_dense(rng, classes, sizes[source], int(rng.integers(1, 9))) for source in sources]
    layers.append(Layer("readout", synapses, _readout(rng, classes), sources))
    return Network("sequences", entering, tuple(layers), tuple(map(str, range(classes))))


def _looped(rng, layers, sizes):
    """Return ``layers`` with a loop through two of them or more, if there are such."""
    behind = [k for k, layer in enumerate(layers[:-1]) if INPUT not in layer.sources]
    if not behind:
        return layers
    first = int(rng.choice(behind))
    one, last = layers[first], layers[-1]
    table = _dense(rng, sizes[one.name], sizes[last.name], 3)
    looped = Layer(one.name, (*one.synapses, table), one.neuron, (*one.sources, last.name), (*one.lags, 1))
    return [*layers[:first], looped, *layers[first + 1 :]]


def _weights(rng, shape, bits):
    limit = weight_limit(bits)
    table = rng.choice([-limit, limit], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape)
    return table.astype(np.int8)


def _dense(rng, neurons, inputs, bits):
    return Dense(_weights(rng, (neurons, inputs), bits), bits)


def _plain(rng, synapses, read, planes):
    """Return neurons without state behind ``read`` that give ``planes`` bits."""
    ends = zip(*(s.bounds(read.peak, read.low) for s in synapses), strict=True)
    low, high = (np.sum(sides, axis=0) for sides in ends)
    if planes > 1:
        return random_quantized(rng, Planes(planes, RADIX), low, high)
    return Fire(rng.integers(low // 2, high // 2 + 1).astype(np.int32))


def _hidden(rng, name, entering, sizes, layers, planes):
    """Return a layer behind the input, or behind some of ``layers``, often with a delay of its own, or of those."""
    neurons, bits = int(rng.integers(1, 7)), int(rng.integers(1, 9))
    if not layers:
        synapses = [_dense(rng, neurons, entering.size, bits)]
        neuron = _neuron(rng, synapses, entering.planes, planes)
        return Layer(name, synapses, neuron, (INPUT,))
    sources, delays = [layers[-1].name], [0]
    if rng.random() < 0.7:
        sources.append(name)
        delays.append(1)
    if rng.random() < 0.3:
        sources.append(str(rng.choice(list(sizes))))
        delays.append(int(rng.random() < 0.5))
    order = rng.permutation(len(sources))
    sources, delays = [sources[k] for k in order], [delays[k] for k in order]
    synapses = [_dense(rng, neurons, (sizes | {name: neurons})[source], bits) for source in sources]
    neuron = _neuron(rng, synapses, Planes(planes), planes)
    return Layer(name, synapses, neuron, tuple(sources), tuple(delays) if any(delays) else ())


def _neuron(rng, synapses, read, planes):
    """Return neurons behind ``read`` that give ``planes`` bits, most of them with state."""
    size = synapses[0].neurons
    ends = zip(*(s.bounds(read.peak, read.low) for s in synapses), strict=True)
    low, high = (np.sum(sides, axis=0) for sides in ends)
    fraction = int(rng.choice([0, 0, 2, 4, 6]))
    reach = max(int(high.max()), -int(low.min()), 1) << fraction
    biases = (rng.integers(-reach // 4, reach // 4 + 1, size) * (rng.random() < 0.7)).astype(np.int32)
    if rng.random() < 0.1:
        return _plain(rng, synapses, read, planes)
    if planes > 1:
        return LowPass(biases, planes, int(rng.choice([0, 1, 2, 2, 6])), _shift(rng, reach), fraction)
    kind = rng.choice(["encoder", "sigma_delta", "sigma_delta", "adaptive", "lif", "lif", "low_pass"])
    gain = min(1 << 16, int((1 + (reach >> fraction)) ** rng.random()))
    leak = int(rng.choice([1, 1, 2, 3, 5]))
    if kind == "encoder":
        return SigmaDeltaEncoder(rng.integers(1, reach + 2, size).astype(np.int32), biases, fraction)
    if kind == "sigma_delta":
        return SigmaDelta(biases, leak, gain, fraction)
    if kind == "adaptive":
        return Adaptive(biases, leak, gain, fraction)
    if kind == "low_pass":
        return LowPass(biases, 1, int(rng.integers(0, 3)), _shift(rng, reach), fraction)
    leak = int(rng.choice([0, 0, 1, 3, 5]))
    hard = bool(rng.random() < 0.5)
    thresholds = rng.integers(-reach // 8, reach + 1, size) >> leak << leak
    resets = rng.integers(-reach // 4 if hard else 0, reach + 1, size)
    resets = resets if hard else thresholds.clip(0) if rng.random() < 0.6 else resets >> leak << leak
    return Lif(*(t.astype(np.int32) for t in (thresholds, resets, biases)), leak, fraction, "hard" if hard else "soft")


def _shift(rng, reach):
    """Return a shift of sums that lie within ``reach``, mostly one with which eight bits are as far."""
    return int(np.clip(reach.bit_length() - 8 + rng.integers(-4, 1), 0, 16))


def _readout(rng, classes):
    bias, fraction = rng.integers(-50, 51, classes).astype(np.int32), int(rng.integers(0, 4))
    kind = rng.choice(["half", "half", "integrator", "max", "last"])
    if kind == "half":
        return LastHalfReadout(bias, fraction)
    if kind == "last":
        return Readout(bias)
    return (IntegratorReadout if kind == "integrator" else MaxReadout)(bias, int(rng.integers(0, 9)), fraction)
