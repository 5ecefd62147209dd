"""Which neurons a recipe gives its layers, and what it may not say."""

import json

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.planes import Planes
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.recipe import as_dict, from_dict
from tests.support.recipes import CONV, DENSE, KINDS, recipe


@pytest.mark.parametrize("layers", [DENSE, CONV], ids=["dense", "conv"])
@pytest.mark.parametrize("kind", KINDS)
def test_recipes_survive_a_round_trip(kind, layers):
    options = recipe(*KINDS[kind], layers)
    assert from_dict(json.loads(json.dumps(as_dict(options)))) == options


def test_a_recipe_that_fires_says_nothing_of_later_keys():
    table = as_dict(recipe({"threshold": 0.5}))
    assert list(table["neuron"]) == ["surrogate", "alpha", "beta", "threshold"]
    assert list(table["readout"]) == ["bits", "average", "groups", "fan_in"]


def test_a_layer_may_have_neurons_of_its_own():
    own = [{"neurons": 20, "bits": 4, "neuron": "quantized", "planes": 3}, {"neurons": 16, "bits": 4, "steps": 2}]
    found = nodes(recipe({"kind": "integrate", "steps": 4, "leak": 1}, layers=own))
    assert [node.planes for node in found[:2]] == [Planes(3), Planes(2, "steps")]
    assert found[1].spec.leak == 1
    assert found[2].reads == Planes(2, "steps")


@pytest.mark.parametrize(
    ("neuron", "layers", "readout", "words"),
    [
        ({"kind": "lif"}, DENSE, {}, "key 'neuron.kind' = 'lif' is for sequences"),
        ({"planes": 2}, DENSE, {}, "'neuron.planes' is for neurons of kind quantized, which no layer has"),
        ({"kind": "quantized", "leak": 1}, DENSE, {}, "'neuron.leak' is for neurons of kind integrate"),
        ({"kind": "quantized", "planes": 9}, DENSE, {}, "layer hidden1: neurons give 1 to 8 planes of code radix"),
        ({"kind": "ttfs", "slots": 16}, DENSE, {}, "'neuron.slots' must be one of 3, 7, 15, 31, not 16"),
        ({"kind": "ttfs", "slots": 1}, DENSE, {}, "'neuron.slots' must be one of 3, 7, 15, 31, not 1"),
        ({"kind": "ttfs", "planes": 3}, DENSE, {}, "'neuron.planes' is for neurons of kind quantized, which no layer"),
        ({"slots": 7}, DENSE, {}, "'neuron.slots' is for neurons of kind ttfs, which no layer has"),
        ({}, [{"neurons": 9, "bits": 4, "slots": 7}], {}, "hidden1: key 'slots' has no meaning for fire neurons"),
        ({"kind": "integrate", "steps": 32}, DENSE, {}, r"'neuron.steps' must lie in 1 .. 31"),
        ({"kind": "integrate", "threshold": 0}, DENSE, {}, "hidden1: key 'neuron.threshold' must be positive"),
        ({"kind": "integrate", "gradient": "dsr", "reset": "hard"}, DENSE, {}, "'dsr' wants 'reset' of 'soft'"),
        ({}, [{"neurons": 9, "bits": 4, "steps": 2}], {}, "hidden1: key 'steps' has no meaning for fire neurons"),
        ({}, [CONV[0], {"kind": "maxpool", "kernel": 2, "steps": 2}, DENSE[0]], {}, "pool1: key 'steps' has no mean"),
        (
            {"kind": "integrate", "steps": 4},
            [DENSE[0], {"neurons": 9, "bits": 4, "steps": 3}],
            {},
            "hidden2: integrate neurons of 3 steps can't read 4 planes of code steps",
        ),
        ({"kind": "quantized"}, DENSE, {"leak": 2}, "readout: leaky_readout neurons of 2 steps read the spikes of as"),
        (
            {"kind": "quantized"},
            [
                {"name": "a", "kind": "conv", "channels": 5, "kernel": 3, "bits": 4},
                {"kind": "or", "from": ["a", "a"]},
                DENSE[0],
            ],
            {},
            "or1: an OR takes spikes, not 2 planes",
        ),
    ],
)
def test_what_does_not_fit_is_named(neuron, layers, readout, words):
    with pytest.raises(UserError, match=words):
        recipe(neuron, readout, layers)
