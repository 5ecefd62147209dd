"""Max pooling behind an unrolled layer: the spikes of a cell's positions ORed as they come, and cut into words."""

from typing import Any

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.circuit.unroll.words import cut


class CellWords(wiring.Component):
    """Spikes of one position at a time in, words of ``width`` of cells of ``repeats`` positions out.

    ``spikes``: ``neurons`` of a position; they are always taken.
    ``strobe``: there are ``spikes``.
    ``o``: ``ceil(neurons / width)`` words a cell, spike 0 in bit 0, unused bits of the last word 0; the first is
    offered a cycle after the last position of its cell came, or when those before have left.
    ``release``: the last word of a cell leaves: at most ``slots`` cells, 2 or more, may have begun to end.

    ``seen``, ``seen_count``: as :class:`~s2nn_hw.network.neurons.fire.FireUnit`'s, positions as they come.
    """

    def __init__(self, *, neurons: int, width: int, repeats: int, slots: int) -> None:
        self.neurons, self.width, self.repeats, self.slots = neurons, width, repeats, slots
        ports = {"strobe": In(1), "spikes": In(neurons), "o": Out(stream.Signature(width)), "release": Out(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        place, held = Signal(range(self.repeats)), Signal(self.neurons, reset_less=True)
        first, last = Signal(init=1), Signal(init=self.repeats == 1)
        cell = self.spikes | Mux(first, C(0, self.neurons), held)
        with m.If(self.strobe):
            m.d.sync += [
                held.eq(cell),
                place.eq(Mux(last, 0, place + 1)),
                first.eq(last),
                last.eq(place == self.repeats - 2 if self.repeats > 2 else ~last),
            ]
        m.submodules.cells = cells = Queue(width=self.neurons, depth=self.slots)
        m.d.comb += [
            cells.i.payload.eq(cell),
            cells.i.valid.eq(self.strobe & last),
            self.release.eq(cells.o.valid & cells.o.ready),
        ]
        cut(m, cells.o, self.o, self.width)
        seen = Signal(self.neurons)
        seen_count = Signal(24)
        with m.If(self.strobe):
            m.d.sync += [seen.eq(self.spikes), seen_count.eq(seen_count + 1)]
        return m
