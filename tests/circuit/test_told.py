"""What the readout reads, on a stream of its own: every word, and nothing else of the circuit changed."""

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.address_events import EventFormat, output_values
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense
from s2nn_hw.network.trace import layer_inputs
from tests.support.networks import random_images
from tests.support.streams import pixel_beats, read_result, run_stream, word_numbers
from tests.support.ttfs_networks import image_network, network_of

DENSE = network_of(11, 7, bits=3, slots=15)
POOLED = image_network(pooled=True)
CASES = {
    "event": (DENSE, [{"width": 4}, {"width": 2}]),
    "parallel": (DENSE, [{"engine": "parallel", "width": 5}, {"engine": "parallel", "width": 2}]),
    "unrolled": (DENSE, [{"engine": "unrolled", "width": 11}, {"engine": "unrolled", "width": 7}]),
    "joined": (POOLED, [{"width": 4}, {"engine": "or", "width": 3}, {"engine": "parallel", "width": 3}]),
}


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("name", CASES)
def test_words_and_results(name, stall):
    network, choices = CASES[name]
    layers = zip(network.layers, choices, strict=True)
    accelerator = Accelerator(network, Plan(tuple(LayerPlan(layer.name, **c) for layer, c in layers)), spikes=True)
    images, rng, told = random_images(network, 4, 1), np.random.default_rng(1), []
    sink = stall and not accelerator.design.streaming  # where a frame comes each cycle nothing may wait

    async def collect(ctx):
        while True:
            ctx.set(accelerator.spikes.ready, not sink or rng.random() > stall)
            words = accelerator.spikes
            _, _, valid, ready, word = await ctx.tick().sample(words.valid, words.ready, words.payload)
            if valid and ready:
                told.append(word)

    golden, values = layer_inputs(network, images)
    beats = pixel_beats(accelerator, values[INPUT])
    settle = accelerator.timing.settle
    got = run_stream(accelerator, beats, results=4, stall=stall, read=read_result, idle=settle, sides=(collect,))
    assert [scores for (_, scores, _), _ in got] == golden.scores.tolist()
    if not stall:
        timing = accelerator.timing
        schedule = timing.schedule(timing.ones(values), length=4)
        assert [cycles for (_, _, cycles), _ in got] == schedule.cycles[0].tolist()
    leaving = accelerator.leaving
    words = leaving.stream(output_values(network, images))
    planes = leaving.planes.count
    bits = (words[..., None] >> np.arange(planes) & 1).reshape(*words.shape[:2], -1)
    used = np.broadcast_to(leaving.stream(np.ones((1, EventFormat.of_output(network).addresses), int))[0], words.shape)
    mask = np.repeat(used, planes, axis=-1)
    assert [w & m for w, m in zip(told, word_numbers(mask), strict=True)] == word_numbers(bits)


def test_a_plan_that_leaves_no_words_between():
    weights, table = np.ones((3, 4), np.int8), np.ones(3, np.int32)
    layers = (Layer("a", Dense(weights, 2), Fire(table)), Layer("b", Dense(weights[:, :3], 2), Readout(table)))
    network = Network("fused", Input((4,), 1), layers, tuple("abc"))
    plan = Plan((LayerPlan("a", engine="fused", width=4), LayerPlan("b", engine="unrolled", width=3)))
    with pytest.raises(UserError, match="layer b must read one other, and not be fused with it"):
        _ = Design(network, plan).read_last
