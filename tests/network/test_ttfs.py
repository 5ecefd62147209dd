"""Time to first spike: the slots one by one against the closed form, of neurons and of whole networks."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw import api
from s2nn_hw.errors import UserError
from s2nn_hw.network.collapse import counterpart, expand
from s2nn_hw.network.first_spikes import first_spikes, simulate, slots_of
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import SLOTS, Ttfs
from s2nn_hw.network.planes import RADIX, Planes
from s2nn_hw.network.store import load, parse, save
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool
from tests.support.commands import command, refused  # noqa: F401
from tests.support.networks import random_images

THETA = st.integers(1, 300)
FRACTION = st.integers(0, 4)


def one(value):
    return np.array([value], np.int32)


@st.composite
def neurons(draw):
    starts = one(draw(st.integers(-3000, 3000)))
    return Ttfs(one(draw(THETA)), starts, slots=draw(st.sampled_from(SLOTS)), fraction=draw(FRACTION))


@settings(max_examples=300)
@given(neurons(), st.integers(1, 20), st.lists(st.tuples(st.integers(0, 19), st.integers(-127, 127)), max_size=30))
def test_slot_by_slot_is_the_closed_form(neuron, slots, spikes):
    arriving = np.zeros((slots, 1, 1), np.int64)
    spikes = [(slot % slots, weight) for slot, weight in spikes]
    for slot, weight in spikes:
        arriving[slot] += weight
    total = sum(weight * (slots - slot) for slot, weight in spikes)
    number = ((total << neuron.fraction) + int(neuron.starts[0])) // int(neuron.thresholds[0])
    value = min(max(number, 0), neuron.slots)
    assert neuron.simulate(arriving).tolist() == [[neuron.slots - value]]
    _, given = neuron.frame(None, [np.array([[total]])])
    assert given.tolist() == [[value]]


@given(neurons(), st.lists(st.integers(-2000, 2000), min_size=1, max_size=9))
def test_one_slot_of_input(neuron, sums):
    _, values = neuron.frame(None, [np.array(sums)[:, None]])
    first = neuron.simulate(np.array(sums)[None, :, None])
    assert (neuron.slots - first).tolist() == values.tolist()


@given(neurons(), st.integers(-9999, 0), st.integers(1, 9999))
def test_the_circuit_is_that_of_the_number(neuron, low, high):
    same = Quantized(neuron.thresholds, neuron.starts, neuron.slots.bit_length(), RADIX, neuron.fraction)
    low, high = np.array([low]), np.array([high])
    mine, other = (n.program(Planes(4), low, high) for n in (neuron, same))
    assert (neuron.planes, neuron.step_count) == (same.planes, same.step_count)
    assert (mine.start.tolist(), mine.shift) == (other.start.tolist(), other.shift)
    assert [(a.quiet.tolist(), a.spike.tolist(), a.emits) for a in mine.after] == [
        (a.quiet.tolist(), a.spike.tolist(), a.emits) for a in other.after
    ]


def ttfs_network(seed, *, conv=None, bits=None, slots=None):
    """Return a random network of ttfs neurons: dense, or with convolutions, pools and a shortcut."""
    rng = np.random.default_rng(seed)
    conv = bool(rng.random() < 0.6) if conv is None else conv
    slots = slots or int(rng.choice(SLOTS))
    entering = Input((6, 5, 2) if conv else (int(rng.integers(1, 12)),), bits or int(rng.integers(1, 6)))

    def weights(*shape):
        return rng.integers(-3, 4, shape).astype(np.int8)

    def neuron(count, reach):
        tables = rng.integers(1, 2 + reach // slots, count), rng.integers(-reach // 4, reach, count)
        return Ttfs(*(t.astype(np.int32) for t in tables), slots=slots, fraction=int(rng.integers(0, 4)))

    size = int(rng.integers(1, 9))
    if conv:
        layers = [
            Layer("stem", Conv2d(weights(3, 3, 3, 2), 3, 1, 1), neuron(3, 60)),
            Layer("pool", MaxPool(2, 2), None),
            Layer("block", Conv2d(weights(3, 3, 3, 3), 3, 1, 1), neuron(3, 200), ("pool",)),
            Layer(
                "sum",
                (Conv2d(weights(size, 1, 1, 3), 3), Conv2d(weights(size, 1, 1, 3), 3)),
                neuron(size, 90),
                ("pool", "block"),
            ),
            Layer("last", MaxPool(3, 1, 1), None),
        ]
        count = 6 * size
    else:
        layers = [
            Layer("first", Dense(weights(size, entering.size), 3), neuron(size, 90)),
            Layer("second", Dense(weights(4, size), 3), neuron(4, 90)),
        ]
        count = 4
    layers.append(Layer("readout", Dense(weights(3, count), 3), Readout(rng.integers(-9, 9, 3).astype(np.int32))))
    return Network("first-spikes", entering, tuple(layers), ("a", "b", "c"))


@pytest.mark.parametrize("seed", range(30))
def test_networks_slot_by_slot(seed):
    network = ttfs_network(seed)
    images = random_images(network, 6, seed)
    scores, times = simulate(network, images)
    assert scores.tolist() == network.forward(images).scores.tolist()
    found = first_spikes(network, images)
    assert set(found) == set(times) == set(network.planes)
    for name, when in found.items():
        assert (when.dtype, when.shape) == (np.uint8, (6, *network.shapes[name]))
        assert when.reshape(6, -1).tolist() == times[name].tolist()
        assert when.max(initial=0) <= slots_of(network)[name]


def test_a_silent_network_and_a_loud_one():
    for start, when in ((-(1 << 20), 7), (1 << 20, 0)):
        neuron = Ttfs(one(1), one(start), slots=7)
        layers = (Layer("a", Dense(np.ones((1, 2), np.int8), 2), neuron), readout(1))
        found = first_spikes(Network("n", Input((2,), 2), layers, ("x", "y")), np.full((1, 2), 255, np.uint8))
        assert found[INPUT].tolist() == [[0, 0]]
        assert found["a"].tolist() == [[when]]


def readout(inputs):
    return Layer("readout", Dense(np.ones((2, inputs), np.int8), 2), Readout(np.zeros(2, np.int32)))


def test_times_of_what_has_some(tmp_path):
    """Signed pixels, numbers and single spikes beside first spikes are no times."""
    neuron, dense = Ttfs(one(3), one(0), slots=3), Dense(np.ones((1, 2), np.int8), 2)
    mixed = Network(
        "mixed",
        Input((2,), 3, signed=True),
        (
            Layer("a", dense, neuron),
            Layer("b", Dense(np.ones((1, 1), np.int8), 2), Quantized(one(1), one(0), 2)),
            readout(1),
        ),
        ("x", "y"),
    )
    assert slots_of(mixed) == {"a": 3}
    assert set(first_spikes(mixed, np.zeros((1, 2), np.int8))) == {"a"}
    with pytest.raises(UserError, match="network mixed can't run slot by slot: input gives no time to the first spike"):
        simulate(mixed, np.zeros((1, 2), np.int8))


def test_file_and_digest(tmp_path):
    network = ttfs_network(5)
    path = tmp_path / "n.s2nn"
    save(network, path)
    again = load(path)
    assert again.digest == network.digest
    assert again.describe()["version"] == 6
    neuron = again.describe()["layers"][0]["neuron"]
    assert list(neuron) == ["kind", "slots", "fraction", "thresholds", "starts"]
    assert api.first_spikes(again, random_images(again, 2))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"slots": 0}, "slots of ttfs neurons must be one of 3, 7, 15, 31, not 0"),
        ({"slots": 1}, "slots of ttfs neurons must be one of 3, 7, 15, 31, not 1"),
        ({"slots": 16}, "slots of ttfs neurons must be one of 3, 7, 15, 31, not 16"),
        ({"slots": 63}, "slots of ttfs neurons must be one of 3, 7, 15, 31, not 63"),
        ({"slots": True}, "header field 'layers\\[0\\].neuron.slots' must be an integer, not True"),
        ({"slots": "15"}, "header field 'layers\\[0\\].neuron.slots' must be an integer, not '15'"),
        ({"fraction": 9}, "fraction must be an integer from 0 to 8, not 9"),
        ({"code": "radix"}, "header field 'layers\\[0\\].neuron.code' is unknown"),
    ],
)
def test_bad_files(change, text):
    with pytest.raises(UserError, match=text):
        parse(altered(change))


def altered(change):
    """Return the bytes of a file whose first neurons have other fields."""
    from safetensors.numpy import save as pack

    network = ttfs_network(5)
    header = network.describe() | {"provenance": {}, "digest": network.digest}
    header["layers"][0]["neuron"] |= change
    return pack(network.tensors(), metadata={"s2nn": json.dumps(header)})


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ttfs(one(0), one(0), 7), r"thresholds of ttfs neurons must be 1 or more, not 0 \(channel 0\)"),
        (lambda: Ttfs(one(2**28), one(0), 15), r"thresholds of 15 slots must be 134217728 or less, not 268435456"),
        (lambda: Ttfs(one(1), np.zeros(2, np.int32), 7), "all tables must have one length, not 1 of thresholds, 2 of"),
        (lambda: Ttfs(one(1), one(2**30 + 1), 7), r"starts must lie in -2\^30 .. 2\^30"),
        (
            lambda: expand(ttfs_network(1)),
            "network first-spikes can't be literal: layer .* gives the slot of one spike",
        ),
    ],
)
def test_what_can_not_be(make, text):
    with pytest.raises(UserError, match=text):
        make()


def test_there_is_no_other_form():
    assert counterpart(ttfs_network(3)) is None


def test_golden_writes_first_spikes(tmp_path, command):  # noqa: F811
    network = ttfs_network(4, conv=True)
    save(network, tmp_path / "n.s2nn")
    images = random_images(network, 5)
    np.save(tmp_path / "x.npy", images)
    out, times = tmp_path / "out.npz", tmp_path / "times.npz"
    args = ("golden", tmp_path / "n.s2nn", "--images", tmp_path / "x.npy", "-o", out)
    code, said, _ = command(*args, "--first-spikes", times)
    assert code == 0
    assert "when each neuron spikes first is in" in " ".join(said.split())
    with np.load(times) as found:
        wanted = first_spikes(network, images)
        assert sorted(found) == sorted(wanted)
        assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    refused(command(*args, "--first-spikes", out), "--output and --first-spikes are the same file")


def test_golden_of_a_network_without_first_spikes(tmp_path, command):  # noqa: F811
    plain = Network(
        "plain", Input((2,), 2), (Layer("a", Dense(np.ones((1, 2), np.int8), 2), Fire(one(1))), readout(1)), "xy"
    )
    save(plain, tmp_path / "n.s2nn")
    np.save(tmp_path / "x.npy", random_images(plain, 2))
    args = ("golden", tmp_path / "n.s2nn", "--images", tmp_path / "x.npy", "-o", tmp_path / "out.npz")
    refused(command(*args, "--first-spikes", tmp_path / "times.npz"), "no layer has ttfs neurons")
    refused(command(*args, "--first-spikes", tmp_path / "times.npy"), "times.npy must end in .npz")
    assert not (tmp_path / "out.npz").exists()
