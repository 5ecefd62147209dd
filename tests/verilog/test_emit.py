"""Verilog and its companions: same bytes every time, no multiplier, a truthful interface."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw import emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.store import load
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.verilog.convert import to_verilog
from tests.support.graphs import build, convolution, joined, pooled
from tests.support.networks import random_network

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def network():
    return random_network((20, 9, 3), input_bits=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, network):
    place = tmp_path_factory.mktemp("verilog")
    emit.write(network, place)
    return place


def test_same_network_same_bytes(folder, network, tmp_path):
    emit.write(network, tmp_path)
    for name in ("accelerator.v", "interface.json", "vectors.json"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("name", ["mnist-cnn"])
def test_no_multiplier_in_the_shipped_networks(name):
    text = to_verilog(Accelerator(load(MODELS / f"{name}.s2nn")), emit.TOP)
    assert not re.search(r"[\w)\]] +\* +[\w(]", text)


def test_no_multiplier_and_the_stated_ports(folder, network):
    text = (folder / "accelerator.v").read_text()
    assert not re.search(r"[\w)\]] +\* +[\w(]", text)
    interface = json.loads((folder / "interface.json").read_text())
    assert interface["network"]["digest"] == network.digest
    body = text[text.index("module accelerator(") :]
    for side, direction in (("input", "input"), ("output", "output")):
        width = interface[side]["width"]
        assert re.search(
            rf"{direction} \[{width - 1}:0\] {interface[side]['ports']['payload']} ;|"
            rf"{direction} \[{width - 1}:0\] {interface[side]['ports']['payload']};",
            body,
        )
    fields = interface["output"]["fields"]
    assert sum(field["width"] for field in fields.values()) == interface["output"]["width"]


def test_vectors_are_golden(folder, network):
    with np.load(folder / "vectors.npz") as arrays:
        output = network.forward(arrays["images"])
        assert (arrays["scores"] == output.scores).all()
    listing = json.loads((folder / "vectors.json").read_text())
    assert [case["class"] for case in listing] == output.classes.tolist()
    assert [len(case["beats"]) for case in listing] == [-(-20 // 16)] * len(listing)


def test_stages_are_described():
    network = build(
        (6, 6, 3),
        2,
        [
            convolution(4, 3, padding=1),
            convolution(6, 3, padding=1),
            joined(MaxPool(2)),
            joined(MaxPool(3, 1, 1)),
            pooled(3, (3, 1)),
        ],
    )
    described = emit.interface(Design(network, default_plan(network, "xc7")))
    assert described["version"] == 4
    beats = {"pixels_per_beat": 4, "pixels_per_group": 3, "beats_per_frame": 36}
    assert described["input"] | beats == described["input"]
    stages = {stage["name"]: stage for stage in described["stages"]}
    assert [stage["engine"] for stage in stages.values()] == ["parallel", "event", "or", "event"]
    assert [stage["output"] for stage in stages.values()] == ["layer0", "layer2", "layer3", "readout"]
    assert [stage["passes_per_frame"] for stage in stages.values()] == [36 * 2, 36, 9, 1]
    assert stages["layer1"]["positions_per_cell"] == 4
    (source,) = stages["layer1"]["sources"]
    assert source["image"] == [6, 6, 4]
    assert source["window"]["depth_words"] >= source["window"]["least_depth_words"]
    assert stages["readout"]["sources"][0]["window"] is None


@pytest.mark.parametrize("names", [("planes", "starts"), ("hidden", "neurons_hidden"), ("module", "reg")])
def test_any_layer_name_makes_a_circuit(names):
    layers = random_network((4, 3, 2)).layers
    layers = tuple(replace(layer, name=name, sources=()) for layer, name in zip(layers, names, strict=True))
    named = replace(random_network((4, 3, 2)), layers=layers)
    assert "module accelerator(" in to_verilog(Accelerator(named), emit.TOP)


def test_plan_round_trip_and_refusals(tmp_path, network):
    plan = default_plan(network, "xc7")
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan.to_json()))
    assert load_plan(path, network) == plan
    for change, text in [
        (lambda p: p.update(version=3), "version 1"),
        (lambda p: p["layers"].pop(), "must list the network's layers"),
        (lambda p: p["layers"][0].update(banks=3), "layer layer0: event engine: width must be a power of two times"),
        (lambda p: p["layers"][0].update(engine="magic"), "needs engine 'event'"),
        (lambda p: p["layers"][0].update(width="x"), "layer layer0 needs width from 1 to 4096, not 'x'"),
    ]:
        content = plan.to_json()
        change(content)
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=text):
            load_plan(path, network)
    path.write_text("{")
    with pytest.raises(UserError, match="is not JSON"):
        load_plan(path, network)
