"""Results that were found good, as packets of 32-bit words."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.ip.shape import WORD_BYTES, Shape


def selected(shape: Shape) -> data.StructLayout:
    """Return the layout of what of a result is sent, :data:`~s2nn_hw.ip.shape.CONTENT` in order."""
    fields = dict(iter(shape.design.result_layout))
    return data.StructLayout({part: fields[part].shape for part in shape.options.content})


class Replies(wiring.Component):
    """Sends each result whose frame was good, drops the others.

    ``i``: results, laid out as :func:`selected` says.
    ``verdict``: one a result, in the same order: 1 where it is sent.
    ``o``: transfers with ``last``, registers; the first one cycle after result and verdict were there, a whole result
    every :attr:`Shape.result_transfers` cycles.
    ``stop``: no further result is taken.
    ``sent``: high in a cycle in which the last transfer of a result passes.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.layout = selected(shape)
        transfer = data.StructLayout({"data": 8 * shape.output_bytes, "last": 1})
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "verdict": In(stream.Signature(1)),
                "o": Out(stream.Signature(transfer)),
                "stop": In(1),
                "sent": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        shape, width = self.shape, 8 * self.shape.output_bytes
        held, valid, free, both = Signal(self.layout, reset_less=True), Signal(), Signal(), Signal()
        last = Signal(init=shape.result_transfers == 1)
        m.d.comb += [
            free.eq(~valid | self.sent),
            both.eq(self.i.valid & self.verdict.valid & free & ~self.stop),
            self.i.ready.eq(both),
            self.verdict.ready.eq(both),
            self.o.valid.eq(valid),
            self.o.payload.last.eq(last),
            self.sent.eq(valid & self.o.ready & last),
        ]
        with m.If(free):
            m.d.sync += valid.eq(both & self.verdict.payload)
        with m.If(both):
            m.d.sync += held.eq(self.i.payload)
        words = self._words(m, held)
        if shape.result_transfers == 1:
            m.d.comb += self.o.payload.data.eq(words)
            return m
        place = Signal(range(shape.result_transfers))
        m.d.comb += self.o.payload.data.eq(words.word_select(place, width))
        with m.If(valid & self.o.ready):
            m.d.sync += [place.eq(Mux(last, 0, place + 1)), last.eq(place == shape.result_transfers - 2)]
        return m

    def _words(self, m: Module, held: Any) -> Signal:
        """Return all transfers of the result ``held`` side by side: words of 32 bits, signed ones extended."""
        bits = 8 * WORD_BYTES
        words: list[Signal] = []
        for part in self.shape.options.content:
            fields = held[part] if part == "scores" else [held[part]]
            for k in range(len(self.shape.design.network.classes) if part == "scores" else 1):
                word = Signal(signed(bits) if part == "scores" else bits, name=f"{part}_{k}")
                m.d.comb += word.eq(fields[k])
                words.append(word)
        whole = Signal(8 * self.shape.output_bytes * self.shape.result_transfers)
        m.d.comb += whole.eq(Cat(*words))
        return whole
