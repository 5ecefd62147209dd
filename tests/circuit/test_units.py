"""Spike words, argmax: each part alone against a line of numpy."""

import numpy as np
import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from s2nn_hw.network.neurons.fire import FireUnit
from s2nn_hw.network.neurons.readout import ReadoutUnit
from tests.support.streams import run_stream, word_numbers


class Held(wiring.Component):
    """A unit whose captures come from a stream, as many at once as it has room for; a cell is ``captures`` of them."""

    def __init__(self, unit, values, captures=1, slots=1):
        self.unit, self.values, self.captures, self.slots = unit, values, captures, slots
        super().__init__({"i": In(stream.Signature(values.shape())), "o": Out(unit.o.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        connect(m, self.unit.o, flipped(self.o))
        room = Signal(range(self.slots + 1), init=self.slots)
        count = Signal(range(self.captures + 1))
        last = count == self.captures - 1
        m.d.comb += self.i.ready.eq((room != 0) | ~last)
        with m.If(self.unit.capture):
            m.d.sync += count.eq(Mux(last, 0, count + 1))
        m.d.sync += room.eq(room - (self.unit.capture & last) + self.unit.release)
        m.d.comb += [self.values.eq(self.i.payload), self.unit.capture.eq(self.i.valid & self.i.ready)]
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(
    ("neurons", "width", "groups", "repeats", "slots"),
    [
        (1, 1, 1, 1, 1),
        (7, 4, 1, 1, 1),
        (16, 16, 1, 1, 4),
        (33, 8, 1, 1, 2),
        (7, 4, 3, 1, 1),
        (12, 8, 4, 4, 1),
        (5, 2, 1, 9, 3),
        (11, 16, 2, 2, 2),
    ],
)
def test_fire_unit_sends_words(neurons, width, groups, repeats, slots, stall):
    """Groups side by side without the spare lanes of the last, the positions of a cell ORed."""
    rng = np.random.default_rng(neurons)
    lanes = -(-neurons // groups)
    unit = FireUnit(neurons=neurons, width=width, lanes=lanes, groups=groups, repeats=repeats, slots=slots)
    fired = rng.integers(0, 2, (8, repeats, groups, lanes)) * (rng.random((8, repeats, 1, 1)) < 0.6)
    cells = fired.reshape(8, repeats, -1)[:, :, :neurons].max(axis=1)
    padded = np.pad(cells, ((0, 0), (0, unit.words * width - neurons)))
    held = Held(unit, unit.fired, groups * repeats, slots)
    wanted = word_numbers(padded.reshape(-1, width))
    got = run_stream(held, word_numbers(fired), results=len(wanted), stall=stall)
    assert [word for word, _ in got] == wanted
    if not stall and slots >= 4 and unit.words == 1:
        assert np.diff([cycle for _, cycle in got]).tolist() == [1] * 7


@pytest.mark.parametrize("groups", [2, 3])
def test_readout_of_several_groups(groups):
    rng = np.random.default_rng(groups)
    lanes = -(-5 // groups)
    values = rng.integers(-4, 4, (10, groups, lanes))
    unit = ReadoutUnit(classes=5, score_width=3, lanes=lanes, groups=groups)
    got = run_stream(
        Held(unit, unit.values, groups),
        values.reshape(-1, lanes).tolist(),
        results=10,
        stall=0.3,
        read=lambda payload: (payload["class"], [int(s) for s in payload.scores]),
    )
    scores = values.reshape(10, -1)[:, :5]
    assert [result for result, _ in got] == [(int(np.argmax(f)), f.tolist()) for f in scores]


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 17])
def test_argmax_ties_go_to_the_lowest_class(classes):
    rng = np.random.default_rng(classes)
    frames = rng.integers(-3, 3, (20, classes))
    frames[0], frames[1] = -4, 3
    unit = ReadoutUnit(classes=classes, score_width=3)
    got = run_stream(
        Held(unit, unit.values),
        [[int(v) for v in f] for f in frames],
        results=len(frames),
        stall=0.2,
        read=lambda payload: (payload["class"], [int(s) for s in payload.scores]),
    )
    assert [result for result, _ in got] == [(int(np.argmax(f)), f.tolist()) for f in frames]
