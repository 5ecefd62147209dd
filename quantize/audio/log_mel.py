"""Log-mel energies of a recording as small integers, the same on every machine, frame by frame; docs/audio.md.

A frame is made from 256 samples, the next from 128 later ones:

    y[n] = (x[n] window[n] + 2^11) >> 12
    X[k] = (sum over n of y[n] (cosine[n k], -sine[n k]) + 2^13) >> 14
    E[m] = sum over k of weights[m, k] (re X[k]^2 + im X[k]^2)
    L[m] = floor(16 log2 max(E[m], 1))
    M    = max(M of the frame before, L[0], ..., L[31]), 640 before the first frame
    f[m] = max(L[m] - M + 255, 0)

``f`` is 16 octaves below the loudest level so far, in bytes of 1/16 octave; its top four bits are whole octaves. Every
sum is of integers and below 2^53 where float64 adds it, 2^63 elsewhere: there is nothing to round differently.
"""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.audio.tables import HOP, LENGTH, MELS, TABLE_BITS, octaves, transform, weights, window

BITS = 8  # of a value of a frame
PEAK = (1 << BITS) - 1
LOUD = 640  # what the loudest level is before the first frame: a good 14 octaves below full scale
GUARD = 2  # fractional bits of a windowed sample
BLOCK = 1 << 10  # frames at a time

Samples = npt.NDArray[np.int16]
Frames = npt.NDArray[np.uint8]


class LogMel:
    """The front end on a stream: samples in, in pieces of any length, and the frames that they complete out."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin a new recording."""
        self._rest: Samples = np.zeros(0, np.int16)
        self._loudest = LOUD

    def push(self, samples: Samples) -> Frames:
        """Return the frames, uint8 ``(count, 32)``, that int16 ``samples`` complete; there may be none."""
        samples = np.concatenate([self._rest, _checked(samples)])
        count = frame_count(len(samples))
        self._rest = samples[count * HOP :]
        if not count:
            return np.zeros((0, MELS), np.uint8)
        found = levels(samples)
        loudest = np.maximum(np.maximum.accumulate(found.max(axis=1)), self._loudest)
        self._loudest = int(loudest[-1])
        return np.maximum(found - loudest[:, None] + PEAK, 0).astype(np.uint8)


def log_mel(samples: Samples) -> Frames:
    """Return the frames of a whole recording, uint8 ``(count, 32)``; samples behind the last whole window are left."""
    return LogMel().push(samples)


def frame_count(samples: int) -> int:
    """Return how many frames so many samples make."""
    return max(0, (samples - LENGTH) // HOP + 1)


def levels(samples: Samples) -> npt.NDArray[np.int64]:
    """Return the level L of every frame and mel filter, in 1/16 octave of power, int64 ``(count, 32)``."""
    none = np.zeros((0, MELS), np.int64)
    if len(_checked(samples)) < LENGTH:
        return none
    windows = sliding_window_view(samples, LENGTH)[::HOP]
    return np.concatenate([none, *(_levels(windows[k : k + BLOCK]) for k in range(0, len(windows), BLOCK))])


def _levels(windows: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    shift = TABLE_BITS - GUARD
    windowed = (windows.astype(np.int64) * window() + (1 << (shift - 1))) >> shift
    # sums below 2^39: any order of additions gives the same
    spectrum = (windowed.astype(np.float64) @ transform()).astype(np.int64)
    spectrum = (spectrum + (1 << (TABLE_BITS - 1))) >> TABLE_BITS
    real, imaginary = np.split(spectrum, 2, axis=1)
    energies = (real * real + imaginary * imaginary) @ weights().T
    return np.searchsorted(octaves(), np.maximum(energies, 1), side="right") - 1


def _checked(samples: Samples) -> Samples:
    if samples.ndim != 1 or samples.dtype != np.int16:
        raise UserError(f"samples must be int16 of one axis, not {samples.dtype} of {samples.ndim}")
    return samples
