"""Networks of other programs as times to the first spike: the numbers they become otherwise, with the same scores."""

import numpy as np
import pytest
import torch
from torch import nn

from s2nn_hw.errors import UserError
from s2nn_hw.network.first_spikes import simulate
from s2nn_hw.network.store import load
from s2nn_hw.quantize.importers.from_torch import from_torch
from tests.support.commands import command, refused  # noqa: F401
from tests.support.onnx_models import Model


def relu_network():
    torch.manual_seed(3)
    layers = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 12), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(12, 3)).eval(), torch.rand(60, 1, 8, 8)


def test_a_torch_module():
    module, x = relu_network()
    numbers, times = (from_torch(module, x, activation_bits=4, input_bits=4, ttfs=ttfs) for ttfs in (False, True))
    images = x.numpy().reshape(60, 8, 8)
    assert (numbers.network.forward(images).scores == times.network.forward(images).scores).all()
    assert numbers.agreement.same_class == times.agreement.same_class
    assert {layer.neuron.kind for layer in times.network.layers if layer.neuron} == {"ttfs", "readout"}
    assert (simulate(times.network, images[:9])[0] == numbers.network.forward(images[:9]).scores).all()


@pytest.mark.parametrize("bits", [1, 8])
def test_numbers_that_are_no_times(bits):
    module, x = relu_network()
    words = "numbers of 2 to 5 bits have one, in 3, 7, 15, 31 slots"
    with pytest.raises(UserError, match=words):
        from_torch(module, x, activation_bits=bits, ttfs=True)


def test_the_command(tmp_path, command):  # noqa: F811
    m = Model((16,))
    hidden = m.node("Relu", m.node("MatMul", "x", m.constant(m.normal(16, 9))))
    path, inputs = tmp_path / "relu.onnx", tmp_path / "x.npy"
    m.save(path, m.node("MatMul", hidden, m.constant(m.normal(9, 3))))
    np.save(inputs, m.random.random((80, 16)).astype(np.float32))
    args = ("import", path, "-o", tmp_path / "n.s2nn", "--inputs", inputs, "--ttfs", "--activation-bits")
    code, said, err = command(*args, 3)
    assert code == 0, (said, err)
    network = load(tmp_path / "n.s2nn")
    assert [layer.neuron.first_spike_slots for layer in network.layers] == [7, 0]
    refused(command(*args, 6), "have no time to the first spike")
