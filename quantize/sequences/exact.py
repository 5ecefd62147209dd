"""The neurons of sequences tick by tick in float32, equal to the integers of :mod:`s2nn_hw.network.neurons`.

Sums, states and biases are integers, exact below 2^24 (:func:`.convert.check_exact` proves it). Time is first:
``sums`` ``(ticks, batch, neurons)``, what the synapses from the layer before give; ``recurrent`` ``(neurons, neurons)``
integer weights or None. Gradients run through time; what rounds passes them on.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from s2nn_hw.network.neurons.low_pass import FULL, STATE_BITS
from s2nn_hw.quantize.neuron import Surrogate, spike
from s2nn_hw.quantize.rounding import filled, leaked, shifted
from s2nn_hw.quantize.sequences.modulator import modulated
from s2nn_hw.quantize.sequences.spec import ADAPTIVE, ENCODER, LIF, LOW_PASS, SIGMA_DELTA, LayerSpec

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor], tuple[State, Tensor]]


def run(spec: LayerSpec, sums: Tensor, recurrent: Tensor | None, bias: Tensor, surrogate: Surrogate) -> Tensor:
    """Return what leaves the layer, ``(ticks, batch, neurons)``: spikes, or numbers."""
    if spec.kind == ENCODER:
        return _encoded(sums * float(1 << spec.fraction) + bias, float(spec.full))
    if spec.kind == SIGMA_DELTA:
        return modulated(spec, sums, recurrent, bias)
    step = _step(spec, bias, surrogate)
    nothing = torch.zeros_like(sums[0])
    state: State = (nothing,) * {ADAPTIVE: 4, LIF: 1, LOW_PASS: 1}[spec.kind]
    given, left, back = nothing, [], None if recurrent is None else recurrent.t()
    for now in sums.unbind(0):
        state, given = step(state, now if back is None else torch.addmm(now, given, back))
        left.append(given)
    return torch.stack(left)


def _encoded(drive: Tensor, full: float) -> Tensor:
    """Return the spikes of encoders with ``drive`` ``(ticks, batch, neurons)``."""
    added = drive.detach().clamp(0, full)
    levels, level = torch.empty_like(added), torch.zeros_like(added[0])
    for reached, now in zip(levels.unbind(0), added.unbind(0), strict=True):
        torch.add(level, now, out=reached)
        level = reached - full * (reached >= full)
    return filled(drive, levels, full)


def _step(spec: LayerSpec, bias: Tensor, surrogate: Surrogate) -> Step:
    """Return the function of state and sums of a tick to the next state and what leaves."""
    unit, full, leak = float(1 << spec.fraction), float(spec.full), spec.leak

    def adaptive(state: State, sums: Tensor) -> tuple[State, Tensor]:
        current, passed = leaked(state[0], leak) + sums * unit, leaked(state[1], leak)
        passed = (passed + shifted(current, leak) + bias).clamp(min=0)
        error, said = leaked(state[2], leak), leaked(state[3], leak)
        error = error + passed.detach() - state[3]
        # what is passed on stands for 2^leak drives
        spikes = filled(passed * 2.0**-leak, (error > 0) * full, full)
        still = spikes.detach()
        return (current, passed, error * (1 - still), said + full * still), spikes

    def lif(state: State, sums: Tensor) -> tuple[State, Tensor]:
        membrane = leaked(state[0], leak) + sums * unit + bias
        spikes = spike(membrane, full, full, surrogate)
        still = spikes.detach()  # the reset has no gradient
        return (membrane - full * still if spec.reset == "soft" else membrane * (1 - still),), spikes

    def low_pass(state: State, sums: Tensor) -> tuple[State, Tensor]:
        wanted = shifted(sums * unit + bias, spec.shift).clamp(0, FULL)
        held = state[0] + shifted(wanted - state[0], leak)
        return (held,), shifted(held, STATE_BITS - spec.planes)

    return {ADAPTIVE: adaptive, LIF: lif, LOW_PASS: low_pass}[spec.kind]
