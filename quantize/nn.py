"""Modules for anyone's training loop that an import takes as they are: neurons, and layers with weights of few bits.

    Fire            ``s = 1[u >= threshold]``, a surrogate gradient backwards
    IntegrateFire   ``m <- (1 - 2^-leak) m + u``;  ``s = 1[m >= threshold]``, which resets m; a call is a step
    Levels          ``y = width clip(floor(u / width + 1/2), 0, 2^bits - 1)``, straight through; the width is learned
    QuantLinear     ``y = scale W x + b``,  W integers of ``bits`` bits, rounded from float weights, straight through
    QuantConv1d, QuantConv2d   the same as convolutions

Shapes are those of :mod:`torch.nn`. Batch norms, pooling and the rest are torch's own.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.integrate import MAX_LEAK, RESETS
from s2nn_hw.network.planes import MAX_RADIX
from s2nn_hw.quantize.layers import weight_levels, weight_scale
from s2nn_hw.quantize.levels import clip_floor
from s2nn_hw.quantize.neuron import Neuron, Surrogate, spike

__all__ = ["Fire", "IntegrateFire", "Levels", "QuantConv1d", "QuantConv2d", "QuantLinear", "Surrogate", "reset"]


class Fire(Neuron):
    """Membrane inputs to spikes {0, 1} of the same shape, one step; ``threshold``, and ``surrogate`` gradient."""

    def __init__(self, threshold: float = 1.0, surrogate: Surrogate | None = None) -> None:
        super().__init__(surrogate, threshold)


class IntegrateFire(nn.Module):
    """Inputs of one step to spikes {0, 1} of the same shape; the membrane stays until :func:`reset`.

    ``leak``: k of ``2^-k``, 0 for none; ``reset``: "soft" (the threshold is subtracted) or "hard" (to 0); ``start``: of
    the membrane, a share of the threshold. No gradient goes through the reset.
    """

    membrane: Tensor | None

    def __init__(
        self,
        threshold: float = 1.0,
        *,
        leak: int = 0,
        reset: str = "soft",
        start: float = 0.0,
        surrogate: Surrogate | None = None,
    ) -> None:
        super().__init__()
        if not 0 < threshold < math.inf:
            raise UserError(f"the threshold must be positive, not {threshold!r}")
        if type(leak) is not int or not 0 <= leak <= MAX_LEAK:
            raise UserError(f"the leak must be k of 2^-k, an integer from 1 to {MAX_LEAK}, or 0, not {leak!r}")
        if reset not in RESETS:
            raise UserError(f"the reset must be {' or '.join(RESETS)}, not {reset!r}")
        if not -1 <= start <= 1:
            raise UserError(f"the start must be a share of the threshold, -1 to 1, not {start!r}")
        self.threshold, self.leak, self.reset, self.start = float(threshold), leak, reset, float(start)
        self.surrogate, self.membrane = surrogate or Surrogate(), None

    def forward(self, u: Tensor) -> Tensor:
        """Return the spikes of one step with inputs ``u``."""
        before = torch.full_like(u, self.start * self.threshold) if self.membrane is None else self.membrane
        membrane = (before * (1 - 2.0**-self.leak) if self.leak else before) + u
        spikes = spike(membrane, self.threshold, self.threshold, self.surrogate)
        gone = spikes.detach()
        self.membrane = membrane * (1 - gone) if self.reset == "hard" else membrane - gone * self.threshold
        return spikes


def reset(module: nn.Module) -> None:
    """Set the membranes of all :class:`IntegrateFire` in ``module`` back, before the next sample."""
    for part in module.modules():
        if isinstance(part, IntegrateFire):
            part.membrane = None


class Levels(nn.Module):
    """Numbers of ``bits`` bits in units of ``width``, of the same shape as what enters; the width is a parameter."""

    def __init__(self, bits: int, width: float = 1.0) -> None:
        super().__init__()
        if type(bits) is not int or not 1 <= bits <= MAX_RADIX:
            raise UserError(f"bits must be an integer from 1 to {MAX_RADIX}, not {bits!r}")
        if not 0 < width < math.inf:
            raise UserError(f"the width must be positive, not {width!r}")
        self.bits, self.width = bits, nn.Parameter(torch.tensor(float(width)))

    def forward(self, u: Tensor) -> Tensor:
        """Return the values ``width q``."""
        width = self.width.abs().clamp(min=1e-8)
        return width * clip_floor(u / width, 2**self.bits - 1)


def _checked_bits(bits: int) -> int:
    if type(bits) is not int or not 1 <= bits <= 8:
        raise UserError(f"weight bits must be an integer from 1 to 8, not {bits!r}")
    return bits


class _Quantised:
    """Float weights used as integers times a scale: one scale a neuron or channel, one for all if ``shared``."""

    weight: Tensor
    bits: int
    shared: bool

    def levels(self) -> tuple[Tensor, Tensor]:
        """Return the integer weights, as floats of the weights' shape, and the scale, ``(neurons,)`` or ``(1,)``."""
        rows = self.weight.flatten(1)
        scale = weight_scale(rows, self.bits, shared=self.shared)
        return weight_levels(rows, scale, self.bits).reshape(self.weight.shape), scale[:, 0]

    def used(self) -> Tensor:
        """Return the weights that multiply."""
        levels, scale = self.levels()
        return levels * scale.reshape(-1, *[1] * (levels.ndim - 1))


class QuantLinear(_Quantised, nn.Linear):
    """:class:`torch.nn.Linear` with integer weights of ``bits`` bits; ``shared``: for the layer that gives scores."""

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, *, bits: int, shared: bool = False
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.bits, self.shared = _checked_bits(bits), shared

    def forward(self, input: Tensor) -> Tensor:
        """Return the sums of ``input`` ``(batch, in_features)``."""
        return functional.linear(input, self.used(), self.bias)


class _QuantConv(_Quantised):
    """What a convolution with integer weights adds to torch's, of either number of axes."""

    bias: Tensor | None
    _conv_forward: Callable[[Tensor, Tensor, Tensor | None], Tensor]  # torch's

    def __init__(self, *args: Any, bits: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.bits, self.shared = _checked_bits(bits), False

    def forward(self, input: Tensor) -> Tensor:
        """Return the sums of ``input`` ``(batch, channels, ...)``."""
        return self._conv_forward(input, self.used(), self.bias)


class QuantConv2d(_QuantConv, nn.Conv2d):
    """:class:`torch.nn.Conv2d` with integer weights of ``bits`` bits; further arguments as there."""


class QuantConv1d(_QuantConv, nn.Conv1d):
    """:class:`torch.nn.Conv1d` with integer weights of ``bits`` bits; further arguments as there."""
