"""Sequences: the golden model against a plain simulation, one by one against side by side, bounds, files, refusals."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import s2nn_hw
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.max_readout import MaxReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.over_time import forward_file, forward_sequences
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.network.states import widths
from s2nn_hw.network.store import load, parse, save
from s2nn_hw.network.synapses import Dense
from tests.support import outsider, outsider_sequences
from tests.support.commands import command  # noqa: F401
from tests.support.networks import random_images
from tests.support.random_sequences import drawn, ints, packed

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=40, deadline=None)


def same(one, other):
    """Assert that two outputs are equal, all that was kept among it."""
    assert one.scores.tolist() == other.scores.tolist()
    assert one.classes.tolist() == other.classes.tolist()
    assert one.spikes.keys() == other.spikes.keys()
    assert all((one.spikes[name] == other.spikes[name]).all() for name in one.spikes)
    assert one.states.keys() == other.states.keys()
    for name, tables in one.states.items():
        assert all((table == other.states[name][state]).all() for state, table in tables.items())


@settings(max_examples=120, deadline=None)
@given(SEEDS)
def test_a_plain_simulation_agrees(seed):
    network, frames, offsets = drawn(seed)
    data = packed(network)
    assert parse(data).digest == network.digest
    scores, values, states = outsider_sequences.run(outsider.read(data), frames, offsets)
    output = forward_sequences(network, frames, offsets, trace=True, states=True)
    assert (output.scores == scores).all()
    assert output.classes.tolist() == [row.index(max(row)) for row in scores.tolist()]
    assert output.ticks.tolist() == (offsets * network.input.ticks).tolist()
    for name, spikes in output.spikes.items():
        assert (spikes == values[name]).all(), name
    for layer in network.layers[:-1]:
        found = output.states.get(layer.name, {})
        assert set(found) == set(states.get(layer.name, {}))
        for state, rows in found.items():
            assert (rows == states[layer.name][state]).all(), (layer.name, state)


@FEW
@given(SEEDS, st.integers(1, 6))
def test_side_by_side_is_one_by_one(seed, batch):
    network, frames, offsets = drawn(seed, 6)
    whole = forward_sequences(network, frames, offsets, trace=True, states=True)
    same(whole, forward_sequences(network, frames, offsets, trace=True, states=True, batch=batch))
    for k, (first, end) in enumerate(pairwise(offsets)):
        alone = forward_sequences(network, frames[first:end], [0, end - first], trace=True, states=True)
        ticks = slice(whole.ticks[k], whole.ticks[k + 1])
        assert alone.scores[0].tolist() == whole.scores[k].tolist()
        assert all((alone.spikes[name] == spikes[ticks]).all() for name, spikes in whole.spikes.items())
        for name, tables in whole.states.items():
            assert all((alone.states[name][state] == table[ticks]).all() for state, table in tables.items())


@FEW
@given(SEEDS)
def test_a_frame_that_is_held_is_a_frame_many_times(seed):
    network, frames, offsets = drawn(seed)
    entering = network.input
    single = replace(network, input=replace(entering, ticks=1, frames=entering.most_ticks))
    held = forward_sequences(network, frames, offsets, trace=True, states=True)
    many = forward_sequences(
        single, frames.repeat(entering.ticks, axis=0), offsets * entering.ticks, trace=True, states=True
    )
    same(held, many)


@FEW
@given(SEEDS)
def test_states_stay_within_their_bounds(seed):
    network, frames, offsets = drawn(seed)
    output = forward_sequences(network, frames, offsets, states=True)
    for name, tables in output.states.items():
        bounds = network.state_bounds(network.layer(name))
        assert set(tables) <= set(bounds)
        for state, rows in tables.items():
            low, high = bounds[state]
            assert (rows >= low).all()
            assert (rows <= high).all()
    for layer in network.layers:
        if layer.neuron:
            assert all(bits.max() <= 32 for bits in widths(network.state_bounds(layer)).values())


def one_neuron(neuron, weight=1, *, frames=400, ticks=1, own=None):
    """Return a network of one ``neuron`` behind one bit, whose spikes are counted; ``own``: weight of its own."""
    synapses = [Dense(np.array([[weight]], np.int8), 8)]
    loop, sources, delays = Layer("n", synapses, neuron), ("n",), ()
    layers = [Layer("copy", Dense(np.array([[1]], np.int8), 2), Fire(ints(1)), (INPUT,))]
    if own is not None:
        synapses.append(Dense(np.array([[own]], np.int8), 8))
        sources, delays = ("copy", "n"), (0, 1)
        loop = Layer("n", synapses, neuron, sources, delays)
    count = Layer("count", Dense(np.array([[1]], np.int8), 2), IntegratorReadout(ints(0), 0))
    return Network("one", Input((1,), 1, ticks=ticks, frames=frames), (*layers, loop, count), ("a",))


def bounds_met(neuron, weight, ones, *, frames=400):
    """Return the states of ``neuron`` after each tick and its bounds, where frames are ``ones``."""
    network = one_neuron(neuron, weight, frames=frames)
    pixels = (255 * np.array(ones, np.uint8))[:, None]
    states = forward_sequences(network, pixels, [0, len(ones)], states=True).states["n"]
    return {n: t[:, 0] for n, t in states.items()}, {
        n: (int(low[0]), int(high[0])) for n, (low, high) in network.state_bounds(network.layer("n")).items()
    }


@pytest.mark.parametrize("weight", [-100, 100])
def test_the_bound_of_a_current_is_reached(weight):
    states, bounds = bounds_met(SigmaDelta(ints(0), 3, 50, 2), weight, [1] * 400)
    assert bounds["u"] == ((-3200, 0) if weight < 0 else (0, 3200))
    assert states["u"][-1] == (-3193 if weight < 0 else 3200)  # what leaks is floored


def test_a_short_sequence_has_narrow_states():
    wide, narrow = (bounds_met(Lif(ints(900), ints(900), ints(0)), -7, [1], frames=n)[1]["m"] for n in (1000, 3))
    assert wide == (-7000, 0)
    assert narrow == (-21, 0)


def test_rates_are_what_is_encoded():
    """A drive d gives floor(t d / theta) spikes in t ticks."""
    theta = 97
    network = Network(
        "rates",
        Input((1,), 7, ticks=200, frames=1),
        (
            Layer("rate", Dense(np.array([[1]], np.int8), 2), SigmaDeltaEncoder(ints(theta), ints(0))),
            Layer("sum", Dense(np.array([[1]], np.int8), 2), IntegratorReadout(ints(0), 0)),
        ),
        ("a",),
    )
    frames = np.arange(0, 256, 2, np.uint8)[:, None]
    scores = forward_sequences(network, frames, np.arange(len(frames) + 1)).scores
    assert scores[:, 0].tolist() == [200 * min(d, theta) // theta for d in range(128)]


@pytest.mark.parametrize("length", range(1, 12))
@pytest.mark.parametrize(
    ("readout", "wanted"),
    [
        (Readout(ints(5)), lambda z: z[-1]),
        (LastHalfReadout(ints(5)), lambda z: sum(z[len(z) // 2 :])),
        (IntegratorReadout(ints(5), 0), sum),
        (MaxReadout(ints(5), 0), lambda z: max(sum(z[: n + 1]) for n in range(len(z)))),
        (MaxReadout(ints(-300), 0), lambda z: z[0]),
    ],
)
def test_readouts_over_time(readout, wanted, length):
    numbers = np.random.default_rng(length).integers(0, 256, length)
    direct = Network(
        "direct",
        Input((1,), 8, ticks=1, frames=20),
        (Layer("out", Dense(np.array([[1]], np.int8), 2), readout),),
        ("a",),
    )
    frames = numbers.astype(np.uint8)[:, None]
    z = [int(n) + int(readout.bias[0]) for n in numbers]
    assert forward_sequences(direct, frames, [0, length]).scores.tolist() == [[wanted(z)]]


def test_own_spikes_come_a_tick_later():
    """A neuron that one spike starts goes on by itself."""
    network = one_neuron(Lif(ints(1), ints(1), ints(0)), 1, own=1)
    frames = np.array([[0], [255], [0], [0], [0]], np.uint8)
    output = forward_sequences(network, np.concatenate([frames, frames[:1]]), [0, 5, 6], trace=True)
    assert output.spikes["n"][:, 0].tolist() == [0, 1, 1, 1, 1, 0]
    assert output.scores.tolist() == [[4], [0]]


def test_a_file_and_the_python_interface(tmp_path):
    network, frames, offsets = drawn(14)
    path = tmp_path / "n.s2nn"
    save(network, path)
    again = s2nn_hw.load(path)
    assert again.digest == network.digest
    header = again.describe()
    assert header["version"] == 7
    assert [header["input"][name] for name in ("ticks", "frames")] == [network.input.ticks, network.input.frames]
    assert [tuple(x.get("delays", ())) for x in header["layers"]] == [x.delays for x in network.layers]
    output = s2nn_hw.forward_sequences(again, frames, offsets)
    assert isinstance(output, s2nn_hw.SequenceOutput)
    assert (output.spikes, output.states) == ({}, {})
    other = replace(network, input=replace(network.input, frames=network.input.frames + 1))
    assert other.digest != network.digest


def test_loaded_networks_compute_the_same(tmp_path):
    for seed in range(8):
        network, frames, offsets = drawn(seed, 2)
        save(network, tmp_path / "n.s2nn")
        again = load(tmp_path / "n.s2nn")
        assert forward_sequences(again, frames, offsets).scores.tolist() == (
            forward_sequences(network, frames, offsets).scores.tolist()
        )
        assert random_images(again, 1).shape == random_images(network, 1).shape


def test_golden_takes_sequences(tmp_path, command):  # noqa: F811
    network, frames, offsets = drawn(6, 5)
    save(network, tmp_path / "n.s2nn")
    wanted = forward_sequences(network, frames, offsets)
    np.savez(tmp_path / "x.npz", frames=frames.reshape(len(frames), -1), offsets=offsets, labels=wanted.classes)
    args = ("golden", tmp_path / "n.s2nn", "--images", tmp_path / "x.npz", "-o", tmp_path / "out.npz")
    code, said, _ = command(*args)
    assert code == 0
    assert "5 sequences classified; class and scores are in" in " ".join(said.split())
    assert "accuracy 100.00 %" in said
    with np.load(tmp_path / "out.npz") as found:
        assert found["class"].tolist() == wanted.classes.tolist()
        assert found["scores"].tolist() == wanted.scores.tolist()
    np.save(tmp_path / "y.npy", (wanted.classes + 1) % max(2, len(network.classes)))
    if len(network.classes) > 1:
        code, said, _ = command(*args, "--labels", tmp_path / "y.npy", "--json")
        assert json.loads(said)["accuracy"] == 0.0
        assert json.loads(said)["sequences"] == 5


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_values_of_a_file_are_the_top_bits(bits):
    network, frames, offsets = drawn(6, 3)
    values = frames >> (8 - bits)
    found = forward_file(network, Sequences(values, offsets, bits=bits))
    assert found.scores.tolist() == forward_sequences(network, values << (8 - bits), offsets).scores.tolist()


def test_the_document_runs(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "docs" / "sequences.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    layer = one_neuron(SigmaDelta(ints(0), 5, 8, 6), 7, own=3, frames=48, ticks=7)
    copy, neuron, count = layer.layers
    neuron = replace(neuron, name="layer1", sources=("copy", "layer1"))
    named = replace(layer, layers=(copy, neuron, replace(count, sources=("layer1",))))
    monkeypatch.chdir(tmp_path)
    save(named, tmp_path / "digits.s2nn")
    first, second = (np.full((n, 1), 255, np.uint8) for n in (3, 5))
    found = {"first": first, "second": second}
    exec(code, found)
    assert found["output"].spikes["layer1"][found["ticks"]].shape == (35, 1)
    assert f"{(31 / 32) ** 7:.4f}" in text
