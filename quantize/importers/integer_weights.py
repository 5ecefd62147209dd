"""Weights that are integers times a scale, though they come as floats: found, so that nothing is rounded."""

import numpy as np

from s2nn_hw.network.synapse import weight_limit

MOST = weight_limit(8)
NEAR = 2.0**-21  # of the largest weight: what float32 leaves of a product of an integer and a scale


def integers_of(weights: np.ndarray) -> tuple[np.ndarray, int, np.ndarray] | None:
    """Return ``(levels, bits, scale)`` with ``levels * scale`` the ``weights`` ``(out, ...)``, or None.

    ``levels`` float64 integers of the least ``bits`` up to 8; ``scale`` ``(1,)`` where one does for all rows, else
    ``(out,)``.
    """
    rows = np.asarray(weights, np.float64).reshape(len(weights), -1)
    for parts in (rows.reshape(1, -1), rows):
        scale = _scale(parts)
        if scale is not None:
            levels = np.rint(rows / scale[:, None])
            return levels.reshape(np.shape(weights)), _bits(levels), scale
    return None


def _scale(rows: np.ndarray) -> np.ndarray | None:
    """Return the largest scale ``(rows,)`` of which all of a row are integers up to :data:`MOST`, None without one."""
    most = np.abs(rows).max(axis=1)
    scale = np.where(most > 0, np.nan, 1.0)
    for level in range(1, MOST + 1):
        open_ones = np.flatnonzero(np.isnan(scale))
        if not open_ones.size:
            break
        unit = most[open_ones] / level
        gap = np.abs(rows[open_ones] - np.rint(rows[open_ones] / unit[:, None]) * unit[:, None]).max(axis=1)
        found = gap <= NEAR * most[open_ones]
        scale[open_ones[found]] = unit[found]
    return None if np.isnan(scale).any() else scale


def _bits(levels: np.ndarray) -> int:
    if (np.abs(levels) == 1).all():
        return 1
    return next(bits for bits in range(2, 9) if np.abs(levels).max() <= weight_limit(bits))
