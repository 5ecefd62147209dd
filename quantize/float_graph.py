"""The float graph: what every source of weights hands to the quantizer, arrays and settings alone, and checks itself.

    neuron    ``s = 1[u >= threshold]``,  ``u = gamma (a - mean) / sqrt(variance + epsilon) + beta``
    readout   ``y = a + bias``;  class = argmax y
    sum       ``a = scale * sum over the sources of W x``

    Other neurons: :mod:`s2nn_hw.quantize.float_neurons`.

    x   spikes {0, 1}, raw k-bit pixels where the input is read, or what the planes of a value stand for;
        of neurons that integrate over spikes of steps, and of a readout that leaks, those of one step
    W   float weights without a ``scale`` (the quantizer looks for one); with it integers, whose bits are then kept

An image is ``(rows, columns, channels)`` and is flattened in that order before dense weights. Layers are in the order
in which they are computed, the readout last.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.layer import INPUT, Input
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapses import MaxPool, Or, image_shape, weight_limit
from s2nn_hw.quantize.connection import Connection, Shape
from s2nn_hw.quantize.float_neurons import FloatNeuron, FloatReadout, freeze

DENSE = Connection()


@dataclass(frozen=True, eq=False)
class FloatSynapse:
    """One table of weights behind one source.

    weights      floats, shaped as :meth:`.connection.Connection.weight_shape` says; with a scale, in units of it
    bits         1 to 8 of the integer weights: those that they have, or those that are wanted
    connection   how it reads its source
    """

    weights: np.ndarray
    bits: int
    connection: Connection = DENSE

    def __post_init__(self) -> None:
        freeze(self, "weights")
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 8:
            raise UserError(f"weight bits must be an integer from 1 to 8, not {quoted(self.bits)}")

    @property
    def neurons(self) -> int:
        """Neurons, or channels of a convolution."""
        return len(self.weights)

    @property
    def rows(self) -> np.ndarray:
        """The weights as ``(neurons, weights of a neuron)``."""
        return self.weights.reshape(self.neurons, -1)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what this gives for a value of ``shape``; :class:`UserError` if that does not fit."""
        how = self.connection
        if how.kind != "dense":
            shape = image_shape(shape)
        if how.kind == "conv" and (shape[2] % how.groups or self.neurons % how.groups):
            raise UserError(f"groups ({how.groups}) must divide the {shape[2]} channels and the {self.neurons} neurons")
        if how.kind == "pooled" and (shape[0] % how.pool[0] or shape[1] % how.pool[1]):
            raise UserError(f"cells of {how.pool} must divide the image {shape}")
        wanted = how.weight_shape(shape, self.neurons)
        if self.weights.shape != wanted:
            raise UserError(f"weights for a value of {shape} must have shape {wanted}, not {self.weights.shape}")
        return how.result_shape(shape, self.neurons)

    def check_levels(self) -> None:
        """Raise :class:`UserError` unless the weights are integers of ``bits`` bits."""
        limit = weight_limit(self.bits)
        if (self.weights != np.rint(self.weights)).any() or np.abs(self.weights).max() > limit:
            raise UserError(f"weights with a scale must be integers in {-limit} .. {limit}")
        if self.bits == 1 and not self.weights.all():
            raise UserError("1-bit weights with a scale must be -1 or +1, not 0")


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """One layer: weights of one or several sources into one sum and its neurons, or spikes that are only joined.

    name            of the layer, and of the integer network's
    sources         names of earlier layers, or :data:`INPUT`; one a table, of an OR two or more
    synapses        a :class:`FloatSynapse` a source; or one :class:`MaxPool` or :class:`Or` without ``neuron``
    neuron          a neuron of :mod:`.float_neurons`, :class:`FloatReadout`, or None
    scale           ``(neurons,)``, or ``(1,)`` for all, as a readout wants it; None where weights are float
    lowest_terms    whether a divisor that all integer weights of a neuron share is taken out (few inputs of many)
    """

    name: str
    sources: tuple[str, ...]
    synapses: tuple[FloatSynapse, ...] | tuple[MaxPool | Or]
    neuron: FloatNeuron | None = None
    scale: np.ndarray | None = None
    lowest_terms: bool = False

    def __post_init__(self) -> None:
        try:
            self._check()
        except UserError as error:
            raise UserError(f"layer {self.name}: {error}") from None

    def _check(self) -> None:
        tables = [s for s in self.synapses if isinstance(s, FloatSynapse)]
        if self.neuron is None:
            if tables or len(self.synapses) != 1 or self.scale is not None:
                raise UserError("without neurons one max pooling or OR is wanted")
            return
        if not tables or len(tables) != len(self.synapses) or len(tables) != len(self.sources):
            raise UserError("neurons want weights, one table a source")
        sizes = {table.neurons for table in tables} | {self.neuron.size}
        if len(sizes) > 1:
            raise UserError(f"weights and neurons must be as many, not {sorted(sizes)}")
        if self.lowest_terms and (len(tables) > 1 or isinstance(self.neuron, FloatReadout)):
            raise UserError("lowest terms are for neurons with one table")
        if self.scale is None:
            return
        freeze(self, "scale")
        wanted = [(1,)] if isinstance(self.neuron, FloatReadout) else [(1,), (self.neuron.size,)]
        if self.scale.shape not in wanted or self.scale.min() <= 0:
            raise UserError(f"scale must be positive, of shape {' or '.join(map(str, wanted))}, not {self.scale.shape}")
        for table in tables:
            table.check_levels()

    @property
    def tables(self) -> tuple[FloatSynapse, ...]:
        """The tables of weights; none where spikes are only joined."""
        return tuple(s for s in self.synapses if isinstance(s, FloatSynapse))

    def output_shape(self, shapes: list[Shape]) -> Shape:
        """Return the shape of what this gives for values of ``shapes``; :class:`UserError` if they do not fit."""
        join = self.synapses[0]
        if not isinstance(join, FloatSynapse):
            return tuple(join.output_shape(*shapes))
        found = {table.output_shape(shape) for table, shape in zip(self.tables, shapes, strict=True)}
        if len(found) > 1:
            raise UserError(f"what is added must have one shape, not {sorted(found)}")
        return found.pop()


@dataclass(frozen=True, eq=False)
class FloatGraph:
    """The whole: layers in order, the readout last and the only one without spikes.

    name         of the network
    input        shape and bits of the pixels
    layers       in the order in which they are computed
    classes      names
    provenance   JSON-able: where the weights are from; goes into the network's own
    """

    name: str
    input: Input
    layers: tuple[FloatLayer, ...]
    classes: tuple[str, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(init=False)
    planes: dict[str, Planes] = field(init=False)

    def __post_init__(self) -> None:
        shapes: dict[str, Shape] = {INPUT: self.input.shape}
        planes = {INPUT: self.input.planes}
        for layer in self.layers:
            try:
                shapes[layer.name] = self._shape(layer, shapes)
            except UserError as error:
                raise UserError(f"layer {layer.name}: {error}") from None
            if not isinstance(layer.neuron, FloatReadout):
                planes[layer.name] = layer.neuron.planes if layer.neuron else planes[layer.sources[0]]
        object.__setattr__(self, "shapes", shapes)
        object.__setattr__(self, "planes", planes)
        if not self.layers or shapes[self.layers[-1].name] != (len(self.classes),):
            raise UserError(f"network {self.name}: the readout must give a score for each of its classes")
        kinds = {array.dtype for array in self._arrays()}
        if len(kinds) > 1:
            raise UserError(
                f"network {self.name}: arrays must be of one type, not {', '.join(sorted(map(str, kinds)))}"
            )

    def _shape(self, layer: FloatLayer, shapes: Mapping[str, Shape]) -> Shape:
        """Return the shape of what ``layer`` gives; ``shapes``: of what is before it."""
        if layer.name in shapes:
            raise UserError("the name is used twice or reserved")
        missing = [source for source in layer.sources if source not in shapes]
        if missing or not layer.sources:
            raise UserError(f"sources must be earlier layers ({', '.join(shapes)}), not {quoted(missing)}")
        if INPUT in layer.sources and (layer.neuron is None or set(layer.sources) != {INPUT}):
            raise UserError("pixels can't be added to spikes or joined")
        if isinstance(layer.neuron, FloatReadout) != (layer is self.layers[-1]):
            raise UserError("the last layer, and only that one, must be a readout")
        return layer.output_shape([shapes[source] for source in layer.sources])

    def reads(self, layer: FloatLayer) -> Planes:
        """Return the planes of what ``layer`` reads."""
        return self.planes[layer.sources[0]]

    def stepwise(self, layer: FloatLayer) -> bool:
        """Return whether the sums of ``layer`` are those of each step."""
        neuron = layer.neuron
        if neuron is None or self.reads(layer).radix:
            return False
        return neuron.leak > 0 if isinstance(neuron, FloatReadout) else not neuron.two_phase

    def _arrays(self) -> list[np.ndarray]:
        found: list[np.ndarray] = []
        for layer in self.layers:
            found += [table.weights for table in layer.tables]
            found += [] if layer.neuron is None else layer.neuron.arrays
            found += [] if layer.scale is None else [layer.scale]
        return found

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64: in what the values of the graph itself are computed."""
        return self._arrays()[0].dtype

    @property
    def weighted(self) -> list[FloatLayer]:
        """The layers with weights, the readout last."""
        return [layer for layer in self.layers if layer.neuron is not None]

    @property
    def bits(self) -> list[int]:
        """Weight bits of each layer with weights, the readout last."""
        return [layer.tables[0].bits for layer in self.weighted]

    @property
    def largest(self) -> int:
        """Values of the largest layer, the input apart; those of each step count."""
        return max(math.prod(self.shapes[layer.name]) * self._copies(layer) for layer in self.layers)

    def _copies(self, layer: FloatLayer) -> int:
        planes = self.planes.get(layer.name)
        return planes.count if planes and not planes.radix else 1
