"""Leaks by a shift, ``m - (m >> k)``, and how far what leaks can get."""

from typing import Any

import numpy as np

from s2nn_hw.network.neurons.neuron import Bounds

MOST_LEAK = 8


def leaked(value: Any, leak: int) -> Any:
    """Return integers ``value`` less their ``2^-leak``, floored; ``leak`` 0: all of it."""
    return value - (value >> leak) if leak else value


def gathered(low: np.ndarray, high: np.ndarray, ticks: int, leak: int) -> Bounds:
    """Return the range of ``m`` where ``m <- L(m) + z``, from 0, in ``ticks`` ticks with ``z`` in ``low .. high``.

    ``low`` is 0 at most, ``high`` 0 at least. With a leak k, ``2^k z`` is where z and the leak are the same: L is
    monotone, so nothing below comes above it.
    """
    times = min(ticks, 1 << leak) if leak else ticks
    return times * low, times * high


def exact(table: np.ndarray) -> np.ndarray:
    """Return integers of ``table`` as Python's, which don't overflow."""
    return table.astype(object)


def scaled(low: np.ndarray, high: np.ndarray, fraction: int, biases: np.ndarray | None = None) -> Bounds:
    """Return the range of sums in ``low .. high`` in units of ``2^-fraction``, 0 among them, ``biases`` added at any
    time or not at all."""
    least, most = np.minimum(exact(low), 0) << fraction, np.maximum(exact(high), 0) << fraction
    if biases is None:
        return least, most
    return least + np.minimum(exact(biases), 0), most + np.maximum(exact(biases), 0)


def hull(*ranges: Bounds) -> Bounds:
    """Return the least range that holds all ``ranges``."""
    low, high = ranges[0]
    for least, most in ranges[1:]:
        low, high = np.minimum(low, least), np.maximum(high, most)
    return low, high
