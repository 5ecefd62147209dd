"""Packets in plain Python: round trips, damage, layouts, and the example in the documentation."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.design import Design
from s2nn_hw.emit import pack_beats
from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.protocol import Damaged, ErrorCode, Identity, Packet, Reply, Request, Result, Splitter
from s2nn_hw.hw.link.sequence_packets import SequencePackets
from s2nn_hw.network.address_events import EventFormat
from s2nn_hw.plan.defaults import default_plan
from tests.support.networks import random_network
from tests.support.random_plans import random_case
from tests.support.standin import tiny_network

packets = st.builds(Packet, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=600))
identities = st.builds(
    lambda digest, positions, group, *rest: Identity(digest, positions * group, group, *rest),
    st.binary(min_size=16, max_size=16),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(1, 40),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(1, 30),
    st.integers(1, 33),
    st.sampled_from([2, 4]),
    st.integers(1, 1 << 30),
)


@given(st.binary(max_size=1100) | st.integers(250, 260).map(bytes) | st.integers(250, 520).map(lambda n: b"\1" * n))
def test_stuffing_round_trip_without_zeros(data):
    stuffed = protocol.stuff(data)
    assert 0 not in stuffed
    assert len(data) + 1 <= len(stuffed) <= len(data) + 1 + len(data) // 254
    assert protocol.unstuff(stuffed) == data


@pytest.mark.parametrize("tail", [b"\x01", b""])
def test_both_usual_ends_of_a_full_block_are_read(tail):
    assert protocol.unstuff(b"\xff" + b"a" * 254 + tail) == b"a" * 254


@given(packets)
def test_packet_round_trip(packet):
    wire = protocol.encode(packet)
    assert wire.endswith(b"\0")
    assert protocol.decode(wire[:-1]) == packet


@given(st.lists(packets, max_size=5), st.randoms(use_true_random=False))
def test_splitter_at_any_cut(sent, random):
    wire = b"".join(map(protocol.encode, sent))
    splitter, came = Splitter(), []
    while wire:
        cut = random.randint(1, 50)
        came += splitter.feed(wire[:cut])
        wire = wire[cut:]
    assert came == sent
    assert not splitter.damaged


@settings(max_examples=300)
@given(packets, st.data())
def test_up_to_three_wrong_bits_are_always_found(packet, data):
    """The polynomial finds every 3 wrong bits in up to 11 kilobytes."""
    body = bytearray(packet.body + packet.check)
    for bit in data.draw(st.sets(st.integers(0, 8 * len(body) - 1), min_size=1, max_size=3)):
        body[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damaged) as caught:
        protocol.decode(protocol.stuff(bytes(body)))
    assert caught.value.args == (ErrorCode.CHECKSUM,)


def test_few_cut_or_glued_packets_pass_the_checksum():
    """A 32-bit checksum lets one in four billion random errors pass; of 4,000 cut or glued packets none."""
    random, passed = np.random.default_rng(5), 0
    for _ in range(4000):
        wire = protocol.encode(Packet(1, int(random.integers(256)), random.bytes(int(random.integers(1, 60)))))[:-1]
        cut = int(random.integers(1, len(wire)))
        piece = wire[:cut] if random.integers(2) else wire + wire[:cut]
        try:
            protocol.decode(piece)
            passed += 1
        except Damaged:
            pass
    assert passed == 0


@given(st.binary(max_size=300))
def test_noise_raises_nothing_else(noise):
    Splitter().feed(noise + b"\0")


def test_endless_noise_is_not_kept():
    splitter = Splitter(limit=100)
    assert splitter.feed(b"x" * 1000) == []
    assert splitter.damaged == 1
    assert splitter.feed(b"\0" + protocol.encode(Packet(1, 2, b"3"))) == [Packet(1, 2, b"3")]


@given(identities)
def test_identity_round_trip(identity):
    assert Identity.unpack(identity.pack()) == identity


@given(identities, st.randoms(use_true_random=False))
def test_frame_round_trip(identity, random):
    pixels = np.array([random.randrange(1 << identity.bits) for _ in range(identity.pixels)], np.uint8)
    payload = identity.pack_frame(pixels)
    assert len(payload) == identity.frame_bytes
    assert identity.unpack_frame(payload).tolist() == pixels.tolist()


@given(identities, st.randoms(use_true_random=False))
def test_result_round_trip(identity, random):
    half = 1 << identity.score_width - 1
    scores = tuple(random.randrange(-half, half) for _ in range(identity.classes))
    result = Result(random.randrange(identity.classes), scores, random.randrange(1 << 32))
    payload = identity.pack_result(result, b"abcd")
    assert len(payload) == identity.result_bytes
    assert identity.unpack_result(payload) == result


def test_frame_layout_is_low_bits_first_in_padded_beats():
    identity = Identity(bytes(16), 7, 7, 5, 2, 2, 8, 2, 1)  # 5 pixels of 2 bits: 10 bits in 2 bytes
    assert identity.pack_frame(np.array([1, 2, 3, 0, 3, 1, 2], np.uint8)) == bytes((0b00111001, 0b11, 0b1001, 0))


def test_groups_start_in_a_new_beat():
    identity = Identity(bytes(16), 6, 3, 2, 4, 2, 8, 2, 1)  # two positions of three channels, two 4-bit values a beat
    assert identity.beat_pixels.tolist() == [[0, 1], [2, -1], [3, 4], [5, -1]]
    frame = identity.pack_frame(np.arange(1, 7))
    assert frame == bytes((0x21, 0x03, 0x54, 0x06))
    ignored = bytes(byte | 0xF0 * (n % 2) for n, byte in enumerate(frame))
    assert identity.unpack_frame(ignored).tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("seed", [None, *range(6)])
def test_frames_carry_the_beats_that_the_accelerator_takes(seed):
    """Of a dense network, and of random graphs whose first convolution takes channels by position."""
    rng = np.random.default_rng(seed or 0)
    small = random_network((37, 5), input_bits=2)
    design = Design(small, default_plan(small, "xc7")) if seed is None else Design(*random_case(rng))
    identity = Identity.of(design, window=4, clock_hz=12_000_000)
    assert identity.beats == design.beats
    assert identity.beat_pixels.tolist() == design.beat_pixels.tolist()
    pixels = rng.integers(0, 1 << identity.bits, identity.pixels).astype(np.int32)
    frame, size = identity.pack_frame(pixels), identity.beat_bytes
    beats = [int.from_bytes(frame[at : at + size], "little") for at in range(0, len(frame), size)]
    assert beats == pack_beats(design, pixels)


@pytest.mark.parametrize("change", [{"pixels": 0}, {"bits": 300}, {"group": 2}, {"classes": 1 << 16}, {"digest": b"x"}])
def test_identity_refuses_what_does_not_fit(change):
    good = {
        "digest": bytes(16),
        "pixels": 1,
        "group": 1,
        "pixels_per_beat": 1,
        "bits": 1,
        "classes": 1,
        "score_width": 1,
        "window": 2,
        "clock_hz": 1,
    }
    with pytest.raises(UserError, match=next(iter(change))):
        Identity(**(good | change))


def test_identity_of_another_version_is_refused():
    with pytest.raises(UserError, match="version 9"):
        Identity.unpack(b"\x09" + bytes(31))
    with pytest.raises(UserError, match="2 bytes"):
        Identity.unpack(bytes((protocol.VERSION, 0)))


def test_error_reply_is_shorter_than_any_request():
    """On this rests that no answer to a well-formed request is lost."""
    error = protocol.encode(protocol.error_reply(ErrorCode.BUSY, 255))
    assert len(error) < len(protocol.encode(protocol.identity_request(255)))
    assert len(error) < len(protocol.encode(protocol.frame_request(0, b"\0")))
    assert protocol.decode(error[:-1]).error is ErrorCode.BUSY
    assert Packet(Reply.ERROR | 15, 0).error == 15


def test_worked_examples_of_the_documentation():
    text = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text(encoding="utf-8")
    *others, request, reply = (
        bytes.fromhex(h) for h in re.findall(r"^    wire: ((?:[0-9a-f]{2} ?)+)$", text, re.MULTILINE)
    )
    network = tiny_network(pixels=4, bits=4, classes=2, seed=3)
    design = SimpleNamespace(network=network, pixels_per_group=4, pixels_per_beat=2, score_width=10)
    identity = Identity.of(design, window=4, clock_hz=12_000_000)
    frame = identity.pack_frame(np.array([0, 9, 15, 2], np.uint8))
    asked = protocol.frame_request(7, frame)
    assert protocol.encode(asked) == request
    result = Result(1, (-5, 300), 42)
    assert protocol.encode(Packet(Reply.RESULT, 7, identity.pack_result(result, asked.check))) == reply
    of = EventPackets(identity, EventFormat(3, 7))
    asked = Packet(Request.EVENTS, 7, of.pack_frame(np.array([0, 9, 15, 2])))
    spikes = of.leaving.encode(np.array([7, 0, 2]))
    answer = Packet(Reply.EVENTS, 7, of.pack_result(replace(result, spikes=spikes), asked.check))
    assert [protocol.encode(asked), protocol.encode(answer)] == others[:2]
    over_time = SequencePackets(identity, frames=2, ticks=3)
    asked = Packet(Request.SEQUENCE, 7, over_time.pack_frame(np.array([[0, 9, 15, 2], [1, 2, 3, 4]])))
    answer = Packet(Reply.SEQUENCE, 7, over_time.pack_result(result, asked.check))
    assert [protocol.encode(asked), protocol.encode(answer)] == others[2:]


@given(packets, st.integers(1, 8))
def test_zeros_more_or_less_at_the_end_are_found(packet, count):
    """A checksum that is 0 after itself would stay 0."""
    body = packet.body + packet.check
    cut = body.rstrip(b"\0")
    for wrong in (body + bytes(count), *([cut] if cut != body else [])):
        with pytest.raises(Damaged):
            protocol.decode(protocol.stuff(wrong))
