"""What stands behind a sum in the float model of a converted network, forwards as its integers, and its gradient.

    relu     ``x = max(0, z)``, or ``min(max(0, z), theta)``
    levels   ``x = A q / T``,  ``q = clip(floor(z T / theta + c), 0, T)``, c 1/2 with shift, else 0
    spikes   ``m[t] = l m[t-1] + z[t] + c theta / T``;  ``s[t] = 1[m[t] >= theta]``;  ``m[t] -= s[t] theta``;
             ``x[t] = A s[t]``, of which the mean is the activation

    z   sum and bias      theta   threshold      A   height of a spike, theta where nothing has searched another
    T   steps      q   spikes that leave      m   membrane, 0 before the first step
    l   1, or, of neurons that leak, the nearest of 1 and 1 - 2^-k to a number that is trained, k 1 to 8

Levels are what a neuron of two phases gives (clip-floor: Deng and Gu, arXiv 2103.00476), spikes are the literal steps.
Gradients: of levels that of ``min(max(0, z), theta)`` or, ``masked`` off, of ``max(0, z)`` (tandem learning, arXiv
2007.01204), and to theta straight through the floor; of a spike ``0.3 max(0, 1 - |m / theta - 1|)`` (arXiv 2112.12133),
none through the reset; to the number behind l that of l.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.network.neurons.integrate import MAX_LEAK
from s2nn_hw.quantize.rounding import floor

RELU, LEVELS, SPIKES = "relu", "levels", "spikes"
HEIGHT = 0.3  # of the surrogate gradient at the threshold


@dataclass(frozen=True)
class Rule:
    """Which of them: ``kind``, steps T, ``shift``; ``clipped``: a ReLU that ends at theta; ``masked``: see above;
    ``leaks``: whether membranes may leak."""

    kind: str = RELU
    steps: int = 1
    shift: bool = True
    clipped: bool = False
    masked: bool = True
    leaks: bool = False

    @property
    def offset(self) -> float:
        """c."""
        return 0.5 if self.shift else 0.0


class _Step(torch.autograd.Function):
    """Forwards ``1[x >= 0]``, backwards ``0.3 max(0, 1 - |x|)``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradient * HEIGHT * (1 - x.abs()).clamp(min=0)


def leak_of(kept: float) -> int:
    """Return k, 0 for none, of the nearest of 1 and 1 - 2^-k to ``kept``."""
    return min(range(MAX_LEAK + 1), key=lambda k: abs(_kept(k) - kept))


def _kept(k: int) -> float:
    return 1 - 2.0**-k if k else 1.0


def fire(rule: Rule, sums: list[Tensor], theta: Tensor, height: Tensor, kept: Tensor | None = None) -> list[Tensor]:
    """Return the values x of ``sums``, one tensor, or one a step; of spikes one a step, else one.

    ``theta``, ``height``: numbers, positive; ``kept``: the number behind l, None where nothing leaks. Where one value
    leaves, the mean of several sums enters.
    """
    if rule.kind == SPIKES:
        return _spikes(rule, sums, theta, height, kept if rule.leaks else None)
    z = sums[0] if len(sums) == 1 else torch.stack(sums).mean(dim=0)
    if rule.kind == RELU:
        x = functional.relu(z)
        return [torch.minimum(x, theta) if rule.clipped else x]
    share = (z / theta).clamp(0, 1)
    x = floor(share * rule.steps + rule.offset) * (height / rule.steps)
    if rule.masked:
        return [x]
    passed = functional.relu(z)
    return [passed + (x - passed).detach()]


def _spikes(rule: Rule, sums: list[Tensor], theta: Tensor, height: Tensor, kept: Tensor | None) -> list[Tensor]:
    membrane, left = torch.zeros_like(sums[0]), []
    factor = None if kept is None else kept + (_kept(leak_of(float(kept.detach()))) - kept).detach()
    for t in range(rule.steps):
        now = sums[0] if len(sums) == 1 else sums[t]
        if factor is not None:
            membrane = factor * membrane
        membrane = membrane + now + rule.offset * theta / rule.steps
        spikes = _Step.apply(membrane / theta - 1)
        membrane = membrane - spikes.detach() * theta
        left.append(spikes * height)
    return left
