"""What lowering refuses, in one line that names the layer, what was wanted and what came; and how streams are cut."""

from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.lower import lower
from s2nn_hw.design import Design
from s2nn_hw.emit import pack_beats, place_pixels
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.program import Program, idle
from s2nn_hw.network.synapses import Conv2d, MaxPool, Or, PooledDense
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.plan.plan import load_plan, parse_plan
from tests.support.graphs import build, convolution, dense, identity, joined
from tests.support.networks import random_images


@pytest.fixture(scope="module")
def network():
    return build(
        (6, 6, 2),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1), identity("layer0")],
            joined(MaxPool(2)),
            dense(3),
        ],
    )


def changed(network, **changes):
    return Plan(tuple(replace(c, **changes.get(c.name, {})) for c in default_plan(network, "xc7").layers))


def refused(call, text):
    with pytest.raises(UserError, match=text) as error:
        call()
    assert "\n" not in str(error.value)


class Acting(Fire):
    """A threshold neuron whose accumulator has an action behind the last plane."""

    def program(self, planes, low, high):
        """Return the action, which adds nothing."""
        return Program(self.offsets(low, high), after=(idle(self.size),))


def test_pooling_behind_unrolled_neurons_that_act_is_refused():
    plain = build((6, 6, 1), 1, [convolution(4, 3), joined(MaxPool(2)), dense(3)])
    first = plain.layers[0]
    acting = replace(first, neuron=Acting(first.neuron.thresholds))
    network = replace(plain, layers=(acting, *plain.layers[1:]))
    plan = unrolled_plan(network, lut=6)
    lower(network, plan)
    fused = Plan(tuple(replace(c, engine="fused") if c.name == "layer1" else c for c in plan.layers))
    refused(
        lambda: lower(network, fused), "max pooling layer1 can't be fused behind unrolled neurons that act on .*'or'"
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"layer1": {"width": 2}}, "layer layer1: all readers of layer0 need one width, not 2 .layer1. and 4 .layer2."),
        ({"layer1": {"groups": 5}}, "layer layer1: groups must be an integer from 1 to 4, the neurons, not 5"),
        ({"layer1": {"groups": 3}}, "layer layer1: 3 groups of 2 lanes leave a group without any of the 4 neurons"),
        ({"layer1": {"banks": 3}}, "layer layer1: event engine: width must be a power of two times the banks"),
        ({"layer1": {"taps": 2}}, "layer layer1: .* banks a multiple of the taps, not 8 inputs a word, 1 banks and 2"),
        ({"layer2": {"buffers": (8,)}}, r"layer layer2: buffers must list 2 depths, one per source, not \[8\]"),
        ({"layer3": {"engine": "unrolled", "buffers": (8, 8)}}, "layer layer3: buffers must list 1 depths"),
        ({"layer2": {"buffers": (3, 0)}}, r"layer layer2: window: the buffer needs \d+ words or more, not 3"),
        ({"layer3": {"engine": "or", "width": 2}}, "layer layer3: width must be .*, 4, not 2"),
    ],
)
def test_plans_that_do_not_fit(network, changes, text):
    refused(lambda: lower(network, changed(network, **changes)), text)


@pytest.mark.parametrize("pool", [MaxPool(3, 2, 1), MaxPool(2, 1)])
def test_only_plain_pooling_behind_a_convolution_can_be_fused(pool):
    graph = build((6, 6, 1), 1, [convolution(2, 3), joined(pool), dense(2)])
    refused(
        lambda: lower(graph, changed(graph, layer1={"engine": "fused"})),
        "layer layer1: only max pooling without overlap and padding that alone reads a convolution can be fused",
    )


def test_fusing_wants_the_only_reader():
    graph = build((4, 4, 1), 1, [convolution(2, 3), joined(MaxPool(1)), joined(Or(), "layer0", "layer1"), dense(2)])
    refused(lambda: lower(graph, changed(graph, layer1={"engine": "fused"})), "layer layer1: only max pooling")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda p: p["layers"][1].update(engine="or"),
            "layer layer1 needs engine 'event' or 'parallel' or 'ramp' or 'unrolled' or 'fused', not 'or'",
        ),
        (lambda p: p["layers"][3].update(engine="event"), "layer layer3 needs engine 'or' or 'fused', not 'event'"),
        (lambda p: p["layers"][1].update(taps=50), "layer layer1 needs taps from 1 to 49, not 50"),
        (lambda p: p["layers"][1].update(groups=True), "layer layer1 needs groups from 1 to 65536, not True"),
        (lambda p: p["layers"][1].update(memory="flash"), "layer layer1 needs memory .*, not 'flash'"),
        (lambda p: p["layers"][1].update(buffers=[-1]), r"layer layer1 needs buffers as a list .*, not \[-1\]"),
        (lambda p: p["layers"][1].update(lanes=4), "layer layer1 has the unknown key 'lanes'; known: name, banks"),
        (lambda p: p["layers"].reverse(), "'layers' must list the network's layers .* in order"),
        (lambda p: p.update(network="other"), "is for network other, not for graph"),
        (lambda p: p.update(board="ulx3s"), "is for board ulx3s, not for icebreaker"),
        (lambda p: p["layers"][1].update(width=8), "all readers of layer0 need one width, not 8"),
    ],
)
def test_plan_files_that_do_not_fit(network, change, text):
    content = default_plan(network, "xc7").to_json()
    assert parse_plan(content, network, "plan x") == default_plan(network, "xc7")
    change(content)
    refused(lambda: parse_plan(content, network, "plan x", board="icebreaker"), "^plan x.*" + text)


def test_a_plan_of_another_network_is_refused(tmp_path, network):
    other = build((6, 6, 2), 2, [convolution(4, 3), dense(2)])
    default_plan(other, "xc7").save(tmp_path / "plan.json")
    refused(lambda: load_plan(tmp_path / "plan.json", network), "must list the network's layers")


def rebuilt(network, position, **changes):
    layers = list(network.layers)
    layers[position] = replace(layers[position], **changes)
    return Network(network.name, network.input, tuple(layers), network.classes)


def test_graphs_that_are_none(network):
    for position, changes, text in [
        (1, {"sources": ("layer2",)}, "layer layer1: source 'layer2' comes later, and a network has no cycles"),
        (1, {"sources": ("layer1",)}, "layer layer1: source 'layer1' comes later, and a network has no cycles"),
        (1, {"sources": ("none",)}, "layer layer1: source 'none' does not exist; known here: input, layer0"),
        (2, {"sources": ("layer0", "layer0")}, "layer layer1: nothing reads it"),
        (1, {"name": "layer0"}, "layer layer0: the name is used twice"),
        (2, {"sources": ("layer1",)}, "layer layer2: 2 weight tables, but 1 sources"),
        (2, {"sources": ("layer1", "input")}, "layer layer2: the image is read by weights"),
        (3, {"sources": ("layer1", "layer2")}, "layer layer3: max pooling takes one source, not 2"),
        (3, {"sources": ("input",)}, "layer layer3: the image is read by weights"),
    ]:
        refused(lambda p=position, c=changes: rebuilt(network, p, **c), text)


def test_shapes_that_do_not_fit(network):
    fire = network.layers[1].neuron

    def table(*shape):
        return np.ones(shape, np.int8)

    for synapse, text in [
        (Conv2d(table(4, 7, 7, 4), 2), r"layer layer1: the kernel \(7\) is larger than the padded image \(6 \+ 2"),
        (Conv2d(table(4, 3, 3, 3), 2), "layer layer1: the weights take 3 input channels .* but layer0 gives 4"),
        (
            Conv2d(table(4, 3, 3, 4), 2),
            "layer layer2: all sources must give one shape to add up, not "
            r"\[4, 4, 4\] from layer1 and \[6, 6, 4\] from layer0",
        ),
        (PooledDense(table(4, 16), 2, (4, 3)), r"layer layer1: pooling cells of \(4, 3\) do not divide the image"),
        (PooledDense(table(4, 15), 2, (3, 3)), "layer layer1: the weights take 15 pooled inputs, but layer0 gives 4"),
    ]:
        refused(lambda s=synapse: rebuilt(network, 1, synapses=(s,), neuron=fire), text)
    refused(lambda: Conv2d(table(4, 3, 3, 2), 2, groups=3), r"groups \(3\) must divide the 4 output channels")
    refused(lambda: Conv2d(table(4, 8, 8, 2), 2), r"kernel must be 1 to 7 rows and columns, not \(8, 8\)")
    refused(lambda: Conv2d(table(4, 3, 3, 2), 2, padding=3), "padding must be an integer from 0 to 2, not 3")
    refused(lambda: Layer("a", (MaxPool(2), MaxPool(2)), None), "layer a: wanted one max pooling or OR")


def test_images_of_another_size(network):
    refused(
        lambda: network.forward(np.zeros((2, 6, 5, 2), np.uint8)),
        r"images must have shape \(count, 6, 6, 2\) or \(count, 72\), not \(2, 6, 5, 2\)",
    )


@pytest.mark.parametrize(("shape", "width"), [((3, 2, 3), 2), ((2, 3, 3), 4), ((4, 4), 8), ((2, 2, 4), 4)])
def test_each_position_of_an_image_begins_a_new_beat(shape, width):
    graph = build(shape, 4, [convolution(2, 2), dense(2)])
    design = Design(graph, changed(graph, layer0={"width": width}))
    channels = shape[2] if len(shape) == 3 else 1
    assert design.pixels_per_group == channels
    pixels = graph.encode(random_images(graph, 3))
    placed = place_pixels(design, pixels, ignored=9)
    assert placed.shape == (3, shape[0] * shape[1] * -(-channels // width), width)
    assert (placed[:, design.beat_pixels >= 0] == pixels).all()
    assert (placed[:, design.beat_pixels < 0] == 9).all()
    beats = pack_beats(design, pixels[2], ignored=9)
    assert [beat >> 4 * k & 15 for beat in beats for k in range(width)] == placed[2].reshape(-1).tolist()


def test_a_dense_reader_alone_cuts_the_input_as_it_likes():
    wide = build((3, 3, 3), 1, [dense(4), dense(2)])
    (stage, _) = lower(wide, Plan((LayerPlan("layer0", width=4), LayerPlan("readout", width=4))))
    assert (stage.readers[0].tensor.rows, stage.readers[0].tensor.words) == (1, 7)
