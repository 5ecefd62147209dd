"""Random graphs of small layers with random plans, for hypothesis and for soaks."""

from dataclasses import replace

import numpy as np

from s2nn_hw.buffers import safe_buffers
from s2nn_hw.lower import with_buffers
from s2nn_hw.network import INPUT, Input, Layer, Network
from s2nn_hw.neurons import Fire, Readout
from s2nn_hw.plan import LayerPlan, Plan, default_plan, power_of_two_at_most, word_widths
from s2nn_hw.synapses import Conv2d, Dense, MaxPool, Or, PooledDense, image_shape, weight_limit


def random_graph(rng):
    """Return a random small :class:`Network` of convolutions, pooling, joins and a readout."""
    shape = tuple(int(n) for n in (*rng.integers(1, 7, 2), rng.integers(1, 4)))
    inputs = Input(shape if shape[2] > 1 or rng.random() < 0.5 else shape[:2], int(rng.choice([1, 2, 4])))
    shapes, layers = {INPUT: (*shape[:2], shape[2])}, []
    for number in range(int(rng.integers(1, 5))):
        images = [name for name in shapes if len(shapes[name]) == 3]
        name = f"layer{number}"
        unread = [n for n in images if not any(n in layer.sources for layer in layers)]
        source = str(rng.choice(unread or images)) if rng.random() < 0.9 else str(rng.choice(images))
        kind = rng.choice(["conv", "conv", "conv", "pool", "or", "residual", "depthwise"])
        same = [n for n in images if shapes[n] == shapes[source] and n not in (source, INPUT)]
        if source == INPUT and kind in ("pool", "or", "residual"):
            kind = "conv"
        if kind == "or" and same:
            layers.append(Layer(name, Or(), None, (source, str(rng.choice(same)))))
        elif kind == "pool":
            size = int(rng.integers(1, 4))
            size = min(size, *shapes[source][:2])
            stride = size if rng.random() < 0.7 else int(rng.integers(1, 3))
            layers.append(Layer(name, MaxPool(size, stride, 0 if stride == size else size // 2), None, (source,)))
        else:
            layers.append(_convolution(rng, name, source, shapes, same if kind == "residual" else [], kind))
        layer = layers[-1]
        if layer.accumulates:
            shapes[name] = layer.synapses[0].output_shape(shapes[source])
        else:
            shapes[name] = layer.synapses[0].output_shape(*(shapes[s] for s in layer.sources))
    loose = [n for n in shapes if not any(n in layer.sources for layer in layers)]
    while len(loose) > 1:  # join what nothing reads yet
        a, b = loose[0], loose[-1]
        if INPUT in (a, b) or shapes[a] != shapes[b]:
            layers = [layer for layer in layers if layer.name != b]
            loose = [n for n in [INPUT, *(x.name for x in layers)]
                     if not any(n in layer.sources for layer in layers)]
            continue
        layers.append(Layer(f"join{len(layers)}", Or(), None, (a, b)))
        shapes[layers[-1].name] = shapes[a]
        loose = [n for n in loose if n not in (a, b)] + [layers[-1].name]
    source, classes = loose[0], int(rng.integers(1, 5))
    rows, columns, channels = image_shape(shapes[source])
    if rng.random() < 0.5:
        pool = tuple(int(rng.choice([d for d in range(1, n + 1) if n % d == 0])) for n in (rows, columns))
        cells = rows // pool[0] * (columns // pool[1])
        bits = int(rng.integers(1, 5))
        readout = PooledDense(_weights(rng, (classes, cells * channels), bits), bits, pool)
    else:
        bits = int(rng.integers(1, 5))
        readout = Dense(_weights(rng, (classes, rows * columns * channels), bits), bits)
    bias = rng.integers(-5, 6, classes).astype(np.int32)
    layers.append(Layer("readout", readout, Readout(bias), (source,)))
    return Network("graph", inputs, tuple(layers), tuple(map(str, range(classes))))


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
            source or before]
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


def _convolution(rng, name, source, shapes, shortcuts, kind):
    rows, columns, channels = shapes[source]
    kernel = tuple(int(rng.integers(1, min(4, n + 1) + 1)) for n in (rows, columns))
    padding = int(rng.integers(0, min(kernel)))
    kernel = tuple(min(k, n + 2 * padding) for k, n in zip(kernel, (rows, columns), strict=True))
    stride, out, groups = int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 7)), 1
    padding = min(padding, min(kernel) - 1)
    if kind == "depthwise":
        out = groups = channels
    elif rng.random() < 0.2 and channels % 2 == 0:
        groups, out = 2, 2 * int(rng.integers(1, 4))
    if shortcuts:
        stride, groups = 1, 1
        kernel, padding = ((3, 3), 1) if min(rows, columns) >= 1 else ((1, 1), 0)
        out = channels
    bits = int(rng.integers(1, 5))
    synapses = [Conv2d(_weights(rng, (out, *kernel, channels // groups), bits), bits, stride, padding, groups)]
    sources = [source]
    if shortcuts:
        bits = int(rng.integers(1, 5))
        identity = rng.random() < 0.5
        table = _weights(rng, (out, 1, 1, 1 if identity else channels), bits)
        synapses.append(Conv2d(table, bits, groups=channels if identity else 1))
        sources.append(str(rng.choice(shortcuts)))
    reach = max(2, int(np.abs(synapses[0].weights.astype(int)).sum(axis=(1, 2, 3)).max()) // 3)
    if source == INPUT:
        reach *= 4
    thresholds = rng.integers(-reach // 2, reach + 1, out).astype(np.int32)
    return Layer(name, tuple(synapses), Fire(thresholds), tuple(sources))


def random_plan(rng, network):
    """Return a random valid plan of ``network``."""
    widths = word_widths(network, most=int(rng.choice([1, 2, 4, 16])))
    layers = []
    for layer, choice in zip(network.layers, default_plan(network).layers, strict=True):
        width = widths[layer.sources[0]]
        synapse = layer.synapses[0]
        if not layer.accumulates:
            engine = choice.engine if rng.random() < 0.7 else "or"
            layers.append(replace(choice, width=width, engine=engine))
            continue
        kernel = int(np.prod(synapse.kernel)) if isinstance(synapse, Conv2d) else 1
        taps = int(rng.integers(1, kernel + 1))
        per_tap = 1 << int(rng.integers(0, power_of_two_at_most(width).bit_length()))
        groups = _groups(rng, layer.neuron.size)
        if rng.random() < 0.3:
            layers.append(LayerPlan(layer.name, width=width, engine="unrolled", levels=int(rng.integers(1, 4)),
                                    lut=int(rng.choice([4, 6]))))
            continue
        layers.append(replace(
            choice, width=width, engine=str(rng.choice(["event", "parallel"])), taps=taps, banks=taps * per_tap,
            depth=int(rng.integers(2, 6)), groups=groups, memory=str(rng.choice(["auto", "block", "distributed"])),
        ))
    unrolled = {choice.name for choice in layers if choice.engine == "unrolled"}
    layers = [replace(choice, engine="or") if choice.engine == "fused" and layer.sources[0] in unrolled else choice
              for choice, layer in zip(layers, network.layers, strict=True)]
    plan = Plan(tuple(replace(layer, buffers=()) for layer in layers))
    return with_buffers(plan, safe_buffers(network, plan))


def _groups(rng, neurons):
    groups = int(rng.integers(1, min(4, neurons) + 1))
    while -(-neurons // groups) * (groups - 1) >= neurons:
        groups -= 1
    return groups
