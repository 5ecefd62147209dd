"""Arguments, places and types that change what a traced call means: read as they are, or refused by one line."""

import pytest
import torch
from torch import nn
from torch.nn import functional

import s2nn_hw.nn as snn
from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.from_torch import from_torch


class Net(nn.Module):
    """Dense layers around ``change``, which gets the module and the sums of the first one."""

    def __init__(self, change):
        super().__init__()
        self.change = change
        self.a, self.c = (snn.QuantLinear(n, 8, bits=4) for n in (6, 8))
        self.fire, self.second = snn.Fire(0.1), snn.Fire(0.2)
        self.relu, self.last = nn.ReLU(inplace=True), snn.QuantLinear(8, 3, bits=4, shared=True)
        self.register_buffer("end", torch.tensor(0.7))
        self.register_buffer("zeros", torch.zeros(8))
        self.register_buffer("wide", torch.ones(1, 1, 8))
        self.register_buffer("tall", torch.tensor([[1.0], [-1.0]]))

    def forward(self, x):
        return self.last(self.change(self, self.a(x)))


def inputs(count=60):
    return torch.rand(count, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def found(change, x=None):
    torch.manual_seed(0)
    return from_torch(Net(change).double(), inputs() if x is None else x)


def exact(made):
    agreement = made.agreement
    return agreement.same_class == agreement.images and not any(wrong for wrong, _ in agreement.different.values())


def added_in_place(net, y):
    s = net.fire(y)
    return net.second(s.add_(net.c(s)))


@pytest.mark.parametrize(
    "change",
    [
        lambda net, y: net.fire(torch.mul(y, other=2.0)),
        lambda net, y: net.fire(torch.mul(input=y, other=2.0)),
        lambda net, y: net.fire(torch.add(input=y, other=0.3, alpha=1)),
        lambda net, y: net.fire(y * 0),
        lambda net, y: net.fire(y) * 0,
        lambda net, y: net.fire(y) * -1,
        lambda net, y: functional.dropout(net.fire(y), 0.9, training=net.training),
        added_in_place,
    ],
)
def test_what_is_said_otherwise_is_the_same(change):
    assert exact(found(change))


def test_an_end_at_infinity_is_none():
    made = found(lambda net, y: torch.clamp(y, 0, float("inf")))
    assert made.agreement.same_class > 50


def changed_unseen(net, y):
    y.mul_(-2.0)
    return net.fire(y)


def read_after(net, y):
    return net.second(net.c(net.relu(y)) + y)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda net, y: net.fire(torch.add(y, 0.3, alpha=-3)), "'add' alpha=-3 has no form here"),
        (lambda net, y: net.fire(torch.sub(y, 0.3, alpha=-3)), "'sub' alpha=-3 has no form here"),
        (lambda net, y: net.fire(y.div(0.3, rounding_mode="floor")), "rounding_mode=floor has no form here"),
        (lambda net, y: net.fire(y / 0), "a division by 0 has no form here"),
        (lambda net, y: net.fire(y / net.zeros), "a division by 0 has no form here"),
        (lambda net, y: torch.clamp(y, 0, net.end), "a clamp must end at a number, not at end"),
        (lambda net, y: net.fire(y.to(torch.int32).to(torch.float64)), "numbers of type torch.int32 have no form here"),
        (lambda net, y: functional.dropout(net.fire(y), 0.9), "it drops values also in evaluation mode"),
        (lambda net, y: net.fire(y[:, :4]).repeat(1, 2), "a part of a tensor has no form here"),
        (lambda net, y: net.fire(y[:, [*range(7, -1, -1)]]), "a part of a tensor has no form here"),
        (lambda net, y: net.fire(y)[0:1], "a part of a tensor has no form here"),
        (lambda net, y: net.fire(y + net.wide), "it makes one of the inputs of a batch"),
        (lambda net, y: net.fire(y + net.tall), r"a constant of shape \(2, 1\) is not one for each channel"),
        (lambda net, y: net.fire(y).view(-1, 4).repeat(1, 2), "it makes one of the inputs of a batch"),
        (changed_unseen, "fire reads a, which mul_ has changed in place"),
        (read_after, "add reads a, which relu has changed in place"),
    ],
)
def test_what_means_something_else_is_refused(change, words):
    with pytest.raises(UserError, match=words) as error:
        found(change)
    assert "\n" not in str(error.value)


def test_one_input_shows_what_a_constant_does_to_shapes():
    with pytest.raises(UserError, match="a constant must not change the shape"):
        found(lambda net, y: net.fire(y + net.wide), inputs(1))


@pytest.mark.parametrize("last", [nn.Softmax(0), nn.LogSoftmax(0)])
def test_a_softmax_over_the_batch_is_refused(last):
    module = nn.Sequential(snn.QuantLinear(6, 8, bits=4), snn.Fire(), snn.QuantLinear(8, 3, bits=4), last)
    with pytest.raises(UserError, match="a softmax must be over the classes, dim=1, not over dim=0"):
        from_torch(module.double(), inputs())


def test_a_single_layer_is_a_module():
    torch.manual_seed(0)
    assert exact(from_torch(snn.QuantLinear(6, 3, bits=4, shared=True).double(), inputs()))


def test_inputs_stay_as_they_were():
    x = inputs()
    before = x.clone()
    torch.manual_seed(0)
    from_torch(nn.Sequential(nn.ReLU6(inplace=True), nn.Linear(6, 3)).double(), x - 0.5)
    assert torch.equal(x, before)


def test_calls_of_a_membrane_that_are_no_steps_are_refused():
    fire = snn.IntegrateFire(0.1)
    module = nn.Sequential(snn.QuantLinear(6, 6, bits=4), fire, snn.QuantLinear(6, 6, bits=4), fire, nn.Linear(6, 2))
    with pytest.raises(UserError, match="are called 2 times, a step each"):
        from_torch(module.double(), inputs())


@pytest.mark.parametrize("bits", [1, 3])
def test_holes_of_a_dilation_want_a_zero(bits):
    torch.manual_seed(0)
    conv = snn.QuantConv1d(2, 3, 2, bits=bits, dilation=2)
    module = nn.Sequential(conv, snn.Fire(0.1171), nn.Flatten(), snn.QuantLinear(18, 2, bits=4, shared=True))
    x = torch.rand(60, 2, 8, dtype=torch.float64)
    assert exact(from_torch(module.double(), x))


@pytest.mark.parametrize("threshold", [-0.4013, 0.3071, 0.7102])
@pytest.mark.parametrize("neuron", [snn.Fire, lambda width: snn.Levels(2, abs(width))])
def test_thresholds_behind_averages_reach_as_far_as_the_sums(threshold, neuron):
    """A weight behind an average counts for all of its cell: thresholds of many of its spikes must stay."""
    module = nn.Sequential(
        snn.QuantConv2d(1, 2, 1, bits=1, bias=False),
        snn.Fire(0.5),
        nn.AvgPool2d(4),
        nn.Flatten(),
        snn.QuantLinear(2, 4, bits=2, bias=False),
        neuron(threshold),
        snn.QuantLinear(4, 3, bits=4, shared=True),
    ).double()
    with torch.no_grad():
        module[0].weight.fill_(1.0)
        module[4].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 1.0]]))
    made = from_torch(module, torch.rand(100, 1, 4, 4, dtype=torch.float64))
    assert exact(made), made.agreement
