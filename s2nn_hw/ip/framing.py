"""Frames out of a stream with ``tlast``: every frame that enters has its length, and each has a verdict.

    good    as many transfers as a frame has, ``tlast`` with the last
    short   ``tlast`` came too early: zeros take the place of what is missing
    long    the last transfer had no ``tlast``: all up to the next ``tlast`` is dropped

So the circuit never waits for the rest of a frame; the result of a frame that was not good is dropped behind it.
"""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class Framing(wiring.Component):
    """Cuts a stream into frames of ``transfers`` transfers of ``width`` bits; nothing is stored, no cycle is added.

    ``i``: transfers with ``last``.
    ``o``: transfers, ``transfers`` a frame, whatever came.
    ``verdict``: one a frame, with its last transfer: 1 where it was good.
    ``short``: high in a cycle in which a frame ended too early.
    ``long``: high in a cycle in which a frame did not end where it should.
    ``open``: low, synchronously: forget the frame under way; if ``inside``, what comes up to ``last`` is dropped.
    ``inside``: the next transfer at ``i`` is not the first of a frame.
    ``filling``: zeros are sent.
    """

    def __init__(self, *, width: int, transfers: int) -> None:
        self.width, self.transfers = width, transfers
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout({"data": width, "last": 1}))),
                "o": Out(stream.Signature(width)),
                "verdict": Out(stream.Signature(1)),
                "short": Out(1),
                "long": Out(1),
                "open": In(1),
                "inside": Out(1),
                "filling": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        skipping, good, offered, moves = Signal(), Signal(), Signal(), Signal()
        last = self._count(m, moves)
        taken = Signal()
        m.d.comb += [
            good.eq(last & self.i.payload.last & ~self.filling),
            offered.eq((self.i.valid & ~skipping | self.filling) & self.open),
            # the last transfer passes with its verdict, so it waits until both are taken
            self.o.valid.eq(offered & (self.verdict.ready | ~last)),
            self.o.payload.eq(Mux(self.filling, 0, self.i.payload.data)),
            self.verdict.valid.eq(offered & last & self.o.ready),
            self.verdict.payload.eq(good),
            moves.eq(self.o.valid & self.o.ready),
            self.i.ready.eq(self.open & (skipping | (~self.filling & self.o.ready & (self.verdict.ready | ~last)))),
            taken.eq(self.i.valid & self.i.ready),
            self.short.eq(taken & ~skipping & ~last & self.i.payload.last),
            self.long.eq(taken & ~skipping & last & ~self.i.payload.last),
        ]
        with m.If(taken):
            m.d.sync += self.inside.eq(~self.i.payload.last)
            with m.If(self.i.payload.last):
                m.d.sync += skipping.eq(0)
            with m.Elif(last):
                m.d.sync += skipping.eq(1)
        with m.If(self.short):
            m.d.sync += self.filling.eq(1)
        with m.Elif(moves & last):
            m.d.sync += self.filling.eq(0)
        with m.If(~self.open):
            m.d.sync += [skipping.eq(self.inside), self.filling.eq(0)]
        return m

    def _count(self, m: Module, moves: Signal) -> Signal:
        """Return whether the next transfer of ``o`` is the last of a frame."""
        last = Signal(init=self.transfers == 1)
        if self.transfers > 1:
            place = Signal(range(self.transfers))
            with m.If(moves):
                m.d.sync += [place.eq(Mux(last, 0, place + 1)), last.eq(place == self.transfers - 2)]
            with m.If(~self.open):
                m.d.sync += [place.eq(0), last.eq(0)]
        return last
