"""The host against a device in Python behind a pseudo terminal, and against ports that are no device."""

import random
import subprocess
import sys
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.host import open_device
from s2nn_hw.hw.link.protocol import ErrorCode, Identity, Packet
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import save
from s2nn_hw.network.synapses import Dense
from tests.support.device_model import DeviceModel
from tests.support.event_networks import event_network, events_of
from tests.support.fake_port import FakePort
from tests.support.networks import random_images
from tests.support.standin import tiny_network

BAUD = 1_000_000


def rig(seed=0, channels=None, per_beat=5):
    network = tiny_network(seed=seed, channels=channels)
    design = SimpleNamespace(network=network, pixels_per_beat=per_beat, pixels_per_group=channels or 12, score_width=12)
    identity = Identity.of(design, window=4, clock_hz=12_000_000)
    images = np.random.default_rng(seed).integers(0, 256, (40, *network.input.shape)).astype(np.uint8)
    return network, DeviceModel(identity, network, cycles=17), images


def check(network, images, answers):
    golden = network.forward(images)
    assert answers.classes.tolist() == golden.classes.tolist()
    assert answers.scores.tolist() == golden.scores.tolist()
    assert set(answers.cycles.tolist()) <= {17}


def test_classify_matches_golden():
    network, model, images = rig()
    seen = []
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port, open_device(port.name, BAUD, network) as device:
        check(network, images, device.classify(images, progress=lambda *state: seen.append(state)))
        none = device.classify(images[:0])
        assert none.scores.shape == (0, 3)
    assert seen[-1] == (40, 0)
    assert seen == sorted(seen)


@pytest.mark.parametrize("steps", [4, 10])
def test_events(steps):
    network = event_network(steps)
    design = SimpleNamespace(network=network, pixels_per_beat=5, pixels_per_group=2, score_width=12)
    model = DeviceModel(Identity.of(design, window=4, clock_hz=12_000_000), network, cycles=17)
    events = events_of(network, 12)
    assert model.identity.bits == steps  # as docs/protocol.md says, the oldest step in a value's highest bit
    values = network.encode(events).reshape(12, *network.input.shape)
    assert all((values >> (steps - 1 - t) & 1 == events[:, t]).all() for t in range(steps))
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        for held in (network, None):
            with open_device(port.name, BAUD, held) as device:
                check(network, events, device.classify(events))
                wanted = (
                    "events in .* steps must have shape" if held else "images must have shape|takes events of 32 pixels"
                )
                with pytest.raises(UserError, match=wanted):
                    device.encode(events[:, 1:])


@pytest.mark.parametrize(("bits", "signed"), [(12, True), (16, False), (5, True), (3, False), (1, True)])
def test_pixels_of_any_bits(bits, signed):
    rng = np.random.default_rng(bits)
    table = rng.integers(-3, 4, (3, 10)).astype(np.int8)
    layers = (Layer("out", Dense(table, 3), Readout(np.zeros(3, np.int32))),)
    network = Network("n", Input((10,), bits, signed=signed), layers, tuple("abc"))
    design = SimpleNamespace(network=network, pixels_per_beat=3, pixels_per_group=5, score_width=24)
    model = DeviceModel(Identity.of(design, window=4, clock_hz=12_000_000), network, cycles=17)
    images = random_images(network, 12)
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        for held in (network, None):
            with open_device(port.name, BAUD, held) as device:
                check(network, images, device.classify(images))
                if held and (bits > 8 or signed):
                    with pytest.raises(UserError, match=f"pixels must be integers from -?\\d+ to {network.input.peak}"):
                        device.encode(images.astype(np.int32) + network.input.peak + 1)


@pytest.mark.parametrize("per_beat", [1, 3, 4])
def test_pictures_with_channels(per_beat):
    network, model, images = rig(channels=3, per_beat=per_beat)
    assert images.shape == (40, 1, 4, 3)
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        for held in (network, None):  # the network's own shape, or the board's word
            with open_device(port.name, BAUD, held) as device:
                check(network, images, device.classify(images))


def test_damage_in_both_directions_busy_and_silence_are_survived():
    """Each kind of trouble in turn; late answers must not be taken for other images'."""
    network, model, images = rig(1)
    source, late = random.Random(1), deque()

    def answer(piece):
        reply = protocol.encode(model.reply(piece))
        number = model.reply(piece).sequence
        if piece[1] == protocol.Request.IDENTITY:
            return reply
        trouble = source.randrange(12)
        if trouble == 0:
            return protocol.encode(protocol.error_reply(ErrorCode.BUSY, number))
        if trouble == 1:  # damaged on the way here
            return protocol.encode(model.reply(piece[:-1] + bytes((piece[-1] ^ 3 or 1,))))
        if trouble == 2:  # damaged on the way back
            return bytes((*reply[:3], reply[3] ^ 0x41 or 1, *reply[4:]))
        if trouble == 3:
            late.append(reply)
            return b""
        if trouble == 4 and late:
            return late.popleft() + reply + reply
        return reply

    with FakePort(answer) as port, open_device(port.name, BAUD, network, timeout=0.2, retries=9) as device:
        answers = device.classify(images)
    check(network, images, answers)
    assert answers.repeats > 0


def test_results_that_another_host_left_are_not_taken():
    network, model, images = rig(2)
    stale = b"".join(
        protocol.encode(Packet(0x81, n, model.identity.pack_result(protocol.Result(0, (1, 2, 3), 999), bytes(4))))
        for n in range(20)
    )

    def answer(piece):
        reply = protocol.encode(model.reply(piece))
        return reply + stale if piece[1] == protocol.Request.IDENTITY else reply

    with FakePort(answer) as port, open_device(port.name, BAUD, network) as device:
        check(network, images[:3], device.classify(images[:3]))


def refused(answer, words, network, **options):
    with FakePort(answer) as port, pytest.raises(UserError, match=words):
        open_device(port.name, BAUD, network, timeout=0.1, **options)


def test_ports_that_are_no_device_are_refused():
    network, model, _ = rig()
    refused(lambda p: b"", "answers nothing", network)
    refused(lambda p: b"login: \r\n" * 20, "no identity packet", network)
    refused(lambda p: b"\0" + random.Random(3).randbytes(50), "no identity packet", network)
    refused(lambda p: protocol.encode(model.reply(p)), "another network: digest", tiny_network(seed=9))
    refused(lambda p: protocol.encode(Packet(0x82, model.reply(p).sequence, b"\7" + bytes(31))), "version 7", network)
    with pytest.raises(UserError, match="no-such-port can't be opened"):
        open_device("/dev/no-such-port", BAUD, network)


def test_device_that_goes_silent_ends_in_one_error():
    network, model, images = rig()
    left = [3]

    def answer(piece):
        left[0] -= 1
        return protocol.encode(model.reply(piece)) if left[0] >= 0 else b""

    with (
        FakePort(answer) as port,
        open_device(port.name, BAUD, network, timeout=0.1, retries=1) as device,
        pytest.raises(UserError, match=r"image \d+ failed 2 times, last because of no answer"),
    ):
        device.classify(images)


def test_a_port_is_taken_by_one_program_alone(tmp_path):
    network, model, images = rig()
    np.save(tmp_path / "x.npy", images[:2])
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        with open_device(port.name, BAUD, network):
            with pytest.raises(UserError, match=f"^serial port {port.name} is in use by another program; end "):
                open_device(port.name, BAUD, network)
            done = command("--port", port.name, "--images", tmp_path / "x.npy")
            assert done.returncode == 2
            assert done.stderr == f"error: serial port {port.name} is in use by another program; end that one first\n"
        open_device(port.name, BAUD, network).close()


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from s2nn_hw.cli.main import main; main()", "run", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_command(tmp_path):
    network, model, images = rig()
    save(network, tmp_path / "tiny.s2nn")
    np.save(tmp_path / "x.npy", images)
    files = ("--images", tmp_path / "x.npy", "--network", tmp_path / "tiny.s2nn")
    with FakePort(lambda p: protocol.encode(model.reply(p))) as port:
        done = command("--port", port.name, *files, "-o", tmp_path / "out.npz")
        alone = command("--port", port.name, "--images", tmp_path / "x.npy", "-o", tmp_path / "alone.npz")
        np.save(tmp_path / "odd.npy", images[:, :-1])
        odd = command("--port", port.name, "--images", tmp_path / "odd.npy")
    assert alone.returncode == 0, alone.stderr
    assert network.digest[:32] in alone.stdout
    assert odd.returncode == 2
    assert odd.stderr == "error: images must have shape (count, 12), not (40, 11)\n"
    assert done.returncode == 0, done.stderr
    assert "class 2" in done.stdout
    assert "frames/s" in done.stdout
    with np.load(tmp_path / "out.npz") as out:
        assert sorted(out) == ["class", "cycles", "scores"]
        assert out["scores"].tolist() == network.forward(images).scores.tolist()
    with np.load(tmp_path / "alone.npz") as out:
        assert out["scores"].tolist() == network.forward(images).scores.tolist()

    done = command("--port", tmp_path / "nothing", *files)
    assert done.returncode == 2
    assert done.stderr.startswith("error: serial port")
    assert done.stderr.count("\n") == 1
