"""The self-test in Amaranth's simulator: exact counts, faults found with their place, restarts, and its packets."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.sim import Simulator

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.protocol import Damaged, Identity
from s2nn_hw.hw.link.selftest import SelfTest, Vectors
from s2nn_hw.hw.link.verdict import Flag, Mismatch, SelfTestPackets, Verdict, self_test_request
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import unrolled_plan
from tests.support.networks import random_images, random_network
from tests.support.standin import StandIn, tiny_network

FIELDS = (
    "running",
    "passed",
    "failed",
    "frames",
    "mismatches",
    "round_cycles",
    "span_cycles",
    "latency_cycles",
    "vector",
)


def read(ctx, state):
    """Return the state as a dictionary of integers, answers as ``(class, scores)``."""
    answers = {
        name: (int(ctx.get(getattr(state, name)["class"])), tuple(int(s) for s in ctx.get(getattr(state, name)).scores))
        for name in ("wanted", "came")
    }
    return {name: int(ctx.get(getattr(state, name))) for name in FIELDS} | answers


def simulate(dut, drive):
    """Run ``drive(ctx)`` and return what it returns."""
    kept = []

    async def bench(ctx):
        kept.append(await drive(ctx))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator = Simulator(dut)
        simulator.add_clock(1e-8)
        simulator.add_testbench(bench)
        simulator.run()
    return kept[0]


async def until(ctx, dut, results):
    """Wait until ``results`` more results have been judged."""
    while results:
        _, _, moving = await ctx.tick().sample(dut.moving)
        results -= moving


def rig(count=5, *, network=None, rounds_log2=1, break_=None, **options):
    """Return a self-test of a real accelerator; ``break_``: change of the expectation ``(vector, class or score)``."""
    network = network or random_network((20, 9, 3), input_bits=2)
    vectors = Vectors.of(network, random_images(network, count, seed=3), count)
    if break_:
        vector, place, change = break_
        target = vectors.classes if place is None else vectors.scores[:, place]
        target[vector] += change
    return SelfTest(Accelerator(network), vectors, rounds_log2=rounds_log2, **options)


@pytest.mark.parametrize(("sizes", "bits", "count"), [((20, 9, 3), 2, 5), ((37, 6, 2), 1, 2), ((5, 3, 1), 8, 8)])
@pytest.mark.parametrize("rounds_log2", [0, 2])
def test_a_right_circuit_passes_with_the_cycle_model_s_counts(sizes, bits, count, rounds_log2):
    network = random_network(sizes, input_bits=bits)
    dut = rig(count, network=network, rounds_log2=rounds_log2)
    rounds = 2**rounds_log2 + 2
    images = random_images(network, count, seed=3)
    _, values = layer_inputs(network, np.concatenate([images] * rounds))
    timing = dut.accelerator.timing
    schedule = timing.schedule(timing.ones(values), length=rounds * count)
    begun, offered = schedule.begun[0], schedule.offered[0]

    async def drive(ctx):
        states = []
        for _ in range(rounds):
            states.append(read(ctx, dut.state))
            await until(ctx, dut, count)
        return [*states, read(ctx, dut.state)]

    states = simulate(dut, drive)
    assert states[0] | {"wanted": 0, "came": 0} == dict.fromkeys([*FIELDS, "wanted", "came"], 0)
    for number, state in enumerate(states[1:], 1):
        assert (state["running"], state["passed"], state["failed"], state["mismatches"]) == (1, 1, 0, 0)
        assert state["frames"] == number * count
        assert state["round_cycles"] == offered[count - 1] - begun[0]
        spans = (number - 1) >> rounds_log2  # how many are over
        ends = offered[count - 1 :: count << rounds_log2]
        assert state["span_cycles"] == (ends[spans] - ends[spans - 1] if spans else 0)
        # a result is looked at for its latency a cycle before it is judged
        assert state["latency_cycles"] in (schedule.cycles[0][: number * count + extra].max() for extra in range(2))


def test_no_verdict_before_the_first_round_is_over():
    dut = rig(4)

    async def drive(ctx):
        await until(ctx, dut, 3)
        return read(ctx, dut.state)

    state = simulate(dut, drive)
    assert (state["running"], state["passed"], state["failed"], state["round_cycles"]) == (1, 0, 0, 0)


@pytest.mark.parametrize(("place", "change"), [(None, 1), (None, -1), (0, 1), (1, -1), (2, 1)])
@pytest.mark.parametrize("vector", [0, 2, 4])
def test_one_wrong_bit_fails_with_its_place(vector, place, change):
    network = random_network((20, 9, 3), input_bits=2)
    images = random_images(network, 5, seed=3)
    golden = network.forward(images)
    classes = golden.classes
    if place is None and not 0 <= classes[vector] + change < 3:
        change = -change
    dut = rig(network=network, break_=(vector, place, change))

    async def drive(ctx):
        await until(ctx, dut, 5 * 3)
        return read(ctx, dut.state)

    state = simulate(dut, drive)
    came = (int(classes[vector]), tuple(golden.scores[vector].tolist()))
    index, scores = came[0] + (change if place is None else 0), list(came[1])
    if place is not None:
        scores[place] += change
    assert (state["passed"], state["failed"], state["frames"], state["mismatches"]) == (0, 1, 15, 3)
    assert (state["vector"], state["came"], state["wanted"]) == (vector, came, (index, tuple(scores)))


def test_the_first_of_several_mismatches_is_kept():
    dut = rig()
    dut.vectors.scores[1, 2] ^= 2
    dut.vectors.scores[3] += 1

    async def drive(ctx):
        await until(ctx, dut, 20)
        return read(ctx, dut.state)

    state = simulate(dut, drive)
    assert (state["vector"], state["mismatches"], state["frames"]) == (1, 8, 20)
    assert state["wanted"][1][2] == state["came"][1][2] ^ 2


def test_restart_waits_for_what_is_under_way_and_then_all_is_as_after_reset():
    """Faults on and off by restarts at every phase of a round: each time the counts of a fresh start."""
    dut = rig(3)
    fresh, faulty = [], []

    async def drive(ctx):
        await until(ctx, dut, 6)
        first = read(ctx, dut.state)
        for phase in range(40):
            await ctx.tick().repeat(phase + 1)
            ctx.set(dut.fault, phase % 2 == 0)
            ctx.set(dut.restart, 1)
            await ctx.tick()
            ctx.set(dut.restart, 0)
            await ctx.tick()
            assert not ctx.get(dut.state.running)
            await ctx.tick().until(dut.state.running)
            assert not ctx.get(dut.state.frames)
            await until(ctx, dut, 6)
            (fresh if phase % 2 else faulty).append(read(ctx, dut.state))
        return first

    first = simulate(dut, drive)
    assert fresh == [first] * 20
    golden = dut.vectors.classes[2], tuple(dut.vectors.scores[2].tolist())
    for state in faulty:
        assert (state["failed"], state["passed"], state["frames"], state["mismatches"]) == (1, 0, 6, 2)
        assert (state["vector"], state["came"]) == (2, golden)
        assert state["wanted"] == (golden[0], (golden[1][0] ^ 1, *golden[1][1:]))
        assert state["round_cycles"] == first["round_cycles"]


def test_a_slow_accelerator_of_several_beats_and_positions():
    network = tiny_network(12, channels=3)
    vectors = Vectors.of(network, random_images(network, 4), 4)
    dut = SelfTest(StandIn(network, pixels_per_beat=2, group=3, delay=7), vectors, rounds_log2=1)
    # the stand-in has no map of its beats
    dut.accelerator.beat_pixels = Identity.of(dut.accelerator, window=4, clock_hz=1).beat_pixels

    async def drive(ctx):
        await until(ctx, dut, 12)
        return read(ctx, dut.state)

    state = simulate(dut, drive)
    assert (state["passed"], state["failed"], state["frames"]) == (1, 0, 12)
    assert state["span_cycles"] % 8 == 0


class EveryClock(StandIn):
    """The same function, but a frame a beat and a beat a clock; the result comes ``delay`` cycles later."""

    def __init__(self, network, delay):
        super().__init__(network, pixels_per_beat=network.input.size, delay=delay)
        self.beat_pixels = np.arange(network.input.size)[None]

    def elaborate(self, platform):
        m = Module()
        weights, bias = self.network.layers[0].synapses[0].weights.tolist(), self.network.layers[0].neuron.bias
        shape = self.o.payload.shape()
        flow = [(self.i.valid, Signal(shape))]
        scores = [
            sum((w * p for w, p in zip(row, self.i.payload, strict=True)), int(b))
            for row, b in zip(weights, bias, strict=True)
        ]
        result = flow[0][1]
        best, index = scores[0], Const(0, 8)
        for number, score in enumerate(scores[1:], 1):
            best, index = Mux(score > best, score, best), Mux(score > best, number, index)
        m.d.comb += [result.scores[n].eq(score) for n, score in enumerate(scores)]
        m.d.comb += [result["class"].eq(index), result.cycles.eq(self.delay), self.i.ready.eq(1)]
        for _ in range(self.delay):
            valid, payload = Signal(), Signal(shape)
            m.d.sync += [valid.eq(flow[-1][0]), payload.eq(flow[-1][1])]
            flow.append((valid, payload))
        m.d.comb += [self.o.valid.eq(flow[-1][0]), self.o.payload.eq(flow[-1][1])]
        return m


@pytest.mark.parametrize(("sizes", "bits", "count"), [((40, 12, 4), 1, 16), ((9, 5), 2, 3)])
def test_an_unrolled_network_passes_at_a_frame_a_clock(sizes, bits, count):
    network = random_network(sizes, input_bits=bits)
    images = random_images(network, count, seed=3)
    accelerator = Accelerator(network, unrolled_plan(network, lut=6))
    dut = SelfTest(accelerator, Vectors.of(network, images, count), rounds_log2=3)

    async def drive(ctx):
        await until(ctx, dut, 9 * count)
        return read(ctx, dut.state)

    state, latency = (
        simulate(dut, drive),
        accelerator.timing.schedule(accelerator.timing.ones(layer_inputs(network, images)[1])).cycles[0, 0],
    )
    assert (state["passed"], state["failed"], state["frames"]) == (1, 0, 9 * count)
    assert (state["span_cycles"], state["round_cycles"], state["latency_cycles"]) == (
        8 * count,
        count - 1 + latency,
        latency,
    )


@pytest.mark.parametrize(("count", "latency"), [(2, 1), (7, 3), (16, 20), (2, 20)])
def test_a_frame_every_clock_is_fed_and_judged_every_clock(count, latency):
    """The rate of an unrolled accelerator: as many cycles as frames, and the first round's latency behind it."""
    network = tiny_network(12, bits=2)
    vectors = Vectors.of(network, random_images(network, count), count)
    dut = SelfTest(EveryClock(network, latency), vectors, rounds_log2=3)

    async def drive(ctx):
        await until(ctx, dut, 9 * count)
        state = read(ctx, dut.state)
        ctx.set(dut.fault, 1)
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        await ctx.tick().until(dut.state.running)
        await ctx.tick().repeat(9 * count + latency)
        return state, read(ctx, dut.state)

    good, bad = simulate(dut, drive)
    assert (good["passed"], good["failed"], good["frames"], good["latency_cycles"]) == (1, 0, 9 * count, latency)
    assert (good["span_cycles"], good["round_cycles"]) == (8 * count, count - 1 + latency)
    assert (bad["failed"], bad["passed"], bad["vector"]) == (1, 0, count - 1)
    assert bad["frames"] // count == bad["mismatches"]


def test_vectors_are_refused_before_a_circuit_is_made(network):
    images = random_images(network, 10)
    with pytest.raises(UserError, match="needs 2 to 65,535 vectors, not 1"):
        Vectors.of(network, images, 1)
    with pytest.raises(UserError, match="of 11 vectors needs as many images, not 10"):
        Vectors.of(network, images, 11)
    vectors = Vectors.of(network, images, 10)
    with pytest.raises(UserError, match="needs as many classes"):
        Vectors(vectors.pixels, vectors.classes[:4], vectors.scores)
    with pytest.raises(UserError, match="must have shape"):
        Vectors.of(network, images[:, :-1], 4)


IDENTITY = Identity(b"\1" * 16, 12, 12, 5, 2, 3, 12, 4, 12_000_000)
PASSED = Verdict(True, True, False, False, 64, 16, 1 << 47, 0, 70, 1024, 6)


@pytest.mark.parametrize(
    "verdict",
    [
        PASSED,
        replace(PASSED, running=False, passed=False, frames=0, span_cycles=0),
        replace(
            PASSED,
            passed=False,
            failed=True,
            fault=True,
            mismatches=1 << 31,
            first=Mismatch(63, (2, (-2048, 0, 2047)), (1, (5, -6, 7))),
        ),
    ],
)
def test_packets_round_trip(verdict):
    packets = SelfTestPackets(IDENTITY)
    payload = packets.pack_verdict(verdict, b"abcd")
    assert len(payload) == packets.result_bytes == 4 + 30 + 2 * (2 + 3 * 2)
    assert payload[:4] == b"abcd"
    assert packets.unpack_verdict(payload) == verdict
    assert verdict.to_json()["verdict"] == {0: "no verdict", 2: "pass", 4: "fail"}[payload[4] & 6]
    assert payload[4] & Flag.FAULT == 8 * verdict.fault
    for wrong in (payload[:-1], payload + b"\0"):
        with pytest.raises(Damaged):
            packets.unpack_verdict(wrong)
    assert self_test_request(7, 3).payload == b"\3"
