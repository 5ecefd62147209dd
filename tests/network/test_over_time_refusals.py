"""What sequences refuse, in one line: networks, files of networks, files of sequences, circuits."""

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.adaptive import Adaptive
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.low_pass import LowPass
from s2nn_hw.network.neurons.max_readout import MaxReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.over_time import checked_offsets, forward_sequences
from s2nn_hw.network.store import parse, save
from s2nn_hw.network.synapses import Conv2d, Dense
from tests.support import outsider, outsider_container
from tests.support.commands import command, refused  # noqa: F401
from tests.support.random_sequences import drawn, ints, packed


def network_of(*layers, **entering):
    """Return a network of ``layers`` behind three pixels, and a readout of two classes behind two neurons."""
    given = {"shape": (3,), "bits": 4, "ticks": 2, "frames": 5} | entering
    readout = Layer("out", Dense(np.ones((2, 2), np.int8), 2), LastHalfReadout(ints(0, 0)))
    return Network("net", Input(**given), (*layers, readout), ("a", "b"))


FIRST = Layer("first", Dense(np.ones((2, 3), np.int8), 2), SigmaDeltaEncoder(ints(9, 9), ints(0, 0)), (INPUT,))
TWO = Dense(np.ones((2, 2), np.int8), 2)
LARGE = Dense(np.full((2, 2), 127, np.int8), 8)


def looped(neuron, synapse=TWO, sources=("first", "loop"), delays=(0, 1)):
    return Layer("loop", (synapse,) * len(sources), neuron, sources, delays)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: network_of(FIRST, ticks=0), r"input: ticks of sequences must be 1 to 256, not 0"),
        (lambda: network_of(FIRST, ticks=257), r"input: ticks of sequences must be 1 to 256, not 257"),
        (lambda: network_of(FIRST, frames=0), r"input: frames of sequences must be 1 to 16,384, not 0"),
        (lambda: network_of(FIRST, frames=True), r"input: frames of sequences must be 1 to 16,384, not True"),
        (
            lambda: network_of(FIRST, frames=16384, ticks=65),
            r"input: 16,384 frames of 65 ticks are 1,064,960 ticks, more than 1,048,576",
        ),
        (
            lambda: network_of(FIRST, ticks=0, frames=0),
            r"layer first: sigma_delta_encoder neurons last for a sequence, and the input is none; give it ticks and",
        ),
        (
            lambda: network_of(
                Layer("image", Conv2d(np.ones((2, 1, 1, 1), np.int8), 2), Lif(ints(1, 1), ints(1, 1), ints(0, 0))),
                shape=(1, 1, 1),
            ),
            r"layer image: lif neurons have one position, not those of an image of \[1, 1, 2\]; use dense weights",
        ),
        (
            lambda: network_of(FIRST, looped(Lif(*[ints(*[0] * 2)] * 3, fraction=8), LARGE), ticks=256, frames=4096),
            r"layer loop: m of lif neurons can reach 0 .. 136365211648 \(channel 0\), 38 bits and not the 32",
        ),
        (
            lambda: network_of(FIRST, looped(Adaptive(ints(0, 0), 8, 65536, 0)), ticks=256, frames=100),
            r"layer loop: v of adaptive neurons can reach -4294967296 .. \d+ \(channel 0\), 33 bits and not the 32",
        ),
        (
            lambda: network_of(FIRST, looped(SigmaDelta(ints(0, 0), 8, 1), sources=("first", "loop"), delays=(0, 0))),
            r"layer loop: source 'loop' comes later, and a network has no cycles without a delay",
        ),
        (
            lambda: network_of(
                FIRST,
                looped(SigmaDelta(ints(0, 0), 8, 1), sources=("first", "more"), delays=(0, 0)),
                Layer("more", TWO, SigmaDelta(ints(0, 0), 8, 1), ("loop",)),
            ),
            r"layer loop: source 'more' comes later, and a network has no cycles without a delay",
        ),
        (
            lambda: network_of(FIRST, looped(LowPass(ints(0, 0), 4, 2))),
            r"layer loop: all sources must have the same planes, not 1 plane from first and 4 planes of code",
        ),
        (lambda: SigmaDelta(ints(0), 0, 8), "leak must be an integer from 1 to 8, not 0"),
        (lambda: SigmaDelta(ints(0), 5, 0), "gain must be an integer from 1 to 65536, not 0"),
        (lambda: SigmaDelta(ints(0), 5, 8, 9), "fraction must be an integer from 0 to 8, not 9"),
        (lambda: Adaptive(ints(0), 9, 8), "leak must be an integer from 1 to 8, not 9"),
        (
            lambda: SigmaDeltaEncoder(ints(0), ints(0)),
            "thresholds of sigma_delta_encoder neurons must be 1 or more, no",
        ),
        (lambda: SigmaDeltaEncoder(ints(1, 1), ints(0)), "all tables must have one length"),
        (
            lambda: Lif(ints(3), ints(4), ints(0), 2),
            r"thresholds of a neuron that leaks by 2\^-2 must be multiples of 4",
        ),
        (lambda: Lif(ints(4), ints(3), ints(0), 2), r"resets of a neuron that leaks by 2\^-2 must be multiples of 4"),
        (
            lambda: Lif(ints(4), ints(-4), ints(0), 2),
            r"resets that are subtracted must be 0 or more, not -4 \(channel 0",
        ),
        (lambda: Lif(ints(4), ints(4), ints(0), reset="none"), "reset must be soft or hard, not 'none'"),
        (lambda: LowPass(ints(0), 9, 2), "bits must be an integer from 1 to 8, not 9"),
        (lambda: LowPass(ints(0), 4, 7), "leak must be an integer from 0 to 6, not 7"),
        (lambda: LowPass(ints(0), 4, 2, 17), "shift must be an integer from 0 to 16, not 17"),
        (lambda: MaxReadout(ints(0), 9), "leak must be an integer from 0 to 8, not 9"),
        (lambda: IntegratorReadout(ints(0), -1), "leak must be an integer from 0 to 8, not -1"),
        (lambda: LastHalfReadout(np.zeros(2, np.int64)), "bias must be an int32 array, not int64"),
    ],
)
def test_networks_that_can_not_be(make, text):
    with pytest.raises(UserError, match=text) as error:
        make()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda h: h.update(version=6), "'version' must be 7 for these layers, not 6"),
        (lambda h: h["input"].pop("ticks"), "header field 'input.ticks' must be an integer, not None"),
        (lambda h: h["input"].pop("frames"), "header field 'input.frames' must be an integer, not None"),
        (lambda h: h["input"].update(ticks=True), "header field 'input.ticks' must be an integer, not True"),
        (lambda h: h["input"].update(ticks=0, frames=0), "'input.ticks' and 'input.frames' must be left out"),
        (lambda h: h["input"].update(ticks=10**12), "input: ticks of sequences must be 1 to 256"),
        (
            lambda h: h["layers"][1].update(delays=[0]),
            r"layer 'loop': delays must be 0 or 1 for each source, not \(0,\)",
        ),
        (lambda h: h["layers"][1].update(delays=[0, 2]), r"delays must be 0 or 1 for each source, not \(0, 2\)"),
        (lambda h: h["layers"][1].update(delays=[0, True]), r"delays must be 0 or 1 for each source"),
        (lambda h: h["layers"][1].update(delays=1), r"header field 'layers\[1\].delays' must be a list, not 1"),
        (lambda h: h["layers"][1].update(delays=[1, 1]), "layer loop: one of its sources must not be delayed"),
        (lambda h: h["layers"][1].pop("delays"), "layer loop: source 'loop' comes later"),
        (lambda h: h["layers"][0].update(delays=[0]), "the header does not say what its layers mean"),
        (lambda h: h["layers"][1].update(sources=["first", "out"]), "layer loop: source 'out' comes later"),
        (lambda h: h["layers"][1]["neuron"].update(leak=0), "layer loop: leak must be an integer from 1 to 8, not 0"),
        (lambda h: h["layers"][1]["neuron"].pop("gain"), r"'layers\[1\].neuron.gain' must be an integer, not None"),
        (lambda h: h["layers"][1]["neuron"].update(reset="soft"), r"'layers\[1\].neuron.reset' is unknown"),
        (lambda h: [h["input"].pop(name) for name in ("ticks", "frames")], r"'layers\[1\].delays' is unknown"),
    ],
)
def test_files_that_are_refused(change, text):
    network = network_of(FIRST, looped(SigmaDelta(ints(0, 0), 5, 8)))
    parse(packed(network))
    with pytest.raises(UserError, match=text):
        parse(packed(network, change))
    with pytest.raises(outsider_container.Refused):
        outsider.read(packed(network, change))


@pytest.mark.parametrize(
    ("offsets", "text"),
    [
        ([0], r"offsets must be integers \(count \+ 1,\), where each sequence begins and, last, how many frames there"),
        ([[0, 10]], r"not int64 of shape \(1, 2\)"),
        ([0.0, 10.0], r"not float64 of shape \(2,\)"),
        ([], r"not float64 of shape \(0,\)"),
        ([1, 5, 10], "offsets must rise from 0 to 10, as many frames as there are, not 1 to 10 within 1 .. 10"),
        ([0, 5, 9], "not 0 to 9"),
        ([0, 5, 11], "not 0 to 11"),
        ([0, 11, 10], "not 0 to 10 within 0 .. 11"),
        (np.array([0, 2**63 + 1, 10], np.uint64), "within 0 .. 9223372036854775809"),
        ([0, 5, 5, 10], "sequence 1 has no frames; 1 to 5 are wanted"),
        ([0, 4, 3, 8, 10], "sequence 1 has no frames; 1 to 5 are wanted"),
        ([0, 4, 10], "sequence 1 has 6 frames; 1 to 5 are wanted"),
    ],
)
def test_offsets_that_are_refused(offsets, text):
    with pytest.raises(UserError, match=text):
        checked_offsets(np.array(offsets), 10, 5)
    with pytest.raises(UserError, match=text):
        forward_sequences(network_of(FIRST), np.zeros((10, 3), np.uint8), np.array(offsets))


def test_sequences_and_single_frames_are_not_mixed_up():
    network, frames, offsets = drawn(3)
    with pytest.raises(UserError, match="network sequences reads sequences of up to 9 frames, not single images: give"):
        network.forward(frames)
    single = Network("single", Input((1,), 1), (Layer("a", Dense(np.ones((1, 1), np.int8), 2), Readout(ints(0))),), "x")
    with pytest.raises(UserError, match="network single reads single frames, no sequences: its input has no ticks"):
        forward_sequences(single, frames, offsets)
    with pytest.raises(UserError, match=r"frames must have shape \(count, 3\), not \(10, 4\)"):
        forward_sequences(network_of(FIRST), np.zeros((10, 4), np.uint8), [0, 5, 10])
    with pytest.raises(UserError, match=r"frames must be uint8 with values 0 .. 255, not float64"):
        forward_sequences(network_of(FIRST), np.zeros((10, 3)), [0, 5, 10])


def write(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"frames": np.zeros((10, 2), np.uint8)}, "frames must have shape (count, 3), not (10, 2)"),
        ({"offsets": np.array([0, 3, 10])}, "sequence 1 has 7 frames; 1 to 5 are wanted"),
        ({"offsets": np.array([0, 5, 5, 10])}, "sequence 1 must have 1 to 16,384 frames, not 0"),
        ({"labels": np.array([0, 2])}, "must lie in 0 .. 1, not 0 .. 2"),
        ({"labels": np.array([0])}, "labels must be 2 integers"),
        ({"labels": np.array([0, 1]), "classes": np.array(["a", "c"])}, "c"),
        ({"offsets": None}, "is not a .npz file with an array 'offsets'"),
    ],
)
def test_sequence_files_that_are_refused(tmp_path, command, change, text):  # noqa: F811
    save(network_of(FIRST), tmp_path / "n.s2nn")
    arrays = {"frames": np.zeros((10, 3), np.uint8), "offsets": np.array([0, 5, 10])}
    words = ("golden", tmp_path / "n.s2nn", "--images", tmp_path / "x.npz", "-o", tmp_path / "out.npz")
    write(tmp_path / "x.npz", **arrays)
    assert command(*words)[0] == 0
    (tmp_path / "out.npz").unlink()
    write(tmp_path / "x.npz", **{name: value for name, value in (arrays | change).items() if value is not None})
    refused(command(*words), str(tmp_path / "x.npz"), text)
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "n.s2nn", "-b", "ulx3s"),
        ("verify", "n.s2nn"),
        ("report", "n.s2nn", "-o", "r.json"),
        ("ip", "n.s2nn", "-o", "out"),
        ("activity", "n.s2nn", "-b", "arty_a7"),
        ("simulate", "n.s2nn", "--images", "x.npy", "-o", "out.npz"),
        ("collapse", "n.s2nn", "-o", "m.s2nn"),
        ("export", "n.s2nn", "-o", "n.nir"),
        ("export", "n.s2nn", "-o", "n.onnx"),
        ("golden", "n.s2nn", "--images", "x.npy", "-o", "out.npz"),
        ("golden", "n.s2nn", "--images", "x.npz", "-o", "out.npz", "--first-spikes", "t.npz"),
        ("golden", "n.s2nn", "--images", "x.npz", "-o", "out.npz", "--labels", "x.npy"),
    ],
    ids=" ".join,
)
def test_commands_that_refuse_sequences_or_want_some(tmp_path, command, monkeypatch, words):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    save(network_of(FIRST, looped(SigmaDelta(ints(0, 0), 5, 8))), tmp_path / "n.s2nn")
    write(tmp_path / "x.npz", frames=np.zeros((10, 3), np.uint8), offsets=np.array([0, 5, 10]))
    np.save(tmp_path / "x.npy", np.zeros((4, 3), np.uint8))
    refused(command(*words))
    assert {path.name for path in tmp_path.iterdir()} == {"n.s2nn", "x.npz", "x.npy"}
