"""Axes that a module puts in or leaves out before its first layer: what enters is the same in each of these shapes."""

import numpy as np
import pytest
import torch
from torch import nn

import s2nn_hw.nn as snn
from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.from_torch import from_torch


class Image(nn.Module):
    """A convolution behind ``view``, or, ``dense``, a mean of cells and a dense layer."""

    def __init__(self, view, dense=False):
        super().__init__()
        self.view, self.dense = view, dense
        self.pool, self.conv, self.fire = nn.AvgPool2d(2), snn.QuantConv2d(1, 4, 3, bits=4), snn.Fire(0.3)
        self.last = snn.QuantLinear(9 if dense else 64, 3, bits=4, shared=True)

    def forward(self, x):
        x = self.view(x)
        return self.last((self.pool(x) if self.dense else self.fire(self.conv(x))).flatten(1))


class Signal(nn.Module):
    def __init__(self, view):
        super().__init__()
        self.view, self.conv, self.fire = view, snn.QuantConv1d(1, 4, 3, bits=4), snn.Fire(0.3)
        self.last = snn.QuantLinear(4 * 34, 3, bits=4, shared=True)

    def forward(self, x):
        return self.last(self.fire(self.conv(self.view(x))).flatten(1))


def found(module, *shape):
    x = torch.rand(80, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    made = from_torch(module.double(), x)
    agreement = made.agreement
    assert agreement.same_class == agreement.images
    assert not any(wrong for wrong, _ in agreement.different.values()), agreement
    with torch.no_grad():  # what the network takes is what the module does
        scores = module.eval()(x).argmax(1).numpy()
    assert (np.asarray(made.network.forward(made.images(x.numpy())).classes) == scores).mean() >= 0.9
    return made.network


VIEWS = {
    "None": lambda x: x[:, None],
    "None of four": lambda x: x[:, None, :, :],
    "ellipsis": lambda x: x[..., None, :, :],
    "unsqueeze": lambda x: x.unsqueeze(1),
    "unsqueeze from behind": lambda x: torch.unsqueeze(x, -3),
    "view": lambda x: x.view(-1, 1, 6, 6),
    "reshape": lambda x: x.reshape(x.shape[0], 1, 6, 6),
    "there and back": lambda x: x[:, None].squeeze(1).unsqueeze(1),
    "behind a factor": lambda x: ((x - 0.5) / 0.25)[:, None] * 0.25,
    "nothing is left out": lambda x: x[:, :6].unsqueeze(1)[:, 0:1],
}


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_images_without_a_channel(view, dense):
    torch.manual_seed(0)
    assert found(Image(view, dense), 6, 6).input.shape == (6, 6)


@pytest.mark.parametrize(
    ("view", "shape"),
    [
        (lambda x: x.view(-1, 1, 6, 6), (36,)),
        (lambda x: x.unflatten(1, (1, 6, 6)), (36,)),
        (lambda x: x.squeeze(1)[:, None], (1, 6, 6)),
        (lambda x: x[:, 0].unsqueeze(1), (1, 6, 6)),
        (lambda x: x.view(-1, 1, 6, 6), (4, 9)),
    ],
)
def test_images_from_other_shapes(view, shape):
    torch.manual_seed(0)
    assert found(Image(view), *shape).input.shape == (6, 6)


@pytest.mark.parametrize(
    ("view", "shape"),
    [
        (lambda x: x[:, None], (36,)),
        (lambda x: x.unsqueeze(1), (36,)),
        (lambda x: x.reshape(-1, 1, 36), (6, 6)),
        (lambda x: x, (1, 36)),
    ],
)
def test_signals(view, shape):
    torch.manual_seed(0)
    assert found(Signal(view), *shape).input.shape == (1, 36)


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv1d(6, 4, 3), nn.Conv2d(1, 4, 3)
        self.last, self.more = nn.Linear(16, 3), nn.Linear(64, 3)

    def forward(self, x):
        return self.last(self.one(x).relu().flatten(1)) + self.more(self.other(x[:, None]).relu().flatten(1))


def test_what_enters_has_one_shape():
    with pytest.raises(UserError, match=r"is read as \(1, 6, 6\) and as \(6, 1, 6\)"):
        from_torch(Both(), torch.rand(20, 6, 6))


def test_what_is_computed_keeps_its_axes():
    module = nn.Sequential(nn.Conv1d(6, 4, 3), nn.ReLU(), nn.Unflatten(1, (1, 4)), nn.Conv2d(1, 2, 2), nn.Flatten())
    with pytest.raises(UserError, match="only flattening has"):
        from_torch(nn.Sequential(*module, nn.Linear(18, 3)), torch.rand(20, 6, 6))
