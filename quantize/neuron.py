"""The S2NN neuron: a Heaviside step forwards, a surrogate gradient backwards.

    ``s = 1[x >= 0]``,  ``x = (u - u_th) / |u_th|``

    u   membrane input of the one time step (batch norm included)    u_th   threshold, the same for all neurons
    x   distance from the threshold in units of it (of 1 where it is 0)                   s      spike, 0 or 1

The step has no useful gradient, so ``ds/dx`` is replaced by one of the functions below. ``s2nn`` is the
asymmetric surrogate of S2NN (arXiv 2201.10879): a sigmoid's derivative below the threshold, a slowly falling
hyperbola above it, continuous at 0 exactly when ``beta = alpha / 4``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from s2nn_hw.errors import UserError


def s2nn(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha sigmoid(alpha x) (1 - sigmoid(alpha x))`` for ``x < 0``, ``beta / (x + 1)`` for ``x >= 0``."""
    # each branch is clamped to its own side: nothing divides by zero at x = -1, and the other side is constant
    below, above = sigmoid(x.clamp(max=0), alpha, beta), x.clamp(min=0).add_(1).reciprocal_()
    if beta == alpha / 4:
        return below.mul_(above)
    return torch.where(x < 0, below, above.mul_(beta))


def sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha sigmoid(alpha x) (1 - sigmoid(alpha x))``."""
    s = (alpha * x).sigmoid_()
    return (s - s * s).mul_(alpha)


def atan(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``(alpha / 2) / (1 + (pi alpha x / 2)^2)``."""
    return (math.pi / 2 * alpha * x).square_().add_(1).reciprocal_().mul_(alpha / 2)


def rectangular(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha`` for ``|x| < 1 / (2 alpha)``, else 0: a window of area 1."""
    return torch.lt(x.abs(), 0.5 / alpha, out=torch.empty_like(x)).mul_(alpha)


def triangular(x: Tensor, alpha: float, beta: float) -> Tensor:
    """``alpha max(0, 1 - alpha |x|)``: a triangle of area 1."""
    return alpha * (1 - alpha * x.abs()).clamp(min=0)


def straight_through(x: Tensor, alpha: float, beta: float) -> Tensor:
    """1 for ``|x| <= 1 / alpha``, else 0: the clipped straight-through estimator."""
    return torch.le(x.abs(), 1 / alpha, out=torch.empty_like(x))


# name: derivative, default alpha; beta matters to s2nn alone
SURROGATES: dict[str, tuple[Callable[[Tensor, float, float], Tensor], float]] = {
    "s2nn": (s2nn, 4.0),
    "sigmoid": (sigmoid, 4.0),
    "atan": (atan, 2.0),
    "rectangular": (rectangular, 1.0),
    "triangular": (triangular, 1.0),
    "straight_through": (straight_through, 1.0),
}


class _Spike(torch.autograd.Function):
    """Forwards ``1[u >= threshold]``, backwards the surrogate at ``x = (u - threshold) / unit``."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, threshold: float, unit: float, surrogate: "Surrogate") -> Tensor:
        ctx.save_for_backward(u)
        ctx.threshold, ctx.unit, ctx.surrogate = threshold, unit, surrogate
        return torch.ge(u, threshold, out=torch.empty_like(u))  # straight to numbers: a bool in between is slow

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (u,) = ctx.saved_tensors
        x = u - ctx.threshold
        if ctx.unit != 1:
            x, gradient = x / ctx.unit, gradient / ctx.unit
        return ctx.surrogate.derivative(x).mul_(gradient), None, None, None


@dataclass(frozen=True)
class Surrogate:
    """Which gradient: ``name`` of :data:`SURROGATES`, steepness ``alpha`` (default: the function's own), ``beta``."""

    name: str = "s2nn"
    alpha: float | None = None
    beta: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in SURROGATES:
            raise UserError(f"surrogate must be one of {', '.join(SURROGATES)}, not {self.name!r}")
        if self.alpha is None:
            object.__setattr__(self, "alpha", SURROGATES[self.name][1])
        for key in ("alpha", "beta"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise UserError(f"surrogate {key} must be a positive number, not {value!r}")

    def derivative(self, x: Tensor) -> Tensor:
        """Return ``ds/dx`` as used backwards, same shape as ``x``."""
        assert self.alpha is not None  # set by __post_init__
        return SURROGATES[self.name][0](x, self.alpha, self.beta)

    def __call__(self, x: Tensor) -> Tensor:
        """Return spikes ``1[x >= 0]`` in the dtype and shape of ``x``; the gradient is :meth:`derivative`."""
        return _Spike.apply(x, 0.0, 1.0, self)


def spike(u: Tensor, threshold: float, unit: float, surrogate: Surrogate) -> Tensor:
    """Return spikes ``1[u >= threshold]`` in the dtype and shape of ``u``; backwards ``surrogate`` at ``(u - threshold)
    / unit``."""
    return _Spike.apply(u, threshold, unit, surrogate)


class Neuron(nn.Module):
    """``(batch, neurons)`` membrane inputs to spikes of the same shape; ``threshold`` is ``u_th``."""

    def __init__(self, surrogate: Surrogate | None = None, threshold: float = 1.0) -> None:
        super().__init__()
        if not math.isfinite(threshold):
            raise UserError(f"neuron threshold must be a number, not {threshold!r}")
        self.surrogate, self.threshold = surrogate or Surrogate(), float(threshold)

    def forward(self, u: Tensor) -> Tensor:
        """Return the spikes of membrane inputs ``u``."""
        return _Spike.apply(u, self.threshold, abs(self.threshold) or 1.0, self.surrogate)
