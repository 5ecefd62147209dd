"""Bit planes, spike words, argmax: each part alone against a line of numpy."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from streams import run_stream

from s2nn_hw.neurons import FireUnit, ReadoutUnit
from s2nn_hw.pixels import BitPlanes


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("pixels", "planes", "width"), [(1, 1, 1), (5, 1, 4), (8, 2, 4), (13, 4, 8), (9, 8, 2)])
def test_bit_planes(pixels, planes, width, stall):
    rng = np.random.default_rng(pixels)
    frames = rng.integers(0, 2**planes, (7, pixels))
    count = -(-pixels // width)
    sent = np.full((len(frames), count * width), 2**planes - 1)  # past the end: ignored
    sent[:, :pixels] = frames
    kept = np.zeros_like(sent)
    kept[:, :pixels] = frames
    wanted = [
        int("".join(map(str, word[::-1])), 2)
        for frame in kept
        for plane in reversed(range(planes))
        for word in (frame >> plane & 1).reshape(count, width)
    ]
    beats = [[int(v) for v in beat] for frame in sent for beat in frame.reshape(count, width)]
    got = run_stream(BitPlanes(pixels=pixels, planes=planes, width=width), beats, results=len(wanted), stall=stall)
    assert [word for word, _ in got] == wanted
    if not stall:
        assert got[0][1] == 1 + 3  # taken in cycle 0, offered three cycles later, counted after the edge


class Held(wiring.Component):
    """A unit whose capture comes from a stream."""

    def __init__(self, unit, values):
        self.unit, self.values = unit, values
        super().__init__({"i": In(stream.Signature(values.shape())), "o": Out(unit.o.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = self.unit
        connect(m, self.unit.o, flipped(self.o))
        busy = Signal()
        m.d.comb += self.i.ready.eq(~busy)
        m.d.sync += busy.eq((busy & ~self.unit.release) | self.unit.capture)
        m.d.comb += [self.values.eq(self.i.payload), self.unit.capture.eq(self.i.valid & self.i.ready)]
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("neurons", "width"), [(1, 1), (7, 4), (16, 16), (33, 8)])
def test_fire_unit_sends_words(neurons, width, stall):
    rng = np.random.default_rng(neurons)
    frames = rng.integers(0, 2, (6, neurons))
    unit = FireUnit(neurons=neurons, width=width)
    values = [int("".join(map(str, f[::-1])), 2) for f in frames]
    wanted = [v >> (k * width) & (2**width - 1) for v in values for k in range(unit.words)]
    got = run_stream(Held(unit, unit.fired), values, results=len(wanted), stall=stall)
    assert [word for word, _ in got] == wanted


@pytest.mark.parametrize("classes", [1, 2, 3, 10, 17])
def test_argmax_ties_go_to_the_lowest_class(classes):
    rng = np.random.default_rng(classes)
    frames = rng.integers(-3, 3, (20, classes))
    frames[0], frames[1] = -4, 3
    unit = ReadoutUnit(classes=classes, score_width=3)
    got = run_stream(
        Held(unit, unit.values), [[int(v) for v in f] for f in frames], results=len(frames), stall=0.2,
        read=lambda payload: (payload["class"], [int(s) for s in payload.scores]),
    )
    assert [result for result, _ in got] == [(int(np.argmax(f)), f.tolist()) for f in frames]
