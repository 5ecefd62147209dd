"""Queues of words: one whose two ends are registers, nothing combinational from one side to the other, and a smaller
one that is nothing but a memory."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out


class Queue(wiring.Component):
    """First in, first out; ``depth`` words (2 or more) of ``width`` bits.

    ``i``: taken while fewer than ``depth`` words are inside; ``i.ready`` is a register.
    ``o``: a word is offered one cycle after it was taken, or one after the word before it left; registers.
    ``free``: the head may change at the end of this cycle.
    ``coming``: the head of the next cycle, if ``free`` is high in this one and something comes; else the head stays.
    ``stored``: there is a word in the memory: ``coming`` is ``waiting``.
    ``waiting``: the oldest word in the memory.
    ``pushed``: the word at ``i`` is taken: it is ``coming`` if none is ``stored``.

    The word at the head lies in a register, the others in a small memory that is read without a clock.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__(
            {
                "i": In(stream.Signature(width)),
                "o": Out(stream.Signature(width)),
                "coming": Out(width),
                "free": Out(1),
                "stored": Out(1),
                "pushed": Out(1),
                "waiting": Out(width),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        ready, stored = Signal(init=1), self.stored  # room in the memory; words in it
        head, valid = Signal(self.width, reset_less=True), Signal()
        level = Signal(range(self.depth))  # words in the memory
        free, write, read = self.free, Signal(), Signal()
        pushed, waiting = self.pushed, self.waiting
        m.d.comb += [
            waiting.eq(self._memory(m, pushed, write, read)),
            self.i.ready.eq(ready),
            self.o.valid.eq(valid),
            self.o.payload.eq(head),
            free.eq(~valid | self.o.ready),
            self.coming.eq(Mux(stored, waiting, self.i.payload)),
            pushed.eq(self.i.valid & ready),
            write.eq(pushed & (stored | ~free)),
            read.eq(free & stored),
        ]
        with m.If(free):
            m.d.sync += [valid.eq(stored | pushed), head.eq(self.coming)]
        with m.If(write & ~read):
            m.d.sync += [level.eq(level + 1), stored.eq(1), ready.eq(level != self.depth - 2)]
        with m.Elif(read & ~write):
            m.d.sync += [level.eq(level - 1), stored.eq(level != 1), ready.eq(1)]
        return m

    def _memory(self, m: Module, pushed: Value, write: Signal, read: Signal) -> Value:
        """Add the memory; return the oldest word in it. Rows are a power of two, so its pointers wrap by themselves.

        A word is written whenever one comes, and counts only where ``write`` is high: the later of the two.
        """
        if self.depth == 2:
            row = Signal(self.width, name="row", reset_less=True)
            with m.If(pushed):
                m.d.sync += row.eq(self.i.payload)
            return row
        bits = (self.depth - 2).bit_length()
        m.submodules.memory = rows = memory.Memory(shape=self.width, depth=1 << bits, init=[])
        write_port, read_port = rows.write_port(), rows.read_port(domain="comb")
        m.d.comb += [write_port.en.eq(pushed), write_port.data.eq(self.i.payload)]
        for port, step, name in ((write_port, write, "produce"), (read_port, read, "consume")):
            pointer = Signal(bits, name=name)
            m.d.comb += port.addr.eq(pointer)
            with m.If(step):
                m.d.sync += pointer.eq(pointer + 1)
        return read_port.data


class MemoryQueue(wiring.Component):
    """First in, first out, ``depth`` words (2 or more) of ``width`` bits; who fills it sees to it that no more come.

    ``i``: taken in every cycle.
    ``o``: a word is offered one cycle after it was taken, or one after the word before it left. It is read from the
    memory without a clock: no register, and no way around the memory, hence half the look-up tables of :class:`Queue`.
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self.width, self.depth = width, depth
        super().__init__({"i": In(stream.Signature(width, always_ready=True)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        bits = self.depth.bit_length()  # rows are more than words, so that pointers are equal where there is none
        m.submodules.memory = rows = memory.Memory(shape=self.width, depth=1 << bits, init=[])
        write_port, read_port = rows.write_port(), rows.read_port(domain="comb")
        produce, consume = Signal(bits), Signal(bits)
        m.d.comb += [
            write_port.en.eq(self.i.valid),
            write_port.data.eq(self.i.payload),
            write_port.addr.eq(produce),
            read_port.addr.eq(consume),
            self.o.payload.eq(read_port.data),
            self.o.valid.eq(produce != consume),
        ]
        with m.If(self.i.valid):
            m.d.sync += produce.eq(produce + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += consume.eq(consume + 1)
        return m
