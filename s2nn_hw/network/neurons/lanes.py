"""What neurons that last for a sequence are in a circuit: registers a lane, and what these do in the cycles of a tick.

A tick of a group of neurons, a cycle each:

    begin     once: what is done before spikes are added, a leak
    terms     a weight of each spike is added, a spike a cycle
    acts      :attr:`.Neuron.actions` cycles: what is done behind the last spike; then what leaves is there

A register holds a state and a constant of its neuron, its ``start``: what a register has at a sequence's start, as
states are 0 there. With ``-theta`` for that constant a spike is a sign.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed

# of memories in which no row that counts is read as it is written: synthesis need not see to what would be read then
APART = {"no_rw_check": 1}


@dataclass(frozen=True)
class Register:
    """A register of each lane, of ``width`` bits with a sign; ``start``: int64 ``(neurons,)``."""

    width: int
    start: np.ndarray

    @classmethod
    def holding(cls, low: Any, high: Any, start: Any) -> "Register":
        """Return one for values in ``low .. high``, arrays ``(neurons,)`` of integers, its start among them."""
        start = np.asarray(start).astype(np.int64)
        least, most = min(int(np.min(low)), int(start.min())), max(int(np.max(high)), int(start.max()))
        return cls(bits_of(least, most), start)


def bits_of(low: int, high: int) -> int:
    """Return the bits in two's complement of numbers in ``low .. high``."""
    return 1 + max(high.bit_length() if high > 0 else 0, (~low).bit_length() if low < 0 else 0)


@dataclass(frozen=True)
class Lanes:
    """What the circuit of a layer's neurons is given.

    registers   by name, a signed Signal a lane
    terms       a lane: the signed value to be added in this cycle, 0 if none
    begin       high in the cycle before the first term
    acts        high in each of the cycles behind the last one
    first       whether the tick is a sequence's first, in ``begin`` and ``acts``
    fresh       whether terms come in this tick: they don't where sums of the tick before are held
    group       the number of the group
    constants   a function (table ``(neurons,)``, lane) -> the signed value of the lane's neuron in this group
    sums        the range of a tick's sums, two arrays int64 ``(neurons,)``
    memories    (words, bits) of each of :meth:`.Neuron.memories`
    """

    registers: dict[str, list[Signal]]
    terms: Sequence[Value]
    begin: Value
    acts: Sequence[Value]
    first: Value
    fresh: Value
    group: Value
    constants: Callable[[np.ndarray, int], Value]
    sums: tuple[np.ndarray, np.ndarray]
    memories: tuple[tuple[int, int], ...]

    @property
    def count(self) -> int:
        """Lanes."""
        return len(self.terms)


def added(m: Module, base: Value, addend: Value, carry: Value | int = 0) -> Value:
    """Return ``base + addend + carry`` in the width of ``base``, by one adder."""
    width = len(base)
    one, other = Signal(signed(width), name="base"), Signal(signed(width), name="addend")
    m.d.comb += [one.eq(base), other.eq(addend)]
    if isinstance(carry, int) and not carry:
        return (one + other)[:width].as_signed()
    return (Cat(C(1, 1), one) + Cat(carry, other))[1 : width + 1].as_signed()


def gated(value: Value, gate: Value) -> Value:
    """Return signed ``value`` where ``gate`` is high, else 0."""
    return Mux(gate, value, C(0, signed(1)))


def chosen(*cases: tuple[Value, Value]) -> Value:
    """Return the signed value of the one of ``cases`` ``(when, value)`` that holds, 0 where none does."""
    total: Value = C(0, signed(1))
    for when, value in cases:
        total = total | gated(value, when)
    return total


def leak(m: Module, register: Signal, bits: int, when: Value, term: Value) -> None:
    """Let ``register`` leak by ``2^-bits`` where ``when``, else add ``term`` to it."""
    m.d.sync += register.eq(added(m, register, chosen((when, ~(register >> bits)), (~when, term)), when))
