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
        cut(m, self.i, self.o, self.width)
        seen = Signal(self.neurons)
        seen_count = Signal(24)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [seen.eq(self.i.payload), seen_count.eq(seen_count + 1)]
        return m


def cut(m: Module, i: Any, o: Any, width: int) -> None:
    """Let each value at stream ``i`` leave at ``o`` in words of ``width``, the lowest bits first."""
    words = -(-len(i.payload) // width)
    m.d.comb += o.valid.eq(i.valid)
    if words == 1:
        m.d.comb += [o.payload.eq(i.payload), i.ready.eq(o.ready)]
        return
    index = Signal(range(words))
    last = index == words - 1
    m.d.comb += i.ready.eq(o.ready & last)
    with m.Switch(index):
        for k in range(words):
            with m.Case(k):
                m.d.comb += o.payload.eq(i.payload[k * width : (k + 1) * width])
    with m.If(o.valid & o.ready):
        m.d.sync += index.eq(Mux(last, 0, index + 1))
