"""Networks at the edges of what can be built, each with the plan that brings it there."""

import contextlib
from dataclasses import replace

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.synapses import MaxPool, Or
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from tests.support.graphs import convolution, dense, identity, joined, pooled

# shape of the image, bits of a pixel, layers, changes to the default plan by layer
CASES = {
    "image of one pixel": ((1, 1, 1), 1, [convolution(2, 1), dense(2)], {}),
    "kernel of one, stride three": ((7, 5, 2), 2, [convolution(3, 1, stride=3), dense(3)], {}),
    "kernel beyond the image": ((2, 2, 1), 2, [convolution(3, 7, padding=6), dense(3)], {}),
    "kernel seven": ((9, 8, 1), 4, [convolution(4, 7, stride=2, padding=3), dense(3)], {"layer0": {"taps": 7}}),
    "flat kernels": ((6, 5, 2), 1, [convolution(3, (1, 3)), convolution(4, (4, 1), stride=2), dense(2)], {}),
    "strides leave rows out": ((8, 7, 1), 1, [convolution(3, 2, stride=3), convolution(3, 2, stride=2), dense(2)], {}),
    "two axes": ((6, 6), 4, [convolution(4, 3, padding=1), dense(3)], {}),
    "dense readers of an image": ((4, 3, 3), 2, [dense(7), dense(3)], {}),
    "no hidden layer": ((3, 4, 2), 8, [pooled(4, (3, 2))], {"readout": {"width": 2}}),
    "depthwise, event": (
        (6, 6, 5),
        2,
        [convolution(5, 3, padding=1), convolution(5, 3, padding=1, groups=0), dense(3)],
        {"layer1": {"engine": "event", "taps": 3, "banks": 6}},
    ),
    "depthwise, parallel": (
        (5, 5, 2),
        2,
        [convolution(8, 3), convolution(8, 3, padding=1, groups=0), dense(3)],
        {"layer1": {"engine": "parallel", "taps": 9, "groups": 2, "width": 4}},
    ),
    "grouped, parallel": (
        (5, 5, 2),
        2,
        [convolution(8, 3), convolution(12, 3, groups=2), dense(3)],
        {"layer1": {"engine": "parallel", "taps": 4, "groups": 2, "width": 4}},
    ),
    "grouped, event": (
        (5, 5, 2),
        2,
        [convolution(8, 3), convolution(8, 2, groups=4), dense(3)],
        {"layer1": {"engine": "event", "taps": 2, "groups": 2, "banks": 2, "width": 2}},
    ),
    "pointwise without a window": (
        (5, 4, 3),
        4,
        [convolution(6, 3), convolution(9, 1), convolution(3, 1), dense(2)],
        {},
    ),
    "groups with spare lanes": (
        (4, 4, 2),
        2,
        [convolution(5, 3, padding=1), convolution(7, 2), dense(5)],
        {"layer0": {"groups": 2}, "layer1": {"groups": 3}, "readout": {"groups": 2}},
    ),
    "fused pooling leaves rows out": ((9, 7, 2), 2, [convolution(4, 2), joined(MaxPool(3)), dense(3)], {}),
    "fused pooling, groups": (
        (8, 8, 1),
        2,
        [convolution(6, 3, padding=1), joined(MaxPool(2)), convolution(4, 3), joined(MaxPool(2)), dense(3)],
        {"layer0": {"groups": 3}},
    ),
    "pooling apart": ((8, 6, 2), 1, [convolution(5, 3), joined(MaxPool(2)), dense(3)], {"layer1": {"engine": "or"}}),
    "overlapping pooling": (
        (8, 7, 2),
        2,
        [convolution(5, 3, padding=1), joined(MaxPool(3, 2, 1)), dense(3)],
        {"layer1": {"taps": 3}},
    ),
    "pooling of a pooling": (
        (8, 8, 1),
        1,
        [convolution(3, 3, padding=1), joined(MaxPool(2)), joined(MaxPool(2)), dense(2)],
        {},
    ),
    "pooled readout": ((6, 8, 2), 2, [convolution(5, 3, padding=1), pooled(4, (3, 4))], {"readout": {"banks": 2}}),
    "global pooled readout, parallel": (
        (4, 4, 2),
        2,
        [convolution(6, 3, padding=1), pooled(3, (4, 4))],
        {"readout": {"engine": "parallel"}},
    ),
    "readout in groups": ((4, 4, 1), 2, [convolution(4, 3), pooled(10, (1, 2))], {"readout": {"groups": 3}}),
    "identity shortcut": (
        (6, 5, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1), identity("layer0")],
            dense(3),
        ],
        {},
    ),
    "projection with stride": (
        (7, 6, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(6, 3, stride=2, padding=1),
            [convolution(6, 3, padding=1), convolution(6, 1, stride=2, source="layer0")],
            dense(3),
        ],
        {"layer2": {"taps": 3, "banks": 6, "groups": 2}},
    ),
    "shortcut, parallel, fused pooling": (
        (6, 6, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1), identity("layer0")],
            joined(MaxPool(2)),
            dense(3),
        ],
        {"layer2": {"engine": "parallel", "taps": 3}},
    ),
    "both sources are one": (
        (4, 4, 2),
        1,
        [convolution(4, 3, padding=1), [convolution(4, 3, padding=1), identity("layer0")], dense(3)],
        {},
    ),
    "or": (
        (6, 6, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            convolution(4, 2, stride=1, padding=1, source="layer0"),
            joined(MaxPool(2, 1)),
            joined(Or(), "layer1", "layer3"),
            dense(3),
        ],
        {},
    ),
    "or of three": (
        (4, 4, 1),
        2,
        [
            convolution(6, 3, padding=1),
            convolution(6, 1),
            convolution(6, 3, padding=1),
            joined(Or(), "layer2", "layer0", "layer1"),
            pooled(3, (2, 2)),
        ],
        {},
    ),
    "pooled, dense": (
        (3, 4, 2),
        4,
        [convolution(3, 1), dense(5), [pooled(4, (1, 1), source="layer0"), dense(4, bits=1)]],
        {},
    ),
    "pooled, dense, in groups": (
        (4, 4, 2),
        4,
        [
            convolution(5, 3, padding=1),
            convolution(3, 2),
            [pooled(7, (2, 1), source="layer0"), dense(7, source="layer1")],
            dense(3),
        ],
        {"layer2": {"groups": 2, "banks": 2}},
    ),
    "dense, pooled, dense": (
        (4, 6, 2),
        2,
        [
            convolution(5, 3, padding=1),
            dense(6),
            [dense(5, bits=1), pooled(5, (2, 3), source="layer0"), dense(5, source="layer1")],
        ],
        {},
    ),
    "pooled in a join, parallel": (
        (4, 6, 2),
        2,
        [
            convolution(5, 3, padding=1),
            convolution(3, 2),
            [pooled(5, (2, 3), source="layer0"), dense(5, source="layer1"), pooled(5, (3, 1), source="layer1")],
            dense(2),
        ],
        {"layer2": {"engine": "parallel", "groups": 2}},
    ),
    "a pool of one position, dense": (
        (2, 1, 1),
        1,
        [
            convolution(3, 1),
            convolution(2, (2, 1)),
            [dense(2), pooled(2, (2, 1), source="layer0"), pooled(2, (1, 1), source="layer1")],
        ],
        {},
    ),
    "kernels in both sources": (
        (5, 5, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1), convolution(4, 3, padding=1, source="layer0")],
            dense(3),
        ],
        {"layer2": {"taps": 3}},
    ),
    "the smaller kernel first": (
        (5, 5, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 1, source="layer0"), convolution(4, 3, padding=1)],
            dense(3),
        ],
        {"layer2": {"taps": 9, "banks": 1}},
    ),
    "pooled, of the input": ((4, 6, 3), 2, [pooled(4, (2, 3)), dense(3)], {}),
    "pooled, of the input, spare places": ((4, 4, 3), 4, [pooled(4, (2, 2)), dense(3)], {"layer0": {"width": 2}}),
    "pooled, of an input of one channel": ((4, 4), 8, [pooled(4, (2, 4))], {"readout": {"groups": 2, "width": 4}}),
    "dense, of the input, beside a convolution": (
        (3, 3, 3),
        2,
        [convolution(3, 2), dense(4, source="input"), [dense(3), dense(3, source="layer0")]],
        {"layer0": {"width": 4}, "layer1": {"width": 4, "banks": 2}},
    ),
    "taps in the padding": (
        (4, 3, 2),
        1,
        [convolution(5, 3, padding=2), convolution(4, 3, padding=2), dense(3)],
        {"layer0": {"engine": "parallel", "taps": 1}, "layer1": {"taps": 1}},
    ),
    "weights of one bit": (
        (5, 5, 3),
        2,
        [
            convolution(4, 3, padding=1, bits=1),
            convolution(4, 3, padding=1, groups=2, bits=1),
            convolution(4, 1, bits=1),
            [convolution(4, 3, padding=1, bits=1), identity("layer1", bits=1)],
            pooled(3, (5, 5), bits=1),
        ],
        {},
    ),
    "spare places, weights of one bit": ((3, 3, 3), 1, [convolution(4, 1, bits=1), dense(2, bits=1)], {}),
    "dense after an image": (
        (5, 5, 1),
        4,
        [convolution(5, 3), dense(20), dense(4)],
        {"layer1": {"banks": 2, "width": 8, "groups": 4}},
    ),
}


def settle(network, plan, images):
    """Return ``plan`` with windows deep enough at every join; the cycle model says when they are."""
    joins = [layer for layer in network.layers if len(layer.sources) > 1]
    _, values = layer_inputs(network, images)
    for words in (0, 8, 32, 128, 512, 4096):
        deeper = with_buffers(plan, {layer.name: (words,) * len(layer.sources) for layer in joins if words})
        with contextlib.suppress(Deadlock, UserError):
            timing = Design(network, deeper).timing
            timing.schedule(timing.ones(values), length=len(images))
            return deeper
    raise AssertionError("a join stops at any depth")


def plan_of(network, changes, images):
    """Return the default plan with ``changes`` by layer; where they say no banks there are as many as taps."""
    layers = []
    for choice in default_plan(network, "xc7").layers:
        change = changes.get(choice.name, {})
        layers.append(replace(choice, **{"banks": change.get("taps", choice.banks)} | change))
    return settle(network, Plan(tuple(layers)), images)
