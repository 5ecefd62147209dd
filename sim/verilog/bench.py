"""The cocotb side: feeds frames to the harness, collects results and layer spikes, compares with the golden model.

Runs inside the simulator. The job comes as ``job.npz`` / ``job.json`` in the working folder and the outcome goes to
``outcome.npz`` there; ``runner.py`` writes the one and reads the other.
"""

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, ReadOnly, Timer, ValueChange
from cocotb.types import LogicArray

from s2nn_hw.circuit.names import neurons_of
from s2nn_hw.sim.verilog.job import Job


class Results:
    """What the circuit answered, in order."""

    def __init__(self, dut: Any, job: Job) -> None:
        self.dut, self.job = dut, job
        self.payloads: list[int] = []
        self.spikes: dict[str, list[int]] = {name: [] for name in job.probes}

    async def collect(self) -> None:
        """Collect results for ever."""
        while True:
            await ValueChange(self.dut.results_given)
            await ReadOnly()  # the other registers of this cycle may change after this one
            if self.dut.rst.value == 0:
                self.payloads.append(_number(self.dut.result.value))

    async def probe(self, name: str) -> None:
        """Collect every capture of layer ``name``; there may be one in each cycle."""
        unit = getattr(self.dut.accelerator, neurons_of(name))
        seen, changed, captures = unit.seen, ValueChange(unit.seen_count), self.spikes[name]
        settle = ReadOnly() if self.job.settle else None
        while True:
            await changed
            if settle:
                await settle
            captures.append(_number(seen.value))

    def clear(self) -> None:
        """Forget what came."""
        self.payloads.clear()
        for spikes in self.spikes.values():
            spikes.clear()

    def arrays(self) -> dict[str, np.ndarray]:
        """Return results and spikes as bytes ``(count, bytes)``, little endian, by the names that the runner reads."""
        arrays = {"results": _packed(self.payloads, self.job.result_bits)}
        return arrays | {f"spikes_{name}": _packed(self.spikes[name], bits) for name, bits in self.job.probes.items()}


def _packed(values: list[int], bits: int) -> np.ndarray:
    size = -(-bits // 8)
    content = b"".join(value.to_bytes(size, "little") for value in values)
    return np.frombuffer(content, np.uint8).reshape(-1, size)


def _number(value: Any) -> int:
    return value.to_unsigned() if isinstance(value, LogicArray) else int(value)


async def reset(dut: Any) -> None:
    """Hold the reset for four cycles; the counters of the harness restart with it."""
    dut.rst.value = 1
    dut.frame_valid.value = 0
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0


async def feed(dut: Any, frames: list[int]) -> None:
    """Hand over ``frames`` (integers), one behind the other."""
    for frame in frames:
        dut.frame.value = frame
        dut.frame_valid.value = 1
        await ValueChange(dut.frames_taken)
    dut.frame_valid.value = 0


def read_frames() -> list[int]:
    """Return the job's frames as integers; they come as little-endian bytes ``(frames, bytes)``."""
    return [int.from_bytes(row.tobytes(), "little") for row in np.load("job.npz")["frames"]]


async def disturb(dut: Any, frames: list[int], results: Results) -> None:
    """Send a few frames, then a reset somewhere inside them, as often as the job says."""
    for cut in results.job.resets:
        feeder = cocotb.start_soon(feed(dut, frames[:4]))
        await ClockCycles(dut.clk, cut)
        feeder.cancel()
        await reset(dut)
        results.clear()


async def send(dut: Any, frames: list[int], results: Results) -> None:
    """Send ``frames`` in sequences, until all results are there or the circuit stops answering."""
    job, progress, reported = results.job, Path("progress"), 0
    await Timer(job.drain_ns, unit="ns")  # what can be done ahead of the first frame is done
    begin = 0
    for end, wanted in job.sends:
        await FallingEdge(dut.clk)  # time has passed since an edge: not in the same instant as the next one
        cocotb.start_soon(feed(dut, frames[begin:end]))
        begin = end
        quiet = 0
        while len(results.payloads) < wanted:
            before = len(results.payloads)
            await Timer(job.slice_ns, unit="ns")
            quiet = 0 if len(results.payloads) > before else quiet + 1
            if quiet > job.patience:
                break
            if len(results.payloads) - reported >= job.report_every:
                reported = len(results.payloads)
                progress.write_text(str(reported))
        if len(results.payloads) != wanted:
            break
        await Timer(job.drain_ns, unit="ns")  # rows that no result needs may still be computed


@cocotb.test()
async def run_job(dut: Any) -> None:
    """Send the job's frames in sequences; write down results, spikes and what happened."""
    job, frames = Job.read(), read_frames()
    dut.stall_in.value, dut.stall_out.value = job.stall_in, job.stall_out
    dut.frame.value, dut.frame_valid.value, dut.rst.value = 0, 0, 1
    Clock(dut.clk, 10, unit="ns").start()
    await reset(dut)
    results = Results(dut, job)
    cocotb.start_soon(results.collect())
    for name in job.probes:
        cocotb.start_soon(results.probe(name))
    await disturb(dut, frames, results)
    await send(dut, frames, results)
    np.savez("outcome.npz", **results.arrays())  # type: ignore[arg-type]  # their names are taken for options
