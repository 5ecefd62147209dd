"""Accumulators on which the neurons act: in which cycles, and what each action adds.

See :mod:`s2nn_hw.network.neurons.program`. An action takes a slot of its own, in which all terms are zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed

from s2nn_hw.circuit.delay import delayed
from s2nn_hw.circuit.mux import choose
from s2nn_hw.network.neurons.program import Action


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


@dataclass(frozen=True)
class At:
    """What accumulators do in a cycle, common to all lanes.

    ``addend``: the number of what an action adds, of ``addends``, 0 if terms are added; ``holds``, ``ends``,
    ``restarts``, ``emits``: as of :class:`~s2nn_hw.network.neurons.program.Action`; ``plane``, ``group``: of the sums;
    ``negates``: terms are those of the sign's plane, which are subtracted, None if there is no such plane.
    """

    addends: "Sequence[_Addend | None]"
    addend: Value
    holds: Value
    ends: Value
    restarts: Value
    emits: Value
    plane: Value
    group: Value
    negates: Value | None = None

    @classmethod
    def of(cls, m: Module, params: Any, slot: Any, late: int, group: Value) -> "At":
        """Return it ``late`` cycles behind ``slot``, ``group`` already so."""
        actions = params.actions
        kinds = list(dict.fromkeys([None, *map(_addend, actions)]))

        def decoded(values: list[int], name: str) -> Value:
            return delayed(m, choose([0, *values], slot.action), late, name) if any(values) else C(0, 1)

        number = [kinds.index(_addend(action)) for action in actions]
        flags = {
            name: decoded([int(getattr(action, name)) for action in actions], f"at_{name}")
            for name in ("holds", "ends", "restarts", "emits")
        }
        plane = delayed(m, slot.plane, late, "at_plane") if params.radix and params.planes > 1 else slot.plane
        minus = (slot.plane == 0) & (slot.action == 0)
        negates = delayed(m, minus, late, "at_negates") if params.signed else None
        return cls(kinds, decoded(number, "at_addend"), **flags, plane=plane, group=group, negates=negates)


@dataclass(frozen=True)
class _Addend:
    """What an action adds; two of the same constants are one."""

    quiet: tuple[int, ...] = ()
    spike: tuple[int, ...] = ()
    leak: int = 0
    adds_held: bool = False
    doubles: bool = False
    late: bool = False


def acting_accumulator(m: Module, params: Any, lane: int, width: int, added: Value, at: At) -> Signal:
    """Add the accumulator of ``lane``, to which ``added`` is added, or what the action ``at`` says; return it.

    The accumulator is an operand of its adder as it is, without a gate in front, so that a bit is one look-up table
    with all that may be added to it; its start value comes back by the registers' reset.
    """
    starts = params.start()[0][:, lane].tolist()
    total = Signal(signed(width), name=f"total{lane}", init=starts[0])
    spikes = {False: ~total[-1], True: Signal(name=f"late{lane}")}
    m.d.sync += spikes[True].eq(spikes[False])
    held = Signal(signed(width), name=f"held{lane}", reset_less=True)
    with m.If(at.holds):
        m.d.sync += held.eq(total)
    values: list[Value] = [C(0, width)]
    for action in at.addends:
        if action is None:
            continue
        if action.doubles:
            values.append(total)
        elif action.leak:
            values.append(~(total >> action.leak))
        elif action.adds_held:
            values.append(held)
        else:
            pairs = zip(action.quiet[lane :: params.lanes], action.spike[lane :: params.lanes], strict=True)
            spike = spikes[action.late]
            values.append(choose([Mux(spike, _constant(s, width), _constant(q, width)) for q, s in pairs], at.group))
    extra = choose([_extended(value, width) for value in values], at.addend)
    fill, terms = _fill(params, lane, at), _extended(added, width)
    if at.negates is not None:  # the complement, and 1 more as carry
        terms = Cat(bit ^ at.negates for bit in terms)
        fill = at.negates if fill is None else fill | at.negates
    summed = _sum(total, terms | extra, fill)
    anew, ends = _by_group([*starts[1:], starts[0]], width, at), at.ends
    restarts = next((action for action in params.actions if action.restarts), None)
    if restarts is not None:
        hard, wanted = at.restarts & spikes[restarts.late], restarts.spike[:, lane].tolist()
        if len(starts) == 1 and wanted == starts:
            ends = ends | hard
        else:
            summed = Mux(hard, _by_group(wanted, width, at), summed)
    with m.If(ends):
        m.d.sync += total.eq(anew)
    with m.Else():
        m.d.sync += total.eq(summed)
    return total


def _addend(action: Action) -> "_Addend | None":
    """Return what ``action`` adds, None where that does not matter."""
    if action.ends:
        return None
    if action.leak or action.adds_held or action.doubles:
        return _Addend(leak=action.leak, adds_held=action.adds_held, doubles=action.doubles)
    spike = action.quiet if action.restarts else action.spike
    return _Addend(tuple(action.quiet.reshape(-1).tolist()), tuple(spike.reshape(-1).tolist()), late=action.late)


def _sum(total: Signal, extra: Value, fill: Value | None) -> Value:
    """Return ``total + extra``, and ``fill`` as carry."""
    return total + extra.as_signed() if fill is None else (Cat(C(1, 1), total) + Cat(fill, extra))[1:]


def _fill(params: Any, lane: int, at: At) -> Value | None:
    """Return the bit that fills up what is doubled, None where it is always 0."""
    fill = params.start()[1][:, :, lane]
    numbers = [number for number, one in enumerate(at.addends) if one and one.doubles]
    if not fill.any() or not numbers:
        return None
    by_plane = [choose(bits, at.group) for bits in fill.tolist()]
    return choose([*by_plane, C(0, 1)], at.plane) & (at.addend == numbers[0])


def _constant(value: int, width: int) -> Value:
    return C(value, signed(width))


def _by_group(values: list[int], width: int, at: At) -> Value:
    """Return that of ``values`` of the group."""
    return choose([_constant(value, width) for value in values], at.group)


def _extended(value: Value, width: int) -> Value:
    """Return the ``width`` bits of ``value``, which is extended by its sign."""
    return Cat(value[min(k, len(value) - 1)] for k in range(width))
