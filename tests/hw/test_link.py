"""The link in the Amaranth simulator against its model in Python: good, damaged, glued, too many packets."""

import random
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import data
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.link import Link
from s2nn_hw.hw.link.protocol import ErrorCode, Identity, Packet, Reply, Request, Splitter
from s2nn_hw.hw.link.receive import Unstuffer, slot_bits
from s2nn_hw.hw.link.respond import Responder
from s2nn_hw.network.address_events import Fault
from tests.support.device_model import DeviceModel
from tests.support.replay import Replay
from tests.support.standin import StandIn, tiny_network


class Rig:
    """Link and stand-in accelerator; :meth:`exchange` sends bytes and returns the packets that come back."""

    def __init__(self, network=None, *, pixels_per_beat=5, group=None, delay=0, window=4):
        self.network = network or tiny_network()
        accelerator = StandIn(self.network, pixels_per_beat=pixels_per_beat, group=group, delay=delay)
        self.link = link = Link.of(accelerator, clock_hz=12_000_000, window=window)
        self.identity = link.identity
        self.model = DeviceModel(self.identity, self.network, cycles=accelerator.beats + delay)
        self.reset = Signal()
        m = Module()
        m.submodules.link, m.submodules.accelerator = link, accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        self.bench = Replay(ResetInserter(self.reset)(m), testbenches=2)

    def frame(self, number, source):
        """Return a FRAME request with random pixels."""
        bits = self.network.input.bits
        pixels = np.array([source.randrange(1 << bits) for _ in range(self.network.input.size)], np.uint8)
        return protocol.frame_request(number, self.identity.pack_frame(pixels))

    def exchange(self, wire, *, gap=1, tail=2500, resets=()):
        """Send ``wire``, a byte each ``gap`` cycles in both directions; reset before the bytes in ``resets``."""
        link, out = self.link, bytearray()

        async def send(ctx):
            for position, byte in enumerate(wire):
                if position in resets:
                    ctx.set(self.reset, 1)
                    await ctx.tick()
                    ctx.set(self.reset, 0)
                ctx.set(link.i.payload, byte)
                ctx.set(link.i.valid, 1)
                await ctx.tick().until(link.i.ready)
                ctx.set(link.i.valid, 0)
                if gap > 1:
                    await ctx.tick().repeat(gap - 1)
            await ctx.tick().repeat(tail)

        async def receive(ctx):
            while True:
                ctx.set(link.o.ready, 1)
                _, _, valid, byte = await ctx.tick().sample(link.o.valid, link.o.payload)
                if valid:
                    out.append(byte)
                if valid and gap > 1:
                    ctx.set(link.o.ready, 0)
                    await ctx.tick().repeat(gap - 1)

        self.bench.run(receive, send)
        splitter = Splitter()
        packets = splitter.feed(bytes(out))
        assert not splitter.damaged
        assert out[-1:] in (b"", b"\0")
        return packets


def by_kind(packets):
    """Return results in their order, and the other replies in theirs: only the order between both is free."""
    return ([p for p in packets if p.type == Reply.RESULT], [p for p in packets if p.type != Reply.RESULT])


@pytest.mark.parametrize("gap", [1, 40])
@pytest.mark.parametrize(
    ("pixels", "bits", "classes", "per_beat"),
    [(12, 2, 3, 5), (1, 1, 2, 1), (9, 8, 1, 4), (33, 1, 5, 16), (7, 4, 30, 2), (8, 8, 2, 1), (6, 1, 130, 6)],
)
def test_frames_and_identity(pixels, bits, classes, per_beat, gap):
    check_frames_and_identity(Rig(tiny_network(pixels, bits, classes), pixels_per_beat=per_beat), gap)


@pytest.mark.parametrize(
    ("positions", "channels", "bits", "per_beat"),
    [(9, 3, 8, 1), (9, 3, 8, 3), (5, 3, 8, 4), (4, 3, 4, 2), (3, 5, 1, 4), (1, 3, 2, 4), (7, 1, 1, 1), (2, 2, 8, 16)],
)
def test_frames_cut_into_beats_by_position(positions, channels, bits, per_beat):
    network = tiny_network(positions * channels, bits, channels=channels)
    rig = Rig(network, pixels_per_beat=per_beat, group=channels)
    assert rig.identity.beats == positions * -(-channels // per_beat)
    check_frames_and_identity(rig, gap=1)


def check_frames_and_identity(rig, gap):
    """Requests for results and the identity are answered as the model answers them."""
    source, classes = random.Random(1), rig.identity.classes
    for number in range(3):
        requests = [rig.frame(number * 7, source), protocol.identity_request(200 + number)]
        wire = b"".join(map(protocol.encode, requests))
        expected = [rig.model.reply(protocol.encode(r)[:-1]) for r in requests]
        tail = gap * (60 + 3 * classes) + 12 * rig.identity.result_bytes + 2000
        assert by_kind(rig.exchange(wire, gap=gap, tail=tail)) == by_kind(expected)
        if gap > 1:
            break


def pieces(rig, source):
    """Return requests in every state of health, as pieces without delimiter."""
    good = [protocol.encode(rig.frame(n, source))[:-1] for n in (1, 0, 255)]
    identity = protocol.encode(protocol.identity_request(9))[:-1]
    short = protocol.encode(Packet(Request.FRAME, 3, bytes(rig.identity.frame_bytes - 1)))[:-1]
    long = protocol.encode(Packet(Request.FRAME, 4, bytes(rig.identity.frame_bytes + 1)))[:-1]
    longer = protocol.encode(Packet(Request.FRAME, 5, b"x" * 600))[:-1]
    unknown = [protocol.encode(Packet(t, 6, p))[:-1] for t, p in ((0x77, b"abc"), (0, b"\0"), (0x81, bytes(300)))]
    flipped = bytes((*good[0][:-2], good[0][-2] ^ 0x10 or 1, good[0][-1]))
    glued = good[0] + good[1]
    cut = [good[2][:n] for n in range(1, len(good[2]))]
    empty = [protocol.encode(Packet(Request.FRAME, 8))[:-1], b"\x02\x01", b"\x01", b"\xff", b"\x03\xff\xff"]
    noise = [bytes(source.randrange(1, 256) for _ in range(source.randrange(1, 30))) for _ in range(20)]
    return [*good, identity, short, long, longer, *unknown, flipped, glued, *cut, *empty, *noise]


def test_damaged_packets_get_the_model_s_answer_and_good_ones_go_on():
    rig, source = Rig(), random.Random(2)
    probe = protocol.encode(rig.frame(99, source))
    codes = Counter()
    for piece in pieces(rig, source):
        expected = [rig.model.reply(piece), rig.model.reply(probe[:-1])]
        codes[expected[0].error] += 1
        got = rig.exchange(b"\0" + piece + b"\0\0" + probe, tail=900)
        assert by_kind(got) == by_kind(expected), piece.hex(" ")
    assert set(codes) == {None, *ErrorCode} - {ErrorCode.BUSY, *map(ErrorCode, Fault)}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(st.lists(st.binary(min_size=1, max_size=14).map(lambda b: b.replace(b"\0", b"\1")), max_size=8))
def test_any_bytes_between_delimiters(noise):
    rig = Rig()
    expected = [rig.model.reply(piece) for piece in noise]
    wire = b"".join(piece + b"\0" + b"\0" * 60 for piece in noise)  # time to answer each
    assert by_kind(rig.exchange(wire, tail=200)) == by_kind(expected)


def test_reset_in_mid_packet_forgets_it():
    rig, source = Rig(), random.Random(3)
    first, second = (protocol.encode(rig.frame(n, source)) for n in (1, 2))
    for position in range(2, len(first) - 1):
        got = rig.exchange(first + second, resets=(position,))
        # what is left of the first is damaged, the second is not
        assert got[-1] == rig.model.reply(second[:-1])
        assert [p.error is None for p in got] == [False, True]


def test_more_frames_than_the_window_are_busy_and_none_is_lost():
    rig, source = Rig(delay=4000, window=2), random.Random(4)
    requests = [rig.frame(n, source) for n in range(6)]
    got = rig.exchange(b"".join(map(protocol.encode, requests)), gap=40, tail=16000)
    results, others = by_kind(got)
    assert results == [rig.model.reply(protocol.encode(r)[:-1]) for r in requests[:2]]
    assert others == [protocol.error_reply(ErrorCode.BUSY, n) for n in range(2, 6)]


def test_a_window_of_frames_without_gaps_is_never_busy():
    rig, source = Rig(delay=600, window=4), random.Random(5)
    requests = [rig.frame(n, source) for n in range(4)]
    got = rig.exchange(b"".join(map(protocol.encode, requests)), gap=2, tail=4000)
    assert got == [rig.model.reply(protocol.encode(r)[:-1]) for r in requests]


@pytest.mark.parametrize("mix", ["identity", "frame", "noise"])
def test_every_request_of_a_flood_is_answered_once(mix):
    """The shortest requests there are, at full line rate, replies at the same rate."""
    rig, source = Rig(tiny_network(1, 1, 4), pixels_per_beat=1, window=2), random.Random(6)
    wire, numbers = b"", []
    for number in range(1, 100):
        kind = source.choice(["identity", "frame"]) if mix == "noise" else mix
        request = protocol.identity_request(number) if kind == "identity" else rig.frame(number, source)
        numbers.append(number)
        wire += protocol.encode(request)
        if mix == "noise" and number % 3 == 0:
            wire += b"\x05\xe5\0"  # short: its sequence number is 0
    got = Counter(p.sequence for p in rig.exchange(wire, gap=40, tail=8000))
    got.pop(0, None)
    assert got == Counter(numbers)


@pytest.mark.parametrize("mode", ["random", "zeros", "ones"])
def test_unstuffer_on_long_packets(mode):
    source, dut = random.Random(7), Unstuffer()
    fill = {"random": lambda: source.randrange(256), "zeros": lambda: 0, "ones": lambda: 1}[mode]
    bodies = [bytes(fill() for _ in range(n)) for n in (1, 253, 254, 255, 508, 600)]
    tokens = []

    async def send(ctx):
        for byte in b"".join(protocol.stuff(b) + b"\0" for b in bodies):
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
            ctx.set(dut.i.valid, 0)

    async def receive(ctx):
        while True:
            ctx.set(dut.o.ready, source.random() < 0.7)
            _, _, valid, ready, token = await ctx.tick().sample(dut.o.valid, dut.o.ready, dut.o.payload)
            if valid and ready:
                tokens.append((token.end, token.whole) if token.end else token.byte)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(receive, background=True)
    simulator.add_testbench(send)
    simulator.run()
    assert tokens == [t for body in bodies for t in (*body, (1, 1))]


@pytest.mark.parametrize("score", [-1, 0, 1, 127])
def test_replies_of_several_blocks_under_stalls(score):
    """400 classes: packets with runs longer than 254 bytes without a zero, and with zeros only."""
    identity = Identity(b"\1" * 16, 1, 1, 1, 1, 400, 8, 2, 1)
    shape = data.StructLayout({"class": 9, "scores": data.ArrayLayout(8, 400), "cycles": 32})
    dut, source, out = Responder(identity, shape), random.Random(8), bytearray()
    check = b"\1\0\xff\2"
    origin = bytes((*check[::-1], 5))

    async def run(ctx):
        ctx.set(dut.results.payload, {"class": 258, "scores": [score & 255] * 400, "cycles": 0x01020304})
        ctx.set(dut.results.valid, 1)
        finished = 0
        while not finished:
            ctx.set(dut.origin, origin[ctx.get(dut.number)] if ctx.get(dut.number) < len(origin) else 0)
            ctx.set(dut.o.ready, source.random() < 0.5)
            _, _, valid, ready, byte, finished = await ctx.tick().sample(
                dut.o.valid, dut.o.ready, dut.o.payload, dut.finish
            )
            if valid and ready:
                out.append(byte)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    result = protocol.Result(258, (score,) * 400, 0x01020304)
    assert bytes(out) == protocol.encode(Packet(Reply.RESULT, 5, identity.pack_result(result, check)))


def test_window_must_be_a_power_of_two():
    with pytest.raises(UserError, match="window"):
        slot_bits(3)


def test_accelerator_that_disagrees_on_its_beats_is_refused():
    accelerator = SimpleNamespace(
        network=tiny_network(9, channels=3), pixels_per_group=3, pixels_per_beat=4, score_width=9, beats=4
    )
    with pytest.raises(ValueError, match="takes 4 beats a frame, not 3"):
        Link.of(accelerator, clock_hz=12_000_000)
