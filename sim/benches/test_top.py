"""The whole chip behind its UART pins, as Verilog under cocotb: good, damaged and glued packets, reset in a packet."""

import random
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from amaranth.back import verilog

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.protocol import ErrorCode, Packet, Reply, Request, Splitter
from s2nn_hw.hw.link.top import LinkTop
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense
from s2nn_hw.sim.verilog.job import Phase
from s2nn_hw.sim.verilog.pins import exchange

CLOCKS_PER_BIT = 4


class Talk(NamedTuple):
    """Something of each phase of the talk with the chip: what is sent, what comes back."""

    identity: Any
    good: Any
    back_to_back: Any
    checksum: Any
    short: Any
    long: Any
    unknown: Any
    damaged_between_good: Any
    reset_in_a_packet: Any


def small_network() -> Network:
    """Return a network of two layers on 3 x 4 pixels of 2 bits."""
    source = np.random.default_rng(11)
    hidden = Dense(source.integers(-7, 8, (6, 12)).astype(np.int8), 4)
    readout = Dense(source.integers(-7, 8, (3, 6)).astype(np.int8), 4)
    return Network(
        "small",
        Input((3, 4), 2),
        (
            Layer("hidden", (hidden,), Fire(source.integers(-10, 10, 6).astype(np.int32))),
            Layer("readout", (readout,), Readout(source.integers(-9, 9, 3).astype(np.int32))),
        ),
        ("a", "b", "c"),
    )


def test_top_answers_at_its_pins_like_the_golden_model(tmp_path: Path) -> None:
    network, source = small_network(), random.Random(12)
    images = np.random.default_rng(13).integers(0, 256, (30, 3, 4)).astype(np.uint8)
    golden, pixels = network.forward(images, trace=True), network.encode(images)
    top = LinkTop(Accelerator(network), clock_hz=4_000_000, baud=1_000_000)
    identity = top.identity
    text = verilog.convert(top, name="link_top", emit_src=False)

    def frame(number: int) -> bytes:
        return protocol.encode(protocol.frame_request(number, identity.pack_frame(pixels[number])))

    def flip(wire: bytes) -> bytes:
        position, bit = source.randrange(len(wire) - 1), 1 << source.randrange(8)
        return wire[:position] + bytes((wire[position] ^ bit or 1,)) + wire[position + 1 :]

    damaged = [flip(frame(n)) for n in range(6)]
    size = identity.frame_bytes
    sent = Talk(
        identity=Phase(protocol.encode(protocol.identity_request(5))),
        good=Phase(frame(0)),
        back_to_back=Phase(b"".join(frame(n) for n in range(20))),
        checksum=Phase(frame(1)[:-3] + bytes((frame(1)[-3] ^ 0x55 or 1,)) + frame(1)[-2:]),
        short=Phase(protocol.encode(Packet(Request.FRAME, 6, bytes(size - 1)))),
        long=Phase(protocol.encode(Packet(Request.FRAME, 7, bytes(size + 1)))),
        unknown=Phase(protocol.encode(Packet(0x33, 8, b"abc"))),
        damaged_between_good=Phase(b"".join(d + b"\0" + frame(20 + n) for n, d in enumerate(damaged))),
        reset_in_a_packet=Phase(frame(1) + frame(29), reset_before=5),
    )
    replies = exchange(text, "link_top", list(sent), clocks=CLOCKS_PER_BIT, work=tmp_path)

    def packets(name: str, data: bytes) -> list[Packet]:
        splitter = Splitter()
        found = splitter.feed(data)
        assert not splitter.damaged, name
        return found

    came = Talk(*(packets(name, data) for name, data in zip(Talk._fields, replies, strict=True)))

    def check_result(packet: Any, number: int) -> Any:
        assert (packet.type, packet.sequence) == (Reply.RESULT, number)
        result = identity.unpack_result(packet.payload)
        assert (result.index, result.scores) == (int(golden.classes[number]), tuple(golden.scores[number].tolist()))
        return result.cycles

    assert came.identity == [Packet(Reply.IDENTITY, 5, identity.pack())]
    (cycles,) = (check_result(p, 0) for p in came.good)
    timing = top.accelerator.timing
    ones = timing.ones({"input": pixels[:1], "hidden": golden.spikes["hidden"][:1]})
    assert [cycles] == timing.schedule(ones).cycles.ravel().tolist()

    # back to back: every frame has its result, or BUSY as the line back is the slower one
    frames = came.back_to_back
    assert sorted(p.sequence for p in frames) == list(range(20))
    results = [p for p in frames if p.type == Reply.RESULT]
    assert len(results) >= 4
    for packet in results:
        check_result(packet, packet.sequence)
    assert [p.sequence for p in results] == sorted(p.sequence for p in results)
    assert {p.error for p in frames} <= {None, ErrorCode.BUSY}

    assert [p.error for p in came.checksum] in ([ErrorCode.CHECKSUM], [ErrorCode.SHORT], [ErrorCode.LONG])
    assert came.short == [protocol.error_reply(ErrorCode.SHORT, 6)]
    assert came.long == [protocol.error_reply(ErrorCode.LONG, 7)]
    assert came.unknown == [protocol.error_reply(ErrorCode.UNKNOWN, 8)]
    good = [p for p in came.damaged_between_good if p.type == Reply.RESULT]
    assert [p.sequence for p in good] == list(range(20, 26))
    for packet in good:
        check_result(packet, packet.sequence)
    assert all(
        p.error in (None, ErrorCode.CHECKSUM, ErrorCode.SHORT, ErrorCode.LONG) for p in came.damaged_between_good
    )
    check_result(came.reset_in_a_packet[-1], 29)
    assert all(p.error is not None for p in came.reset_in_a_packet[:-1])
