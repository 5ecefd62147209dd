"""The neurons' actions on accumulators in the circuit: in which cycles, and what each adds.

See :mod:`s2nn_hw.network.neurons.program`. An action takes a slot of its own, in which all terms are zero.
"""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed

from s2nn_hw.circuit.mux import choose


def acted(m: Module, params: Any, ended: Value, last_plane: Value, advance: Signal, acting: Signal) -> Value:
    """Let the actions of ``params`` follow a pass; return the number of this cycle's, from 1, 0 in other cycles.

    ``ended`` is high from the pass's last slot on until ``advance``, which this drives: high in the last action, or
    with ``ended`` if there is none behind this plane. ``acting`` is driven too: high in the cycles of actions.
    """
    codes = [
        [0, *(1 + params.actions.index(action) for action in actions)] for actions in (params.between, params.after)
    ]
    tick = Signal(range(max(map(len, codes))))
    end, code = (
        Mux(last_plane, *(take(each) for each in reversed(codes)))
        for take in (lambda each: tick == len(each) - 1, lambda each: choose(each, tick))
    )
    m.d.comb += [advance.eq(ended & end), acting.eq(tick != 0)]
    with m.If(ended):
        m.d.sync += tick.eq(Mux(end, 0, tick + 1))
    return code


def emitted(params: Any, code: Value) -> Value:
    """Return whether action number ``code`` lets a spike leave."""
    return choose([0, *(int(action.emits) for action in params.actions)], code)


@dataclass(frozen=True)
class Addend:
    """What an action adds to an accumulator, ``value``, 0 without one; ``restarts``: to its start value, not to it."""

    value: Value
    restarts: Value | None


def addend(m: Module, params: Any, lane: int, total: Signal, *, code: Value, group: Value) -> Addend:
    """Return what the action of number ``code`` adds to ``total``, the accumulator of ``lane`` in ``group``."""
    width, fires = len(total), ~total[-1]
    late, held = Signal(name=f"late{lane}"), Signal(signed(width), name=f"held{lane}", reset_less=True)
    starts, values, restarts = params.start()[0][:, lane].tolist(), [C(0, width)], [C(0, 1)]
    for number, action in enumerate(params.actions, start=1):
        spike = late if action.late else fires
        if action.late:
            m.d.sync += late.eq(fires)
        if action.holds:
            with m.If(code == number):
                m.d.sync += held.eq(total)
        restarts.append(spike if action.restarts else C(0, 1))
        if action.leak:
            values.append(~(total >> action.leak))
        elif action.adds_held:
            values.append(held)
        else:
            by_group = []
            for without, with_one, start in zip(
                action.quiet[:, lane].tolist(), action.spike[:, lane].tolist(), starts, strict=True
            ):
                with_one -= start if action.restarts else 0
                by_group.append(Mux(spike, C(with_one, signed(width)), C(without, signed(width))))
            values.append(choose(by_group, group))
    wide = [Cat(_wide(value, width)) for value in values]
    anew = choose(restarts, code) if any(action.restarts for action in params.actions) else None
    return Addend(choose(wide, code), anew)


def _wide(value: Value, width: int) -> list[Value]:
    """Return the ``width`` bits of ``value``, which is extended by its sign."""
    return [value[min(k, len(value) - 1)] for k in range(width)]
