"""The cocotb side: feeds frames to the harness, collects results and layer spikes, compares with the golden model.

Runs inside the simulator. The job comes as ``job.npz`` / ``job.json`` in the working folder and the outcome goes to
``outcome.npz`` / ``outcome.json`` there; ``runner.py`` writes the one and reads the other.
"""

import json
from pathlib import Path

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, Timer, ValueChange
from cocotb.types import LogicArray


class Results:
    """What the circuit answered, in order."""

    def __init__(self, dut, job):
        self.dut, self.job = dut, job
        self.payloads = []
        self.spikes = {name: [] for name in job["probes"]}

    async def collect(self):
        while True:
            await ValueChange(self.dut.results_given)
            await ReadOnly()  # the other registers of this cycle may change after this one
            if self.dut.rst.value == 0:
                self.payloads.append(_number(self.dut.result.value))

    async def probe(self, name):
        """Collect every capture of layer ``name``; there may be one in each cycle."""
        unit = getattr(self.dut.accelerator, f"neurons_{name}")
        seen, changed, captures = unit.seen, ValueChange(unit.seen_count), self.spikes[name]
        settle = ReadOnly() if self.job["settle"] else None
        while True:
            await changed
            if settle:
                await settle
            captures.append(_number(seen.value))


def _number(value):
    return value.to_unsigned() if isinstance(value, LogicArray) else int(value)


async def reset(dut):
    """Hold the reset for four cycles; the counters of the harness restart with it."""
    dut.rst.value = 1
    dut.frame_valid.value = 0
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0


async def feed(dut, frames):
    """Hand over ``frames`` (integers), one behind the other."""
    for frame in frames:
        dut.frame.value = frame
        dut.frame_valid.value = 1
        await ValueChange(dut.frames_taken)
    dut.frame_valid.value = 0


def read_frames(arrays):
    """Return the frames as integers, from little-endian bytes ``(frames, bytes)``."""
    return [int.from_bytes(row.tobytes(), "little") for row in arrays["frames"]]


@cocotb.test()
async def run_job(dut):
    """Send the job's frames in sequences; write down results, spikes and what happened."""
    job = json.loads(Path("job.json").read_text())
    frames = read_frames(np.load("job.npz"))
    dut.stall_in.value, dut.stall_out.value = job["stall_in"], job["stall_out"]
    dut.frame.value, dut.frame_valid.value, dut.rst.value = 0, 0, 1
    Clock(dut.clk, 10, unit="ns").start()
    await reset(dut)

    results = Results(dut, job)
    cocotb.start_soon(results.collect())
    for name in job["probes"]:
        cocotb.start_soon(results.probe(name))

    for cut in job["resets"]:  # disturb: a few frames, then a reset somewhere inside them
        feeder = cocotb.start_soon(feed(dut, frames[:4]))
        await ClockCycles(dut.clk, cut)
        feeder.cancel()
        await reset(dut)
        results.payloads.clear()
        for spikes in results.spikes.values():
            spikes.clear()

    length, progress, reported = job["length"], Path("progress"), 0
    await Timer(job["drain_ns"], unit="ns")  # what can be done ahead of the first frame is done
    for begin in range(0, len(frames), length):
        await FallingEdge(dut.clk)  # time has passed since an edge: not in the same instant as the next one
        cocotb.start_soon(feed(dut, frames[begin : begin + length]))
        wanted = begin + len(frames[begin : begin + length])
        quiet = 0
        while len(results.payloads) < wanted:
            before = len(results.payloads)
            await Timer(job["slice_ns"], unit="ns")
            quiet = 0 if len(results.payloads) > before else quiet + 1
            if quiet > job["patience"]:
                break
            if len(results.payloads) - reported >= job["report_every"]:
                reported = len(results.payloads)
                progress.write_text(str(reported))
        if len(results.payloads) != wanted:
            break
        await Timer(job["drain_ns"], unit="ns")  # rows that no result needs may still be computed
    width = -(-job["result_bits"] // 8)
    packed = b"".join(payload.to_bytes(width, "little") for payload in results.payloads)
    arrays = {"results": np.frombuffer(packed, np.uint8).reshape(-1, width)}
    for name, lanes in job["probes"].items():
        size = -(-lanes // 8)
        rows = b"".join(value.to_bytes(size, "little") for value in results.spikes[name])
        arrays[f"spikes_{name}"] = np.frombuffer(rows, np.uint8).reshape(-1, size)
    np.savez("outcome.npz", **arrays)
