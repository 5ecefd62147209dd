"""Networks of other libraries without batch norm, in files of torch.save: thresholds, biases and leaks by the recipe.

Each is compared with its owner's module on the shipped samples, spike by spike.
"""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from s2nn_hw.cli.training import quantize_checkpoint
from s2nn_hw.errors import UserError
from s2nn_hw.quantize.check import compare
from s2nn_hw.quantize.checkpoint import meaning, read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.recipe import from_dict

STEPS = 4
NAMES = {"first": "hidden.0.linear", "second": "hidden.1.linear", "last": "readout"}
pictures = sets.samples("mnist")[0]


class Owner(nn.Module):
    """Two hidden layers of ``neurons`` and scores summed over the steps; ``trace`` keeps the spikes."""

    def __init__(self, neurons, steps=STEPS):
        super().__init__()
        torch.manual_seed(0)
        self.steps, self.trace = steps, []
        self.first, self.second, self.last = nn.Linear(784, 30), nn.Linear(30, 20), nn.Linear(20, 10)
        self.neurons = nn.ModuleList([neurons(), neurons()])

    def forward(self, x):
        scores, self.trace = 0, []
        for _ in range(self.steps):
            a = self.fired(0, self.first(x))
            b = self.fired(1, self.second(a))
            self.trace.append((a, b))
            scores = scores + self.last(b)
        return scores

    def fired(self, number, u):
        return self.neurons[number](u)


def state_of(model, half=False):
    """Return the tensors of ``model`` as the document names them; what neurons keep is left out."""
    found = {}
    for name, tensor in model.state_dict().items():
        layer, _, end = name.partition(".")
        if layer in NAMES:
            own = "readout.linear.weight" if (layer, end) == ("last", "weight") else f"{NAMES[layer]}.{end}"
            found[own] = tensor.half() if half else tensor
    return found


def recipe_of(neuron, **weights):
    return {
        "name": "foreign",
        "data": {"set": "mnist", "pixel_bits": 8},
        "layers": [{"neurons": 30, "bits": 8}, {"neurons": 20, "bits": 8}],
        "readout": {"bits": 8},
        "training": {"epochs": 1, "fake_quantise": False},
        "neuron": neuron,
        "weights": {"input_scale": 1.0, **weights},
    }


def agreed(tmp_path, model, recipe, *, half=False, scores_of=1.0):
    """Return the shares of hidden spikes and classes in which floats and integers are the owner's."""
    with torch.no_grad():
        outputs = model(torch.tensor(pictures).flatten(1).float() / 255)
    torch.save({"state_dict": {f"net.{k}": v for k, v in state_of(model, half).items()}}, tmp_path / "w.ckpt")
    checkpoint = read_checkpoint(tmp_path / "w.ckpt", from_dict(recipe))
    assert checkpoint.plain == ("hidden1", "hidden2")
    assert "without a batch norm: layers hidden1, hidden2" in meaning(checkpoint)
    graph = float_graph(checkpoint)
    network = convert(graph, calibration=pictures)
    found = compare(checkpoint, network, pictures, outputs.numpy())
    ours = checkpoint.model.trace(torch.tensor(pictures).flatten(1).float())[1]
    theirs = [torch.cat([step[n] for step in model.trace]) for n in (0, 1)]
    same = [
        (ours[name].float() == t.float()).float().mean() for name, t in zip(("hidden1", "hidden2"), theirs, strict=True)
    ]
    assert all(0.02 < t.float().mean() < 0.98 for t in theirs)  # something happens
    return float(min(same)), found.float_share, found.integer_share


class Threshold(nn.Module):
    def __init__(self, threshold):
        super().__init__()
        self.threshold = threshold

    def forward(self, u):
        return (u >= self.threshold).float()


@pytest.mark.parametrize("threshold", [0.0, -0.1, 0.2])
@pytest.mark.parametrize("half", [False, True])
def test_one_step_without_a_norm(tmp_path, threshold, half):
    model = Owner(lambda: Threshold(threshold), steps=1)
    if half:
        model = model.half().float()
    same, floats, integers = agreed(tmp_path, model, recipe_of({"threshold": threshold}), half=half)
    assert same > 0.9999
    assert floats == 1
    assert integers > 0.9


@pytest.mark.parametrize("tau", [2.0, 4.0])
@pytest.mark.parametrize("hard", [False, True])
def test_spikingjellys_lif_with_its_tau(tmp_path, tau, hard):
    with warnings.catch_warnings(action="ignore"):
        neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
        model = Owner(lambda: neuron.LIFNode(tau=tau, v_threshold=0.1, v_reset=0.0 if hard else None))
    settings = {"kind": "integrate", "steps": STEPS, "start": 0.0, "reset": "hard" if hard else "soft"}
    settings |= {"leak": int(np.log2(tau)), "threshold": tau * 0.1}  # its membrane is ours over tau
    same, floats, integers = agreed(tmp_path, model, recipe_of(settings))
    assert same > 0.999
    assert floats > 0.99
    assert integers > 0.8  # of random weights; those of the float network are what is read


@pytest.mark.parametrize("beta", [0.75, 0.875, 1.0])
def test_snntorchs_leaky_without_a_norm(tmp_path, beta):
    with warnings.catch_warnings(action="ignore"):
        snntorch = pytest.importorskip("snntorch")

    class Snn(Owner):
        def forward(self, x):
            self.membranes = [layer.init_leaky() for layer in self.neurons]
            return super().forward(x)

        def fired(self, number, u):
            spikes, self.membranes[number] = self.neurons[number](u, self.membranes[number])
            return spikes

    model = Snn(lambda: snntorch.Leaky(beta=beta, threshold=0.25, reset_mechanism="subtract"))
    # what it subtracts, it subtracts behind the next leak: a threshold over beta before it
    settings = {"kind": "integrate", "steps": STEPS, "start": 0.0, "threshold": 0.25 / beta, "level": beta}
    settings |= {"leak": 0 if beta == 1 else int(-np.log2(1 - beta))}
    same, floats, integers = agreed(tmp_path, model, recipe_of(settings))
    assert same > 0.999
    assert floats > 0.99
    assert integers > 0.8  # of random weights; those of the float network are what is read


def test_a_norm_is_there_whole_or_not_at_all(tmp_path):
    model = Owner(lambda: Threshold(0.0), steps=1)
    state = state_of(model) | {"hidden.1.norm.weight": torch.ones(20)}
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"missing: 'hidden.1.norm.bias' \(20,\), 'hidden.1.norm.running_mean'"):
        read_checkpoint(tmp_path / "w.pt", from_dict(recipe_of({"threshold": 0.0})))


def test_the_command_reads_files_of_torch(tmp_path, capsys):
    model = Owner(lambda: Threshold(0.0), steps=1)
    torch.save(state_of(model), tmp_path / "w.pt")
    (tmp_path / "r.toml").write_text(
        'name = "mine"\n[data]\nset = "mnist"\npixel_bits = 8\n[[layers]]\nneurons = 30\nbits = 8\n[[layers]]\n'
        "neurons = 20\nbits = 8\n[readout]\nbits = 8\n[training]\nepochs = 1\nfake_quantise = false\n"
        "[neuron]\nthreshold = 0.0\n[weights]\ninput_scale = 1.0\n"
    )
    np.save(tmp_path / "x.npy", pictures)
    with torch.no_grad():
        np.save(tmp_path / "y.npy", model(torch.tensor(pictures).flatten(1).float() / 255).numpy())
    check = (tmp_path / "x.npy", tmp_path / "y.npy")
    quantize_checkpoint(tmp_path / "w.pt", tmp_path / "n.s2nn", recipe=tmp_path / "r.toml", check=check)
    assert "without a batch norm: layers hidden1, hidden2" in " ".join(capsys.readouterr().out.split())
    assert (tmp_path / "n.s2nn").exists()
