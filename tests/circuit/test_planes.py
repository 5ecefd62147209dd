"""Circuits of several planes: one step of every neuron is the circuit there was, and all others match both models."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines.reach import reach
from s2nn_hw.cycles.timing import engine_alone
from s2nn_hw.design import Design
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import load
from s2nn_hw.network.synapses import Dense
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.verilog.convert import to_verilog
from tests.support.networks import random_images
from tests.support.random_plans import random_case
from tests.support.streams import check_accelerator

MODELS = Path(__file__).parents[2] / "models"


def one_step(thresholds, kind):
    """Return neurons of one step that fire as :class:`Fire` with ``thresholds`` does."""
    nothing = np.zeros_like(thresholds)
    if kind == "quantized":  # a threshold of 1 or more, and the rest where the membrane starts
        return Quantized(nothing + 8, (8 - 8 * thresholds).astype(np.int32), 1, fraction=3)
    leak, scale = (2, 4) if kind == "leaky" else (0, 1)
    bias = np.arange(len(thresholds), dtype=np.int32)
    return Integrate(scale * thresholds + scale * bias, nothing, scale * bias, nothing, 1, leak, scale.bit_length() - 1)


def with_one_step(network, kind):
    layers = [
        Layer(x.name, x.synapses, one_step(x.neuron.thresholds, kind), x.sources) if isinstance(x.neuron, Fire) else x
        for x in network.layers
    ]
    return Network(network.name, network.input, tuple(layers), network.classes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mnist-tiny", "integrate"),
        ("mnist-tiny", "leaky"),
        ("mnist-cnn", "leaky"),
        ("mnist-cnn", "quantized"),
        ("magic-nano", "integrate"),
        ("magic-nano", "quantized"),
    ],
)
def test_one_step_is_the_circuit_that_there_was(name, kind):
    network = load(MODELS / f"{name}.s2nn")
    other = with_one_step(network, kind)
    plan = default_plan(network, "xc7")
    assert default_plan(other, "xc7") == plan
    texts = [to_verilog(Accelerator(one, plan), "accelerator") for one in (network, other)]
    assert texts[0] == texts[1]


SINGLE_STEP = [
    path.stem
    for path in sorted(MODELS.glob("*.s2nn"))
    if all(p.radix for p in load(path).planes.values())
    and all(x.neuron is None or x.neuron.kind in ("fire", "readout") for x in load(path).layers)
]


def same_engine(here, there):
    """Whether two engines have the same parameters, those fused into them among them."""
    if here is None or there is None:
        return here is there
    return type(here) is type(there) and all(
        same_engine(*pair) if field.name == "inner" else np.array_equal(*pair)
        for field in fields(here)
        for pair in [(getattr(here, field.name), getattr(there, field.name))]
    )


@pytest.mark.parametrize("name", SINGLE_STEP)
def test_one_step_has_the_engines_that_there_were(name):
    """Of every shipped network of one step: circuit, cycles and cost follow from the stages alone."""
    network = load(MODELS / f"{name}.s2nn")
    plan = default_plan(network, "xc7")
    for kind in ("integrate", "leaky", "quantized"):
        other = Design(with_one_step(network, kind), plan)
        for here, there in zip(Design(network, plan).stages, other.stages, strict=True):
            assert (here.readers, here.repeats, here.neurons) == (there.readers, there.repeats, there.neurons)
            assert same_engine(here.engine, there.engine)
            assert here.engine is None or not here.engine.acting


@pytest.mark.parametrize("seed", range(12))
def test_random_circuits(seed):
    rng = np.random.default_rng([seed, 14])
    network, plan = random_case(rng, planes=1.0)
    accelerator, images = Accelerator(network, plan), random_images(network, 4, seed)
    check_accelerator(accelerator, images)
    check_accelerator(accelerator, images, stall=0.3, seed=seed)


def if_network(rng, steps, leak=0, neurons=24, inputs=40):
    """Return two layers of integrate-and-fire neurons and a readout."""
    unit = 1 << leak

    def layer(name, inputs, neurons):
        weights = rng.integers(-7, 8, (neurons, inputs)).astype(np.int8)
        theta = (rng.integers(20, 60, neurons) // unit * unit).astype(np.int32)
        nothing = np.zeros(neurons, np.int32)
        return Layer(name, Dense(weights, 4), Integrate(theta, theta, nothing, theta >> 1, steps, leak))

    readout = Dense(rng.integers(-7, 8, (5, neurons)).astype(np.int8), 4)
    layers = (
        layer("a", inputs, neurons),
        layer("b", neurons, neurons),
        Layer("r", readout, Readout(np.zeros(5, np.int32))),
    )
    return Network("spikes", Input((inputs,), 4), layers, tuple("vwxyz"))


@pytest.mark.parametrize(("steps", "leak"), [(2, 0), (4, 0), (8, 0), (4, 2), (31, 3)])
def test_cycles_of_a_layer_are_its_ones_and_actions(steps, leak):
    network = if_network(np.random.default_rng(steps), steps, leak)
    plan = Plan(tuple(LayerPlan(x.name, width=64, depth=2) for x in network.layers))
    design = Design(network, plan)
    values = layer_inputs(network, random_images(network, 6))[1]
    stage, ones = design.stages[1], design.timing.ones(values)[1]
    counted = np.array([sum(int(v).bit_count() for v in frame) for frame in values["a"]])
    assert (ones.sum(axis=tuple(range(1, ones.ndim))) == counted).all()
    empty = (ones.sum(axis=(1, 2, 4, 5)) == 0).sum(axis=1)  # a plane without a spike takes its cycle all the same
    actions = (steps - 1) * (2 if leak else 1) + 1
    assert engine_alone(stage, ones, length=6)[0].tolist() == (counted + empty + actions)[1:].tolist()


@pytest.mark.parametrize("engine", ["event", "parallel"])
def test_extreme_sums_stay_within_the_accumulators(engine):
    rng = np.random.default_rng(5)
    network = if_network(rng, 4, 1)
    plan = Plan(tuple(LayerPlan(x.name, width=8, engine=engine) for x in network.layers))
    for stage in Design(network, plan).stages:
        found = reach(stage.engine).every
        widths = stage.engine.accumulator_widths()
        assert (found.low.min(axis=0) >= -(1 << (widths - 1))).all()
        assert (found.high.max(axis=0) < 1 << (widths - 1)).all()
    images = np.full((2, 40), 255, np.uint8)
    images[1] = 0
    check_accelerator(Accelerator(network, plan), images)
