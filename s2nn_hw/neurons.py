"""What happens to the sum: the threshold neuron and the readout, golden step first, circuit below.

Fire:     ``s = 1[a >= T]``          a   accumulator      T   integer threshold      s   spike
Readout:  ``y = a + B``              B   integer bias     y   score; class = argmax y, ties to the lowest
"""

from dataclasses import dataclass

import numpy as np

from .errors import UserError


def _checked_table(table, what):
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


@dataclass(frozen=True, eq=False)
class Fire:
    """A spike where the accumulator reaches the threshold; ``thresholds``: int32 ``(neurons,)``."""

    thresholds: np.ndarray
    kind = "fire"
    table_name = "thresholds"

    def __post_init__(self):
        object.__setattr__(self, "thresholds", _checked_table(self.thresholds, "thresholds"))

    @property
    def table(self):
        return self.thresholds

    @property
    def size(self):
        return len(self.thresholds)

    def step(self, accumulators):
        """Return spikes, uint8 ``(batch, neurons)``, of int64 ``accumulators`` ``(batch, neurons)``."""
        import torch

        return (accumulators >= torch.tensor(self.thresholds, dtype=torch.int64)).to(torch.uint8)

    def offsets(self, low, high):
        """Return what the circuit adds to accumulators in ``low .. high``, int64 ``(neurons,)``: ``-T``.

        A threshold out of reach is pulled to the nearest value with the same outcome, always or never, so
        that it can't widen the accumulator. The spike is then ``accumulator + offset >= 0``.
        """
        return -np.clip(self.thresholds.astype(np.int64), low, high + 1)


@dataclass(frozen=True, eq=False)
class Readout:
    """Scores without a spike; ``bias``: int32 ``(classes,)`` in units of the one scale that all classes share."""

    bias: np.ndarray
    kind = "readout"
    table_name = "bias"

    def __post_init__(self):
        object.__setattr__(self, "bias", _checked_table(self.bias, "bias"))

    @property
    def table(self):
        return self.bias

    @property
    def size(self):
        return len(self.bias)

    def step(self, accumulators):
        """Return scores, int64 ``(batch, classes)``, of int64 ``accumulators`` ``(batch, classes)``."""
        import torch

        return accumulators + torch.tensor(self.bias, dtype=torch.int64)

    def offsets(self, low, high):
        """Return what the circuit adds to the accumulators, int64 ``(classes,)``: the bias."""
        return self.bias.astype(np.int64)
