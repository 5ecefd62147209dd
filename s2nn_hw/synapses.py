"""What is added: integer weight tables and the golden accumulation over them.

``a[m] = sum over n of W[m, n] * x[n]``

    x   input, a spike {0, 1} or a k-bit pixel 0 .. 2^k-1 (first layer)     W   integer weight
    a   accumulator, one per neuron
"""

from dataclasses import dataclass

import numpy as np

from .errors import UserError


def weight_limit(bits):
    """Return the largest magnitude of a ``bits``-bit weight: symmetric range, 1 for one bit (+-1) and two (ternary)."""
    return 1 if bits == 1 else 2 ** (bits - 1) - 1


@dataclass(frozen=True, eq=False)
class Dense:
    """Every input reaches every neuron.

    ``weights``: int8 ``(neurons, inputs)``, inputs in raster order (row, column, channel);
    ``bits``: 1 (values -1, +1), or 2 to 8 (values ``-(2^(bits-1)-1) .. 2^(bits-1)-1``).
    """

    weights: np.ndarray
    bits: int

    def __post_init__(self):
        weights = self.weights
        if not isinstance(weights, np.ndarray) or weights.dtype != np.int8:
            raise UserError(f"weights must be an int8 array, not {getattr(weights, 'dtype', type(weights).__name__)}")
        if weights.ndim != 2 or 0 in weights.shape:
            raise UserError(f"weights must have shape (neurons, inputs), both at least 1, not {weights.shape}")
        if isinstance(self.bits, bool) or not isinstance(self.bits, int) or not 1 <= self.bits <= 8:
            raise UserError(f"weight bits must be an integer from 1 to 8, not {self.bits!r}")
        limit = weight_limit(self.bits)
        low, high = int(weights.min()), int(weights.max())
        if low < -limit or high > limit:
            raise UserError(f"{self.bits}-bit weights must lie in {-limit} .. {limit}, not {low} .. {high}")
        if self.bits == 1 and not weights.all():
            raise UserError("1-bit weights must be -1 or +1, not 0; use 2 bits for ternary weights")
        frozen = weights.copy()
        frozen.setflags(write=False)
        object.__setattr__(self, "weights", frozen)

    @property
    def neurons(self):
        return self.weights.shape[0]

    @property
    def inputs(self):
        return self.weights.shape[1]

    def bounds(self, peak=1):
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable accumulator range for inputs ``0 .. peak``."""
        wide = self.weights.astype(np.int64)
        return peak * wide.clip(max=0).sum(axis=1), peak * wide.clip(min=0).sum(axis=1)

    def accumulate(self, inputs, peak=1):
        """Return the exact accumulators, int64 tensor ``(batch, neurons)``, of integer ``inputs`` ``(batch, inputs)``.

        A float matrix product is exact as long as every partial sum is an integer below the mantissa's
        reach: ``peak * sum |W| < 2^24`` takes float32, anything larger float64 (int8 weights and 8-bit
        pixels stay below 2^53 up to 2^37 inputs).
        """
        import torch

        reach = peak * int(np.abs(self.weights.astype(np.int64)).sum(axis=1).max())
        kind = torch.float32 if reach < 2**24 else torch.float64
        table = torch.tensor(self.weights, dtype=kind)
        return (inputs.to(kind) @ table.T).to(torch.int64)
