"""The neurons' actions behind logic: a pipeline with an adder a level, which takes new sums every cycle.

See :mod:`s2nn_hw.network.neurons.program`. Each level does one action, or adds the sum of the next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.engines.reach import Reached, Span
from s2nn_hw.circuit.unroll.pipeline import FreePipeline, Pipeline, delayed
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.program import Action


@dataclass(frozen=True, eq=False)
class LadderParams:
    """What the neurons of one layer do with their sums.

    ``low``, ``high``: int64 ``(sums, neurons)``, what each of a neuron's ``sums`` reaches, offsets added; ``below``:
    int64 ``(neurons,)``, the ``shift`` bits below the first sum; ``actions``: in order, None where the next sum is
    added.
    """

    low: np.ndarray
    high: np.ndarray
    below: np.ndarray
    shift: int
    actions: tuple[Action | None, ...]

    @property
    def sums(self) -> int:
        """Sums of a neuron."""
        return self.low.shape[0]

    @property
    def neurons(self) -> int:
        """Neurons."""
        return self.low.shape[1]

    @property
    def planes(self) -> int:
        """Spikes of each neuron."""
        return 1 + sum(action.emits for action in self.actions if action)

    @property
    def levels(self) -> int:
        """Registers from the sums to the spikes."""
        return len(self.actions)

    @cached_property
    def widths(self) -> list[int]:
        """Bits of the signed accumulator of each neuron, at every level."""
        moved = [Span(low << self.shift, high << self.shift) for low, high in zip(self.low, self.high, strict=True)]
        at = Reached.of(Span(moved[0].low + self.below, moved[0].high + self.below))
        further = iter(moved[1:])
        for action in self.actions:
            at = at.plus(next(further)) if action is None else at.after(action)
        return at.widths()

    def cost(self, family: Family) -> Cost:
        """Return its cost: an adder and a register a level and neuron, and sums that wait."""
        bits = sum(self.widths)
        waiting = sum(self.actions[k:].count(None) for k in range(self.levels)) / max(1, self.sums - 1)
        wait = waiting * (self.sums - 1) * bits if self.sums > 1 else 0
        held = bits * self.levels / 2 if any(action and action.adds_held for action in self.actions) else 0
        return Cost(luts=bits * self.levels, ffs=bits * self.levels + wait + held + self.planes * self.neurons)


class Ladder(wiring.Component):
    """The ladder of ``params``.

    ``i``: all sums, signed, those of the first step first.
    ``o``: values of ``params.planes`` bits, neuron 0 in the low ones, the first spike in the highest bit of a value.

    ``free``: it never waits (:class:`~s2nn_hw.circuit.unroll.pipeline.FreePipeline`).
    """

    def __init__(self, params: LadderParams, *, score_width: int, free: bool = False) -> None:
        self.params, self.free = params, free
        sums = data.ArrayLayout(signed(score_width), params.sums * params.neurons)
        ports = {"i": In(stream.Signature(sums)), "o": Out(stream.Signature(params.neurons * params.planes))}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p = self.params
        pipeline = (
            FreePipeline(m, p.levels, self.i.valid) if self.free else Pipeline(m, p.levels, self.i.valid, self.o.ready)
        )
        m.d.comb += [self.i.ready.eq(pipeline.ready), self.o.valid.eq(pipeline.valid)]
        values = [self._value(m, neuron, pipeline.enables) for neuron in range(p.neurons)]
        m.d.comb += self.o.payload.eq(Cat(values))
        return m

    def _value(self, m: Module, neuron: int, enables: Sequence[Value | None]) -> Value:
        """Return the value of ``neuron``, the first spike in the highest bit."""
        p, width = self.params, self.params.widths[neuron]
        sums = [self.i.payload[step * p.neurons + neuron] for step in range(p.sums)]
        below = C(int(p.below[neuron]), p.shift)
        total: Value = _extended(Cat(below, sums[0]), width)
        waiting = [Value.cast(each) for each in sums[1:]]
        spikes: list[Value] = []
        late: Value = C(0, 1)
        held: Value | None = None
        for level, action in enumerate(p.actions):
            name = f"n{neuron}_{level}_"
            fires = ~total[-1]
            if action is None:
                after: Value = total + _extended(Cat(C(0, p.shift), waiting.pop(0)), width)
            else:
                if action.emits:
                    spikes.append(fires)
                if action.holds:
                    held = total
                after = _after(action, neuron, total, late if action.late else fires, held)
            now = enables[level : level + 1]
            total = delayed(m, after[:width], now, f"total{name}").as_signed()
            late = delayed(m, fires, now, f"late{name}") if _needed_late(p.actions, level) else late
            waiting = [delayed(m, each, now, f"sum{name}{k}_").as_signed() for k, each in enumerate(waiting)]
            spikes = [delayed(m, spike, now, f"spike{name}{k}_") for k, spike in enumerate(spikes)]
            if held is not None:
                held = delayed(m, held, now, f"held{name}").as_signed()
        return Cat(reversed([*spikes, ~total[-1]]))


def _needed_late(actions: Sequence[Action | None], level: int) -> bool:
    """Return whether the action after ``level`` asks what its sign was before."""
    following = actions[level + 1] if level + 1 < len(actions) else None
    return following is not None and following.late


def _extended(bits: Value, width: int) -> Value:
    """Return ``bits`` as a signed value of ``width``."""
    return Cat(bits[min(k, len(bits) - 1)] for k in range(width)).as_signed()


def _after(action: Action, neuron: int, total: Value, spike: Value, held: Value | None) -> Value:
    """Return the accumulator ``total`` of ``neuron`` after ``action``."""
    width = len(total)
    if action.leak:
        return total + ~(total >> action.leak)
    if action.adds_held:
        assert held is not None  # an action before holds
        return total + held
    quiet, loud = int(action.quiet[neuron]), int(action.spike[neuron])
    base = Mux(spike, 0, total).as_signed() if action.restarts else total
    return base + Mux(spike, C(loud, signed(width)), C(quiet, signed(width))).as_signed()
