"""NIR graphs of integer weights, drawn: neurons, layers, and whole networks of every kind that is read."""

import numpy as np
import pytest

nir = pytest.importorskip("nir")

DRAW = np.random.default_rng(5)


def ints(*shape, most=3):
    return DRAW.integers(-most, most + 1, shape).astype(np.float32)


def full(shape, value):
    return np.full(shape, value, np.float32)


def fires(shape, threshold=4.0, r=1.0, rest=0.0):
    """Integrate-and-fire neurons."""
    return nir.IF(full(shape, r), full(shape, threshold), full(shape, rest))


def leaks(shape, tau=2.0, threshold=4.0, low=0.0, rest=0.0, r=None):
    """Leaky ones, whose input a step is taken whole unless ``r`` says otherwise."""
    r = tau if r is None else r
    return nir.LIF(full(shape, tau), full(shape, r), full(shape, low), full(shape, threshold), full(shape, rest))


def conv(outputs, inputs, kernel=3, **settings):
    how = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1} | settings
    return nir.Conv2d(None, ints(outputs, inputs // how["groups"], kernel, kernel), bias=ints(outputs), **how)


def listed(*nodes):
    return nir.NIRGraph.from_list(*nodes)


def dense():
    return listed(
        nir.Affine(ints(12, 20), ints(12)),
        fires(12, 5),
        nir.Linear(ints(8, 12)),
        leaks(8),
        nir.Affine(ints(4, 8), ints(4)),
    )


def images():
    return listed(
        nir.Input(np.array([2, 8, 8])),
        conv(4, 2, stride=2),
        fires((4, 4, 4), 6),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        conv(6, 4, groups=2),
        leaks((6, 2, 2), 2, 5),
        nir.Flatten({"input": np.array([6, 2, 2])}, 0),
        nir.Linear(ints(3, 24)),
        fires(3, 3),
    )


def averages():
    return listed(
        nir.Input(np.array([1, 8, 8])),
        conv(4, 1),
        fires((4, 8, 8)),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        fires((4, 4, 4), 0.75),
        nir.AvgPool2d(np.array([4, 4]), np.array([4, 4]), np.array([0, 0])),
        nir.Flatten({"input": np.array([4, 1, 1])}, 0),
        nir.Linear(ints(3, 4)),
    )


def signals():
    return listed(
        nir.Input(np.array([3, 12])),
        nir.Conv1d(12, ints(5, 3, 3), 2, 1, 1, 1, ints(5)),
        fires((5, 6), 5),
        nir.Conv1d(6, ints(4, 5, 3), 1, "same", 1, 1, ints(4)),
        leaks((4, 6), 4, 6),
        nir.Flatten({"input": np.array([4, 6])}, 0),
        nir.Affine(ints(3, 24), ints(3)),
    )


def channels():
    """What differs from neuron to neuron, and factors between."""
    many = DRAW.integers(2, 7, 9).astype(np.float32)
    unlike = nir.IF(DRAW.choice([1, 2, 0.5], 9).astype(np.float32), many)
    return listed(
        nir.Linear(ints(9, 16)),
        unlike,
        nir.Linear(ints(6, 9)),
        nir.Scale(DRAW.choice([1.0, 2.0, -1.0, 0.5], 6).astype(np.float32)),
        nir.LIF(full(6, 2), full(6, 2), full(6, 0), DRAW.integers(2, 6, 6).astype(np.float32)),
        nir.Linear(ints(4, 6)),
    )


def nested():
    """Edges in any order, a graph in a graph, two ways that meet."""
    inner = nir.NIRGraph(
        {
            "in": nir.Input(np.array([8])),
            "w": nir.Linear(ints(8, 8)),
            "n": fires(8, 3),
            "out": nir.Output(np.array([8])),
        },
        [("n", "out"), ("in", "w"), ("w", "n")],
    )
    return nir.NIRGraph(
        {
            "output": nir.Output(np.array([3])),
            "last": nir.Linear(ints(3, 8)),
            "join": fires(8, 4),
            "left": nir.Linear(ints(8, 8)),
            "block": inner,
            "right": nir.Linear(ints(8, 8)),
            "begin": fires(8, 3),
            "w": nir.Affine(ints(8, 10), ints(8)),
            "input": nir.Input(np.array([10])),
        },
        [
            ("join", "last"),
            ("last", "output"),
            ("left", "join"),
            ("right", "join"),
            ("block", "right"),
            ("begin", "left"),
            ("begin", "block"),
            ("w", "begin"),
            ("input", "w"),
        ],
        type_check=False,
    )


def with_floats(graph):
    """Return ``graph`` with real numbers for weights, which have to be rounded."""
    for node in graph.nodes.values():
        if isinstance(node, nir.NIRGraph):
            with_floats(node)
        elif hasattr(node, "weight"):
            node.weight = DRAW.normal(size=np.shape(node.weight)).astype(np.float32)
    return graph


def cell(neurons, weights):
    """``neurons`` that read their own spikes through ``weights``, as exporters nest them."""
    shape = np.array([len(weights.weight)])
    nodes = {"input": nir.Input(shape), "lif": neurons, "w_rec": weights, "output": nir.Output(shape)}
    return nir.NIRGraph(nodes, [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])


def recurrent(inputs=8, neurons=10, classes=4, *, tau=None):
    """One recurrent layer of integers, leaky with a ``tau``."""
    own = fires(neurons, 4) if tau is None else leaks(neurons, tau, 4)
    return listed(
        nir.Linear(ints(neurons, inputs)),
        cell(own, nir.Affine(ints(neurons, neurons, most=2), ints(neurons, most=1))),
        nir.Affine(ints(classes, neurons), ints(classes)),
    )


def two_layers_in_a_loop():
    """The second layer's spikes come back to the first, whose weights are ``a``."""
    size = np.array([6])
    nodes = {
        "o": nir.Output(np.array([3])),
        "back": nir.Linear(ints(6, 7)),
        "i": nir.Input(size),
        "w": nir.Linear(ints(6, 6)),
        "a": fires(6, 3),
        "v": nir.Linear(ints(7, 6)),
        "b": leaks(7, 2, 3),
        "out": nir.Linear(ints(3, 7)),
    }
    edges = [("b", "back"), ("back", "a"), ("i", "w"), ("w", "a"), ("a", "v"), ("v", "b"), ("b", "out"), ("out", "o")]
    return nir.NIRGraph(nodes, edges, type_check=False)
