"""Driving streams in Amaranth's simulator, with random stalls on both sides."""

import warnings

import numpy as np
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.sim import Simulator


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


def run_stream(component, beats, *, results, stall=0.0, seed=0, read=lambda payload: payload, sides=(), limit=200_000):
    """Send ``beats`` into ``component.i``; return ``[(read(payload), cycle)]`` of the first ``results`` beats of ``o``.

    ``stall``: the share of cycles in which source and sink each hold back. ``sides``: more testbenches.
    """
    source, sink = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2])
    cycle, got = [0], []

    async def clock(ctx):
        while True:
            await ctx.tick()
            cycle[0] += 1
            if cycle[0] > limit:
                raise TimeoutError(f"{len(got)} of {results} beats after {limit} cycles")

    async def send(ctx):
        for beat in beats:
            while stall and source.random() < stall:
                await ctx.tick()
            ctx.set(component.i.payload, beat)
            ctx.set(component.i.valid, 1)
            await ctx.tick().until(component.i.ready)
            ctx.set(component.i.valid, 0)

    async def receive(ctx):
        while len(got) < results:
            while stall and sink.random() < stall:
                await ctx.tick()
            ctx.set(component.o.ready, 1)
            (payload,) = await ctx.tick().sample(component.o.payload).until(component.o.valid)
            got.append((read(payload), cycle[0]))
            if stall:
                ctx.set(component.o.ready, 0)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator = Simulator(Clocked(component))
        simulator.add_clock(1e-8)
        simulator.add_testbench(clock, background=True)
        simulator.add_testbench(send, background=True)
        for side in sides:
            simulator.add_testbench(side, background=True)
        simulator.add_testbench(receive)
        simulator.run()
    return got


def pixel_beats(accelerator, pixels):
    """Return the beats of all frames as lists of pixel values, the last beat of each filled up with ones.

    What stands past the end of a frame must be ignored, so it is not zero here.
    """
    width, peak = accelerator.pixels_per_beat, accelerator.network.input.peak
    padded = np.full((len(pixels), accelerator.beats * width), peak, int)
    padded[:, : pixels.shape[1]] = pixels
    return [[int(v) for v in beat] for frame in padded for beat in frame.reshape(-1, width)]


def read_result(payload):
    return payload["class"], [int(s) for s in payload.scores], payload.cycles


def run_accelerator(accelerator, pixels, *, stall=0.0, seed=0):
    """Return ``(classes, scores, cycles)`` arrays of frames sent without a gap (or with stalls)."""
    got = run_stream(
        accelerator, pixel_beats(accelerator, pixels), results=len(pixels), stall=stall, seed=seed, read=read_result
    )
    classes, scores, cycles = zip(*(result for result, _ in got), strict=True)
    return np.array(classes), np.array(scores), np.array(cycles)
