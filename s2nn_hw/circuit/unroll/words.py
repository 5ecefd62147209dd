"""Spikes of whole positions, cut into words."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SpikeWords(wiring.Component):
    """Spikes of one position at a time in, words of ``width`` out.

    ``i``: ``neurons`` spikes, a position.
    ``o``: ``ceil(neurons / width)`` words a position, spike 0 in bit 0, unused bits of the last word 0.

    ``seen``, ``seen_count``: as :class:`~s2nn_hw.network.neurons.fire.FireUnit`'s.
    """

    def __init__(self, *, neurons: int, width: int) -> None:
        self.neurons, self.width, self.words = neurons, width, -(-neurons // width)
        super().__init__({"i": In(stream.Signature(neurons)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        m.d.comb += self.o.valid.eq(self.i.valid)
        if self.words == 1:
            m.d.comb += [self.o.payload.eq(self.i.payload), self.i.ready.eq(self.o.ready)]
        else:
            self._cut(m)
        seen = Signal(self.neurons)
        seen_count = Signal(24)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [seen.eq(self.i.payload), seen_count.eq(seen_count + 1)]
        return m

    def _cut(self, m: Module) -> None:
        """Send the words of a position one after the other."""
        index = Signal(range(self.words))
        last = index == self.words - 1
        m.d.comb += self.i.ready.eq(self.o.ready & last)
        with m.Switch(index):
            for k in range(self.words):
                with m.Case(k):
                    m.d.comb += self.o.payload.eq(self.i.payload[k * self.width : (k + 1) * self.width])
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
