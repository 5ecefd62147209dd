"""From network and plan to the stages of the circuit: what each one reads, in which order, and with which tables.

A stage is one layer (and the max pooling fused behind it): its windows, one per source where words must be kept,
repeated or reordered; its engine; its neurons. Streams between stages carry a tensor pixel by pixel, each pixel's
channels cut into words of the width that its readers want; a tensor without image axes is one pixel.
"""

from dataclasses import replace
from math import gcd, prod

import numpy as np

from s2nn_hw.circuit.engines.event import EventParams
from s2nn_hw.circuit.engines.parallel import ParallelParams
from s2nn_hw.circuit.engines.params import Cells
from s2nn_hw.circuit.engines.unrolled import UnrolledParams
from s2nn_hw.circuit.stage import Reader, Stage, Tensor
from s2nn_hw.circuit.windows import WindowParams
from s2nn_hw.errors import UserError
from s2nn_hw.network.network import INPUT
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, PooledDense, image_shape

MAX_SLOTS = 16


def fusible(network, pool):
    """Return whether max pooling layer ``pool`` can be done by the neurons of the layer before it, and that layer."""
    synapse, (source,) = pool.synapses[0], pool.sources
    if source == INPUT or synapse.size != synapse.stride or synapse.padding:
        return None
    before = network.layer(source)
    convolves = before.accumulates and isinstance(before.synapses[0], Conv2d)
    return before if convolves and len(network.readers(source)) == 1 else None


def lower(network, plan, *, only=None):
    """Return the :class:`Stage` tuple of ``network`` under ``plan``; :class:`UserError` names a layer that can't be.

    ``only``: the name of the one layer whose stage is wanted.
    """
    choices = {choice.name: choice for choice in plan.layers}
    fused = {}
    for layer in network.layers:
        if isinstance(layer.synapses[0], MaxPool) and choices[layer.name].engine == "fused":
            before = fusible(network, layer)
            if before is None:
                raise UserError(
                    f"layer {layer.name}: only max pooling without overlap and padding that alone reads a "
                    "convolution can be fused; take engine 'or'"
                )
            fused[before.name] = layer
    swallowed = {pool.name for pool in fused.values()}
    inner = _inner(network, choices)
    tensors = _tensors(network, choices, swallowed, inner.values())
    stages = []
    for layer in network.layers:
        if layer.name in swallowed or layer in inner.values() or only not in (None, layer.name):
            continue
        try:
            if choices[layer.name].engine == "unrolled":
                stages.append(_unrolled_stage(network, layer, choices, fused.get(layer.name), tensors, inner))
            else:
                stages.append(_stage(network, layer, choices[layer.name], fused.get(layer.name), tensors))
        except UserError as error:
            text = str(error)
            raise UserError(text if text.startswith("layer ") else f"layer {layer.name}: {text}") from None
    return tuple(stages)


def _inner(network, choices):
    """Return the layers that are fused into the unrolled one behind them, by the name of that one."""
    inner = {}
    for layer in network.layers:
        if layer.accumulates and choices[layer.name].engine == "fused":
            behind = network.readers(layer.name)
            dense = all(type(s) is Dense for s in [*layer.synapses, *(s for b in behind for s in b.synapses)])
            if (
                [choices[b.name].engine in ("unrolled", "fused") for b in behind] != [True]
                or not dense
                or len(behind[0].sources) > 1
            ):
                raise UserError(
                    f"layer {layer.name}: only a dense layer that a dense unrolled one alone reads can be "
                    "fused into that one, which reads nothing else; take engine 'unrolled'"
                )
            inner[behind[0].name] = layer
    return inner


def _tensors(network, choices, swallowed, inner):
    """Return the :class:`Tensor` of every name that is streamed; its readers must agree on the width."""
    tensors = {}
    for name, shape in network.shapes.items():
        if any(layer.name == name for layer in inner):
            continue
        readers = [layer for layer in network.readers(name) if layer.name not in swallowed]
        if not readers:
            continue
        widths = {choices[layer.name].width for layer in readers}
        if len(widths) > 1:
            raise UserError(
                f"layer {readers[0].name}: all readers of {name} need one width, not "
                f"{' and '.join(f'{choices[r.name].width} ({r.name})' for r in readers)}"
            )
        image = len(shape) > 1 and (name != INPUT or any(not isinstance(r.synapses[0], Dense) for r in readers))
        rows, columns, channels = image_shape(shape) if image else (1, 1, prod(shape))
        tensors[name] = Tensor(rows, columns, channels, widths.pop())
    for layer in network.layers:  # an OR hands its words on as they are
        if not layer.accumulates and layer.name not in swallowed:
            wanted, came = tensors[layer.name].width, choices[layer.name].width
            if wanted != came:
                raise UserError(f"layer {layer.name}: width must be that of its readers, {wanted}, not {came}")
    return tensors


def _stage(network, layer, choice, pool, tensors):
    repeats = pool.synapses[0].size if pool else 1
    output, groups = pool.name if pool else layer.name, choice.groups
    if not layer.accumulates:
        return _join_stage(layer, choice, tensors)
    neurons = layer.neuron.size
    if not 1 <= groups <= neurons:
        raise UserError(f"groups must be an integer from 1 to {neurons}, the neurons, not {groups!r}")
    lanes = -(-neurons // groups)
    if lanes * (groups - 1) >= neurons:
        raise UserError(f"{groups} groups of {lanes} lanes leave a group without any of the {neurons} neurons")
    several = len(layer.sources) > 1
    # a group must find what it needs of every source
    splits = gcd(*(_splits(s, tensors[n], groups, neurons) for s, n in zip(layer.synapses, layer.sources, strict=True)))
    buffers = _buffers(choice, layer)
    # the event engine has one bank for each further source, so one tap
    taps = [choice.taps, *[1 if choice.engine == "event" else choice.taps] * (len(layer.sources) - 1)]
    readers = tuple(
        _reader(
            network,
            layer,
            synapse,
            source,
            tensors[source],
            most,
            {"pool": repeats, "groups": groups, "depth": depth},
            splits,
            several,
        )
        for synapse, source, most, depth in zip(layer.synapses, layer.sources, taps, buffers, strict=True)
    )
    tables = [_table(s, r, splits) for s, r in zip(layer.synapses, readers, strict=True)]
    width = max(t.shape[3] for t in tables)
    tables = [
        np.pad(np.repeat(t, splits // t.shape[1], axis=1), [(0, 0)] * 3 + [(0, width - t.shape[3])]) for t in tables
    ]
    whole = np.concatenate(tables, axis=2)  # (neurons, splits, words, width)
    low, high = network.bounds(layer)
    offsets = layer.neuron.offsets(low, high)
    spare = lanes * groups - neurons
    whole = np.pad(whole, ((0, spare), (0, 0), (0, 0), (0, 0))).reshape(groups, lanes, *whole.shape[1:])
    which = np.arange(groups) * splits // groups
    weights = whole[np.arange(groups), :, which]
    # one stored bit is a sign; where zeros fill up a table, it takes two
    zeros = spare or any(isinstance(s, Conv2d) and s.groups > 1 for s in layer.synapses)
    bits = [max(2, s.bits) if zeros else s.bits for s in layer.synapses]
    cells = tuple(_cells(network, s, r) for s, r in zip(layer.synapses, readers, strict=True))
    common = {
        "weights": weights,
        "bits": bits[0],
        "offsets": np.pad(offsets, (0, spare)).reshape(groups, lanes),
        "planes": network.peak(layer).bit_length(),
        "repeats": repeats**2,
        "cells": cells,
        "memory": choice.memory,
    }
    if choice.engine == "event":
        first, *others = readers
        taps = first.window.taps if first.window else 1
        shortcuts = tuple((r.tensor.width, b) for r, b in zip(others, bits[1:], strict=True))
        engine = EventParams(
            **common,
            banks=choice.banks,
            taps=taps,
            depth=choice.depth,
            shortcuts=shortcuts,
            tag_bits=5 if len(readers[0].positions) > 1 else 2,
        )
    else:
        synapse, tensor = layer.synapses[0], readers[0].tensor
        depthwise = isinstance(synapse, Conv2d) and synapse.groups == synapse.channels_in == neurons and not several
        diagonal = depthwise and splits == groups and lanes == tensor.width
        most = max(max(2, b) if several else b for b in bits)  # one memory for all sources
        engine = ParallelParams(**common | {"bits": most}, diagonal=diagonal)
    if not isinstance(layer.neuron, Readout):
        engine = replace(engine, slots=_slots(engine, tensors[output].pixel_words))
    return Stage(layer, output, readers, engine, neurons, repeats**2)


def _unrolled_stage(network, layer, choices, pool, tensors, inner):
    """Return the stage of a layer whose weights are logic: all taps at once, the bits of a pixel side by side."""
    choice, front = choices[layer.name], layer
    if pool:
        raise UserError(f"max pooling {pool.name} can't be fused into an unrolled layer; take engine 'or' for it")
    if choice.groups != 1 or choice.banks != 1:
        raise UserError(f"the unrolled engine has one group and one bank, not {choice.groups} and {choice.banks}")
    behind = []
    while front.name in inner:
        behind.append(front)
        front = inner[front.name]
    for one in (front, *behind[1:]) if behind else ():
        if (choices[one.name].levels, choices[one.name].lut) != (choice.levels, choice.lut):
            raise UserError(
                f"layer {one.name}: levels and lut must be those of {layer.name}, into which it is fused, "
                f"{choice.levels} and {choice.lut}, not {choices[one.name].levels} and "
                f"{choices[one.name].lut}"
            )
    buffers = _buffers(choices[front.name], front)
    planes, several = network.peak(front).bit_length(), len(front.sources) > 1
    readers = tuple(
        _unrolled_reader(synapse, source, tensors[source], planes, several, depth)
        for synapse, source, depth in zip(front.synapses, front.sources, buffers, strict=True)
    )
    tables = []
    for synapse, reader in zip(front.synapses, readers, strict=True):
        table = _table(synapse, reader, 1)[:, 0].astype(np.int32)  # (neurons, words, values)
        table = table[:, _cells(network, synapse, reader).table_words()]
        tables.append((table[..., None] << np.arange(planes)).reshape(*table.shape[:2], -1))
    width = max(table.shape[2] for table in tables)
    weights = np.concatenate([np.pad(t, ((0, 0), (0, 0), (0, width - t.shape[2]))) for t in tables], axis=1)
    engine = None
    for one in [front, *reversed(behind)]:
        if engine:
            weights = one.synapses[0].weights[:, None].astype(np.int32)
        engine = UnrolledParams(
            weights=weights[None],
            bits=max(s.bits for s in one.synapses),
            inner=engine,
            levels=choice.levels,
            offsets=one.neuron.offsets(*network.bounds(one))[None],
            fire=not isinstance(one.neuron, Readout),
            lut=choice.lut,
        )
    return Stage(
        layer, layer.name, readers, engine, layer.neuron.size, fused=(front, *reversed(behind[1:])) if behind else ()
    )


def _buffers(choice, layer):
    """Return the words that the window of each source of ``layer`` keeps, 0 for the default."""
    buffers = choice.buffers or (0,) * len(layer.sources)
    if len(buffers) != len(layer.sources):
        raise UserError(f"buffers must list {len(layer.sources)} depths, one per source, not {list(buffers)}")
    return buffers


def _cells(network, synapse, reader):
    """Return which words of a pass share the rows of ``synapse``."""
    if not isinstance(synapse, PooledDense):
        return Cells(reader.pass_words)
    return Cells(reader.tensor.pixel_words, synapse.cells(network.shapes[reader.source]), synapse.pool)


def _unrolled_reader(synapse, source, tensor, planes, several, depth):
    window, conv = None, isinstance(synapse, Conv2d)
    shape = {"width": tensor.width * planes, "spare": tensor.spare * planes, "depth": depth}
    if conv and (several or prod(synapse.kernel) > 1 or synapse.stride > 1):
        window = WindowParams(
            rows=tensor.rows,
            columns=tensor.columns,
            words=tensor.pixel_words,
            kernel=tuple(synapse.kernel),
            stride=synapse.stride,
            padding=synapse.padding,
            taps=prod(synapse.kernel),
            **shape,
        )
    elif several:
        window = WindowParams(rows=1, columns=1, words=tensor.words, **shape)
    return Reader(source, tensor, window, pixelwise=conv and not window)


def _slots(engine, words):
    """Return for how many cells the neurons need room, so that an engine at full speed never waits for them.

    From a cell's last slot until its last of ``words`` words has left and that is known: ``capture_cycles + words +
    1`` cycles. Meanwhile others may end, one in so many cycles as it has words.
    """
    least = engine.repeats * engine.groups * engine.planes * engine.words
    return min(MAX_SLOTS, -(-(engine.capture_cycles + words + 1) // least))


def _splits(synapse, tensor, groups, neurons):
    """Return into how many parts a pixel's words fall such that each group of lanes needs only one of them."""
    if not isinstance(synapse, Conv2d) or synapse.groups == 1 or tensor.spare or neurons % groups:
        return 1
    inputs = synapse.channels_in // synapse.groups
    if inputs % tensor.width == 0:
        parts = synapse.groups
    elif tensor.width % inputs == 0:
        parts = tensor.pixel_words
    else:
        return 1
    return parts if groups % parts == 0 else 1


def _reader(network, layer, synapse, source, tensor, taps, order, splits, several):
    planes = network.peak(layer).bit_length()
    if isinstance(synapse, Conv2d):
        taps = min(taps, prod(synapse.kernel))
        shape = {
            "rows": tensor.rows,
            "columns": tensor.columns,
            "words": tensor.pixel_words,
            "kernel": tuple(synapse.kernel),
            "stride": synapse.stride,
            "padding": synapse.padding,
            "taps": taps,
            "splits": splits,
        }
        plain = prod(synapse.kernel) == 1 and synapse.stride == 1 and order["groups"] == order["pool"] == 1
        plain = plain and not several and planes == 1 and not (source == INPUT and tensor.spare)
    else:
        shape = {"rows": 1, "columns": 1, "words": tensor.words, "pixel_words": tensor.pixel_words}
        order = order | {"pool": 1}
        plain = order["groups"] == 1 and not several and source != INPUT
    if plain:
        return Reader(source, tensor, None, pixelwise=isinstance(synapse, Conv2d))
    spare = tensor.spare if source == INPUT else 0
    return Reader(source, tensor, WindowParams(**shape, width=tensor.width, planes=planes, spare=spare, **order))


def _join_stage(layer, choice, tensors):
    synapse, tensor = layer.synapses[0], tensors[layer.sources[0]]
    buffers = _buffers(choice, layer)
    size = {
        "rows": tensor.rows,
        "columns": tensor.columns,
        "words": tensor.pixel_words,
        "width": tensor.width,
        "groups": tensor.pixel_words,
        "splits": tensor.pixel_words,
    }
    if isinstance(synapse, MaxPool):
        size |= {
            "kernel": (synapse.size, synapse.size),
            "stride": synapse.stride,
            "padding": synapse.padding,
            "taps": min(choice.taps, synapse.size**2),
        }
    readers = tuple(
        Reader(source, tensor, WindowParams(**size, depth=depth))
        for source, depth in zip(layer.sources, buffers, strict=True)
    )
    return Stage(layer, layer.name, readers, None, tensor.channels, or_taps=readers[0].window.taps)


def _table(synapse, reader, splits):
    """Return ``synapse``'s weights in stream order, int8 ``(neurons, splits, words of a pass, taps * width)``."""
    tensor, window = reader.tensor, reader.window
    if not isinstance(synapse, Conv2d):
        pixels = synapse.weights.reshape(synapse.neurons, -1, tensor.channels)
        padded = np.pad(pixels, ((0, 0), (0, 0), (0, tensor.spare)))
        return padded.reshape(synapse.neurons, 1, -1, tensor.width)
    channels = synapse.weights.shape[3]
    full = np.zeros((*synapse.weights.shape[:3], tensor.pixel_words * tensor.width), np.int8)
    each = synapse.neurons // synapse.groups
    for group in range(synapse.groups):
        rows = slice(group * each, (group + 1) * each)
        full[rows, :, :, group * channels : (group + 1) * channels] = synapse.weights[rows]
    full = full.reshape(synapse.neurons, -1, tensor.pixel_words, tensor.width)
    steps, taps = (window.steps, window.taps) if window else (1, 1)
    full = np.pad(full, ((0, 0), (0, steps * taps - full.shape[1]), (0, 0), (0, 0)))
    part = tensor.pixel_words // splits
    full = full.reshape(synapse.neurons, steps, taps, splits, part, tensor.width)
    return full.transpose(0, 3, 1, 4, 2, 5).reshape(synapse.neurons, splits, steps * part, taps * tensor.width)


def with_buffers(plan, buffers):
    """Return ``plan`` with the ring depths ``buffers`` ``{layer name: (words per source, ...)}``."""
    return replace(
        plan, layers=tuple(replace(c, buffers=tuple(buffers[c.name])) if c.name in buffers else c for c in plan.layers)
    )
