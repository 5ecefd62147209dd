"""Counts as numbers and numbers as counts: the same scores, or a line that names the layer where that can't be."""

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.collapse import collapse, counterpart, expand, is_literal
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.planes import RADIX, STEPS
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, OrPool


def table(*values):
    return np.array(values, np.int32)


def quantized(rng, size, steps, code, fraction=0):
    thresholds = rng.integers(1, 9, size).astype(np.int32) << fraction
    return Quantized(thresholds, rng.integers(-4, 9, size).astype(np.int32), steps, code, fraction)


def weights(rng, *shape):
    return rng.integers(-3, 4, shape).astype(np.int8)


def random_network(rng, code, *, events=False):
    """Return a network of convolution, pooling, a sum of two sources and dense layers, of K = 2 to 4 bits or 2^K - 1
    steps of one code."""
    bits = int(rng.integers(2, 5))
    planes = bits if code == RADIX else 2**bits - 1
    pool = MaxPool if code == RADIX else OrPool
    size = int(rng.integers(4, 7))
    fraction = int(rng.integers(0, 3))
    entering = Input((size, size, 2), 3, STEPS) if events else Input((size, size, 2), 4)
    stride, padding = (int(n) for n in rng.integers(1, 3, 2))
    layers = [
        Layer("a", Conv2d(weights(rng, 3, 3, 3, 2), 3, 1, 1), quantized(rng, 3, planes, code, fraction)),
        Layer("b", pool(2, stride, padding - 1), None),
        Layer("c", Conv2d(weights(rng, 3, 3, 3, 3), 3, 1, 1), quantized(rng, 3, planes, code)),
        Layer(
            "d",
            (Conv2d(weights(rng, 2, 1, 1, 3), 3), Conv2d(weights(rng, 2, 3, 3, 3), 3, 1, 1)),
            quantized(rng, 2, planes, code) if rng.random() < 0.7 else Fire(table(3, 40)),
            ("b", "c"),
        ),
    ]
    side = (size + 2 * (padding - 1) - 2) // stride + 1
    readout = Layer("out", Dense(weights(rng, 4, side * side * 2), 3), Readout(table(1, -2, 0, 3)), ("d",))
    return Network("random", entering, (*layers, readout), tuple("abcd"))


def images_of(rng, network, count=20):
    most = 2 if network.input.events else 256
    return rng.integers(0, most, (count, *network.input.data_shape)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("code", [RADIX, STEPS])
def test_both_forms_give_the_same_scores(code, seed):
    rng = np.random.default_rng([seed, code == RADIX])
    network = random_network(rng, code, events=seed % 3 == 0)
    change, back = (expand, collapse) if code == RADIX else (collapse, expand)
    other = change(network)
    images = images_of(rng, network)
    mine, theirs = network.forward(images, trace="spikes"), other.forward(images, trace="spikes")
    assert (mine.scores == theirs.scores).all()
    assert (mine.classes == theirs.classes).all()
    for name in mine.spikes:
        assert (
            network.planes[name].numbers(mine.spikes[name]) == other.planes[name].numbers(theirs.spikes[name])
        ).all()
    assert is_literal(network) != is_literal(other)
    again = back(other)
    assert other.name == f"{network.name}-{'literal' if code == RADIX else 'collapsed'}"
    assert (again.name, again.digest) == (network.name, network.digest)
    assert counterpart(network).describe() == other.describe()


def small(rng, neuron, readout=None, *, between=(), entering=None):
    entering = entering or Input((6,), 4)
    layers = (Layer("first", Dense(weights(rng, 5, 6), 3), neuron), *between)
    last = Layer("out", Dense(weights(rng, 2, 5), 3), readout or Readout(table(0, 1)))
    return Network("small", entering, (*layers, last), ("a", "b"))


def integrate(steps, size=5):
    return Integrate(*(np.full(size, n, np.int32) for n in (4, 4, 0, 0)), steps)


def test_what_is_no_count_is_refused_by_its_layer():
    rng = np.random.default_rng(0)
    cases = [
        (collapse, small(rng, quantized(rng, 5, 4, STEPS)), "layer first has 4 steps, and only counts of 3, 7, 15, 31"),
        (collapse, small(rng, integrate(3)), r"layer first \(integrate\) gives spikes in steps of their own"),
        (
            collapse,
            small(rng, quantized(rng, 5, 3, STEPS), LeakyReadout(table(0, 0), 3, 2)),
            r"layer out \(leaky_readout\) sees the sum of each step",
        ),
        (
            collapse,
            small(rng, quantized(rng, 5, 3, STEPS), between=[Layer("mid", Dense(weights(rng, 5, 5), 3), integrate(3))]),
            r"layer mid \(integrate\) sees the sum of each step",
        ),
        (
            expand,
            small(rng, quantized(rng, 5, 3, RADIX), between=[Layer("mid", Dense(weights(rng, 5, 5), 3), integrate(3))]),
            r"layer mid \(integrate\) sees the same number in every step",
        ),
        (expand, small(rng, quantized(rng, 5, 6, RADIX)), "layer first has numbers of 6 bits, and 63 steps are more"),
        (collapse, small(rng, Fire(table(*range(5)))), "no layer behind the input gives several steps"),
        (expand, small(rng, Fire(table(*range(5)))), "no layer behind the input gives several bits"),
        (
            collapse,
            small(rng, Quantized(np.full(5, 1 << 30, np.int32), np.zeros(5, np.int32), 3, STEPS)),
            "layer first can't have 2 planes of code radix: thresholds of",
        ),
    ]
    for change, network, message in cases:
        with pytest.raises(UserError, match=message):
            change(network)


def test_an_or_of_counts_has_no_numbers():
    rng = np.random.default_rng(0)
    layers = (
        Layer("p", Dense(weights(rng, 5, 6), 3), quantized(rng, 5, 3, STEPS), ("input",)),
        Layer("q", Dense(weights(rng, 5, 5), 3), quantized(rng, 5, 3, STEPS), ("p",)),
        Layer("r", (Or(),), None, ("p", "q")),
        Layer("out", Dense(weights(rng, 2, 5), 3), Readout(table(0, 1)), ("r",)),
    )
    with pytest.raises(UserError, match="layer r joins spikes by 'or'"):
        collapse(Network("ored", Input((6,), 4), layers, ("a", "b")))
