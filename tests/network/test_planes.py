"""Spikes over time: neurons of several planes against closed forms, and against a simulation a step at a time.

The identities I1 to I6 say which networks of spikes over time are one pass of numbers.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.planes import RADIX, STEPS, Planes
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, OrPool
from tests.support.networks import random_images
from tests.support.random_networks import random_graph

THETA = st.integers(1, 300)
STEP_COUNT = st.integers(1, 15)
SUMS = st.lists(st.integers(-500, 500), min_size=1, max_size=20)
FRACTION = st.integers(0, 4)


def one(value):
    return np.array([value], np.int32)


def counts(neuron, sums):
    """Return the numbers that ``neuron`` gives for ``sums``, a list, one sample each: what its planes stand for."""
    _, values = neuron.frame(None, [np.array(sums)[:, None]])
    return neuron.planes.numbers(values[:, 0]).tolist()


def clip_floor(total, theta, most):
    return min(max(total // theta, 0), most)


@given(SUMS, THETA, STEP_COUNT, FRACTION, st.data())
def test_i1_constant_current(sums, theta, steps, fraction, data):
    start = data.draw(st.integers(0, theta - 1))
    neuron = Integrate(one(theta), one(theta), one(0), one(start), steps, fraction=fraction)
    wanted = [clip_floor(start + (z << fraction) * steps, theta, steps) for z in sums]
    assert counts(neuron, sums) == wanted


@given(SUMS, THETA, STEP_COUNT, FRACTION, st.integers(-300, 300))
def test_i2_two_phases_of_steps(sums, theta, steps, fraction, start):
    neuron = Quantized(one(theta), one(start), steps, STEPS, fraction)
    assert counts(neuron, sums) == [clip_floor(start + (z << fraction), theta, steps) for z in sums]


@given(SUMS, THETA, st.integers(1, 8), FRACTION, st.integers(-300, 300))
def test_i3_restoring_bits(sums, theta, planes, fraction, start):
    neuron = Quantized(one(theta), one(start), planes, RADIX, fraction)
    assert counts(neuron, sums) == [clip_floor(start + (z << fraction), theta, 2**planes - 1) for z in sums]


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(-7, 7)), max_size=30))
def test_i4_ramp(spikes):
    steps, first, second = 15, 0, 0
    for slot in range(steps):
        first += sum(weight for when, weight in spikes if when == slot)
        second += first
    assert second == sum(weight * (steps - when) for when, weight in spikes)


@given(st.integers(-500, 3000), THETA, STEP_COUNT)
def test_i5_falling_threshold(total, theta, steps):
    crossed = [slot for slot in range(steps) if total >= theta * (steps - slot)]
    value = steps - crossed[0] if crossed else 0
    assert value == clip_floor(total, theta, steps)


@given(SUMS, THETA, STEP_COUNT)
def test_i6_impulse(sums, theta, steps):
    neuron = Integrate(one(theta), one(theta), one(0), one(0), steps)
    shape = (len(sums), 1)
    current = [np.array(sums)[:, None], *[np.zeros(shape, np.int64)] * (steps - 1)]
    _, values = neuron.frame(None, current)
    got = neuron.planes.numbers(values[:, 0]).tolist()
    assert got == [clip_floor(z, theta, steps) for z in sums]


def acted(neuron, planes, sums):
    """Return the value that the actions of ``neuron`` give for ``sums``, by plane and sample, in plain integers."""
    low, high = (np.array([side(map(sum, zip(*sums, strict=True)))]) for side in (min, max))
    program = neuron.program(planes, low, high)
    values = []
    for sample in zip(*sums, strict=True):
        total, held, spikes, spike = int(program.start[0]), 0, [], False
        for number, each in enumerate(sample):
            total += each << program.shift
            for action in program.after if number == len(sample) - 1 else program.between:
                if not action.late:
                    spike = total >= 0
                spikes += [spike] * action.emits
                held = total if action.holds else held
                if action.leak:
                    total += ~(total >> action.leak)
                elif action.adds_held:
                    total += held
                elif spike:
                    total = int(action.spike[0]) + (0 if action.restarts else total)
                else:
                    total += int(action.quiet[0])
        values.append(int("".join(str(int(s)) for s in (*spikes, total >= 0)), 2))
    return values


@settings(max_examples=300)
@given(st.data())
def test_actions_are_the_golden_step(data):
    draw = data.draw
    leak, fraction, steps = draw(st.integers(0, 4)), draw(FRACTION), draw(st.integers(2, 8))
    number = st.integers(-300, 300)
    unit = 1 << leak
    if draw(st.booleans()):
        hard = draw(st.booleans())
        reset = draw(number) if hard else draw(number) * unit
        tables = one(draw(number) * unit), one(reset), one(draw(number)), one(draw(number))
        neuron = Integrate(*tables, steps, leak, fraction, "hard" if hard else "soft")
        direct = draw(st.booleans())
    else:
        code, direct = draw(st.sampled_from([RADIX, STEPS])), True
        neuron = Quantized(one(draw(THETA)), one(draw(number)), steps, code, fraction)
    frames = draw(st.integers(1, 8))
    sums = [[draw(number) for _ in range(frames)] for _ in range(1 if direct else steps)]
    _, values = neuron.frame(None, [np.array(each)[:, None] for each in sums])
    planes = Planes() if direct else Planes(steps, STEPS)
    assert values[:, 0].tolist() == acted(neuron, planes, sums)


def totals(layer, read):
    """Return the sums of ``layer``, a list, of the numbers that ``read`` gives of each source."""
    rows = [synapse.weights.reshape(synapse.neurons, -1).astype(int).tolist() for synapse in layer.synapses]
    return [
        sum(
            w * x
            for table, source in zip(rows, layer.sources, strict=True)
            for w, x in zip(table[n], read(source), strict=True)
        )
        for n in range(layer.neuron.size)
    ]


def value(neuron, n, sums):
    """Return what channel ``n`` of ``neuron`` gives for its ``sums``, one or one a step: a number, or a score."""
    neuron = neuron.number if isinstance(neuron, Ttfs) else neuron
    if isinstance(neuron, Quantized):
        most, number = neuron.planes.peak, (sums[0] << neuron.fraction) + int(neuron.starts[n])
        level = clip_floor(number, int(neuron.thresholds[n]), most)
        return level if neuron.code == RADIX else (1 << most) - (1 << (most - level))
    if isinstance(neuron, LeakyReadout):
        m = 0
        for z in sums:
            m = m - (m >> neuron.leak) + (z << neuron.fraction) + int(neuron.bias[n])
        return m
    if not isinstance(neuron, Integrate):
        return sums[0] + int(neuron.bias[n]) if isinstance(neuron, Readout) else int(sums[0] >= neuron.thresholds[n])
    m, whole, reset = int(neuron.starts[n]), 0, int(neuron.resets[n])
    for t in range(neuron.steps):
        m -= m >> neuron.leak if neuron.leak else 0
        m += (sums[min(t, len(sums) - 1)] << neuron.fraction) + int(neuron.biases[n])
        spike = m >= neuron.thresholds[n]
        whole = 2 * whole + int(spike)
        if spike:
            m = m - reset if neuron.reset == "soft" else reset
    return whole


def simulated(network, images):
    """Return the scores of ``network`` of one image after the other, a step at a time in Python's integers."""
    scores = []
    for image in network.encode(images).tolist():
        values = {INPUT: image}
        for layer in network.layers:
            planes, neuron = network.planes[layer.sources[0]], layer.neuron
            kept = {source: values[source] for source in layer.sources}
            if neuron.two_phase or planes.radix:
                numbers = {source: [planes.numbers(v) for v in mine] for source, mine in kept.items()}
                sums = [totals(layer, numbers.__getitem__)]
            else:
                steps = [
                    {s: [planes.split(v)[t] for v in mine] for s, mine in kept.items()} for t in range(planes.count)
                ]
                sums = [totals(layer, step.__getitem__) for step in steps]
            values[layer.name] = [value(neuron, n, [each[n] for each in sums]) for n in range(neuron.size)]
        scores.append(values[network.layers[-1].name])
    return scores


@pytest.mark.parametrize("seed", range(12))
def test_golden_model_is_a_simulation_step_by_step(seed):
    rng = np.random.default_rng(seed)
    while True:
        network = random_graph(rng, planes=1)
        if all(type(s) is Dense for layer in network.layers for s in layer.synapses):
            break
    images = random_images(network, 8, seed)
    assert network.forward(images).scores.tolist() == simulated(network, images)


def network_of(*layers, entering=None):
    return Network("bad", entering or Input((4, 4), 2), layers, ("a", "b"))


def tables(count, *values):
    return [np.full(count, value, np.int32) for value in values]


def weights(*shape):
    return np.ones(shape, np.int8)


THREE = Integrate(*[np.full(3, value, np.int32) for value in (4, 4, 0, 0)], steps=3)
LEAKY = LeakyReadout(np.zeros(2, np.int32), steps=2, leak=1)
CONV = Conv2d(weights(3, 1, 1, 1), 2)
RATE = Layer("rate", CONV, Integrate(*tables(3, 4, 4, 0, 0), steps=4))
LEVELS = Layer("levels", CONV, Quantized(*tables(3, 2, 1), steps=2))
SMALL, LAST, WHOLE = (Layer("last", Dense(weights(2, n), 2), Readout(np.zeros(2, np.int32))) for n in (3, 12, 48))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Integrate(*tables(2, 4, 4, 0, 0), steps=0), "steps must be an integer from 1 to 31, not 0"),
        (lambda: Integrate(*tables(2, 4, 4, 0, 0), steps=32), "steps must be an integer from 1 to 31, not 32"),
        (lambda: Integrate(*tables(2, 4, 4, 0, 0), steps=True), "steps must be an integer from 1 to 31, not True"),
        (lambda: Integrate(*tables(2, 4, 4, 0, 0), steps=2, leak=9), "leak must be an integer from 0 to 8, not 9"),
        (
            lambda: Integrate(*tables(2, 6, 4, 0, 0), steps=2, leak=2),
            r"thresholds of a neuron that leaks by 2\^-2 must be multiples of 4, not 6 \(channel 0\)",
        ),
        (
            lambda: Integrate(*tables(2, 4, 6, 0, 0), steps=2, leak=2),
            r"resets of a neuron that leaks by 2\^-2 must be multiples of 4, not 6 \(channel 0\)",
        ),
        (lambda: Integrate(*tables(2, 4, 4, 0, 0), steps=2, reset="none"), "reset must be soft or hard, not 'none'"),
        (
            lambda: Integrate(*tables(2, 4, 4, 0), *tables(3, 0), steps=2),
            "all tables must have one length, not 2 of thresholds, 2 of resets, 2 of biases, 3 of starts",
        ),
        (lambda: Quantized(*tables(2, 0, 0), steps=2), r"thresholds of quantized neurons must be 1 or more, not 0"),
        (lambda: Quantized(*tables(2, 1, 0), steps=9), "neurons give 1 to 8 planes of code radix, not 9"),
        (lambda: Quantized(*tables(2, 1, 0), steps=2, code="slots"), "code must be 'radix' or 'steps', not 'slots'"),
        (
            lambda: Quantized(*tables(2, 2**30, 0), steps=2),
            r"thresholds of 2 planes of code radix must be 536870912 or less, not 1073741824 \(channel 0\)",
        ),
        (lambda: LeakyReadout(*tables(2, 0), steps=2, leak=0), "leak must be an integer from 1 to 8, not 0"),
        (lambda: Input((4,), 32, STEPS), "input: bits of code steps must be 2 to 31, one a step, not 32"),
        (lambda: Input((4,), 2, "rate"), "input: code must be 'radix' or 'steps', not 'rate'"),
        (
            lambda: network_of(RATE, Layer("b", Dense(weights(3, 48), 2), THREE), SMALL),
            r"layer b: integrate neurons of 3 steps can't read 4 planes of code steps \(from rate\)",
        ),
        (
            lambda: network_of(RATE, Layer("b", MaxPool(2), None), LAST),
            r"layer b: max pooling takes numbers \(code radix\), not 4 planes of code steps: take 'orpool'.*from rate",
        ),
        (
            lambda: network_of(LEVELS, Layer("b", OrPool(2), None), LAST),
            r"layer b: orpool takes spikes of steps, not 2 planes of code radix",
        ),
        (
            lambda: network_of(LEVELS, Layer("b", Or(), None, ("levels", "levels")), WHOLE),
            r"layer b: an OR takes spikes, not 2 planes of code radix",
        ),
        (
            lambda: network_of(
                LEVELS,
                Layer("rate", CONV, RATE.neuron, (INPUT,)),
                Layer("last", (Dense(weights(2, 48), 2),) * 2, LAST.neuron, ("levels", "rate")),
            ),
            "layer last: all sources must have the same planes, not 2 planes of code radix from levels and 4 planes of "
            "code steps from rate",
        ),
        (
            lambda: network_of(LEVELS, Layer("last", Dense(weights(2, 48), 2), LEAKY)),
            "layer last: leaky_readout neurons of 2 steps read the spikes of as many steps, not 2 planes of code radix",
        ),
    ],
)
def test_what_can_not_be(make, text):
    with pytest.raises(UserError, match=text):
        make()


def test_events():
    entering = Input((2, 3), 3, STEPS)
    events = np.zeros((1, 3, 2, 3), np.uint8)
    events[0, 0, 0, 1] = events[0, 2, 1, 2] = events[0, 1, 1, 2] = 1
    assert entering.encode(events).tolist() == [[0, 4, 0, 0, 0, 3]]
    assert Input((2,), 9, STEPS).encode(np.ones((1, 9, 2), np.uint8)).tolist() == [[511, 511]]
    for bad, text in (
        (np.zeros((1, 2, 3), np.uint8), r"events in 3 steps must have shape \(count, steps, 2, 3\), not \(1, 2, 3\)"),
        (np.zeros((1, 4, 2, 3), np.uint8), r"events in 3 steps must have shape .* not \(1, 4, 2, 3\)"),
        (np.full((1, 3, 2, 3), 2, np.uint8), "events must be 0 or 1, not 2"),
        (np.zeros((1, 3, 2, 3)), "events must be uint8 with values 0 and 1, not float64"),
    ):
        with pytest.raises(UserError, match=text):
            entering.encode(bad)
