"""The event engine alone: accumulators, row contents, widths."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from streams import run_stream

from s2nn_hw.engines.event import EventEngine, EventParams
from s2nn_hw.errors import UserError


class Kept(wiring.Component):
    """An engine with a register behind the accumulators, as a stream."""

    def __init__(self, params):
        self.engine = EventEngine(params)
        super().__init__({
            "i": In(stream.Signature(params.width)),
            "o": Out(stream.Signature(data.StructLayout({"sums": self.engine.layout}))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = self.engine
        connect(m, flipped(self.i), self.engine.i)
        m.d.comb += self.engine.release.eq(self.o.valid & self.o.ready)
        with m.If(self.engine.release):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.engine.capture):
            m.d.sync += [self.o.valid.eq(1), self.o.payload.as_value().eq(Cat(self.engine.accumulators.as_value()))]
        return m


def words(params, frames):
    padded = np.zeros((len(frames), params.words * params.width), int)
    padded[:, : params.inputs] = frames
    for frame in padded:
        for plane in reversed(range(params.planes)):
            for word in (frame >> plane & 1).reshape(params.words, params.width):
                yield int("".join(map(str, word[::-1])), 2)


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("neurons", "inputs"), [(1, 1), (3, 4), (5, 32), (13, 17)])
@pytest.mark.parametrize(("planes", "banks", "bits"), [(1, 1, 1), (2, 2, 4), (4, 4, 2), (8, 1, 8)])
def test_sums(neurons, inputs, planes, banks, bits, stall):
    rng = np.random.default_rng(neurons + planes)
    limit = 1 if bits == 1 else 2 ** (bits - 1) - 1
    shape = (neurons, inputs)
    weights = rng.choice([-1, 1], shape) if bits == 1 else rng.integers(-limit, limit + 1, shape)
    offsets = rng.integers(-50, 50, neurons)
    params = EventParams(weights.astype(np.int8), bits, offsets, planes=planes, banks=banks, width=4 * banks, depth=3)
    frames = rng.integers(0, 2**planes, (6, inputs))
    frames[1], frames[2] = 0, 2**planes - 1
    got = run_stream(
        Kept(params), words(params, frames), results=len(frames), stall=stall,
        read=lambda payload: [payload.sums[f"n{k}"] for k in range(neurons)],
    )
    assert [sums for sums, _ in got] == (frames @ weights.T + offsets).tolist()


@pytest.mark.parametrize("planes", [1, 2, 4, 8])
def test_accumulators_are_as_wide_as_the_extremes_need_and_no_wider(planes):
    weights = np.array([[7, 7, -7], [1, 0, 0], [-7, -7, -7], [0, 0, 0]], np.int8)
    offsets = np.array([3, -1, 0, -(2**planes)])
    params = EventParams(weights, 4, offsets, planes=planes, width=4)
    peak = 2**planes - 1
    low = offsets + peak * weights.clip(max=0).sum(axis=1)
    high = offsets + peak * weights.clip(min=0).sum(axis=1)
    for width, a, b in zip(params.accumulator_widths(), low, high, strict=True):
        assert -(2 ** (width - 1)) <= a
        assert b < 2 ** (width - 1)
        assert width <= max(int(abs(a)), int(abs(b)), 1).bit_length() + 1


def test_rows_end_with_zeros_and_hold_every_weight():
    rng = np.random.default_rng(1)
    weights = rng.integers(-7, 8, (5, 21)).astype(np.int8)
    params = EventParams(weights, 4, np.zeros(5, int), banks=2, width=8)
    banks = params.row_contents()
    assert [len(rows) for rows in banks] == [params.rows] * 2
    assert all(rows[-1] == 0 for rows in banks)
    for neuron, source in np.ndindex(weights.shape):
        word, position = divmod(source, 8)
        row = banks[position % 2][word * 4 + position // 2]
        assert row >> (4 * neuron) & 15 == int(weights[neuron, source]) & 15


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"banks": 3}, "banks must be a power of two, not 3"),
        ({"banks": 2, "width": 7}, "width must be a power of two times the 2 banks, not 7"),
        ({"depth": 1}, "depth must be an integer from 2 to 1024, not 1"),
        ({"banks": "2"}, "banks must be an integer from 1 to 64, not '2'"),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(UserError, match=text):
        EventParams(np.ones((1, 1), np.int8), 2, np.zeros(1, int), **options)
