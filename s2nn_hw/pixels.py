"""Pixels to spikes: a double frame buffer that hands out bit planes, most significant first.

    k-bit pixel ``x = sum over planes b of 2^b x_b``     pass 0 carries plane k-1, pass k-1 carries plane 0
"""

from amaranth.hdl import Array, Cat, Module, Signal, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out


class BitPlanes(wiring.Component):
    """Beats of ``width`` k-bit pixels in, words of ``width`` spikes out.

    ``i``: ``words`` beats a frame, pixel 0 in the low bits; pixels past ``pixels`` in the last beat are ignored.
    ``o``: ``planes`` passes of ``words`` words. The first pass follows the beats, so a word leaves three cycles
    after its beat came; the buffer holds two frames, so the next one enters while the planes of this one leave.
    ``begin``: high in the cycle in which the first beat of a frame is taken.
    """

    def __init__(self, *, pixels, planes, width):
        self.pixels, self.planes, self.width = pixels, planes, width
        self.words = -(-pixels // width)
        super().__init__({
            "i": In(stream.Signature(data.ArrayLayout(unsigned(planes), width))),
            "o": Out(stream.Signature(width)),
            "begin": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        index_bits = max(1, (self.words - 1).bit_length())
        buffer = memory.Memory(shape=self.width * self.planes, depth=2 << index_bits, init=[])
        m.submodules.buffer = buffer
        write, read = buffer.write_port(), buffer.read_port()

        # frame numbers modulo 4: the low bit is the half of the buffer, the difference is how many are in it
        frame_in = Signal(2)
        frame_out = Signal(2)
        index_in = Signal(index_bits)
        index_out = Signal(index_bits)
        last_in, last_out = index_in == self.words - 1, index_out == self.words - 1
        plane = Signal(range(max(2, self.planes)), init=self.planes - 1)

        spare = self.words * self.width - self.pixels
        beat = self.i.payload.as_value()
        kept = beat[: (self.width - spare) * self.planes]
        m.d.comb += [
            self.i.ready.eq((frame_in - frame_out)[:2] < 2),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(Cat(index_in, frame_in[0])),
            write.data.eq(beat),
            self.begin.eq(write.en & (index_in == 0)),
        ]
        with m.If(last_in):
            m.d.comb += write.data.eq(kept)
        with m.If(write.en):
            m.d.sync += index_in.eq(index_in + 1)
            with m.If(last_in):
                m.d.sync += [index_in.eq(0), frame_in.eq(frame_in + 1)]

        # two stages that move together: memory read, plane selection
        step = Signal()
        there = Signal()
        fetched = Signal()
        plane_fetched = Signal.like(plane)
        m.d.comb += [
            step.eq(~self.o.valid | self.o.ready),
            there.eq((frame_in != frame_out) | (index_out < index_in)),
            read.addr.eq(Cat(index_out, frame_out[0])),
            read.en.eq(step),
        ]
        pixels = data.View(self.i.payload.shape(), read.data)
        selected = Cat(Array(pixels[k])[plane_fetched] for k in range(self.width))
        with m.If(step):
            m.d.sync += [
                fetched.eq(there),
                plane_fetched.eq(plane),
                self.o.valid.eq(fetched),
                self.o.payload.eq(selected),
            ]
            with m.If(there):
                m.d.sync += index_out.eq(index_out + 1)
                with m.If(last_out):
                    m.d.sync += [index_out.eq(0), plane.eq(plane - 1)]
                    with m.If(plane == 0):
                        m.d.sync += [plane.eq(self.planes - 1), frame_out.eq(frame_out + 1)]
        return m
