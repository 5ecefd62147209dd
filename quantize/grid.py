"""Rounding of thresholds and biases in training: to what the integer tables of ``fraction`` bits can say.

A table's unit is ``2^-F`` of a weight, which is ``|gamma| scale / std 2^-F`` of what the batch norm gives, in each
channel another. Std and mean are the running ones, so that the grid is not the batch's. Gradients pass straight
through.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

LEAST = 1e-12  # unit


@dataclass(frozen=True)
class Grid:
    """``unit``, and ``bias`` ``beta - gamma mean / std``, of each channel, of the shape that goes with a batch."""

    unit: Tensor
    bias: Tensor

    @classmethod
    def of(cls, norm: nn.BatchNorm1d | nn.BatchNorm2d, scale: Tensor, fraction: int) -> "Grid":
        """Return the grid behind sums of weights of ``scale`` ``(neurons, 1)`` and ``norm``."""
        assert norm.running_mean is not None
        assert norm.running_var is not None
        with torch.no_grad():
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()
            unit = (factor.abs() * scale[:, 0] * 2.0**-fraction).clamp(min=LEAST)
            bias = norm.bias - factor * norm.running_mean
        shape = (-1, 1, 1) if isinstance(norm, nn.BatchNorm2d) else (-1,)
        return cls(unit.reshape(shape), bias.reshape(shape))

    def nearest(self, value: Tensor | float, step: int = 1) -> Tensor:
        """Return the multiple of ``step`` units that is next to ``value``."""
        unit = self.unit * step
        return (value / unit).round() * unit

    def width(self, value: Tensor | float, step: int = 1) -> Tensor:
        """Return the positive multiple of ``step`` units that is next to ``value``."""
        return torch.maximum(self.nearest(value, step), self.unit * step)
