"""How many inputs of a neuron with a ``fan_in`` are live, and which it can have at all; see :mod:`.sparse`."""

import torch
from torch import Tensor

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.graph import Tap

PLASTIC = 1.324717957244746  # the real root of x^3 = x + 1


def windows(tap: Tap) -> Tensor:
    """Return bool ``(neurons, inputs)``: which inputs lie in the ``window`` of each neuron of ``tap``.

    Of an image its pixels; of neurons that have windows of their own those whose squares have their middle in it.
    :class:`UserError` where that are fewer than the ``fan_in``.
    """
    assert tap.window is not None
    rows, columns = tap.placed[:2] if tap.placed else tap.shape[:2]
    inside = []
    for axis, size in enumerate((rows, columns)):
        first = _corners(tap.outputs, axis, size, tap.window)[:, None]
        place = torch.arange(size)
        if tap.placed:
            place = _corners(tap.shape[0], axis, size, tap.placed[2]) + min(size, tap.placed[2]) // 2
        inside.append((place >= first) & (place < first + tap.window))
    if tap.placed:
        found = inside[0] & inside[1]
    else:
        square = inside[0][:, :, None] & inside[1][:, None, :]
        found = square[..., None].expand(*square.shape, tap.shape[2]).flatten(1)
    fewest = int(found.sum(dim=1).min())
    if tap.fan_in and fewest < tap.fan_in:
        raise UserError(
            f"a window of {tap.window} around a neuron has {fewest} inputs, fewer than the {tap.fan_in} live"
        )
    return found


def _corners(count: int, axis: int, size: int, window: int) -> Tensor:
    """Return the first row (``axis`` 0) or column of the squares of ``count`` neurons, int64.

    Places follow the additive sequence of the plastic number, which fills a square evenly at any count; a window
    that would reach over the edge is moved inside.
    """
    number = torch.arange(1, count + 1, dtype=torch.float64)
    return ((number * PLASTIC ** -(axis + 1) % 1) * max(size - window + 1, 1)).floor().long()


def live_inputs(inputs: int, fan_in: int, progress: float, reach: float) -> int:
    """Return how many of ``inputs`` are live at the share ``progress`` of training."""
    left = 1 - progress / reach if progress < reach else 0.0
    return max(fan_in, round(fan_in * (inputs / fan_in) ** left**1.5))


def most_inputs(tap: Tap) -> int:
    """Return how many inputs each neuron of ``tap`` can have."""
    return tap.weight_shape[1] if tap.window is None else int(windows(tap).sum(dim=1).min())
