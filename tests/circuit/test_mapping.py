"""Sums of constant weights as logic: equal to numpy for any weights, and the circuit equal to the logic."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.circuit.unroll.circuit import build, homes, registers, stages
from s2nn_hw.circuit.unroll.cost import cost, predict_luts
from s2nn_hw.circuit.unroll.logic import ONE, ZERO, Chain, Logic, Table
from s2nn_hw.circuit.unroll.mapping import map_layer
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.synthesis import synthesise
from s2nn_hw.hw.flow.toolchain import find_path
from s2nn_hw.hw.flow.toolreports import synthesis_usage

MAPPINGS = ("lut6", "lut4")


class Registered(wiring.Component):
    """Logic between an input register and its outputs, one enable for each stage."""

    def __init__(self, logic, levels=1, chain=1):
        self.logic, self.levels, self.chain, self.stages = logic, levels, chain, stages(logic, levels, chain)
        super().__init__(
            {"i": In(logic.inputs), "enable": In(max(1, self.stages)), "o": Out(max(1, sum(map(len, logic.outputs))))}
        )

    def elaborate(self, _platform):
        m = Module()
        x = Signal(self.logic.inputs)
        m.d.sync += x.eq(self.i)
        enables = [self.enable[k] for k in range(self.stages)]
        m.d.comb += self.o.eq(Cat(build(m, self.logic, x, enables=enables, levels=self.levels, chain=self.chain)))
        return m


def integer(bits):
    return int.from_bytes(np.packbits(np.asarray(bits, bool), bitorder="little").tobytes(), "little")


def simulate(component, frames, stall=0.0):
    """Return the output word of each frame; ``stall``: share of cycles in which nothing moves."""
    simulator, rng, words = Simulator(component), np.random.default_rng(0), []
    simulator.add_clock(1e-8)

    async def bench(ctx):
        for number in range(len(frames) + component.stages):
            while rng.random() < stall:
                ctx.set(component.enable, 0)
                await ctx.tick()
            ctx.set(component.i, integer(frames[min(number, len(frames) - 1)]))
            ctx.set(component.enable, (1 << len(component.enable)) - 1)
            await ctx.tick()
            words.append(ctx.get(component.o))

    simulator.add_testbench(bench)
    simulator.run()
    return words[component.stages :]


def packed(logic, frames):
    """Return what the circuit should give, from the logic's own evaluation."""
    words = []
    for row in logic.evaluate(frames):
        word = place = 0
        for value, bits in zip(row.tolist(), logic.outputs, strict=True):
            word |= value << place
            place += len(bits)
        words.append(word)
    return words


def check(weights, offsets, fire, family, frames=200, **options):
    """Map and compare with numpy on random frames of mixed density, all zeros and all ones."""
    weights, offsets = np.asarray(weights), np.asarray(offsets)
    mapped, rng = map_layer(weights, offsets, fire=fire, family=family, moves=4, **options), np.random.default_rng(0)
    x = rng.random((frames, weights.shape[1])) < rng.random((frames, 1))
    x[0], x[1] = 0, 1
    sums = x @ weights.T + offsets
    wanted = sums >= 0 if fire else sums + mapped.constant
    assert np.array_equal(mapped.logic.evaluate(x), wanted)
    assert mapped.constant == 0 or not fire
    return mapped.logic


@st.composite
def layers(draw):
    """Return weights and offsets, sparse or dense, small or large, of one sign or both."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 70))
    limit = draw(st.sampled_from([1, 2, 3, 7, 31, 127, 1000]))
    weights = rng.integers(-limit, limit + 1, shape) * (rng.random(shape) < draw(st.sampled_from([0.1, 0.5, 1.0])))
    weights = draw(st.sampled_from([weights, np.abs(weights), -np.abs(weights), weights << 3]))
    reach = int(np.abs(weights).sum(axis=1).max()) + 2
    return weights, rng.integers(-reach, reach + 1, shape[0]) // draw(st.sampled_from([1, 4, reach]))


@settings(max_examples=40, deadline=None)
@given(layers(), st.booleans(), st.sampled_from(MAPPINGS))
def test_logic_equals_numpy(layer, fire, family):
    check(*layer, fire, family)


@pytest.mark.parametrize("family", MAPPINGS)
@pytest.mark.parametrize("fire", [True, False])
@pytest.mark.parametrize(
    ("row", "offset"),
    [
        ([0, 0, 0], 0),
        ([0, 0, 0], -1),
        ([5], -5),
        ([-3], 0),
        ([1] * 9, -5),
        ([7] * 11, -40),
        ([-7] * 11, 40),
        ([1] * 7, -(10**6)),
        ([1] * 7, 10**6),
        ([1, 2, 4, 8, 16, 32, 64, 128], -77),
        ([1, -2, 4, -8, 16, -32, 64], 3),
        ([4] * 13, -6),
        ([1, -1] * 8, 0),
        ([1000] + [1] * 12, -1004),
    ],
)
def test_special_neurons(row, offset, fire, family):
    check([row], [offset], fire, family)


@pytest.mark.parametrize("family", MAPPINGS)
def test_popcounts_are_small_and_shallow(family):
    logic = check(np.ones((1, 100), int), [0], False, family)
    device = "xc7" if family == "lut6" else "ecp5"
    assert cost(logic, device).luts <= (72 if family == "lut6" else 180)
    assert logic.depth <= (8 if family == "lut6" else 12)


def test_few_inputs_are_one_table_and_constants_none():
    weights = np.zeros((4, 9), int)
    weights[0, [0, 3, 4, 5, 6, 8]] = [3, -1, 7, 2, -5, 1]
    weights[1:3, 2] = 1
    logic = check(weights, [-2, 5, -1, -1], True, "lut6")
    assert len(logic.nodes) == 1
    assert isinstance(logic.nodes[0], Table)
    assert logic.outputs[1:] == ((ONE,), (2,), (ZERO,))


def test_equal_neurons_exist_once():
    row = np.random.default_rng(0).integers(-7, 8, 40)
    one = check(row[None], [-3], True, "lut6")
    both = check(np.stack([row, row, 2 * row]), [-3, -3, -5], True, "lut6")
    assert both.outputs[0] == both.outputs[1]
    assert cost(both, "xc7").luts <= 2 * cost(one, "xc7").luts


def test_same_seed_same_logic_and_depth_is_kept():
    weights, offsets = np.random.default_rng(1).integers(-7, 8, (3, 60)), [-20, 0, 5]
    first, second = (map_layer(weights, offsets, fire=True, moves=12, seed=3).logic for _ in range(2))
    assert (first.nodes, first.outputs) == (second.nodes, second.outputs)
    deep, shallow = (map_layer(weights, offsets, fire=True, moves=60, depth=depth).logic for depth in (20, 1))
    assert cost(deep, "xc7").luts <= cost(shallow, "xc7").luts
    assert shallow.depth <= deep.depth


@pytest.mark.parametrize("family", MAPPINGS)
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("fire", [True, False])
def test_circuit_equals_logic(fire, levels, family):
    rng = np.random.default_rng(levels)
    weights = rng.integers(-7, 8, (4, 23))
    weights[3] = 0
    weights[3, 5] = fire
    logic = check(weights, rng.integers(-9, 9, 4), fire, family)
    frames = rng.random((24, 23)) < 0.4
    component = Registered(logic, levels)
    assert component.stages == -(-logic.depth // levels)
    assert simulate(component, frames, stall=0.3 if levels == 1 else 0.0) == packed(logic, frames)


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5, 7])
def test_an_adder_may_be_more_levels_than_a_table(levels):
    rng = np.random.default_rng(levels)
    logic = check(rng.integers(-7, 8, (3, 40)), rng.integers(-9, 9, 3), levels % 2, "lut6")
    home, inside = homes(logic, levels, 2), [0] * logic.inputs
    for node in logic.nodes:
        stage, here = home[len(inside)], 1 if isinstance(node, Table) else 2
        read = [bit for bit in node.bits() if bit >= 0]
        assert stage == max(0, *(home[bit] for bit in read)) or levels < here + max(
            inside[bit] for bit in read if home[bit] == stage - 1
        )  # as early as can be
        here += max((inside[bit] for bit in read if home[bit] == stage), default=0)
        assert here <= max(levels, 2)
        inside += [here] * node.outputs
    assert (levels == 1) <= (stages(logic, levels, 2) == logic.depth)
    frames = rng.random((12, 40)) < 0.4
    assert simulate(Registered(logic, levels, 2), frames) == packed(logic, frames)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_a_bit_is_read_in_its_own_stage_and_later(levels):
    nodes = (Chain((0,), (1,), ONE, 2), Chain((3,), (4,), ZERO, 2), Table((3, 5, 6), 0b10010110))
    logic = Logic(3, nodes, ((7,), (4,)))
    frames = np.random.default_rng(0).random((24, 3)) < 0.5
    assert simulate(Registered(logic, levels), frames) == packed(logic, frames)


def test_bad_arguments_are_named():
    for arguments, text in (
        ((np.ones(3), [1]), "not \\(3,\\)"),
        ((np.ones((2, 3)), [1]), "offsets \\(neurons,\\)"),
        (([[1 << 30]], [0]), "not mapped"),
    ):
        with pytest.raises(UserError, match=text):
            map_layer(*arguments, fire=True)
    with pytest.raises(UserError, match="family must be one of"):
        map_layer([[1]], [0], fire=True, family="lut5")


@pytest.mark.skipif(find_path("yosys") is None, reason="no yosys")
@pytest.mark.parametrize(("family", "within"), [("xc7", 0.04), ("ecp5", 0.09)])
def test_cost_is_what_yosys_counts(family, within, tmp_path):
    rng = np.random.default_rng(0)
    weights = np.clip(np.rint(rng.normal(0, 2.8, (5, 40))), -7, 7).astype(int)
    logic = check(weights, rng.integers(-20, 20, 5), True, FAMILIES[family].mapping)
    usage = synthesis_usage(library_of(family), synthesise(Registered(logic), "part", family, tmp_path))
    guess = cost(logic, family)
    assert guess.luts == pytest.approx(usage.luts, rel=within)
    assert guess.ffs + weights.shape[1] == usage.ffs == registers(logic) + weights.shape[1]


@pytest.mark.parametrize("family", MAPPINGS)
def test_prediction_is_near_the_cost(family):
    rng = np.random.default_rng(2)
    for weights in (rng.choice([-1, 0, 1], (6, 80)), rng.integers(-7, 8, (6, 50))):
        logic = map_layer(weights, np.zeros(6, int), fire=True, family=family, moves=24).logic
        device = "xc7" if family == "lut6" else "ecp5"
        assert predict_luts(weights, family).sum() == pytest.approx(cost(logic, device).luts, rel=0.15)
    assert predict_luts([[0, 0], [1, 0], [1, -5]], family).tolist() == [0, 1, 1]
