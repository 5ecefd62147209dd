"""IP blocks driven by cocotbext-axi, inside the simulator; the job is ``job.json`` in the working folder.

``frames``: transfers of each good frame; ``results``: those of its result; ``mask``: bits of them that are compared;
``core_ps``, ``registers``: of the block.
"""

import json
import random
from itertools import cycle
from pathlib import Path

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiResp,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

JOB = json.loads(Path("job.json").read_text())
FRAMES, RESULTS, MASK = JOB["frames"], JOB["results"], JOB["mask"]
LONGEST_US = 4000


def pauses(seed, share):
    draw = random.Random(seed)
    return cycle([draw.random() < share for _ in range(997)])


class Ends:
    """Source, sink and bus of the block, out of reset."""

    def __init__(self, dut):
        self.dut = dut
        reset = {"reset": dut.aresetn, "reset_active_level": False}
        Clock(dut.aclk, JOB["bus_ps"], unit="ps").start()
        if JOB["core_ps"]:
            Clock(dut.core_clk, JOB["core_ps"], unit="ps").start()
        whole = {"byte_lanes": 1}  # a transfer is one number
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, **reset, **whole)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, **reset, **whole)
        self.lite = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, **reset) if JOB["registers"] else None
        self.errors = 0

    async def start(self, *, share, seed):
        for part, number in ((self.source, 1), (self.sink, 2)):
            part.set_pause_generator(pauses(seed * 10 + number, share))
        if self.lite:
            for number, channel in enumerate(
                (
                    self.lite.write_if.aw_channel,
                    self.lite.write_if.w_channel,
                    self.lite.write_if.b_channel,
                    self.lite.read_if.ar_channel,
                    self.lite.read_if.r_channel,
                )
            ):
                channel.set_pause_generator(pauses(seed * 10 + 3 + number, share))
        await self.reset(4)
        cocotb.start_soon(self.count())

    async def reset(self, cycles):
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, cycles)
        self.dut.aresetn.value = 1
        self.errors = 0

    async def count(self):
        while True:
            await RisingEdge(self.dut.aclk)
            if self.dut.frame_error.value == 1 and self.dut.aresetn.value == 1:
                self.errors += 1

    async def check(self, number):
        """Take a result, which must be that of good frame ``number``."""
        frame = await with_timeout(self.sink.recv(), LONGEST_US, "us")
        given = [int(word) for word in frame.tdata]
        assert len(given) == len(RESULTS[number]), (number, given)
        for got, wanted, mask in zip(given, RESULTS[number], MASK, strict=True):
            assert got & mask == wanted & mask, (number, given, RESULTS[number])

    async def quiet(self, cycles=None):
        """Nothing more may come."""
        await ClockCycles(self.dut.aclk, cycles or JOB["patience"])
        assert self.sink.empty()

    async def read(self, address):
        """Return what a register holds; it must be one."""
        response = await self.lite.read(address, 4)
        assert response.resp == AxiResp.OKAY
        return int.from_bytes(response.data, "little")


def spoiled(draw, kind):
    """Return a frame that is too short or too long."""
    transfers = len(FRAMES[0])
    frame = draw.choice(FRAMES)
    if kind == "short":
        return frame[: draw.randint(1, transfers - 1)]
    return frame + [draw.choice(frame) for _ in range(draw.randint(1, 2 * transfers))]


@cocotb.test()
@cocotb.parametrize(share=[0.0, 0.3, 0.8])
async def stalls(dut, share):
    ends = Ends(dut)
    await ends.start(share=share, seed=1)
    for frame in FRAMES:
        await ends.source.send(AxiStreamFrame(frame))
    for number in range(len(FRAMES)):
        await ends.check(number)
    await ends.quiet()
    assert ends.errors == 0


@cocotb.test()
@cocotb.parametrize(share=[0.0, 0.5])
async def wrong_tlast(dut, share):
    ends, draw, counts = Ends(dut), random.Random(7), {"short": 0, "long": 0}
    await ends.start(share=share, seed=2)
    kinds = ["short", "long"] if len(FRAMES[0]) > 1 else ["long"]
    for frame in FRAMES:
        for _ in range(draw.randint(0, 3)):
            kind = draw.choice(kinds)
            counts[kind] += 1
            await ends.source.send(AxiStreamFrame(spoiled(draw, kind)))
        await ends.source.send(AxiStreamFrame(frame))
    for number in range(len(FRAMES)):
        await ends.check(number)
    await ends.quiet()
    assert ends.errors == sum(counts.values())
    if ends.lite:
        names = {row["name"]: row["offset"] for row in JOB["registers"]}
        wanted = {
            "FRAMES": len(FRAMES),
            "RESULTS": len(FRAMES),
            "SHORT_FRAMES": counts["short"],
            "LONG_FRAMES": counts["long"],
            "STATUS": (counts["short"] > 0) << 1 | (counts["long"] > 0) << 2,
        }
        assert {name: await ends.read(names[name]) for name in wanted} == wanted


@cocotb.test()
async def reset_within_a_frame(dut):
    ends, draw = Ends(dut), random.Random(3)
    await ends.start(share=0.2, seed=3)
    for trial in range(6):
        for number in range(3):
            await ends.source.send(AxiStreamFrame(FRAMES[number]))
        await ClockCycles(dut.aclk, draw.randint(1, 3 * len(FRAMES[0]) + 40))
        await ends.reset(1 + trial % 3)
        ends.source.clear()
        ends.sink.clear()
        await ClockCycles(dut.aclk, 1)
        for number in range(2, 5):
            await ends.source.send(AxiStreamFrame(FRAMES[number]))
        for number in range(2, 5):
            await ends.check(number)
    await ends.quiet()
    assert ends.errors == 0


@cocotb.test(skip=not JOB["registers"])
async def registers(dut):
    ends = Ends(dut)
    await ends.start(share=0.4, seed=4)
    known = {row["offset"]: row for row in JOB["registers"]}
    for row in JOB["registers"]:
        if "value" in row:
            assert await ends.read(row["offset"]) == row["value"], row["name"]
    for address in (0x48, 0x5C, 0x80, 0x808, 0xFFC):
        assert address not in known
        assert (await ends.lite.read(address, 4)).resp == AxiResp.SLVERR
        assert (await ends.lite.write(address, bytes(4))).resp == AxiResp.SLVERR
    for address in (0x00, 0x0C, 0x10):
        assert (await ends.lite.write(address, b"\xff" * 4)).resp == AxiResp.SLVERR
    control = next(row for row in JOB["registers"] if row["name"] == "CONTROL")["offset"]
    await ends.source.send(AxiStreamFrame(FRAMES[0]))
    await ends.check(0)
    assert await ends.read(0x10) == await ends.read(0x14) == 1
    assert (await ends.lite.write(control + 1, b"\xff" * 3)).resp == AxiResp.OKAY  # byte 0 is not written
    assert await ends.read(0x10) == 1
    assert (await ends.lite.write(control, bytes([2, 0, 0, 0]))).resp == AxiResp.OKAY
    assert await ends.read(0x10) == await ends.read(0x14) == 0


@cocotb.test(skip=not JOB["registers"])
@cocotb.parametrize(trial=[0, 1, 2, 3])
async def restart(dut, trial):
    ends, draw = Ends(dut), random.Random(trial)
    await ends.start(share=0.3, seed=5 + trial)
    for number in range(3):
        await ends.source.send(AxiStreamFrame(FRAMES[number]))
    await ClockCycles(dut.aclk, draw.randint(30, JOB["patience"]))
    await ends.lite.write(0x08, bytes([1, 0, 0, 0]))
    # whole results of frames before it leave, and no part of one; what is left of a frame gives nothing
    await ClockCycles(dut.aclk, 4 * JOB["patience"])
    while not ends.sink.empty():
        frame = await ends.sink.recv()
        assert [word & mask for word, mask in zip(frame.tdata, MASK, strict=True)] in [
            [word & mask for word, mask in zip(result, MASK, strict=True)] for result in RESULTS[:3]
        ]
    assert await ends.read(0x0C) & ~6 == 0  # neither busy nor restarting
    for number in range(3, 6):
        await ends.source.send(AxiStreamFrame(FRAMES[number]))
    for number in range(3, 6):
        await ends.check(number)
    await ends.quiet()
