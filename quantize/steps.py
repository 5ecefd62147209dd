"""Neurons that integrate over several steps, in float: the simulation forwards, one of two gradients backwards.

    ``m <- L(m) + u_t``   ``s_t = 1[m >= level th]``   ``m <- m - th s_t`` (soft)  or  ``m <- m (1 - s_t)`` (hard)

    L   ``(1 - 2^-k) m``, or m without leak      m   membrane, ``start th`` before the first step      th   threshold
    u   what the batch norm gives, the same in every step behind a number: its sum is made once      s   spike, 0 or 1

``surrogate``: through time, each step's spike has a gradient of :mod:`s2nn_hw.quantize.neuron` at ``(m - level th) /
th``; what is reset passes none.

``dsr`` (arXiv 2205.00459): the gradient of rates alone. With weights ``w_t`` proportional to ``(1 - 2^-k)^(T - t)``
that add up to 1, ``x = sum over t of w_t u_t``, and ``r = sum over t of w_t s_t`` is about ``clip(x / th, 0, 1)``:

    ``dL/dr = sum over t of dL/ds_t``      ``dL/du_t = w_t / th dL/dr`` where ``0 <= x <= th``, else 0
    ``dL/dth = 1/th`` times the sum of ``dL/dr`` where ``x > th``: a spike stands for ``th``, of which the next
    layer's scale takes care; th is trained, one a layer, and is at least :data:`LEAST`

Steps come first: a value of T steps is ``(T * batch, ...)``, the batch of step 1 in front.
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from s2nn_hw.quantize.grid import Grid
from s2nn_hw.quantize.neuron import Surrogate, spike
from s2nn_hw.quantize.spec import NeuronSpec

LEAST = 0.01  # threshold that is trained


def step_weights(steps: int, leak: int | None) -> Tensor:
    """Return ``(1 - 2^-leak)^(steps - t)`` for ``t = 1 .. steps``, float64; ones without leak."""
    keep = 1 - 2.0 ** -(leak or 0) if leak else 1.0
    return torch.tensor([keep ** (steps - 1 - t) for t in range(steps)], dtype=torch.float64)


class Leaky(Protocol):
    """What the simulation asks of neurons, see :class:`.spec.NeuronSpec`."""

    @property
    def leak(self) -> int:
        """k of ``(1 - 2^-k) m``, 0 for none."""

    @property
    def reset(self) -> str:
        """Soft or hard."""

    @property
    def start(self) -> float:
        """Of the membrane, a share of the threshold."""


def simulate(
    currents: Tensor,
    threshold: Tensor | float,
    neuron: Leaky,
    fire: Callable[[Tensor], Tensor],
    rest: Tensor | float = 0.0,
) -> Tensor:
    """Return spikes ``(T, batch, ...)`` of ``currents`` ``(T, batch, ...)``; ``fire(m)`` gives those of a membrane, and
    ``rest`` is what a leak leaves that is rounded down."""
    membrane = torch.zeros_like(currents[0]) + neuron.start * threshold
    left = []
    for current in currents:
        if neuron.leak:
            membrane = membrane * (1 - 2.0**-neuron.leak) + rest
        membrane = membrane + current
        spikes = fire(membrane)
        left.append(spikes)
        gone = spikes.detach()
        membrane = membrane * (1 - gone) if neuron.reset == "hard" else membrane - gone * threshold
    return torch.stack(left)


class _Rates(torch.autograd.Function):
    """The simulation forwards, backwards the gradient of rates."""

    @staticmethod
    def forward(
        ctx: Any, currents: Tensor, threshold: Tensor, level: Tensor, spec: NeuronSpec, rest: Tensor | float
    ) -> Tensor:
        weights = step_weights(len(currents), spec.leak).to(currents)
        weights = (weights / weights.sum()).reshape(-1, *[1] * (currents.ndim - 1))
        ctx.save_for_backward((currents * weights).sum(dim=0), threshold, weights)
        return simulate(currents, threshold, spec, lambda m: (m >= level).to(m.dtype), rest)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        mean, threshold, weights = ctx.saved_tensors
        rate = gradient.sum(dim=0) / threshold
        inside = (mean >= 0) & (mean <= threshold)
        return weights * (rate * inside), (rate * (mean > threshold)).sum_to_size(threshold.shape), None, None, None


class Steps(nn.Module):
    """Membrane inputs of one step ``(batch, ...)``, or of T steps ``(T * batch, ...)``, to spikes ``(T * batch, ...)``.

    ``spec``: kind, steps, leak and so on; ``stepwise``: whether the inputs are those of every step.
    """

    threshold: Tensor

    def __init__(self, spec: NeuronSpec, surrogate: Surrogate, *, stepwise: bool) -> None:
        super().__init__()
        self.spec, self.surrogate, self.stepwise = spec, surrogate, stepwise
        start = torch.tensor(spec.threshold)
        if spec.gradient == "dsr":
            self.threshold = nn.Parameter(start)
        else:
            self.register_buffer("threshold", start, persistent=False)

    def least(self) -> Tensor:
        """Return the threshold, ``()``, not below the least one."""
        return self.threshold.clamp(min=LEAST) if self.spec.gradient == "dsr" else self.threshold

    def forward(self, u: Tensor, grid: Grid | None = None) -> Tensor:
        """Return the spikes of membrane inputs ``u``; thresholds and biases are rounded where there is a ``grid``."""
        spec, u = self.spec, u.float() if u.dtype == torch.bfloat16 else u
        threshold: Tensor = self.least().to(u.dtype)
        level, unit, rest = spec.level * threshold, spec.threshold, torch.zeros(()).to(u)
        if grid is not None:
            u = u + (grid.nearest(grid.bias) - grid.bias)
            rest = grid.unit * (1 - 2.0**-spec.leak) / 2  # the mean
            level, threshold = (x + (grid.width(x, 1 << spec.leak) - x).detach() for x in (level, threshold))
        currents = u.unflatten(0, (spec.steps, -1)) if self.stepwise else u.expand(spec.steps, *u.shape)
        if spec.gradient == "dsr":
            return _Rates.apply(currents, threshold, level, spec, rest).flatten(0, 1)
        if grid is None:
            left = simulate(currents, unit, spec, lambda m: spike(m, spec.level * unit, unit, self.surrogate))
        else:
            left = simulate(currents, threshold, spec, lambda m: spike(m - level, 0.0, unit, self.surrogate), rest)
        return left.flatten(0, 1)
