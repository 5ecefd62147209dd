"""ReLU networks into spikes: closed forms, folding, integers against the float model, refusals."""

import json

import numpy as np
import pytest
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.planes import Planes
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.conversion.firing import Rule, fire, leak_of
from s2nn_hw.quantize.conversion.integers import integer_network, planes_of
from s2nn_hw.quantize.conversion.methods import resolved
from s2nn_hw.quantize.conversion.prepare import prepare
from s2nn_hw.quantize.conversion.pretrain import read_relu, relu_model, relu_recipe
from s2nn_hw.quantize.conversion.search import fitted, searched
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.float_values import packed
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.settings import Conversion
from s2nn_hw.quantize.train import train
from s2nn_hw.terminal import terminal
from tests.support.commands import refused
from tests.support.relu_recipes import CONV, DENSE, LEVELS, POOLED, SPIKES, images, recipe


@pytest.fixture(autouse=True)
def sample_data(monkeypatch):
    monkeypatch.setattr(sets, "load", lambda name, split: sets.samples(name))


def random_model(options, seed=0):
    """A ReLU network with batch norms of every kind, gamma negative and zero among them."""
    model, draw = relu_model(options).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for number, layer in enumerate(model.fires):
            count = len(layer.norm.weight)
            layer.norm.weight.copy_(torch.randn(count, generator=draw))
            layer.norm.weight[0] = 0
            layer.norm.bias.copy_(torch.randn(count, generator=draw) * 0.3 + 0.3)
            layer.norm.running_mean.copy_(torch.randn(count, generator=draw) * (3 if number == 0 else 0.3))
            layer.norm.running_var.copy_(torch.rand(count, generator=draw) * (20 if number == 0 else 1) + 0.2)
        model.readout.bias.copy_(torch.randn(10, generator=draw))
    return model


def graph_of(model, options):
    return float_graph(Checkpoint(model.eval(), options, {}))


def converted(layers=DENSE, readout=None, percentile=100.0, seed=0):
    options = recipe(layers, readout)
    net = Converted(graph_of(random_model(options, seed), options))
    prepare(net, encode(images(), 4), percentile=percentile)
    return net


# what stands behind the sums


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 15])
@pytest.mark.parametrize("shift", [False, True])
def test_a_constant_current_gives_as_many_spikes_as_levels(steps, shift):
    z = torch.linspace(-1.037, 5.0127, 997, dtype=torch.float64)
    theta = torch.tensor(3.0, dtype=torch.float64)
    (x,) = fire(Rule(LEVELS, steps, shift), [z], theta, theta)
    spikes = fire(Rule(SPIKES, steps, shift), [z], theta, theta)
    closed = torch.floor(z * steps / theta + (0.5 if shift else 0)).clamp(0, steps)
    assert torch.allclose(x, closed * theta / steps)
    assert torch.allclose(torch.stack(spikes).mean(dim=0), x)


def test_spikes_are_those_of_the_integer_neuron():
    draw = np.random.default_rng(1)
    currents, theta = draw.integers(-40, 90, (5, 1, 30)), 64
    tables = [np.full(30, value, np.int32) for value in (theta, theta, 0, 0)]
    golden = Integrate(*tables, 5).frame(None, list(currents))[1]
    whole = torch.tensor(float(theta))
    floats = [torch.tensor(z).float() for z in currents]
    float_spikes = fire(Rule(SPIKES, 5, shift=False), floats, whole, torch.tensor(1.0))
    assert np.array_equal(golden, packed(float_spikes))


@pytest.mark.parametrize(("kept", "leak"), [(1.0, 0), (0.999, 0), (0.99, 7), (0.9, 3), (0.8, 2), (0.5, 1), (0.4, 1)])
def test_leaks_are_those_of_shifts(kept, leak):
    assert leak_of(kept) == leak


def test_leaking_spikes_are_those_of_the_integer_neuron():
    draw = np.random.default_rng(2)
    sums = list(64 * draw.integers(-5, 9, (3, 1, 200)))
    tables = [np.full(200, value, np.int32) for value in (512, 512, 0, 0)]
    golden = Integrate(*tables, 3, leak=3).frame(None, sums)[1]
    kept = torch.tensor(0.88, requires_grad=True)
    rule, one = Rule(SPIKES, 3, shift=False, leaks=True), torch.tensor(1.0)
    spikes = fire(rule, [torch.tensor(z).float() for z in sums], torch.tensor(512.0), one, kept)
    assert np.array_equal(golden, packed([s.detach() for s in spikes]))
    spikes[2].sum().backward()
    assert kept.grad != 0


def test_gradients_of_levels_are_those_of_the_clipped_relu_and_of_tandem_those_of_relu():
    z = torch.tensor([-1.0, 0.5, 1.5, 2.5], requires_grad=True)
    theta = torch.tensor(2.0, requires_grad=True)
    fire(Rule(LEVELS, 4), [z], theta, theta)[0].sum().backward()
    assert z.grad.tolist() == [0, 1, 1, 0]
    # straight through the floor: q / T - z / theta inside, 1 above
    assert theta.grad.item() == pytest.approx((1 / 4 - 0.25) + (3 / 4 - 0.75) + 1)
    other = z.detach().clone().requires_grad_()
    fire(Rule(LEVELS, 4, masked=False), [other], theta, theta)[0].sum().backward()
    assert other.grad.tolist() == [0, 1, 1, 1]


def test_the_gradient_of_a_spike_is_a_triangle_of_height_three_tenths():
    z = torch.tensor([0.0, 1.0, 1.5, 2.0, 4.1], requires_grad=True)
    fire(Rule(SPIKES, 1, shift=False), [z], torch.tensor(2.0), torch.tensor(1.0))[0].sum().backward()
    assert z.grad.tolist() == pytest.approx([0, 0.075, 0.1125, 0.15, 0])


def test_planes_are_the_bits_of_a_number_where_that_is_possible():
    assert [planes_of(Rule(LEVELS, t)) for t in (1, 3, 7, 15, 31)] == [Planes(k) for k in range(1, 6)]
    assert planes_of(Rule(LEVELS, 4)) == Planes(4, "steps")
    assert planes_of(Rule(SPIKES, 3)) == Planes(3, "steps")


# folding and integers


@pytest.mark.parametrize(
    ("layers", "readout"), [(DENSE, None), (POOLED, {"average": "global"}), (CONV, {"average": 7}), (CONV, None)]
)
def test_the_folded_network_is_the_relu_network(layers, readout):
    options = recipe(layers, readout)
    model = random_model(options)
    pixels = encode(images(40), 4)
    with torch.no_grad():
        assert torch.allclose(Converted(graph_of(model, options))(pixels), model(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rule", [Rule(LEVELS, 15), Rule(LEVELS, 4), Rule(LEVELS, 7, shift=False), Rule(SPIKES, 4)])
@pytest.mark.parametrize(
    ("layers", "readout"), [(DENSE, None), (CONV, {"average": "global"}), (POOLED, {"average": "global"})]
)
def test_integers_are_the_float_model_but_for_rounded_thresholds(rule, layers, readout):
    if rule.kind == SPIKES and layers is POOLED:
        pytest.skip("refused, see below")
    net = converted(layers, readout)
    network = integer_network(net.use(rule))
    out = network.forward(images().numpy(), trace="spikes")
    with torch.no_grad():
        values = net.trace(encode(images(), 4))
    for unit in net.hidden:
        name = unit.name
        planes, x, full = network.planes[name], values[name], unit.theta.item()
        number = sum(x) / full * (rule.steps if len(x) == 1 else 1)
        if number.ndim == 4:
            number = number.permute(0, 2, 3, 1).flatten(1)
        assert (np.abs(planes.numbers(out.spikes[name]) - number.numpy()) > 0.5).mean() < 0.01
    scores = values["readout"][0] if len(values["readout"]) == 1 else torch.stack(values["readout"]).mean(dim=0)
    assert (out.classes == scores.argmax(dim=1).numpy()).mean() > 0.95


def test_the_weights_do_not_depend_on_the_form():
    net = converted(CONV)
    tables = [integer_network(net.use(rule)).tensors() for rule in (Rule(LEVELS, 15), Rule(SPIKES, 3))]
    for name in (name for name in tables[0] if "weights" in name):
        assert np.array_equal(tables[0][name], tables[1][name])


def test_neurons_and_pools_of_each_form():
    net = converted(POOLED)
    radix = integer_network(net.use(Rule(LEVELS, 15)))
    counted = integer_network(net.use(Rule(LEVELS, 4)))
    assert isinstance(radix.layer("b").neuron, Quantized)
    assert (radix.layer("b_pool").synapses[0].kind, radix.planes["b_pool"]) == ("maxpool", Planes(4))
    assert (counted.layer("b_pool").synapses[0].kind, counted.planes["b_pool"]) == ("orpool", Planes(4, "steps"))


def test_more_levels_come_closer_to_the_relu_network():
    net = converted()
    with torch.no_grad():
        wanted = net(encode(images(), 4)).argmax(dim=1).numpy()
    agree = [
        (integer_network(net.use(Rule(LEVELS, steps))).forward(images().numpy()).classes == wanted).mean()
        for steps in (1, 31)
    ]
    assert agree[1] > 0.85
    assert agree[1] > agree[0]


def test_a_percentile_is_below_the_largest_activation():
    tops, shares = (converted(percentile=p) for p in (100.0, 95.0))
    assert all(a.theta > b.theta for a, b in zip(tops.hidden, shares.hidden, strict=True))


# searches


def test_fitted_thresholds_have_less_error_than_the_largest_activation():
    z = torch.randn(4000, generator=torch.Generator().manual_seed(0)) * 2
    rule, most = Rule(LEVELS, 3), z.max()

    def error(theta):
        return float((fire(rule, [z], theta, theta)[0] - z.clamp(min=0)).square().mean())

    assert error(fitted(z, most, rule)) < 0.8 * error(most)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_searched_spikes_have_the_mean_of_the_activations(steps):
    draw = torch.Generator().manual_seed(0)
    sums = [torch.randn(5000, generator=draw) + 0.2 for _ in range(steps)]
    mu = torch.tensor(2.5)
    wanted = torch.minimum(torch.stack(sums).mean(dim=0).clamp(min=0), mu)
    rule = Rule(SPIKES, steps, shift=False)
    alpha, beta = searched(sums, wanted, mu, rule)
    made = torch.stack(fire(rule, sums, alpha * mu, beta * mu)).mean(dim=0)
    assert 0 < beta <= 2
    assert made.mean() == pytest.approx(float(wanted.mean()), abs=2e-3 * 2.5)


# refusals


def test_options_that_do_not_go_together():
    for options, words in (
        (Conversion(method="tandem", form="steps"), "tandem counts"),
        (Conversion(method="tandem", shift=True), "tandem counts"),
        (Conversion(method="clip-floor", form="steps"), "--form two-phase"),
        (Conversion(method="t2", form="two-phase"), "--form steps"),
        (Conversion(leak=True), "balance has no --leak"),
    ):
        with pytest.raises(UserError, match=words):
            resolved(options)
    assert resolved(Conversion(method="t2")).steps == 2
    assert resolved(Conversion(method="tandem")).shift is False
    assert resolved(Conversion()).form == "two-phase"


def test_layers_without_a_form_in_spikes_are_named():
    net = converted(POOLED)
    with pytest.raises(UserError, match="layer b_pool: max pooling of spikes over 4 steps"):
        net.use(Rule(SPIKES, 4))
    joined = [*CONV[:1], CONV[0] | {"name": "d", "from": "input"}, {"name": "e", "kind": "or", "from": ["a", "d"]}]
    with pytest.raises(UserError, match="layer e: an OR joins spikes"):
        Converted(graph_of(relu_model(recipe(joined)), recipe(joined)))
    with pytest.raises(UserError, match=r"layers\[1\]\.fan_in"):
        relu_recipe(recipe([DENSE[0], DENSE[1] | {"fan_in": 3}]))


def test_a_recipe_that_has_no_form_is_refused_before_it_is_trained(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    lines = ['name = "c"', '[data]\nset = "mnist"\npixel_bits = 4']
    lines += ['[[layers]]\nkind = "conv"\nchannels = 4\nkernel = 3\nbits = 8\npool = 2']
    (tmp_path / "c.toml").write_text("\n".join([*lines, "[readout]\nbits = 8", "[training]\nepochs = 1"]))
    refused(command("convert", "c.toml", "-o", "c.s2nn", "--form", "steps"), "layer conv1_pool", "--form two-phase")
    assert not (tmp_path / "runs").exists()


def test_a_layer_that_is_always_silent_is_named():
    model = random_model(recipe())
    with torch.no_grad():
        model.fires[1].norm.weight.zero_()
        model.fires[1].norm.bias.fill_(-1.0)
    with pytest.raises(UserError, match="layer hidden2: activations are all 0"):
        prepare(Converted(graph_of(model, recipe())), encode(images(), 4), percentile=100.0)


def test_spikes_are_not_trained_from_a_recipe_to_be_converted(tmp_path):
    with pytest.raises(UserError, match="key 'conversion' is for"):
        train(recipe(conversion={"steps": 3}), tmp_path)


def test_a_checkpoint_of_spikes_is_refused(tmp_path):
    options = recipe(training={"epochs": 1, "batch": 100})
    with pytest.raises(UserError, match="was trained with spikes"):
        read_relu(train(options, tmp_path, console=terminal()))


def test_the_recipe_keeps_its_conversion():
    plain, own = recipe(), recipe(conversion={"method": "t2", "epochs": 3})
    assert "conversion" not in as_dict(plain)
    assert from_dict(json.loads(json.dumps(as_dict(own)))) == own
    with pytest.raises(UserError, match=r"'conversion.steps' must lie in 1"):
        recipe(conversion={"steps": 32})


# the command
