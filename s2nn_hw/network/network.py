"""The integer network: frozen, checked on construction, its own golden model.

A :class:`Network` is the contract between the four stages. ``forward`` defines what every circuit must
compute, bit for bit. ``docs/format.md`` describes the file.
"""

import hashlib
import json
import math
import re
import unicodedata
from dataclasses import dataclass, field

import numpy as np

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense, MaxPool, Or

INPUT = "input"
INPUT_BITS = (1, 2, 4, 8)
MAX_NEURONS = 1 << 16
MAX_VALUES = 1 << 22  # values of one layer in one frame
MAX_LAYERS = 1 << 10
MAX_SOURCES = 64
MAX_CLASS_NAME = 64
BATCH_VALUES = 1 << 24  # values of one layer in one batch of the golden model


@dataclass(frozen=True)
class Input:
    """What enters: ``shape`` (1 to 3 axes: row, column, channel) of ``bits``-bit pixels (1, 2, 4 or 8)."""

    shape: tuple
    bits: int

    def __post_init__(self):
        shape = tuple(self.shape)
        if not 1 <= len(shape) <= 3 or any(type(n) is not int or n < 1 for n in shape):
            raise UserError(f"input: shape must be 1 to 3 positive integers, not {quoted(list(shape))}")
        if math.prod(shape) > MAX_NEURONS:
            raise UserError(f"input: shape {quoted(list(shape))} has more than {MAX_NEURONS:,} pixels")
        if self.bits not in INPUT_BITS:
            raise UserError(f"input: bits must be one of {INPUT_BITS}, not {quoted(self.bits)}")
        object.__setattr__(self, "shape", shape)

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def peak(self):
        """The largest pixel value."""
        return 2**self.bits - 1

    def encode(self, images):
        """Return ``(count, pixels)`` uint8: the top ``bits`` bits of 8-bit ``images`` ``(count, *shape)``.

        Flat images ``(count, pixels)`` in raster order are taken too. Errors name shape or type.
        """
        images = np.asarray(images)
        if images.ndim < 1 or images.shape[1:] not in (self.shape, (self.size,)):
            flat = f" or (count, {self.size})" if len(self.shape) > 1 else ""
            raise UserError(
                f"images must have shape (count, {', '.join(map(str, self.shape))}){flat}, not {images.shape}"
            )
        if images.dtype != np.uint8:
            raise UserError(f"images must be uint8 with values 0 .. 255, not {images.dtype}")
        return (images.reshape(len(images), self.size) >> (8 - self.bits)).astype(np.uint8)


@dataclass(frozen=True)
class Layer:
    """What is added, and the neurons behind it; ``sources`` name what feeds it (default: the layer before).

    ``synapses``: one or, for several sources that add to the same accumulators (a residual connection), one per
    source. ``neuron``: :class:`Fire` or :class:`Readout`; None where spikes are only joined (:class:`MaxPool`,
    :class:`Or`).
    """

    name: str
    synapses: tuple
    neuron: object
    sources: tuple = ()

    def __post_init__(self):
        if not isinstance(self.synapses, tuple | list):
            object.__setattr__(self, "synapses", (self.synapses,))
        object.__setattr__(self, "synapses", tuple(self.synapses))
        object.__setattr__(self, "sources", tuple(self.sources))
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.name):
            raise UserError(
                f"layer name must be at most 32 lower-case letters, digits and '_' that begin with a "
                f"letter, not {quoted(self.name)}"
            )
        joins = any(isinstance(s, MaxPool | Or) for s in self.synapses)
        if not self.synapses or (joins and len(self.synapses) > 1) or joins != (self.neuron is None):
            raise UserError(f"layer {self.name}: wanted one max pooling or OR without neurons, or weights with neurons")
        for synapse in self.synapses if self.neuron else ():
            if self.neuron.size != synapse.neurons:
                raise UserError(
                    f"layer {self.name}: {synapse.neurons} neurons in the weights, {self.neuron.size} in the "
                    f"{self.neuron.table_name}"
                )

    @property
    def accumulates(self):
        """Whether this layer has weights and neurons; else it only joins spikes."""
        return self.neuron is not None


@dataclass(frozen=True)
class Output:
    """What ``forward`` returns, all tensors, batch first.

    ``classes`` int64 ``(batch,)``; ``scores`` int64 ``(batch, classes)``; with ``trace=True`` also, by layer
    name, ``spikes`` uint8 and ``accumulators`` int64 ``(batch, neurons)`` (thresholds and bias not applied).
    """

    classes: object
    scores: object
    spikes: dict = field(default_factory=dict)
    accumulators: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Layers in topological order; the last is the readout and the only one without spikes."""

    name: str
    input: Input
    layers: tuple
    classes: tuple
    provenance: dict = field(default_factory=dict, compare=False)

    def __post_init__(self):
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.name):
            raise UserError(
                f"network name must be at most 64 letters, digits, '.', '_' and '-' that begin with a "
                f"letter or digit, not {quoted(self.name)}"
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise UserError(
                f"network {self.name}: at least one layer is needed, and at most {MAX_LAYERS:,}, "
                f"not {len(self.layers):,}"
            )
        names = [layer.name for layer in self.layers]
        shapes, previous, layers, used = {INPUT: self.input.shape}, INPUT, [], set()
        for layer in self.layers:
            if layer.name in shapes:
                why = "stands for the image" if layer.name == INPUT else "is used twice"
                raise UserError(f"layer {layer.name}: the name {why}")
            if not layer.sources:
                layer = Layer(layer.name, layer.synapses, layer.neuron, (previous,))
            shapes[layer.name] = _checked_shape(layer, shapes, names)
            last = layer.name == self.layers[-1].name
            if last != isinstance(layer.neuron, Readout):
                raise UserError(f"layer {layer.name}: the last layer, and only that one, must be a readout")
            used.update(layer.sources)
            previous = layer.name
            layers.append(layer)
        object.__setattr__(self, "layers", tuple(layers))
        object.__setattr__(self, "shapes", shapes)
        unused = [name for name in [INPUT, *names[:-1]] if name not in used]
        if unused:
            raise UserError(f"layer {unused[0]}: nothing reads it; every layer but the readout must be a source")
        if len(shapes[previous]) != 1:
            raise UserError(
                f"layer {previous}: the readout must give one score per class, not an image; a convolution "
                "of one position is the same as dense"
            )
        wanted = shapes[previous][0]
        if len(self.classes) != wanted or len(set(self.classes)) != len(self.classes):
            raise UserError(
                f"network {self.name}: {wanted} different class names wanted, {len(self.classes)} came, "
                f"{len(set(self.classes))} of them different: {listed(map(quoted, self.classes))}"
            )
        for name in self.classes:
            _check_class(name)

    def layer(self, name):
        """Return the layer called ``name``."""
        return next(layer for layer in self.layers if layer.name == name)

    def readers(self, name):
        """Return the layers that read ``name`` (a layer or :data:`INPUT`), in order, once per source."""
        return [layer for layer in self.layers for source in layer.sources if source == name]

    def size(self, name):
        """Return how many values a frame of ``name`` (a layer or :data:`INPUT`) has."""
        return math.prod(self.shapes[name])

    def peak(self, layer):
        """Return the largest input value of ``layer``: the largest pixel behind the input, else 1."""
        return self.input.peak if layer.sources == (INPUT,) else 1

    def bounds(self, layer):
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable accumulator range, all sources together."""
        ranges = [synapse.bounds(self.peak(layer)) for synapse in layer.synapses]
        return sum(low for low, _ in ranges), sum(high for _, high in ranges)

    @property
    def synapse_count(self):
        """Weights stored, those of a kernel counted once."""
        return sum(s.weights.size for layer in self.layers if layer.accumulates for s in layer.synapses)

    def encode(self, images):
        """Return the pixels that enter, see :meth:`Input.encode`."""
        return self.input.encode(images)

    def forward(self, images, *, trace=False, batch=None):
        """Run the golden model on uint8 ``images`` ``(count, *shape)``, numpy or torch; return :class:`Output`.

        ``trace``: True keeps spikes and accumulators of every layer, ``"spikes"`` the spikes alone (accumulators of
        images are large). ``batch``: images at a time, default by the size of the largest layer. Exact integer
        arithmetic (see :meth:`Dense.accumulate`); ties go to the lowest class.
        """
        pixels = self.encode(images)  # what can't be is refused before torch is read, which takes seconds
        import torch

        pixels = torch.as_tensor(pixels)
        batch = batch or max(1, min(2048, BATCH_VALUES // max(self.size(name) for name in self.shapes)))
        parts = [self._forward_batch(part, trace) for part in pixels.split(batch)] if len(pixels) else []
        if not parts:
            return Output(torch.zeros(0, dtype=torch.int64), torch.zeros((0, len(self.classes)), dtype=torch.int64))
        return Output(
            torch.cat([p.classes for p in parts]),
            torch.cat([p.scores for p in parts]),
            {n: torch.cat([p.spikes[n] for p in parts]) for n in parts[0].spikes},
            {n: torch.cat([p.accumulators[n] for p in parts]) for n in parts[0].accumulators},
        )

    def _forward_batch(self, pixels, trace):
        values, spikes, accumulators = {INPUT: pixels}, {}, {}
        for layer in self.layers:
            shapes = [self.shapes[source] for source in layer.sources]
            sources = [values[source] for source in layer.sources]
            if layer.accumulates:
                total = sum(
                    synapse.accumulate(x, shape, self.peak(layer))
                    for synapse, x, shape in zip(layer.synapses, sources, shapes, strict=True)
                )
                values[layer.name] = layer.neuron.step(total)
                if trace is True:
                    accumulators[layer.name] = total
            else:
                values[layer.name] = layer.synapses[0].join(sources, shapes[0])
            if trace and not isinstance(layer.neuron, Readout):
                spikes[layer.name] = values[layer.name]
        scores = values[self.layers[-1].name]
        # argmax of integers promises no order among equals, so the lowest class is picked explicitly
        ranked = scores * scores.shape[1] - scores.new_tensor(range(scores.shape[1]))
        return Output(ranked.argmax(dim=1), scores, spikes, accumulators)

    def describe(self):
        """Return the JSON-able header that ``save`` writes, without provenance and digest."""
        plain = all(isinstance(s, Dense) for layer in self.layers for s in layer.synapses)
        return {
            "format": "s2nn",
            "version": 1 if plain and all(len(layer.sources) == 1 for layer in self.layers) else 2,
            "name": self.name,
            "input": {"shape": list(self.input.shape), "bits": self.input.bits},
            "layers": [self._describe_layer(layer) for layer in self.layers],
            "classes": list(self.classes),
        }

    def _describe_layer(self, layer):
        entries = []
        for name, synapse in zip(_weight_names(layer), layer.synapses, strict=True):
            table = {"bits": synapse.bits, "weights": name} if layer.accumulates else {}
            entries.append({"kind": synapse.kind, **table, **synapse.settings})
        entry = {"name": layer.name, "sources": list(layer.sources)}
        entry |= {"synapse": entries[0]} if len(entries) == 1 else {"synapses": entries}
        if layer.accumulates:
            table = layer.neuron.table_name
            entry["neuron"] = {"kind": layer.neuron.kind, table: f"{layer.name}.{table}"}
        return entry

    def tensors(self):
        """Return the integer tables by tensor name, in file order."""
        tables = {}
        for layer in self.layers:
            if layer.accumulates:
                tables |= {n: s.weights for n, s in zip(_weight_names(layer), layer.synapses, strict=True)}
                tables[f"{layer.name}.{layer.neuron.table_name}"] = layer.neuron.table
        return tables

    @property
    def digest(self):
        """SHA-256 (hex) of header and tables: what decides the circuit's function; provenance is left out."""
        state = hashlib.sha256(json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode())
        for name, table in self.tensors().items():
            state.update(f"{name}:{table.dtype}:{table.shape}:".encode())
            state.update(np.ascontiguousarray(table.astype(table.dtype.newbyteorder("<"))).tobytes())
        return state.hexdigest()


def _weight_names(layer):
    return [f"{layer.name}.weights{k or ''}" for k in range(len(layer.synapses))]


def _check_class(name):
    """Raise :class:`UserError` unless ``name`` of a class can stand on a line and in a file."""
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= MAX_CLASS_NAME
        or name != name.strip(" ")
        or any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
    ):
        raise UserError(
            f"class names must be 1 to {MAX_CLASS_NAME} characters on one line, without control or format "
            f"characters and without spaces around them, not {quoted(name)}"
        )


def _checked_shape(layer, shapes, names):
    """Return the output shape of ``layer`` behind tensors of ``shapes`` (by name); errors name the layer."""
    if len(layer.sources) > MAX_SOURCES:
        raise UserError(f"layer {layer.name}: at most {MAX_SOURCES} sources, not {len(layer.sources):,}")
    for source in layer.sources:
        if source not in shapes:
            where = "comes later, and a network has no cycles" if source in names else "does not exist"
            raise UserError(f"layer {layer.name}: source {quoted(source)} {where}; known here: {listed(shapes)}")
    if INPUT in layer.sources and (len(layer.sources) > 1 or not layer.accumulates):
        raise UserError(
            f"layer {layer.name}: the image is read by weights, without another source, "
            f"not by sources {listed(layer.sources)}"
        )
    sources = [shapes[source] for source in layer.sources]
    try:
        if not layer.accumulates:
            return _within_limit(layer.synapses[0].output_shape(*sources))
        if len(layer.sources) != len(layer.synapses):
            raise UserError(f"{len(layer.synapses)} weight tables, but {len(layer.sources)} sources")
        results = []
        for synapse, shape, source in zip(layer.synapses, sources, layer.sources, strict=True):
            try:
                results.append(synapse.output_shape(shape))
            except UserError as error:
                raise UserError(str(error).replace("{source}", source)) from None
        if len(set(results)) > 1:
            came = " and ".join(f"{list(r)} from {s}" for r, s in zip(results, layer.sources, strict=True))
            raise UserError(f"all sources must give one shape to add up, not {came[:200]}")
        return _within_limit(results[0])
    except UserError as error:
        raise UserError(f"layer {layer.name}: {error}") from None


def _within_limit(shape):
    if math.prod(shape) > MAX_VALUES:
        raise UserError(f"an output of shape {list(shape)} has more than {MAX_VALUES:,} values")
    return shape
