"""Readouts of sequences, of rates and tick by tick: scores as float logits, of integers the same but for one factor.

``values`` ``(times, batch, inputs)`` are what the last layer gives, ``lengths`` ``(batch,)`` times of each sequence; a
time is a tick, or a frame of rates. Scores are means over ticks, so that sequences of all lengths have one scale: of a
sum over T ticks by T, of a leaky membrane, which gathers 2^k of them, by 2^k.
"""

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.quantize.rounding import leaked
from s2nn_hw.quantize.sequences.rates import Frame
from s2nn_hw.quantize.sequences.spec import INTEGRATOR, LAST, LAST_HALF, MAX, ReadoutSpec


def of_ticks(spec: ReadoutSpec, values: Tensor, lengths: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return integer scores ``(batch, classes)`` in float32 and ``(batch, 1)``, how many full sums a score of 1 is.

    ``weight``, ``bias``: integers.
    """
    unit = float(1 << spec.fraction)
    full = torch.full_like(lengths[:, None], spec.gain * unit, dtype=values.dtype)
    if spec.kind == LAST:
        return functional.linear(_last(values, lengths), weight, bias), full
    if spec.kind == LAST_HALF or (spec.kind == INTEGRATOR and not spec.leak):
        first = lengths // 2 if spec.kind == LAST_HALF else 0 * lengths
        times = torch.arange(len(values), device=values.device)[:, None]
        chosen = ((times >= first) & (times < lengths)).to(values.dtype)
        count = (lengths - first)[:, None].to(values.dtype)
        total = torch.einsum("tbn,tb->bn", values, chosen)
        return functional.linear(total, weight) * unit + count * bias, full * count
    sums = functional.linear(values, weight) * unit + bias
    scale = full * (2.0**spec.leak if spec.leak else lengths[:, None].to(values.dtype))
    membrane, most = torch.zeros_like(sums[0]), None
    for time, now in enumerate(sums.unbind(0)):
        going = (time < lengths)[:, None]
        after = leaked(membrane, spec.leak) + now
        membrane = torch.where(going, after, membrane)
        most = after if most is None else torch.where(going, torch.maximum(most, after), most)
    assert most is not None  # there is a tick at least
    return (most if spec.kind == MAX else membrane), scale


def of_rates(spec: ReadoutSpec, values: Tensor, lengths: Tensor, weight: Tensor, bias: Tensor, ticks: int) -> Tensor:
    """Return logits of rates, a time a frame of ``ticks`` ticks; ``weight``, ``bias``: in units of a full sum."""
    if spec.kind == LAST:
        return functional.linear(_last(values, lengths), weight, bias)
    if spec.kind in (LAST_HALF, INTEGRATOR):
        shares = _shares(spec, len(values), lengths, ticks).to(values.dtype)
        return functional.linear(torch.einsum("tbn,tb->bn", values, shares), weight) + shares.sum(dim=0)[:, None] * bias
    sums, going = functional.linear(values, weight, bias), _going(len(values), lengths)
    if spec.leak:
        frame, state, membranes = Frame.of(spec.leak, ticks), torch.zeros_like(sums[0]), []
        for now in sums.unbind(0):
            state = frame.after(state, now)
            membranes.append(state)
        reached = torch.stack(membranes)
    else:
        reached = sums.cumsum(dim=0) / lengths[:, None]
    return reached.masked_fill(~going[..., None], -torch.inf).amax(dim=0)


def _going(times: int, lengths: Tensor) -> Tensor:
    return torch.arange(times, device=lengths.device)[:, None] < lengths


def _last(values: Tensor, lengths: Tensor) -> Tensor:
    return values[lengths - 1, torch.arange(values.shape[1], device=values.device)]


def _shares(spec: ReadoutSpec, frames: int, lengths: Tensor, ticks: int) -> Tensor:
    """Return what each frame counts in a score, float64 ``(frames, batch)``."""
    number = torch.arange(frames, device=lengths.device)[:, None].double()
    if spec.kind == INTEGRATOR and spec.leak:
        frame = Frame.of(spec.leak, ticks)
        behind = (lengths - 1 - number).clamp(min=0)
        return (1 - frame.left) * frame.left**behind * (number < lengths)
    total = lengths.double() * ticks
    first = (total / 2).floor() if spec.kind == LAST_HALF else 0 * total
    inside = torch.minimum((number + 1) * ticks, total) - torch.maximum(number * ticks, first)
    return inside.clamp(min=0) / (total - first)
