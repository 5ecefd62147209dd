"""Random networks of given shapes whose neurons fire about as often as trained ones."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapse import Synapse
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, PooledDense

Shape = tuple[int, int, int]
Entry = tuple[str, tuple[Synapse, ...], tuple[str, ...]]  # name of a layer, synapses, sources
RATE = 0.12  # share of neurons that fire
IMAGES = 4


def make_network(
    sizes: Sequence[int], *, input_bits: int = 1, bits: int = 4, seed: int = 0, name: str = "random"
) -> Network:
    """Return a random network with ``sizes``: inputs, hidden layers, classes."""
    rng, layers = np.random.default_rng(seed), []
    for k, (inputs, neurons) in enumerate(pairwise(sizes)):
        limit = 2 ** (bits - 1) - 1
        weights = rng.integers(-limit, limit + 1, (neurons, inputs)).astype(np.int8)
        table = rng.integers(-inputs, inputs + 1, neurons).astype(np.int32)
        last = k == len(sizes) - 2
        layers.append(Layer(f"layer{k}", (Dense(weights, bits),), Readout(table) if last else Fire(table)))
    return Network(name, Input((sizes[0],), input_bits), tuple(layers), tuple(map(str, range(sizes[-1]))))


def make_cnn(
    channels: Sequence[int],
    *,
    image: Shape = (32, 32, 3),
    input_bits: int = 4,
    bits: int = 3,
    seed: int = 0,
    name: str = "cnn",
) -> Network:
    """Return a chain of 3 x 3 convolutions with ``channels``; a negative number is followed by 2 x 2 max pooling."""
    rng, source, inputs = np.random.default_rng(seed), INPUT, image[2]
    entries: list[Entry] = []
    for k, count in enumerate(channels):
        entries.append((f"conv{k + 1}", (_conv(rng, abs(count), inputs, bits),), (source,)))
        source, inputs = f"conv{k + 1}", abs(count)
        if count < 0:
            entries.append((f"conv{k + 1}_pool", (MaxPool(2),), (source,)))
            source = f"conv{k + 1}_pool"
    return _calibrated(rng, name, Input(image, input_bits), entries, source, inputs)


def make_resnet(
    blocks: Sequence[tuple[int, int]],
    *,
    stem: int = 32,
    image: Shape = (32, 32, 3),
    input_bits: int = 4,
    bits: int = 3,
    seed: int = 0,
    name: str = "resnet",
) -> Network:
    """Return a residual network: ``blocks`` (channels, stride) of two 3 x 3 convolutions and a shortcut each."""
    rng, source, inputs = np.random.default_rng(seed), "stem", stem
    entries: list[Entry] = [("stem", (_conv(rng, stem, image[2], bits),), (INPUT,))]
    for k, (count, stride) in enumerate(blocks, 1):
        same = stride == 1 and count == inputs
        shortcut = Conv2d(_weights(rng, (count, 1, 1, 1 if same else inputs), 6), 6, stride, 0, count if same else 1)
        entries.append((f"block{k}a", (_conv(rng, count, inputs, bits, stride),), (source,)))
        entries.append((f"block{k}b", (_conv(rng, count, count, bits), shortcut), (f"block{k}a", source)))
        source, inputs = f"block{k}b", count
    return _calibrated(rng, name, Input(image, input_bits), entries, source, inputs)


def _weights(rng: np.random.Generator, shape: Sequence[int], bits: int) -> np.ndarray:
    limit = 2 ** (bits - 1) - 1
    return rng.integers(-limit, limit + 1, shape).astype(np.int8)


def _conv(rng: np.random.Generator, channels: int, inputs: int, bits: int, stride: int = 1) -> Conv2d:
    return Conv2d(_weights(rng, (channels, 3, 3, inputs), bits), bits, stride, 1)


def _calibrated(
    rng: np.random.Generator,
    name: str,
    entering: Input,
    entries: Sequence[Entry],
    source: str,
    channels: int,
    classes: int = 10,
) -> Network:
    """Return the network of ``entries`` (name, synapses, sources) with thresholds that let :data:`RATE` fire."""
    images = rng.integers(0, 256, (IMAGES, *entering.shape)).astype(np.uint8)
    values, shapes, layers = {INPUT: entering.encode(images)}, {INPUT: entering.shape}, []
    for layer_name, synapses, sources in entries:
        came, before = [values[s] for s in sources], [shapes[s] for s in sources]
        first = synapses[0]
        if not first.accumulates:
            layers.append(Layer(layer_name, synapses, None, sources))
            shapes[layer_name] = first.output_shape(*before)
            values[layer_name] = first.join(came, before[0], Planes())
            continue
        peak = entering.peak if sources == (INPUT,) else 1
        sums = [s.accumulate(x, shape, peak) for s, x, shape in zip(synapses, came, before, strict=True)]
        total = np.sum(sums, axis=0)
        by_channel = total.reshape(-1, first.neurons)
        fire = Fire(np.quantile(by_channel, 1 - RATE, axis=0).astype(np.int32) + 1)
        layers.append(Layer(layer_name, synapses, fire, sources))
        shapes[layer_name] = first.output_shape(before[0])
        _, values[layer_name] = fire.step(None, total)
    readout = PooledDense(_weights(rng, (classes, channels), 4), 4, (shapes[source][0], shapes[source][1]))
    layers.append(Layer("readout", (readout,), Readout(np.zeros(classes, np.int32)), (source,)))
    return Network(name, entering, tuple(layers), tuple(map(str, range(classes))))
