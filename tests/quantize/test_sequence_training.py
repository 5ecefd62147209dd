"""Networks over sequences: the float model is the golden model, and recipes train, stop, go on and become integers."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from rich.console import Console

from s2nn_hw.cli.training import quantize_checkpoint
from s2nn_hw.errors import UserError
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.store import load
from s2nn_hw.quantize import rounding
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.data import sequence_sets, source
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.sequences import training as sequence_training
from s2nn_hw.quantize.sequences.checkpoint import read_over_time
from s2nn_hw.quantize.sequences.held import Held, pixels
from s2nn_hw.quantize.sequences.measure import evaluate
from s2nn_hw.quantize.sequences.modulator import modulated
from s2nn_hw.quantize.sequences.spec import LayerSpec
from s2nn_hw.quantize.sequences.summary import convert
from s2nn_hw.quantize.train import train
from tests.support.sequence_recipes import LAYERS, random_model, random_sequences, sequence_recipe

READOUTS = [
    {"kind": "last"},
    {"kind": "last_half", "fraction": 3},
    {"kind": "integrator"},
    {"kind": "integrator", "leak": 3},
    {"kind": "max"},
    {"kind": "max", "leak": 2, "fraction": 0},
]
QUIET = Console(quiet=True)


@pytest.fixture
def vowels(monkeypatch):
    """Random sequences in the place of JapaneseVowels."""
    parts = {"train": random_sequences(90), "test": random_sequences(27, seed=5)}
    monkeypatch.setattr(sequence_sets, "load", lambda name, part, left_out=None: parts[part])
    monkeypatch.setattr(sequence_sets, "present", lambda name, part: True)
    return parts


# the float model is the golden model


@pytest.mark.parametrize("readout", READOUTS, ids=str)
@pytest.mark.parametrize("kind", LAYERS)
def test_the_float_model_is_the_golden_model_bit_for_bit(kind, readout):
    recipe = sequence_recipe(kind, readout={"bits": 5} | readout)
    model, sequences = random_model(recipe), random_sequences()
    network, held = convert(model, recipe), Held.of(sequences, 29)
    output = forward_sequences(network, sequences.frames, sequences.offsets, trace=True)
    with torch.no_grad():
        frames = pixels(held.frames, 4)
        found = model.scores(frames, held.lengths)
        _, trace = model.trace(frames, held.lengths, ticks=True)
    np.testing.assert_array_equal(found.numpy().astype(np.int64), output.scores)
    for name, values in trace.items():
        assert 0 < values.mean() < values.max()
        for number in range(len(sequences)):
            ticks = slice(*output.ticks[number : number + 2])
            here = values[: output.ticks[number + 1] - output.ticks[number], number]
            np.testing.assert_array_equal(here.numpy(), output.spikes[name][ticks])


@pytest.mark.parametrize("recurrent", [False, True])
def test_gradients_of_the_modulator_are_those_of_its_equations(recurrent):
    spec = LayerSpec(name="a", kind="sigma_delta", inputs=3, neurons=5, bits=5, peak=1, gain=8, leak=3, fraction=2)

    def tensors():
        drawn = torch.Generator().manual_seed(1)
        sizes = ((-6, 12, (40, 4, 5)), (-6, 7, (5, 5)), (-4, 5, (5,)))
        return [torch.randint(*size, generator=drawn).float().requires_grad_() for size in sizes]

    ours, plain = tensors(), tensors()
    spikes = modulated(spec, ours[0], ours[1] if recurrent else None, ours[2])
    u = v = given = torch.zeros(4, 5)
    left = []
    for tick in range(40):
        total = plain[0][tick] + (given @ plain[1].t() if recurrent else 0)
        u = rounding.leaked(u, 3) + total * 4
        drive = rounding.shifted(u, 3) + plain[2]
        v = (v + drive.detach()).clamp(0, 63)
        given = rounding.filled(drive, v, 32.0)
        v = v - 32 * given.detach()
        left.append(given)
    torch.testing.assert_close(torch.stack(left), spikes, rtol=0, atol=0)
    weights = torch.randn(spikes.shape, generator=torch.Generator().manual_seed(2))
    (spikes * weights).sum().backward()
    (torch.stack(left) * weights).sum().backward()
    for one, other in zip(ours, plain, strict=True):
        if one.grad is not None or other.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)


@pytest.mark.parametrize("kind", ["sigma_delta", "adaptive", "low_pass"])
def test_rates_are_those_of_the_ticks(kind):
    layers = [layer | {"fraction": 4} for layer in LAYERS[kind]]
    sequence = {"ticks": 1 if kind == "low_pass" else 16, "frames": 64}
    recipe = sequence_recipe(kind, layers=layers, sequence=sequence)
    model = random_model(recipe)
    frames = torch.randint(0, 16, (4, 1, 12), generator=torch.Generator().manual_seed(3)).float().expand(-1, 64, -1)
    with torch.no_grad():
        ticks, rates = (model.trace(frames, torch.full((4,), 64), ticks=ticks)[1] for ticks in (True, False))
    for layer in model.spec.layers:  # once all have come to rest
        spikes = ticks[layer.name][-len(ticks[layer.name]) // 2 :].mean(dim=0) / layer.given.peak
        gap = (spikes - rates[layer.name][-1]).abs()
        assert gap.mean() < 0.05, layer.name


# training


@pytest.mark.parametrize("kind", LAYERS)
def test_a_network_trains_goes_on_and_becomes_integers(kind, vowels, tmp_path):
    recipe = sequence_recipe(kind, penalty={"measure": "spikes", "weight": 0.1}, augment={"shift_frames": 1})
    if kind == "sigma_delta":
        recipe = dataclasses.replace(recipe, sequence=dataclasses.replace(recipe.sequence, exact_from=0.5))
    path = train(recipe, tmp_path / "run", console=QUIET)
    quantize_checkpoint(path, tmp_path / "tiny.s2nn", as_json=False)
    network, figures = load(tmp_path / "tiny.s2nn"), json.loads((tmp_path / "tiny.json").read_text())
    test = vowels["test"]
    output = forward_sequences(network, test.frames, test.offsets)
    assert figures["accuracy_integer"] == round(float((output.classes == test.labels).mean()), 6)
    assert figures["validation"]["sequences"] == 18
    assert (figures["accuracy_rates"] is None) == (kind == "lif")
    assert figures["sequences"] == 27
    assert figures["events"] == pytest.approx(sum(figures["spikes"]))
    assert figures["digest"] == network.digest
    assert network.provenance["recipe"]["sequence"]["frames"] == 29
    log = json.loads(path.with_suffix(".log.json").read_text())
    assert [epoch["epoch"] for epoch in log["epochs"]] == [1, 2]


def test_an_interrupted_training_takes_the_same_path(vowels, tmp_path, monkeypatch):
    recipe = sequence_recipe()
    whole = read_over_time(train(recipe, tmp_path / "whole", console=QUIET))
    epoch = sequence_training.train_epoch

    def interrupted(*words, **keys):
        if words[4] == 1:
            raise KeyboardInterrupt
        return epoch(*words, **keys)

    monkeypatch.setattr(sequence_training, "train_epoch", interrupted)
    with pytest.raises(UserError, match="interrupted after epoch 1 of 2; the same command goes on from there"):
        train(recipe, tmp_path / "parts", console=QUIET)
    monkeypatch.setattr(sequence_training, "train_epoch", epoch)
    parts = read_over_time(train(recipe, tmp_path / "parts", console=QUIET))
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_training_learns(vowels):
    training = {"epochs": 25, "batch": 16, "learning_rate": 0.02}
    layers = [{"neurons": 24, "bits": 5, "neuron": layer["neuron"]} for layer in LAYERS["sigma_delta"][:2]]
    recipe = sequence_recipe(training=training, layers=layers)
    model = sequence_training.build(recipe)
    optimiser = sequence_training.make_optimiser(model, recipe.training)
    parts = sequence_training.split(recipe, None, QUIET)
    for epoch in range(25):
        sequence_training.train_epoch(model, optimiser, parts.train, recipe, epoch)
    assert evaluate(model, parts.test)[0] > 0.5
    assert evaluate(model, parts.test, ticks=False)[0] > 0.5


def test_longer_sequences_are_cut(vowels, tmp_path):
    recipe = sequence_recipe(sequence={"ticks": 2, "frames": 20})
    path = train(recipe, tmp_path / "run", console=QUIET)
    quantize_checkpoint(path, tmp_path / "tiny.s2nn")
    figures = json.loads((tmp_path / "tiny.json").read_text())
    assert figures["cut"] == int((vowels["test"].lengths > 20).sum()) > 0
    assert load(tmp_path / "tiny.s2nn").input.frames == 20


# errors


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("sigma_delta", {"neuron": {"kind": "fire"}, "layers": [{"neurons": 3, "bits": 4}]}, "must be one of sigma_de"),
        ("sigma_delta", {"teacher": {"weight": 0.5}}, "key 'teacher' is not for sequences"),
        ("sigma_delta", {"augment": {"flip": True}}, "'augment.flip' is for images; sequences take shift_frames"),
        ("sigma_delta", {"readout": {"bits": 5, "average": 2}}, "layer readout: key 'average' has no meaning"),
        ("sigma_delta", {"readout": {"bits": 5, "leak": 2}}, "key 'leak' is for readouts of kind integrator and max"),
        ("sigma_delta", {"readout": {"bits": 5, "kind": "last", "fraction": 2}}, "key 'fraction' has no meaning for r"),
        ("sigma_delta", {"neuron": {"reset": "hard"}}, "key 'neuron.reset' has no meaning for sigma_delta"),
        ("sigma_delta", {"neuron": {"kind": "lif"}}, "key 'neuron.kind' is lif, but no layer has such neurons"),
        ("lif", {"sequence": {"ticks": 2}}, "'sequence.exact_from' must be 0 with lif neurons"),
        ("low_pass", {"sequence": {"ticks": 2}}, "'sequence.ticks' must be 1 where all neurons are low_pass"),
        ("sigma_delta", {"sequence": {"ticks": 0}}, "'sequence.ticks' must lie in 1 .. 256, not 0"),
        (
            "sigma_delta",
            {"training": {"epochs": 1, "fake_quantise": False}},
            "'training.fake_quantise' must be true for sequences",
        ),
    ],
)
def test_keys_that_do_not_go_together(kind, changes, words):
    with pytest.raises(UserError, match=words):
        sequence_recipe(kind, **changes)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"kind": "maxpool", "kernel": 2, "neuron": "lif"}, "layer hidden1: key 'kind' of sequences must be dense"),
        ({"neuron": "sigma_delta", "neurons": 3}, "layer hidden1: key 'bits' is missing"),
        ({"neuron": "sigma_delta", "neurons": 3, "bits": 4, "leak": 0}, "'leak' of sigma_delta neurons must lie in 1"),
        ({"neuron": "low_pass", "neurons": 3, "bits": 4, "leak": 7}, "'leak' of low_pass neurons must lie in 0 .. 6"),
        ({"neuron": "low_pass", "neurons": 3, "bits": 4, "gain": 100}, "must be a power of two, .* not 100"),
        ({"neuron": "sigma_delta_encoder", "neurons": 3, "bits": 4, "leak": 2}, "key 'leak' has no meaning for sigma"),
        ({"neuron": "lif", "neurons": 3, "bits": 4, "gain": 3, "fraction": 0}, "layer hidden1: thresholds of a neuron"),
        ({"neuron": "lif", "neurons": 3, "bits": 4, "fan_in": 2}, "key 'fan_in' has no meaning for lif neurons of seq"),
        ({"neuron": "lif", "neurons": 3, "bits": 4, "recurrent": True}, "the first layer reads the input, and so noth"),
    ],
)
def test_layers_say_what_is_wrong(layer, words):
    with pytest.raises(UserError, match=words):
        sequence_recipe("lif", layers=[layer])


def test_a_recurrent_layer_gives_what_it_reads():
    low_pass = {"neuron": "low_pass", "neurons": 3, "bits": 4}
    with pytest.raises(UserError, match="layer hidden2: a recurrent layer gives what it reads, but"):
        sequence_recipe("low_pass", layers=[low_pass, low_pass | {"planes": 2, "recurrent": True}])


def test_encoders_come_first():
    layers = [*LAYERS["sigma_delta"][1:], *LAYERS["sigma_delta"][:1]]
    layers[0] = layers[0] | {"recurrent": False}
    with pytest.raises(UserError, match="layer hidden3: neurons of kind sigma_delta_encoder read the input"):
        sequence_recipe(layers=layers)


def test_recipes_survive_a_round_trip():
    for kind in LAYERS:
        recipe = sequence_recipe(kind)
        assert from_dict(json.loads(json.dumps(as_dict(recipe)))) == recipe


def test_sequences_are_no_images():
    recipe = sequence_recipe()
    with pytest.raises(UserError, match="recipe tiny is for sequences, and one for images is wanted here"):
        nodes(recipe)
    with pytest.raises(UserError, match="data set japanese-vowels is of sequences, and images are wanted here"):
        source.raw(recipe.data, "test")


def test_checkpoints_of_sequences_are_told_apart_and_checked(vowels, tmp_path):
    path = train(sequence_recipe(), tmp_path / "run", console=QUIET)
    with pytest.raises(UserError, match="of a network over sequences, and images are wanted here"):
        read_checkpoint(path)
    with pytest.raises(UserError, match="--bits and --check are for networks of images"):
        quantize_checkpoint(path, tmp_path / "tiny.s2nn", bits="4")
    assert not (tmp_path / "tiny.s2nn").exists()
