"""QONNX out: qonnx's execution has every spike, number and score of the golden model; back in, the same integers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.store import load
from s2nn_hw.network.synapse import image_shape
from s2nn_hw.network.synapses import Dense
from s2nn_hw.quantize.exporters.to_nir import write_nir
from s2nn_hw.quantize.exporters.to_onnx import model_of, write_onnx
from s2nn_hw.quantize.importers.from_nir import from_nir
from s2nn_hw.quantize.importers.from_onnx import from_onnx
from s2nn_hw.quantize.importers.onnx_file import set_batch
from tests.support.networks import random_images, random_network, residual
from tests.support.random_networks import random_graph, random_numbers

MODELS = Path(__file__).parents[3] / "models"


def executed(network, images):
    """Return all tensors of the exported ``network`` that qonnx gives for ``images``."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    pixels = network.input.planes.numbers(network.encode(images)).astype(np.float32)
    shape = network.input.shape
    if len(shape) > 1:
        pixels = pixels.reshape(len(pixels), *image_shape(shape)).transpose(0, 3, 1, 2)
    model = ModelWrapper(set_batch(model_of(network), len(images))).transform(InferShapes())
    return execute_onnx(model, {INPUT: np.ascontiguousarray(pixels)}, return_full_exec_context=True)


def raster(values):
    values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
    return values.reshape(len(values), -1)


def held(network, images):
    """Hold all that qonnx gives against the golden model; return how many layers were."""
    golden, found = network.forward(images, trace="spikes"), executed(network, images)
    for layer in network.layers:
        label = {"readout": f"{layer.name}_bias_out"}.get(layer.neuron.kind if layer.neuron else "")
        label = label or (f"{layer.name}_fire_out" if layer.neuron else f"{layer.name}_out")
        wanted = golden.scores if layer.is_readout else golden.spikes[layer.name]
        np.testing.assert_array_equal(raster(found[label]), np.asarray(wanted))
    return len(network.layers)


@pytest.mark.parametrize("seed", range(25))
def test_random_networks(tmp_path, seed):
    network = random_graph(np.random.default_rng(seed))
    images = random_images(network, 20, seed)
    kinds = {layer.neuron.kind if layer.neuron else layer.synapses[0].kind for layer in network.layers}
    steps = network.input.events or any(not planes.radix for planes in network.planes.values())
    large = np.abs(network.layers[-1].neuron.bias).max() > 1 << 23
    steps |= network.input.signed and network.input.bits == 1
    if steps or kinds - {"fire", "quantized", "readout", "maxpool"} or large:
        with pytest.raises(UserError, match=r"form in QONNX|no longer exact"):
            write_onnx(network, tmp_path / "a.onnx")
        assert not (tmp_path / "a.onnx").exists()
        return
    assert held(network, images) == len(network.layers)


@pytest.mark.parametrize("seed", range(40))
def test_random_numbers_come_back(tmp_path, seed):
    """Levels of random tables, fractions and sums of sources: all values and scores, as files have every one."""
    network = random_numbers(np.random.default_rng(seed))
    if network.input.signed and network.input.bits == 1:
        network = replace(network, input=replace(network.input, signed=False))
    write_onnx(network, tmp_path / "a.onnx")
    found = from_onnx(tmp_path / "a.onnx", name=network.name, classes=network.classes)
    assert not any(wrong for wrong, _ in found.agreement.different.values()), found.agreement
    assert found.agreement.same_class == 500
    images = random_images(network, 100, seed)
    np.testing.assert_array_equal(
        np.asarray(found.network.forward(images).scores), np.asarray(network.forward(images).scores)
    )


@pytest.mark.parametrize("name", ["mnist-tiny", "fashion-k4"])
def test_shipped_networks_come_back(tmp_path, name):
    network = load(MODELS / f"{name}.s2nn")
    write_onnx(network, tmp_path / "a.onnx")
    found = from_onnx(tmp_path / "a.onnx", name=network.name, classes=network.classes)
    assert found.network.digest == network.digest
    assert found.agreement.same_class == 500
    assert not any(wrong for wrong, _ in found.agreement.different.values())


def test_residual_connections_come_back(tmp_path):
    network = residual(np.random.default_rng(0))
    write_onnx(network, tmp_path / "a.onnx")
    found = from_onnx(tmp_path / "a.onnx", name=network.name, classes=network.classes).network
    images = random_images(network, 30)
    np.testing.assert_array_equal(np.asarray(found.forward(images).scores), np.asarray(network.forward(images).scores))
    assert [layer.name for layer in found.layers] == [layer.name for layer in network.layers]
    for ours, theirs in zip(network.layers, found.layers, strict=True):
        for a, b in zip(ours.synapses, theirs.synapses, strict=True):
            np.testing.assert_array_equal(a.weights, b.weights)


@pytest.mark.parametrize(
    ("name", "match"),
    [("mnist-if4", "layer hidden1: neurons of kind 'integrate'"), ("mnist-t2", "layer .*: .* form in QONNX")],
)
def test_what_has_no_form_there(tmp_path, name, match):
    with pytest.raises(UserError, match=match):
        write_onnx(load(MODELS / f"{name}.s2nn"), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("seed", range(6))
def test_levels_behind_several_tables_come_back(tmp_path, seed):
    """Thresholds of levels behind a sum of several tables are found with the file's own nodes, as those of one."""
    rng = np.random.default_rng(seed)

    def table(*shape):
        return Dense(rng.integers(-7, 8, shape).astype(np.int8), 4)

    def levels(count, fraction):
        thetas = rng.integers(3, 90, count).astype(np.int32)
        return Quantized(thetas, rng.integers(-400, 100, count).astype(np.int32), 4, "radix", fraction)

    layers = (
        Layer("first", table(6, 5), levels(6, 0)),
        Layer("both", (table(8, 6), table(8, 6)), levels(8, 3), ("first", "first")),
        Layer("last", table(3, 8), Readout(np.zeros(3, np.int32))),
    )
    network = Network("levels", Input((5,), 4), layers, ("a", "b", "c"))
    write_onnx(network, tmp_path / "a.onnx")
    found = from_onnx(tmp_path / "a.onnx")
    assert found.agreement.same_class == 500
    assert not any(wrong for wrong, _ in found.agreement.different.values()), found.agreement


@pytest.mark.parametrize("suffix", ["onnx", "nir"])
@pytest.mark.parametrize(
    ("shape", "entering"),
    [
        ((12,), {"scaling": Scaling(np.linspace(-1, 1, 12), np.linspace(0.1, 0.7, 12), np.arange(12.0))}),
        ((12,), {"scaling": Scaling(np.array([-3.3]), np.array([1 / 3])), "signed": True}),
        ((4, 3, 2), {"scaling": Scaling(np.array([0.5, -7.0]), np.array([0.1, 1e-9]))}),
        ((4, 3), {"scaling": Scaling(np.ones(1), np.full(1, 2.5), np.full(1, 9.0)), "bits": 12}),
        ((4, 3), {"signed": True}),
    ],
    ids=str,
)
def test_raw_values_and_class_names_come_back(tmp_path, suffix, shape, entering):
    rng, size = np.random.default_rng(0), int(np.prod(shape))
    layers = (
        Layer("first", Dense(rng.integers(-7, 8, (6, size)).astype(np.int8), 4), Fire(np.arange(6, dtype=np.int32))),
        Layer("readout", Dense(rng.integers(-7, 8, (3, 6)).astype(np.int8), 4), Readout(np.arange(3, dtype=np.int32))),
    )
    network = Network("x", Input(shape, **({"bits": 4} | entering)), layers, ("cat, or", "dög", "2"))
    (write_onnx if suffix == "onnx" else write_nir)(network, tmp_path / f"x.{suffix}")
    made = (from_onnx if suffix == "onnx" else from_nir)(tmp_path / f"x.{suffix}")
    assert made.agreement.same_class == made.agreement.images
    assert not any(wrong for wrong, _ in made.agreement.different.values()), made.agreement
    found = made.network
    assert (found.input, found.classes, found.digest) == (network.input, network.classes, network.digest)
    raw = rng.normal(0, 2, (50, *shape)) if network.input.scaling else rng.integers(-8, 8, (50, *shape))
    assert (np.asarray(found.forward(raw).scores) == np.asarray(network.forward(raw).scores)).all()
    pixels = network.input.planes.numbers(network.encode(raw)).reshape(50, *shape).astype(np.float32)
    owner = np.moveaxis(pixels.reshape(50, *image_shape(shape)), -1, 1) if len(shape) > 1 else pixels
    again = np.asarray(found.forward(made.images(owner)).scores)
    assert (again == np.asarray(network.forward(raw).scores)).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "metadata 's2nn' is not JSON"),
        ('{"scaling": 3}', "a scaling must have offset, step and maybe missing, not 3"),
        ('{"scaling": {"offset": [1], "step": ["a"]}}', "step of a scaling must be a list of numbers"),
        ('{"scaling": {"offset": [1, 2], "step": [1, 2]}}', "offset and step of shape"),
        ('{"scaling": {"offset": [0], "step": [0]}}', "step must be above 0"),
        ('{"classes": ["a"]}', "3 class names wanted, 1 came"),
    ],
)
def test_notes_that_can_not_be(tmp_path, text, words):
    import onnx

    write_onnx(random_network((4, 6, 3), input_bits=4), tmp_path / "a.onnx")
    model = onnx.load(tmp_path / "a.onnx")
    onnx.helper.set_model_props(model, {"s2nn": text})
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(UserError, match=words):
        from_onnx(tmp_path / "a.onnx")


def test_raw_values_are_told(tmp_path):
    network = random_network((4, 6, 3), input_bits=4)
    scaled = replace(network, input=replace(network.input, scaling=Scaling(np.ones(1), np.ones(1))))
    assert write_onnx(network, tmp_path / "a.onnx") == []
    assert "pixels, integers 0 .. 15" in write_onnx(scaled, tmp_path / "b.onnx")[0]
