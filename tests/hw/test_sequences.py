"""Sequences over the link: the circuit against its model in Python, whatever comes."""

import random
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.designs import accelerator_design
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.link import SequenceLink
from s2nn_hw.hw.link.packets import packets_of
from s2nn_hw.hw.link.protocol import Damaged, ErrorCode, Packet, Reply, Request, Splitter
from s2nn_hw.hw.link.sequence_packets import SequencePackets, window_of
from s2nn_hw.hw.link.top import LinkTop
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.sequence_accelerator import SequenceAccelerator
from s2nn_hw.sequence_design import SequenceDesign
from tests.support.device_model import DeviceModel
from tests.support.link_rig import LinkRig, wire
from tests.support.recurrent import drawn_circuit, recurrent_plan
from tests.support.small_sequences import small_network


class Rig(LinkRig):
    """A link of sequences and its accelerator."""

    def __init__(self, network=None, plan=None, *, window=2, width=2):
        self.network = network or small_network()
        accelerator = SequenceAccelerator(self.network, plan or recurrent_plan(self.network, width=width))
        link = SequenceLink.of(accelerator, clock_hz=12_000_000, window=window)
        super().__init__(link, accelerator, DeviceModel(link.identity, self.network, cycles=0))

    def sequence(self, number, source, frames=None):
        """Return a SEQUENCE request with random frames."""
        frames = frames or source.randint(1, self.packets.frames)
        values = [
            [source.randrange(1 << self.identity.bits) for _ in range(self.identity.pixels)] for _ in range(frames)
        ]
        return Packet(Request.SEQUENCE, number, self.packets.pack_frame(np.array(values)))


@pytest.mark.parametrize("seed", range(6))
def test_sequences_and_identity_of_random_networks(seed):
    network, plan, frames, offsets = drawn_circuit(seed, 3)
    rig = Rig(network, plan, window=(2, 1, 4)[seed % 3])
    pixels = network.encode(frames) & network.input.pattern
    requests = [
        Packet(Request.SEQUENCE, n, rig.packets.pack_frame(pixels[offsets[n] : offsets[n + 1]])) for n in range(3)
    ]
    requests += [protocol.identity_request(9), requests[0], Packet(Request.FRAME, 1, b"x")]
    wanted = rig.agree([*map(wire, requests)])
    assert [p.error for p in wanted] == [None] * 5 + [ErrorCode.UNKNOWN]
    golden = forward_sequences(network, frames, offsets)
    assert [rig.packets.unpack_result(p.payload).scores for p in wanted[:3]] == [*map(tuple, golden.scores.tolist())]
    assert packets_of(wanted[3].payload) == rig.packets
    assert (rig.packets.frames, rig.packets.ticks) == (network.input.frames, network.input.ticks)


def test_a_sequence_alone_takes_the_circuit_s_cycles():
    rig, rng = Rig(), np.random.default_rng(1)
    for frames in (1, 4, 6):
        pixels = rng.integers(0, 16, (frames, 5)).astype(np.uint8)
        design = rig.accelerator.design
        output = forward_sequences(rig.network, pixels << 4, [0, frames], trace=True)
        (wanted,) = design.timing.alone(design.ones(pixels, output), output.ticks)
        (got,) = rig.exchange([protocol.encode(Packet(Request.SEQUENCE, 1, rig.packets.pack_frame(pixels)))])
        assert rig.packets.unpack_result(got.payload).cycles == wanted


def payload_of(rig, count, frames, more=b""):
    return count.to_bytes(2, "little") + bytes(range(1, 1 + frames * rig.identity.frame_bytes)) + more


WRONG = {
    "none": (0, 0, b"", ErrorCode.RANGE),
    "none, and a frame": (0, 1, b"", ErrorCode.RANGE),
    "too many": (7, 7, b"", ErrorCode.RANGE),
    "far too many": (0x0103, 3, b"", ErrorCode.RANGE),
    "a frame less": (3, 2, b"", ErrorCode.SHORT),
    "a byte less": (1, 0, b"12", ErrorCode.SHORT),
    "a frame more": (2, 3, b"", ErrorCode.LONG),
    "a byte more": (2, 2, b"1", ErrorCode.LONG),
}


def test_what_is_wrong_is_told_and_the_next_sequence_is_answered():
    rig, source = Rig(), random.Random(2)
    pieces, codes = [], []
    for number, (count, frames, more, code) in enumerate(WRONG.values()):
        payload = payload_of(rig, count, frames, more)
        with pytest.raises(Damaged) as found:
            rig.packets.unpack_frame(payload)
        assert found.value.args == (code,)
        pieces += [wire(Packet(Request.SEQUENCE, number, payload)), wire(rig.sequence(100 + number, source))]
        codes += [code, None]
    pieces += [wire(Packet(Request.SEQUENCE, 9, b"1")), wire(rig.sequence(200, source))]
    codes += [ErrorCode.SHORT, None]
    assert [p.error for p in rig.agree(pieces)] == codes


@st.composite
def streams(draw):
    """Draw packets: as long as they say or not, and with bits turned or bytes lost."""
    count = draw(st.one_of(st.integers(1, 6), st.sampled_from((0, 7, 255, 256, 259, 65535))))
    size = 3 * min(count, 8) + draw(st.sampled_from((0, 0, 0, -1, 1, 3, -3)))
    payload = count.to_bytes(2, "little") + draw(st.binary(min_size=max(size, 0), max_size=max(size, 0)))
    piece = bytearray(wire(Packet(Request.SEQUENCE, draw(st.integers(0, 255)), payload)))
    for _ in range(draw(st.sampled_from((0, 0, 1, 3)))):
        place = draw(st.integers(0, len(piece) - 1))
        piece[place] = piece[place] ^ draw(st.integers(1, 255)) or 1
    cut = draw(st.sampled_from((0, 0, 0, 1, 4)))
    return bytes(piece[: len(piece) - cut] or b"\1")


@settings(max_examples=3, deadline=None, derandomize=True)
@given(st.lists(streams(), min_size=6, max_size=10), st.integers(0, 99))
def test_any_stream_is_judged_as_in_python(pieces, seed):
    rig, source = Rig(), random.Random(seed)
    assert rig.identity.frame_bytes == 3
    rig.agree([each for piece in pieces for each in (piece, wire(rig.sequence(200, source)))])


@pytest.mark.parametrize("window", [1, 2])
def test_more_sequences_than_the_window_are_busy_and_none_is_mixed_up(window):
    rig, source = Rig(window=window), random.Random(4)
    requests = [rig.sequence(n, source) for n in range(5)]
    results, others = rig.untimed(rig.exchange(map(protocol.encode, requests), replies=5))
    taken = [r for r in requests if r.sequence in {p.sequence for p in results}]
    assert results == rig.untimed([rig.model.reply(wire(r)) for r in taken])[0]
    assert others == [protocol.error_reply(ErrorCode.BUSY, r.sequence) for r in requests if r not in taken]
    assert window <= len(taken) < 5


def test_a_window_of_sequences_without_a_pause():
    rig, source = Rig(), random.Random(5)
    requests = [rig.sequence(n, source, frames=6) for n in range(2)]
    got = rig.exchange(map(protocol.encode, requests), replies=2)
    assert rig.untimed(got) == rig.untimed([rig.model.reply(wire(r)) for r in requests])


def test_reset_in_mid_sequence_forgets_it():
    rig, source = Rig(), random.Random(3)
    first, second = (protocol.encode(rig.sequence(n, source)) for n in (1, 2))
    for position in (3, len(first) // 2, len(first) - 2):
        got = rig.exchange([first + second], replies=2, resets=(position,))
        assert rig.untimed(got[-1:]) == rig.untimed([rig.model.reply(second[:-1])])


def test_the_memory_is_that_of_the_longest_sequences():
    rig = Rig(small_network(frames=5))
    rig.agree([wire(rig.sequence(1, random.Random(6), frames=5))])
    reader = rig.link.reader.elaborate(None)
    assert (reader.submodules.memory.depth, rig.packets.beats) == (2 * 5 * 3, 3)
    assert reader.submodules.memory.shape == 8
    Fragment.get(reader, None)
    for frames, window in ((1 << 10, 1), (512, 2)):
        network = small_network(channels=8, frames=frames)
        assert window_of(SequenceDesign(network, recurrent_plan(network))) == window


def test_designs():
    network = small_network()
    top = accelerator_design(network, recurrent_plan(network))(CLOCK_HZ, CLOCK_HZ // CLOCKS)
    assert isinstance(top, LinkTop)
    assert isinstance(top.link, SequenceLink)
    packets = top.link.packets
    assert packets.window == 2
    frames = np.random.default_rng(7).integers(0, 16, (6, 5)).astype(np.uint8)
    request = Packet(Request.SEQUENCE, 3, packets.pack_frame(frames))
    (reply,) = over_pins(top, protocol.encode(request))
    golden = forward_sequences(network, frames << 4, [0, 6])
    assert packets.unpack_result(reply.payload).scores == tuple(golden.scores[0].tolist())
    assert (reply.type, reply.answered) == (Reply.SEQUENCE, (3, request.check))
    with pytest.raises(UserError, match="reads sequences"):
        accelerator_design(network, None)(CLOCK_HZ, CLOCK_HZ // CLOCKS)
    for ticks in (1, 255, 256):
        told = replace(packets, ticks=ticks)
        assert packets_of(told.pack()) == told
    with pytest.raises(UserError, match="frames must lie in 1"):
        SequencePackets.unpack(packets.pack()[:-3] + bytes(3))


CLOCK_HZ, CLOCKS = 12_000_000, 12  # of a bit


def over_pins(top, wire):
    """Return the packets that ``top`` answers to the bytes ``wire``, all bit by bit at its pins."""
    out = bytearray()

    async def send(ctx):
        ctx.set(top.rx, 1)
        await ctx.tick().repeat(5)
        for byte in wire:
            for level in (0, *((byte >> n) & 1 for n in range(8)), 1):
                ctx.set(top.rx, level)
                await ctx.tick().repeat(CLOCKS)
        for _ in range(20_000):
            if 0 in out:
                break
            await ctx.tick()
        await ctx.tick().repeat(CLOCKS)

    async def receive(ctx):
        while True:
            await ctx.negedge(top.tx)
            await ctx.tick().repeat(CLOCKS // 2)
            byte = 0
            for n in range(8):
                await ctx.tick().repeat(CLOCKS)
                byte |= ctx.get(top.tx) << n
            out.append(byte)
            await ctx.tick().repeat(CLOCKS // 2)

    simulator = Simulator(top)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(send)
    simulator.add_testbench(receive, background=True)
    simulator.run()
    return Splitter().feed(bytes(out))
