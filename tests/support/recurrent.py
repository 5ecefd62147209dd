"""Circuits of sequences in Amaranth's simulator: every tick's spikes and states, scores, classes and cycles."""

import numpy as np

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.over_time import forward_sequences
from s2nn_hw.network.synapses import Dense
from s2nn_hw.sequence_accelerator import SequenceAccelerator
from s2nn_hw.sequence_design import SequenceDesign
from tests.support.random_sequences import ints, random_sequence_network, random_sequences
from tests.support.streams import read_result, run_stream


def recurrent_plan(network, *, width=8, groups=1):
    """Return a plan in which every layer has one ``width`` and up to so many ``groups``."""
    return Plan(
        tuple(
            LayerPlan(layer.name, engine="recurrent", width=width, groups=min(groups, layer.neuron.size))
            for layer in network.layers
        )
    )


def random_plan(rng, network):
    """Return any plan."""
    layers = []
    for layer in network.layers:
        groups = int(rng.integers(1, layer.neuron.size + 1)) if rng.random() < 0.6 else 1
        layers.append(LayerPlan(layer.name, engine="recurrent", width=int(2 ** rng.integers(0, 5)), groups=groups))
    return Plan(tuple(layers))


def drawn_circuit(seed, count=4):
    """Return network, plan, frames and offsets: what circuits take of all that the format allows."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_sequence_network(rng)
        if any(layer.neuron is None for layer in network.layers):
            continue
        plan = random_plan(rng, network)
        try:
            SequenceDesign(network, plan)
        except UserError:
            continue
        return network, plan, *random_sequences(rng, network, count)


def beats_of(design, pixels, offsets, rng=None):
    """Return the beats of the frames ``pixels`` as the accelerator takes them; ``last`` of other beats than a frame's
    last is random with ``rng``."""
    ends = set((np.asarray(offsets)[1:] - 1).tolist())
    beats = []
    for number, frame in enumerate(pixels):
        for index, places in enumerate(design.beat_pixels):
            values = [int(frame[place]) if place >= 0 else design.network.input.pattern for place in places]
            final = index == design.beats - 1
            last = number in ends if final else bool(rng is not None and rng.random() < 0.5)
            beats.append({"pixels": values, "last": int(last)})
    return beats


def check_recurrent(network, plan, frames, offsets, *, stall=0.0, seed=0, looked=True):
    """Assert that the circuit gives what the golden model does."""
    accelerator = SequenceAccelerator(network, plan)
    design = accelerator.design
    output = forward_sequences(network, frames, offsets, trace=True, states=True)
    pixels = network.encode(frames)
    seen = {name: [] for name in accelerator.engines}
    states = {name: [] for name in accelerator.engines}

    async def watch(ctx):
        told = dict.fromkeys(accelerator.engines, 0)
        while True:
            for name, engine in accelerator.engines.items():
                if ctx.get(engine.keep):
                    values = [ctx.get(signal) for lanes in engine.registers.values() for signal in lanes]
                    states[name].append((ctx.get(engine.kept), values))
                if not engine.params.is_readout and ctx.get(engine.seen_count) != told[name]:
                    told[name] = ctx.get(engine.seen_count)
                    seen[name].append(ctx.get(engine.seen))
            await ctx.tick()

    sides = [watch] if looked else []
    beats = beats_of(design, pixels, offsets, np.random.default_rng(seed))
    count = len(offsets) - 1
    came = run_stream(
        accelerator, beats, results=count, stall=stall, seed=seed, read=read_result, sides=sides, limit=20_000
    )
    for k, ((number, scores, cycles), _) in enumerate(came):
        assert scores == output.scores[k].tolist(), f"scores of sequence {k}"
        assert number == output.classes[k]
        came[k] = cycles
    if not stall:
        schedule = design.timing.schedule(design.ones(pixels, output), output.ticks)
        assert came == schedule.cycles.tolist()
    if not looked:
        return
    for name, engine in accelerator.engines.items():
        params = engine.params
        ticks, groups = int(output.ticks[-1]), params.groups
        assert len(states[name]) == ticks * groups, name
        assert [group for group, _ in states[name]] == list(range(groups)) * ticks
        table = np.array([now for _, now in states[name]], np.int64).reshape(ticks, groups, len(params.registers), -1)
        for k, (state, register) in enumerate(params.registers.items()):
            if state in output.states.get(name, {}):
                found = table[:, :, k].reshape(ticks, -1)[:, : params.neuron.size] - register.start
                assert (found == output.states[name][state]).all(), (name, state)
        if not params.is_readout:
            planes = params.neuron.planes.count
            values = [[v >> (n * planes) & ((1 << planes) - 1) for n in range(params.neuron.size)] for v in seen[name]]
            assert (np.array(values) == output.spikes[name]).all(), name


def dense(rng, neurons, inputs, bits=4):
    most = (1 << (bits - 1)) - 1
    return Dense(rng.integers(-most, most + 1, (neurons, inputs)).astype(np.int8), bits)


def spoken(sizes=(5, 6, 6, 3), *, ticks=3, frames=6, seed=0):
    """Return a network as of spoken digits: encoder, recurrent sigma-delta neurons, mean of the last half."""
    rng = np.random.default_rng(seed)
    inputs, first, second, classes = sizes
    encoder = SigmaDeltaEncoder(rng.integers(20, 200, first).astype(np.int32), np.zeros(first, np.int32))
    recurrent = SigmaDelta(rng.integers(-3, 4, second).astype(np.int32), 3, 4, 1)
    layers = (
        Layer("encoder", dense(rng, first, inputs), encoder, (INPUT,)),
        Layer(
            "recurrent",
            (dense(rng, second, first), dense(rng, second, second)),
            recurrent,
            ("encoder", "recurrent"),
            (0, 1),
        ),
        Layer("readout", dense(rng, classes, second), LastHalfReadout(ints(*range(classes))), ("recurrent",)),
    )
    names = tuple(f"c{k}" for k in range(classes))
    return Network("spoken", Input((inputs,), 4, ticks=ticks, frames=frames), layers, names)


def recordings(network, lengths, seed=0):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    frames = np.random.default_rng(seed).integers(0, 256, (int(offsets[-1]), network.input.size)).astype(np.uint8)
    return frames, offsets
