"""Weights of another program: read as the recipe says, checked against their owner's model, refused when in doubt."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from s2nn_hw.cli.training import quantize_checkpoint
from s2nn_hw.errors import UserError
from s2nn_hw.quantize.check import Check, compare, read_check, warnings
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.recipe import from_dict


class Step(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold

    def forward(self, u):
        return (u >= self.threshold).to(u.dtype)


def settle_norms(model, seed):
    """Give every batch norm of ``model`` statistics and factors of its own."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for norm in (m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)):
            count = len(norm.weight)
            norm.weight.copy_(torch.rand(count, generator=draw) + 0.5)
            norm.bias.copy_(torch.randn(count, generator=draw) * 0.3)
            norm.running_mean.copy_(torch.randn(count, generator=draw) * 0.3)
            norm.running_var.copy_(torch.rand(count, generator=draw) + 0.5)
    return model.eval()


def named(model, names):
    """Return the tensors of ``model`` under our names; ``names``: its module's name to ours."""
    return {
        f"{names[key.rsplit('.', 1)[0]]}.{key.rsplit('.', 1)[1]}": tensor.clone()
        for key, tensor in model.state_dict().items()
    }


def mlp(threshold=0.0):
    """A dense network of pixels / 255, normalised, with biases of its own."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Linear(784, 30),
        nn.BatchNorm1d(30),
        Step(threshold),
        nn.Linear(30, 20),
        nn.BatchNorm1d(20),
        Step(threshold),
        nn.Linear(20, 10),
    )
    tensors = named(
        settle_norms(model, 2),
        {
            "0": "hidden.0.linear",
            "1": "hidden.0.norm",
            "3": "hidden.1.linear",
            "4": "hidden.1.norm",
            "6": "readout.linear",
        },
    )
    tensors["readout.bias"] = tensors.pop("readout.linear.bias")
    recipe = {
        "name": "foreign",
        "data": {"set": "mnist", "pixel_bits": 8},
        "layers": [{"neurons": 30, "bits": 8}, {"neurons": 20, "bits": 8}],
        "readout": {"bits": 8},
        "training": {"epochs": 1, "fake_quantise": False},
        "neuron": {"threshold": threshold},
        "weights": {"input_scale": 1.0, "input_mean": 0.1307, "input_std": 0.3081},
    }
    pictures = sets.samples("mnist")[0]
    with torch.no_grad():
        outputs = model(((torch.tensor(pictures).flatten(1).double() / 255 - 0.1307) / 0.3081).float()).numpy()
    return tensors, recipe, pictures, outputs


def cnn():
    """A convolution, then torch's own flattening, channel first, of pixels / 255; its counters are kept."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=3, bias=False),
        nn.BatchNorm2d(4),
        Step(1.0),
        nn.Flatten(),
        nn.Linear(4 * 81, 24),
        nn.BatchNorm1d(24),
        Step(1.0),
        nn.Linear(24, 10),
    )
    tensors = named(
        settle_norms(model, 4),
        {
            "0": "hidden.0.linear",
            "1": "hidden.0.norm",
            "4": "hidden.1.linear",
            "5": "hidden.1.norm",
            "7": "readout.linear",
        },
    )
    tensors["readout.bias"] = tensors.pop("readout.linear.bias")
    recipe = {
        "name": "foreign",
        "data": {"set": "mnist", "pixel_bits": 8},
        "layers": [
            {"kind": "conv", "channels": 4, "kernel": 3, "stride": 3, "padding": 0, "bits": 8},
            {"neurons": 24, "bits": 8},
        ],
        "readout": {"bits": 8},
        "training": {"epochs": 1, "fake_quantise": False},
        "weights": {"input_scale": 1.0, "flatten": "channel-row-column"},
    }
    pictures = sets.samples("mnist")[0]
    with torch.no_grad():
        outputs = model(torch.tensor(pictures)[:, None].float() / 255).numpy()
    return tensors, recipe, pictures, outputs


def written(folder, tensors, recipe, prefix=""):
    save_file({prefix + name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "w.safetensors")
    return read_checkpoint(folder / "w.safetensors", from_dict(recipe))


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.net."])
@pytest.mark.parametrize("owner", [mlp, cnn])
def test_the_owners_model_is_met(tmp_path, owner, prefix):
    tensors, recipe, pictures, outputs = owner()
    checkpoint = written(tmp_path, tensors, recipe, prefix)
    assert checkpoint.foreign
    network = convert(float_graph(checkpoint), calibration=pictures)
    found = compare(checkpoint, network, pictures, outputs)
    assert found.float_share == 1
    assert found.integer_share > 0.9  # random weights stand close to their thresholds


@pytest.mark.parametrize(
    ("owner", "table", "key", "value"),
    [
        (mlp, "weights", "input_scale", 255.0),
        (mlp, "weights", "input_mean", 0.0),
        (mlp, "weights", "input_std", 1.0),
        (mlp, "neuron", "threshold", 1.0),
        (cnn, "weights", "flatten", "row-column-channel"),
    ],
)
def test_what_the_recipe_says_wrong_is_found_by_the_check(tmp_path, owner, table, key, value):
    tensors, recipe, pictures, outputs = owner()
    recipe[table] = recipe[table] | {key: value}
    checkpoint = written(tmp_path, tensors, recipe)
    network = convert(float_graph(checkpoint), calibration=pictures)
    with pytest.raises(UserError, match=r"give the owner's class for [0-9.]+ % of 300 images"):
        compare(checkpoint, network, pictures, outputs)


def test_doubts_are_refused(tmp_path):
    tensors, recipe, _, _ = cnn()
    del recipe["weights"]["flatten"]
    with pytest.raises(UserError, match=r"'hidden.1.linear.weight' reads an image of \(9, 9, 4\), so key 'weights.fl"):
        written(tmp_path, tensors, recipe)
    recipe["weights"] |= {"flatten": "channel-row-column", "input_mean": 0.5}
    recipe["layers"][0] |= {"padding": 1, "stride": 3}
    recipe["layers"][1]["neurons"] = 24
    tensors["hidden.1.linear.weight"] = torch.zeros(24, 4 * 100)
    with pytest.raises(UserError, match=r"'weights.input_mean' must be 0 for a convolution with padding"):
        written(tmp_path, tensors, recipe)
    recipe["weights"]["input_mean"] = [0.1, 0.2]
    with pytest.raises(UserError, match=r"'weights.input_mean' must be one number or 1, one a channel, not 2"):
        written(tmp_path, tensors, recipe)


def test_colours_have_means_of_their_own(tmp_path):
    """Groups and channels: the sums of a convolution of normalised colours, shifted, are those of raw pixels."""
    recipe = from_dict(
        {
            "name": "c",
            "data": {"set": "cifar10", "pixel_bits": 4},
            "readout": {"bits": 8},
            "layers": [{"kind": "conv", "channels": 6, "kernel": 3, "padding": 0, "groups": 3, "bits": 8, "stride": 7}],
            "training": {"epochs": 1, "fake_quantise": False},
            "weights": {
                "input_scale": 1.0,
                "input_mean": [0.4, 0.5, 0.3],
                "input_std": [0.2, 0.25, 0.3],
                "flatten": "row-column-channel",
            },
        }
    )
    from s2nn_hw.quantize.model import build

    model = build(recipe)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    checkpoint = read_checkpoint(tmp_path / "w.safetensors", recipe)
    pixels = torch.randint(0, 16, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0)).double()
    mean, std = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in ([0.4, 0.5, 0.3], [0.2, 0.25, 0.3]))
    kernel = state["hidden.0.linear.weight"].double()
    wanted = nn.functional.conv2d((pixels / 15 - mean) / std, kernel, stride=7, groups=3)
    hidden = checkpoint.model.hidden[0]
    came = nn.functional.conv2d(pixels, hidden.linear.weight.double(), stride=7, groups=3)
    shift = hidden.norm.running_mean.double() - state["hidden.0.norm.running_mean"].double()
    torch.testing.assert_close(came - shift.reshape(1, -1, 1, 1), wanted, rtol=1e-5, atol=1e-5)


def test_outputs_that_are_none(tmp_path):
    recipe = from_dict(mlp()[1])
    np.save(tmp_path / "x.npy", np.zeros((3, 28, 28), np.uint8))
    for array, text in [
        (np.zeros((3, 9)), r"must be 3 classes, or finite scores \(3, 10\), not float64 \(3, 9\)"),
        (np.full((3, 10), np.nan), "finite scores"),
        (np.array([0, 1, 10]), "must lie in 0 .. 9"),
    ]:
        np.save(tmp_path / "y.npy", array)
        with pytest.raises(UserError, match=text):
            read_check(tmp_path / "x.npy", tmp_path / "y.npy", recipe)
    np.save(tmp_path / "x.npy", np.zeros((3, 28, 27), np.uint8))
    with pytest.raises(UserError, match=r"must be uint8 \(count, 28, 28\), not uint8 \(3, 28, 27\)"):
        read_check(tmp_path / "x.npy", tmp_path / "y.npy", recipe)


def test_accuracy_near_guessing_and_lost_accuracy_are_said_aloud():
    labels = np.arange(10)
    assert warnings(0.96, 0.95, labels) == []
    (near,) = warnings(0.13, 0.12, labels)
    assert "near that of guessing, 10.00 %" in near
    (lost,) = warnings(0.88, 0.8, labels)
    assert "lose 8.00 points" in lost
    (other,) = warnings(0.9, 0.9, labels, Check(10, 1.0, 0.9))
    assert "90.00 % of the images checked" in other


@pytest.mark.parametrize(
    ("check", "said"),
    [(None, "and at --check"), (Check(10, 1.0, 1.0), "come out all"), (Check(10, 1.0, 0.5), "and at --check")],
)
def test_near_guessing_the_owner_s_classes_decide_what_is_to_be_looked_at(check, said):
    near, *_ = warnings(0.13, 0.12, np.arange(10), check)
    assert said in near


def test_the_least_recipe_of_the_document_is_one():
    text = (Path(__file__).parents[2] / "docs" / "recipe.md").read_text()
    (least,) = re.findall(r'```toml\n(name = "mine".*?)```', text, re.DOTALL)
    recipe = from_dict(tomllib.loads(least))
    assert (recipe.name, recipe.weights.input_scale, recipe.training.fake_quantise) == ("mine", 1.0, False)


def test_the_command_warns_and_writes_nothing_where_the_check_fails(tmp_path, monkeypatch, capsys):
    tensors, recipe, pictures, outputs = cnn()
    monkeypatch.setenv("S2NN_DATA", str(tmp_path / "none"))
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))
    monkeypatch.chdir(tmp_path)
    save_file({name: t.contiguous() for name, t in tensors.items()}, "w.safetensors")
    np.save("x.npy", pictures)
    np.save("y.npy", outputs)
    text = json.dumps(recipe)  # TOML by hand below says the same
    toml = (
        'name = "foreign"\n[data]\nset = "mnist"\npixel_bits = 8\n[[layers]]\nkind = "conv"\nchannels = 4\n'
        "kernel = 3\nstride = 3\npadding = 0\nbits = 8\n[[layers]]\nneurons = 24\nbits = 8\n[readout]\nbits = 8\n"
        '[training]\nepochs = 1\nfake_quantise = false\n[weights]\ninput_scale = 1.0\nflatten = "{}"\n'
    )
    (tmp_path / "wrong.toml").write_text(toml.format("row-column-channel"))
    (tmp_path / "[right].toml").write_text(toml.format("channel-row-column"))
    assert json.loads(text)["weights"]["flatten"] == "channel-row-column"
    with pytest.raises(UserError, match="give the owner's class for"):
        quantize_checkpoint("w.safetensors", "n.s2nn", recipe="wrong.toml", check=("x.npy", "y.npy"))
    assert not (tmp_path / "n.s2nn").exists()
    capsys.readouterr()
    quantize_checkpoint("w.safetensors", "[n].s2nn", recipe="[right].toml", check=("x.npy", "y.npy"))
    said = capsys.readouterr().out
    assert "network [n].s2nn" in said
    assert "float 100.00 %, integer" in said
    assert "WARNING: accuracy" in said  # weights that were never trained
    report = json.loads((tmp_path / "[n].json").read_text())
    assert report["check"]["float"] == 1
    assert report["warnings"]
