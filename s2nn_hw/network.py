"""The integer network: frozen, checked on construction, its own golden model.

A :class:`Network` is the contract between the four stages. ``forward`` defines what every circuit must
compute, bit for bit. ``docs/format.md`` describes the file.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, field

import numpy as np

from .errors import UserError
from .neurons import Fire, Readout
from .synapses import Dense

INPUT = "input"
INPUT_BITS = (1, 2, 4, 8)
MAX_NEURONS = 1 << 16


@dataclass(frozen=True)
class Input:
    """What enters: ``shape`` (1 to 3 axes: row, column, channel) of ``bits``-bit pixels (1, 2, 4 or 8)."""

    shape: tuple
    bits: int

    def __post_init__(self):
        shape = tuple(self.shape)
        if not 1 <= len(shape) <= 3 or any(type(n) is not int or n < 1 for n in shape):
            raise UserError(f"input: shape must be 1 to 3 positive integers, not {list(shape)}")
        if math.prod(shape) > MAX_NEURONS:
            raise UserError(f"input: shape {list(shape)} has more than {MAX_NEURONS:,} pixels")
        if self.bits not in INPUT_BITS:
            raise UserError(f"input: bits must be one of {INPUT_BITS}, not {self.bits!r}")
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
            raise UserError(f"images must have shape (count, {', '.join(map(str, self.shape))}), not {images.shape}")
        if images.dtype != np.uint8:
            raise UserError(f"images must be uint8 with values 0 .. 255, not {images.dtype}")
        return (images.reshape(len(images), self.size) >> (8 - self.bits)).astype(np.uint8)


@dataclass(frozen=True)
class Layer:
    """One synapse table and the neurons behind it; ``sources`` name what feeds it (default: the layer before)."""

    name: str
    synapse: Dense
    neuron: object
    sources: tuple = ()

    def __post_init__(self):
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.name):
            raise UserError(f"layer name must be a lower-case identifier of at most 32 letters, not {self.name!r}")
        if self.neuron.size != self.synapse.neurons:
            raise UserError(
                f"layer {self.name}: {self.synapse.neurons} neurons in the weights, {self.neuron.size} in the "
                f"{self.neuron.table_name}"
            )


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
            raise UserError(f"network name must be letters, digits, '.', '_' or '-', at most 64, not {self.name!r}")
        object.__setattr__(self, "classes", tuple(self.classes))
        if not self.layers:
            raise UserError(f"network {self.name}: at least one layer is needed")
        sizes, previous, layers = {INPUT: self.input.size}, INPUT, []
        for layer in self.layers:
            if layer.name in sizes:
                raise UserError(f"layer {layer.name}: the name is used twice")
            if not layer.sources:
                layer = Layer(layer.name, layer.synapse, layer.neuron, (previous,))
            if len(layer.sources) != 1 or layer.sources[0] not in sizes:
                raise UserError(f"layer {layer.name}: sources must name one earlier layer, not {list(layer.sources)}")
            wanted, came = layer.synapse.inputs, sizes[layer.sources[0]]
            if wanted != came:
                raise UserError(
                    f"layer {layer.name}: the weights take {wanted} inputs, but {layer.sources[0]} gives {came}"
                )
            last = layer.name == self.layers[-1].name
            if last != isinstance(layer.neuron, Readout):
                raise UserError(f"layer {layer.name}: the last layer, and only that one, must be a readout")
            sizes[layer.name] = layer.synapse.neurons
            previous = layer.name
            layers.append(layer)
        object.__setattr__(self, "layers", tuple(layers))
        if len(self.classes) != sizes[previous] or len(set(self.classes)) != len(self.classes):
            raise UserError(
                f"network {self.name}: {sizes[previous]} different class names wanted, {list(self.classes)} came"
            )

    def peak(self, layer):
        """Return the largest input value of ``layer``: the largest pixel behind the input, else 1."""
        return self.input.peak if layer.sources == (INPUT,) else 1

    @property
    def synapse_count(self):
        return sum(layer.synapse.weights.size for layer in self.layers)

    def encode(self, images):
        """Return the pixels that enter, see :meth:`Input.encode`."""
        return self.input.encode(images)

    def forward(self, images, *, trace=False, batch=2048):
        """Run the golden model on uint8 ``images`` ``(count, *shape)``, numpy or torch; return :class:`Output`.

        Exact integer arithmetic (see :meth:`Dense.accumulate`); ties go to the lowest class.
        """
        import torch

        pixels = torch.as_tensor(self.encode(images))
        parts = [self._forward_batch(part, trace) for part in pixels.split(batch)] if len(pixels) else []
        if not parts:
            return Output(torch.zeros(0, dtype=torch.int64), torch.zeros((0, len(self.classes)), dtype=torch.int64))
        names = parts[0].accumulators
        return Output(
            torch.cat([p.classes for p in parts]),
            torch.cat([p.scores for p in parts]),
            {n: torch.cat([p.spikes[n] for p in parts]) for n in names if n in parts[0].spikes},
            {n: torch.cat([p.accumulators[n] for p in parts]) for n in names},
        )

    def _forward_batch(self, pixels, trace):
        values, spikes, accumulators = {INPUT: pixels}, {}, {}
        for layer in self.layers:
            total = layer.synapse.accumulate(values[layer.sources[0]], self.peak(layer))
            values[layer.name] = layer.neuron.step(total)
            if trace:
                accumulators[layer.name] = total
                if isinstance(layer.neuron, Fire):
                    spikes[layer.name] = values[layer.name]
        scores = values[self.layers[-1].name]
        # argmax of integers promises no order among equals, so the lowest class is picked explicitly
        ranked = scores * scores.shape[1] - scores.new_tensor(range(scores.shape[1]))
        return Output(ranked.argmax(dim=1), scores, spikes, accumulators)

    def describe(self):
        """Return the JSON-able header that ``save`` writes, without provenance and digest."""
        return {
            "format": "s2nn",
            "version": 1,
            "name": self.name,
            "input": {"shape": list(self.input.shape), "bits": self.input.bits},
            "layers": [
                {
                    "name": layer.name,
                    "sources": list(layer.sources),
                    "synapse": {"kind": "dense", "bits": layer.synapse.bits, "weights": f"{layer.name}.weights"},
                    "neuron": {
                        "kind": layer.neuron.kind,
                        layer.neuron.table_name: f"{layer.name}.{layer.neuron.table_name}",
                    },
                }
                for layer in self.layers
            ],
            "classes": list(self.classes),
        }

    def tensors(self):
        """Return the integer tables by tensor name, in file order."""
        tables = {}
        for layer in self.layers:
            tables[f"{layer.name}.weights"] = layer.synapse.weights
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
