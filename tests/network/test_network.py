"""Network: checks on construction, golden model against plain numpy integers."""

import numpy as np
import pytest
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense
from tests.support.networks import random_images, random_network


def dense(neurons, inputs, value=1, bits=4):
    return Dense(np.full((neurons, inputs), value, np.int8), bits)


def readout_only(shape, synapse, bias):
    readout = Layer("readout", synapse, Readout(np.array(bias, np.int32)))
    return Network("small", Input(shape, 8), (readout,), tuple("abcdefgh"[: len(bias)]))


def plain_forward(network, images):
    values = network.encode(images).astype(np.int64)
    for layer in network.layers[:-1]:
        values = (values @ layer.synapses[0].weights.T.astype(np.int64) >= layer.neuron.thresholds).astype(np.int64)
    last = network.layers[-1]
    return values @ last.synapses[0].weights.T.astype(np.int64) + last.neuron.bias


@pytest.mark.parametrize("input_bits", [1, 2, 4, 8])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_forward_is_exact(input_bits, bits):
    network = random_network((33, 17, 9, 4), input_bits=input_bits, bits=bits, seed=bits)
    images = random_images(network, 50)
    output = network.forward(images, trace=True, batch=7)
    scores = plain_forward(network, images)
    assert (output.scores == scores).all()
    assert (output.classes == scores.argmax(axis=1)).all()
    assert set(output.spikes) == {"layer0", "layer1"}
    assert set(output.accumulators) == {"layer0", "layer1", "layer2"}


def test_forward_is_exact_beyond_float32():
    inputs = 9000
    weights = np.full((2, inputs), 127, np.int8)
    weights[0, 0] = 126
    network = readout_only((inputs,), Dense(weights, 8), [0, 0])
    output = network.forward(np.full((1, inputs), 255, np.uint8))
    assert output.scores[0].tolist() == [255 * (127 * inputs - 1), 255 * 127 * inputs]


def test_forward_takes_torch_and_flat_images_and_none_at_all():
    network = readout_only((2, 3), dense(2, 6), [0, 0])
    image = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
    assert network.forward(torch.tensor(image)).scores.tolist() == [[15, 15]]
    assert network.forward(image.reshape(1, 6)).scores.tolist() == [[15, 15]]
    assert network.forward(image[:0]).scores.shape == (0, 2)


def test_ties_go_to_the_lowest_class():
    network = readout_only((1,), dense(5, 1, 0), [1, 3, 3, 0, 3])
    assert network.forward(np.zeros((1, 1), np.uint8)).classes.tolist() == [1]


def test_unreachable_thresholds_do_not_widen_the_circuit():
    fire = Fire(np.array([2**30, -(2**30), 5], np.int32))
    low, high = np.array([-4, -4, -4]), np.array([9, 9, 9])
    assert fire.offsets(low, high).tolist() == [-10, 4, -5]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Dense(np.ones((2, 2), np.int16), 4), "weights must be an int8 array, not int16"),
        (lambda: Dense(np.ones(4, np.int8), 4), r"shape \(neurons, inputs\), both at least 1, not \(4,\)"),
        (lambda: dense(1, 1, 8), "4-bit weights must lie in -7 .. 7, not 8 .. 8"),
        (lambda: dense(1, 1, 0, 1), "1-bit weights must be -1 or"),
        (lambda: dense(1, 1, 1, 9), "bits must be an integer from 1 to 8, not 9"),
        (lambda: Fire(np.zeros(3)), "thresholds must be an int32 array, not float64"),
        (lambda: Readout(np.full(1, 2**30 + 1, np.int32)), r"bias must lie in -2\^30"),
        (lambda: Input((28, 28), 17), "bits must be an integer from 1 to 16, not 17"),
        (lambda: Input((28, 28), True), "bits must be an integer from 1 to 16, not True"),
        (lambda: Input((28, 28), 4, signed=1), "signed must be true or false, and false of events, not 1"),
        (lambda: Input((28, 28), 4, "steps", True), "signed must be true or false, and false of events, not True"),
        (lambda: Input((0,), 1), "1 to 3 positive integers"),
        (lambda: Input((True, 4), 1), "1 to 3 positive integers"),
        (lambda: Input((2**32, 2**32), 1), "has more than 65,536 pixels"),
        (lambda: Layer("Bad name", dense(1, 1), Fire(np.zeros(1, np.int32))), "lower-case letters"),
        (lambda: Layer("a", dense(2, 1), Fire(np.zeros(3, np.int32))), "2 neurons in the weights, 3 in the thresholds"),
    ],
)
def test_bad_parts(make, text):
    with pytest.raises(UserError, match=text):
        make()


def test_bad_networks():
    fire = Layer("one", dense(3, 4), Fire(np.zeros(3, np.int32)))
    read = Layer("two", dense(2, 3), Readout(np.zeros(2, np.int32)))
    for layers, classes, text in [
        ((), "ab", "at least one layer"),
        ((fire,), "abc", "the last layer, and only that one, must be a readout"),
        ((fire, fire), "abc", "must be a readout|used twice"),
        ((read, read), "ab", "takes? 3 inputs, but input gives 4"),
        ((fire, read), "abc", "2 different class names wanted"),
        ((fire, Layer("two", dense(2, 3), read.neuron, ("none",))), "ab", "source 'none' does not exist"),
    ]:
        with pytest.raises(UserError, match=text):
            Network("n", Input((4,), 1), layers, tuple(classes))


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (np.zeros((2, 21), np.uint8), r"images must have shape \(count, 20\), not \(2, 21\)"),
        (np.zeros((2, 20), np.float32), "images must be uint8 with values 0 .. 255, not float32"),
        (np.zeros((), np.uint8), "images must have shape"),
    ],
)
def test_bad_images(network, images, text):
    with pytest.raises(UserError, match=text):
        network.forward(images)
