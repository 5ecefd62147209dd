"""Frames per second of the generated Verilog in Verilator under cocotb, against Amaranth's own simulator."""

import tempfile
import time
from typing import Any

import numpy as np
from amaranth.hdl import Module
from amaranth.sim import Simulator

from benchmarks.frame import Row, Setting
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.emit import pack_beats
from s2nn_hw.network.network import Network

TITLE = "RTL simulation, frames back to back, one process"
FRAMES, PEER_FRAMES = 1000, 3


def run(setting: Setting) -> list[Row]:
    """Return the rows."""
    from s2nn_hw.sim.verilog.runner import Manner, Simulation

    network = setting.network
    start = time.perf_counter()
    simulation = Simulation(network, optimise=True, folder=setting.output.parent / "sim")
    build = time.perf_counter() - start
    pixels = network.encode(setting.images[:FRAMES])
    with tempfile.TemporaryDirectory(prefix="s2nn-bench-") as work:
        start = time.perf_counter()
        outcome = simulation.run(pixels, Manner(len(pixels), probe=False), work=work)
        seconds = time.perf_counter() - start
    expected = network.forward(setting.images[:FRAMES])
    wrong = int((outcome.classes != expected.classes).sum())
    start = time.perf_counter()
    classes, cycles = amaranth_frames(network, pixels[:PEER_FRAMES])
    peer = PEER_FRAMES / (time.perf_counter() - start)
    wrong += int((classes != expected.classes[:PEER_FRAMES]).sum())
    rate = len(pixels) / seconds
    return [
        Row("Verilator + cocotb", rate, "frames/s", peer, "Amaranth's Python simulator", "higher"),
        Row("Amaranth's Python simulator", peer, "frames/s"),
        Row("cycles simulated there", cycles, "cycles"),
        Row("wrong classes in either", wrong, "frames", 0, "golden model", binding=True),
        Row("compiling the circuit (kept)", build, "s"),
        Row("10,000 frames take", 10_000 / rate, "s", 600, "ten minutes", binding=True),
    ]


def amaranth_frames(network: Network, pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Return ``(classes, cycles)`` of ``pixels`` sent without a gap through Amaranth's simulator."""
    accelerator = Accelerator(network)
    top, cycle = Module(), [0]
    classes: list[int] = []
    top.submodules.accelerator = accelerator
    beats = [beat for frame in pixels for beat in pack_beats(accelerator, frame)]
    layout = accelerator.i.payload.shape()

    async def send(ctx: Any) -> None:
        ctx.set(accelerator.i.valid, 1)
        for beat in beats:
            ctx.set(accelerator.i.payload, layout.from_bits(beat))
            await ctx.tick().until(accelerator.i.ready)
        ctx.set(accelerator.i.valid, 0)

    async def receive(ctx: Any) -> None:
        ctx.set(accelerator.o.ready, 1)
        while len(classes) < len(pixels):
            if ctx.get(accelerator.o.valid):
                classes.append(ctx.get(accelerator.o.payload["class"]))
            await ctx.tick()
            cycle[0] += 1

    simulator = Simulator(top)
    simulator.add_clock(1e-8)
    simulator.add_testbench(send, background=True)
    simulator.add_testbench(receive)
    simulator.run()
    return np.array(classes), cycle[0]
