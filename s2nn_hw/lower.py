"""From network and plan to the stages of the circuit: what each one reads, in which order, and with which tables.

A stage is one layer (and the max pooling fused behind it): its windows, one per source where words must be kept,
repeated or reordered; its engine; its neurons. Streams between stages carry a tensor pixel by pixel, each pixel's
channels cut into words of the width that its readers want; a tensor without image axes is one pixel.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from math import gcd, prod

import numpy as np

from .engines.event import EventParams
from .engines.parallel import ParallelParams
from .engines.table import Cells
from .errors import UserError
from .network import INPUT
from .neurons import Readout
from .synapses import Conv2d, Dense, MaxPool, PooledDense, image_shape
from .windows import WindowParams

MAX_SLOTS = 16


@dataclass(frozen=True)
class Tensor:
    """How a tensor is streamed: ``rows`` x ``columns`` pixels of ``channels`` values in words of ``width``."""

    rows: int
    columns: int
    channels: int
    width: int

    @property
    def pixel_words(self):
        return -(-self.channels // self.width)

    @property
    def words(self):
        """Words of a frame."""
        return self.rows * self.columns * self.pixel_words

    @property
    def spare(self):
        """Values past the last channel in a pixel's last word."""
        return self.pixel_words * self.width - self.channels

    def stream(self, values):
        """Return ``values`` ``(frames, size)`` as words, ``(frames, words, width)``, zeros in the spare places."""
        pixels = values.reshape(len(values), self.rows * self.columns, self.channels)
        padded = np.pad(pixels, ((0, 0), (0, 0), (0, self.spare)))
        return padded.reshape(len(values), self.words, self.width)


@dataclass(frozen=True)
class Reader:
    """One source of a stage: ``source`` (name of a tensor) and its ``window``.

    Without a window the words are used as they come, a frame of the engine being a whole tensor or, ``pixelwise``,
    one pixel (a convolution by a kernel of 1 x 1).
    """

    source: str
    tensor: Tensor
    window: WindowParams | None
    pixelwise: bool = False

    @property
    def pass_words(self):
        """Words that the source adds to one pass of the engine."""
        if self.window:
            return self.window.pass_words
        return self.tensor.pixel_words if self.pixelwise else self.tensor.words

    @property
    def positions(self):
        """Output positions (row, column) in the order of computation, int64 ``(positions, 2)``."""
        if self.window:
            return self.window.positions
        size = (self.tensor.rows, self.tensor.columns) if self.pixelwise else (1, 1)
        return np.indices(size).reshape(2, -1).T

    @property
    def frame_words(self):
        """Words that leave in one frame."""
        w = self.window
        return len(w.positions) * w.groups * w.planes * w.pass_words if w else self.tensor.words

    def gather(self, values):
        """Return the words of a pass, ``(frames, positions, splits, pass_words, taps * width)``."""
        if self.window is None:
            words = self.tensor.stream(values)
            return words.reshape(len(values), -1, 1, self.pass_words, self.tensor.width)
        out = self.window.gather(self.tensor.stream(values))
        return out.reshape(*out.shape[:4], -1)


@dataclass(frozen=True)
class Stage:
    """One layer in the circuit; ``output``: name of the tensor that leaves (the layer's, or of the fused pooling's).

    ``engine``: :class:`EventParams`, :class:`ParallelParams`, or None where spikes are only ORed. ``repeats``:
    positions of a pooling cell; ``or_taps``: places of which a join takes the OR at once.
    """

    layer: object
    output: str
    readers: tuple
    engine: object
    neurons: int
    repeats: int = 1
    or_taps: int = 1

    @property
    def name(self):
        return self.layer.name

    @property
    def is_readout(self):
        return isinstance(self.layer.neuron, Readout)

    @cached_property
    def positions(self):
        """Output positions (row, column) in the order of computation, int64 ``(positions, 2)``."""
        return self.readers[0].positions

    @property
    def pass_words(self):
        return sum(reader.pass_words for reader in self.readers)

    def words(self, values):
        """Return what the engine sees of each source's ``values``: ``(frames, positions, splits, words, width)``."""
        parts = [reader.gather(x) for reader, x in zip(self.readers, values, strict=True)]
        splits, width = max(p.shape[2] for p in parts), max(p.shape[4] for p in parts)
        parts = [np.pad(np.repeat(p, splits // p.shape[2], axis=2), [(0, 0)] * 4 + [(0, width - p.shape[4])])
                 for p in parts]
        return np.concatenate(parts, axis=3) if len(parts) > 1 else parts[0]


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
                raise UserError(f"layer {layer.name}: only max pooling without overlap and padding that alone reads a "
                                "convolution can be fused; take engine 'or'")
            fused[before.name] = layer
    swallowed = {pool.name for pool in fused.values()}
    tensors = _tensors(network, choices, swallowed)
    stages = []
    for layer in network.layers:
        if layer.name in swallowed or only not in (None, layer.name):
            continue
        try:
            stages.append(_stage(network, layer, choices[layer.name], fused.get(layer.name), tensors))
        except UserError as error:
            text = str(error)
            raise UserError(text if text.startswith("layer ") else f"layer {layer.name}: {text}") from None
    return tuple(stages)


def _tensors(network, choices, swallowed):
    """Return the :class:`Tensor` of every name that is streamed; its readers must agree on the width."""
    tensors = {}
    for name, shape in network.shapes.items():
        readers = [layer for layer in network.readers(name) if layer.name not in swallowed]
        if not readers:
            continue
        widths = {choices[layer.name].width for layer in readers}
        if len(widths) > 1:
            raise UserError(f"layer {readers[0].name}: all readers of {name} need one width, not "
                            f"{' and '.join(f'{choices[r.name].width} ({r.name})' for r in readers)}")
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
    splits = gcd(*(_splits(s, tensors[n], groups, neurons)
                   for s, n in zip(layer.synapses, layer.sources, strict=True)))
    buffers = choice.buffers or (0,) * len(layer.sources)
    if len(buffers) != len(layer.sources):
        raise UserError(f"buffers must list {len(layer.sources)} depths, one per source, not {list(buffers)}")
    readers = tuple(
        _reader(network, layer, synapse, source, tensors[source], choice,
                {"pool": repeats, "groups": groups, "depth": depth}, splits, several)
        for synapse, source, depth in zip(layer.synapses, layer.sources, buffers, strict=True)
    )
    tables = [_table(s, r, splits) for s, r in zip(layer.synapses, readers, strict=True)]
    width = max(t.shape[3] for t in tables)
    tables = [np.pad(np.repeat(t, splits // t.shape[1], axis=1), [(0, 0)] * 3 + [(0, width - t.shape[3])])
              for t in tables]
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
    cells = None
    if isinstance(layer.synapses[0], PooledDense):
        tensor, synapse = readers[0].tensor, layer.synapses[0]
        cells = Cells(synapse.cells(network.shapes[layer.sources[0]]), synapse.pool, tensor.pixel_words)
    common = {
        "weights": weights, "bits": bits[0],
        "offsets": np.pad(offsets, (0, spare)).reshape(groups, lanes), "planes": network.peak(layer).bit_length(),
        "repeats": repeats**2, "cells": cells, "memory": choice.memory,
    }
    if choice.engine == "event":
        first, *others = readers
        taps = first.window.taps if first.window else 1
        shortcuts = tuple((r.pass_words, r.tensor.width, b) for r, b in zip(others, bits[1:], strict=True))
        engine = EventParams(**common, banks=choice.banks, taps=taps, depth=choice.depth, shortcuts=shortcuts,
                             tag_bits=5 if len(readers[0].positions) > 1 else 2)
    else:
        synapse, tensor = layer.synapses[0], readers[0].tensor
        depthwise = isinstance(synapse, Conv2d) and synapse.groups == synapse.channels_in == neurons and not several
        diagonal = depthwise and splits == groups and lanes == tensor.width
        most = max(max(2, b) if several else b for b in bits)  # one memory for all sources
        engine = ParallelParams(**common | {"bits": most}, diagonal=diagonal)
    if not isinstance(layer.neuron, Readout):
        engine = replace(engine, slots=_slots(engine, tensors[output].pixel_words))
    return Stage(layer, output, readers, engine, neurons, repeats**2)


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


def _reader(network, layer, synapse, source, tensor, choice, order, splits, several):
    planes = network.peak(layer).bit_length()
    if isinstance(synapse, Conv2d):
        taps = min(choice.taps, prod(synapse.kernel))
        shape = {"rows": tensor.rows, "columns": tensor.columns, "words": tensor.pixel_words,
                 "kernel": tuple(synapse.kernel),
                 "stride": synapse.stride, "padding": synapse.padding, "taps": taps, "splits": splits}
        plain = prod(synapse.kernel) == 1 and synapse.stride == 1 and order["groups"] == order["pool"] == 1
        plain = plain and not several and planes == 1 and not (source == INPUT and tensor.spare)
    else:
        shape = {"rows": 1, "columns": 1, "words": tensor.words}
        order = order | {"pool": 1}
        plain = order["groups"] == 1 and not several and source != INPUT
    if plain:
        return Reader(source, tensor, None, pixelwise=isinstance(synapse, Conv2d))
    spare = tensor.spare if source == INPUT else 0
    if spare and not isinstance(synapse, Conv2d) and tensor.rows * tensor.columns > 1:
        raise UserError("a dense layer can't read the input image beside a convolution when pixels have spare places; "
                        f"take a width that divides {tensor.channels}")
    return Reader(source, tensor, WindowParams(**shape, width=tensor.width, planes=planes, spare=spare, **order))


def _join_stage(layer, choice, tensors):
    synapse, tensor = layer.synapses[0], tensors[layer.sources[0]]
    buffers = choice.buffers or (0,) * len(layer.sources)
    size = {"rows": tensor.rows, "columns": tensor.columns, "words": tensor.pixel_words, "width": tensor.width,
            "groups": tensor.pixel_words, "splits": tensor.pixel_words}
    if isinstance(synapse, MaxPool):
        size |= {"kernel": (synapse.size, synapse.size), "stride": synapse.stride, "padding": synapse.padding,
                 "taps": min(choice.taps, synapse.size**2)}
    readers = tuple(Reader(source, tensor, WindowParams(**size, depth=depth))
                    for source, depth in zip(layer.sources, buffers, strict=True))
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
    return replace(plan, layers=tuple(
        replace(c, buffers=tuple(buffers[c.name])) if c.name in buffers else c for c in plan.layers
    ))
