"""The command that converts ReLU networks: every method, what is kept, the curve, refusals."""

import dataclasses
import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from s2nn_hw.cli.conversion import Wanted, convert_network
from s2nn_hw.network.first_spikes import first_spikes
from s2nn_hw.network.store import load
from s2nn_hw.quantize.conversion.curve import VARIANTS
from s2nn_hw.quantize.conversion.firing import Rule
from s2nn_hw.quantize.conversion.integers import integer_network
from s2nn_hw.quantize.conversion.prepare import prepare
from s2nn_hw.quantize.conversion.pretrain import read_relu, train_relu
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import encode
from s2nn_hw.terminal import terminal
from tests.support.commands import refused
from tests.support.relu_recipes import DENSE, LEVELS, images, recipe


@pytest.fixture(autouse=True)
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a recipe and its trained ReLU network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "load", lambda name, split: sets.samples(name))
        place = tmp_path_factory.mktemp("relu")
        train_relu(recipe(), place, console=terminal())
    return place


@pytest.mark.parametrize(
    ("method", "steps", "least"), [("balance", 15, 0.9), ("clip-floor", 3, 0.9), ("t2", 2, 0.8), ("tandem", 15, 0.9)]
)
def test_every_method_ends_in_a_network(trained, tmp_path, monkeypatch, method, steps, least):
    monkeypatch.chdir(tmp_path)
    changes = {"method": method, "epochs": 2, "steps": steps}
    convert_network(trained / "tiny.safetensors", Wanted(changes=changes, output=tmp_path / "tiny.s2nn"))
    network, figures = load(tmp_path / "tiny.s2nn"), json.loads((tmp_path / "tiny.json").read_text())
    pictures, labels = sets.samples("mnist")
    right = float((network.forward(pictures).classes == labels).mean())
    assert figures["accuracy_integer"] == pytest.approx(right, abs=1e-6)
    assert right > least
    assert figures["accuracy_float"] == figures["stages"][0]["accuracy"]
    assert figures["digest"] == network.digest
    assert network.provenance["recipe"]["conversion"]["method"] == method
    assert network.format_version == 4
    assert figures["spikes"] == pytest.approx(figures["spikes_float"], rel=0.02)


def test_leaks_that_were_trained_are_in_the_file(trained, tmp_path):
    changes = {"method": "t2", "steps": 4, "epochs": 3, "leak": True}
    convert_network(trained / "tiny.safetensors", Wanted(changes=changes, output=tmp_path / "t.s2nn"))
    network, figures = load(tmp_path / "t.s2nn"), json.loads((tmp_path / "t.json").read_text())
    assert all(layer.neuron.leak in range(9) for layer in network.layers[:-1])
    assert figures["accuracy_integer"] == pytest.approx(figures["stages"][-1]["accuracy"], abs=0.02)


def test_tandem_says_accuracy_after_each_layer(trained, tmp_path):
    wanted = Wanted(changes={"method": "tandem", "epochs": 1}, output=tmp_path / "t.s2nn")
    convert_network(trained / "tiny.safetensors", wanted)
    names = [stage["name"] for stage in json.loads((tmp_path / "t.json").read_text())["stages"]]
    assert names == [
        "ReLU",
        "hidden1 converted",
        "hidden1 converted, the rest trained",
        "hidden2 converted",
        "hidden2 converted, the rest trained",
        "readout rounded",
    ]


def test_what_was_trained_is_kept_and_gives_the_same_again(trained, tmp_path):
    changes = {"method": "clip-floor", "epochs": 1, "steps": 3}
    for name in ("a", "b"):
        wanted = Wanted(changes=changes, work=tmp_path, output=tmp_path / f"{name}.s2nn")
        convert_network(trained / "tiny.safetensors", wanted)
    assert len(list(tmp_path.glob("clip-floor-*.safetensors"))) == 1
    assert load(tmp_path / "a.s2nn").digest == load(tmp_path / "b.s2nn").digest


def test_a_recipe_is_trained_first_and_goes_on(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    lines = ['name = "tiny"', '[data]\nset = "mnist"\npixel_bits = 4', "[[layers]]\nneurons = 12\nbits = 8"]
    lines += ["[readout]\nbits = 8", "[training]\nepochs = 2\nbatch = 25\nlearning_rate = 0.005"]
    (tmp_path / "tiny.toml").write_text("\n".join(lines))
    code, out, err = command("convert", "tiny.toml", "-o", "tiny.s2nn", "--steps", "7")
    assert (code, err) == (0, "")
    assert "ReLU, epoch 2/2" in out
    assert "next: s2nn-hw verify tiny.s2nn" in out
    code, out, _ = command("convert", "tiny.toml", "-o", "tiny.s2nn", "--bits", "4")
    assert "is already trained" in out
    assert load("tiny.s2nn").layer("hidden1").synapses[0].bits == 4


def test_the_curve_is_a_table_json_and_plots(trained, tmp_path, command):
    words = ("--curve", tmp_path / "c.json", "--counts", "1,3,4", "--epochs", "1", "--work", tmp_path)
    code, out, _ = command("convert", trained / "tiny.safetensors", *words)
    assert code == 0
    found = json.loads((tmp_path / "c.json").read_text())
    assert {point["variant"] for point in found["points"]} == set(VARIANTS)
    assert [point["steps"] for point in found["points"] if point["variant"] == "shift"] == [1, 3, 4]
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
    for name in VARIANTS:
        assert name in out


def test_weights_of_another_program(tmp_path):
    """A network of torch with biases, pixels / 255 and no batch norm: the integers give its classes."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(784, 24), nn.ReLU(), nn.Linear(24, 10))
    tensors = {f"hidden.0.linear.{k}": v for k, v in model[0].state_dict().items()}
    tensors |= {"readout.linear.weight": model[2].weight.detach(), "readout.bias": model[2].bias.detach()}
    norm = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1 - 1e-5}
    tensors |= {f"hidden.0.norm.{k}": torch.full((24,), v) for k, v in norm.items()}
    save_file(tensors, tmp_path / "mine.safetensors")
    options = dataclasses.replace(recipe(DENSE[:1]), weights=recipe(weights={"input_scale": 1.0}).weights)
    options = dataclasses.replace(options, data=dataclasses.replace(options.data, pixel_bits=8))
    found = read_relu(tmp_path / "mine.safetensors", options)
    net = Converted(float_graph(found))
    prepare(net, encode(images(), 8), percentile=100.0)
    network = integer_network(net.use(Rule(LEVELS, 31)))
    theirs = model(images().flatten(1).float() / 255).argmax(dim=1).numpy()
    assert (network.forward(images().numpy()).classes == theirs).mean() > 0.93


@pytest.mark.parametrize("method", ["balance", "tandem"])
def test_times_are_the_numbers(trained, tmp_path, monkeypatch, method):
    """The form ``ttfs`` is the two-phase one with other neurons: the same scores, at most one spike each."""
    monkeypatch.chdir(tmp_path)
    found = {}
    for form in ("two-phase", "ttfs"):
        changes = {"method": method, "epochs": 0, "steps": 7, "form": form}
        convert_network(trained / "tiny.safetensors", Wanted(changes=changes, output=tmp_path / "tiny.s2nn"))
        found[form] = load(tmp_path / "tiny.s2nn")
    pictures = sets.samples("mnist")[0]
    scores = [network.forward(pictures).scores for network in found.values()]
    assert (scores[0] == scores[1]).all()
    timed = found["ttfs"]
    assert [x.neuron.first_spike_slots for x in timed.layers if x.neuron and x.neuron.fires] == [7, 7]
    assert timed.provenance["recipe"]["conversion"]["form"] == "ttfs"
    fired = json.loads((tmp_path / "tiny.json").read_text())["spikes_per_neuron"]
    times = first_spikes(timed, pictures)
    assert fired == pytest.approx([float((times[x.name] < 7).mean()) for x in timed.layers[:-1]], abs=1e-5)


def test_words_that_the_command_refuses(trained, tmp_path, command):
    source = trained / "tiny.safetensors"
    refused(command("convert", source), "nothing is to be written")
    refused(command("convert", source, "-o", tmp_path / "a.json"), "must end in .s2nn")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--method", "magic"), "--method must be one of")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--counts", "3"), "--counts is for --curve")
    refused(command("convert", source, "--curve", tmp_path / "a.json", "--counts", "0,x"), "numbers from 1 to 31")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--method", "t2", "--form", "two-phase"), "method t2")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--method", "t2", "--form", "ttfs"), "method t2")
    refused(
        command("convert", source, "-o", tmp_path / "a.s2nn", "--form", "ttfs", "--steps", "4"),
        "--form ttfs has 3, 7, 15, 31 slots, not 4",
    )
    refused(command("convert", tmp_path / "no.safetensors", "-o", tmp_path / "a.s2nn"), "does not exist")
    refused(command("convert", source, "--curve", tmp_path / "a.json", "--counts", "1" * 5000), "numbers from 1 to 31")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--bits", "1" * 5000), "--bits must be one number")
    refused(command("convert", source, "-o", tmp_path / "a.s2nn", "--curve", tmp_path / "a.json"), "figures go")
    assert not list(tmp_path.iterdir())


def test_places_are_looked_at_before_anything_is_converted(trained, tmp_path, command):
    source, output = trained / "tiny.safetensors", tmp_path / "a.s2nn"
    (tmp_path / "a.json").mkdir()
    refused(command("convert", source, "-o", output), "a.json is a folder, not a file")
    (tmp_path / "c.svg").mkdir()
    refused(command("convert", source, "--curve", tmp_path / "c.json"), "c.svg is a folder, not a file")
    (tmp_path / "file").touch()
    words = ("-o", tmp_path / "b.s2nn", "--work", tmp_path / "file", "--method", "clip-floor")
    refused(command("convert", source, *words), "must be a folder, but a file is in the way")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "c.svg", "file"}


def test_bits_of_a_recipe_are_looked_at_before_it_is_trained(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    lines = ['name = "tiny"', '[data]\nset = "mnist"\npixel_bits = 4', "[[layers]]\nneurons = 12\nbits = 8"]
    (tmp_path / "tiny.toml").write_text("\n".join([*lines, "[readout]\nbits = 8", "[training]\nepochs = 2"]))
    refused(command("convert", "tiny.toml", "-o", "tiny.s2nn", "--bits", "abc"), "--bits must be one number")
    assert not (tmp_path / "runs").exists()
