"""How many inputs of a neuron with a ``fan_in`` are live, and which it can have at all; see :mod:`.sparse`."""

import torch
from torch import Tensor

from s2nn_hw.quantize.graph import Tap

PLASTIC = 1.324717957244746  # the real root of x^3 = x + 1


def windows(tap: Tap) -> Tensor:
    """Return bool ``(neurons, inputs)``: which inputs lie in the ``window`` of each neuron of ``tap``.

    Places follow the additive sequence of the plastic number, which fills a square evenly at any count; a window
    that would reach over the edge is moved inside.
    """
    assert tap.window is not None
    rows, columns, channels = tap.shape
    number = torch.arange(1, tap.outputs + 1, dtype=torch.float64)
    inside = []
    for size, step in ((rows, PLASTIC**-1), (columns, PLASTIC**-2)):
        first = ((number * step % 1) * max(size - tap.window + 1, 1)).floor()[:, None]
        place = torch.arange(size)
        inside.append((place >= first) & (place < first + tap.window))
    square = inside[0][:, :, None] & inside[1][:, None, :]
    return square[..., None].expand(*square.shape, channels).flatten(1)


def live_inputs(inputs: int, fan_in: int, progress: float, reach: float) -> int:
    """Return how many of ``inputs`` are live at the share ``progress`` of training."""
    left = 1 - progress / reach if progress < reach else 0.0
    return max(fan_in, round(fan_in * (inputs / fan_in) ** left**1.5))


def most_inputs(tap: Tap) -> int:
    """Return how many inputs each neuron of ``tap`` can have."""
    if tap.window is None:
        return tap.weight_shape[1]
    rows, columns, channels = tap.shape
    return min(tap.window, rows) * min(tap.window, columns) * channels
