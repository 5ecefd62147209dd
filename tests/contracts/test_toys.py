"""What is added by one file and a line: golden model, circuit, cycles, plan, cost, report ask nobody else."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.emit import interface
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts, Budget
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons import NEURONS
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import load, save
from s2nn_hw.network.synapses import Dense
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.plan.plan import parse_plan
from s2nn_hw.plan.planner import Planner, fit
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.sections.overview import overview
from s2nn_hw.report.show.report_tables import print_report
from s2nn_hw.terminal import terminal
from tests.contracts.lazy import LazyParams
from tests.contracts.lut5 import LUT5
from tests.contracts.refractory import Refractory
from tests.support.networks import random_images, random_network
from tests.support.streams import check_accelerator

BUDGET = {"luts": 20_000, "ffs": 40_000, "brams": 50}


def board(family):
    counts = BUDGET | {"dsps": 0}
    return BoardFacts("toy", "Toy", "TOY1", family, 50.0, 10**6, {n: Budget(n, c) for n, c in counts.items()})


def reported(network, plan, family):
    """Return the report of ``network``; it must be JSON and become tables."""
    images = random_images(network, 6)
    known = Known(board=board(family), source="random")
    made = build_report(network, plan, images, network.forward(images).classes, known)
    print_report(json.loads(json.dumps(made)), terminal(file=io.StringIO()))
    return made


def sequence(network, images):
    """Return the spikes of the first layer by plain numpy, frame after frame."""
    synapse, neuron = network.layers[0].synapses[0], network.layers[0].neuron
    before, found = np.zeros(neuron.size, bool), []
    for pixels in network.encode(images).astype(np.int64):
        before = (synapse.weights.astype(np.int64) @ pixels >= neuron.thresholds) & ~before
        found.append(before)
    return np.array(found)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_a_neuron_with_state(tmp_path, monkeypatch, stall):
    plain = random_network((20, 9, 3), input_bits=2, bits=3)
    with pytest.raises(UserError, match="neuron kind 'refractory' is unknown"):
        save(resting(plain), tmp_path / "a.s2nn")
    monkeypatch.setitem(NEURONS, "refractory", Refractory)
    save(resting(plain), tmp_path / "a.s2nn")
    network = load(tmp_path / "a.s2nn")
    assert network.digest == resting(plain).digest != plain.digest
    images = random_images(network, 12)
    output = network.forward(images, trace=True)
    assert (output.spikes["layer0"] == sequence(network, images)).all()
    assert (output.spikes["layer0"] != plain.forward(images, trace=True).spikes["layer0"]).any()
    check_accelerator(Accelerator(network, default_plan(network, "xc7")), images, stall=stall)
    planned = fit(Planner(network, "xc7", BUDGET, layer_inputs(network, images)[1]))
    assert planned.used["luts"] > fit(Planner(plain, "xc7", BUDGET, layer_inputs(plain, images)[1])).used["luts"] > 0
    with pytest.raises(UserError, match="layer layer0: the unrolled engine has no refractory neurons"):
        Design(network, unrolled_plan(network, lut=6))
    if not stall:
        assert reported(network, default_plan(network, "xc7"), "xc7")["accuracy"]["value"] == 1.0
        assert overview(network)["layers"][0]["neuron"] == "refractory"


def resting(network):
    """Return ``network`` with hidden neurons that rest after a spike."""
    layers = tuple(
        Layer(x.name, x.synapses, Refractory(x.neuron.thresholds), x.sources) if x.neuron.fires else x
        for x in network.layers
    )
    return Network(network.name, network.input, layers, network.classes)


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_an_engine(monkeypatch, stall):
    network = random_network((20, 9, 3), input_bits=2, bits=3)
    content = default_plan(network, "xc7").to_json()
    content["layers"][0] |= {"engine": "lazy", "width": 4}
    with pytest.raises(UserError, match=r"needs engine 'event' or 'parallel' or .* or 'fused', not 'lazy'"):
        parse_plan(content, network, "plan")
    monkeypatch.setitem(ENGINES, "lazy", LazyParams)
    plan = parse_plan(content, network, "plan")
    images = random_images(network, 9)
    cycles = check_accelerator(Accelerator(network, plan), images, stall=stall)
    design = Design(network, plan)
    assert interface(design)["stages"][0]["engine"] == "lazy"
    assert all(estimate(design, family).luts > 0 for family in FAMILIES)
    if stall:
        return
    content["layers"][0]["engine"] = "parallel"
    faster = Accelerator(network, parse_plan(content, network, "plan"))
    assert cycles.mean() > check_accelerator(faster, images).mean()
    values = layer_inputs(network, images)[1]
    shapes = {way.choice.engine for way in Planner(network, "xc7", BUDGET, values).ways.ways(network.layers[0])}
    assert shapes == {"event", "parallel", "unrolled", "lazy"}
    rows = reported(network, plan, "xc7")["layers"]["rows"]
    assert rows[0]["engine"] == "lazy"
    assert rows[0]["alone_interval"] == rows[0]["bound"] == 2 * 2 * 5  # words of 4 of 20 inputs, two planes, two cycles


def test_a_family(monkeypatch):
    network = random_network((40, 16, 3), input_bits=2, bits=3)
    with pytest.raises(UserError, match="device family 'lut5' is unknown"):
        estimate(Design(network, default_plan(network, "xc7")), "lut5")
    monkeypatch.setitem(FAMILIES, "lut5", LUT5)
    plan = default_plan(network, "lut5")
    check_accelerator(Accelerator(network, plan), random_images(network, 5))
    guess = estimate(Design(network, plan), "lut5", link=True)
    assert (guess.lut_kind, guess.bram_kind) == ("LUT5", "RAM2K")
    assert 0 < guess.luts < 20_000
    values = layer_inputs(network, random_images(network, 5))[1]
    assert isinstance(fit(Planner(network, "lut5", BUDGET, values)).plan, Plan)
    assert {choice.lut for choice in unrolled_plan(network, lut=LUT5.mapped_inputs).layers} == {4}
    assert reported(network, plan, "lut5")["resources"]["luts"]["used"]["value"] == guess.luts


def test_a_source_with_a_delay():
    """The edge of the contract: golden models of recurrent layers; circuits of single frames have none."""
    rng = np.random.default_rng(0)
    first, back, last = (rng.integers(-3, 4, shape).astype(np.int8) for shape in ((6, 8), (6, 6), (3, 6)))
    thresholds, bias = np.array([1] * 6, np.int32), np.zeros(3, np.int32)
    layers = (
        Layer("encode", Dense(first, 3), Fire(thresholds), ("input",)),
        Layer("loop", (Dense(back, 3), Dense(back.T.copy(), 3)), Fire(thresholds), ("encode", "loop"), (0, 1)),
        Layer("out", Dense(last, 3), Readout(bias), ("loop",)),
    )
    network = Network("loop", Input((8,), 1), layers, ("a", "b", "c"))
    images = random_images(network, 10)
    before, found = np.zeros(6, np.int64), []
    for pixels in network.encode(images).astype(np.int64):
        encoded = (first.astype(np.int64) @ pixels >= thresholds).astype(np.int64)
        before = (back.astype(np.int64) @ encoded + back.T.astype(np.int64) @ before >= thresholds).astype(np.int64)
        found.append(before)
    assert (network.forward(images, trace=True).spikes["loop"] == np.array(found)).all()
    with pytest.raises(UserError, match="layer loop: circuits have delayed sources only in networks of sequences"):
        Design(network, default_plan(network, "xc7"))
    with pytest.raises(UserError, match="layer loop: one of its sources must not be delayed"):
        Network("loop", network.input, (layers[0], replace(layers[1], delays=(1, 1)), layers[2]), network.classes)
