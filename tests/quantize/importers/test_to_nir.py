"""Networks as NIR and back: the same integers, and NIR's equations give the golden model's spikes."""

from dataclasses import replace

import numpy as np
import pytest

nir = pytest.importorskip("nir")

from s2nn_hw.errors import UserError  # noqa: E402
from s2nn_hw.network.layer import INPUT, Input, Layer  # noqa: E402
from s2nn_hw.network.network import Network  # noqa: E402
from s2nn_hw.network.neurons.fire import Fire  # noqa: E402
from s2nn_hw.network.neurons.integrate import Integrate  # noqa: E402
from s2nn_hw.network.neurons.quantized import Quantized  # noqa: E402
from s2nn_hw.network.neurons.readout import Readout  # noqa: E402
from s2nn_hw.network.store import load  # noqa: E402
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, PooledDense  # noqa: E402
from s2nn_hw.quantize.exporters.to_nir import to_nir, write_nir  # noqa: E402
from s2nn_hw.quantize.importers.from_nir import from_nir  # noqa: E402
from s2nn_hw.quantize.importers.nir_file import flattened  # noqa: E402
from s2nn_hw.quantize.importers.nir_neurons import NirOptions  # noqa: E402
from s2nn_hw.quantize.importers.nir_read import read_graph  # noqa: E402
from tests.support.networks import random_network, residual  # noqa: E402
from tests.support.nir_graphs import dense, images, nested, signals, with_floats  # noqa: E402

T = np.int32


def again(network, tmp_path):
    """Return what is read of ``network`` where it was written: nothing is said but what the file does."""
    write_nir(network, tmp_path / "x.nir")
    return from_nir(tmp_path / "x.nir")


def settled(network):
    """Return ``network`` with thresholds out of reach at the ends of it, as the quantizer has them, and the name of its
    last layer."""
    layers = []
    for layer in network.layers:
        if layer.neuron.kind == "fire":
            low, high = network.bounds(layer)
            layer = replace(layer, neuron=Fire(np.clip(layer.neuron.thresholds, low, high + 1).astype(T)))
        layers.append(replace(layer, name="readout") if layer.is_readout else layer)
    return replace(network, layers=tuple(layers))


def integrating(leak=0, reset="soft", *, lower=False, level=0, steps=4, fraction=None, events=False, bias=1):
    """A convolution, cells and dense layers of neurons that integrate; ``lower``: as those above a threshold are."""
    rng = np.random.default_rng(leak)
    fraction = leak * (steps - 1) if fraction is None else fraction

    def weights(*sizes):
        return rng.integers(-3, 4, sizes).astype(np.int8)

    def neurons(size):
        thresholds = rng.integers(2, 7, size).astype(T) << fraction
        less = 1 if lower else 0
        resets = thresholds if reset == "soft" else np.full(size, -less, T)
        biases = np.where(rng.random(size) < 0.5, bias << fraction, 0).astype(T) - T(less)
        return Integrate(thresholds + T(level), resets, biases, np.full(size, -less, T), steps, leak, fraction, reset)

    return Network(
        "integrating",
        Input((6, 6, 2), steps, "steps") if events else Input((6, 6, 2), 2),
        (
            Layer("first", Conv2d(weights(3, 3, 3, 2), 3, 1, 1), neurons(3)),
            Layer("second", Conv2d(weights(4, 2, 2, 3), 3, 2, 0), neurons(4)),
            Layer("third", Dense(weights(8, 36), 4), neurons(8)),
            Layer("readout", Dense(weights(3, 8), 3), Readout(np.array([3, -1, 0], T))),
        ),
        ("a", "b", "c"),
    )


@pytest.mark.parametrize("events", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"level": 1},
        {"reset": "hard"},
        {"leak": 1, "steps": 5},
        {"leak": 2, "steps": 3, "reset": "hard"},
        {"leak": 1, "lower": True},
        {"leak": 2, "lower": True, "reset": "hard"},
        {"fraction": 3},
    ],
    ids=str,
)
def test_neurons_that_integrate_come_back(settings, events, tmp_path):
    network = integrating(**settings, events=events)
    came = again(network, tmp_path)
    assert came.network.digest == network.digest
    assert came.agreement.same_class == 500
    assert sum(wrong for wrong, _ in came.agreement.different.values()) == 0


@pytest.mark.parametrize("bits", range(1, 9))
def test_neurons_of_one_threshold_come_back(bits, tmp_path):
    network = random_network([30, 20, 12, 5], input_bits=4, bits=bits, seed=bits)
    came = again(network, tmp_path)
    assert came.network.digest == settled(network).digest
    assert came.agreement.same_class == 500
    assert all(wrong == 0 for wrong, _ in came.agreement.different.values())


def test_shortcuts_and_cells_come_back(tmp_path):
    network = residual(np.random.default_rng(0))
    assert again(network, tmp_path).network.digest == settled(network).digest
    rng = np.random.default_rng(1)
    cells = Network(
        "cells",
        Input((4, 6), 8),
        (
            Layer("a", Conv2d(rng.integers(-3, 4, (5, 3, 3, 1)).astype(np.int8), 3, 1, 1), Fire(np.full(5, 40, T))),
            Layer(
                "b",
                PooledDense(rng.integers(-3, 4, (4, 20)).astype(np.int8), 3, (2, 3)),
                Readout(np.arange(4, dtype=T)),
            ),
        ),
        ("a", "b", "c", "d"),
    )
    came = again(cells, tmp_path)
    assert [layer.name for layer in came.network.layers] == ["a", "readout"]  # the last layer's name is not kept
    images = rng.integers(0, 256, (50, 4, 6)).astype(np.uint8)
    assert (np.asarray(came.network.forward(images).scores) == np.asarray(cells.forward(images).scores)).all()


@pytest.mark.parametrize("name", ["mnist-mlp", "mnist-tiny"])
def test_shipped_networks_come_back(name, tmp_path):
    network = load(f"models/{name}.s2nn")
    came = again(network, tmp_path)
    assert came.network.digest == network.digest
    assert came.agreement.same_class == 500


def test_what_nir_has_no_form_for_is_named():
    rng = np.random.default_rng(0)

    def with_neuron(neuron, *more):
        table = Dense(rng.integers(-3, 4, (6, 9)).astype(np.int8), 3)
        last = Layer("readout", Dense(rng.integers(-3, 4, (2, 6)).astype(np.int8), 3), Readout(np.zeros(2, T)))
        return Network("n", Input((9,), 2), (Layer("first", table, neuron), *more, last), ("a", "b"))

    def integrate(thresholds=4, resets=4, starts=0, steps=4, reset="soft", leak=0):
        tables = (np.full(6, n, T) for n in (thresholds, resets, 0, starts))
        return Integrate(*tables, steps=steps, leak=leak, reset=reset)

    pooled = residual(rng)
    layers = list(pooled.layers)
    layers[-1:] = [
        Layer("pool", MaxPool(2), None),
        Layer("readout", Dense(rng.integers(-3, 4, (3, 72)).astype(np.int8), 3), Readout(np.zeros(3, T))),
    ]
    ours = Network("p", pooled.input, tuple(layers), pooled.classes)
    square = Dense(rng.integers(-3, 4, (6, 6)).astype(np.int8), 3)
    for network, said in (
        (with_neuron(integrate(starts=2)), "layer first: its membranes do not start from 0, and NIR has no field"),
        (with_neuron(integrate(resets=2)), "layer first: what a spike takes is not the threshold, as NIR has it"),
        (with_neuron(Quantized(np.full(6, 3, T), np.zeros(6, T), 2, "radix")), "first: quantized neurons have no form"),
        (ours, "layer pool: maxpool has no form in NIR"),
        (
            with_neuron(integrate(), Layer("b", square, Fire(np.ones(6, T)))),
            "layer b: one threshold on a count of spikes",
        ),
        (
            with_neuron(integrate(), Layer("b", square, integrate(reset="hard", resets=0))),
            "soft and hard resets in one network",
        ),
        (
            with_neuron(integrate(), Layer("b", square, integrate(thresholds=5))),
            "layers that spike at their threshold and",
        ),
    ):
        with pytest.raises(UserError, match=said):
            to_nir(network)
    assert INPUT in to_nir(with_neuron(integrate())).nodes


def test_a_note_that_is_none_is_not_trusted(tmp_path):
    graph = to_nir(random_network([8, 6, 3], input_bits=2))
    graph.metadata["s2nn"] = '{"steps": "many", "bits": 4, "classes": 5, "name": "x"}'
    graph.nodes["layer0"].metadata["s2nn_bits"] = 99
    with pytest.raises(UserError, match="say --steps"):
        from_nir(graph)
    graph.metadata["s2nn"] = "{"
    with pytest.raises(UserError, match="metadata 's2nn' is not JSON"):
        from_nir(graph)


def test_a_threshold_at_the_reset_has_no_form(tmp_path):
    zero = integrating()
    layers = tuple(
        replace(
            layer, neuron=replace(layer.neuron, thresholds=layer.neuron.thresholds * 0, resets=layer.neuron.resets * 0)
        )
        if isinstance(layer.neuron, Integrate)
        else layer
        for layer in zero.layers
    )
    with pytest.raises(UserError, match="a threshold that is not above the membrane behind a spike"):
        write_nir(replace(zero, layers=layers), tmp_path / "x.nir")
    assert not (tmp_path / "x.nir").exists()


@pytest.mark.parametrize("at", [False, True])
@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("graph", [dense, images, signals, nested])
def test_what_was_imported_with_rounded_weights_can_be_exported(tmp_path, graph, reset, at):
    """Threshold and reset are one number of the file's, so they are rounded to one, whatever channel they are of."""
    given, options = with_floats(graph()), NirOptions(4, reset, 1.0, at=at, bits=4, between=(-1.0, 3.0))
    shape = read_graph(flattened(given), options).shape
    made = from_nir(given, 3 * np.random.default_rng(0).random((100, *shape)), options, name="x").network
    assert again(made, tmp_path).network.digest == made.digest
