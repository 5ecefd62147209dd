"""Ordinary modules of torch: what comes out agrees with them, and what has no form is named."""

import operator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import s2nn_hw.nn as snn
from s2nn_hw.errors import UserError
from s2nn_hw.network.store import load
from s2nn_hw.quantize.importers.from_torch import from_torch


def inputs(*shape, count=200, seed=0, low=0.0):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(count, *shape, generator=draw, dtype=torch.float64) * (1 - low) + low


def settle(module, x):
    """Give the batch norms of ``module`` statistics, gammas of both signs, and biases."""
    torch.manual_seed(1)
    module.double().train()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias, std=0.3)
    with torch.no_grad():
        for _ in range(5):
            snn.reset(module)
            module(x)
    snn.reset(module)
    return module.eval()


def exact(found):
    """Return whether every hidden value and class is the owner's."""
    agreement = found.agreement
    return agreement.same_class == agreement.images and all(wrong == 0 for wrong, _ in agreement.different.values())


class Residual(nn.Module):
    """Functions, a residual addition, a constant, pooling, and a softmax at the end."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
        self.body, self.last = nn.Conv2d(6, 6, 3, padding=1, groups=2), nn.Linear(6 * 9, 5)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.norm(self.stem(x) * 2 - 0.1)), 2)
        x = torch.relu(self.body(x) + x)
        x = functional.avg_pool2d(x, 2)
        return functional.log_softmax(self.last(x.view(x.size(0), -1)), dim=1)


def test_relu_networks_become_numbers_of_bits():
    module, x = Residual(), inputs(1, 12, 12, count=400)
    settle(module, x)
    with torch.no_grad():
        module.last.bias -= module(x).mean(dim=0)  # so that no class has nearly all inputs
    few, many = (from_torch(module, x, activation_bits=bits, labels=np.zeros(400, int)) for bits in (1, 8))
    assert many.agreement.same_class > 0.9 * 400
    assert many.agreement.same_class > few.agreement.same_class
    assert [layer.name for layer in many.network.layers] == ["stem", "max_pool2d", "body", "readout"]
    assert many.network.planes["body"].count == 8
    assert many.agreement.owner is not None
    assert "8 bits: layers stem, body" in many.notes[0]


@pytest.mark.parametrize("signal", [False, True])
def test_layers_with_integer_weights_and_spikes_are_exact(signal):
    conv, norm, pool = (
        (snn.QuantConv1d, nn.BatchNorm1d, nn.MaxPool1d) if signal else (snn.QuantConv2d, nn.BatchNorm2d, nn.MaxPool2d)
    )
    shape = (2, 16) if signal else (2, 8, 10)
    module = nn.Sequential(
        conv(2, 4, 3, bits=3, stride=1, padding=0 if signal else 1),
        norm(4),
        pool(2),
        snn.Fire(0.3),
        nn.Dropout(0.5),
        nn.Flatten(),
        snn.QuantLinear(4 * (7 if signal else 20), 12, bits=2),
        nn.BatchNorm1d(12),
        snn.Fire(),
        snn.QuantLinear(12, 4, bits=4, shared=True),
        nn.Softmax(dim=1),
    )
    x = inputs(*shape)
    found = from_torch(settle(module, x), x, name="mine", classes=["a", "b", "c", "d"], input_bits=4)
    assert exact(found), found.agreement
    assert found.network.classes == ("a", "b", "c", "d")
    assert found.network.name == "mine"
    assert found.notes == ()


def test_bits_of_weights_and_scores_stay():
    module = nn.Sequential(
        nn.Flatten(), snn.QuantLinear(9, 6, bits=3), snn.Fire(0.1), snn.QuantLinear(6, 3, bits=8, shared=True)
    )
    found = from_torch(module.double(), inputs(3, 3))
    levels = module[1].levels()[0].detach().numpy()
    assert np.array_equal(found.network.layers[0].synapses[0].weights, levels)


@pytest.mark.parametrize("leak", [0, 1, 3])
@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_neurons_with_a_state_run_several_steps(leak, reset):
    module = nn.Sequential(
        nn.Flatten(),
        snn.QuantLinear(16, 10, bits=4),
        nn.BatchNorm1d(10),
        snn.IntegrateFire(0.7, leak=leak, reset=reset, start=0.5),
        snn.QuantLinear(10, 4, bits=4, shared=True),
    )
    x = inputs(4, 4)
    found = from_torch(settle(module, x), x, steps=5)
    assert found.network.planes["layer_1"].count == 5
    wrong, total = found.agreement.different["layer_1"]
    assert wrong < 0.002 * total  # thresholds are rounded to fractions of a weight
    assert found.agreement.same_class >= 0.97 * 200


def test_levels_and_averages():
    module = nn.Sequential(
        snn.QuantConv2d(1, 4, 3, bits=3, padding=1),
        nn.BatchNorm2d(4),
        snn.Levels(2, 0.25),
        nn.AvgPool2d(2),
        snn.QuantConv2d(4, 5, 3, bits=3, padding=1),
        snn.Levels(3, 0.02),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        snn.QuantLinear(5, 4, bits=4, shared=True),
    )
    x = inputs(1, 8, 8)
    found = from_torch(settle(module, x), x)
    wrong, total = (sum(column) for column in zip(*found.agreement.different.values(), strict=True))
    assert wrong < 0.001 * total
    assert found.network.layers[1].synapses[0].kernel == (6, 6)  # a mean's cells share a weight


def test_preactivation_and_scales_of_channels():
    """A batch norm before the first layer, behind spikes and behind a mean: factors of columns."""
    module = nn.Sequential(
        nn.BatchNorm2d(2),
        nn.Conv2d(2, 4, 3),
        snn.Fire(0.2),
        nn.BatchNorm2d(4),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 9, 6),
        snn.Fire(0.1),
        nn.Linear(6, 3),
    )
    x = inputs(2, 8, 8)
    found = from_torch(settle(module, x), x, bits=8)
    assert found.agreement.same_class > 0.9 * 200


def test_spikes_at_the_end_are_counted():
    module = nn.Sequential(
        nn.Flatten(),
        snn.QuantLinear(16, 8, bits=4),
        snn.IntegrateFire(0.4),
        snn.QuantLinear(8, 3, bits=4),
        snn.IntegrateFire(0.2),
    )
    found = from_torch(module.double(), inputs(4, 4), steps=6)
    assert "the readout counts it" in found.notes[0]
    assert found.agreement.same_class > 0.97 * 200


class Loop(nn.Module):
    """A loop over steps in ``forward``, whose spikes are stacked, added up, or gathered in a mean."""

    def __init__(self, how):
        super().__init__()
        self.how, self.a, self.b = how, snn.QuantLinear(16, 10, bits=4), snn.QuantLinear(10, 4, bits=4, shared=True)
        self.fire = snn.IntegrateFire(0.3, leak=1)

    def forward(self, x):
        x, seen, total = x.flatten(1), [], 0
        for _ in range(4):
            scores = self.b(self.fire(self.a(x)))
            seen.append(scores)
            total = scores + total
        return {
            "stack": lambda: torch.stack(seen),
            "add": lambda: total / 4,
            "mean": lambda: torch.stack(seen).mean(0),
        }[self.how]()


@pytest.mark.parametrize("how", ["stack", "add", "mean"])
def test_a_loop_over_steps_is_read_once(how):
    torch.manual_seed(0)
    found = from_torch(Loop(how).double(), inputs(4, 4))
    assert [layer.name for layer in found.network.layers] == ["a", "readout"]
    assert found.network.planes["a"].count == 4
    assert found.agreement.same_class > 0.97 * 200


def test_the_module_stays_as_it_was():
    module = nn.Sequential(
        nn.Flatten(), nn.Linear(16, 8), nn.BatchNorm1d(8), snn.IntegrateFire(), nn.Linear(8, 2)
    ).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    from_torch(module, inputs(4, 4).float(), steps=2)
    assert module.training
    assert module[3].membrane is None
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_a_network_is_saved_and_loaded(tmp_path):
    found = from_torch(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)), inputs(6).float())
    path = found.save(tmp_path / "a.s2nn")
    assert load(path).digest == found.network.digest
    with pytest.raises(UserError, match=r"must end in \.s2nn"):
        found.save(tmp_path / "a.onnx")


def test_factors_behind_the_last_spikes_count():
    module = nn.Sequential(
        nn.Flatten(), snn.QuantLinear(16, 8, bits=3), snn.Fire(0.1), nn.BatchNorm1d(8), nn.Softmax(1)
    )
    x = inputs(4, 4)
    found = from_torch(settle(module, x), x, bits=8)
    assert found.agreement.same_class > 0.9 * 200


def test_silence_at_a_threshold_of_zero():
    last = snn.QuantLinear(8, 3, bits=4, shared=True)
    module = nn.Sequential(nn.Flatten(), nn.Linear(16, 8, bias=False), snn.Fire(0.0), last)
    x = inputs(4, 4)
    x[:50] = 0
    found = from_torch(module.double(), x)
    assert found.network.layers[0].neuron.thresholds.tolist() == [0] * 8
    assert found.agreement.different["layer_1"][0] < 0.02 * 1600


def net(*parts):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), *parts, nn.Linear(8, 2))


class Decides(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Two(nn.Module):
    def forward(self, x, y):
        return x + y


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(16, 4), nn.Linear(16, 4)

    def forward(self, x):
        return operator.mul(self.a(x.flatten(1)), self.b(x.flatten(1)))


class Gives(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.how, self.last = how, nn.Linear(16, 3)

    def forward(self, x):
        y = self.last(x.flatten(1))
        return {"one": {"scores": y}, "two": {"scores": y, "more": y}, "joined": torch.cat([y, y], 1)}[self.how]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_what_is_wrapped_is_taken_out():
    module = nn.DataParallel(net(nn.ReLU()))
    assert from_torch(module, inputs(4, 4).float()).agreement.images == 200
    assert from_torch(Gives("one"), inputs(4, 4).float()).agreement.same_class > 190
    with pytest.raises(UserError, match="a scripted module can't be traced"):
        from_torch(torch.jit.script(net(nn.ReLU())), inputs(4, 4).float())


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (Gives("two"), ["returns several things (scores, more)"]),
        (Gives("joined"), ["cat (cat): no form here"]),
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), ["one score has no class to choose"]),
        (
            net(nn.GELU(), nn.LayerNorm(8)),
            ["2 (GELU): no form here", "3 (LayerNorm): no form here", "supported: Linear"],
        ),
        (net(), ["2 (Linear)", "it reads a sum that no neurons stand behind"]),
        (net(nn.Softmax(dim=1)), ["3 (Linear)", "it reads a softmax"]),
        (net(nn.Hardtanh()), ["2 (Hardtanh)", "begin at 0, not at -1"]),
        (net(nn.BatchNorm1d(8, track_running_stats=False), nn.ReLU()), ["2 (BatchNorm1d)", "running statistics"]),
        (net(nn.ReLU(), nn.Linear(8, 8), snn.Fire()), ["ReLU beside neurons that spike"]),
        (Decides(), ["Decides can't be traced", "must not decide on values of tensors"]),
        (Product(), ["mul", "'mul' of two values has no form here"]),
        (nn.Sequential(nn.Flatten(), nn.Linear(9, 2)), ["Sequential does not take inputs of (2, 4, 4)"]),
        (
            nn.Sequential(
                nn.Conv1d(4, 2, 2, padding=1, padding_mode="circular"), nn.ReLU(), nn.Flatten(), nn.Linear(10, 2)
            ),
            ["0 (Conv1d)", "padding must be with zeros"],
        ),
        (nn.Sequential(nn.MaxPool1d(2), nn.Flatten(), nn.Linear(8, 2)), ["0 (MaxPool1d)", "max pooling of the input"]),
        (
            nn.Sequential(
                nn.Conv1d(4, 2, 2), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True), nn.Flatten(), nn.Linear(4, 2)
            ),
            ["2 (MaxPool1d)", "no ceil_mode"],
        ),
    ],
)
def test_what_has_no_form_is_named(module, words):
    with pytest.raises(UserError) as error:
        from_torch(module, inputs(4, 4).float())
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
    assert "\n" not in str(error.value)


def test_inputs_that_can_not_be():
    good = net(nn.ReLU())
    for bad, words in (
        (torch.zeros(3, 4, 4), "between two different numbers"),
        (torch.zeros(3, 4, 4).long(), "inputs must be floats"),
        (torch.full((3, 4, 4), torch.nan), "between two different numbers"),
        (torch.zeros(0, 4, 4), "inputs must be floats"),
    ):
        with pytest.raises(UserError, match=words):
            from_torch(good, bad)
    for wrong, words in (
        ({"steps": 0}, "steps must be an integer from 1 to 31"),
        ({"input_bits": 0}, "input bits must be"),
        ({"input_bits": 17}, "input bits must be"),
        ({"bits": 9}, "bits must be"),
        ({"activation_bits": 0}, "activation bits must be"),
        ({"percentile": 10}, "percentile must lie in 50 .. 100, not 10"),
        ({"labels": np.zeros(3, int)}, "labels must be 200 integers"),
        ({"labels": np.full(200, 2)}, r"labels must lie in 0 .. 1, not 2 .. 2; classes|labels must lie in 0 .. 1"),
        ({"classes": ["a"]}, "2 class names wanted, 1 came"),
    ):
        with pytest.raises(UserError, match=words):
            from_torch(good, inputs(4, 4).float(), **wrong)


@st.composite
def modules(draw):
    """Random modules of integer weights and spikes, and the shape that they take."""
    channels, rows, columns = draw(st.integers(1, 3)), draw(st.integers(5, 8)), draw(st.integers(5, 8))
    shape, parts, image = (channels, rows, columns), [], True
    for _ in range(draw(st.integers(1, 3))):
        bits = draw(st.integers(1, 8))
        if image and draw(st.booleans()):
            kernel, padding, stride = draw(st.integers(1, 3)), draw(st.integers(0, 1)), draw(st.integers(1, 2))
            padding = min(padding, kernel - 1)
            outputs = draw(st.integers(1, 4))
            if min(rows, columns) + 2 * padding < kernel:
                continue
            parts.append(snn.QuantConv2d(channels, outputs, kernel, bits=bits, padding=padding, stride=stride))
            rows, columns = ((n + 2 * padding - kernel) // stride + 1 for n in (rows, columns))
            channels = outputs
            norm = nn.BatchNorm2d(channels)
        else:
            if image:
                parts.append(nn.Flatten())
            size = channels * rows * columns if image else channels
            image, channels = False, draw(st.integers(1, 9))
            parts.append(snn.QuantLinear(size, channels, bits=bits, bias=draw(st.booleans())))
            norm = nn.BatchNorm1d(channels)
        parts += [norm] if draw(st.booleans()) else []
        pooled = image and min(rows, columns) >= 2 and draw(st.booleans())
        neuron = snn.Fire(draw(st.sampled_from([-0.2137, 0.01931, 0.1171, 1.0203])))
        parts += draw(st.permutations([neuron, nn.MaxPool2d(2)])) if pooled else [neuron]
        rows, columns = (rows // 2, columns // 2) if pooled else (rows, columns)
    if image:
        parts.append(nn.Flatten())
    size = channels * rows * columns if image else channels
    parts.append(snn.QuantLinear(size, draw(st.integers(2, 5)), bits=draw(st.integers(2, 4)), shared=True))
    return nn.Sequential(*parts), shape


@given(modules(), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_random_modules_of_spikes_are_exact(made, seed):
    module, shape = made
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d):
            nn.init.normal_(part.weight)
    x = inputs(*shape, count=60, seed=seed)
    found = from_torch(settle(module, x), x, input_bits=8)
    assert exact(found), found.agreement
