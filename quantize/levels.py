"""Neurons of several levels, in float: ``q = clip(floor(u / theta + 1/2), 0, peak)``.

``dq/du = 1 / theta`` where ``-theta/2 < u < (peak + 1/2) theta``, else 0: straight through

u   what the batch norm gives      theta   width of a level      peak   the largest value, 2^K - 1 of K planes
"""

from typing import Any

import torch
from torch import Tensor, nn

from s2nn_hw.quantize.grid import Grid
from s2nn_hw.quantize.spec import NeuronSpec


class _ClipFloor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, width: Tensor | float, peak: int, start: float) -> Tensor:
        x = u / width + start
        ctx.save_for_backward((x > 0) & (x < peak + 1))
        ctx.width = width
        return x.floor_().clamp_(0, peak)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (near,) = ctx.saved_tensors
        return gradient * near / ctx.width, None, None, None


def clip_floor(x: Tensor, peak: int) -> Tensor:
    """Return ``clip(floor(x + 1/2), 0, peak)``; backwards 1 where it is not cut."""
    return _ClipFloor.apply(x, 1.0, peak, 0.5)


class _Spikes(torch.autograd.Function):
    """Numbers to the spikes of ``steps`` steps, which come first; backwards the mean over the steps."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, steps: int) -> Tensor:
        ctx.steps = steps
        return torch.cat([(q > step).to(q.dtype) for step in range(steps)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.unflatten(0, (ctx.steps, -1)).mean(dim=0), None


class Levels(nn.Module):
    """``(batch, ...)`` membrane inputs to numbers ``0 .. peak``, of the same shape and type; with code steps to spikes
    ``(steps * batch, ...)``."""

    def __init__(self, spec: NeuronSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, u: Tensor, grid: Grid | None = None) -> Tensor:
        """Return the numbers, or spikes, of membrane inputs ``u``; widths and biases are rounded where there is a
        ``grid``."""
        planes, width = self.spec.planes, self.spec.width
        if grid is None:
            numbers = _ClipFloor.apply(u, width, planes.peak, 0.5)
        else:
            start = grid.nearest(grid.bias + width / 2) - grid.bias
            numbers = _ClipFloor.apply(u + start, grid.width(width), planes.peak, 0.0)
        return numbers if planes.radix else _Spikes.apply(numbers, planes.count)
