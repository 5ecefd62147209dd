"""What is added: integer weight tables and the golden accumulation over them; and what merely joins spikes.

    Dense        ``a[m] = sum over n of W[m, n] x[n]``
    Conv2d       ``a[r, c, m] = sum over i, j, n of W[m, i, j, n] x[r s + i - p, c s + j - p, n]``, 0 outside
    PooledDense  ``a[m] = sum over r, c, n of W[m, cell(r, c), n] x[r, c, n]``
    MaxPool      ``y[r, c, n] = max over i, j of x[r s + i - p, c s + j - p, n]``
    OrPool       the same of the spikes of each step, of which the largest is their OR
    Or           ``s[n] = x1[n] OR x2[n] OR ...``, of each step

    x   input: a spike {0, 1}, a number of k planes 0 .. 2^k-1 (signed -2^(k-1) .. 2^(k-1)-1), or how many of T steps
        have a spike
    W   integer weight
    a   accumulator      s (left)   spike      s (index)   stride      p   zero padding      m   output channel

A tensor with axes (row, column, channel) is kept flat, in raster order; two axes are an image of one channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.products import convolved, largest, products
from s2nn_hw.network.synapse import Pair, Synapse, both, check_integer, checked_pair, image_shape, swept, weight_limit

MAX_KERNEL = 7


def _frozen(weights: Any, bits: Any, axes: Sequence[str]) -> np.ndarray:
    """Return a read-only copy of ``weights`` after checking type, ``axes`` (their names) and the range of ``bits``."""
    if not isinstance(weights, np.ndarray) or weights.dtype != np.int8:
        raise UserError(f"weights must be an int8 array, not {getattr(weights, 'dtype', type(weights).__name__)}")
    if weights.ndim != len(axes) or 0 in weights.shape:
        many = "both" if len(axes) == 2 else "all"
        raise UserError(f"weights must have shape ({', '.join(axes)}), {many} at least 1, not {weights.shape}")
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 8:
        raise UserError(f"weight bits must be an integer from 1 to 8, not {quoted(bits)}")
    limit = weight_limit(bits)
    low, high = int(weights.min()), int(weights.max())
    if low < -limit or high > limit:
        raise UserError(f"{bits}-bit weights must lie in {-limit} .. {limit}, not {low} .. {high}")
    if bits == 1 and not weights.all():
        raise UserError("1-bit weights must be -1 or +1, not 0; use 2 bits for ternary weights")
    frozen = weights.copy()
    frozen.setflags(write=False)
    return frozen


def _listed(value: Pair) -> int | list[int]:
    """Return ``value`` as the file has it."""
    return value if isinstance(value, int) else list(value)


def _bounds(weights: np.ndarray, most: int, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return the reachable accumulator range per row of ``weights`` when each counts ``least .. most`` times."""
    rows = weights.reshape(len(weights), -1)
    down, up = (side(rows, 0).sum(axis=1, dtype=np.int64) for side in (np.minimum, np.maximum))
    return most * down + least * up, most * up + least * down


@dataclass(frozen=True, eq=False)
class Dense(Synapse):
    """Every input reaches every neuron.

    ``weights``: int8 ``(neurons, inputs)``, inputs in raster order (row, column, channel);
    ``bits``: 1 (values -1, +1), or 2 to 8 (values ``-(2^(bits-1)-1) .. 2^(bits-1)-1``).
    """

    weights: np.ndarray
    bits: int
    kind: ClassVar[str] = "dense"
    flattens: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _frozen(self.weights, self.bits, ("neurons", "inputs")))

    @property
    def neurons(self) -> int:
        """Outputs."""
        return self.weights.shape[0]

    @property
    def inputs(self) -> int:
        """Inputs."""
        return self.weights.shape[1]

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of this synapse besides kind, bits and weights."""
        return {}

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return ``(neurons,)``; :class:`UserError` if an input of that shape does not fit."""
        (shape,) = shapes
        if prod(shape) != self.inputs:
            raise UserError(f"the weights take {self.inputs} inputs, but {{source}} gives {prod(shape)}")
        return (self.neurons,)

    def bounds(self, peak: int = 1, low: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable accumulator range for inputs ``low .. peak``."""
        return _bounds(self.weights, peak, low)

    def accumulate(self, inputs: np.ndarray, shape: tuple[int, ...] | None = None, peak: int = 1) -> np.ndarray:
        """Return the exact accumulators, int64 tensor ``(batch, neurons)``, of integer ``inputs`` ``(batch, inputs)``.

        ``shape`` of the input does not matter here.
        """
        return products(inputs, self.weights, peak)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Return the synapses of a frame: weights times the positions at which each is used."""
        return self.weights.size


@dataclass(frozen=True, eq=False)
class Conv2d(Synapse):
    """A kernel slides over an image; zero padding; output channel m sees the inputs of its own group.

    ``weights``: int8 ``(channels, kernel rows, kernel columns, input channels / groups)``; ``bits`` as in
    :class:`Dense`; ``stride``, ``padding``: of rows and columns, or one number for both. ``groups`` = input channels =
    output channels is a depthwise convolution, with a kernel of 1 x 1 an identity shortcut with a weight per channel.
    """

    weights: np.ndarray
    bits: int
    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    kind: ClassVar[str] = "conv2d"
    slides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        axes = ("channels", "kernel rows", "kernel columns", "input channels / groups")
        object.__setattr__(self, "weights", _frozen(self.weights, self.bits, axes))
        if max(self.kernel) > MAX_KERNEL:
            raise UserError(f"kernel must be 1 to {MAX_KERNEL} rows and columns, not {self.kernel}")
        object.__setattr__(self, "stride", checked_pair("stride", self.stride, 1, (64, 64)))
        most = [side - 1 for side in self.kernel]  # more, and a window could lie outside the image
        object.__setattr__(self, "padding", checked_pair("padding", self.padding, 0, most))
        check_integer("groups", self.groups, 1, 1 << 16)
        if self.neurons % self.groups:
            raise UserError(f"groups ({self.groups}) must divide the {self.neurons} output channels")

    @property
    def neurons(self) -> int:
        """Output channels: neurons at one position, which share a threshold per channel."""
        return self.weights.shape[0]

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns that it reads at a time."""
        return self.weights.shape[1], self.weights.shape[2]

    @property
    def channels_in(self) -> int:
        """Channels of the image that is read, all groups together."""
        return self.weights.shape[3] * self.groups

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of this synapse besides kind, bits and weights."""
        return {"stride": _listed(self.stride), "padding": _listed(self.padding), "groups": self.groups}

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return (rows, columns, channels) of the output; :class:`UserError` if an input of that shape does not fit."""
        (shape,) = shapes
        rows, columns, channels = image_shape(shape)
        if channels != self.channels_in:
            raise UserError(
                f"the weights take {self.channels_in} input channels ({self.groups} groups of "
                f"{self.weights.shape[3]}), but {{source}} gives {channels}"
            )
        return (*swept((rows, columns), self.kernel, self.strides, self.paddings), self.neurons)

    def bounds(self, peak: int = 1, low: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(channels,)``: at the border fewer inputs count, so the range holds there."""
        return _bounds(self.weights, peak, low)

    def accumulate(self, inputs: np.ndarray, shape: tuple[int, ...], peak: int = 1) -> np.ndarray:
        """Return the exact accumulators, int64 ``(batch, rows * columns * channels)`` in raster order."""
        images, how = inputs.reshape(len(inputs), *image_shape(shape)), (self.strides, self.paddings, self.groups)
        return convolved(images, self.weights, peak, *how).reshape(len(inputs), -1)

    def operations(self, shape: tuple[int, ...]) -> int:
        """Return the synapses of a frame: weights times the positions at which each is used."""
        return self.weights.size * prod(self.output_shape(shape)[:2])


@dataclass(frozen=True, eq=False)
class PooledDense(Synapse):
    """Average pooling and a dense layer in one: a spike adds the row of its channel and cell, wherever in the cell.

    ``weights``: int8 ``(neurons, cells * channels)``, cells in raster order, channel last; ``pool``: (rows, columns)
    of a cell, which must divide the image. The division by the cell's area is the scale's, so no counter and no
    divider is needed. A cell of the size of the image is global average pooling.
    """

    weights: np.ndarray
    bits: int
    pool: tuple[int, int]
    kind: ClassVar[str] = "pooled_dense"
    pools: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _frozen(self.weights, self.bits, ("neurons", "cells * channels")))
        if not isinstance(self.pool, tuple | list) or len(self.pool) != 2:
            raise UserError(f"pool must be (rows, columns), not {quoted(self.pool)}")
        for size in self.pool:
            check_integer("pool", size, 1, 1 << 10)
        object.__setattr__(self, "pool", tuple(int(n) for n in self.pool))

    @property
    def neurons(self) -> int:
        """Outputs."""
        return self.weights.shape[0]

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of this synapse besides kind, bits and weights."""
        return {"pool": list(self.pool)}

    def cells(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return (rows, columns) of cells in an image of ``shape``."""
        rows, columns, channels = image_shape(shape)
        if rows % self.pool[0] or columns % self.pool[1]:
            raise UserError(f"pooling cells of {self.pool} do not divide the image {rows} x {columns} of {{source}}")
        cells = rows // self.pool[0], columns // self.pool[1]
        if prod(cells) * channels != self.weights.shape[1]:
            raise UserError(
                f"the weights take {self.weights.shape[1]} pooled inputs, but {{source}} gives "
                f"{prod(cells)} cells x {channels} channels"
            )
        return cells

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return ``(neurons,)``; :class:`UserError` if an input of that shape does not fit."""
        (shape,) = shapes
        self.cells(shape)
        return (self.neurons,)

    def bounds(self, peak: int = 1, low: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(neurons,)``: every input of a cell may count."""
        return _bounds(self.weights, peak * prod(self.pool), low * prod(self.pool))

    def accumulate(self, inputs: np.ndarray, shape: tuple[int, ...], peak: int = 1) -> np.ndarray:
        """Return the exact accumulators, int64 ``(batch, neurons)``."""
        rows, columns = self.cells(shape)
        image = inputs.reshape(len(inputs), rows, self.pool[0], columns, self.pool[1], -1)
        cells = image.sum(axis=(2, 4), dtype=np.int64).reshape(len(inputs), -1)
        return products(cells, self.weights, peak * prod(self.pool))

    def operations(self, shape: tuple[int, ...]) -> int:
        """Return the synapses of a frame: weights times the places of a cell at which each is used."""
        return self.weights.size * prod(self.pool)


@dataclass(frozen=True)
class MaxPool(Synapse):
    """The largest number, of spikes their OR: over ``size`` positions of rows and columns, ``stride`` (default
    ``size``)."""

    size: Pair
    stride: Pair = None  # type: ignore[assignment]  # None only until __post_init__ has put the size there
    padding: Pair = 0
    kind: ClassVar[str] = "maxpool"
    accumulates: ClassVar[bool] = False
    slides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", checked_pair("pool size", self.size, 1, (MAX_KERNEL, MAX_KERNEL)))
        stride = self.size if self.stride is None else self.stride
        object.__setattr__(self, "stride", checked_pair("stride", stride, 1, (64, 64)))
        most = [side // 2 for side in self.kernel]
        object.__setattr__(self, "padding", checked_pair("padding", self.padding, 0, most))

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of a cell."""
        return both(self.size)

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of it besides its kind."""
        return {name: _listed(getattr(self, name)) for name in ("size", "stride", "padding")}

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return (rows, columns, channels) of the output; :class:`UserError` unless one image that fits comes."""
        if len(shapes) != 1:
            raise UserError(f"max pooling takes one source, not {len(shapes)}")
        rows, columns, channels = image_shape(shapes[0])
        return (*swept((rows, columns), self.kernel, self.strides, self.paddings), channels)

    def check_planes(self, planes: Planes) -> None:
        """Raise :class:`UserError` where ``planes`` are spikes of steps, whose values are no numbers."""
        if not planes.radix:
            raise UserError(
                f"max pooling takes numbers (code radix), not {planes}: take 'orpool', which is the largest count of "
                "spikes that come first, or average pooling"
            )

    def join(self, inputs: list[np.ndarray], shape: tuple[int, ...], planes: Planes) -> np.ndarray:
        """Return the largest values, uint8 ``(batch, size)``, of ``inputs``: a list of one ``(batch, inputs)``."""
        images = inputs[0].reshape(len(inputs[0]), *image_shape(shape))
        return largest(images, self.kernel, self.strides, self.paddings).reshape(len(images), -1)


@dataclass(frozen=True)
class OrPool(MaxPool):
    """The OR of the spikes of each step over ``size`` positions of rows and columns, as :class:`MaxPool`.

    Where spikes come first, as those of :class:`~s2nn_hw.network.neurons.quantized.Quantized`, that is the spikes of
    the largest count; of others it is a network of its own, to be trained so.
    """

    kind: ClassVar[str] = "orpool"

    def check_planes(self, planes: Planes) -> None:
        """Raise :class:`UserError` where ``planes`` are the bits of numbers, whose OR is not the largest."""
        if planes.radix and planes.count > 1:
            raise UserError(f"orpool takes spikes of steps, not {planes}: take 'maxpool', the largest number")

    def join(self, inputs: list[np.ndarray], shape: tuple[int, ...], planes: Planes) -> np.ndarray:
        """Return the spikes, values of ``planes``, of ``inputs``: a list of one ``(batch, inputs)``."""
        pooled = MaxPool(self.size, self.stride, self.padding)
        return planes.packed([pooled.join([plane], shape, Planes()) for plane in planes.split(inputs[0])])


@dataclass(frozen=True)
class Or(Synapse):
    """A spike where any of two or more sources of one shape spikes, in each step."""

    kind: ClassVar[str] = "or"
    accumulates: ClassVar[bool] = False

    @property
    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the common shape; :class:`UserError` if the sources differ or are fewer than two."""
        if len(shapes) < 2:
            raise UserError("an OR takes two sources or more, not 1")
        if len(set(shapes)) > 1:
            came = " and ".join(str(list(shape)) for shape in shapes)
            raise UserError(f"the sources of an OR must have one shape, not {came[:200]}")
        return shapes[0]

    def check_planes(self, planes: Planes) -> None:
        """Raise :class:`UserError` where ``planes`` are the bits of numbers."""
        if planes.radix and planes.count > 1:
            raise UserError(f"an OR takes spikes, not {planes}")

    def join(self, inputs: list[np.ndarray], shape: tuple[int, ...], planes: Planes) -> np.ndarray:
        """Return the spikes, values of ``planes``, of a list of ``(batch, size)``."""
        result = inputs[0]
        for other in inputs[1:]:
            result = result | other
        return result
