"""Rounding in training: forwards integers, backwards as if there were no rounding."""

from typing import Any

import torch
from torch import Tensor


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _Fill(torch.autograd.Function):
    """Spikes where ``level >= full``; backwards the slope of ``clamp(drive / full, 0, 1)``."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, level: Tensor, full: float) -> Tensor:
        ctx.save_for_backward((drive > 0) & (drive < full))
        ctx.full = full
        return torch.ge(level, full, out=torch.empty_like(level))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return gradient * inside / ctx.full, None, None


def floor(x: Tensor) -> Tensor:
    """Return the floor of ``x``; the gradient passes."""
    return _Floor.apply(x)


def shifted(x: Tensor, leak: int) -> Tensor:
    """Return ``x >> leak`` of integers in floats; the gradient is that of the division."""
    return _Floor.apply(x * 2.0**-leak)


def leaked(x: Tensor, leak: int) -> Tensor:
    """Return ``x - (x >> leak)``, or ``x`` without a leak."""
    return x - shifted(x, leak) if leak else x


def filled(drive: Tensor, level: Tensor, full: float) -> Tensor:
    """Return spikes, 1 where the integral ``level`` has reached ``full``.

    A modulator's spikes have the rate ``clamp(drive / full, 0, 1)``, so that is the gradient: each tick's drive gets
    that of its spike, and the integral, which only places them, none.
    """
    return _Fill.apply(drive, level, full)


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """Return the nearest integer of ``x``; the gradient passes."""
    return _Round.apply(x)
