"""The same neurons frame by frame, without ticks: a clamped recurrent network of rates.

With n ticks a frame and a leak k, ``alpha = (1 - 2^-k)^n`` of a current is left after a frame and, on the mean over its
ticks, ``m = mean over j = 1 .. n of (1 - 2^-k)^j``. Of inputs x in the frames t = 1 .. T

    seen(t) = m h(t-1) + (1 - m) x(t)   h(t) = alpha h(t-1) + (1 - alpha) x(t)

is what a layer's low-passed current has of them. Its own rates y of the same frame are not known yet, so those of the
frame before stand for them, ``own(t) = m h(t-1) + (1 - m) y(t-1)``:

    sigma_delta   ``y(t) = clamp(W seen(t) + U own(t) + b, 0, 1)``     arXiv 2407.13534, one alpha a layer
    encoder       ``y(t) = clamp(W x(t) + b, 0, 1)``
    adaptive      as sigma_delta, the clamped sum once more low-passed
    low_pass      ``h(t) = alpha h(t-1) + (1 - alpha) clamp(W x(t) + U h(t-1) + b, 0, 1)``, what leaves is h

Rates and numbers are shares of the largest, 0 .. 1; time is first.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.quantize.sequences.spec import ADAPTIVE, ENCODER, LOW_PASS, LayerSpec


@dataclass(frozen=True)
class Frame:
    """What a frame does to a current that leaks: the share ``left`` at its end, ``held`` on the mean of its ticks."""

    left: float
    held: float

    @classmethod
    def of(cls, leak: int, ticks: int) -> "Frame":
        """Return the shares of ``ticks`` ticks."""
        kept = 1 - 2.0**-leak if leak else 0.0
        return cls(kept**ticks, sum(kept**j for j in range(1, ticks + 1)) / ticks)

    def after(self, state: Tensor, value: Tensor) -> Tensor:
        """Return the low-passed value at the frame's end."""
        return torch.lerp(value, state, self.left)

    def within(self, state: Tensor, value: Tensor) -> Tensor:
        """Return its mean over the frame; ``state``: at the end of the one before."""
        return torch.lerp(value, state, self.held)

    def seen(self, values: Tensor) -> Tensor:
        """Return the means of ``values`` ``(frames, ..)``, low-passed, frame by frame."""
        state, found = torch.zeros_like(values[0]), []
        for value in values.unbind(0):
            found.append(self.within(state, value))
            state = self.after(state, value)
        return torch.stack(found)


def run(spec: LayerSpec, values: Tensor, weight: Tensor, recurrent: Tensor | None, bias: Tensor, ticks: int) -> Tensor:
    """Return the rates that leave, ``(frames, batch, neurons)``, of rates ``values`` ``(frames, batch, inputs)``."""
    frame = Frame.of(spec.leak, ticks)
    if spec.kind == ENCODER:
        return functional.linear(values, weight, bias).clamp(0, 1)
    if spec.kind == LOW_PASS:
        return _low_pass(frame, functional.linear(values, weight, bias), recurrent)
    sums = functional.linear(frame.seen(values), weight, bias)
    state = rates = nothing = torch.zeros_like(sums[0])
    passed, left, back = nothing, [], None if recurrent is None else recurrent.t()
    for now in sums.unbind(0):
        total = now if back is None else torch.addmm(now, frame.within(state, rates), back)
        rates = total.clamp(0, 1)
        if spec.kind == ADAPTIVE:
            rates, passed = frame.within(passed, rates), frame.after(passed, rates)
        if back is not None:
            state = frame.after(state, rates)
        left.append(rates)
    return torch.stack(left)


def _low_pass(frame: Frame, sums: Tensor, recurrent: Tensor | None) -> Tensor:
    held, left, back = torch.zeros_like(sums[0]), [], None if recurrent is None else recurrent.t()
    for now in sums.unbind(0):
        total = now if back is None else torch.addmm(now, held, back)
        held = frame.after(held, total.clamp(0, 1))
        left.append(held)
    return torch.stack(left)
