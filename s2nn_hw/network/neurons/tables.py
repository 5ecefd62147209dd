"""The integer tables of neurons: one value a channel."""

from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.synapse import check_integer

MAX_FRACTION = 8


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


def checked_tables(neuron: Any) -> None:
    """Check all ``tables`` of the frozen ``neuron`` and put read-only copies there; they must have one length."""
    for name in neuron.tables:
        object.__setattr__(neuron, name, checked_table(getattr(neuron, name), name))
    sizes = {name: len(getattr(neuron, name)) for name in neuron.tables}
    if len(set(sizes.values())) > 1:
        raise UserError(f"all tables must have one length, not {', '.join(f'{n} of {k}' for k, n in sizes.items())}")


def checked_scale(fraction: Any) -> None:
    """Raise :class:`UserError` unless ``fraction`` is a number of fraction bits."""
    check_integer("fraction", fraction, 0, MAX_FRACTION)


def check_multiples(neuron: Any, names: tuple[str, ...], leak: int) -> None:
    """Raise :class:`UserError` unless all values of these tables of ``neuron`` are multiples of ``2^leak``."""
    for name in names:
        spare = getattr(neuron, name) % (1 << leak)
        if spare.any():
            where = int(spare.nonzero()[0][0])
            raise UserError(
                f"{name} of a neuron that leaks by 2^-{leak} must be multiples of {1 << leak}, not "
                f"{int(getattr(neuron, name)[where])} (channel {where})"
            )


def per_channel(table: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return ``table``, int64, read-only, of ``shape`` ``(batch, positions * neurons)``, channels innermost."""
    batch, size = shape
    return np.broadcast_to(np.tile(table.astype(np.int64), size // len(table)), (batch, size))
