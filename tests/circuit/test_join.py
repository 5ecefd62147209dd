"""Fork, merge and OR of words, each alone, with stalls."""

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from s2nn_hw.circuit.join import Fork, Merge, OrWords
from s2nn_hw.network.planes import Planes
from tests.support.streams import run_stream


class Parted(wiring.Component):
    """A fork whose branches are merged again behind registers: word by word from each."""

    def __init__(self, width, branches):
        self.width, self.branches = width, branches
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fork = fork = Fork(width=self.width, branches=self.branches)
        m.submodules.merge = merge = Merge(width=self.width, counts=[1] * self.branches)
        connect(m, flipped(self.i), fork.i)
        connect(m, merge.o, flipped(self.o))
        for k in range(self.branches):
            held = OrWords(width=self.width, words=1)  # a register, as a stream
            m.submodules[f"held{k}"] = held
            connect(m, getattr(fork, f"o{k}"), held.i)
            connect(m, held.o, getattr(merge, f"i{k}"))
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("branches", [1, 2, 5])
def test_every_branch_gets_every_word_once(branches, stall):
    words = np.random.default_rng(branches).integers(0, 64, 30).tolist()
    got = run_stream(Parted(6, branches), words, results=30 * branches, stall=stall)
    assert [word for word, _ in got] == np.repeat(words, branches).tolist()


class Merged(wiring.Component):
    """Words whose lowest bits say which source they are for."""

    def __init__(self, counts):
        self.counts = counts
        super().__init__({"i": In(stream.Signature(16)), "o": Out(stream.Signature(16))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.merge = merge = Merge(width=16, counts=self.counts)
        connect(m, merge.o, flipped(self.o))
        for k in range(len(self.counts)):
            port = getattr(merge, f"i{k}")
            mine = self.i.payload[:2] == k
            m.d.comb += [port.payload.eq(self.i.payload), port.valid.eq(self.i.valid & mine)]
            with m.If(mine):
                m.d.comb += self.i.ready.eq(port.ready)
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("counts", [(1,), (3, 1), (2, 2, 5), (9, 1, 1)])
def test_merge_takes_turns(counts, stall):
    turns = [k for _ in range(6) for k, count in enumerate(counts) for _ in range(count)]
    words = [n << 2 | k for n, k in enumerate(turns)]
    got = run_stream(Merged(counts), words, results=len(words), stall=stall)
    assert [word for word, _ in got] == words
    if not stall:
        assert got[-1][1] - got[0][1] == len(words) - 1


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("words", "taps", "width"), [(1, 1, 1), (1, 4, 3), (3, 1, 5), (9, 2, 4)])
def test_or_of_words(words, taps, width, stall):
    rng = np.random.default_rng(words)
    bits = rng.random((12, words, taps, width)) < 0.2
    numbers = (bits.reshape(-1, taps * width) @ (1 << np.arange(taps * width))).tolist()
    wanted = (bits.any(axis=(1, 2)) @ (1 << np.arange(width))).tolist()
    got = run_stream(OrWords(width=width, words=words, taps=taps), numbers, results=12, stall=stall)
    assert [word for word, _ in got] == wanted
    if not stall:
        assert np.diff([cycle for _, cycle in got]).tolist() == [words] * 11


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("words", "taps", "width", "bits"), [(1, 1, 1, 2), (2, 4, 3, 4), (1, 9, 8, 3)])
def test_the_largest_of_numbers(words, taps, width, bits, stall):
    """The last has so many that an expression which repeats what it compares would never be built."""
    values = np.random.default_rng(taps).integers(0, 1 << bits, (12, words, taps, width))
    shifts = bits * np.arange(taps * width)
    numbers = [
        sum(int(v) << int(s) for v, s in zip(row, shifts, strict=True)) for row in values.reshape(-1, taps * width)
    ]
    component = OrWords(width=width, words=words, taps=taps, planes=Planes(bits))
    got = run_stream(component, numbers, results=12, stall=stall)
    assert [word for word, _ in got] == (values.max(axis=(1, 2)) @ (1 << shifts[:width])).tolist()
