import io
import json
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.cli.training import parse_bits, quantize_checkpoint
from s2nn_hw.errors import UserError
from s2nn_hw.network.store import load
from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from s2nn_hw.quantize.convert import clip_search, convert, fold, needs_calibration, quantised
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.float_graph import FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import FloatFire, Norm
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import build, encode
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.summary import quantize
from s2nn_hw.quantize.train import train


def recipe(pixel_bits=2, sizes=(9, 7), bits=(3, 2, 4), threshold=1.0, **training):
    return from_dict(
        {
            "name": "tiny",
            "data": {"set": "mnist", "pixel_bits": pixel_bits},
            "layers": [{"neurons": n, "bits": b} for n, b in zip(sizes, bits, strict=False)],
            "readout": {"bits": bits[-1]},
            "neuron": {"threshold": threshold},
            "training": {"epochs": 1, "batch": 30, "seed": 5} | training,
        }
    )


def random_checkpoint(options, seed):
    """A network with batch norm of every kind: gamma negative, zero, tiny; dead rows; odd variances."""
    model = build(options).double().eval()
    draw = torch.Generator().manual_seed(seed)
    for index, hidden in enumerate(model.hidden):
        count = len(hidden.norm.weight)
        reach = 60.0 if index == 0 else 2.0
        with torch.no_grad():
            hidden.norm.weight.copy_(torch.randn(count, generator=draw))
            hidden.norm.bias.copy_(torch.randn(count, generator=draw) + 1)
            hidden.norm.running_mean.copy_(torch.randn(count, generator=draw) * reach / 10)
            hidden.norm.running_var.copy_(torch.rand(count, generator=draw) * reach)
            hidden.norm.weight[0] = 0
            hidden.norm.weight[-1] = 1e-12
            hidden.linear.weight[count // 2] = 0
    with torch.no_grad():
        model.readout.bias.copy_(torch.randn(len(model.readout.bias), generator=draw))
    return Checkpoint(model, options, {})


def float_model(checkpoint, images):
    with torch.no_grad():
        pixels = encode(torch.tensor(images), checkpoint.recipe.data.pixel_bits)
        return checkpoint.model.trace(pixels.to(checkpoint.model.readout.bias.dtype))


# folding


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 10**6),
    pixel_bits=st.sampled_from([1, 2, 4, 8]),
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    bits=st.lists(st.integers(1, 8), min_size=4, max_size=4),
    threshold=st.sampled_from([0.3, 1.0, 2.5]),
)
def test_integer_network_has_the_spikes_of_the_float_network(seed, pixel_bits, sizes, bits, threshold):
    options = recipe(pixel_bits, sizes, bits[: len(sizes)] + bits[-1:], threshold, seed=seed)
    checkpoint = random_checkpoint(options, seed)
    images = sets.samples("mnist")[0][:60]
    network, (scores, spikes) = convert(float_graph(checkpoint)), float_model(checkpoint, images)
    out = network.forward(images, trace=True)
    assert list(out.spikes) == list(spikes)
    for name, wanted in spikes.items():
        assert np.array_equal(out.spikes[name], wanted), name
    scale = checkpoint.model.readout.levels()[1].item()
    torch.testing.assert_close(torch.tensor(out.scores).double() * scale, scores)


def test_float32_model_differs_from_the_integers_at_ties_only():
    options = recipe(4, (64, 64), (4, 4, 4))
    checkpoint = random_checkpoint(options, 1)
    network, images = convert(float_graph(checkpoint)), sets.samples("mnist")[0]
    single = Checkpoint(checkpoint.model.float(), options, {})
    out, pixels = network.forward(images, trace=True), encode(torch.tensor(images), 4)
    with torch.no_grad():
        hidden = single.model.hidden[0]
        u = hidden.membrane(pixels)
        wrong = hidden.neuron(u) != torch.tensor(out.spikes["hidden1"])
    assert ((u - 1).abs()[wrong] < 1e-4).all()
    assert wrong.float().mean() < 1e-3


def hidden_layer(gamma, beta, mean=0.0, threshold=1.0, levels=(3, -2, 0, 1), scale=0.5):
    norm = Norm(*(np.array([value], float) for value in (gamma, beta, mean, 1.0)))
    synapse = FloatSynapse(np.array([levels], float), 3)
    return FloatLayer("hidden1", ("input",), (synapse,), FloatFire(norm, threshold), np.array([scale]))


def folded(layer, peak=1):
    (weights,), thresholds = fold(layer, quantised(layer, 3), (0, peak))
    return weights[0].tolist(), int(thresholds[0])


def test_a_tie_spikes():
    # 0.5 a >= 1 exactly at a = 2
    assert folded(hidden_layer(1.0, 0.0)) == ([3, -2, 0, 1], 2)
    assert folded(hidden_layer(1.0, 0.0, threshold=1.0 + 1e-9)) == ([3, -2, 0, 1], 3)


def test_negative_gamma_turns_the_row():
    # -(0.5 a) + 0.25 >= 1 is -a >= 1.5
    assert folded(hidden_layer(-1.0, 0.25)) == ([-3, 2, 0, -1], 2)


@pytest.mark.parametrize(
    ("gamma", "beta", "fires"),
    [(0.0, 1.0, True), (0.0, 0.999, False), (1e-30, 5.0, True), (1e-30, -5.0, False), (-1e-30, 5.0, True)],
)
def test_constant_neurons_get_a_threshold_that_is_always_or_never_reached(gamma, beta, fires):
    for peak in (1, 255):
        weights, threshold = folded(hidden_layer(gamma, beta), peak=peak)
        low, high = (peak * sum(f(w, 0) for w in weights) for f in (min, max))
        assert threshold == (low if fires else high + 1)


@pytest.mark.parametrize(("beta", "fires"), [(0.5, False), (1.5, True)])
def test_dead_channels_are_constant(beta, fires):
    assert folded(hidden_layer(1.0, beta, levels=(0, 0, 0, 0))) == ([0, 0, 0, 0], 0 if fires else 1)


# rounding weights that were not trained at these bits


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("shared", [False, True])
def test_clip_search_beats_the_full_range(bits, shared):
    draw = torch.Generator().manual_seed(bits)
    weight = torch.randn(6, 50, generator=draw, dtype=torch.float64) ** 3
    inputs = (torch.rand(400, 50, generator=draw) < 0.3).double()
    levels, scale = clip_search(weight, bits, inputs, shared=shared)
    limit = weight_limit(bits)
    assert scale.shape == ((1, 1) if shared else (6, 1))
    assert (scale > 0).all()
    assert torch.equal(levels, levels.round())
    assert levels.abs().max() <= limit

    def error(levels, scale):
        return (((levels * scale - weight) @ (inputs - inputs.mean(0)).T) ** 2).sum()

    whole = weight.abs().amax(dim=None if shared else 1).reshape(-1, 1) / limit
    plain = (weight / whole).round() if bits > 1 else torch.where(weight >= 0, 1.0, -1.0).double()
    assert error(levels, scale) <= error(plain, whole) * (1 + 1e-6)


def test_clip_search_survives_dead_rows_and_constant_inputs():
    weight = torch.zeros(2, 5, dtype=torch.float64)
    weight[1] = 1
    levels, scale = clip_search(weight, 4, torch.ones(10, 5, dtype=torch.float64))
    assert levels[0].abs().sum() == 0
    assert (scale > 0).all()
    assert scale.isfinite().all()


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A function from recipe to the path of its checkpoint, trained on the sample images."""
    from rich.console import Console

    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))
    return lambda options: train(options, tmp_path / "run", console=Console(file=io.StringIO()))


def test_float_weights_survive_eight_and_four_bits(trained):
    options = recipe(4, (32, 24), (8, 8, 8), epochs=15, learning_rate=5e-3, fake_quantise=False)
    checkpoint = read_checkpoint(trained(options))
    assert needs_calibration(float_graph(checkpoint))
    with pytest.raises(UserError, match="calibration images"):
        convert(float_graph(checkpoint))
    for bits, most in ((8, 0.02), (4, 0.08)):
        network, report = quantize(checkpoint, bits=[bits] * 3)
        assert report.accuracy_float > 0.8
        assert report.accuracy_float - report.accuracy_integer <= most
        assert [layer.synapses[0].bits for layer in network.layers] == [bits] * 3
        assert np.allclose(report.spikes, report.spikes_float, rtol=0.25)


def test_bits_of_a_fake_quantised_checkpoint_may_change(trained):
    checkpoint = read_checkpoint(trained(recipe(2, (32, 24), (3, 3, 4), epochs=15, learning_rate=5e-3)))
    same, wider, narrower = (quantize(checkpoint, bits=b) for b in (None, [4, 5, 8], [2, 2, 3]))
    assert same[1].accuracy_float == same[1].accuracy_integer > 0.8
    assert same[1].spikes == same[1].spikes_float
    assert not needs_calibration(float_graph(checkpoint), [4, 5, 8])
    assert all(
        np.array_equal(a.synapses[0].weights, b.synapses[0].weights)
        for a, b in zip(same[0].layers, wider[0].layers, strict=True)
    )
    assert needs_calibration(float_graph(checkpoint), [2, 2, 3])
    assert narrower[1].accuracy_integer > 0.6


# checkpoints from strangers


@pytest.fixture
def checkpoint_file(tmp_path):
    options = recipe()
    path = tmp_path / "tiny.safetensors"
    save_checkpoint(path, build(options), options, {"accuracy": 0.5})
    return path


def altered(path, change, metadata=True):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, "pt") as file:
        note = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=note if metadata is True else metadata)


def test_a_checkpoint_comes_back_whole(checkpoint_file):
    came, model = read_checkpoint(checkpoint_file), build(recipe())
    assert came.recipe == recipe()
    assert came.test == {"accuracy": 0.5}
    wider = build(recipe())
    wider.hidden[0].linear.clip.fill_(2.0)
    save_checkpoint(checkpoint_file, wider, recipe(), {})
    assert read_checkpoint(checkpoint_file).model.hidden[0].linear.clip == 2  # the file's, not today's constant
    assert all(torch.equal(a, b) for a, b in zip(came.model.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("readout.bias"), r"tensors missing: 'readout.bias' \(10,\)"),
        (lambda t: t.update({"readout.bias": torch.zeros(11)}), r"'readout.bias' must be float \(10,\), not .*\(11,\)"),
        (lambda t: t.update({"readout.bias": torch.zeros(10, dtype=torch.int32)}), "must be float .* not int32"),
        (
            lambda t: t["hidden.0.linear.weight"].fill_(float("nan")),
            "'hidden.0.linear.weight' holds values .* not finite",
        ),
        (lambda t: t["hidden.1.norm.running_var"].fill_(-1), "'hidden.1.norm.running_var' is a variance"),
        (lambda t: t["readout.linear.clip"].fill_(0), "'readout.linear.clip' must be positive"),
        (
            lambda t: t.update({"hidden.2.norm.bias": torch.zeros(3)}),
            "belonging to no layer of the recipe: 'hidden.2.norm.bias'",
        ),
        (
            lambda t: t.update(
                {"hidden.0.norm.num_batches_tracked": torch.tensor(3), "readout.num_batches_tracked": torch.tensor(3)}
            ),
            "to no layer of the recipe: 'readout.num_batches_tracked'$",
        ),
        (
            lambda t: t.update({"readout.bias": torch.zeros(10).to(torch.float8_e4m3fn)}),
            "must be float .* not float8_e4m3",
        ),
        (
            lambda t: [t.pop(name) for name in ("readout.bias", "hidden.1.norm.weight")] and t.update(x=torch.zeros(1)),
            r"missing: 'hidden.1.norm.weight' \(7,\), 'readout.bias' \(10,\); belonging to no layer of the recipe: 'x'",
        ),
    ],
)
def test_bad_tensors_are_named(checkpoint_file, change, words):
    altered(checkpoint_file, change)
    with pytest.raises(UserError, match=words) as error:
        read_checkpoint(checkpoint_file)
    assert str(checkpoint_file) in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (None, "give --recipe"),
        ({"s2nn-checkpoint": "{}"}, "give --recipe"),
        ({"s2nn-checkpoint": "{"}, "is not JSON"),
        ({"s2nn-checkpoint": '{"recipe": {"name": "x"}}'}, "keys 'data', 'layers', 'readout', 'training' are missing"),
    ],
)
def test_bad_metadata_is_named_and_a_recipe_replaces_it(checkpoint_file, metadata, words):
    altered(checkpoint_file, lambda t: None, metadata)
    with pytest.raises(UserError, match=words):
        read_checkpoint(checkpoint_file)
    if metadata is None:
        assert read_checkpoint(checkpoint_file, recipe()).recipe == recipe()


def torch_file(tensor):
    file = io.BytesIO()
    torch.save({"w": tensor}, file)
    return file.getvalue()


@pytest.mark.parametrize("content", [pickle.dumps({}, protocol=p) for p in range(2, 6)])
def test_pickles_are_refused_unopened(tmp_path, content):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"model\.pt: this is a pickle, or was written by torch\.save before version 1"):
        read_checkpoint(path)


def test_tensors_of_torch_want_a_recipe(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(torch_file(torch.ones(1)))
    with pytest.raises(UserError, match=r"model\.pt: tensors of torch.save, but without the .* metadata .* --recipe"):
        read_checkpoint(path)


def test_missing_truncated_and_empty_files_are_named(tmp_path, checkpoint_file):
    whole = checkpoint_file.read_bytes()
    for content in (b"", whole[:5], whole[:200], whole[:-1], whole + b"x", b"\xff" * 64):
        checkpoint_file.write_bytes(content)
        with pytest.raises(UserError, match="truncated or altered"):
            read_checkpoint(checkpoint_file)
    with pytest.raises(UserError, match="does not exist"):
        read_checkpoint(tmp_path / "none.safetensors")


# the command


def test_command_writes_network_and_figures(trained, tmp_path, capsys):
    path, output = trained(recipe(epochs=2)), tmp_path / "tiny.s2nn"
    quantize_checkpoint(path, output)
    said = capsys.readouterr().out
    assert "hidden1" in said
    assert "300 images" in said
    report, network = json.loads((tmp_path / "tiny.json").read_text()), load(output)
    assert report["digest"] == network.digest
    assert network.provenance["measured"]["accuracy_integer"] == report["accuracy_integer"]
    assert network.provenance["recipe"]["data"]["set"] == "mnist"
    images, labels = sets.samples("mnist")
    accuracy = (network.forward(images).classes == labels).mean()
    assert report["accuracy_integer"] == pytest.approx(accuracy, abs=1e-6)
    assert report["input_ones"] == pytest.approx(np.bitwise_count(images >> 6).sum() / 300, abs=1e-3)
    operations = report["input_ones"] * 9 + report["spikes"][0] * 7 + report["spikes"][1] * 10
    assert report["synaptic_operations"] == pytest.approx(operations, rel=1e-3)
    assert [row["memory_bits"] for row in report["layers"]] == [784 * 9 * 3, 9 * 7 * 2, 7 * 10 * 4]
    quantize_checkpoint(path, output, as_json=True)
    assert json.loads(capsys.readouterr().out) == report


def test_without_the_data_set_the_sample_is_measured(trained, tmp_path, monkeypatch):
    path = trained(recipe())

    def absent(name, split):
        raise UserError("can't be downloaded")

    monkeypatch.setattr(sets, "load", absent)
    assert quantize(read_checkpoint(path))[1].images == 300


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        ("tiny.bin", {}, "must end in .s2nn"),
        ("none/tiny.s2nn", {}, "does not exist"),
        ("tiny.s2nn", {"bits": "9"}, "--bits must be one number"),
        ("tiny.s2nn", {"recipe": "none.toml"}, "none.toml does not exist"),
    ],
)
def test_command_refuses_and_leaves_nothing(checkpoint_file, tmp_path, monkeypatch, output, options, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=words):
        quantize_checkpoint(checkpoint_file, output, **options)
    assert [p.name for p in tmp_path.iterdir()] == ["tiny.safetensors"]


def test_bits_are_one_number_or_one_per_layer():
    assert parse_bits(None, 3) is None
    assert parse_bits("4", 3) == [4, 4, 4]
    assert parse_bits("3, 4,8", 3) == [3, 4, 8]
    for text in ("", "0", "9", "x", "4,4", "4,", "-1", "16"):
        with pytest.raises(UserError, match="--bits"):
            parse_bits(text, 3)
