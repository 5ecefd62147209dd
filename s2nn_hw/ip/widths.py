"""Transfers to beats where they are not as wide: several beats a transfer, or several transfers a beat."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Narrow(wiring.Component):
    """Beats of ``width`` bits out of transfers of ``each`` of them, the first in the low bits.

    A frame has ``beats``; places behind the last are passed over. A beat every cycle.

    ``i``: transfers.
    ``o``: beats.
    """

    def __init__(self, *, width: int, each: int, beats: int) -> None:
        self.width, self.each, self.beats = width, each, beats
        super().__init__({"i": In(stream.Signature(width * each)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        place, beat = Signal(range(self.each)), Signal(range(self.beats))
        ends, moves = Signal(), Signal()
        m.d.comb += [
            self.o.payload.eq(self.i.payload.word_select(place, self.width)),
            self.o.valid.eq(self.i.valid),
            moves.eq(self.i.valid & self.o.ready),
            ends.eq((place == self.each - 1) | (beat == self.beats - 1)),
            self.i.ready.eq(self.o.ready & ends),
        ]
        with m.If(moves):
            m.d.sync += [place.eq(Mux(ends, 0, place + 1)), beat.eq(Mux(beat == self.beats - 1, 0, beat + 1))]
        return m


class Widen(wiring.Component):
    """Beats of ``width`` bits out of ``each`` transfers of ``part`` bits, the first in the low bits.

    ``i``: transfers, one every cycle.
    ``o``: beats, each with its last transfer.
    """

    def __init__(self, *, width: int, part: int, each: int) -> None:
        self.width, self.part, self.each = width, part, each
        super().__init__({"i": In(stream.Signature(part)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        held = Signal(self.part * (self.each - 1), reset_less=True)
        place, last = Signal(range(self.each)), Signal()
        m.d.comb += [
            last.eq(place == self.each - 1),
            self.o.payload.eq(Cat(held, self.i.payload)),
            self.o.valid.eq(self.i.valid & last),
            self.i.ready.eq(self.o.ready | ~last),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(Cat(held, self.i.payload) >> self.part), place.eq(Mux(last, 0, place + 1))]
        return m
