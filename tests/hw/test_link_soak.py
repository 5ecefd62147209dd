"""The host on a line with faults: a device model in simulated time, and the circuit in Amaranth's simulator."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import connect
from amaranth.sim import Simulator

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import older_protocols, protocol
from s2nn_hw.hw.link.host import Device
from s2nn_hw.hw.link.link import Link
from s2nn_hw.hw.link.protocol import SEQUENCES, ErrorCode, Reply
from tests.soak.link import rig, soak
from tests.support.lossy_line import KINDS, Faults, LossyLine, perfect
from tests.support.standin import StandIn, tiny_network


@pytest.fixture(scope="module")
def prepared():
    return rig(400, 1)


@pytest.mark.parametrize("rate", [0.01, 0.3])
@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS], ids="-".join)
def test_every_result_is_right_whatever_the_line_does(kinds, rate, prepared):
    """A small part of ``python -m tests.soak.link``."""
    network, model, images = prepared
    wrong, _, repeats, faults = soak(model, network, images, kinds, rate, seed=2)
    assert wrong == 0
    assert faults > 0
    assert repeats > 0 or kinds == ("duplication",)


def classify(model, network, images, *, there=perfect, back=perfect, **options):
    line = LossyLine(model, there=there, back=back)
    limit = options.pop("limit", None)
    with Device(line, network, **options) as device:
        answers = device.classify(images, limit=limit)
    assert line.closed
    assert (answers.scores == model.golden.scores[: len(images)]).all()
    assert (answers.classes == model.golden.classes[: len(images)]).all()
    return line, answers


def results(fate):
    """Return a line's way with packets: ``fate(number, bytes)`` of results, the others come through."""
    seen = [0]

    def back(wire):
        if protocol.decode(wire[:-1]).type != Reply.RESULT:
            return [(0.0, wire)]
        seen[0] += 1
        return fate(seen[0] - 1, wire)

    return back


@pytest.mark.parametrize("frames", [2 * SEQUENCES, 2000])
def test_one_lost_reply_and_more_frames_than_there_are_numbers(frames):
    network, model, images = rig(frames, 3)
    line, answers = classify(model, network, images, back=results(lambda n, wire: [] if n == 50 else [(0.0, wire)]))
    assert answers.repeats == 1
    assert line.frames == frames + 1


def test_one_image_without_a_reply_while_all_numbers_are_used_twice():
    """Its number is not given to another frame; the line loses its replies until 600 others are answered."""
    network, model, images = rig(800, 4)
    lost = network.encode(images)[50]
    lost = model.identity.pack_result(model.classify(model.identity.pack_frame(lost)), b"")
    others = [0]

    def fate(_, wire):
        is_lost = protocol.decode(wire[:-1]).payload[protocol.CHECK_BYTES :] == lost
        others[0] += not is_lost
        return [] if is_lost and others[0] < 600 else [(0.0, wire)]

    _, answers = classify(model, network, images, back=results(fate), retries=1000)
    assert answers.repeats > 100


def test_a_result_that_is_held_back_for_one_space_of_numbers_is_not_taken_for_another_image():
    """Every result comes again when its number has come round, before that of the frame that has it now."""
    network, model, images = rig(3 * SEQUENCES, 5)
    held = []

    def fate(number, wire):
        held.append(wire)
        late = held[number - SEQUENCES] if number >= SEQUENCES else b""
        if late:
            assert protocol.decode(late[:-1]).sequence == protocol.decode(wire[:-1]).sequence
        return [(0.0, late + wire)]

    _, answers = classify(model, network, images, back=results(fate))
    assert answers.repeats == 0


def test_a_frame_and_its_late_answer_count_as_one():
    """All results come later than the host waits: none is lost, and the run goes on."""
    network, model, images = rig(40, 6)
    _, answers = classify(model, network, images, back=results(lambda n, wire: [(0.7, wire)]), timeout=0.3)
    assert answers.repeats > 0


def ends(words, *, answered=3, there=perfect, frames=50, fate=lambda n, wire: [], **options):
    """Check that a line that goes wrong after ``answered`` results ends in one line; return its clock."""
    network, model, images = rig(frames, 7)
    back = results(lambda n, wire: [(0.0, wire)] if n < answered else fate(n, wire))
    line, limit = LossyLine(model, there=there, back=back), options.pop("limit", None)
    with Device(line, network, **options) as device, pytest.raises(UserError, match=words) as caught:
        device.classify(images, limit=limit)
    assert "\n" not in str(caught.value)
    return line.time


def test_a_device_that_goes_silent_for_ever_ends_in_one_line():
    assert ends(r"simulated line: image \d+ failed 51 times, last because of no answer within 0.1 s") < 7
    assert ends(r"image \d+ failed 3 times, last because of no answer within", retries=2) < 2
    assert ends("no result came for 10.0 s, last because of no answer within 0.1 s; 3 of 50 images", retries=999) < 12
    assert ends("the time of 4 s is over; 3 of 50 images have their results", limit=4) < 5


def test_a_device_that_is_busy_for_ever_ends_in_one_line():
    def fate(_, wire):
        return [(0.0, protocol.encode(protocol.error_reply(ErrorCode.BUSY, protocol.decode(wire[:-1]).sequence)))]

    assert ends("no result came for 10.0 s, last because of the answer BUSY", fate=fate) < 12


def test_a_line_that_gives_one_result_a_second_ends_with_the_time():
    slow = [0]

    def fate(number, wire):
        slow[0] += 1
        return [(0.0, wire)] if slow[0] % 9 == 0 else []

    assert ends("the time of 30 s is over", fate=fate, frames=2000, limit=30, retries=10**6) < 31


def old_device(version, size):
    """Return a port's answers of a device of an older version: to its own requests its identity, else LONG."""

    def reply(kind, number, payload):
        body = bytes((kind, number)) + payload
        return (
            protocol.stuff(body + older_protocols.binascii.crc_hqx(body, older_protocols.START).to_bytes(2, "big"))
            + b"\0"
        )

    ask = older_protocols.identity_request()[:-1]
    return lambda piece: (
        reply(Reply.IDENTITY, 1, bytes((version,)) + bytes(size - 1))
        if piece == ask
        else reply(Reply.ERROR | ErrorCode.LONG, 1, b"")
    )


class Pieces:
    """A line whose device answers each piece between delimiters with ``answer(piece)`` bytes, damaged by ``back``."""

    name, baud = "old line", 1_000_000

    def __init__(self, answer, there=perfect, back=perfect):
        self.answer, self.there, self.back, self.time, self.came = answer, there, back, 0.0, b""

    def now(self):
        return self.time

    def close(self):
        pass

    def write(self, data):
        for piece in filter(None, data.split(b"\0")):
            for _, wire in self.there(piece + b"\0"):
                for arrived in filter(None, wire.split(b"\0")):
                    self.came += b"".join(data for _, data in self.back(self.answer(arrived)))

    def read(self):
        self.time += 0.0 if self.came else 0.02
        came, self.came = self.came, b""
        return came


@pytest.mark.parametrize(("version", "size"), [(1, 32), (2, 36)])
@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_a_device_of_an_older_version_is_named(version, size, rate):
    line = Pieces(old_device(version, size), back=Faults(("damage",), rate, 8))
    with pytest.raises(UserError, match=rf"^old line: the device speaks protocol version {version}, this "):
        Device(line)


def test_a_connection_over_a_line_that_damages_much_works_or_names_the_damage():
    network, model, _ = rig(2, 9)
    for seed in range(20):
        faults = [Faults(("damage", "loss"), 0.2, f"{seed} {end}") for end in range(2)]
        Device(LossyLine(model, there=faults[0], back=faults[1]), network).close()
    answer = lambda piece: protocol.encode(model.reply(piece))  # noqa: E731

    def flip(wire):
        return [(0.0, wire[:9] + bytes((wire[9] ^ 0x41 or 1,)) + wire[10:] if len(wire) > 20 else wire)]

    with pytest.raises(UserError, match=r"did not come through in 20 tries: \d+ of \d+ packets were damaged"):
        Device(Pieces(answer, back=flip), network)
    with pytest.raises(UserError, match="another device, or another baud rate than 1000000"):
        Device(Pieces(lambda piece: random.Random(len(piece)).randbytes(40), back=perfect), network)


class CircuitLine:
    """The link's circuit before a stand-in accelerator, in Amaranth's simulator; a byte takes ``gap`` cycles."""

    name, cycle = "circuit", 1e-6

    def __init__(self, network, *, there, back, gap=12, window=4):
        accelerator = StandIn(network)
        self.link = link = Link.of(accelerator, clock_hz=1_000_000, window=window)
        self.there, self.back, self.gap, self.baud = there, back, gap, 10_000_000 // gap
        m = Module()
        m.submodules.link, m.submodules.accelerator = link, accelerator
        connect(m, link.frames, accelerator.i)
        connect(m, accelerator.o, link.results)
        self.simulator = Simulator(m)
        self.simulator.add_clock(self.cycle)
        self.simulator.add_testbench(self._send, background=True)
        self.simulator.add_testbench(self._receive, background=True)
        self.to_send, self.came, self.packet, self.time = bytearray(), bytearray(), bytearray(), 0.0

    async def _send(self, ctx):
        while True:
            ctx.set(self.link.i.valid, bool(self.to_send))
            ready = not self.to_send
            if self.to_send:
                ctx.set(self.link.i.payload, self.to_send.pop(0))
            while not ready:
                _, _, ready = await ctx.tick().sample(self.link.i.ready)
            ctx.set(self.link.i.valid, 0)
            await self._pass(ctx)

    async def _receive(self, ctx):
        while True:
            ctx.set(self.link.o.ready, 1)
            _, _, valid, byte = await ctx.tick().sample(self.link.o.valid, self.link.o.payload)
            if valid:
                self.packet.append(byte)
                if byte == 0:
                    for _, data in self.back(bytes(self.packet)):
                        self.came += data
                    self.packet.clear()
                ctx.set(self.link.o.ready, 0)
                await self._pass(ctx)

    async def _pass(self, ctx):
        for _ in range(self.gap - 1):
            await ctx.tick()

    def now(self):
        return self.time

    def close(self):
        pass

    def write(self, data):
        for piece in data.split(b"\0")[:-1]:
            for _, wire in self.there(piece + b"\0"):
                self.to_send += wire

    def read(self):
        until = self.time + 400 * self.cycle
        while not self.came and self.time < until:
            self.time += 20 * self.cycle
            self.simulator.run_until(self.time)
        came = bytes(self.came)
        self.came.clear()
        return came


@pytest.mark.parametrize(
    "kinds", [("loss",), ("duplication",), ("damage",), ("loss", "duplication", "damage")], ids="-".join
)
def test_the_circuit_s_results_are_right_whatever_the_line_does(kinds):
    network = tiny_network(pixels=12, bits=2, seed=1)
    images = np.random.default_rng(1).integers(0, 256, (24, 12)).astype(np.uint8)
    there, back = (Faults(kinds, 0.2, f"11 {end}") for end in ("there", "back"))
    line = CircuitLine(network, there=there, back=back)
    with Device(line, network, timeout=0.003) as device:
        answers = device.classify(images)
    golden = network.forward(images)
    assert answers.scores.tolist() == golden.scores.tolist()
    assert answers.classes.tolist() == golden.classes.tolist()
    assert there.count > 2
    assert back.count > 2
