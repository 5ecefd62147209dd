"""Pixels of 1 to 16 bits, signed ones too, and convolutions of sequences: against numpy, cycles exact."""

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.design import Design
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.planes import MAX_BITS
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, PooledDense
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.sim.verilog.runner import Manner, Simulation
from tests.support.networks import random_images
from tests.support.random_plans import random_case
from tests.support.streams import check_accelerator

ENGINES = ("event", "parallel", "unrolled")


def weights(rng, *shape):
    return rng.integers(-3, 4, shape).astype(np.int8)


def neurons(rng, kind, size, reach):
    """Return ``size`` neurons whose sums have magnitudes up to ``reach``."""
    tables = (rng.integers(1, reach + 2, size).astype(np.int32) for _ in range(3))
    if kind == "fire":
        return Fire(next(tables) - reach // 2)
    if kind == "quantized":
        return Quantized(next(tables), next(tables), 3, fraction=1)
    return Integrate(*tables, np.zeros(size, np.int32), 3)


def network_of(bits, signed, kind="fire", seed=0):
    """Return pixels into four neurons of ``kind`` into two classes; the first neuron fires of the least sum alone."""
    rng = np.random.default_rng([bits, signed, seed])
    first, reach = weights(rng, 4, 5), 1 << bits
    layers = (
        Layer("a", Dense(first, 3), neurons(rng, kind, 4, reach)),
        Layer("b", Dense(weights(rng, 2, 4), 3), Readout(np.array([1, 0], np.int32))),
    )
    return Network("n", Input((5,), bits, signed=signed), layers, ("x", "y"))


def plan_of(network, engine, width=2):
    groups = 1 if engine == "unrolled" else 2
    first, *others = network.layers
    rest = [LayerPlan(x.name, width=2, engine="or" if not x.accumulates else "event") for x in others]
    return Plan((LayerPlan(first.name, width=width, engine=engine, groups=groups), *rest))


def extremes(network, count=4):
    """Return random images between one of the least and the largest pixels, and one of the bits 1 and 10..0 alone."""
    entering, images = network.input, random_images(network, count)
    low, high = (0, 255) if entering.of_bytes else (entering.low, entering.peak)
    rows = np.array([low, high, 0, min(high, 1), (low + high + 1) // 2, max(low, -1)])
    flat = np.tile(rows, entering.size)[: entering.size].reshape(1, *entering.shape)
    return np.concatenate([images, flat.astype(entering.kind)])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", range(1, MAX_BITS + 1))
def test_golden_model_is_numpy(bits, signed):
    network = network_of(bits, signed)
    images = extremes(network, 20)
    x = images.astype(np.int64) >> (8 - bits if network.input.of_bytes else 0)
    assert network.input.low <= x.min()
    assert x.max() <= network.input.peak
    sums = x @ network.layers[0].synapses[0].weights.T.astype(np.int64)
    low, high = network.bounds(network.layers[0])
    assert (low <= sums.min(axis=0)).all()
    assert (sums.max(axis=0) <= high).all()
    spikes = (sums >= network.layers[0].neuron.thresholds).astype(np.int64)
    scores = spikes @ network.layers[1].synapses[0].weights.T.astype(np.int64) + [1, 0]
    output = network.forward(images, trace=True)
    assert (output.accumulators["a"] == sums).all()
    assert (output.scores == scores).all()


@pytest.mark.parametrize("kind", ["fire", "quantized", "integrate"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bits", [1, 2, 3, 8])
def test_engines(bits, engine, kind):
    network = network_of(bits, True, kind)
    accelerator, images = Accelerator(network, plan_of(network, engine)), extremes(network)
    check_accelerator(accelerator, images)
    check_accelerator(accelerator, images, stall=0.3, seed=bits)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "engine"), [(9, "event"), (12, "parallel"), (16, "event"), (16, "parallel")])
def test_wide_pixels(bits, engine, signed):
    network = network_of(bits, signed, "quantized" if bits == 12 else "fire")
    check_accelerator(Accelerator(network, plan_of(network, engine)), extremes(network))


@pytest.mark.parametrize("engine", ENGINES)
def test_one_pixel_of_one_signed_bit(engine):
    """The least there is: -1 or 0, and a neuron that fires of -1, one that never does."""
    layers = (
        Layer("a", Dense(np.array([[-1], [1]], np.int8), 1), Fire(np.array([1, 1], np.int32))),
        Layer("b", Dense(np.array([[1, 1]], np.int8), 1), Readout(np.zeros(1, np.int32))),
    )
    network = Network("least", Input((1,), 1, signed=True), layers, ("x",))
    images = np.array([[0], [-1], [-1], [0]], np.int8)
    assert network.forward(images).scores[:, 0].tolist() == [0, 1, 1, 0]
    plan = plan_of(network, engine, width=1)
    check_accelerator(Accelerator(network, plan), images)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("kind", ["fire", "quantized", "integrate"])
def test_a_sign_costs_no_cycle(bits, kind):
    """The same bits of the same pixels, signed or not: the engines, and so cycles and accumulators' bits, are alike."""
    plain, signed = (network_of(bits, sign, kind) for sign in (False, True))
    designs = [Design(network, plan_of(network, "event")) for network in (plain, signed)]
    pixels = np.random.default_rng(bits).integers(0, 1 << bits, (6, 5))
    cycles = []
    for design, network in zip(designs, (plain, signed), strict=True):
        values = {"input": pixels, "a": np.zeros((6, 4), np.uint8)}
        cycles.append(design.timing.schedule(design.timing.ones(values), length=6).cycles[0].tolist())
        engine = design.stages[0].engine
        assert (engine.planes, engine.groups, engine.signed) == (bits, 2, network is signed)
    assert cycles[0] == cycles[1]


SEQUENCES = {
    "row": ((1, 12, 2), (1, 3), 1, (0, 1), 1, (1, 2)),
    "column": ((11, 1, 1), (5, 1), (2, 1), (2, 0), 1, (2, 1)),
    "strides": ((1, 15, 2), (1, 4), (1, 3), (0, 3), 2, (1, 2)),
    "flat image": ((3, 10, 1), (2, 3), (1, 2), (1, 0), 1, (2, 1)),
}


def sequence_network(name, signed, seed=0):
    """Return a convolution along one axis, a pooling along it, and a readout of cells."""
    rng = np.random.default_rng(seed)
    shape, kernel, stride, padding, groups, pool = SEQUENCES[name]
    conv = Conv2d(weights(rng, 4, *kernel, shape[2] // groups), 3, stride, padding, groups)
    after = MaxPool(pool).output_shape(conv.output_shape(shape))
    cells = PooledDense(weights(rng, 3, 4), 3, after[:2])
    layers = (
        Layer("conv", conv, Fire(rng.integers(-4, 5, 4).astype(np.int32))),
        Layer("pool", MaxPool(pool), None),
        Layer("readout", cells, Readout(np.zeros(3, np.int32))),
    )
    return Network("sequence", Input(shape, 3, signed=signed), layers, ("a", "b", "c"))


def test_a_convolution_of_a_row_is_numpys():
    network = sequence_network("strides", True)
    conv, images = network.layers[0].synapses[0], random_images(network, 5)
    wanted = np.zeros((5, 1, 6, 4), np.int64)
    padded = np.pad(images.astype(np.int64), ((0, 0), (0, 0), (3, 3), (0, 0)))
    for place in range(6):
        for channel in range(4):
            seen = padded[:, 0, 3 * place : 3 * place + 4, channel // 2]
            wanted[:, 0, place, channel] = seen @ conv.weights[channel, 0, :, 0].astype(np.int64)
    assert (network.forward(images, trace=True).accumulators["conv"] == wanted.reshape(5, -1)).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name, engine):
    network = sequence_network(name, signed=engine != "parallel")
    plan = plan_of(network, engine)
    check_accelerator(Accelerator(network, plan), random_images(network, 4))
    if engine != "unrolled":  # pooled by the neurons of the convolution
        fused = Plan(tuple(LayerPlan("pool", width=2, engine="fused") if p.name == "pool" else p for p in plan.layers))
        check_accelerator(Accelerator(network, fused), random_images(network, 4), stall=0.2)


@pytest.mark.parametrize("seed", range(6))
def test_random_circuits(seed):
    rng = np.random.default_rng([seed, 15])
    network, plan = random_case(rng, planes=0.5)
    while not network.input.signed and network.input.bits in (1, 2, 4, 8):
        network, plan = random_case(rng, planes=0.5)
    check_accelerator(Accelerator(network, plan), random_images(network, 5, seed), stall=0.3 * (seed % 2), seed=seed)


@pytest.mark.parametrize(
    ("bits", "kind", "engine"), [(3, "fire", "event"), (16, "fire", "parallel"), (5, "quantized", "event")]
)
def test_verilog(tmp_path, bits, kind, engine):
    """The Verilog in Verilator, with stalls: scores, spikes, and without stalls the cycles."""
    network = network_of(bits, True, kind)
    simulation = Simulation(network, plan_of(network, engine), folder=tmp_path / "model")
    images = extremes(network, 11)  # and one
    output, values = layer_inputs(network, images)
    for stall in ((0.0, 0.0), (0.3, 0.4)):
        (work := tmp_path / f"{stall[0]}").mkdir()
        found = simulation.run(values["input"], Manner(length=4, stall=stall), work=work)
        assert (found.scores == output.scores).all()
        assert (found.spikes["a"] == values["a"]).all()
        if not any(stall):
            timing = simulation.design.timing
            assert found.cycles.tolist() == timing.schedule(timing.ones(values), length=4).cycles.reshape(-1).tolist()
