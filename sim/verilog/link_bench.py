"""The cocotb side of ``pins.py``: drives ``rx``, listens at ``tx``; runs inside the simulator.

``link.json`` in the working folder says what to send; what came back, as hex, goes to ``replies.json``.
"""

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer

from s2nn_hw.sim.verilog.job import LinkJob, Phase

CLOCK_NS = 10
QUIET_BYTES = 150  # a phase is over when nothing came for so long


class Line:
    """The circuit ``dut`` at its UART pins, ``bit_ns`` a bit: what came is in ``received``."""

    def __init__(self, dut: Any, bit_ns: int) -> None:
        self.dut, self.bit_ns = dut, bit_ns
        self.received, self.begun = bytearray(), 0

    async def listen(self) -> None:
        """Collect bytes for ever; ``begun`` counts start bits."""
        while True:
            await FallingEdge(self.dut.tx)
            self.begun += 1
            await Timer(self.bit_ns * 3 // 2, unit="ns")
            byte = 0
            for position in range(8):
                byte |= int(self.dut.tx.value == 1) << position
                await Timer(self.bit_ns, unit="ns")
            assert self.dut.tx.value == 1, "stop bit missing"
            self.received.append(byte)

    async def send(self, phase: Phase) -> None:
        """Wait the clocks of ``phase``, send its bytes without gaps, then wait until the line is quiet."""
        if phase.clocks:
            await Timer(phase.clocks * CLOCK_NS, unit="ns")
        for position, byte in enumerate(phase.send):
            if position == phase.reset_before:
                self.dut.rst.value = 1
                await ClockCycles(self.dut.clk, 2)
                self.dut.rst.value = 0
            for level in (0, *((byte >> n) & 1 for n in range(8)), 1):
                self.dut.rx.value = level
                await Timer(self.bit_ns, unit="ns")
        seen = -1
        while seen != self.begun:
            seen = self.begun
            await Timer(QUIET_BYTES * 10 * self.bit_ns, unit="ns")


@cocotb.test()
async def exchange(dut: Any) -> None:
    """Send the job's phases; write down what came in each."""
    job = LinkJob.read()
    line = Line(dut, job.clocks * CLOCK_NS)
    dut.rx.value = 1
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    await ClockCycles(dut.clk, 5)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 5)
    cocotb.start_soon(line.listen())
    replies = []
    for phase in job.phases:
        await line.send(phase)
        replies.append(line.received.hex())
        line.received.clear()
    Path("replies.json").write_text(json.dumps(replies), encoding="utf-8")
