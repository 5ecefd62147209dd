"""The cocotb side of ``pins.py``: drives ``rx``, listens at ``tx``; runs inside the simulator.

``link.json`` in the working folder says what to send; what came back, as hex, goes to ``replies.json``.
"""

import json
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, Timer

CLOCK_NS = 10
QUIET_BYTES = 150  # a phase is over when nothing came for so long


@cocotb.test()
async def exchange(dut):
    """Wait the clocks of each phase, send its bytes without gaps, then wait until the line is quiet."""
    job = json.loads(Path("link.json").read_text(encoding="utf-8"))
    bit_ns = job["clocks"] * CLOCK_NS
    received, last = bytearray(), [0]

    async def listen():
        while True:
            await FallingEdge(dut.tx)
            last[0] += 1
            await Timer(bit_ns * 3 // 2, unit="ns")
            byte = 0
            for position in range(8):
                byte |= int(dut.tx.value == 1) << position
                await Timer(bit_ns, unit="ns")
            assert dut.tx.value == 1, "stop bit missing"
            received.append(byte)

    dut.rx.value = 1
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, CLOCK_NS, unit="ns").start())
    await ClockCycles(dut.clk, 5)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 5)
    cocotb.start_soon(listen())
    replies = []
    for phase in job["phases"]:
        if phase.get("clocks"):
            await Timer(phase["clocks"] * CLOCK_NS, unit="ns")
        for position, byte in enumerate(bytes.fromhex(phase["send"])):
            if position == phase.get("reset_before"):
                dut.rst.value = 1
                await ClockCycles(dut.clk, 2)
                dut.rst.value = 0
            for level in (0, *((byte >> n) & 1 for n in range(8)), 1):
                dut.rx.value = level
                await Timer(bit_ns, unit="ns")
        seen = -1
        while seen != last[0]:
            seen = last[0]
            await Timer(QUIET_BYTES * 10 * bit_ns, unit="ns")
        replies.append(received.hex())
        received.clear()
    Path("replies.json").write_text(json.dumps(replies), encoding="utf-8")
