"""A falling threshold: the neuron fires when its potential has risen to it, once, and when it does is its value.

    slot 0 .. T-1:   ``if p >= 0: fire once, and stop; else p <- p + theta``

    p       potential, at first the sum over all slots, from ``start`` on: ``v - T theta``      T   slots, 2^K - 1
    theta   what the threshold falls a slot; a spike in slot t is the value ``T - t``, none is 0

That is ``clip(floor(m / theta), 0, T)`` of the membrane m that ``v`` and the sum make, without a division.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, multiplexer
from s2nn_hw.family.record import Family


@dataclass(frozen=True, eq=False)
class Ramp:
    """``start``, ``theta``: int64 ``(neurons,)``, see above, in units of ``2^-shift`` weights; ``slots``: T."""

    start: np.ndarray
    theta: np.ndarray
    slots: int
    shift: int = 0

    @property
    def bits(self) -> int:
        """Bits of a value."""
        return self.slots.bit_length()

    def widths(self, potentials: Sequence[int]) -> list[int]:
        """Return the bits of each neuron's signed register, from those of its potential."""
        return [
            max(width, int(theta - 1).bit_length() + 1)
            for width, theta in zip(potentials, self.theta.tolist(), strict=True)
        ]

    def first_word(self, literal: bool) -> int:
        """Return the cycles from the capture to the first offer of a :class:`RampUnit`."""
        return 2 if literal else self.slots + 2

    def cost(self, family: Family, potentials: Sequence[int], width: int, *, literal: bool) -> Cost:
        """Return the cost of a :class:`RampUnit`: an adder a potential, who has fired, values, cut into words."""
        neurons, each = len(potentials), 1 if literal else self.bits
        words = ceil(neurons / width)
        bits = sum(self.widths(potentials))
        carry = sum(family.carry * ceil(size / family.carry) for size in self.widths(potentials))
        held = 0 if literal else neurons * self.bits
        leaving = width * each
        luts = carry + family.reload * bits + neurons + held + leaving * multiplexer(family, words)
        luts += bits_for(self.slots) + 6
        return Cost(luts=luts, ffs=bits + neurons + held + leaving + bits_for(words) + self.bits + 4)


class RampUnit(wiring.Component):
    """The neurons of ``ramp``; ``potentials``: bits of each of their sums, signed.

    ``sums``: what their potentials begin with.
    ``capture``: ``sums`` are taken in this cycle; no stream, see ``engine_ports``.
    ``o``: ``ceil(neurons / width)`` words, neuron 0 in the low bits: if ``literal`` of each slot, a bit a neuron, else
    once, of values, the first bit in the highest.
    ``release``: high in the cycle in which the last word is taken.

    The first word is offered :meth:`Ramp.first_word` cycles after the capture. There is room for one frame.

    ``seen``, ``seen_count``: the last values and how many have come so far, for simulation alone.
    """

    def __init__(self, ramp: Ramp, potentials: Sequence[int], *, width: int, literal: bool) -> None:
        self.ramp, self.potentials, self.literal = ramp, tuple(potentials), literal
        self.neurons = len(self.potentials)
        self.words = ceil(self.neurons / width)
        self.width = width if literal else width * ramp.bits
        sums = data.StructLayout({f"n{k}": signed(size) for k, size in enumerate(self.potentials)})
        super().__init__(
            {"sums": In(sums), "capture": In(1), "o": Out(stream.Signature(self.width)), "release": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        left = Signal(range(self.ramp.slots + 1))  # slots; the value of what fires now
        falls, step, done = Signal(), Signal(), Signal()  # slots are left; to the next; none is left after that
        last_slot = Signal()
        m.d.comb += done.eq(step & last_slot)
        with m.If(self.capture):
            m.d.sync += [left.eq(self.ramp.slots), falls.eq(1), last_slot.eq(self.ramp.slots == 1)]
        with m.Elif(step):
            m.d.sync += [left.eq(left - 1), falls.eq(~last_slot), last_slot.eq(left == 2)]
        fires, values = self._neurons(m, left, step)
        whole = Signal()  # all values are there
        m.d.sync += whole.eq(done)
        row, more = (fires, falls) if self.literal else (values, Signal(name="kept"))
        last_word = self._leave(m, row, more, last_slot if self.literal else C(1, 1))
        if self.literal:
            m.d.comb += step.eq(last_word)
        else:
            m.d.comb += step.eq(falls)
            with m.If(done):
                m.d.sync += more.eq(1)
            with m.Elif(last_word):
                m.d.sync += more.eq(0)
        seen = Signal(len(values))
        seen_count = Signal(24)
        with m.If(whole):
            m.d.sync += [seen.eq(values), seen_count.eq(seen_count + 1)]
        return m

    def _neurons(self, m: Module, left: Signal, step: Signal) -> tuple[Cat, Cat]:
        """Add the potentials; return which neurons fire now, and the values of all as far as they have."""
        fires, values = [], []
        widths, thetas = self.ramp.widths(self.potentials), self.ramp.theta.tolist()
        for k, (width, theta) in enumerate(zip(widths, thetas, strict=True)):
            potential = Signal(signed(width), name=f"potential{k}", reset_less=True)
            fired = Signal(name=f"fired{k}", reset_less=True)
            value = Signal(self.ramp.bits, name=f"value{k}", reset_less=True)
            now = Signal(name=f"fires{k}")
            # yosys takes one side of a sum apart, mostly that whose name comes later: a bit is one table then
            rise, base = Signal(signed(width), name=f"rise{k}"), Signal(signed(width), name=f"with_sum{k}")
            m.d.comb += [
                now.eq(~potential[-1] & ~fired),
                rise.eq(Mux(self.capture, 0, theta)),
                base.eq(Mux(self.capture, self.sums[f"n{k}"], potential)),
            ]
            with m.If(self.capture | step):
                m.d.sync += [
                    potential.eq(rise + base),
                    fired.eq(~self.capture & (fired | now)),
                    value.eq(Mux(self.capture, 0, Mux(now, left, value))),
                ]
            fires.append(now)
            values.append(value)
        return Cat(fires), Cat(values)

    def _leave(self, m: Module, row: Cat, more: Signal, final: Signal | C) -> Signal:
        """Let ``row`` leave as words while there is ``more``, that of the frame where it is ``final``; return that its
        last word goes."""
        free, load, last_word, last = Signal(), Signal(), Signal(), Signal()
        index, index_last = Signal(range(max(2, self.words))), Signal(init=self.words == 1)
        padded = Cat(row, C(0, self.words * self.width - len(row)))
        words = Array(padded[k * self.width : (k + 1) * self.width] for k in range(self.words))
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            load.eq(free & more),
            last_word.eq(load & index_last),
            self.release.eq(self.o.valid & self.o.ready & last),
        ]
        with m.If(free):
            m.d.sync += [self.o.valid.eq(more), self.o.payload.eq(words[index]), last.eq(index_last & final)]
        if self.words > 1:
            with m.If(load):
                m.d.sync += [index.eq(Mux(index_last, 0, index + 1)), index_last.eq(index == self.words - 2)]
        return last_word
