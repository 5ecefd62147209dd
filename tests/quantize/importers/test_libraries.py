"""Neurons and layers of other libraries, each with its own simulation: what comes out agrees with it."""

import warnings

import pytest
import torch
from torch import nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.from_torch import from_torch

with warnings.catch_warnings():  # theirs
    warnings.simplefilter("ignore")
    snntorch = pytest.importorskip("snntorch", reason="tests/frameworks.txt is not installed")
    spikingjelly = pytest.importorskip("spikingjelly.activation_based", reason="tests/frameworks.txt is not installed")
    brevitas = pytest.importorskip("brevitas.nn", reason="tests/frameworks.txt is not installed")
    from spikingjelly.activation_based import functional, layer, neuron

pytestmark = pytest.mark.filterwarnings("ignore")


def inputs(*shape, count=200):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))


def close(found, share=0.01):
    wrong, total = (sum(column) for column in zip(*found.agreement.different.values(), strict=True))
    return wrong <= share * total and found.agreement.same_class >= 0.93 * found.agreement.images


# snnTorch


@pytest.mark.parametrize("beta", [0.5, 0.75, 0.875, 1.0])
@pytest.mark.parametrize("reset", ["subtract", "zero"])
@pytest.mark.parametrize("delay", [True, False])
def test_leaky(beta, reset, delay):
    torch.manual_seed(0)
    if reset == "subtract" and not delay:
        pytest.skip("refused, see below")
    options = {"beta": beta, "init_hidden": True, "reset_mechanism": reset, "reset_delay": delay}
    module = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 20),
        snntorch.Leaky(threshold=0.3, **options),
        nn.Linear(20, 10),
        snntorch.Leaky(threshold=0.1, **options),
    )
    found = from_torch(module, inputs(8, 8), steps=5)
    assert close(found), found.agreement


def test_leaky_in_a_loop_of_one_step_and_thresholds_of_zero():
    torch.manual_seed(0)

    class Loop(nn.Module):
        def __init__(self, steps):
            super().__init__()
            self.steps, self.fc1, self.fc2 = steps, nn.Linear(64, 20), nn.Linear(20, 10)
            self.lif1, self.lif2 = (snntorch.Leaky(beta=0.5, threshold=t) for t in (0.2, 0.1))

        def forward(self, x):
            mem1, mem2, spikes = self.lif1.init_leaky(), self.lif2.init_leaky(), []
            for _ in range(self.steps):
                spk1, mem1 = self.lif1(self.fc1(x.flatten(1)), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                spikes.append(spk2)
            return torch.stack(spikes), mem2

    found = from_torch(Loop(6), inputs(8, 8))
    assert found.network.planes["fc1"].count == 6
    assert close(found), found.agreement
    still = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 20, bias=False),
        snntorch.Leaky(beta=0.9, threshold=0.0, init_hidden=True),
        nn.Linear(20, 10),
    )
    x = inputs(8, 8)
    x[:50] = 0  # nothing is above a threshold of 0
    found = from_torch(still, x, bits=8)
    assert close(found, 0.02), found.agreement


class Looped(nn.Module):
    """Three steps in ``forward``; neurons keep the membranes of the last batch, with their graph."""

    def __init__(self, make):
        super().__init__()
        self.fc1, self.neurons, self.fc2 = nn.Linear(64, 20), make(), nn.Linear(20, 10)
        self.seen = []

    def forward(self, x):
        total, current = 0, self.fc1(x)
        membrane = self.neurons.reset_mem() if hasattr(self.neurons, "reset_mem") else None
        for _ in range(3):
            spikes, membrane = (
                self.neurons(current, membrane) if membrane is not None else (self.neurons(current), None)
            )
            total = total + self.fc2(spikes)
        return total


@pytest.mark.parametrize(
    "make",
    [
        lambda: snntorch.Leaky(beta=0.5, threshold=0.3),
        lambda: neuron.LIFNode(tau=2.0, v_threshold=0.3),
        lambda: neuron.IFNode(v_reset=None, v_threshold=0.3),
    ],
    ids=["Leaky", "LIFNode", "IFNode"],
)
def test_right_after_training(make):
    """What hangs on the last batch's graph is no obstacle, and stays as it is in the owner's module."""
    torch.manual_seed(0)
    module, x = Looped(make), inputs(64)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(3):
        functional.reset_net(module)
        nn.functional.cross_entropy(module(x), torch.arange(200) % 10).backward()
        optimizer.step()
    name = "mem" if hasattr(module.neurons, "mem") else "v"
    membrane = getattr(module.neurons, name)
    module.seen.append({"last": membrane})
    assert not membrane.is_leaf
    found = from_torch(module, x)
    assert close(found, 0.02), found.agreement
    assert getattr(module.neurons, name) is membrane
    assert not membrane.is_leaf
    assert module.training


def test_hidden_membranes_right_after_training():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(64, 20), snntorch.Leaky(beta=0.875, threshold=0.3, init_hidden=True), nn.Linear(20, 10)
    )
    x = inputs(64)
    nn.functional.cross_entropy(sum(module(x) for _ in range(4)), torch.arange(200) % 10).backward()
    assert close(from_torch(module, x, steps=4), 0.02)


def test_what_cannot_be_copied_is_told():
    module = nn.Sequential(nn.Linear(4, 2))
    module.held = (n for n in range(3))
    with pytest.raises(UserError, match="Sequential can't be copied, which tracing wants"):
        from_torch(module, inputs(4))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beta": 0.9}, "keeps 0.9 of itself .* train with 0.875"),
        ({"beta": 0.5, "reset_mechanism": "none"}, "without a reset"),
        ({"beta": 0.5, "inhibition": True}, "inhibition"),
        ({"beta": 0.5, "reset_delay": False}, "reset_delay=False with subtract"),
        ({"beta": torch.tensor([0.5] * 19 + [0.75])}, "beta must be one number"),
    ],
)
def test_leaky_that_has_no_form(options, words):
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 20), snntorch.Leaky(init_hidden=True, **options), nn.Linear(20, 10)
    )
    with pytest.raises(UserError, match=rf"2 \(Leaky\): .*{words}"):
        from_torch(module, inputs(8, 8), steps=3)


def test_other_neurons_of_snntorch_are_named():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 20), snntorch.Synaptic(0.5, 0.5, init_hidden=True), nn.Linear(20, 10)
    )
    with pytest.raises(UserError, match=r"2 \(Synaptic\): .*only Leaky has one"):
        from_torch(module, inputs(8, 8), steps=3)


# SpikingJelly


@pytest.mark.parametrize("tau", [2.0, 4.0])
@pytest.mark.parametrize("reset", [None, 0.0])
@pytest.mark.parametrize("decay", [True, False])
@pytest.mark.parametrize("mode", ["s", "m"])
def test_lif_nodes(tau, reset, decay, mode):
    torch.manual_seed(0)
    module = nn.Sequential(
        layer.Conv2d(1, 4, 3, padding=1),
        layer.BatchNorm2d(4),
        neuron.LIFNode(tau=tau, v_threshold=0.3, v_reset=reset, decay_input=decay),
        layer.MaxPool2d(2),
        layer.Flatten(),
        layer.Linear(64, 20),
        neuron.IFNode(v_threshold=0.2, v_reset=reset),
        layer.Linear(20, 10),
    )
    functional.set_step_mode(module, mode)
    found = from_torch(module.eval(), inputs(1, 8, 8), steps=4)
    assert close(found), found.agreement


def test_nodes_of_one_step_spike_once():
    torch.manual_seed(0)
    module = nn.Sequential(
        layer.Flatten(), layer.Linear(64, 20), neuron.LIFNode(tau=3.0, v_threshold=0.1), layer.Linear(20, 10)
    )
    assert close(from_torch(module, inputs(8, 8)))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (lambda: neuron.LIFNode(tau=3.0), "keeps 0.666667 of itself"),
        (lambda: neuron.IFNode(v_reset=-0.5), "v_reset must be None"),
        (lambda: neuron.QIFNode(), "IFNode, LIFNode and ParametricLIFNode have one"),
    ],
)
def test_nodes_that_have_no_form(node, words):
    module = nn.Sequential(layer.Flatten(), layer.Linear(64, 20), node(), layer.Linear(20, 10))
    with pytest.raises(UserError, match=rf"2 \(\w+Node\): .*{words}"):
        from_torch(module, inputs(8, 8), steps=3)


# Brevitas


def quantised(first, *, bits=4):
    torch.manual_seed(0)
    module = nn.Sequential(
        *first,
        brevitas.QuantConv2d(1, 4, 3, padding=1, weight_bit_width=bits, bias=False),
        nn.BatchNorm2d(4),
        brevitas.QuantReLU(bit_width=3, return_quant_tensor=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        brevitas.QuantLinear(64, 20, bias=True, weight_bit_width=bits),
        brevitas.QuantReLU(bit_width=2),
        brevitas.QuantLinear(20, 10, bias=True, weight_bit_width=3),
    )
    x = inputs(1, 8, 8)
    module.train()
    for _ in range(3):
        module(x)
    return module.eval(), x


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_brevitas_keeps_its_integers(bits):
    module, x = quantised([], bits=bits)
    found = from_torch(module, x)
    assert close(found, 0.0005), found.agreement
    theirs = module[5].quant_weight().int().numpy()
    ours = found.network.layers[2].synapses[0].weights
    assert (ours.reshape(20, 4, 4, 4).transpose(0, 3, 1, 2).reshape(20, 64) == theirs).all()
    assert found.notes == ()


def test_brevitas_rounds_what_enters_with_a_sign():
    module, x = quantised([brevitas.QuantIdentity(bit_width=6, return_quant_tensor=True)])
    module.train()
    for _ in range(3):
        module(x - 0.5)
    found = from_torch(module.eval(), x - 0.5)
    assert (found.network.input.bits, found.network.input.signed) == (6, True)
    assert close(found, 0.0005), found.agreement
    again = found.network.forward(found.images(x - 0.5))
    assert again.classes.shape == (200,)


def test_a_bias_that_is_rounded_is_named():
    from brevitas.quant import Int32Bias

    module = nn.Sequential(
        nn.Flatten(), brevitas.QuantLinear(64, 20, bias=True, bias_quant=Int32Bias), nn.ReLU(), nn.Linear(20, 10)
    )
    with pytest.raises(UserError, match=r"1 \(QuantLinear\)|does not take inputs"):
        from_torch(module, inputs(8, 8))
