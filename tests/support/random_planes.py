"""Random networks over planes: those of :mod:`random_networks` with other neurons, and events where images enter."""

import numpy as np

from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import SLOTS, Ttfs
from s2nn_hw.network.planes import MAX_RADIX, MAX_STEPS, RADIX, STEPS, Planes
from s2nn_hw.network.synapses import MaxPool, OrPool

FEW = 0.9  # of the networks have few planes, the others up to as many as there may be


def random_count(rng, code):
    """Return how many planes of ``code``."""
    most = MAX_RADIX if code == RADIX else MAX_STEPS
    return int(rng.integers(1, 6 if rng.random() < FEW else most + 1))


def random_integrate(rng, steps, low, high):
    """Return integrate-and-fire neurons of ``steps`` steps, whose sums of a step lie in ``low .. high``."""
    leak = int(rng.choice([0, 0, 1, 2, 3, 8]))
    fraction = int(rng.choice([0, 0, 1, 3, 8]))
    reset = str(rng.choice(["soft", "soft", "hard"]))
    reach = np.maximum(np.maximum(-low, high), 1) << fraction
    size, unit = len(low), 1 << leak

    def within(share, at_least=0):
        return np.array([rng.integers(-int(r * share) - 1, int(r * share) + 2) for r in reach]) + at_least

    thresholds = -(-within(rng.choice([0.3, 1.0]), 1) // unit) * unit
    resets = thresholds.copy() if rng.random() < 0.6 else within(1.0) // unit * unit
    if reset == "hard":
        resets = within(0.5) if rng.random() < 0.5 else np.zeros(size, np.int64)
    biases = within(0.3) if rng.random() < 0.7 else np.zeros(size, np.int64)
    starts = within(0.5) if rng.random() < 0.5 else thresholds >> 1
    if rng.random() < 0.05:
        thresholds = np.full(size, rng.choice([-(2**30), 2**30]))
    most = 2**30 // unit * unit
    tables = (table.clip(-most, most).astype(np.int32) for table in (thresholds, resets, biases, starts))
    return Integrate(*tables, steps=steps, leak=leak, fraction=fraction, reset=reset)


def random_quantized(rng, planes, low, high):
    """Return quantised activations that give ``planes``, whose sums lie in ``low .. high``."""
    fraction = int(rng.choice([0, 0, 1, 3, 8]))
    reach = np.maximum(np.maximum(-low, high), 1) << fraction
    share = float(rng.choice([0.01, 0.1, 0.3, 1.0])) / planes.peak
    thresholds = np.array([rng.integers(1, max(2, int(r * share) + 2)) for r in reach])
    thresholds = np.minimum(thresholds, (1 << 30) >> (planes.count - 1))
    starts = thresholds >> 1 if rng.random() < 0.5 else np.array([rng.integers(-r, r + 1) for r in reach])
    tables = (table.clip(-(2**30), 2**30).astype(np.int32) for table in (thresholds, starts))
    if planes.radix and planes.peak in SLOTS and rng.random() < 0.4:
        return Ttfs(*tables, slots=planes.peak, fraction=fraction)
    return Quantized(*tables, steps=planes.count, code=planes.code, fraction=fraction)


def random_neuron(rng, layer, read, wanted, reach):
    """Return neurons of ``layer`` behind ``read`` that give ``wanted``; ``reach``: largest and least input."""
    ends = zip(*(s.bounds(*reach) for s in layer.synapses), strict=True)
    low, high = (np.sum(sides, axis=0) for sides in ends)
    direct = read.radix or read.count == wanted.count
    if wanted.count == 1 and rng.random() < 0.6:
        return layer.neuron
    if (not wanted.radix or wanted.count == 1) and direct and rng.random() < 0.7:
        return random_integrate(rng, wanted.count, low, high)
    return random_quantized(rng, wanted, low, high)


def with_planes(rng, network):
    """Return ``network`` with random neurons of random planes; the same object where its joins take spikes alone."""
    several = any(len(layer.sources) > 1 for layer in network.layers)
    bits = any(not layer.accumulates and not layer.synapses[0].slides for layer in network.layers)
    code = STEPS if bits else str(rng.choice([RADIX, STEPS]))
    common = Planes(random_count(rng, code), code)
    entering = network.input
    if rng.random() < 0.3:
        steps = common.count if code == STEPS else random_count(rng, STEPS)
        entering = Input(entering.shape, max(2, steps), STEPS)
    planes, layers = {INPUT: entering.planes}, []
    for layer in network.layers:
        read = planes[layer.sources[0]]
        synapses = layer.synapses
        if not layer.accumulates:
            if synapses[0].slides:
                kind = MaxPool if read.radix else OrPool
                synapses = (kind(synapses[0].size, synapses[0].stride, synapses[0].padding),)
            planes[layer.name] = read
            layers.append(Layer(layer.name, synapses, None, layer.sources))
            continue
        neuron, wanted = layer.neuron, common
        if layer.is_readout:
            if not read.radix and rng.random() < 0.4:
                fraction, leak = int(rng.integers(0, 4)), int(rng.choice([1, 2, 8]))
                neuron = LeakyReadout(np.clip(neuron.bias, -999, 999), read.count, leak, fraction)
            else:
                neuron = Readout(np.clip(neuron.bias, -(2**29), 2**29))
        else:
            if not several:
                code = str(rng.choice([RADIX, STEPS]))
                wanted = Planes(random_count(rng, code), code)
                if not read.radix and rng.random() < 0.6:
                    wanted = read
            stepwise = not read.radix and read.count == wanted.count
            neuron = random_neuron(rng, layer, read, wanted, (1, 0) if stepwise else (read.peak, read.low))
            planes[layer.name] = neuron.planes
        layers.append(Layer(layer.name, synapses, neuron, layer.sources))
    return Network(network.name, entering, tuple(layers), network.classes)


def with_numbers(rng, network):
    """Return ``network`` with neurons of numbers of some bits, one count for all where some read several sources."""
    several = any(len(layer.sources) > 1 for layer in network.layers)
    common, layers = int(rng.integers(2, MAX_RADIX)), []
    planes = {INPUT: network.input.planes}
    for layer in network.layers:
        read, neuron = planes[layer.sources[0]], layer.neuron
        if layer.accumulates and not layer.is_readout:
            wanted = Planes(common if several else random_count(rng, RADIX))
            ends = zip(*(s.bounds(read.peak, read.low) for s in layer.synapses), strict=True)
            neuron = random_quantized(rng, wanted, *(np.sum(sides, axis=0) for sides in ends))
            neuron = neuron.number if isinstance(neuron, Ttfs) else neuron
        elif layer.is_readout:
            neuron = Readout(np.clip(neuron.bias, -(2**20), 2**20))
        planes[layer.name] = neuron.planes if layer.accumulates else read
        layers.append(Layer(layer.name, layer.synapses, neuron, layer.sources))
    return Network(network.name, network.input, tuple(layers), network.classes)
