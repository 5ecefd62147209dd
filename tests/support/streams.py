"""Driving streams in Amaranth's simulator, with random stalls on both sides."""

from functools import lru_cache

import numpy as np
from amaranth.hdl import Elaboratable, Module, Mux, Shape, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.emit import place_pixels
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.trace import layer_inputs
from tests.support.replay import Replay


class Clocked(Elaboratable):
    """``inner`` and one register: the simulator refuses a clock for a design without any."""

    def __init__(self, inner):
        self.inner = inner

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        tick = Signal()
        m.d.sync += tick.eq(~tick)
        return m


@lru_cache(maxsize=1)  # of the component that ran last
def bench_of(component, testbenches):
    return Replay(Clocked(component), testbenches=testbenches)


def run_stream(
    component, beats, *, results, stall=0.0, seed=0, read=lambda payload: payload, sides=(), limit=200_000, idle=0
):
    """Send ``beats`` into ``component.i``; return ``[(read(payload), cycle)]`` of the first ``results`` beats of ``o``.

    ``stall``: the share of cycles in which source and sink each hold back; ``idle``: cycles before the first beat.
    ``sides``: more testbenches.
    """
    source, sink = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    cycle, got = 0, []

    async def clock(ctx):
        nonlocal cycle
        while True:
            await ctx.tick()
            cycle += 1

    async def send(ctx):
        for _ in range(idle):
            await ctx.tick()
        for beat in beats:
            while stall and source.random() < stall:
                await ctx.tick()
            ctx.set(component.i.payload, beat)
            ctx.set(component.i.valid, 1)
            ready = False
            while not ready:
                _, _, ready = await ctx.tick().sample(component.i.ready)
            ctx.set(component.i.valid, 0)

    async def receive(ctx):
        while len(got) < results:
            while stall and sink.random() < stall:
                await ctx.tick()
            ctx.set(component.o.ready, 1)
            valid = False
            while not valid:
                _, _, valid, payload = await ctx.tick().sample(component.o.valid, component.o.payload)
                if cycle > limit:
                    raise TimeoutError(f"{len(got)} of {results} beats after {limit} cycles")
            got.append((read(payload), cycle))
            if stall:
                ctx.set(component.o.ready, 0)

    parts = (clock, send, *sides, receive)
    bench_of(component, len(parts)).run(*parts)
    return got


def pixel_beats(design, pixels):
    """Return the beats of all frames as lists of pixel values, places without a pixel filled with ones.

    What stands there must be ignored, so it is not zero here.
    """
    return (
        place_pixels(design, pixels, ignored=design.network.input.pattern).reshape(-1, design.pixels_per_beat).tolist()
    )


def word_numbers(words):
    """Return the words of bits ``(..., width)`` as a flat list of integers, bit 0 first."""
    return [int("".join(map(str, word[::-1])), 2) for word in np.asarray(words).reshape(-1, words.shape[-1]).tolist()]


class Captured(wiring.Component):
    """An engine, and behind it a queue of the sums that it captures; a cell is released with its last one."""

    def __init__(self, engine):
        self.engine = engine
        super().__init__(
            {
                "i": In(engine.i.signature.flip()),
                "o": Out(stream.Signature(data.StructLayout({"sums": engine.accumulators.shape()}))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = self.engine
        cell = engine.params.groups * engine.params.repeats
        m.submodules.queue = queue = fifo.SyncFIFO(
            width=Shape.cast(engine.accumulators.shape()).width, depth=cell * (engine.params.slots + 1)
        )
        wiring.connect(m, wiring.flipped(self.i), engine.i)
        given = Signal(range(cell + 1))
        taken = self.o.valid & self.o.ready
        m.d.comb += [
            queue.w_data.eq(engine.accumulators.as_value()),
            queue.w_en.eq(engine.capture),
            queue.r_en.eq(taken),
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.as_value().eq(queue.r_data),
            engine.release.eq(taken & (given == cell - 1)),
        ]
        with m.If(taken):
            m.d.sync += given.eq(Mux(given == cell - 1, 0, given + 1))
        return m


def run_engine(engine, values, *, stall=0.0, seed=0):
    """Return the sums ``(passes, lanes)`` of ``values`` ``(passes, words, width)``, a pass having all its planes."""
    params = engine.params
    words = np.moveaxis(params.planes_of(values), 0, 1)  # (passes, planes, words, width)
    got = run_stream(
        Captured(engine),
        word_numbers(words),
        results=len(values),
        stall=stall,
        seed=seed,
        read=lambda payload: [payload.sums[f"n{k}"] for k in range(params.lanes)],
    )
    return np.array([sums for sums, _ in got])


def golden_sums(params, values):
    """Return what :func:`run_engine` must return, in plain integers."""
    group = np.arange(len(values)) % params.groups
    weights = params.weights.astype(np.int64)[:, :, params.word_rows]
    return np.einsum("pwk,pmwk->pm", values.astype(np.int64), weights[group]) + params.offsets[group]


def read_result(payload):
    return payload["class"], [int(s) for s in payload.scores], payload.cycles


def run_accelerator(accelerator, pixels, *, stall=0.0, seed=0, limit=200_000):
    """Return ``(classes, scores, cycles)`` arrays of frames sent without a gap (or with stalls)."""
    got = run_stream(
        accelerator,
        pixel_beats(accelerator, pixels),
        results=len(pixels),
        stall=stall,
        seed=seed,
        read=read_result,
        limit=limit,
        idle=accelerator.timing.settle,
    )
    classes, scores, cycles = zip(*(result for result, _ in got), strict=True)
    return np.array(classes), np.array(scores), np.array(cycles)


def check_accelerator(accelerator, images, *, stall=0.0, seed=0):
    """Send ``images`` without a gap: scores and classes must be the golden model's, cycles the cycle model's.

    With stalls the cycles are left out. Returns the cycles of the frames.
    """
    output, values = layer_inputs(accelerator.network, images)
    classes, scores, cycles = run_accelerator(accelerator, values[INPUT], stall=stall, seed=seed)
    assert (scores == output.scores).all()
    assert (classes == output.classes).all()
    if not stall:
        timing = accelerator.timing
        assert cycles.tolist() == timing.schedule(timing.ones(values), length=len(images)).cycles[0].tolist()
    return cycles
