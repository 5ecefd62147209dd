"""What a synapse is: the contract of all in :mod:`s2nn_hw.network.synapses`, and sizes of what they read and give."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.planes import Planes


def weight_limit(bits: int) -> int:
    """Return the largest magnitude of a ``bits``-bit weight: symmetric range, 1 for one bit (+-1) and two (ternary)."""
    return 1 if bits == 1 else 2 ** (bits - 1) - 1


def image_shape(shape: Sequence[int]) -> tuple[int, int, int]:
    """Return ``shape`` as (rows, columns, channels): an image without a channel axis has one channel."""
    if len(shape) == 1:
        raise UserError(f"an image (rows, columns[, channels]) is wanted, not a tensor of shape {list(shape)}")
    rows, columns, channels = (*shape, 1) if len(shape) == 2 else shape
    return rows, columns, channels


def swept(shape: Sequence[int], kernel: tuple[int, int], strides: Sequence[int], paddings: Sequence[int]) -> list[int]:
    """Return how many positions of rows and of columns a kernel takes in an image; :class:`UserError` if none."""
    return [output_size(*sides) for sides in zip(shape, kernel, strides, paddings, strict=False)]


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many positions a kernel takes along one axis; :class:`UserError` if it does not fit."""
    if kernel > size + 2 * padding:
        raise UserError(f"the kernel ({kernel}) is larger than the padded image ({size} + 2 x {padding})")
    return (size + 2 * padding - kernel) // stride + 1


def check_integer(what: str, value: Any, low: int, high: int) -> None:
    """Raise :class:`UserError` unless ``value`` is an integer from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        raise UserError(f"{what} must be an integer from {low} to {high}, not {quoted(value)}")


Pair = int | tuple[int, int]  # of rows and columns, a number where both are the same


def both(value: Pair) -> tuple[int, int]:
    """Return ``value`` of rows and of columns."""
    return (value, value) if isinstance(value, int) else value


def alike(sides: tuple[int, int]) -> Pair:
    """Return ``sides``, of rows and columns, as one number where they are the same."""
    return sides[0] if sides[0] == sides[1] else sides


def checked_pair(what: str, value: Any, low: int, high: Sequence[int]) -> Pair:
    """Return ``value``, an integer from ``low`` to both ``high``, or two, of rows and columns, each within its own.

    :class:`UserError` where it is neither.
    """
    if not isinstance(value, list | tuple):
        check_integer(what, value, low, min(high))
        return int(value)
    if len(value) != 2:
        raise UserError(f"{what} must be an integer or [rows, columns], not {quoted(list(value))}")
    for side, one, most in zip(("rows", "columns"), value, high, strict=True):
        check_integer(f"{what} of {side}", one, low, most)
    return alike((int(value[0]), int(value[1])))


class Synapse:
    """What adds up, or joins, what a layer reads.

    ``kind``: its name in files; ``accumulates``: it has weights, neurons stand behind it; else it joins spikes.
    ``slides``: it reads an image position by position, ``kernel`` (rows, columns) at a time, in steps of ``stride``
    with ``padding`` zeros around, both one number or those of rows and columns; ``groups``: of channels, each seen by
    its own outputs. ``flattens``: it reads an image as one vector; ``pools``: cells of ``pool`` (rows, columns) pixels,
    whose spikes use the same weights.
    """

    kind: ClassVar[str]
    accumulates: ClassVar[bool] = True
    slides: ClassVar[bool] = False
    flattens: ClassVar[bool] = False
    pools: ClassVar[bool] = False
    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    pool: tuple[int, int] = (1, 1)
    weights: np.ndarray
    bits: int

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns that it reads at a time."""
        return (1, 1)

    @property
    def strides(self) -> tuple[int, int]:
        """The stride of rows and of columns."""
        return both(self.stride)

    @property
    def paddings(self) -> tuple[int, int]:
        """The padding above and below, and to the left and right."""
        return both(self.padding)

    @property
    def neurons(self) -> int:
        """Outputs at one position."""
        raise NotImplementedError

    @property
    def channels_in(self) -> int:
        """Channels of an image that it reads position by position."""
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """What the file says of it besides kind, bits and weights."""
        raise NotImplementedError

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that it gives for inputs of ``shapes``; :class:`UserError` if they do not fit."""
        raise NotImplementedError

    def cells(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return (rows, columns) of cells in an image of ``shape``, of what pools."""
        raise NotImplementedError

    def bounds(self, peak: int = 1, low: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable sums for inputs ``low .. peak``, 0 among them."""
        raise NotImplementedError

    def accumulate(self, inputs: np.ndarray, shape: tuple[int, ...], peak: int = 1) -> np.ndarray:
        """Return the exact sums, int64, batch first, of integer ``inputs`` of ``shape``, ``-peak .. peak``."""
        raise NotImplementedError

    def check_planes(self, planes: Planes) -> None:
        """Raise :class:`UserError` where what has no weights can't join values of ``planes``."""

    def join(self, inputs: list[np.ndarray], shape: tuple[int, ...], planes: Planes) -> np.ndarray:
        """Return the values of ``planes``, ``(batch, size)``, of a list of ``(batch, inputs)``, of what has no
        weights."""
        raise NotImplementedError

    def operations(self, shape: tuple[int, ...]) -> int:
        """Return how often weights are used in a frame of ``shape``."""
        raise NotImplementedError
