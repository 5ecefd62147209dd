"""What a value of a foreign network is while its layers are put together: something that a layer gives, or a sum.

A value that a layer gives is kept as the layer's integers q; the owner's number is ``unit q + offset``, each ``(1,)``
or ``(channels,)``. A sum, ``gain (sum over terms of W (unit q + offset)) + shift``, waits for its neurons.
"""

from dataclasses import dataclass, replace

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.synapse import Pair
from s2nn_hw.quantize.connection import Connection
from s2nn_hw.quantize.float_graph import FloatSynapse
from s2nn_hw.quantize.importers.operations import Pool, Shape, Weighted

FREE_BITS = 8  # of weights that nobody has rounded: nothing is rounded here, so this is only an upper end
IDENTITY_BITS = 2
ZERO_BITS = 2  # the least with a weight of 0
NOTHING = np.zeros(1)
ONE = np.ones(1)


@dataclass(frozen=True, eq=False)
class Given:
    """``unit q + offset`` of what the layer ``name`` gives.

    ``image``: its shape in the order of torch; ``cell``: rows and columns of the cells whose mean it is so far
    (``(1, 1)``: none); ``flat``: whether the owner sees features.
    """

    name: str
    image: Shape
    unit: np.ndarray
    offset: np.ndarray
    cell: tuple[int, int] = (1, 1)
    flat: bool = False

    @property
    def shape(self) -> Shape:
        """What the owner sees."""
        shape = self.image
        if len(shape) == 3:
            shape = (shape[0], shape[1] // self.cell[0], shape[2] // self.cell[1])
        return (int(np.prod(shape)),) if self.flat else shape

    @property
    def whole(self) -> bool:
        """Whether the owner sees just what the layer gives, in its shape."""
        return not self.flat and self.cell == (1, 1)

    def scaled(self, factor: np.ndarray, shift: np.ndarray) -> "Given":
        """Return ``factor`` times this plus ``shift``, both ``(1,)`` or ``(channels,)`` of what the owner sees."""
        if self.flat and max(factor.size, shift.size) > 1 and len(self.image) == 3:
            raise UserError("a factor for each feature of a flattened image has no form here: put it before flattening")
        return replace(self, unit=self.unit * factor, offset=self.offset * factor + shift)


@dataclass(frozen=True, eq=False)
class Term:
    """One table of a sum, and what it reads; ``scale`` ``(out,)`` or ``(1,)`` of integers, None of floats.

    ``own``: whether the table is of ours, an identity.
    """

    source: str
    synapse: FloatSynapse
    scale: np.ndarray | None = None
    own: bool = False


@dataclass(frozen=True, eq=False)
class Total:
    """``gain (sum of terms) + shift``, each ``(channels,)``, of ``shape``; ``pools``: max pools that come after;
    ``label``: the operation that its weights are from."""

    terms: tuple[Term, ...]
    gain: np.ndarray
    shift: np.ndarray
    shape: Shape
    pools: tuple[Pool, ...] = ()
    label: str = ""

    def scaled(self, factor: np.ndarray, shift: np.ndarray) -> "Total":
        """Return ``factor`` times this plus ``shift``, both ``(1,)`` or ``(channels,)``."""
        if self.pools and (factor <= 0).any():
            raise UserError("a factor that is not positive behind max pooling has no form here: pool after the neurons")
        return replace(self, gain=self.gain * factor, shift=self.shift * factor + shift)


def product(value: Given, table: Weighted) -> Total:
    """Return the sum that ``table`` makes of ``value``."""
    weights = np.asarray(table.weights, np.float64)
    channels = len(weights)
    if weights.ndim == 2:
        term, offset = _dense(value, table, weights), _dense_offset(value, weights)
        shape: Shape = (channels,)
    else:
        term, offset, shape = _convolution(value, table, weights)
    scale = 1.0 if table.scale is None else np.asarray(table.scale, np.float64)
    bias = NOTHING if table.bias is None else np.asarray(table.bias, np.float64)
    ones = np.ones(channels)
    return Total((term,), ones, ones * (offset * scale) + bias, shape)


def _per_input(numbers: np.ndarray, value: Given, columns: int) -> np.ndarray:
    """Return ``numbers``, one or one a channel, for each of ``columns`` inputs in the owner's order."""
    if len(value.image) == 3 and numbers.size > 1:
        numbers = np.repeat(numbers, columns // value.image[0])
    return np.broadcast_to(numbers, (columns,))


def _dense_offset(value: Given, weights: np.ndarray) -> np.ndarray:
    return weights @ _per_input(value.offset, value, weights.shape[1])


def _dense(value: Given, table: Weighted, weights: np.ndarray) -> Term:
    if len(value.shape) != 1:
        raise UserError(f"a dense layer reads features, not {value.shape}: flatten before it")
    if weights.shape[1] != value.shape[0]:
        raise UserError(f"weights {weights.shape} do not fit {value.shape[0]} features")
    unit = _per_input(value.unit, value, weights.shape[1]) / np.prod(value.cell)
    if len(value.image) == 3:
        rows, columns = (n // c for n, c in zip(value.image[1:], value.cell, strict=True))
        order = np.arange(weights.shape[1]).reshape(value.image[0], rows, columns).transpose(1, 2, 0).ravel()
        weights, unit = weights[:, order], unit[order]
    kind = "dense" if value.cell == (1, 1) else "pooled"
    return _term(value.name, weights, unit, table, Connection(kind, pool=value.cell))


def _term(source: str, weights: np.ndarray, unit: np.ndarray, table: Weighted, how: Connection) -> Term:
    """Return the term with ``weights`` times ``unit``, which broadcasts; integers stay integers, the size of the unit
    is their scale's."""
    if table.scale is None:
        return Term(source, FloatSynapse(weights * unit, FREE_BITS, how))
    assert table.bits is not None
    if np.unique(unit).size > 1:
        raise UserError("weights that are integers can't read channels with different scales: give all one scale")
    one, scale = float(unit.flat[0]), np.asarray(table.scale, np.float64)
    if one == 0:  # nothing of the source counts
        return Term(source, FloatSynapse(weights * 0, max(table.bits, ZERO_BITS), how), scale)
    return Term(source, FloatSynapse(weights * np.sign(one), table.bits, how), scale * abs(one))


def _convolution(value: Given, table: Weighted, weights: np.ndarray) -> tuple[Term, np.ndarray, Shape]:
    """Return the term, what offsets add to each channel before a scale, and the shape of what leaves."""
    if value.flat or len(value.image) != 3:
        raise UserError(f"a convolution reads an image, not {value.shape}")
    channels, rows, columns = value.shape
    kernel = (weights.shape[2], weights.shape[3])
    if channels != weights.shape[1] * table.groups or len(weights) % table.groups:
        raise UserError(f"weights {weights.shape} in {table.groups} groups do not fit {channels} channels")
    if any(table.padding) and (value.offset != 0).any():
        raise UserError(
            "its padding adds zeros, and no integer of what it reads stands for zero: take no padding, pad with what "
            "stands for 0 (of -1 and +1 that is -1), or, of the input, a scaling without an offset"
        )
    own = np.arange(len(weights)) // (len(weights) // table.groups)
    seen = own[:, None] * weights.shape[1] + np.arange(weights.shape[1])  # channels that each output sees
    offset = np.broadcast_to(value.offset, (channels,))[seen]
    unit = np.broadcast_to(value.unit, (channels,))[seen][:, :, None, None] / np.prod(value.cell)
    shift = (weights * offset[:, :, None, None]).sum(axis=(1, 2, 3))
    spread = weights.repeat(value.cell[0], axis=2).repeat(value.cell[1], axis=3)  # a mean's cells share a weight
    stride = tuple(s * c for s, c in zip(table.stride, value.cell, strict=True))
    padding = tuple(p * c for p, c in zip(table.padding, value.cell, strict=True))
    how = Connection("conv", spread.shape[2:], _pair(stride), _pair(padding), table.groups)
    shape = tuple(
        (n + 2 * p - k) // s + 1
        for n, p, k, s in zip((rows, columns), table.padding, kernel, table.stride, strict=True)
    )
    if min(shape) < 1:
        raise UserError(f"a kernel of {kernel} does not fit into the padded image of {rows} x {columns}")
    return _term(value.name, spread, unit, table, how), shift, (len(weights), *shape)


def _pair(numbers: tuple[int, ...]) -> Pair:
    """Return ``numbers`` of rows and columns, or the one that both are."""
    return numbers[0] if len(set(numbers)) == 1 else (numbers[0], numbers[1])


def as_total(value: Given) -> Total:
    """Return ``value`` as a sum of itself: an identity of one weight a channel."""
    if len(value.shape) == 1 and len(value.image) == 1:
        table = Weighted(np.eye(value.shape[0]), None, IDENTITY_BITS, ONE)
    elif value.flat:
        raise UserError("only whole values can be added: add before flattening")
    else:
        table = Weighted(np.ones((value.image[0], 1, 1, 1)), None, IDENTITY_BITS, ONE, groups=value.image[0])
    made = product(replace(value, unit=ONE, offset=NOTHING), table)  # a unit of each channel is the gain's
    channels = np.ones(len(made.gain))
    return replace(
        made, terms=(replace(made.terms[0], own=True),), gain=channels * value.unit, shift=channels * value.offset
    )


def plus(parts: list[Total]) -> Total:
    """Return the sum of ``parts``, the gains in their tables."""
    if len({part.shape for part in parts}) > 1:
        raise UserError(f"what is added must have one shape, not {sorted({part.shape for part in parts})}")
    if any(part.pools for part in parts):
        raise UserError("max pooling of sums before they are added has no form here: pool after the neurons")
    ones = np.ones_like(parts[0].gain)
    if len(parts) == 1:
        return parts[0]
    terms = tuple(_gained(term, part.gain) for part in parts for term in part.terms)
    label = next((part.label for part in reversed(parts) if part.label), "")
    return Total(terms, ones, sum((part.shift for part in parts), NOTHING), parts[0].shape, (), label)


def _gained(term: Term, gain: np.ndarray) -> Term:
    """Return ``term`` times ``gain`` ``(channels,)``: a positive one of integers is the scale's."""
    synapse = term.synapse
    lined = gain.reshape(-1, *[1] * (synapse.weights.ndim - 1))
    if term.scale is None:
        return replace(term, synapse=replace(synapse, weights=synapse.weights * lined))
    if (gain == 0).any():
        raise UserError("a channel with factor 0 can't be added to another sum as integers")
    turned = replace(synapse, weights=synapse.weights * np.sign(lined))
    return replace(term, synapse=turned, scale=np.abs(gain) * term.scale)


def united(terms: tuple[Term, ...]) -> tuple[tuple[FloatSynapse, ...], np.ndarray | None, bool]:
    """Return tables with one scale, ``(out,)`` or ``(1,)``, or None of floats; and whether integers were given up.

    Integers of several sources stay where scales are equal; else, or beside floats, they become floats. Identities are
    not missed.
    """
    scales = [term.scale for term in terms]
    if all(scale is None for scale in scales):
        return tuple(term.synapse for term in terms), None, False
    first = scales[0]
    if first is not None and all(s is not None and np.allclose(s, first, rtol=1e-6, atol=0) for s in scales):
        return tuple(term.synapse for term in terms), np.atleast_1d(first), False
    floats = []
    for term in terms:
        scale = ONE if term.scale is None else np.atleast_1d(term.scale)
        lined = scale.reshape(-1, *[1] * (term.synapse.weights.ndim - 1))
        floats.append(replace(term.synapse, weights=term.synapse.weights * lined))
    return tuple(floats), None, any(term.scale is not None and not term.own for term in terms)
