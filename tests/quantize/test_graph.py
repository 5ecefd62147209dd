"""Recipes that describe graphs: shapes, names and every error that names its layer."""

import json

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.recipe import as_dict, from_dict


def conv(channels, **keys):
    return {"kind": "conv", "channels": channels, "kernel": 3, "bits": 4} | keys


def recipe(*layers, set="cifar10", **readout):
    return from_dict(
        {
            "name": "graph",
            "data": {"set": set, "pixel_bits": 4},
            "layers": list(layers),
            "readout": {"bits": 4} | readout,
            "training": {"epochs": 1},
        }
    )


def shapes(*layers, **keys):
    return {node.name: node.shape for node in nodes(recipe(*layers, **keys))}


def test_shapes_follow_from_the_input():
    assert shapes(conv(8, pool=2), conv(16, stride=2), conv(16, kernel=4, padding=0), {"neurons": 5, "bits": 2}) == {
        "conv1": (32, 32, 8),
        "conv1_pool": (16, 16, 8),
        "conv2": (8, 8, 16),
        "conv3": (5, 5, 16),
        "hidden1": (5,),
        "readout": (10,),
    }
    assert shapes(conv(4), set="mnist")["conv1"] == (28, 28, 4)
    assert shapes(
        conv(4, name="a"),
        {"kind": "maxpool", "kernel": 3, "stride": 2, "padding": 1},
        conv(6, **{"from": "a", "stride": 2}),
        conv(6, name="b", **{"from": "pool1"}),
        {"kind": "or", "from": ["conv2", "b"]},
    )["or1"] == (16, 16, 6)


def test_taps_have_the_weights_of_their_kind():
    found = nodes(recipe(conv(8), conv(8, groups="depthwise", shortcut="conv1"), conv(16, groups=4), average=8))
    assert [tap.weight_shape for node in found for tap in node.taps] == [
        (8, 3, 3, 3),
        (8, 1, 3, 3),
        (8, 1, 1, 1),
        (16, 2, 3, 3),
        (10, 4 * 4 * 16),
    ]
    assert [tap.fan_out for tap in found[2].taps] == [9 * 16 / 4]
    (whole,) = nodes(recipe(conv(8), average="global"))[-1].taps
    assert (whole.kind, whole.pool, whole.weight_shape) == ("pooled", (32, 32), (10, 8))
    (flat,) = nodes(recipe(conv(8), {"neurons": 6, "bits": 2}, average="global"))[-1].taps
    assert flat.kind == "dense"


@pytest.mark.parametrize(
    ("second", "weights", "stride"),
    [
        (conv(8, shortcut="conv1"), (8, 1, 1, 1), 1),
        (conv(8, shortcut="conv1", shortcut_kind="conv"), (8, 8, 1, 1), 1),
        (conv(16, shortcut="conv1"), (16, 8, 1, 1), 1),
        (conv(8, stride=2, shortcut="conv1"), (8, 8, 1, 1), 2),
        (conv(8, stride=3, shortcut="conv1", shortcut_bits=6), (8, 8, 1, 1), 3),
    ],
)
def test_a_shortcut_is_the_identity_where_shapes_agree_else_a_projection(second, weights, stride):
    side = nodes(recipe(conv(8), second))[1].taps[1]
    assert (side.weight_shape, side.stride) == (weights, stride)
    assert side.bits == second.get("shortcut_bits", 4)


def test_a_graph_survives_the_round_trip_through_json():
    whole = recipe(
        conv(8, name="a"),
        conv(8, groups="depthwise", shortcut="a"),
        {"kind": "or", "from": ["a", "conv2"]},
        average="global",
    )
    table = as_dict(whole)
    assert from_dict(table) == from_dict(json.loads(json.dumps(table))) == whole
    assert table["layers"][0] == {"name": "a", "kind": "conv", "channels": 8, "kernel": 3, "bits": 4}


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([conv(8, name="a"), conv(8, name="a")], "layer a: the name 'a' is used twice"),
        ([conv(8, name="input")], "layer input: the name 'input' is used twice or reserved"),
        ([conv(8, name="readout")], "layer readout: .* reserved"),
        ([conv(8, name="A")], "layer A: the name must be at most 32 lower-case letters, .* not 'A'"),
        ([conv(8, **{"from": "b"})], "layer conv1: sources must be earlier layers .*not 'b'"),
        ([conv(8), conv(8, shortcut="x")], "layer conv2: sources must be earlier layers .*not 'x'"),
        ([conv(8), conv(8, **{"from": ["conv1", "input"]})], "layer conv2: 'from' must name one layer, not"),
        ([conv(8), {"kind": "or", "from": "conv1"}], "layer or1: 'from' must name two or more"),
        (
            [conv(8), conv(8, stride=2), {"kind": "or", "from": ["conv1", "conv2"]}],
            r"layer or1: .* conv1 gives \(32, 32, 8\), conv2 \(16, 16, 8\)",
        ),
        ([conv(3), {"kind": "or", "from": ["input", "conv1"]}], "layer or1: 'or' wants spikes"),
        ([{"kind": "maxpool", "kernel": 2}], "layer pool1: a max pool wants spikes"),
        ([conv(8), {"kind": "maxpool", "kernel": 2, "padding": 2}], "layer pool1: padding must be at most half"),
        (
            [conv(8, groups=2)],
            "layer conv1: groups must divide the 3 channels that enter and the 8 that leave, 2 does not",
        ),
        ([conv(8, groups="depthwise")], "layer conv1: groups must divide the 3 .* 3 does not"),
        ([conv(8, groups="all")], "layer conv1: key 'groups' must be an integer or \"depthwise\", not 'all'"),
        (
            [conv(8, pool=7), conv(8, pool=3), conv(8, kernel=4, padding=0)],
            "layer conv3: a window of 4 x 4 must fit into the padded image of 1 x 1",
        ),
        ([{"neurons": 8, "bits": 2}, conv(8)], r"layer conv1: an image .* but hidden1 gives \(8,\)"),
        ([conv(8, shortcut="input")], "layer conv1: a layer that reads the input can't have a shortcut"),
        ([conv(8), conv(8, shortcut="input")], "layer conv2: .* nor can the input be one"),
        ([conv(8), conv(8, pool=3), conv(8, shortcut="conv1")], "layer conv3: the shortcut wants .* conv1 gives"),
        (
            [conv(8), conv(16, shortcut="conv1", shortcut_kind="identity")],
            r"layer conv2: the shortcut wants \(32, 32, 16\), but conv1 gives \(32, 32, 8\)",
        ),
        ([conv(8, shortcut_bits=3)], "layer conv1: 'shortcut_kind' and 'shortcut_bits' want a 'shortcut'"),
        ([conv(8), conv(8, **{"from": "input"})], "layer conv1: no layer reads it"),
        ([{"kind": "conv", "channels": 8, "bits": 4}], "layer conv1: key 'kernel' is missing for kind 'conv'"),
        ([conv(8, neurons=4)], "layer conv1: key 'neurons' has no meaning for kind 'conv'"),
        ([conv(8, kernel=8)], r"'layers\[0\].kernel' must be one of 1, 2, 3, 4, 5, 6, 7, not 8"),
        ([conv(8, groups=1.5)], r"'layers\[0\].groups' must be an integer or a text, not 1.5"),
        ([conv(8, **{"from": [1]})], r"'layers\[0\].from' must be a list of texts"),
        ([conv(8, kind="pool")], r"'layers\[0\].kind' must be one of dense, conv, maxpool, or"),
    ],
)
def test_errors_name_the_layer(layers, words):
    with pytest.raises(UserError, match=words) as error:
        recipe(*layers)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("average", "words"),
    [
        (5, r"layer readout: an average of 5 x 5 must divide the image, but conv1 gives \(32, 32, 8\)"),
        ("all", "layer readout: key 'average' must be an integer or \"global\", not 'all'"),
        (0, "'readout.average' must lie in 1"),
    ],
)
def test_bad_averages_are_named(average, words):
    with pytest.raises(UserError, match=words):
        recipe(conv(8), average=average)
    with pytest.raises(UserError, match=r"an average of 2 x 2 .* hidden1 gives \(5,\)"):
        recipe({"neurons": 5, "bits": 2}, average=2)
