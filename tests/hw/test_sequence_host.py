"""The host with a device that takes sequences: results, faults on the line, and what the commands say."""

import json
import wave
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.host import Device, open_device
from s2nn_hw.hw.link.protocol import Identity
from s2nn_hw.network.over_time import forward_file, forward_sequences
from s2nn_hw.network.sequences import Sequences, write_sequences
from s2nn_hw.network.store import save
from s2nn_hw.quantize.audio.log_mel import log_mel
from tests.support.commands import command, refused  # noqa: F401
from tests.support.device_model import DeviceModel
from tests.support.fake_port import FakePort
from tests.support.lossy_line import KINDS, Faults, LossyLine
from tests.support.random_sequences import drawn
from tests.support.small_sequences import small_network
from tests.support.standin import tiny_network

BAUD = 1_000_000
SOUND = (8000 * np.sin(np.arange(1000) / 3)).astype(np.int16)


def model_of(network, *, window=2):
    size = network.input.size
    design = SimpleNamespace(network=network, pixels_per_beat=3, pixels_per_group=size, score_width=24)
    return DeviceModel(Identity.of(design, window=window, clock_hz=12_000_000), network, cycles=17)


def port_of(network):
    model = model_of(network)
    return FakePort(lambda p: protocol.encode(model.reply(p)))


def recordings(network, count, seed=0, **entries):
    rng, entering = np.random.default_rng(seed), network.input
    lengths = rng.integers(1, entering.frames + 1, count)
    parts = [rng.integers(0, 256, (length, entering.size)).astype(np.uint8) for length in lengths]
    return Sequences.of(parts, **entries)


def check(network, given, answers):
    golden = forward_file(network, given)
    assert answers.classes.tolist() == golden.classes.tolist()
    assert answers.scores.tolist() == golden.scores.tolist()
    assert answers.cycles.tolist() == [17] * len(given)


@pytest.mark.parametrize("known", [True, False])
def test_classify(known):
    network = small_network()
    given = recordings(network, 9, 1)
    with port_of(network) as port, open_device(port.name, BAUD, network if known else None) as device:
        assert (device.packets.frames, device.packets.ticks) == (6, 2)
        check(network, given, device.classify_sequences(given))
        with pytest.raises(UserError, match="takes sequences of up to 6 frames, no single images"):
            device.classify(given.frames)
        long = Sequences.of([given.frames[:2], given.frames[:7]], name="sequences x.npz")
        with pytest.raises(UserError, match=r"^sequences x.npz: sequence 1 has 7 frames; 1 to 6 are wanted$"):
            device.classify_sequences(long)


@pytest.mark.parametrize("seed", range(4))
def test_values_of_any_kind(seed):
    network, frames, offsets = drawn(seed)
    model = model_of(network)
    with Device(LossyLine(model), network) as device:
        pixels = network.encode(frames) & network.input.pattern
        for k, (start, end) in enumerate(pairwise(offsets)):
            request = protocol.Packet(model.packets.request, k, model.packets.pack_frame(pixels[start:end]))
            assert (model.packets.unpack_frame(request.payload) == pixels[start:end]).all()
        if frames.dtype == np.uint8:
            answers = device.classify_sequences(Sequences(frames.reshape(len(frames), -1), offsets))
            golden = forward_sequences(network, frames, offsets)
            assert answers.scores.tolist() == golden.scores.tolist()


@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_every_answer_is_right_whatever_the_line_does(rate):
    network = small_network()
    given = recordings(network, 100, 2)
    there, back = (Faults(KINDS, rate, seed) for seed in (1, 2))
    with Device(LossyLine(model_of(network), there=there, back=back), network, retries=1000) as device:
        answers = device.classify_sequences(given, limit=10_000)
    check(network, given, answers)
    assert answers.repeats > 0


def write_wav(path, samples=SOUND, rate=8000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with networks of sequences and of images, and files for both."""
    monkeypatch.chdir(tmp_path)
    network = small_network(channels=32, frames=8)
    given = recordings(network, 12, 3, labels=np.arange(12) % 3, classes=("class 2", "class 0", "class 1"))
    save(network, "seq.s2nn")
    save(tiny_network(), "image.s2nn")
    write_sequences("x.npz", given)
    np.save("x.npy", np.zeros((4, 32), np.uint8))
    np.savez("images.npz", images=np.zeros((4, 32), np.uint8))
    write_wav("a.wav")
    write_wav("fast.wav", rate=16000)
    write_wav("still.wav", np.zeros(1000, np.int16))
    write_wav("long.wav", np.resize(SOUND, 2000))
    return network, given


def test_command(place, command):  # noqa: F811
    network, given = place
    golden = forward_file(network, given)
    wanted = np.array([2, 0, 1])[given.labels]
    accuracy = float((golden.classes == wanted).mean())
    with port_of(network) as port:
        words = ("run", "--port", port.name, "-o", "out.npz", "--images")
        code, out, err = command(*words, "x.npz", "--network", "seq.s2nn")
        assert code == 0, err
        for text in ("Sequences by class", "sequences/s", "class 2", f"accuracy {100 * accuracy:.2f} %"):
            assert text in out
        with np.load("out.npz") as arrays:
            assert sorted(arrays) == ["class", "cycles", "scores"]
            assert arrays["class"].tolist() == golden.classes.tolist()
            assert arrays["scores"].tolist() == golden.scores.tolist()
        code, out, err = command(*words, "x.npz", "--network", "seq.s2nn", "--json")
        said = json.loads(out)
        assert (said["sequences"], said["accuracy"]) == (12, accuracy)
        assert (said["class"], said["scores"]) == (golden.classes.tolist(), golden.scores.tolist())
        assert said["cycles"] == [17] * 12
        code, out, err = command(*words, "x.npz")
        assert code == 0, err
        assert network.digest[:32] in out
        assert "accuracy" not in out


def test_command_on_sound(place, command):  # noqa: F811
    network, _ = place
    frames = log_mel(SOUND)
    golden = forward_sequences(network, frames, [0, len(frames)])
    name, score = network.classes[golden.classes[0]], golden.scores[0].max()
    with port_of(network) as port:
        for words in (("--network", "seq.s2nn"), ()):
            code, out, err = command("run", "--port", port.name, "--images", "a.wav", "-o", "out.npz", *words)
            assert code == 0, err
            assert f"{score:,}" in out
            assert (name if words else str(golden.classes[0])) in out
            with np.load("out.npz") as arrays:
                assert arrays["scores"].tolist() == golden.scores.tolist()
        words = ("run", "--port", port.name, "--images")
        refused(command(*words, "long.wav"), "recording long.wav: sequence 0 has 14 frames; 1 to 8 are wanted")
    code, out, err = command("golden", "seq.s2nn", "--images", "a.wav", "-o", "out.npz", "--json")
    assert code == 0, err
    assert json.loads(out)["classes"][name] == 1
    with np.load("out.npz") as arrays:
        assert arrays["scores"].tolist() == golden.scores.tolist()


REFUSED = {
    "fast.wav": "16,000 samples/s; wanted is a .wav of 16 bits, mono, 8,000 samples/s",
    "still.wav": "has no sound",
    "long.wav": "recording long.wav has 14 frames (0.24 s); network small takes 8 frames (0.14 s)",
    "x.npy": "images x.npy are no sequences, which network small reads: wanted is a .npz with",
    "images.npz": "images images.npz are no sequences",
    "no.npz": "no.npz does not exist",
    "no.wav": "no.wav does not exist",
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(place, command, name):  # noqa: F811
    for words in (("golden", "seq.s2nn"), ("run", "--port", "no", "--network", "seq.s2nn")):
        refused(command(*words, "--images", name, "-o", "out.npz"), REFUSED[name])
    with pytest.raises(FileNotFoundError):
        open("out.npz").close()


def test_images_and_sequences_are_not_mixed_up(place, command):  # noqa: F811
    network, _ = place
    for words in (("golden", "image.s2nn"), ("run", "--port", "no", "--network", "image.s2nn")):
        text = "sequences x.npz are none of network tiny, which reads single frames"
        refused(command(*words, "--images", "x.npz", "-o", "out.npz"), text)
        refused(command(*words, "--images", "a.wav", "-o", "out.npz"), "a.wav")
    image = DeviceModel(Identity.of(design_of(tiny_network()), window=4, clock_hz=1), tiny_network())
    with FakePort(lambda p: protocol.encode(image.reply(p))) as port:
        for name in ("x.npz", "a.wav"):
            refused(command("run", "--port", port.name, "--images", name), "takes single images, no sequences")
    with port_of(network) as port:
        words = ("run", "--port", port.name, "--images")
        refused(command(*words, "x.npy"), "takes sequences of up to 8 frames, no single images")
        words = ("run", "--port", port.name, "--network", "image.s2nn", "--images")
        np.save("y.npy", np.zeros((2, *tiny_network().input.shape), np.uint8))
        refused(command(*words, "y.npy"), "another network")
        refused(command("run", "--port", port.name, "--images", "x.npz", "--labels", "y.npy"), "need --network")
        words = ("run", "--port", port.name, "--spikes", "y.events", "--images")
        refused(command(*words, "x.npz"), "there are first spikes of single frames alone")


def design_of(network):
    shape = network.input.shape
    return SimpleNamespace(network=network, pixels_per_beat=3, pixels_per_group=shape[-1], score_width=24)


def test_other_channels_are_refused(place, command):  # noqa: F811
    network = small_network(channels=5)
    save(network, "five.s2nn")
    words = ("run", "--port", "no", "--network", "five.s2nn", "--images")
    refused(
        command(*words, "a.wav"), "sound becomes frames of 32 bytes, and network small takes 5 values that are none"
    )
    refused(command(*words, "x.npz"), "sequences x.npz: frames must have shape (count, 5), not")
    with port_of(network) as port:
        refused(command("run", "--port", port.name, "--images", "x.npz"), "sequences x.npz: frames must have shape")
