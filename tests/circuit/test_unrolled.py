"""The unrolled engine: bits and cycles of whole accelerators, fused layers, windows, plans, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.lower import lower
from s2nn_hw.circuit.unroll.collapse import collapse, compose
from s2nn_hw.circuit.unroll.logic import Table
from s2nn_hw.circuit.unroll.mapping import map_layer
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense, MaxPool
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import collapsible, default_plan, sparse, unrolled_plan
from s2nn_hw.plan.planner import Planner, fit, make_plan, unroll
from tests.support.event_networks import events_of
from tests.support.graphs import build, convolution, dense, identity, joined, pooled
from tests.support.networks import random_images, random_network, small_network
from tests.support.streams import check_accelerator


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 30),
    levels=st.integers(1, 6),
    lut=st.sampled_from([4, 6]),
    stall=st.sampled_from([0.0, 0.0, 0.4]),
)
def test_a_frame_every_cycle(seed, levels, lut, stall):
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 14, int(rng.integers(2, 5)))]
    network = random_network(sizes, input_bits=int(rng.choice([1, 2, 4])), bits=int(rng.integers(1, 6)), seed=seed)
    plan = unrolled_plan(network, lut=lut, levels=levels)
    accelerator = Accelerator(network, plan)
    assert accelerator.design.streaming
    images = random_images(network, 24, seed)
    cycles = check_accelerator(accelerator, images, stall=stall, seed=seed)
    if not stall:
        timing = accelerator.timing
        schedule = timing.schedule(timing.ones(layer_inputs(network, images)[1]), length=len(images))
        assert (np.diff(schedule.offered) == 1).all()
        assert set(cycles.tolist()) == {accelerator.design.frames_under_way - 1}


@pytest.mark.parametrize("widths", [(5, 3, 2), (16, 9, 1), (40, 4, 12)])
def test_words_are_collected_and_cut(widths):
    network = small_network(np.random.default_rng(1))
    plan = Plan(
        tuple(
            LayerPlan(layer.name, width=width, engine="unrolled")
            for layer, width in zip(network.layers, widths, strict=True)
        )
    )
    accelerator = Accelerator(network, plan)
    assert not accelerator.design.streaming
    for stall in (0.0, 0.3):
        check_accelerator(accelerator, random_images(network, 12), stall=stall)


@pytest.mark.parametrize(
    "engines",
    [
        ("event", "unrolled", "unrolled"),
        ("unrolled", "event", "unrolled"),
        ("unrolled", "parallel", "event"),
        ("parallel", "unrolled", "parallel"),
    ],
)
def test_engines_mix(engines):
    network = random_network((16, 12, 8, 3), input_bits=2, seed=3)
    plan = Plan(
        tuple(
            LayerPlan(layer.name, width=4, engine=engine) for layer, engine in zip(network.layers, engines, strict=True)
        )
    )
    accelerator = Accelerator(network, plan)
    for stall in (0.0, 0.4):
        check_accelerator(accelerator, random_images(network, 8), stall=stall)


@pytest.mark.parametrize("weights", ["zero", "low", "high"])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 1, 1), (7, 3, 1), (3, 2, 2), (30, 1, 9)])
def test_degenerate_networks(weights, sizes):
    network = random_network(sizes, input_bits=2, weights=weights)
    check_accelerator(Accelerator(network, unrolled_plan(network, levels=1, lut=6)), random_images(network, 6))


CASES = {
    "a window a cycle": ((6, 5, 2), 2, [convolution(4, 3, padding=1), convolution(3, 2, stride=2), dense(3)]),
    "pixels without a window": ((4, 3, 3), 4, [convolution(5, 1), convolution(4, 1), pooled(3, (2, 3))]),
    "shortcut": (
        (5, 4, 2),
        1,
        [convolution(4, 3, padding=1), [convolution(4, 3, padding=1), identity("layer0")], dense(3)],
    ),
    "pooling apart": ((6, 6, 1), 2, [convolution(4, 3, padding=1), joined(MaxPool(2)), dense(3)]),
    "one pixel, behind a window": (
        (1, 1, 2),
        2,
        [convolution(4, 3, padding=1), convolution(3, 3, padding=1), dense(3)],
    ),
    "grouped": ((5, 5, 2), 2, [convolution(8, 3), convolution(8, 3, padding=1, groups=0), dense(2)]),
}


@pytest.mark.parametrize("name", CASES)
def test_windows(name):
    network = build(*CASES[name], seed=len(name))
    accelerator = Accelerator(network, unrolled_plan(network, lut=6))
    for stall in (0.0, 0.3):
        check_accelerator(accelerator, random_images(network, 4), stall=stall)
    first = accelerator.stages[0]
    assert first.readers[0].frame_words == len(first.positions)


@pytest.mark.parametrize("bits", [1, 2])
def test_sub_networks_of_six_bits_are_one_table_each(bits):
    network = small_network(np.random.default_rng(2), bits=bits, inner=4)
    plan = default_plan(network, "xc7")
    assert [choice.engine for choice in plan.layers] == ["fused", "unrolled", "fused", "unrolled", "unrolled"]
    accelerator = Accelerator(network, plan)
    assert [stage.name for stage in accelerator.stages] == ["outer0", "outer1", "readout"]
    for stage in accelerator.stages[:2]:
        logic = stage.engine.logic
        assert logic.depth <= 1
        assert len(logic.nodes) <= stage.neurons
        assert all(isinstance(node, Table) for node in logic.nodes)
    check_accelerator(accelerator, random_images(network, 20))


def test_a_layer_is_fused_only_where_every_cone_is_a_table():
    network = small_network(np.random.default_rng(2), inner=4)
    assert [collapsible(network, layer) for layer in network.layers[:-1]] == [True, False, True, False]
    table = network.layers[1].synapses[0].weights.copy()
    table[0] = 1  # now it reads all sub-networks
    wide = replace(
        network,
        layers=(network.layers[0], replace(network.layers[1], synapses=(Dense(table, 3),)), *network.layers[2:]),
    )
    assert not collapsible(wide, wide.layers[0])
    plan = Plan((replace(default_plan(wide, "xc7").layers[0], engine="fused"), *default_plan(wide, "xc7").layers[1:]))
    check_accelerator(Accelerator(wide, plan), random_images(wide, 10))  # it may be fused all the same


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 30))
def test_composed_and_collapsed_logic_is_the_same_function(seed):
    rng = np.random.default_rng(seed)
    inputs, middle, outer = (int(n) for n in rng.integers(1, 12, 3))
    tables = [
        (rng.integers(-3, 4, shape), rng.integers(-4, 5, shape[0])) for shape in ((middle, inputs), (outer, middle))
    ]
    first, second = (map_layer(w, offsets, fire=True, moves=4).logic for w, offsets in tables)
    whole = compose(first, second)
    less = collapse(whole, limit=int(rng.integers(1, 7)))
    bits = rng.integers(0, 2, (200, inputs))
    wanted = bits
    for weights, offsets in tables:
        wanted = wanted @ weights.T + offsets >= 0
    assert (whole.evaluate(bits) == wanted).all()
    assert (less.evaluate(bits) == wanted).all()
    assert len(less.nodes) <= len(whole.nodes)


def test_sparse_networks_are_unrolled_unless_a_plan_says_otherwise():
    network = small_network(np.random.default_rng(4))
    assert sparse(network)
    assert {choice.engine for choice in default_plan(network, "xc7").layers} <= {"unrolled", "fused"}
    assert {choice.lut for choice in default_plan(network, "ecp5").layers} == {4}
    dense_one = random_network((20, 9, 3))
    assert not sparse(dense_one)
    assert {choice.engine for choice in default_plan(dense_one, "xc7").layers} == {"event"}


@pytest.mark.parametrize(
    ("lut", "levels", "engines"),
    [(6, None, ["fused", "unrolled", "fused", "unrolled"]), (6, 4, ["unrolled"] * 4), (4, None, ["unrolled"] * 4)],
)
def test_two_layers_of_one_table_a_neuron_share_a_register(lut, levels, engines):
    network = small_network(np.random.default_rng(0), sizes=(24, 20, 12))
    plan = unrolled_plan(network, lut=lut, levels=levels)
    assert [choice.engine for choice in plan.layers] == engines
    check_accelerator(Accelerator(network, plan), random_images(network, 6))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"groups": 2}, "layer layer0: the unrolled engine has one group and one bank, not 2 and 1"),
        ({"lut": 5}, r"layer layer0: unrolled engine: lut must be one of \(4, 6\), not 5"),
        ({"levels": 0}, "layer layer0: unrolled engine: levels must be an integer from 1 to 64, not 0"),
        ({"engine": "fused"}, "layer layer0: only a dense layer that a dense unrolled one alone reads can be fused"),
    ],
)
def test_plans_that_can_not_be(change, text):
    network = random_network((8, 6, 3))
    layers = [LayerPlan(layer.name, engine="unrolled") for layer in network.layers]
    if change.get("engine") == "fused":
        layers[1] = replace(layers[1], engine="event")
    layers[0] = replace(layers[0], **change)
    with pytest.raises(UserError, match=text):
        lower(network, Plan(tuple(layers)))


@pytest.mark.parametrize("change", [{"levels": 3}, {"lut": 4}])
def test_a_fused_layer_has_the_levels_and_tables_of_the_one_behind(change):
    network = random_network((8, 6, 3))
    layers = [LayerPlan("layer0", engine="fused", **change), LayerPlan("layer1", engine="unrolled")]
    with pytest.raises(
        UserError,
        match=r"layer layer0: levels and lut must be those of layer1, into which it is "
        r"fused, 1 and 6, not (3 and 6|1 and 4)",
    ):
        lower(network, Plan(tuple(layers)))


def test_a_layer_can_not_be_fused_into_a_join():
    join = [dense(4, source="layer0"), dense(4, source="layer1")]
    network = build((6,), 1, [dense(4), dense(4, source="input"), join, dense(2)])
    plan = unrolled_plan(network, levels=2, lut=6)
    plan = Plan(tuple(replace(c, engine="fused") if c.name == "layer0" else c for c in plan.layers))
    with pytest.raises(UserError, match="which reads nothing else; take engine 'unrolled'"):
        lower(network, plan)


POOLED = {
    "cells of four": ((6, 6, 1), 2, [convolution(4, 3, padding=1), joined(MaxPool(2)), dense(3)]),
    "cells of nine, rows left out": ((11, 10, 2), 1, [convolution(5, 2), joined(MaxPool(3)), dense(3)]),
    "cells of two, wide": ((4, 6, 1), 2, [convolution(19, 1), joined(MaxPool((1, 2))), dense(2)]),
    "one cell": ((4, 4, 1), 1, [convolution(3, 1), joined(MaxPool(4)), dense(2)]),
    "two in a row": (
        (12, 12, 1),
        1,
        [convolution(6, 3, padding=1), joined(MaxPool(2)), convolution(9, 3), joined(MaxPool(2)), dense(3)],
    ),
}


@pytest.mark.parametrize("name", POOLED)
@pytest.mark.parametrize("levels", [1, 5])
def test_pooling_is_fused(name, levels):
    network = build(*POOLED[name], seed=len(name))
    plan = unrolled_plan(network, lut=6, levels=levels)
    fused = {layer.name for layer in network.layers if not layer.accumulates}
    behind = {layer.name for layer in network.layers if layer.sources[0] in fused}
    layers = [replace(c, engine="fused") if c.name in fused else c for c in plan.layers]
    layers = [replace(c, width=4) if c.name in behind else c for c in layers]  # several words a cell, too
    accelerator = Accelerator(network, Plan(tuple(layers)))
    assert [stage.repeats > 1 for stage in accelerator.stages if stage.output in fused] == [True] * len(fused)
    for stall in (0.0, 0.4):
        check_accelerator(accelerator, random_images(network, 4), stall=stall)


def test_frames_that_are_too_wide_are_refused():
    with pytest.raises(UserError, match="5,000 inputs are too many for one word of 4,096"):
        unrolled_plan(random_network((5000, 2)), lut=6)


def test_the_planner_mixes_engines():
    rng = np.random.default_rng(7)
    network = random_network((600, 64, 48, 4), bits=3, seed=5)
    values = layer_inputs(network, rng.integers(0, 256, (3, 600)).astype(np.uint8))[1]
    work = Planner(network, "xc7", {"luts": 20_800, "ffs": 41_600, "brams": 50}, values)
    planned = make_plan(work, 40)
    engines = {choice.engine for choice in planned.plan.layers}
    assert "unrolled" in engines
    assert engines - {"unrolled"}
    assert planned.interval <= 40


def test_the_planner_unrolls_a_sparse_network_for_a_frame_a_cycle():
    network = small_network(np.random.default_rng(4))
    values = layer_inputs(network, random_images(network, 3))[1]
    work = Planner(network, "xc7", {"luts": 20_800, "ffs": 41_600, "brams": 50}, values)
    assert fit(work).interval == 1
    planned = unroll(work, 3)
    assert planned.interval == 1
    assert planned.latency == Design(network, planned.plan).frames_under_way - 1


def steps_network(readout):
    rng = np.random.default_rng(5)
    tables = [np.full(6, n, np.int32) for n in (2, 2, 1, 0)]
    layers = (
        Layer("hidden", Dense(rng.integers(-1, 2, (6, 8)).astype(np.int8), 2), Integrate(*tables, 4)),
        Layer("out", Dense(rng.integers(-1, 2, (3, 6)).astype(np.int8), 2), readout),
    )
    return Network("steps", Input((8,), 4, "steps"), layers, ("a", "b", "c"))


def test_steps_in_logic_take_a_frame_a_cycle_and_are_asked_for():
    network = steps_network(Readout(np.zeros(3, np.int32)))
    assert not sparse(network)
    design = Design(network, unrolled_plan(network, lut=6))
    assert design.streaming
    assert [stage.engine.words for stage in design.stages] == [1, 1]
    assert [stage.engine.action_cycles for stage in design.stages] == [0, 0]  # a ladder has them in a row
    ones = design.timing.ones(layer_inputs(network, events_of(network, 9))[1])
    assert (np.diff(design.timing.schedule(ones, length=9).offered[0]) == 1).all()


def test_a_leaky_readout_is_not_taken_by_logic():
    network = steps_network(LeakyReadout(np.zeros(3, np.int32), 4, 1))
    with pytest.raises(UserError, match="layer out: the unrolled engine has no leaky_readout neurons"):
        Design(network, unrolled_plan(network, lut=6))
