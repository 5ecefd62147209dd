import io
import json

import numpy as np
import pytest
import torch
from rich.console import Console

from s2nn_hw.cli.training import train_recipe
from s2nn_hw.errors import UserError
from s2nn_hw.quantize import train as training
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.fan_in import PLASTIC, live_inputs, windows
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.layers import Synapse
from s2nn_hw.quantize.model import build, encode
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.sparse import choose, measure_inputs, predict_luts, soft_luts
from s2nn_hw.quantize.train import train

SMALL = {
    "name": "small",
    "data": {"set": "mnist", "pixel_bits": 1},
    "layers": [{"neurons": 60, "bits": 6, "fan_in": 6, "window": 9}, {"neurons": 30, "bits": 6, "fan_in": 5}],
    "readout": {"bits": 2, "groups": True},
    "training": {"epochs": 4, "batch": 25, "learning_rate": 1e-2, "seed": 3},
    "sparse": {"every": 3},
}


def small(**sections):
    return from_dict(
        {
            key: value | sections.get(key, {}) if isinstance(value, dict) else sections.get(key, value)
            for key, value in SMALL.items()
        }
        | {k: v for k, v in sections.items() if k not in SMALL}
    )


@pytest.fixture(autouse=True)
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


@pytest.fixture
def silent():
    return Console(file=io.StringIO())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A short run of the small recipe: the checkpoint's path and the log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load", lambda name, split: sets.samples(name))
        path = train(small(), tmp_path_factory.mktemp("run"), console=Console(file=io.StringIO()))
    return path, json.loads(path.with_suffix(".log.json").read_text())


# recipes


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (
            {"neurons": 4, "bits": 4, "fan_in": 785},
            "layer hidden1: key 'fan_in' must be at most the 784 inputs, not 785",
        ),
        ({"neurons": 4, "bits": 1, "fan_in": 6}, "'fan_in' wants 'bits' of 2 or more"),
        ({"neurons": 4, "bits": 4, "fan_in": 0}, r"'layers\[0\].fan_in' must lie in 1"),
        ({"neurons": 4, "bits": 4, "window": 9}, "'window' wants an image or neurons that have one, .* and a 'fan_in'"),
        ({"neurons": 4, "bits": 4, "window": 2, "fan_in": 6}, "a 'fan_in' that fits into it"),
        (
            {"kind": "conv", "channels": 4, "kernel": 3, "bits": 4, "fan_in": 6},
            "'fan_in' has no meaning for kind 'conv'",
        ),
    ],
)
def test_bad_fan_in_is_named(layer, words):
    with pytest.raises(UserError, match=words):
        small(layers=[layer], readout={"groups": False})


def test_a_window_wants_pixels_or_neurons_with_a_place():
    layers = [{"neurons": 60, "bits": 6}, {"neurons": 30, "bits": 6, "fan_in": 5, "window": 4}]
    with pytest.raises(UserError, match=r"layer hidden2: key 'window' wants an image or neurons that have one, here"):
        small(layers=layers)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"readout": {"fan_in": 4}}, "layer readout: key 'groups' wants 'bits' of 2 or more and no 'fan_in'"),
        ({"readout": {"bits": 1}}, "'groups' wants 'bits' of 2"),
        ({"layers": [{"neurons": 33, "bits": 4}]}, "a multiple of the 10 classes, but hidden1 gives 33 values"),
        ({"sparse": {"reach": 0.6, "fix": 0.5}}, "'sparse.fix' must be at least 'sparse.reach', 0.6, not 0.5"),
        ({"sparse": {"every": 0}}, "'sparse.every' must lie in 1"),
        ({"area": {"weight": 1.0}}, "'area.weight' wants 'area.lut_budget'"),
        ({"area": {"lut_budget": -1}}, "'area.lut_budget' must lie in 0"),
    ],
)
def test_bad_keys_are_named(change, words):
    with pytest.raises(UserError, match=words):
        small(**change)


def test_a_budget_wants_dense_layers(tmp_path, silent):
    recipe = small(
        layers=[{"kind": "conv", "channels": 10, "kernel": 3, "bits": 4}],
        area={"lut_budget": 9},
        readout={"groups": False},
    )
    with pytest.raises(UserError, match=r"'area.lut_budget' wants dense layers"):
        train(recipe, tmp_path, console=silent)


# connections


def test_live_inputs_fall_from_all_to_the_fan_in():
    counts = [live_inputs(784, 6, progress, 0.5) for progress in np.linspace(0, 1, 21)]
    assert counts[0] == 784
    assert counts == sorted(counts, reverse=True)
    assert set(counts[10:]) == {6}


def test_windows_of_neurons_have_those_around():
    layers = [SMALL["layers"][0], {"neurons": 30, "bits": 6, "fan_in": 5, "window": 12}]
    layers.append({"neurons": 20, "bits": 6, "fan_in": 4, "window": 14})
    hidden = build(small(layers=layers)).hidden
    for layer, side in zip(hidden[1:], (12, 14), strict=True):
        tap, inside = layer.linear.tap, windows(layer.linear.tap)
        before = 9 if tap.source == "hidden1" else 12
        assert inside.shape == (tap.outputs, tap.shape[0])
        places = np.array(
            [[(k * PLASTIC**-a) % 1 * (28 - before + 1) // 1 for a in (1, 2)] for k in range(1, tap.shape[0] + 1)]
        )
        for mine in inside.numpy():
            reach = np.ptp(places[mine], axis=0)
            assert (reach < side).all()
        assert inside.any(dim=0).float().mean() > 0.9
    with pytest.raises(UserError, match="a window of 4 around a neuron has 0 inputs, fewer than the 5 live"):
        build(small(layers=[layers[0], layers[1] | {"window": 4}]))


def test_windows_are_squares_inside_the_image_spread_over_it():
    tap = build(small()).hidden[0].linear.tap
    inside = windows(tap).reshape(60, 28, 28)
    assert set(inside.sum(dim=(1, 2)).tolist()) == {81}
    assert inside.any(dim=0).float().mean() > 0.9
    rows, columns = inside.any(dim=2).int().argmax(dim=1), inside.any(dim=1).int().argmax(dim=1)
    assert all(inside[n, r : r + 9, c : c + 9].all() for n, (r, c) in enumerate(zip(rows, columns, strict=True)))
    assert abs(rows.float().mean() - 9.5) < 1
    assert abs(columns.float().mean() - 9.5) < 1


def test_masks_hold_the_budget_at_each_stage_and_then_stay():
    model, options = build(small()), small().sparse
    images = encode(torch.tensor(sets.samples("mnist")[0]), 1)
    measure_inputs(model, images)
    first, second = (layer.linear for layer in model.hidden)
    assert first.spread[0] == 0  # a corner no digit reaches
    for progress, counts in ((0.0, (81, 60)), (0.2, None), (0.35, (6, 5)), (0.6, (6, 5))):
        choose(model, options, progress)
        live = [synapse.mask.sum(dim=1).unique().tolist() for synapse in (first, second)]
        assert all(len(count) == 1 for count in live)
        assert counts is None or [count[0] for count in live] == list(counts)
        assert not first.mask[~first.within].any()
    chosen = first.mask.clone()
    with torch.no_grad():
        first.weight.neg_().add_(1)
    choose(model, options, 0.7)
    assert torch.equal(first.mask, chosen)


def test_a_connection_that_is_not_live_can_return():
    model, options = build(small()), small().sparse
    choose(model, options, 0.4)
    synapse = model.hidden[1].linear
    lost = int((synapse.mask[0] == 0).nonzero()[0])
    synapse.levels()[0].sum().backward()
    assert synapse.weight.grad[0, lost] != 0
    with torch.no_grad():
        synapse.weight[0, lost] = 100
    choose(model, options, 0.4)
    assert synapse.mask[0, lost] == 1
    assert synapse.mask[0].sum() == 5


@pytest.mark.parametrize("layer", [0, 1])
def test_the_product_over_live_inputs_is_the_masked_product(layer):
    model, options = build(small()), small().sparse
    choose(model, options, 1.0)
    synapse = model.hidden[layer].linear
    x = torch.randint(0, 2, (7, synapse.mask.shape[1])).float()
    results = []
    for mode in (True, False):
        synapse.train(mode)
        assert synapse.compact is mode
        levels, scale = synapse.levels()
        synapse.weight.grad = None
        result = synapse.product(x, levels * scale)
        result.square().sum().backward()
        results.append((result.detach(), synapse.weight.grad.clone()))
    torch.testing.assert_close(*(result for result, _ in results))
    torch.testing.assert_close(*(gradient for _, gradient in results))


def test_levels_of_live_weights_span_the_range():
    synapse = build(small()).hidden[0].linear
    levels, _ = synapse.levels()
    assert (levels.abs().amax(dim=1) == 31).all()
    assert (levels[synapse.mask == 0] == 0).all()


def test_float_weights_keep_the_masks_too(tmp_path, silent):
    path = train(small(training={"fake_quantise": False, "epochs": 1}), tmp_path, console=silent)
    network = convert(float_graph(read_checkpoint(path)), calibration=sets.samples("mnist")[0])
    assert (np.count_nonzero(network.layers[0].synapses[0].weights, axis=1) <= 6).all()


def test_a_readout_of_few_synapses_per_class(tmp_path, silent):
    path = train(small(readout={"groups": False, "fan_in": 8}, training={"epochs": 1}), tmp_path, console=silent)
    network = convert(float_graph(read_checkpoint(path)))
    weights = network.layers[-1].synapses[0].weights
    assert (np.count_nonzero(weights, axis=1) <= 8).all()
    assert np.abs(weights).max() == 1


# whole runs


def test_a_run_ends_with_its_fan_in_and_says_the_luts(trained):
    path, log = trained
    model = read_checkpoint(path).model
    assert (model.hidden[0].linear.mask.sum(dim=1) == 6).all()
    assert (model.hidden[1].linear.mask.sum(dim=1) == 5).all()
    luts = [epoch["luts"] for epoch in log["epochs"]]
    assert luts[-1] == log["test"]["luts"] == round(predict_luts(model, 1))
    assert luts[-1] <= 60 + 30 + 20 + 140 < luts[0]


def test_the_integer_network_has_the_float_network_s_spikes(trained):
    checkpoint = read_checkpoint(trained[0])
    network, images = convert(float_graph(checkpoint)), sets.samples("mnist")[0]
    out = network.forward(images, trace="spikes")
    with torch.no_grad():
        scores, trace = checkpoint.model.trace(encode(torch.tensor(images), 1))
    for name, spikes in trace.items():
        assert np.array_equal(out.spikes[name], spikes.numpy())
    assert np.array_equal(out.classes, scores.argmax(dim=1).numpy())
    first, second, readout = (layer.synapses[0].weights for layer in network.layers)
    assert (np.count_nonzero(first, axis=1) <= 6).all()
    assert (np.count_nonzero(second, axis=1) <= 5).all()
    assert np.array_equal(readout, np.kron(np.eye(10), np.ones((1, 3))))
    assert not network.layers[-1].neuron.bias.any()
    assert (np.gcd.reduce(first.astype(int), axis=1) <= 1).all()


def test_weights_with_a_common_divisor_are_divided(trained):
    checkpoint = read_checkpoint(trained[0])
    synapse = checkpoint.model.hidden[0].linear
    with torch.no_grad():
        synapse.weight.copy_(synapse.mask * 0.5)
    weights = convert(float_graph(checkpoint)).layers[0].synapses[0].weights
    assert np.abs(weights).max() == 1


@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_takes_the_same_path(tmp_path, silent, monkeypatch, trained, stop):
    from safetensors.torch import load_file

    real = training.train_epoch

    def stopped(*args, **options):
        if args[5] == stop:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(training, "train_epoch", stopped)
    with pytest.raises(UserError, match="interrupted after epoch"):
        train(small(), tmp_path, console=silent)
    monkeypatch.setattr(training, "train_epoch", real)
    parts, whole = load_file(train(small(), tmp_path, console=silent)), load_file(trained[0])
    assert parts.keys() == whole.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


# area


def chain(masks, input_bits=1, fan_in=True):
    """A model of dense layers whose hidden masks are ``masks``, its readout in groups."""
    layers = [{"neurons": len(mask), "bits": 4} | ({"fan_in": int(mask[0].sum())} if fan_in else {}) for mask in masks]
    model = build(small(layers=layers))
    for layer, mask in zip(model.hidden, masks, strict=True):
        if fan_in:
            layer.linear.mask.copy_(mask)
    return model


def wheel(neurons, inputs, count):
    """Masks in which neuron n reads the ``count`` inputs from n on, round the end."""
    return torch.tensor([[(i - n) % inputs < count for i in range(inputs)] for n in range(neurons)]).float()


def test_the_estimate_counts_tables_sums_and_comparisons():
    assert predict_luts(chain([wheel(20, 784, 6)]), 1) == pytest.approx(20 + 0.65 * 20 + 140)
    assert predict_luts(chain([wheel(20, 784, 3)]), 2) == pytest.approx(20 + 13 + 140)
    assert predict_luts(chain([wheel(20, 784, 9)]), 1) == pytest.approx(20 * 9 * 0.65 + 13 + 140)
    assert predict_luts(chain([wheel(20, 784, 1)]), 8) == pytest.approx(20 * 2 + 13 + 140)
    assert predict_luts(chain([torch.ones(20, 784)], fan_in=False), 1) == pytest.approx(20 * 784 * 0.65 + 13 + 140)


def test_neurons_that_nothing_reads_cost_nothing():
    second = wheel(10, 30, 4)
    second[:, 10:] = 0
    second[8:, 2:4] = 1  # still four inputs each
    model = chain([wheel(30, 784, 6), second])
    read = int((second.sum(dim=0) > 0).sum())
    assert read < 30
    assert predict_luts(model, 1) == pytest.approx(read + 10 + 6.5 + 140)


def test_the_soft_estimate_has_the_hard_value_and_draws_readers_together():
    torch.manual_seed(0)
    model = build(small())
    choose(model, small().sparse, 0.4)
    soft = soft_luts(model, 1)
    assert soft.item() == pytest.approx(predict_luts(model, 1), rel=1e-6)
    soft.backward()
    synapse = model.hidden[1].linear
    readers, slope = synapse.mask.sum(dim=0), synapse.weight.grad * synapse.weight.sign()
    alone, shared = (slope[:, chosen][synapse.mask[:, chosen] == 1] for chosen in (readers == 1, readers >= 3))
    assert alone.mean() > 0 > shared.mean()  # descent weakens the first and strengthens the second


def test_the_area_term_makes_the_network_smaller():
    images, labels = (torch.tensor(a) for a in sets.samples("mnist"))
    luts = []
    for weight in (0.0, 5.0):
        recipe = small(
            layers=[SMALL["layers"][0] | {"neurons": 200}, SMALL["layers"][1]],
            area={"lut_budget": 210, "weight": weight},
            sparse={"reach": 0.3, "fix": 1.0, "every": 1},
        )
        model = build(recipe)
        optimiser = training.make_optimiser(model, recipe.training)
        for epoch in range(4):
            training.train_epoch(model, optimiser, images, labels.long(), recipe, epoch)
        luts.append(predict_luts(model, 1))
    assert luts[1] < luts[0] - 20


@pytest.mark.parametrize(("budget", "words"), [(9000, "the budget is 9,000"), (100, "over budget by ")])
def test_the_command_says_whether_the_budget_holds(tmp_path, capsys, budget, words):
    path = tmp_path / "small.toml"
    path.write_text(
        'data = {set = "mnist", pixel_bits = 1}\nlayers = [{neurons = 10, bits = 4, fan_in = 6}]\n'
        "readout = {bits = 2, groups = true}\ntraining = {epochs = 1}\n"
        f"area = {{lut_budget = {budget}}}\n"
    )
    train_recipe(path, tmp_path / "run")
    said = capsys.readouterr().out
    assert "about 156 LUTs (an estimate)" in said
    assert words in said
    assert ("over budget" in said) is (budget < 156)


def test_a_synapse_without_fan_in_keeps_its_state():
    synapse = build(small(layers=[{"neurons": 10, "bits": 4}])).hidden[0].linear
    assert isinstance(synapse, Synapse)
    assert sorted(synapse.state_dict()) == ["clip", "weight"]
