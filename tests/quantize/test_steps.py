"""Neurons of several planes and steps: recipes, gradients, and integer networks against a simulation of their own."""

import json

import numpy as np
import pytest
import torch

from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.store import load, save
from s2nn_hw.network.synapses import OrPool
from s2nn_hw.quantize.checkpoint import Checkpoint, read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.grid import Grid
from s2nn_hw.quantize.levels import Levels
from s2nn_hw.quantize.loss import activity
from s2nn_hw.quantize.model import build, encode, evaluate, ones
from s2nn_hw.quantize.neuron import Neuron, Surrogate
from s2nn_hw.quantize.spec import NeuronSpec
from s2nn_hw.quantize.steps import Steps, simulate, step_weights
from s2nn_hw.quantize.summary import quantize
from s2nn_hw.quantize.train import train
from tests.support.recipes import CONV, DENSE, KINDS, recipe


def random_checkpoint(options, seed=0):
    """A network with every sort of batch norm (gamma of both signs, 0 and tiny), in float64, and settled statistics."""
    model, draw = build(options).double(), torch.Generator().manual_seed(seed)
    for layer in model.fires:
        with torch.no_grad():
            layer.norm.weight.copy_(torch.randn(len(layer.norm.weight), generator=draw))
            layer.norm.bias.copy_(torch.randn(len(layer.norm.bias), generator=draw) / 2)
            layer.norm.weight[0], layer.norm.weight[1], layer.norm.bias[1] = 0, 1e-9, 3
            for threshold in layer.neuron.parameters():  # that are trained
                threshold.fill_(0.7)
        layer.norm.momentum = None
    with torch.no_grad():
        model.readout.bias.copy_(torch.randn(10, generator=draw))
        model(encode(torch.tensor(sets.samples("mnist")[0][:50]), 2).double())
    return Checkpoint(model.eval(), options, {})


# gradients


def test_one_plane_is_a_neuron_that_fires():
    u = torch.linspace(-3, 3, 97)
    levels = Levels(NeuronSpec("quantized", 0.75))
    assert torch.equal(levels(u), Neuron(threshold=0.75)(u))


def test_levels_are_rounded_and_their_gradient_ends_half_a_level_outside():
    spec = NeuronSpec("quantized", 1.5, Planes(2))  # levels of width 1
    u = torch.tensor([-2.0, -0.6, -0.4, 0.49, 0.5, 1.2, 2.5, 3.4, 3.6], requires_grad=True)
    q = Levels(spec)(u)
    assert q.tolist() == [0, 0, 0, 0, 1, 1, 3, 3, 3]
    q.sum().backward()
    assert u.grad.tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 0]


def test_counts_are_spikes_that_come_first():
    u = torch.tensor([[0.1, 0.6, 1.1, 2.0, 9.0]], requires_grad=True)
    spikes = Levels(NeuronSpec("quantized", 1.5, Planes(3, "steps")))(u)
    assert spikes.tolist() == [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    spikes.sum().backward()  # as that of the numbers
    assert u.grad.tolist() == [[1, 1, 1, 1, 0]]


def test_one_step_without_a_start_is_a_neuron_that_fires():
    u = torch.linspace(-3, 3, 96).reshape(8, 12).requires_grad_()
    once = Steps(NeuronSpec("integrate", 0.5, Planes(1, "steps"), start=0.0), Surrogate(), stepwise=False)
    fire = Neuron(Surrogate(), 0.5)
    (left,), (right,) = (torch.autograd.grad(neuron(u).square().sum(), u) for neuron in (once, fire))
    assert torch.equal(once(u), fire(u))
    assert torch.equal(left, right)


@pytest.mark.parametrize("leak", [0, 2])
def test_gradient_of_rates_is_the_closed_form(leak):
    draw = torch.Generator().manual_seed(leak)
    spec = NeuronSpec("integrate", 0.8, Planes(4, "steps"), leak, start=0.0, level=0.5, gradient="dsr")
    neuron = Steps(spec, Surrogate(), stepwise=True).double()
    u = torch.randn(4 * 6, 9, generator=draw, dtype=torch.float64).requires_grad_()
    pull = torch.randn(4 * 6, 9, generator=draw, dtype=torch.float64)
    (neuron(u) * pull).sum().backward()
    keep = np.array([(1 - 2.0**-leak if leak else 1) ** (3 - t) for t in range(4)])
    keep = keep / keep.sum()
    wanted = np.zeros((4, 6, 9))
    steps, pulls, above = u.detach().numpy().reshape(4, 6, 9), pull.numpy().reshape(4, 6, 9), 0.0
    for i in range(6):
        for j in range(9):
            mean, of_rate = keep @ steps[:, i, j], pulls[:, i, j].sum() / 0.8
            wanted[:, i, j] = keep * of_rate * (0 <= mean <= 0.8)
            above += of_rate * (mean > 0.8)
    np.testing.assert_allclose(u.grad.reshape(4, 6, 9), wanted, atol=1e-7)
    assert neuron.threshold.grad.item() == pytest.approx(above, abs=1e-6)


def test_surrogate_gradients_reach_earlier_steps():
    spec = NeuronSpec("integrate", 1.0, Planes(3, "steps"), leak=1, start=0.0)
    u = torch.full((3, 1), 0.3, requires_grad=True)
    Steps(spec, Surrogate("triangular"), stepwise=True)(u)[2].sum().backward()
    assert u.grad[0, 0] == pytest.approx(0.25 * float(u.grad[2, 0]))  # the leak of two steps


def test_batch_norm_is_one_of_all_steps():
    model = build(recipe(*KINDS["if"])).train()
    pixels = encode(torch.tensor(sets.samples("mnist")[0][:30]), 2)
    first, second = model.fires
    seen = []
    second.norm.register_forward_hook(lambda module, given, gave: seen.append((given[0], gave)))
    model(pixels)
    ((given, gave),) = seen
    assert given.shape == (4 * 30, 16)  # the first layer's sum is made once, the second's in each step
    torch.testing.assert_close(gave.mean(dim=0), torch.zeros(16), atol=1e-5, rtol=0)
    assert not torch.allclose(gave[:30].mean(dim=0), torch.zeros(16), atol=1e-2)
    assert first.norm.num_batches_tracked == second.norm.num_batches_tracked == 1


@pytest.mark.parametrize("kind", KINDS)
def test_activity_is_a_share(kind):
    model = build(recipe(*KINDS[kind])).train()
    _, trace = model.trace(encode(torch.tensor(sets.samples("mnist")[0][:30]), 2))
    every = {
        name: torch.full_like(x, model.planes[name].peak if model.planes[name].radix else 1)
        for name, x in trace.items()
    }
    for measure in ("spikes", "synaptic_operations"):
        assert 0 < activity(model, trace, measure).item() < 1
        assert activity(model, every, measure).item() == pytest.approx(1)


def test_ones_are_those_of_all_planes():
    assert ones(Planes(3), torch.tensor([0.0, 3.0, 5.0, 7.0])).tolist() == [0, 2, 2, 3]


def test_rounding_in_training_is_that_of_the_tables():
    model = build(recipe({"kind": "integrate", "steps": 2, "leak": 1, "fraction": 1, "round_from": 0.5})).double()
    layer, draw = model.fires[0], torch.Generator().manual_seed(1)
    with torch.no_grad():
        layer.norm.weight.copy_(torch.randn(20, generator=draw))
        layer.norm.running_mean.copy_(torch.randn(20, generator=draw))
    grid = Grid.of(layer.norm, layer.linear.scale(), 1)
    slope = layer.norm.weight.abs() / (1 + 1e-5) ** 0.5 * layer.linear.scale()[:, 0]
    neuron = convert(float_graph(Checkpoint(model.eval(), recipe(*KINDS["if"]), {}))).layers[0].neuron
    half = torch.tensor(neuron.thresholds, dtype=torch.float64) / 2
    torch.testing.assert_close(grid.width(1.0, 2), half * slope)
    torch.testing.assert_close(grid.nearest(grid.bias), torch.tensor(neuron.biases) / 2 * slope)
    model.train().round_from(0.49)
    assert not any(fire.rounds for fire in model.fires)
    model.round_from(0.5)
    assert all(fire.rounds for fire in model.fires)


@pytest.mark.parametrize("kind", ["k2", "counts", "lif", "dsr"])
def test_rounded_networks_have_gradients(kind):
    neuron, readout = KINDS[kind]
    model = build(recipe(neuron | {"round_from": 0.0}, readout, CONV)).train()
    model.round_from(0.0)
    model(encode(torch.tensor(sets.samples("mnist")[0][:30]), 2)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert model.fires[0].linear.weight.grad.abs().max() > 0


# integers


def simulated(checkpoint, images):
    """Return scores and the spikes of every layer, step by step, of the network with rounded tables, in float64.

    All is worked out from the float model's tensors: in units of weights, membranes are multiples of 2^-F, which
    float64 holds exactly. Dense networks of neurons that integrate.
    """
    model, spikes = checkpoint.model, {}
    steps = [np.asarray(encode(torch.tensor(images), 2), np.float64)]
    with torch.no_grad():
        for node, layer in zip(model.nodes[:-1], model.fires, strict=True):
            spec, (levels, scale) = node.spec, layer.linear.levels()
            gain, bias = (x.numpy().astype(np.float64) for x in (layer.norm.weight, layer.norm.bias))
            mean, var = (x.numpy().astype(np.float64) for x in (layer.norm.running_mean, layer.norm.running_var))
            slope, unit = gain / np.sqrt(var + layer.norm.eps) * scale[:, 0].numpy(), 2.0**-spec.fraction
            shift = bias - gain * mean / np.sqrt(var + layer.norm.eps)
            th = float(layer.neuron.least())
            grid = unit * 2**spec.leak
            with np.errstate(divide="ignore"):
                reset = np.rint(th / np.abs(slope) / grid) * grid
                level = np.rint(spec.level * th / np.abs(slope) / grid) * grid
            b = np.rint(shift / np.abs(slope) / unit) * unit
            m = np.rint(spec.start * th / np.abs(slope) / unit) * unit * np.ones((len(images), 1))
            gave = []
            for t in range(spec.steps):
                m = m - np.floor(m / 2**spec.leak / unit) * unit if spec.leak else m
                x = steps[t] if len(steps) > 1 else steps[0]
                m = m + x @ levels.numpy().T.astype(np.float64) * np.sign(slope) + b
                s = m >= level
                gave.append(s.astype(np.float64))
                m = np.where(s, 0.0 if spec.reset == "hard" else m - reset, m)
            spikes[node.name], steps = gave, gave
        (levels,), scale = model.readout.levels()
        leak = model.nodes[-1].leak
        keep = np.array([(1 - 2.0**-leak if leak else 1.0) ** (len(steps) - 1 - t) for t in range(len(steps))])
        total = sum(k * s for k, s in zip(keep, steps, strict=True)) @ levels.numpy().T
        return total * scale.item() + model.readout.bias.numpy(), spikes


@pytest.mark.parametrize("kind", ["if", "if hard", "lif", "lif hard", "dsr", "dsr leaky"])
def test_golden_model_is_the_simulation_of_the_rounded_network(kind):
    checkpoint, images = random_checkpoint(recipe(*KINDS[kind])), sets.samples("mnist")[0][:60]
    for layer in checkpoint.model.fires:  # slopes of 0 have tables of their own, see below
        with torch.no_grad():
            layer.norm.weight[:2] = torch.tensor([0.5, -0.5])
    network = convert(float_graph(checkpoint))
    out, (scores, spikes) = network.forward(images, trace=True), simulated(checkpoint, images)
    for name, wanted in spikes.items():
        came = network.planes[name].split(out.spikes[name])
        for t, (mine, theirs) in enumerate(zip(came, wanted, strict=True)):
            assert np.array_equal(mine, theirs), f"{name}, step {t + 1}"
        rates = np.mean(wanted)
        assert 0.02 < rates < 0.98
    readout = network.layers[-1].neuron
    scale = checkpoint.model.readout.levels()[1].item()
    if isinstance(readout, LeakyReadout):  # it rounds down in each step
        scale /= 1 << readout.fraction
        assert np.abs(out.scores * scale - scores).max() < 10 * readout.steps * scale
    else:
        np.testing.assert_allclose(out.scores * scale, scores, atol=0.51 * scale)  # the bias is rounded


@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
@pytest.mark.parametrize("kind", KINDS)
def test_integers_of_many_fraction_bits_are_the_float_network(kind, layers):
    neuron, readout = KINDS[kind]
    checkpoint = random_checkpoint(recipe(neuron | {"fraction": 8}, readout, layers))
    images = sets.samples("mnist")[0][:40]
    network = convert(float_graph(checkpoint))
    out = network.forward(images, trace="spikes")
    with torch.no_grad():
        _, trace = checkpoint.model.trace(encode(torch.tensor(images), 2).double())
    assert list(trace) == list(out.spikes)
    for name, values in trace.items():
        planes = network.planes[name]
        values = values.numpy()
        if not planes.radix:
            values = planes.packed(list(values.reshape(planes.count, -1, *values.shape[1:])))
        flat = (values.transpose(0, 2, 3, 1) if values.ndim == 4 else values).reshape(len(images), -1)
        least = 0.85 if neuron.get("leak") else 0.99  # a leak rounds down in each step
        assert (flat == out.spikes[name]).mean() > least, name
    if layers is CONV and not network.planes["conv1"].radix:
        assert isinstance(network.layer("conv1_pool").synapses[0], OrPool)


@pytest.mark.parametrize("kind", ["k2", "if", "lif"])
def test_channels_whose_slope_is_nothing_always_give_the_same(kind):
    checkpoint = random_checkpoint(recipe(*KINDS[kind]))
    with torch.no_grad():
        checkpoint.model.fires[0].norm.bias[:2] = torch.tensor([-1.0, 9.0])
    network = convert(float_graph(checkpoint))
    spikes = network.forward(sets.samples("mnist")[0][:60], trace="spikes").spikes["hidden1"]
    assert spikes[:, 0].max() == 0
    assert spikes[:, 1].min() == (1 << network.planes["hidden1"].count) - 1


def test_tables_are_those_of_the_neuron():
    network = convert(float_graph(random_checkpoint(recipe(*KINDS["lif"]))))
    neuron = network.layers[0].neuron
    assert isinstance(neuron, Integrate)
    assert (neuron.steps, neuron.leak, neuron.fraction, neuron.reset) == (4, 2, 4, "soft")
    assert not (neuron.thresholds % 4).any()
    network = convert(float_graph(random_checkpoint(recipe(*KINDS["counts"]))))
    neuron = network.layers[0].neuron
    assert isinstance(neuron, Quantized)
    assert (neuron.steps, neuron.code, neuron.fraction) == (3, "steps", 3)
    neuron = convert(float_graph(random_checkpoint(recipe(*KINDS["ttfs"])))).layers[0].neuron
    assert isinstance(neuron, Ttfs)
    assert (neuron.slots, neuron.fraction) == (7, 3)


# training


@pytest.fixture
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


@pytest.mark.parametrize("kind", ["k2", "counts", "ttfs", "if", "dsr leaky"])
@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
def test_training_ends_in_an_integer_network(kind, layers, sample_data, tmp_path):
    # which weights training ends with depends on the processor: with few fraction bits a neuron may be so close to its
    # threshold that rounding makes it spike for every dark pixel
    neuron, readout = KINDS[kind]
    options = recipe(neuron | {"fraction": 8}, readout, layers, epochs=2, learning_rate=1e-2)
    checkpoint = read_checkpoint(train(options, tmp_path))
    images = sets.samples("mnist")[0]
    scores = checkpoint.model(encode(torch.tensor(images), 2)).detach().numpy()
    network, figures = quantize(checkpoint, check=(images, scores))
    assert figures.check.float_share == 1
    assert figures.check.integer_share > 0.8
    save(network, tmp_path / "tiny.s2nn")
    assert load(tmp_path / "tiny.s2nn").digest == network.digest
    assert abs(figures.accuracy_float - figures.accuracy_integer) <= 0.05
    for mine, theirs in zip(figures.spikes, figures.spikes_float, strict=True):
        assert mine == pytest.approx(theirs, rel=0.1)
    log = json.loads((tmp_path / "tiny.log.json").read_text())["test"]
    assert log["spikes"] == pytest.approx(figures.spikes_float, abs=1e-3)
    for figure in (log, figures.to_json()):  # of all planes
        places = [network.size(n) * network.planes[n].count for n in log["names"]]
        shares = [n / most for n, most in zip(figure["spikes"], places, strict=True)]
        assert figure["spike_rates"] == pytest.approx(shares, abs=1e-4)  # both are rounded
        assert all(0 <= rate <= 1 for rate in figure["spike_rates"])
    timed = [share for share in figures.spikes_per_neuron if share is not None]
    assert len(timed) == (len(figures.spikes) if kind == "ttfs" else 0)
    if timed:
        out = network.forward(images, trace="spikes").spikes
        assert timed == pytest.approx([float((values > 0).mean()) for values in out.values()], abs=1e-5)
    assert log["synaptic_operations"] == pytest.approx(figures.synaptic_operations, rel=0.05)


def test_float_weights_are_rounded_at_any_bits(sample_data, tmp_path):
    for kind in ("k2", "if", "lif hard"):
        options = recipe(*KINDS[kind], CONV, fake_quantise=False, epochs=2, learning_rate=1e-2)
        checkpoint = read_checkpoint(train(options, tmp_path / kind))
        network, figures = quantize(checkpoint, bits=[8, 8, 8, 8])
        images, labels = (torch.tensor(x) for x in sets.samples("mnist"))
        assert figures.accuracy_float == pytest.approx(evaluate(checkpoint.model, images, labels.long(), 2)[0])
        out = network.forward(images.numpy()).classes
        scores = checkpoint.model(encode(images, 2))
        assert (out == scores.argmax(dim=1).numpy()).mean() > 0.8


def test_weights_of_steps_add_up_to_the_leak():
    assert step_weights(3, 1).tolist() == [0.25, 0.5, 1]
    assert step_weights(3, None).tolist() == [1, 1, 1]
    spec = NeuronSpec("integrate", 1.0, Planes(4, "steps"))
    assert simulate(torch.full((4, 1), 0.5), 1.0, spec, lambda m: (m >= 1).float()).flatten().tolist() == [1, 0, 1, 0]
