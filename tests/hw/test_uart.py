"""UART: rates, loop back, sender with another clock, broken bytes."""

import itertools
import random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.uart import UartReceiver, UartTransmitter, clocks_per_bit

CLOCK = 1e-6


@pytest.mark.parametrize(
    ("clock_hz", "baud", "clocks"),
    [(12_000_000, 1_000_000, 12), (25_000_000, 1_000_000, 25), (100_000_000, 115_200, 868), (12_000_000, 3_000_000, 4)],
)
def test_clocks_per_bit(clock_hz, baud, clocks):
    assert clocks_per_bit(clock_hz, baud) == clocks


@pytest.mark.parametrize(
    ("clock_hz", "baud", "words"),
    [(12_000_000, 1_900_000, "off by"), (12_000_000, 4_000_000, "at least 16000000 Hz"), (12_000_000, 0, "positive")],
)
def test_rates_that_do_not_work_are_refused(clock_hz, baud, words):
    with pytest.raises(UserError, match=words):
        clocks_per_bit(clock_hz, baud)


def run(dut, *testbenches):
    simulator = Simulator(dut)
    simulator.add_clock(CLOCK)
    for testbench, background in testbenches:
        simulator.add_testbench(testbench, background=background)
    simulator.run()


def collector(stream, came):
    async def collect(ctx):
        ctx.set(stream.ready, 1)
        async for _, _, valid, byte in ctx.tick().sample(stream.valid, stream.payload):
            if valid:
                came.append(byte)

    return collect


@pytest.mark.parametrize("clocks", [4, 5, 12])
def test_loop_back_without_gaps(clocks):
    m = Module()
    m.submodules.transmitter = transmitter = UartTransmitter(clocks)
    m.submodules.receiver = receiver = UartReceiver(clocks)
    m.d.comb += receiver.rx.eq(transmitter.tx)
    source = random.Random(clocks)
    sent, came, taken = [0, 255, 0x55, *(source.randrange(256) for _ in range(40))], [], []

    async def send(ctx):
        time = 0
        ctx.set(transmitter.i.valid, 1)
        for byte in sent:
            ctx.set(transmitter.i.payload, byte)
            async for _, _, ready in ctx.tick().sample(transmitter.i.ready):
                time += 1
                if ready:
                    break
            taken.append(time)
        ctx.set(transmitter.i.valid, 0)
        await ctx.tick().repeat(11 * clocks + 4)

    run(m, (send, False), (collector(receiver.o, came), True))
    assert came == sent
    assert {b - a for a, b in itertools.pairwise(taken)} == {10 * clocks}


async def drive(ctx, pin, byte, bit_seconds, stop=1):
    for level in (0, *((byte >> n) & 1 for n in range(8)), stop):
        ctx.set(pin, level)
        await ctx.delay(bit_seconds)


@pytest.mark.parametrize("clocks", [4, 12, 87])
@pytest.mark.parametrize("drift", [-0.02, 0.02])
def test_receiver_takes_a_sender_that_is_two_percent_off(clocks, drift):
    receiver, came = UartReceiver(clocks), []
    sent = [0, 255, 0xAA, 0x55, 1, 128, 77]

    async def send(ctx):
        ctx.set(receiver.rx, 1)
        await ctx.delay(20.3 * CLOCK)
        for byte in sent:
            await drive(ctx, receiver.rx, byte, clocks * (1 + drift) * CLOCK)
        await ctx.delay(4 * clocks * CLOCK)

    run(receiver, (send, False), (collector(receiver.o, came), True))
    assert came == sent


def test_spike_and_missing_stop_bit_are_dropped():
    clocks = 12
    receiver, came = UartReceiver(clocks), []
    bit = clocks * CLOCK

    async def send(ctx):
        ctx.set(receiver.rx, 1)
        await ctx.delay(3 * bit)
        ctx.set(receiver.rx, 0)  # shorter than half a bit
        await ctx.delay(bit / 4)
        ctx.set(receiver.rx, 1)
        await ctx.delay(2 * bit)
        await drive(ctx, receiver.rx, 0x12, bit)
        await drive(ctx, receiver.rx, 0x34, bit, stop=0)
        await ctx.delay(25 * bit)  # the line hangs low: no bytes of zeros
        ctx.set(receiver.rx, 1)
        await ctx.delay(bit)
        await drive(ctx, receiver.rx, 0x56, bit)
        await ctx.delay(bit)

    run(receiver, (send, False), (collector(receiver.o, came), True))
    assert came == [0x12, 0x56]


def test_byte_that_nobody_takes_stays_and_the_next_is_lost():
    receiver, seen = UartReceiver(4), []

    async def send(ctx):
        ctx.set(receiver.rx, 1)
        await ctx.delay(10 * CLOCK)
        for byte in (1, 2):
            await drive(ctx, receiver.rx, byte, 4 * CLOCK)
        await ctx.delay(10 * CLOCK)
        await ctx.tick()
        seen.append((ctx.get(receiver.o.valid), ctx.get(receiver.o.payload)))
        ctx.set(receiver.o.ready, 1)
        await ctx.tick()
        seen.append(ctx.get(receiver.o.valid))

    run(receiver, (send, False))
    assert seen == [(1, 1), 0]


def test_idle_line_is_high():
    dut, levels = UartTransmitter(4), []

    async def watch(ctx):
        for _ in range(60):
            levels.append(ctx.get(dut.tx))
            await ctx.tick()

    run(dut, (watch, False))
    assert set(levels) == {1}
