"""What the golden model computes with: exact sums of integers by floating-point matrix products, windows of images.

Every partial sum is an integer below the mantissa's reach, in whatever order it is added: ``most * sum |W| < 2^24``
takes float32, anything larger float64 (int8 weights and 8-bit pixels stay below 2^53 up to 2^37 inputs).
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Sides = tuple[int, int]  # of rows and of columns
BLOCK = 1 << 19  # values of windows that are laid out at a time, so that they stay in the processor's cache


def exact_table(weights: np.ndarray, most: int) -> np.ndarray:
    """Return integer ``weights`` as ``(len(weights), rest)`` in the float type in which their sums are exact, each
    weight counted ``-most .. most`` times."""
    rows = weights.reshape(len(weights), -1)
    reach = most * int(np.abs(rows.astype(np.int64)).sum(axis=1).max())
    return rows.astype(np.float32 if reach < 2**24 else np.float64)


def products(inputs: np.ndarray, weights: np.ndarray, most: int) -> np.ndarray:
    """Return ``inputs @ weights.T``, exact, int64 ``(batch, neurons)``, of integers.

    ``inputs``: ``(batch, inputs)``, none above ``most`` in magnitude; ``weights``: ``(neurons, inputs)``.
    """
    table = exact_table(weights, most)
    return (inputs.astype(table.dtype) @ table.T).astype(np.int64)


def convolved(
    images: np.ndarray, weights: np.ndarray, most: int, strides: Sides, paddings: Sides, groups: int
) -> np.ndarray:
    """Return the exact sums, int64 ``(batch, rows, columns, channels)``, of ``weights`` over ``images``.

    ``images``: integers, none above ``most`` in magnitude, ``(batch, rows, columns, input channels)``; ``weights``:
    integers ``(channels, kernel rows, kernel columns, input channels / groups)``.
    """
    table, kernel, inputs = exact_table(weights, most), weights.shape[1:3], weights.shape[3]
    windows = _windows(padded(images, paddings), kernel, strides)
    batch, rows, columns = windows.shape[:3]
    total = np.empty((batch, rows, columns, len(weights)), np.int64)
    outputs = len(weights) // groups
    for where in _blocks(batch, rows, columns * table.shape[1] * groups):
        if groups == len(weights) == images.shape[3]:  # depthwise: a weight a channel and tap
            taps = windows[where].astype(table.dtype)
            total[where] = np.einsum("brcijm,mij->brcm", taps, table.reshape(len(weights), *kernel))
            continue
        for group in range(groups):
            read, made = slice(group * inputs, (group + 1) * inputs), slice(group * outputs, (group + 1) * outputs)
            part = windows[where][..., read].astype(table.dtype)
            sums = part.reshape(-1, table.shape[1]) @ table[made].T
            total[where][..., made] = sums.reshape(*part.shape[:3], outputs)
    return total


def largest(images: np.ndarray, kernel: Sides, strides: Sides, paddings: Sides) -> np.ndarray:
    """Return the largest values, ``(batch, rows, columns, channels)``, of windows of ``images`` of
    the same axes, none of them negative."""
    windows = _windows(padded(images, paddings), kernel, strides)
    found = windows[..., 0, 0, :].copy()
    for row, column in list(np.ndindex(*kernel))[1:]:
        np.maximum(found, windows[..., row, column, :], out=found)
    return found


def padded(images: np.ndarray, paddings: Sides) -> np.ndarray:
    """Return ``images`` ``(batch, rows, columns, channels)`` with so many zeros before and after rows and columns."""
    if not any(paddings):
        return images
    return np.pad(images, ((0, 0), *((zeros, zeros) for zeros in paddings), (0, 0)))


def _windows(images: np.ndarray, kernel: Sides, strides: Sides) -> np.ndarray:
    """Return a view of all windows, ``(batch, rows, columns, kernel rows, kernel columns, channels)``."""
    view = sliding_window_view(images, kernel, axis=(1, 2))
    return view[:, :: strides[0], :: strides[1]].transpose(0, 1, 2, 4, 5, 3)


def _blocks(batch: int, rows: int, values: int) -> Iterator[tuple[slice, slice]]:
    """Yield shares of ``batch`` images of ``rows`` rows, ``values`` a row, of some :data:`BLOCK` values each."""
    images, high = max(1, BLOCK // (rows * values)), min(rows, max(1, BLOCK // values))
    for first in range(0, batch, images):
        for row in range(0, rows, high):
            yield slice(first, first + images), slice(row, row + high)
