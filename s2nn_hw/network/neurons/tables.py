"""The integer tables of neurons: one value a channel."""

from typing import Any

import numpy as np

from s2nn_hw.errors import UserError


def checked_table(table: Any, what: str) -> np.ndarray:
    """Return a read-only copy of ``table``; :class:`UserError` unless it is int32 ``(neurons,)`` within +-2^30."""
    if not isinstance(table, np.ndarray) or table.dtype != np.int32:
        raise UserError(f"{what} must be an int32 array, not {getattr(table, 'dtype', type(table).__name__)}")
    if table.ndim != 1 or not len(table):
        raise UserError(f"{what} must have shape (neurons,), at least 1, not {table.shape}")
    limit = 2**30
    if int(table.min()) < -limit or int(table.max()) > limit:
        raise UserError(f"{what} must lie in -2^30 .. 2^30, not {table.min()} .. {table.max()}")
    frozen = table.copy()
    frozen.setflags(write=False)
    return frozen
