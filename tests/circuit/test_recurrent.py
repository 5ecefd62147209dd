"""Circuits of sequences in Amaranth's simulator: every tick's spikes and states, scores, classes and cycles."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.circuit.recurrent.scan import Scanner
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.plan.sequences import sequence_plan
from s2nn_hw.sequence_design import SequenceDesign
from tests.support.random_sequences import ints
from tests.support.recurrent import check_recurrent, dense, drawn_circuit, recordings, recurrent_plan, spoken


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_networks_back_to_back_and_with_stalls(seed):
    network, plan, frames, offsets = drawn_circuit(seed, 3)
    check_recurrent(network, plan, frames, offsets)
    check_recurrent(network, plan, frames, offsets, stall=0.4, seed=seed % 1000, looked=False)


@pytest.mark.parametrize(
    ("sizes", "ticks", "width", "groups"),
    [((1, 1, 1, 1), 1, 1, 1), ((1, 1, 1, 1), 7, 8, 1), ((9, 7, 5, 3), 2, 4, 7), ((33, 12, 9, 2), 3, 16, 4)],
)
def test_degenerate_sizes(sizes, ticks, width, groups):
    network = spoken(sizes, ticks=ticks)
    check_recurrent(network, recurrent_plan(network, width=width, groups=groups), *recordings(network, [1, 6, 1, 2]))


def test_a_source_in_front_may_be_delayed_and_layers_may_loop():
    rng = np.random.default_rng(1)

    def lif(size):
        return Lif(*(np.full(size, value, np.int32) for value in (8, 8, 1)), leak=2)

    layers = (
        Layer("copy", dense(rng, 3, 3), Fire(ints(1, 2, 3)), (INPUT,)),
        Layer("a", (dense(rng, 4, 3), dense(rng, 4, 5)), lif(4), ("copy", "b"), (0, 1)),
        Layer("b", (dense(rng, 5, 4), dense(rng, 5, 4), dense(rng, 5, 3)), lif(5), ("a", "a", "copy"), (0, 1, 1)),
        Layer("readout", dense(rng, 2, 5), Readout(ints(0, 3)), ("b",)),
    )
    network = Network("loops", Input((3,), 2, ticks=2, frames=5), layers, ("x", "y"))
    for groups in (1, 2):
        check_recurrent(network, recurrent_plan(network, width=2, groups=groups), *recordings(network, [5, 1, 3]))


def test_cycles_of_a_tick():
    """Alone a tick of a layer takes ``groups (n + actions + 2) + 3``, where nobody holds it up."""
    network = spoken((2, 3, 3, 1), ticks=1)
    design = SequenceDesign(network, recurrent_plan(network, groups=3))
    ones = [np.full(40, 1), np.full(40, 9), np.full(40, 1)]
    schedule = design.timing.schedule(ones, np.array([0, 40]))
    assert np.diff(schedule.starts[1])[5:].tolist() == [3 * (9 + 3 + 2) + 3] * 34


@pytest.mark.parametrize(("count", "width"), [(1, 1), (3, 4), (1, 8), (5, 1), (4, 16)])
def test_scanner(count, width):
    scanner, rng = Scanner(count=count, width=width), np.random.default_rng(count)

    async def scan(ctx):
        for share in (0, 0.1, 0.5, 1):
            wanted = np.flatnonzero(rng.random(count * width) < share).tolist()
            ctx.set(scanner.bits, sum(1 << place for place in wanted))
            ctx.set(scanner.start, 1)
            await ctx.tick()
            ctx.set(scanner.start, 0)
            found, cycle = [], 1
            while not ctx.get(scanner.done):
                if ctx.get(scanner.valid):
                    found.append((cycle, ctx.get(scanner.chunk) * width + ctx.get(scanner.place)))
                await ctx.tick()
                cycle += 1
            assert found == [(k + 2, place) for k, place in enumerate(wanted)]
            assert cycle == len(wanted) + 2
            await ctx.tick()

    simulator = Simulator(scanner)
    simulator.add_clock(1e-6)
    simulator.add_testbench(scan)
    simulator.run()


def test_what_circuits_do_not_have():
    rng = np.random.default_rng(0)
    network = spoken()
    plan = recurrent_plan(network)
    for change, text in (
        ({"engine": "event"}, "engine must be 'recurrent'"),
        ({"width": 6}, "width must be a power of two"),
        ({"groups": 99}, "groups must be at most its 6 neurons"),
    ):
        layers = (replace(plan.layers[0], **change), *plan.layers[1:])
        with pytest.raises(UserError, match=text):
            SequenceDesign(network, replace(plan, layers=layers))
    quantized = Quantized(*(np.full(2, value, np.int32) for value in (4, 0)), 2, "radix")
    for neuron, text in ((quantized, "have no quantized neurons"), (Fire(ints(1, 2)), None)):
        hidden = Layer("hidden", dense(rng, 2, 2), neuron, (INPUT,))
        last = Layer("readout", dense(rng, 1, 2), Readout(ints(0)), ("hidden",))
        small = Network("small", Input((2,), 1, ticks=1, frames=2), (hidden, last), ("x",))
        if text:
            with pytest.raises(UserError, match=text):
                SequenceDesign(small, recurrent_plan(small))
        else:
            check_recurrent(small, recurrent_plan(small), *recordings(small, [2, 1]))


def test_default_plans():
    network = spoken((4, 9, 5, 3))
    assert [(c.engine, c.groups) for c in sequence_plan(network, "ecp5").layers] == [("recurrent", 1)] * 3
    assert [c.groups for c in sequence_plan(network, "ice40").layers] == [5, 3, 2]
