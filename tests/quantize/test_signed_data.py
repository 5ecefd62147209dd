"""Data of signed and of wide integers, and sequences: trained, and converted to integers with the same spikes."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from rich.console import Console

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.checkpoint import read_checkpoint
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.from_checkpoint import float_graph
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.products import raster
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.summary import quantize
from s2nn_hw.quantize.train import train

SEQUENCE = [
    {"kind": "conv", "channels": 6, "kernel": [1, 5], "stride": [1, 2], "bits": 4, "pool": [1, 2]},
    {"kind": "conv", "channels": 6, "kernel": [1, 3], "bits": 3, "groups": 2, "shortcut": "conv1_pool"},
    {"kind": "maxpool", "kernel": [1, 3], "stride": [1, 1], "padding": [0, 1]},
]
LAYERS = {"sequence": SEQUENCE, "dense": [{"neurons": 9, "bits": 4}]}


@pytest.fixture(params=[(12, True), (16, False), (8, True), (1, True)], ids=["s12", "u16", "s8", "s1"])
def data(request, monkeypatch):
    """Take the place of a data set: sequences of 24 places and 2 channels, whose sign tells the class."""
    bits, signed = request.param
    shape, low = (1, 24, 2), -(1 << (bits - 1)) if signed else 0
    info = dataclasses.replace(sets.SETS["magic"], shape=shape, bits=bits, signed=signed)
    rng = np.random.default_rng(bits)
    labels = np.arange(120) % 2
    drawn = rng.integers(0, 1 << bits, (120, *shape)) // (1 + labels[:, None, None, None]) + low
    kind = (np.int8 if bits <= 8 else np.int16) if signed else np.uint16
    loaded = drawn.astype(kind), labels.astype(np.uint8)
    monkeypatch.setitem(sets.SETS, "magic", info)
    for name in ("load", "samples"):
        monkeypatch.setattr(sets, name, lambda *_: loaded)
    return bits, signed, loaded[0]


@pytest.fixture
def silent():
    return Console(file=io.StringIO())


def recipe(bits, signed, layers, **data):
    return from_dict(
        {
            "name": "tiny",
            "data": {"set": "magic", "pixel_bits": bits, "signed": signed} | data,
            "layers": layers,
            "readout": {"bits": 4, "average": [1, 3] if layers is SEQUENCE else 1},
            "training": {"epochs": 1, "batch": 20, "seed": 3},
        }
    )


@pytest.mark.parametrize("layers", LAYERS)
def test_integers_have_the_spikes_of_the_trained_network(data, layers, tmp_path, silent):
    bits, signed, images = data
    made = recipe(bits, signed, LAYERS[layers])
    assert from_dict(as_dict(made)) == made
    checkpoint = read_checkpoint(train(made, tmp_path, console=silent))
    network, report = quantize(checkpoint)
    assert report.accuracy_float == report.accuracy_integer
    assert (network.input.bits, network.input.signed) == (bits, signed)
    out = network.forward(images[:40], trace=True)
    with torch.no_grad():
        _, spikes = checkpoint.model.double().trace(encode(torch.tensor(images[:40]), bits).double())
    for name, wanted in spikes.items():
        assert (out.spikes[name] == raster(wanted).numpy()).all(), name
    fewer = convert(float_graph(checkpoint), bits=[2] * len(network_tables(network)), calibration=images)
    assert fewer.forward(images[:5]).scores.shape == (5, 2)


def network_tables(network):
    return [layer for layer in network.layers if layer.accumulates]


def test_what_the_data_have_not_got_is_refused(data):
    bits, signed, _ = data
    with pytest.raises(UserError, match=r"'data.pixel_bits' must be at most 8, the bits of MNIST, not 9"):
        recipe(9, False, SEQUENCE, set="mnist")
    if bits < 16:
        with pytest.raises(UserError, match=f"'data.pixel_bits' must be at most {bits}, the bits of MAGIC"):
            recipe(bits + 1, signed, SEQUENCE)
    with pytest.raises(UserError, match=f"'data.signed' must be {str(signed).lower()}, as the values of MAGIC are"):
        recipe(bits, not signed, SEQUENCE)


def test_shapes_of_a_sequence(data):
    bits, signed, _ = data
    shapes = {node.name: node.shape for node in nodes(recipe(bits, signed, SEQUENCE))}
    assert shapes == {
        "conv1": (1, 12, 6),
        "conv1_pool": (1, 6, 6),
        "conv2": (1, 6, 6),
        "pool1": (1, 6, 6),
        "readout": (2,),
    }


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("kernel", [1, 8], r"'layers\[0\].kernel' must be one of 1, 2, 3, 4, 5, 6, 7, not 8"),
        ("kernel", [1, 2, 3], r"'layers\[0\].kernel' must be an integer or \[rows, columns\], not \[1, 2, 3\]"),
        ("stride", [1, "2"], r"'layers\[0\].stride' must be an integer or \[rows, columns\]"),
        ("padding", [0, 7], r"'layers\[0\].padding' must lie in 0 .. 6, not 7"),
        ("pool", [1, 1], "'pool' must be 2 or more, along an axis at least, not 1"),
        ("padding", [1, 0], "padding of rows must be an integer from 0 to 0, not 1"),
    ],
)
def test_bad_sizes(data, key, value, text):
    bits, signed, _ = data
    with pytest.raises(UserError, match=text):
        recipe(bits, signed, [SEQUENCE[0] | {key: value}])
