"""The state that a training goes on from: whatever is wrong in it is refused in one line."""

import json
import math

import pytest
import torch

from s2nn_hw.quantize.loss import make_optimiser
from s2nn_hw.quantize.model import build
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.training_state import Activity, Epoch, resume, save_state
from tests.support.mutations import WRONG, mutations, tried

RECIPE = from_dict(
    {
        "name": "tiny",
        "data": {"set": "magic", "pixel_bits": 2},
        "layers": [{"neurons": 5, "bits": 3}],
        "readout": {"bits": 3},
        "training": {"epochs": 3, "fake_quantise": False},
    }
)
LOG = [Epoch(1, 0.5, 0.6, Activity(("hidden1",), (1.0,), (0.2,), 3.0, 7), 1.0)]


@pytest.fixture
def state(tmp_path):
    model = build(RECIPE)
    optimiser = make_optimiser(model, RECIPE.training)
    loss = sum((p**2).sum() for p in model.parameters() if p.requires_grad)
    loss.backward()
    optimiser.step()
    path = tmp_path / "state.pt"
    save_state(path, RECIPE, model, optimiser, LOG)
    assert go_on(path) == (LOG, None)
    return path, torch.load(path, weights_only=True)


def go_on(path):
    model = build(RECIPE)
    return tried(lambda: resume(path, RECIPE, model, make_optimiser(model, RECIPE.training)))


def refuse(path, data):
    torch.save(data, path)
    made, said = go_on(path)
    assert made is None, made
    assert "--fresh starts over" in said


def test_every_entry_of_the_log_is_checked(state):
    path, data = state
    for place, value, text in mutations(json.loads(data["log"])):
        torch.save(data | {"log": text}, path)
        made, _ = go_on(path)
        free = {"luts": (None, "missing"), "loss": (-1,)}
        assert made is None or value in free.get(place[-1], ()), (place, value)
    for text in ("[]", "{}", "null", "[" * 100_000, json.dumps(json.loads(data["log"]) * 2)):
        refuse(path, data | {"log": text})


def test_every_part_of_the_state_is_checked(state):
    path, data = state
    for name in data:
        for value in WRONG:
            refuse(path, data | {name: value})
        refuse(path, {key: value for key, value in data.items() if key != name})
    for text in ("null", "[]", "5", "{", "[" * 100_000):
        refuse(path, data | {"recipe": text})
    refuse(path, data | {"model": {1: 2}})
    for value in (*WRONG, torch.zeros(7), next(iter(data["model"].values())) * math.nan):
        refuse(path, data | {"model": data["model"] | {next(iter(data["model"])): value}})


def test_every_part_of_the_optimiser_is_checked(state):
    path, data = state
    own = data["optimiser"]
    for value in WRONG:
        if value != {}:  # of an optimiser that has not stepped
            refuse(path, data | {"optimiser": own | {"state": value}})
        refuse(path, data | {"optimiser": own | {"param_groups": value}})
        refuse(path, data | {"optimiser": own | {"param_groups": [own["param_groups"][0] | {"lr": value}] * 2}})
        refuse(path, data | {"optimiser": own | {"state": own["state"] | {99: value}}})
