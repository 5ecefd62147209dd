"""How real inputs become integers of some bits, where the owner does not say: from their smallest and largest."""

from dataclasses import replace

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.planes import MAX_BITS
from s2nn_hw.network.synapse import check_integer
from s2nn_hw.quantize.importers.operations import ENTERING, Entering, Levels, Operation, Same, Shape, Weighted


def entering_of(inputs: np.ndarray, bits: int, *, padded: bool, between: tuple[float, float] | None = None) -> Entering:
    """Return the scaling of ``inputs`` ``(count, *shape)`` to ``bits`` bits.

    ``between``: the ends of what can enter; else those of ``inputs``. ``padded``: whether a convolution pads them with
    zeros, which an integer must then stand for, so that numbers below zero want a sign.
    """
    check_integer("input bits", bits, 1, MAX_BITS)
    low, high = (float(inputs.min()), float(inputs.max())) if between is None else between
    if not low < high or not np.isfinite([low, high]).all():
        raise UserError(f"inputs must lie between two different numbers, not {low:g} and {high:g}")
    if low < 0 and padded:
        most = max(-low, high)
        return Entering(inputs.shape[1:], bits, np.array([most / (2 ** (bits - 1) - 1 or 1)]), np.zeros(1), signed=True)
    start = 0.0 if low >= 0 and (padded or between is None) else low
    return Entering(inputs.shape[1:], bits, np.array([(high - start) / (2**bits - 1)]), np.array([start]))


def pads(operations: tuple[Operation, ...]) -> bool:
    """Return whether one of ``operations`` is a convolution with padding."""
    return any(isinstance(o.what, Weighted) and any(o.what.padding) for o in operations)


def quantised(operations: tuple[Operation, ...], shape: Shape) -> tuple[Entering | None, tuple[Operation, ...]]:
    """Return what enters where the owner rounds it to levels before anything else, and what is left of ``operations``.

    None where it is not so.
    """
    names = {ENTERING}
    first = [o for o in operations if names & set(o.sources)]
    while len(first) == 1 and isinstance(first[0].what, Same):  # another shape
        names = {first[0].name}
        first = [o for o in operations if names & set(o.sources)]
    if len(first) != 1 or not isinstance(first[0].what, Levels) or first[0].what.rounding != "nearest":
        return None, operations
    what = first[0].what
    signed = what.low < 0
    bits = max(what.high.bit_length(), (-what.low - 1).bit_length() if signed else 0) + signed
    if what.shift.any() or what.low > 0 or bits > 16:
        return None, operations
    entering = Entering(shape, bits, what.step, np.array([what.offset]), signed, (what.low, what.high))
    return entering, tuple(replace(o, what=Same()) if o is first[0] else o for o in operations)
