"""The ramp engine in Amaranth's simulator: every score, class and cycle, and every spike in its slot."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines.reach import reach
from s2nn_hw.circuit.lower import lower
from s2nn_hw.cycles.timing import engine_alone
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.first_spikes import first_spikes, simulate
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.ramp import Ramp, RampUnit
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, PooledDense
from s2nn_hw.network.trace import layer_inputs
from tests.support.networks import random_images, random_network
from tests.support.ramps import networks, plans, ramp_plan, ttfs_network
from tests.support.streams import check_accelerator, run_stream


@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_networks_back_to_back_and_with_stalls(drawn):
    network = drawn.draw(networks())
    plan, seed = drawn.draw(plans(network)), drawn.draw(st.integers(0, 1000))
    accelerator, images = Accelerator(network, plan), random_images(network, 4, seed)
    check_accelerator(accelerator, images)
    check_accelerator(accelerator, images, stall=drawn.draw(st.sampled_from([0.1, 0.5])), seed=seed)


@pytest.mark.parametrize(
    ("sizes", "input_bits", "slots", "width"),
    [
        ((1, 1), 1, (3,), 1),
        ((1, 1), 4, (3,), 1),
        ((1, 1, 1), 1, (3,), 1),
        ((1, 1, 1, 1), 2, (31,), 1),
        ((5, 9, 1), 5, (7, 15), 4),
        ((33, 17, 9, 2), 3, (31, 3), 32),
        ((9, 3, 20, 5), 1, (3, 31), 8),
    ],
)
def test_degenerate_sizes(sizes, input_bits, slots, width):
    network = ttfs_network(sizes, input_bits=input_bits, slots=slots, seed=len(sizes))
    accelerator, images = Accelerator(network, ramp_plan(network, width=width, depth=2)), random_images(network, 5)
    check_accelerator(accelerator, images)
    check_accelerator(accelerator, images, stall=0.4)


class Played(wiring.Component):
    """A :class:`RampUnit` whose frames are given by a stream of sums, one at a time."""

    def __init__(self, unit):
        self.unit = unit
        super().__init__({"i": In(stream.Signature(unit.sums.shape())), "o": Out(unit.o.signature)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self.unit
        room = Signal(init=1)
        m.d.comb += [self.i.ready.eq(room), unit.capture.eq(self.i.valid & room)]
        m.d.comb += [unit.sums.eq(self.i.payload), unit.o.ready.eq(self.o.ready)]
        m.d.comb += [self.o.valid.eq(unit.o.valid), self.o.payload.eq(unit.o.payload)]
        with m.If(unit.capture):
            m.d.sync += room.eq(0)
        with m.If(unit.release):
            m.d.sync += room.eq(1)
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize(("neurons", "width", "slots"), [(1, 1, 3), (5, 2, 7), (6, 8, 15), (9, 3, 31), (3, 1, 3)])
@pytest.mark.parametrize("literal", [True, False])
def test_neurons_fire_in_their_slot_once(neurons, width, slots, literal, stall):
    rng = np.random.default_rng(neurons)
    theta = rng.integers(1, 40, neurons)
    sums = rng.integers(-2 * slots * 40, 60, (12, neurons))
    sums[0], sums[1] = -(1 << 12), (1 << 12) - 1
    unit = RampUnit(Ramp(np.zeros(neurons), theta, slots), [13] * neurons, width=width, literal=literal)
    wanted = (slots + np.floor_divide(sums, theta)).clip(0, slots)  # a slot earlier for each theta
    words = -(-neurons // width)
    beats = [{f"n{k}": int(v) for k, v in enumerate(row)} for row in sums]
    got = run_stream(Played(unit), beats, results=len(sums) * words * (slots if literal else 1), stall=stall, read=int)
    numbers, bits = [value for value, _ in got], 1 if literal else slots.bit_length()
    spread = np.array([[value >> bits * k & (1 << bits) - 1 for k in range(width)] for value in numbers])
    spread = spread.reshape(len(sums), -1, words * width)[..., :neurons]
    if literal:
        assert (spread.sum(axis=1) == (wanted > 0)).all()
        spread = (spread * (slots - np.arange(slots))[:, None]).sum(axis=1)[:, None]
    assert spread[:, 0].tolist() == wanted.tolist()


def test_a_layer_takes_a_cycle_a_spike_and_an_empty_slot():
    network = ttfs_network((40, 30, 20, 5), seed=3)
    design = Design(network, ramp_plan(network, width=64, depth=2))
    values = layer_inputs(network, random_images(network, 6))[1]
    ones = design.timing.ones(values)
    for stage, table in zip(design.stages, ones, strict=True):
        times = first_spikes(network, random_images(network, 6))[stage.readers[0].source]
        spikes = np.stack([(times == slot).sum(axis=1) for slot in range(15)], axis=1)
        assert (table[:, 0, 0, :, 0, 0] == spikes).all()
        wanted = spikes.clip(min=1).sum(axis=1)
        assert engine_alone(stage, table, length=6)[0].tolist() == wanted[1:].tolist()


def test_windows_of_consecutive_layers_overlap():
    """A layer's spikes are added in the slots in which they leave: three layers of one spike take a window each."""
    network = ttfs_network((8, 8, 8, 8, 4), slots=(15,), seed=1)
    design = Design(network, ramp_plan(network, width=8))
    values = layer_inputs(network, np.zeros((1, 8), np.uint8))[1]
    silent = {name: np.zeros_like(x) for name, x in values.items()}
    schedule = design.timing.schedule(design.timing.ones(silent))
    assert np.diff(schedule.closed[:, 0, 0]).tolist() == [15 + 8] * 3


def test_ramp_planes_and_golden_agree_on_every_spike():
    network = ttfs_network((30, 20, 12, 4), slots=(15, 7), seed=5)
    images = random_images(network, 8)
    scores, times = simulate(network, images)
    output, _ = layer_inputs(network, images)
    assert scores.tolist() == output.scores.tolist()
    assert {n: t.tolist() for n, t in first_spikes(network, images).items()} == {
        n: t.tolist() for n, t in times.items()
    }
    for engines in (("ramp",), ("event",), ("event", "ramp"), ("ramp", "event"), ("parallel", "ramp", "parallel")):
        check_accelerator(Accelerator(network, ramp_plan(network, engines=engines)), images)


def test_extreme_sums_stay_within_the_accumulators():
    network = ttfs_network((24, 12, 6, 3), bits=8, seed=2)
    for stage in Design(network, ramp_plan(network)).stages:
        found, widths = reach(stage.engine).every, stage.engine.accumulator_widths()
        assert (found.low.min(axis=0) >= -(1 << (widths - 1))).all()
        assert (found.high.max(axis=0) < 1 << (widths - 1)).all()
    images = np.full((2, 24), 255, np.uint8)
    images[1] = 0
    check_accelerator(Accelerator(network, ramp_plan(network)), images)


def test_streams_between_ramp_engines_are_slots_and_others_numbers():
    network = ttfs_network((30, 20, 12, 4), slots=(15, 7))
    stages = lower(network, ramp_plan(network, engines=("ramp", "ramp", "ramp")))
    tensors = [stage.readers[0].tensor for stage in stages]
    assert [(t.slots, t.words, t.plane_words) for t in tensors] == [(0, 2, 2), (15, 30, 2), (7, 7, 1)]
    assert [stage.readers[0].window is None for stage in stages] == [False, True, True]
    assert [stage.engine.in_slots for stage in stages] == [True, True, False]
    stages = lower(network, ramp_plan(network, engines=("ramp", "event", "ramp")))
    assert [stage.readers[0].tensor.slots for stage in stages] == [0, 0, 0]
    assert not stages[0].engine.in_slots


def bad(layers, entering):
    return Network("n", entering, layers, ("a", "b"))


def readout(inputs):
    return Layer("r", Dense(np.ones((2, inputs), np.int8), 2), Readout(np.zeros(2, np.int32)))


def ttfs(count):
    return ttfs_network((2, count, 2), slots=(3,)).layers[0].neuron


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (random_network((4, 3, 2)), "layer layer0: the ramp engine has ttfs neurons and readouts, not fire neurons"),
        (
            bad((Layer("c", Conv2d(np.ones((3, 3, 3, 1), np.int8), 2), ttfs(3)), readout(48)), Input((6, 6), 4)),
            "layer c: the ramp engine has dense layers of one source; take another engine",
        ),
        (
            bad((Layer("c", PooledDense(np.ones((3, 4), np.int8), 2, (3, 3)), ttfs(3)), readout(3)), Input((6, 6), 4)),
            "layer c: the ramp engine has dense layers of one source",
        ),
        (
            bad((Layer("c", Dense(np.ones((3, 6), np.int8), 2), ttfs(3)), readout(3)), Input((6,), 6)),
            "layer c: the ramp engine reads numbers of 1 to 5 bits without sign, not 6 planes of code radix",
        ),
        (
            bad((Layer("c", Dense(np.ones((3, 6), np.int8), 2), ttfs(3)), readout(3)), Input((6,), 4, signed=True)),
            "1 to 5 bits without sign, not 4 planes of code radix, signed",
        ),
        (
            bad((Layer("c", Dense(np.ones((3, 6), np.int8), 2), ttfs(3)), readout(3)), Input((6,), 4, code="steps")),
            "1 to 5 bits without sign, not 4 planes of code steps",
        ),
    ],
)
def test_layers_that_it_does_not_have(network, text):
    with pytest.raises(UserError, match=text):
        lower(network, Plan(tuple(LayerPlan(x.name, width=1, engine="ramp") for x in network.layers)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"groups": 2}, "layer layer0: the ramp engine has one group, a lane a neuron, not 2"),
        ({"banks": 3}, "layer layer0: ramp engine: width must be a power of two times the banks"),
        ({"depth": 1}, "layer layer0: ramp engine: depth must be an integer from 2 to 1024, not 1"),
        ({"memory": "flash"}, "layer layer0: ramp engine: memory must be one of auto, block, distributed"),
    ],
)
def test_plans_that_it_does_not_have(change, text):
    network = ttfs_network((8, 6, 2))
    first, second = ramp_plan(network).layers
    with pytest.raises(UserError, match=text):
        lower(network, Plan((replace(first, **change), second)))


def test_a_layer_whose_spikes_several_read_gives_numbers():
    rng = np.random.default_rng(4)
    network = ttfs_network((12, 10, 10, 3), slots=(7,), seed=4)
    first, second, last = network.layers
    both = Layer("r", (last.synapses[0], Dense(rng.integers(-3, 4, (3, 10)).astype(np.int8), 3)), last.neuron)
    both = replace(both, sources=(first.name, second.name))
    network = Network("n", network.input, (first, second, both), network.classes)
    plan = Plan(
        tuple(LayerPlan(x.name, 1, 8, engine=e) for x, e in zip(network.layers, ("ramp", "ramp", "event"), strict=True))
    )
    stages = lower(network, plan)
    assert [t.slots for s in stages for t in [r.tensor for r in s.readers]] == [0] * 4
    assert stages[0].readers[0].source == INPUT
    check_accelerator(Accelerator(network, plan), random_images(network, 4))


def test_fire_neurons_are_no_times():
    assert Fire(np.zeros(1, np.int32)).ramp is None
