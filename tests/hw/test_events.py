"""Frames of events over the link: the circuit against its model in Python, whatever comes."""

import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.event_packets import packets_of
from s2nn_hw.hw.link.link import EventLink
from s2nn_hw.hw.link.places import Places
from s2nn_hw.hw.link.protocol import ErrorCode, Identity, Packet, Reply, Request, Splitter
from s2nn_hw.network.address_events import Unfit
from s2nn_hw.network.trace import layer_inputs
from tests.support.device_model import DeviceModel
from tests.support.networks import random_images
from tests.support.replay import Replay
from tests.support.ttfs_networks import NETWORKS, network_of


@pytest.mark.parametrize(
    ("positions", "channels", "lanes"),
    [(1, 12, 5), (1, 1, 1), (1, 16, 4), (1, 9, 16), (4, 3, 4), (5, 3, 2), (3, 7, 2), (6, 4, 2), (7, 1, 1), (2, 11, 3)],
)
def test_places(positions, channels, lanes):
    identity = Identity(bytes(16), positions * channels, channels, lanes, 2, 3, 9, 4, 1)
    dut, found = Places(identity, group=channels), []

    async def run(ctx):
        for address in range(identity.pixels):
            ctx.set(dut.address, address)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            while ctx.get(dut.busy):
                await ctx.tick()
            found.append((ctx.get(dut.beat), ctx.get(dut.lane)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    assert [identity.beat_pixels[place] for place in found] == list(range(identity.pixels))


class Rig:
    """A link of events and its accelerator; :meth:`exchange` sends bytes and returns the packets that come back."""

    def __init__(self, network=None, *, window=4):
        self.network = network or network_of()
        self.accelerator = accelerator = Accelerator(self.network, spikes=True)
        self.link = link = EventLink.of(accelerator, clock_hz=12_000_000, window=window)
        self.packets, self.identity = link.packets, link.identity
        self.model = DeviceModel(self.identity, self.network, cycles=0, events=True)
        self.reset = Signal()
        m = Module()
        m.submodules.link, m.submodules.accelerator = link, accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        connect(m, accelerator.spikes, link.spikes)
        self.bench = Replay(ResetInserter(self.reset)(m), testbenches=2)

    def frame(self, number, source):
        """Return an EVENTS request with random pixels."""
        pixels = [
            source.randrange(1 << self.identity.bits) * (source.random() < 0.7) for _ in range(self.identity.pixels)
        ]
        return Packet(Request.EVENTS, number, self.packets.pack_frame(np.array(pixels)))

    async def wait(self, ctx, out, replies, limit):
        """Wait until so many replies are in ``out``, or ``limit`` cycles."""
        for _ in range(limit):
            if out.count(0) >= replies:
                break
            await ctx.tick()

    def exchange(self, wires, *, replies=None, resets=(), limit=20_000):
        """Send ``wires``, each when that before has its reply, or all at once if so many ``replies`` are due in all.

        Reset before the bytes in ``resets``. A reply too many would come in the cycles after the last.
        """
        link, out = self.link, bytearray()

        async def send(ctx):
            for number, wire in enumerate(wires):
                for position, byte in enumerate(wire):
                    if position in resets:
                        ctx.set(self.reset, 1)
                        await ctx.tick()
                        ctx.set(self.reset, 0)
                    ctx.set(link.i.payload, byte)
                    ctx.set(link.i.valid, 1)
                    await ctx.tick().until(link.i.ready)
                    ctx.set(link.i.valid, 0)
                await self.wait(ctx, out, 0 if replies else number + 1, limit)
            await self.wait(ctx, out, replies or 0, limit)
            await ctx.tick().repeat(200)

        async def receive(ctx):
            while True:
                ctx.set(link.o.ready, 1)
                _, _, valid, byte = await ctx.tick().sample(link.o.valid, link.o.payload)
                if valid:
                    out.append(byte)

        self.bench.run(receive, send)
        splitter = Splitter()
        packets = splitter.feed(bytes(out))
        assert not splitter.damaged
        return packets


def untimed(rig, packets):
    """Return ``packets`` without the cycles of results: how long one waits for its turn is the line's."""
    kept = []
    for packet in packets:
        if packet.type == Reply.EVENTS:
            result = replace(rig.packets.unpack_result(packet.payload), cycles=0)
            packet = replace(packet, payload=rig.packets.pack_result(result, packet.answered[1]))
        kept.append(packet)
    return by_kind(kept)


def by_kind(packets):
    """Return results in their order, and the other replies in theirs: only the order between both is free."""
    return ([p for p in packets if p.type == Reply.EVENTS], [p for p in packets if p.type != Reply.EVENTS])


def agree(rig, wires):
    """Send the packets ``wires`` (without delimiters), one after the other: all as the model."""
    wanted = [rig.model.reply(wire) for wire in wires]
    got = rig.exchange([wire + b"\0" for wire in wires])
    assert untimed(rig, got) == untimed(rig, wanted), [wire.hex(" ") for wire in wires]
    return wanted


def wire(packet):
    return protocol.encode(packet)[:-1]


@pytest.mark.parametrize("name", NETWORKS)
def test_frames_and_identity(name):
    rig, source = Rig(NETWORKS[name]()), random.Random(1)
    empty, full = (np.full(rig.identity.pixels, value) for value in (0, (1 << rig.identity.bits) - 1))
    requests = [Packet(Request.EVENTS, n, rig.packets.pack_frame(x)) for n, x in enumerate((empty, full))]
    requests += [protocol.identity_request(9), rig.frame(3, source), Packet(Request.FRAME, 1, b"x")]
    wanted = agree(rig, [*map(wire, requests)])
    assert [p.error for p in wanted] == [None] * 4 + [ErrorCode.UNKNOWN]
    assert packets_of(wanted[2].payload) == rig.packets


def test_a_frame_alone_takes_the_circuit_s_cycles():
    rig = Rig(network_of(20, 12, bits=4, slots=15, seed=3))
    images = random_images(rig.network, 3, 1)
    _, values = layer_inputs(rig.network, images)
    timing = rig.accelerator.timing
    cycles = timing.schedule(timing.ones(values)).cycles[:, 0]
    for image, wanted in zip(images, cycles, strict=True):
        request = Packet(Request.EVENTS, 1, rig.packets.pack_frame(rig.network.encode(image[None])[0]))
        (got,) = rig.exchange([protocol.encode(request)])
        assert rig.packets.unpack_result(got.payload).cycles == wanted


GOOD = ((0, 4), (1, 2), (1, 7), (2, 0))
WRONG = {
    "order": ([(0, 4), (2, 2), (1, 7)], 3, ErrorCode.ORDER),
    "slot": ([(0, 4), (3, 2)], 2, ErrorCode.RANGE),
    "address": ([(0, 4), (1, 9)], 2, ErrorCode.RANGE),
    "far address": ([(0, 4), (1, 0x0404)], 2, ErrorCode.RANGE),
    "twice": ([(0, 4), (1, 4)], 2, ErrorCode.TWICE),
    "twice in a slot": ([(1, 0), (1, 0)], 2, ErrorCode.TWICE),
    "too many": ([(0, k % 9) for k in range(12)], 12, ErrorCode.TWICE),
    "no end": (GOOD, None, ErrorCode.END),
    "nothing": ((), None, ErrorCode.END),
    "count": (GOOD, 5, ErrorCode.END),
    "far count": (GOOD, 0x0104, ErrorCode.END),
    "first of two": ([(2, 4), (1, 9), (2, 4)], 3, ErrorCode.RANGE),
    "then count": ([(2, 4), (1, 4)], 9, ErrorCode.ORDER),
}


def payload_of(events, count):
    end = b"" if count is None else bytes((0xFF, count & 0xFF, count >> 8))
    return b"".join(bytes((slot, address & 0xFF, address >> 8)) for slot, address in events) + end


def test_what_is_wrong_is_told_and_the_next_frame_is_answered():
    rig, source = Rig(), random.Random(2)
    pieces, codes = [], []
    for number, (events, count, code) in enumerate(WRONG.values()):
        payload = payload_of(events, count)
        with pytest.raises(Unfit) as found:
            rig.packets.entering.decode(payload)
        assert found.value.fault == code
        pieces += [wire(Packet(Request.EVENTS, number, payload)), wire(rig.frame(100 + number, source))]
        codes += [code, None]
    for more in (b"\0", b"\xff\4\0", b"1234567"):
        pieces += [wire(Packet(Request.EVENTS, 50, payload_of(GOOD, 4) + more)), wire(rig.frame(150, source))]
        codes += [ErrorCode.END, None]
    assert [p.error for p in agree(rig, pieces)] == codes


EVENT = st.tuples(
    st.one_of(st.integers(0, 3), st.integers(0, 255)), st.one_of(st.integers(0, 9), st.integers(0, 65535))
)


@st.composite
def streams(draw):
    """Draw packets: frames sorted or not, with whatever end, and whole packets with bits turned or bytes lost."""
    events = draw(st.lists(EVENT, max_size=7))
    if draw(st.booleans()):
        events = sorted({address % 9: (slot % 3, address % 9) for slot, address in events}.values())
    count = draw(st.one_of(st.none(), st.just(len(events)), st.just(len(events)), st.integers(0, 65535)))
    payload = payload_of(events, count) + draw(st.one_of(st.just(b""), st.just(b""), st.binary(max_size=9)))
    piece = bytearray(wire(Packet(Request.EVENTS, draw(st.integers(0, 255)), payload)))
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        place = draw(st.integers(0, len(piece) - 1))
        piece[place] = piece[place] ^ draw(st.integers(1, 255)) or 1
    cut = draw(st.sampled_from((0, 0, 0, 1, 4)))
    return bytes(piece[: len(piece) - cut] or b"\1")


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.lists(streams(), min_size=6, max_size=10), st.integers(0, 99))
def test_any_stream_is_judged_as_in_python(pieces, seed):
    rig, source = Rig(), random.Random(seed)
    agree(rig, [each for piece in pieces for each in (piece, wire(rig.frame(200, source)))])


def test_frames_without_a_pause():
    rig, source = Rig(window=4), random.Random(5)
    requests = [rig.frame(n, source) for n in range(4)]
    got = rig.exchange(map(protocol.encode, requests), replies=4)
    assert untimed(rig, got) == untimed(rig, [rig.model.reply(wire(r)) for r in requests])


def test_more_frames_than_the_window_are_busy_and_none_is_mixed_up():
    rig, source = Rig(window=2), random.Random(4)
    requests = [rig.frame(n, source) for n in range(6)]
    results, others = untimed(rig, rig.exchange(map(protocol.encode, requests), replies=6))
    taken = [r for r in requests if r.sequence in {p.sequence for p in results}]
    assert results == untimed(rig, [rig.model.reply(wire(r)) for r in taken])[0]
    assert others == [protocol.error_reply(ErrorCode.BUSY, r.sequence) for r in requests if r not in taken]
    assert 2 <= len(taken) < 6


def test_reset_in_mid_frame_forgets_it():
    rig, source = Rig(), random.Random(3)
    first, second = protocol.encode(rig.frame(1, source)), protocol.encode(rig.frame(2, source))
    for position in (3, len(first) // 2, len(first) - 2):
        got = rig.exchange([first + second], replies=2, resets=(position,))
        assert untimed(rig, got[-1:]) == untimed(rig, [rig.model.reply(second[:-1])])
