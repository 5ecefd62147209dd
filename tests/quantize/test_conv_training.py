"""Convolutional graphs: trained, resumed, settled, and converted to integers with the same spikes."""

import io
import json

import numpy as np
import pytest
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.reads import times_read
from s2nn_hw.network.synapses import Conv2d
from s2nn_hw.quantize import train as training
from s2nn_hw.quantize.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.graph import Tap
from s2nn_hw.quantize.loss import activity
from s2nn_hw.quantize.model import build, encode
from s2nn_hw.quantize.precision import mixed
from s2nn_hw.quantize.products import raster
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.settings import Augment
from s2nn_hw.quantize.summary import quantize
from s2nn_hw.quantize.train import settle, train


def conv(channels, bits=4, **keys):
    return {"kind": "conv", "channels": channels, "kernel": 3, "bits": bits} | keys


# every kind of layer and joint: pools fused and not, both shortcuts, groups, an OR, overlapping padded pooling
RESIDUAL = [
    conv(6, 8, kernel=5, stride=2),
    conv(8, 3, name="a", shortcut="conv1", shortcut_bits=6, pool=2),
    conv(8, 2, name="b", shortcut="a_pool"),
    conv(8, 1, name="c", groups="depthwise"),
    {"kind": "or", "from": ["a_pool", "c"]},
    {"kind": "maxpool", "kernel": 3, "stride": 2, "padding": 1},
    conv(12, 4, name="last", padding=0, groups=4),
]


def recipe(layers=RESIDUAL, set="cifar10", pixel_bits=4, readout=(), threshold=1.0, **keys):
    return from_dict(
        {
            "name": "small",
            "data": {"set": set, "pixel_bits": pixel_bits},
            "layers": layers,
            "readout": {"bits": 4} | dict(readout),
            "neuron": {"threshold": threshold},
            "training": {"epochs": 2, "batch": 20, "learning_rate": 5e-3, "seed": 5} | keys.pop("training", {}),
            **keys,
        }
    )


@pytest.fixture(autouse=True)
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


@pytest.fixture
def silent():
    from rich.console import Console

    return Console(file=io.StringIO())


def random_checkpoint(options, seed=0):
    """A network in float64 whose batch norms have slopes of both signs, zero ones too."""
    model, draw = build(options), torch.Generator().manual_seed(seed)
    images = torch.tensor(sets.samples(options.data.set)[0])
    settle(model, images, options)
    with torch.no_grad():
        for hidden in model.hidden:
            count = len(hidden.norm.weight)
            hidden.norm.weight.copy_(torch.randn(count, generator=draw))
            hidden.norm.bias.copy_(torch.randn(count, generator=draw) * 0.3 + 0.5)
            hidden.norm.weight[0] = 0
        model.readout.bias.copy_(torch.randn(10, generator=draw))
    return Checkpoint(model.double().eval(), options, {})


# conversion


@pytest.mark.parametrize(
    ("layers", "options"),
    [
        (RESIDUAL, {}),
        (RESIDUAL, {"readout": {"average": "global"}, "threshold": 0.6}),
        ([conv(5, 3, kernel=2, padding=1, pool=3)], {"set": "mnist", "pixel_bits": 8, "readout": {"average": 1}}),
        ([conv(4, pool=2), conv(4)], {"set": "mnist", "pixel_bits": 1, "readout": {"average": 7}}),
        ([conv(4, kernel=7, padding=0, stride=3), {"neurons": 9, "bits": 3}], {"pixel_bits": 2}),
        ([{"neurons": 9, "bits": 3}], {"pixel_bits": 8}),
    ],
)
def test_integer_network_has_the_spikes_of_the_float_network(layers, options):
    checkpoint = random_checkpoint(recipe(layers, **options))
    images, bits = sets.samples(checkpoint.recipe.data.set)[0][:50], checkpoint.recipe.data.pixel_bits
    out = convert(float_graph(checkpoint)).forward(images, trace=True)
    with torch.no_grad():
        scores, spikes = checkpoint.model.trace(encode(torch.tensor(images), bits).double())
    assert list(out.spikes) == list(spikes)
    for name, wanted in spikes.items():
        assert np.array_equal(out.spikes[name], raster(wanted)), name
    assert 0.02 < np.mean([s.mean() for s in spikes.values()]) < 0.8
    torch.testing.assert_close(torch.tensor(out.scores).double() * checkpoint.model.readout.levels()[1].item(), scores)


def test_a_trained_residual_network_is_the_same_in_integers(tmp_path, silent):
    checkpoint = read_checkpoint(train(recipe(), tmp_path, console=silent))
    network, report = quantize(checkpoint)
    assert report.accuracy_float == report.accuracy_integer
    assert report.spikes == pytest.approx(report.spikes_float, rel=1e-3)
    assert report.data_set == network.provenance["measured"]["data_set"] == "CIFAR-10 (JPEG)"
    assert [layer.name for layer in network.layers] == [
        "conv1",
        "a",
        "a_pool",
        "b",
        "c",
        "or1",
        "pool1",
        "last",
        "readout",
    ]
    assert [row.name for row in report.layers] == ["conv1", "a", "b", "c", "last", "readout"]
    assert report.memory_bits == (
        6 * 75 * 8 + 8 * (54 * 3 + 6 * 6) + 8 * (72 + 1) * 2 + 8 * 9 + 12 * 18 * 4 + 10 * 48 * 4
    )


@pytest.mark.parametrize("quantised", [True, False])
def test_weights_are_rounded_to_fewer_bits(quantised):
    options = recipe(readout={"average": 2}, training={"fake_quantise": quantised})
    checkpoint, images = random_checkpoint(options), sets.samples("cifar10")[0]
    with pytest.raises(UserError, match="calibration images"):
        convert(float_graph(checkpoint), bits=[2] * 6)
    with torch.no_grad():
        spikes = checkpoint.model.trace(encode(torch.tensor(images), 4).double())[1]
    differ = {}
    for bits in (8, 4, 2):
        network = convert(float_graph(checkpoint), bits=[bits] * 6, calibration=images)
        assert [layer.synapses[0].bits for layer in network.layers if layer.accumulates] == [bits] * 6
        out = network.forward(images, trace="spikes")
        differ[bits] = np.mean([(out.spikes[n] != raster(s).numpy()).mean() for n, s in spikes.items()])
    assert differ[8] < 0.1
    assert differ[8] <= differ[4] <= differ[2] < 0.4


def test_synaptic_operations_count_every_window_that_reads_a_spike():
    draw, shape = np.random.default_rng(0), (9, 7, 3)
    for stride, padding, kernel in ((1, 1, 3), (2, 0, 3), (3, 2, 5), (2, 0, 1)):
        ones = Conv2d(np.ones((1, kernel, kernel, 3), np.int8), 2, stride, padding)
        spikes = draw.integers(0, 2, (1, 9 * 7 * 3))
        assert ones.accumulate(spikes, shape).sum() == spikes[0] @ times_read(ones, shape)
        tap = Tap("input", "conv", shape, 1, 2, kernel, stride, padding)
        assert (tap.reads() == times_read(ones, shape)).all()


def test_training_and_quantizer_count_spikes_rates_and_operations_alike(tmp_path, silent):
    path = train(recipe(training={"epochs": 1}), tmp_path, console=silent)
    log = json.loads((tmp_path / f"{path.stem}.log.json").read_text())["test"]
    _, figures = quantize(read_checkpoint(path))
    for name in ("spikes", "spike_rates", "synaptic_operations"):  # a spike or two differ
        assert log[name] == pytest.approx(getattr(figures, name), rel=2e-3)
    assert log["spikes"] == pytest.approx(figures.spikes_float, abs=1e-3)


# training


def test_a_pool_before_the_neuron_gives_the_spikes_of_one_behind_it():
    torch.manual_seed(0)
    model, pixels = build(recipe()).train(), torch.randint(0, 16, (20, 3072)).float()
    before = model.trace(pixels)[1]
    model.pools = {}
    behind = model.trace(pixels)[1]
    assert list(before) == [name for name in behind if name != "a"]
    assert all(torch.equal(before[name], behind[name]) for name in before)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_parameter_has_a_gradient(precision):
    options = recipe(training={"precision": precision})
    model = build(options).train()
    with mixed(options, torch.device("cpu")):
        scores, trace = model.trace(torch.randint(0, 16, (20, 3072)).float())
    assert scores.dtype == torch.float32
    assert all(set(s.unique().tolist()) <= {0.0, 1.0} for s in trace.values())
    (scores.square().sum() + activity(model, trace, "synaptic_operations")).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_bfloat16_is_for_convolutions_only():
    dense, device = recipe([{"neurons": 4, "bits": 2}]), torch.device("cpu")
    assert not mixed(dense, device)._enabled
    assert mixed(recipe(training={"precision": "bfloat16"}), device)._enabled
    assert not mixed(recipe(training={"precision": "float32"}), device)._enabled


def test_activity_counts_the_spikes_that_enter_each_table():
    model = build(recipe([conv(2, pool=2), conv(4), conv(4, shortcut="conv2")], readout={"average": "global"}))
    trace = {
        "conv1_pool": torch.ones(3, 2, 16, 16),
        "conv2": torch.zeros(3, 4, 32, 32),
        "conv3": torch.zeros(3, 4, 16, 16),
    }
    sizes = [512, 1024, 1024, 1024]  # of the pool; of conv2, which two tables read; of conv3
    assert activity(model, trace, "spikes").item() == pytest.approx(512 / sum(sizes))
    weights = [9 * 4, 9 * 4, 1, 10]
    assert activity(model, trace, "synaptic_operations").item() == pytest.approx(
        512 * 36 / sum(w * s for w, s in zip(weights, sizes, strict=True))
    )


def test_an_interrupted_run_goes_on_to_the_same_weights(tmp_path, silent, monkeypatch):
    from safetensors.torch import load_file

    options = recipe(
        augment={"flip": True, "crop_pixels": 4, "cutout_pixels": 8}, penalty={"measure": "spikes", "weight": 0.1}
    )
    whole, real = load_file(train(options, tmp_path / "whole", console=silent)), training.train_epoch

    def stopped(*args, **keys):
        if args[5] == 1:
            raise KeyboardInterrupt
        return real(*args, **keys)

    monkeypatch.setattr(training, "train_epoch", stopped)
    with pytest.raises(UserError, match="interrupted after epoch 1 of 2"):
        train(options, tmp_path / "parts", console=silent)
    monkeypatch.setattr(training, "train_epoch", real)
    parts = load_file(train(options, tmp_path / "parts", console=silent))
    assert whole.keys() == parts.keys()
    assert all(torch.allclose(whole[name], parts[name]) for name in whole)
    log = json.loads((tmp_path / "parts" / "small.log.json").read_text())
    assert log["test"]["data_set"] == "CIFAR-10 (JPEG)"
    assert log["test"]["names"] == ["conv1", "a", "a_pool", "b", "c", "or1", "pool1", "last"]


def test_a_teacher_has_the_recipe_s_graph(tmp_path, silent):
    from safetensors.torch import load_file

    options = recipe(training={"epochs": 1}, teacher={"weight": 0.5, "width": 2, "epochs": 1})
    train(options, tmp_path, console=silent)
    teacher = load_file(tmp_path / "teacher.safetensors")
    assert teacher["graph.hidden.0.linear.weight"].shape == (12, 3, 5, 5)
    assert teacher["graph.hidden.2.shortcut.weight"].shape == (16, 1, 1, 1)
    assert torch.isfinite(teacher["graph.readout.linear.weight"]).all()


def test_a_checkpoint_from_elsewhere_names_its_tensors(tmp_path):
    from safetensors.torch import load_file, save_file

    options, path = recipe(training={"fake_quantise": False}), tmp_path / "small.safetensors"
    save_checkpoint(path, build(options), options, {})
    tensors = load_file(path)
    assert tensors["hidden.0.linear.weight"].shape == (6, 3, 5, 5)
    assert tensors["hidden.1.shortcut.weight"].shape == (8, 6, 1, 1)
    assert tensors["readout.linear.weight"].shape == (10, 48)
    tensors["hidden.1.shortcut.weight"] = tensors["hidden.1.shortcut.weight"][:, :5].contiguous()
    save_file(tensors, path)
    with pytest.raises(UserError, match=r"'hidden.1.shortcut.weight' must be float \(8, 6, 1, 1\), not"):
        read_checkpoint(path, options)


# images with colours


def test_colour_images_are_changed_as_a_whole():
    images = torch.tensor(sets.samples("cifar10")[0])
    grey = images[..., :1].expand(-1, -1, -1, 3)
    options = Augment(flip=True, crop_pixels=4, cutout_pixels=6, shift_pixels=1.0, elastic_pixels=0.5)
    first, again = (augment(grey, options, torch.Generator().manual_seed(1)) for _ in range(2))
    assert (first.shape, first.dtype) == (images.shape, torch.uint8)
    assert torch.equal(first, again)
    assert torch.equal(first[..., 0], first[..., 2])  # every channel moved alike


def test_crops_move_by_whole_pixels_and_fill_with_black():
    images = torch.zeros(300, 9, 9, 2, dtype=torch.uint8)
    images[:, 4, 4] = torch.tensor([7, 200], dtype=torch.uint8)
    moved = augment(images, Augment(crop_pixels=3), torch.Generator().manual_seed(0))
    assert torch.equal(moved.sum(dim=(1, 2)), images.sum(dim=(1, 2)))
    place = moved[..., 1].flatten(1).argmax(dim=1)
    assert {divmod(n, 9) for n in place.tolist()} == {(r, c) for r in range(1, 8) for c in range(1, 8)}


def test_cutout_blackens_a_square_around_any_pixel():
    images = torch.full((400, 12, 10, 3), 9, dtype=torch.uint8)
    cut = augment(images, Augment(cutout_pixels=4), torch.Generator().manual_seed(0)) == 0
    assert torch.equal(cut[..., 0], cut[..., 1])
    areas = cut[..., 0].sum(dim=(1, 2))
    assert areas.max() == 16
    assert areas.min() >= 4
    assert cut[..., 0].any(dim=0).all()
