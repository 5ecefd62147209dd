"""The cycle model: frames alone and in sequence, an engine alone, and circuits that stop for ever."""

from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cycles.timing import Deadlock, engine_alone, lower_bound
from s2nn_hw.design import Design
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from tests.support.graphs import build, convolution, dense, identity
from tests.support.networks import random_images, random_network
from tests.support.streams import check_accelerator, pixel_beats, read_result, run_accelerator, run_stream


def ones_of(design, images):
    _, values = layer_inputs(design.network, images)
    return design.timing.ones(values)


def test_frames_alone_and_in_sequence_have_the_stated_cycles():
    network = random_network((60, 20, 4), input_bits=4, seed=3)
    images = random_images(network, 6, seed=3)
    timing = Design(network, default_plan(network, "xc7")).timing
    ones = ones_of(Design(network, default_plan(network, "xc7")), images)
    alone, pairs = timing.schedule(ones).cycles[:, 0], timing.schedule(ones, length=2).cycles
    accelerator = Accelerator(network)
    for index in range(6):
        assert check_accelerator(accelerator, images[index : index + 1])[0] == alone[index]
    for index in range(0, 6, 2):
        assert check_accelerator(accelerator, images[index : index + 2]).tolist() == pairs[index // 2].tolist()
    with pytest.raises(ValueError, match="6 frames can't be cut into sequences of 4"):
        timing.schedule(ones, length=4)


def test_taps_in_the_padding_are_done_before_the_frame():
    parts = [convolution(5, 3, padding=2), dense(3)]
    network = build((4, 3, 2), 1, parts)
    first = LayerPlan("layer0", width=2, engine="parallel")
    accelerator = Accelerator(network, Plan((first, LayerPlan("readout", width=4))))
    images = random_images(network, 2, seed=4)
    _, values = layer_inputs(network, images)
    assert accelerator.timing.settle > accelerator.design.stages[0].readers[0].window.words_ahead > 0
    settled = check_accelerator(accelerator, images)  # which lets it be idle before
    at_once = run_stream(accelerator, pixel_beats(accelerator, values[INPUT]), results=2, read=read_result)
    assert at_once[0][0][2] > settled[0]


@pytest.mark.parametrize("banks", [1, 2])
def test_interval_of_the_event_engine_follows_the_ones(banks):
    """A layer that nobody holds up takes the largest bank's ones of each pass, at least 1."""
    network = random_network((64, 8, 2), input_bits=2, seed=5)
    design = Design(network, Plan(tuple(LayerPlan(layer.name, banks, 16, 32) for layer in network.layers)))
    images = np.repeat(random_images(network, 4, seed=8)[3:], 30, axis=0)
    ones = ones_of(design, images)
    per_pass = ones[0][0].sum(axis=-2).max(axis=-1)  # (positions, splits, planes)
    wanted = np.maximum(per_pass, 1).sum()
    assert engine_alone(design.stages[0], ones[0], length=30)[0, -1] == wanted
    closed = design.timing.schedule(ones, length=30).closed[0, 0]
    assert np.diff(closed)[-1] == wanted
    assert (lower_bound(design.stages[0], ones[0]) <= wanted).all()


def test_interval_of_the_parallel_engine_is_its_words():
    network = build((6, 6, 3), 2, [convolution(5, 3, padding=1), dense(3)])
    first, second = LayerPlan("layer0", width=4, engine="parallel", taps=9), LayerPlan("readout", width=8)
    design = Design(network, Plan((first, replace(second, engine="parallel"))))
    images = random_images(network, 8)
    ones = ones_of(design, images)
    assert set(engine_alone(design.stages[0], ones[0], length=8).reshape(-1).tolist()) == {36 * 2}
    closed = design.timing.schedule(ones, length=8).closed[0, 0]
    assert np.diff(closed).min() == 36 * 2


def residual(depth):
    """A convolution whose shortcut must keep what the other branch takes to be computed, in ``depth`` words."""
    network = build(
        (8, 8, 4),
        1,
        [
            convolution(4, 3, padding=1),
            convolution(4, 3, padding=1),
            [convolution(4, 3, padding=1), identity("layer0")],
            dense(3),
        ],
    )
    return network, with_buffers(default_plan(network, "xc7"), {"layer2": (0, depth)})


def stops(depth, images):
    design = Design(*residual(depth))
    try:
        design.timing.schedule(ones_of(design, images), length=len(images))
    except Deadlock:
        return True
    return False


def test_a_buffer_that_is_too_small_stops_model_and_circuit_alike():
    """Of the words that the shortcut's window keeps: the largest number that is too small, and the next."""
    images = random_images(residual(0)[0], 3)
    depth = next(depth for depth in range(1, 64) if not stops(depth, images))
    assert depth > 8
    check_accelerator(Accelerator(*residual(depth)), images)
    network, plan = residual(depth - 1)
    with pytest.raises(TimeoutError, match="0 of 3 beats"):
        run_accelerator(Accelerator(network, plan), network.encode(images), limit=5_000)
    design = Design(network, plan)
    ones = ones_of(design, images)
    with pytest.raises(Deadlock, match="a buffer in front of a join holds too few words"):
        design.timing.schedule(ones, length=3)


def test_the_model_needs_values_of_every_source():
    network = random_network((4, 3, 2))
    design = Design(network, default_plan(network, "xc7"))
    with pytest.raises(KeyError):
        design.timing.ones({INPUT: network.encode(random_images(network, 1))})
