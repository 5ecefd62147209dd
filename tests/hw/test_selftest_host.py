"""The `selftest` command against boards in Python, and the self-test's bytes at its pins in Amaranth's simulator."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import signed
from amaranth.lib import data
from amaranth.sim import Simulator

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cli import main
from s2nn_hw.cli.selftest import Output, SimulationOptions, simulate_self_test
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.host import open_device
from s2nn_hw.hw.link.link import SelfTestLink, identity_of
from s2nn_hw.hw.link.protocol import ErrorCode, Identity, Packet, Reply, Request, Splitter
from s2nn_hw.hw.link.selftest import Vectors
from s2nn_hw.hw.link.top import SelfTestTop
from s2nn_hw.hw.link.verdict import Command, Mismatch, Verdict, self_test_request
from s2nn_hw.network.store import save
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.verilog.job import Phase
from s2nn_hw.sim.verilog.pins import exchange
from s2nn_hw.verilog.convert import to_verilog
from tests.support.device_model import DeviceModel
from tests.support.fake_port import FakePort
from tests.support.networks import random_images, random_network
from tests.support.standin import tiny_network

BAUD = 1_000_000
FRESH = Verdict(True, True, False, False, 64, 16, 2048, 0, 70, 1024, 6)
WRONG = replace(
    FRESH, passed=False, failed=True, fault=True, mismatches=32, first=Mismatch(63, (1, (4, 6, -7)), (1, (5, 6, -7)))
)


class Board:
    """A self-test whose frames grow by a round at each question."""

    def __init__(self, verdict=FRESH, step=64):
        self.verdict, self.step, self.commands = verdict, step, []

    def __call__(self, command):
        self.commands.append(command)
        if command:
            self.verdict = WRONG if command & Command.FAULT else FRESH
        self.verdict = replace(self.verdict, frames=self.verdict.frames + self.step)
        return self.verdict


def shapes(network):
    """Return what is known of a one-layer accelerator without making it."""
    return SimpleNamespace(network=network, pixels_per_beat=5, pixels_per_group=12, score_width=9, beats=3)


def model_of(board, network=None):
    network = network or tiny_network()
    identity = identity_of(shapes(network), clock_hz=100_000_000)
    return DeviceModel(identity, network, self_test=board)


def call(monkeypatch, capsys, *arguments):
    """Return ``(exit status, what was printed, what went to standard error)`` of the command."""
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", "selftest", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    return stop.value.code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("board", "options", "status", "words"),
    [
        (Board(), (), 0, ["PASS", "frames/s at 100 MHz", "100,000,000"]),
        (Board(WRONG), ("--restart",), 0, ["PASS"]),
        (Board(WRONG), (), 1, ["FAIL", "first mismatch, frame", "class 1: 4 6 -7"]),
        (Board(), ("--fault",), 1, ["FAIL, as it must with the fault injected"]),
        (Board(step=0), (), 1, ["PASS, but no frame moves"]),
        (Board(replace(FRESH, passed=False, span_cycles=0, round_cycles=0)), (), 1, ["NO VERDICT"]),
        (Board(replace(FRESH, frames=1 << 47), step=0), (), 0, ["at least 140,737,488,355,328"]),
    ],
)
def test_command_asks_a_board(board, options, status, words, tmp_path, monkeypatch, capsys):
    network = tiny_network()
    save(network, tmp_path / "tiny.s2nn")
    model = model_of(board)
    monkeypatch.setenv("COLUMNS", "120")
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        came, text, error = call(
            monkeypatch, capsys, port.name, "--network", tmp_path / "tiny.s2nn", "--seconds", 0, *options
        )
    assert (came, error) == (status, "")
    for word in words:
        assert word in text
    assert board.commands == ([3] if "--fault" in options else [1] if options else []) + [0, 0]


def test_command_writes_json(tmp_path, monkeypatch, capsys):
    model = model_of(Board(WRONG))
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        status, text, _ = call(monkeypatch, capsys, port.name, "--seconds", 0, "--json", "-o", tmp_path / "v.json")
    assert status == 1
    data = json.loads(text)
    assert data == json.loads((tmp_path / "v.json").read_text())
    assert data["first"] == {
        "vector": 63,
        "wanted": {"class": 1, "scores": [4, 6, -7]},
        "came": {"class": 1, "scores": [5, 6, -7]},
    }
    assert (data["verdict"], data["span_frames"], data["span_cycles"], data["clock_hz"]) == (
        "fail",
        1024,
        1024,
        100_000_000,
    )


def test_the_other_kind_of_bitstream_is_named(monkeypatch, capsys):
    network = tiny_network()
    model = DeviceModel(model_of(Board()).identity, network)
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        status, _, error = call(monkeypatch, capsys, port.name)
    assert status == 2
    assert "holds an accelerator, but no self-test; build one with `s2nn-hw bitstream --self-test`" in error
    model = model_of(Board())
    with (
        FakePort(lambda p: protocol.encode(model.reply(p))) as port,
        open_device(port.name, BAUD, network) as device,
        pytest.raises(UserError, match="takes no images: it holds a self-test"),
    ):
        device.classify(random_images(network, 3))


def test_silence_and_damage_end_in_one_error():
    model = model_of(Board())

    def answer(piece, verdict):
        reply = model.reply(piece)
        return protocol.encode(reply) if reply.type == Reply.IDENTITY else verdict(reply)

    def short(reply):
        return protocol.encode(Packet(Reply.SELF_TEST, reply.sequence, reply.payload[:9]))

    def of_another_request(reply):
        return protocol.encode(Packet(Reply.SELF_TEST, reply.sequence, bytes(4) + reply.payload[4:]))

    for verdict, words in (
        (lambda _: b"", "does not answer for its self-test"),
        (short, "does not fit"),
        (of_another_request, "does not answer for its self-test"),
    ):
        with (
            FakePort(lambda p, v=verdict: answer(p, v)) as port,
            open_device(port.name, BAUD, timeout=0.1) as device,
            pytest.raises(UserError, match=words),
        ):
            device.self_test()


def exchange_bytes(link, wire, state, *, later=None, tail=1500):
    """Send ``wire`` to ``link`` with ``state`` at these values; return the packets, and ``fault`` at each restart.

    ``later``: values of the state from the first byte of the reply on.
    """
    out, pulses = bytearray(), []

    async def send(ctx):
        for name, value in state.items():
            ctx.set(getattr(link.state, name), value)
        for byte in wire:
            ctx.set(link.i.payload, byte)
            ctx.set(link.i.valid, 1)
            await ctx.tick().until(link.i.ready)
            ctx.set(link.i.valid, 0)
        await ctx.tick().repeat(tail)

    async def receive(ctx):
        ctx.set(link.o.ready, 1)
        async for _, _, valid, byte, restart, fault in ctx.tick().sample(
            link.o.valid, link.o.payload, link.restart, link.fault
        ):
            if valid:
                out.append(byte)
                for name, value in (later or {}).items():
                    ctx.set(getattr(link.state, name), value)
            if restart:
                pulses.append(fault)

    simulator = Simulator(link)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(receive, background=True)
    simulator.run()
    return Splitter().feed(bytes(out)), pulses


def link_rig(classes, failed):
    """Return a link of such a network, a state for it, and the verdict that says the same."""
    identity = identity_of(shapes(tiny_network(12, 2, classes)), clock_hz=12_000_000)
    layout = data.StructLayout(
        {"class": max(1, (classes - 1).bit_length()), "scores": data.ArrayLayout(signed(9), classes), "cycles": 32}
    )
    scores = tuple((-256, 255, -1)[n % 3] for n in range(classes))
    state = {
        "running": 1,
        "passed": 1 - failed,
        "failed": failed,
        "frames": (1 << 47) + 5,
        "mismatches": 1 << 31,
        "round_cycles": 1,
        "span_cycles": 0xFFFFFFFF,
        "latency_cycles": 0x01020304,
        "vector": 299,
        "wanted": {"class": classes - 1, "scores": scores},
        "came": {"class": 0, "scores": scores[::-1]},
    }
    first = Mismatch(299, (classes - 1, scores), (0, scores[::-1])) if failed else None
    verdict = Verdict(
        True, not failed, bool(failed), False, 300, 16, (1 << 47) + 5, 1 << 31, 1, 0xFFFFFFFF, 0x01020304, first
    )
    return SelfTestLink(identity, layout, vectors=300, rounds_log2=4), state, verdict


@pytest.mark.parametrize(("classes", "failed"), [(1, 0), (3, 0), (3, 1), (70, 1)])
def test_link_sends_the_state_as_the_layout_says(classes, failed):
    link, state, verdict = link_rig(classes, failed)
    packets = link.packets
    request = self_test_request(1)
    got, pulses = exchange_bytes(link, protocol.encode(request), state, tail=20 * packets.result_bytes)
    assert got == [Packet(Reply.SELF_TEST, 1, packets.pack_verdict(verdict, request.check))]
    assert packets.unpack_verdict(got[0].payload) == verdict
    assert not pulses


def test_link_obeys_commands_in_their_order_and_refuses_the_rest():
    link, state, verdict = link_rig(3, 1)
    commands = {1: 3, 2: 0, 3: Command.FAULT, 4: Command.RESTART, 5: 0}
    faults = {1: True, 2: True, 3: True, 4: False, 5: False}
    requests = [self_test_request(n, command) for n, command in commands.items()]
    requests += [
        protocol.identity_request(6),
        Packet(Request.FRAME, 7, bytes(link.identity.frame_bytes)),
        Packet(Request.SELF_TEST, 8, bytes(2)),
        Packet(Request.SELF_TEST, 9),
    ]
    wire = b"".join(protocol.encode(r) + b"\0" * 1000 for r in requests)  # time to answer each
    got, pulses = exchange_bytes(link, wire, state)
    assert got == [
        *(
            Packet(Reply.SELF_TEST, n, link.packets.pack_verdict(replace(verdict, fault=f), requests[n - 1].check))
            for n, f in faults.items()
        ),
        Packet(Reply.IDENTITY, 6, link.identity.pack()),
        *(
            protocol.error_reply(code, n)
            for code, n in ((ErrorCode.UNKNOWN, 7), (ErrorCode.LONG, 8), (ErrorCode.SHORT, 9))
        ),
    ]
    assert pulses == [1, 0]  # with a fault, without


def test_a_state_that_changes_while_it_is_sent_is_the_old_one_whole():
    link, state, verdict = link_rig(3, 0)
    later = {"failed": 1, "passed": 0, "frames": 1, "vector": 7}
    request = self_test_request(1)
    got, _ = exchange_bytes(link, protocol.encode(request), state, later=later, tail=1500)
    assert got == [Packet(Reply.SELF_TEST, 1, link.packets.pack_verdict(verdict, request.check))]


def test_chip_answers_at_its_pins_like_the_cycle_model(tmp_path):
    """The Verilog of the whole chip: pass, a fault, a restart, each read as the host reads it; and frames refused."""
    network = random_network((20, 9, 3), input_bits=2)
    images = random_images(network, 6, seed=3)
    accelerator = Accelerator(network)
    top = SelfTestTop(accelerator, Vectors.of(network, images, 6), clock_hz=4_000_000)
    _, values = layer_inputs(network, np.concatenate([images] * 17))
    timing = accelerator.timing
    schedule = timing.schedule(timing.ones(values), length=17 * 6)
    ends = schedule.offered[0, 5::6]
    requests = [
        self_test_request(1),
        self_test_request(2, Command.RESTART | Command.FAULT),
        self_test_request(3),
        self_test_request(4, Command.RESTART),
        self_test_request(5),
        Packet(Request.FRAME, 6, bytes(top.identity.frame_bytes)),
    ]
    replies = exchange(
        to_verilog(top, "self_test_top"),
        "self_test_top",
        [Phase(protocol.encode(r), clocks=int(ends[-1])) for r in requests],
        clocks=4,
        work=tmp_path,
    )
    packets = [packet for reply in replies for packet in Splitter().feed(reply)]
    assert [p.sequence for p in packets] == [1, 2, 3, 4, 5, 6]
    assert packets[5] == protocol.error_reply(ErrorCode.UNKNOWN, 6)
    good, stopped, bad, _, again = (top.link.packets.unpack_verdict(p.payload) for p in packets[:5])
    for verdict in (good, again):
        assert (verdict.word, verdict.running, verdict.mismatches, verdict.first) == ("pass", True, 0, None)
        assert verdict.round_cycles == ends[0] - schedule.begun[0, 0]
        assert verdict.span_cycles == ends[16] - ends[0]
        assert verdict.frames > 16 * 6
    assert not stopped.running
    index, scores = int(top.test.vectors.classes[5]), top.test.vectors.scores[5].tolist()
    assert bad.word == "fail"
    assert bad.first == Mismatch(5, (index, (scores[0] ^ 1, *scores[1:])), (index, tuple(scores)))
    assert bad.frames // 6 == bad.mismatches


def test_simulated_command(tmp_path, monkeypatch, capsys):
    """The same answers from a chip in Python in the simulator's place: what is sent, and what is made of it."""
    network = random_network((20, 9, 3), input_bits=2)
    save(network, tmp_path / "small.s2nn")
    sent = []

    def chip(text, top, phases, *, clocks, folder):
        assert "module self_test_top" in text
        sent.append([p.send for p in phases])
        identity = Identity.of(Design(network, default_plan(network, "xc7")), window=4, clock_hz=4_000_000)
        model = DeviceModel(identity, network, self_test=Board(WRONG))
        return [protocol.encode(model.reply(p.send[:-1])) for p in phases]

    pictures = random_images(network, 8)
    np.save(tmp_path / "x.npy", pictures)
    monkeypatch.setattr("s2nn_hw.cli.selftest.exchange", chip)
    options = SimulationOptions(images=tmp_path / "x.npy", vectors=8)
    status = simulate_self_test(tmp_path / "small.s2nn", options, Output())
    assert (status, "FAIL" in capsys.readouterr().out) == (1, True)
    simulate_self_test(tmp_path / "small.s2nn", replace(options, fault=True), Output())
    ask = protocol.encode(self_test_request(2))
    assert sent == [[ask], [protocol.encode(self_test_request(1, 3)), ask]]
    assert "is a network, not a serial port; --simulate" in call(monkeypatch, capsys, tmp_path / "small.s2nn")[2]
    for arguments, words in (
        (("--vectors", 9), "of 9 vectors needs as many images, not 8"),
        (("--vectors", 1), "needs 2 to 65,535 vectors, not 1"),
    ):
        code, _, error = call(
            monkeypatch, capsys, tmp_path / "small.s2nn", "--simulate", "--images", tmp_path / "x.npy", *arguments
        )
        assert code == 2
        assert words in error
