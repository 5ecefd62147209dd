"""The integer tables of the log-mel front end; docs/audio.md has their formulas.

Window, cosine and weights are values of formulas, rounded. None of these lies nearer than 1e-6 to the middle between
two integers (a test holds it), and no mathematical library is wrong by as much, so every machine has the same tables.
The octaves' table is made with integers alone.
"""

from functools import cache
from math import isqrt

import numpy as np
import numpy.typing as npt

RATE = 8000  # samples/s
LENGTH, HOP = 256, 128  # samples of a window, and from one to the next
BINS = LENGTH // 2 + 1
MELS = 32
LOW_HZ, HIGH_HZ = 60.0, 3900.0
TABLE_BITS = 14  # fractional bits of window, cosine and sine
WEIGHT_BITS = 8  # of the mel filters' weights
STEPS = 16  # levels an octave of power
ENERGY_BITS = 60  # energies lie below 2^60

Table = npt.NDArray[np.int64]


def window_values() -> npt.NDArray[np.float64]:
    """Return 2^14 times the Hann window of 256 samples, periodic: 1/2 - cos(2 pi n / 256) / 2."""
    turns = np.arange(LENGTH) / LENGTH
    return np.ldexp(0.5 - 0.5 * np.cos(2 * np.pi * turns), TABLE_BITS)


def cosine_values() -> npt.NDArray[np.float64]:
    """Return 2^14 cos(2 pi n / 256) for n = 0 .. 255."""
    return np.ldexp(np.cos(2 * np.pi * np.arange(LENGTH) / LENGTH), TABLE_BITS)


def weight_values() -> npt.NDArray[np.float64]:
    """Return 2^8 times the mel filters, ``(32, 129)``: triangles between 34 points that lie evenly in mel.

    Mel is 2595 log10(1 + f / 700).
    """
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
    points = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)  # Hz
    bins = np.arange(BINS) * RATE / LENGTH
    left, middle, right = points[:-2, None], points[1:-1, None], points[2:, None]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.ldexp(np.maximum(0, np.minimum(rising, falling)), WEIGHT_BITS)


def _rounded(values: npt.NDArray[np.float64]) -> Table:
    return _fixed(np.rint(values).astype(np.int64))


def _fixed(table: Table) -> Table:
    table.flags.writeable = False
    return table


@cache
def window() -> Table:
    """Return the window, int64 ``(256,)``, 0 .. 2^14."""
    return _rounded(window_values())


@cache
def cosine() -> Table:
    """Return the cosine, int64 ``(256,)``; the sine of n is the cosine of n - 64."""
    return _rounded(cosine_values())


@cache
def transform() -> npt.NDArray[np.float64]:
    """Return the discrete Fourier transform as integers in float64, ``(256, 2 * 129)``: real parts, imaginary parts."""
    phases = np.outer(np.arange(LENGTH), np.arange(BINS))
    parts = [cosine()[(phases + turn) % LENGTH] for turn in (0, LENGTH // 4)]  # -sin x = cos (x + pi / 2)
    table = np.concatenate(parts, axis=1).astype(np.float64)
    table.flags.writeable = False
    return table


@cache
def weights() -> Table:
    """Return the mel filters, int64 ``(32, 129)``, 0 .. 2^8."""
    return _rounded(weight_values())


@cache
def octaves() -> Table:
    """Return the smallest integers that reach each level, int64: ``ceil(2^(i / 16))`` for i = 0 .. 16 * 60.

    A square root rounded down, taken four times, is the sixteenth root rounded down.
    """
    roots = [isqrt(isqrt(isqrt(isqrt(1 << i)))) for i in range(STEPS * ENERGY_BITS + 1)]
    return _fixed(np.array([root + (root**STEPS < 1 << i) for i, root in enumerate(roots)], np.int64))
