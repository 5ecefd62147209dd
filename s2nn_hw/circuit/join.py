"""Where streams part and meet: fork, merge of words, OR of words."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.network.planes import Planes


class Fork(wiring.Component):
    """A word goes to all branches in the same cycle, when all are ready; no register, no delay.

    ``i``: words of ``width`` bits.
    ``o0``, ``o1``, ...: the same words, ``branches`` times.

    The only component whose ``valid`` looks at ``ready``: of the other branches, never of its own.
    """

    def __init__(self, *, width: int, branches: int) -> None:
        self.width, self.branches = width, branches
        super().__init__(
            {"i": In(stream.Signature(width))} | {f"o{k}": Out(stream.Signature(width)) for k in range(branches)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        branches = [getattr(self, f"o{k}") for k in range(self.branches)]
        for branch in branches:
            others = [other.ready for other in branches if other is not branch]
            m.d.comb += [branch.payload.eq(self.i.payload), branch.valid.eq(self.i.valid & Cat(others).all())]
        m.d.comb += self.i.ready.eq(Cat(branch.ready for branch in branches).all())
        return m


class Merge(wiring.Component):
    """Words of several sources in turn; no delay.

    ``i0``, ``i1``, ...: words of ``width`` bits, ``counts[k]`` in a row from ``ik``, round and round.
    ``o``: the words of all.
    """

    def __init__(self, *, width: int, counts: Iterable[int]) -> None:
        self.width, self.counts = width, tuple(counts)
        super().__init__(
            {"o": Out(stream.Signature(width))}
            | {f"i{k}": In(stream.Signature(width)) for k in range(len(self.counts))}
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        sources = [getattr(self, f"i{k}") for k in range(len(self.counts))]
        turn = Signal(range(len(sources)))
        word = Signal(range(max(self.counts) + 1))
        # comparisons, as a table of constants would be unknown to a Verilog simulator until `turn` changes
        last = Cat((turn == k) & (word == count - 1) for k, count in enumerate(self.counts)).any()
        m.d.comb += [
            self.o.payload.eq(Array(source.payload for source in sources)[turn]),
            self.o.valid.eq(Array(source.valid for source in sources)[turn]),
        ]
        for k, source in enumerate(sources):
            m.d.comb += source.ready.eq(self.o.ready & (turn == k))
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += word.eq(Mux(last, 0, word + 1))
            with m.If(last):
                m.d.sync += turn.eq(Mux(turn == len(sources) - 1, 0, turn + 1))
        return m


class OrWords(wiring.Component):
    """The OR of every ``words`` words of ``taps`` segments of ``width`` values: max pooling, and the OR of sources.

    ``i``: words of ``taps * width`` values of ``planes``, segment 0 in the low bits.
    ``o``: a word of ``width`` values, offered one cycle after the last word came, which waits for the word before.

    Of numbers (code radix) the largest, which of single bits is their OR.
    """

    def __init__(self, *, width: int, words: int, taps: int = 1, planes: Planes | None = None) -> None:
        self.planes = planes or Planes()
        self.width, self.words, self.taps = width * self.planes.count, words, taps
        super().__init__({"i": In(stream.Signature(self.width * taps)), "o": Out(stream.Signature(self.width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        held, word = Signal(self.width), Signal(range(self.words + 1))
        last = word == self.words - 1
        joined: Value = held
        for tap in range(self.taps):
            joined = self._joined(m, tap, joined, self.i.payload[tap * self.width : (tap + 1) * self.width])
        m.d.comb += self.i.ready.eq(~last | ~self.o.valid | self.o.ready)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(Mux(last, 0, joined)), word.eq(Mux(last, 0, word + 1))]
            with m.If(last):
                m.d.sync += [self.o.payload.eq(joined), self.o.valid.eq(1)]
        return m

    def _joined(self, m: Module, tap: int, one: Value, other: Value) -> Value:
        """Return the OR of two words, or the larger of each of their numbers, with the signals of ``tap``."""
        bits = self.planes.count
        if bits == 1 or not self.planes.radix:
            return one | other
        # a signal: as an expression every tap would stand in the next one thrice for each of its numbers
        larger = Signal(self.width, name=f"larger{tap}")
        for k in range(0, self.width, bits):
            a, b = one[k : k + bits], other[k : k + bits]
            m.d.comb += larger[k : k + bits].eq(Mux(a > b, a, b))
        return larger
