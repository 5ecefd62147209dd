"""A float graph made by hand, without torch modules: what it refuses, and the integer network that comes of it."""

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input
from s2nn_hw.network.synapses import MaxPool, Or
from s2nn_hw.quantize.connection import Connection
from s2nn_hw.quantize.convert import convert, needs_calibration
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import FloatFire, FloatReadout, Norm

CONV = Connection("conv", (3, 3), padding=1)
IDENTITY = Connection("conv", groups=2)


def norm(draw, channels):
    return Norm(
        *(draw.normal(size=channels) for _ in range(3)), variance=draw.uniform(0.5, 2.0, channels), epsilon=1e-5
    )


def levels(draw, shape, bits):
    limit = 2 ** (bits - 1) - 1
    return FloatSynapse(draw.integers(-limit, limit + 1, shape).astype(float), bits)


def dense(inputs=4, classes=3, **options):
    """A graph of a hidden layer of two neurons, the readout behind it."""
    draw = np.random.default_rng(0)
    hidden = {
        "sources": ("input",),
        "synapses": (levels(draw, (2, inputs), 3),),
        "neuron": FloatFire(norm(draw, 2)),
        "scale": np.array([0.5, 0.25]),
    }
    readout = FloatLayer(
        "readout", ("hidden1",), (levels(draw, (classes, 2), 4),), FloatReadout(draw.normal(size=3)), np.array([0.125])
    )
    return FloatGraph(
        "hand", Input((inputs,), 2), (FloatLayer("hidden1", **hidden | options), readout), ("a", "b", "c")
    )


def images_graph(scaled=True):
    """Convolution, residual sum of two tables, max pool, OR, average and readout; float weights unless ``scaled``."""
    draw = np.random.default_rng(5)

    def layer(name, sources, shapes, connections, neuron, one=False):
        tables = [levels(draw, shape, 4).weights for shape in shapes]
        scale = draw.uniform(0.05, 0.2, 1 if one else neuron.size)
        if not scaled:
            tables = [table * scale.reshape(-1, *[1] * (table.ndim - 1)) for table in tables]
        synapses = tuple(FloatSynapse(w, 4, how) for w, how in zip(tables, connections, strict=True))
        return FloatLayer(name, sources, synapses, neuron, scale if scaled else None)

    return FloatGraph(
        "hand",
        Input((8, 8), 2),
        (
            layer("conv1", ("input",), [(2, 1, 3, 3)], [CONV], FloatFire(norm(draw, 2))),
            layer(
                "conv2", ("conv1", "conv1"), [(2, 2, 3, 3), (2, 1, 1, 1)], [CONV, IDENTITY], FloatFire(norm(draw, 2))
            ),
            FloatLayer("or1", ("conv1", "conv2"), (Or(),)),
            FloatLayer("pool1", ("or1",), (MaxPool(2),)),
            layer(
                "readout", ("pool1",), [(3, 8)], [Connection("pooled", pool=(2, 2))], FloatReadout(np.ones(3)), one=True
            ),
        ),
        ("a", "b", "c"),
    )


def spikes(layer, total):
    """The module's formula on sums ``(..., channels)``."""
    n = layer.neuron.norm
    return n.gamma * (total - n.mean) / np.sqrt(n.variance + n.epsilon) + n.beta >= layer.neuron.threshold


def convolved(x, weights, groups=1):
    """Sums of ``weights`` ``(channels, inputs, rows, columns)`` over images ``(count, rows, columns, channels)``."""
    reach = weights.shape[2] // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    seen = np.lib.stride_tricks.sliding_window_view(padded, weights.shape[2:], axis=(1, 2))
    if groups > 1:  # a weight a channel
        return seen[..., 0, 0] * weights[:, 0, 0, 0]
    return np.einsum("brcnij,mnij->brcm", seen, weights)


def test_dense_layers_by_hand_have_the_spikes_of_the_formula():
    graph = dense()
    network = convert(graph)
    hidden, readout = graph.layers
    images = np.random.default_rng(1).integers(0, 256, (50, 4), dtype=np.uint8)
    out = network.forward(images, trace=True)
    wanted = spikes(hidden, (images >> 6) @ hidden.tables[0].weights.T * hidden.scale)
    assert 0 < wanted.mean() < 1
    assert np.array_equal(out.spikes["hidden1"], wanted)
    signs = np.where(hidden.neuron.norm.gamma < 0, -1, 1)
    assert np.array_equal(network.layers[0].synapses[0].weights, hidden.tables[0].weights * signs[:, None])
    assert np.array_equal(network.layers[1].synapses[0].weights, readout.tables[0].weights)
    assert np.array_equal(network.layers[1].neuron.bias, np.rint(readout.neuron.bias / 0.125))
    assert (network.name, network.classes, network.input) == ("hand", ("a", "b", "c"), graph.input)


def test_images_by_hand_have_the_spikes_of_the_formula():
    graph = images_graph()
    network = convert(graph)
    first, second = graph.layers[:2]
    images = np.random.default_rng(2).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    x = (images >> 6).astype(float)[..., None]
    one = spikes(first, convolved(x, first.tables[0].weights) * first.scale)
    main, side = (table.weights for table in second.tables)
    two = spikes(second, (convolved(one, main) + convolved(one, side, 2)) * second.scale)
    pooled = (one | two).reshape(20, 4, 2, 4, 2, 2).any(axis=(2, 4))
    cells = pooled.reshape(20, 2, 2, 2, 2, 2).sum(axis=(2, 4)).reshape(20, 8)
    out = network.forward(images, trace=True)
    for name, wanted in (("conv1", one), ("conv2", two), ("pool1", pooled)):
        assert np.array_equal(out.spikes[name], wanted.reshape(20, -1)), name
        assert 0 < wanted.mean() < 1
    last = graph.layers[-1]
    bias = np.rint(1 / last.scale[0])
    assert np.array_equal(out.scores, cells @ last.tables[0].weights.T + bias)
    assert graph.shapes["pool1"] == (4, 4, 2)


def test_float_weights_are_rounded_near_the_integers_they_were_made_of():
    images = np.random.default_rng(3).integers(0, 256, (200, 8, 8), dtype=np.uint8)
    graph = images_graph(scaled=False)
    assert needs_calibration(graph)
    with pytest.raises(UserError, match="need calibration images"):
        convert(graph)
    came, wanted = convert(graph, bits=[8] * 3, calibration=images), convert(images_graph())
    a, b = (network.forward(images, trace="spikes").spikes for network in (came, wanted))
    assert all((a[name] != b[name]).mean() < 0.05 for name in b)


def test_an_affine_is_a_norm():
    factor, shift = np.array([2.0, -1.0]), np.array([0.5, 0.25])
    affine = Norm.affine(factor, shift)
    network = convert(dense(neuron=FloatFire(affine, 0.0)))
    hidden = dense().layers[0]
    images = np.random.default_rng(1).integers(0, 256, (50, 4), dtype=np.uint8)
    wanted = factor * ((images >> 6) @ hidden.tables[0].weights.T * hidden.scale) + shift >= 0
    assert np.array_equal(network.forward(images, trace=True).spikes["hidden1"], wanted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sources": ("hidden2",)}, r"layer hidden1: sources must be earlier layers \(input\), not \['hidden2'\]"),
        ({"scale": np.array([1.0, 0.0])}, r"layer hidden1: scale must be positive, of shape \(1,\) or \(2,\)"),
        ({"scale": np.ones(3)}, r"scale must be positive, .* not \(3,\)"),
        ({"synapses": (FloatSynapse(np.full((2, 4), 0.5), 3),)}, r"with a scale must be integers in -3 .. 3"),
        ({"synapses": (FloatSynapse(np.full((2, 4), 4.0), 3),)}, r"with a scale must be integers in -3 .. 3"),
        ({"synapses": (FloatSynapse(np.zeros((2, 4)), 1),)}, "1-bit weights with a scale must be -1 or"),
        ({"synapses": (FloatSynapse(np.ones((2, 5)), 3),)}, r"for a value of \(4,\) must have shape \(2, 4\), not"),
        ({"synapses": (FloatSynapse(np.ones((3, 4)), 3),)}, r"weights and neurons must be as many, not \[2, 3\]"),
        ({"synapses": (MaxPool(2),)}, "neurons want weights, one table a source"),
        ({"neuron": None}, "without neurons one max pooling or OR is wanted"),
        ({"neuron": FloatReadout(np.ones(2)), "scale": None}, "the last layer, and only that one, must be a readout"),
        ({"scale": np.ones(1, np.float32)}, "arrays must be of one type, not float32, float64"),
    ],
)
def test_graphs_that_are_none(options, words):
    with pytest.raises(UserError, match=words):
        dense(**options)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FloatSynapse(np.array([[np.nan]]), 3), "weights must be finite"),
        (lambda: FloatSynapse(np.ones((1, 1), int), 3), "weights must be an array of float32 or float64, not int64"),
        (lambda: FloatSynapse(np.ones((1, 1)), 9), "weight bits must be an integer from 1 to 8, not 9"),
        (lambda: FloatFire(Norm.affine(np.ones(1), np.ones(1)), float("inf")), "the threshold must be a number"),
        (lambda: FloatReadout(np.ones((1, 1))), r"bias must have shape \(classes,\)"),
        (lambda: Norm.affine(np.ones(1), np.ones(2)), r"must have one shape \(channels,\), not \[\(1,\), \(2,\)\]"),
        (lambda: Norm(*np.ones((3, 1)), variance=-np.ones(1)), "variance and epsilon must not be negative"),
        (lambda: Norm(*np.ones((3, 1)), variance=np.zeros(1)), "must be positive"),
        (lambda: Connection("sparse"), "a connection must be one of dense, conv, pooled, not 'sparse'"),
        (lambda: dense(classes=2), "weights and neurons must be as many"),
    ],
)
def test_parts_that_are_none(make, words):
    with pytest.raises(UserError, match=words):
        make()
