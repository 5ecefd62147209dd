"""The .s2nn file: round trip, stable bytes, and every way in which a file can be wrong."""

import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import load as unpack
from safetensors.numpy import save as pack

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import KEY, load, save
from s2nn_hw.network.synapses import Conv2d, Dense
from s2nn_hw.quantize.checkpoint import read_checkpoint
from tests.support.networks import random_network


@pytest.fixture
def path(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    return tmp_path / "net.s2nn"


def rewrite(path, change_header=None, change_tables=None):
    data = path.read_bytes()
    tables = {name: table.copy() for name, table in unpack(data).items()}
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][KEY])
    if change_header:
        change_header(header)
    if change_tables:
        change_tables(tables)
    path.write_bytes(pack(tables, metadata={KEY: json.dumps(header)}))


@pytest.mark.parametrize("bits", [1, 2, 8])
def test_round_trip(tmp_path, bits):
    network = random_network((30, 7, 4), input_bits=4, bits=bits)
    save(network, tmp_path / "a.s2nn")
    again = load(tmp_path / "a.s2nn")
    assert again.digest == network.digest
    assert again.describe() == network.describe()
    for name, table in network.tensors().items():
        assert (again.tensors()[name] == table).all()
    save(again, tmp_path / "b.s2nn")
    assert (tmp_path / "a.s2nn").read_bytes() == (tmp_path / "b.s2nn").read_bytes()


def sparse_network(seed=0):
    """A network of 200 x 60 weights of which 3 a neuron, none in the first one, are not 0."""
    rng = np.random.default_rng(seed)
    table = np.zeros((60, 200), np.int8)
    for row in table[1:]:
        row[rng.choice(200, 3, replace=False)] = rng.choice([-3, 1, 2], 3)
    readout = Dense(rng.integers(-1, 2, (4, 60)).astype(np.int8), 2)
    return Network(
        "sparse",
        Input((200,), 1),
        (
            Layer("hidden", Dense(table, 3), Fire(np.zeros(60, np.int32))),
            Layer("readout", readout, Readout(np.zeros(4, np.int32))),
        ),
        tuple("abcd"),
    )


def test_sparse_tables_list_what_is_not_zero(tmp_path):
    network, path = sparse_network(), tmp_path / "net.s2nn"
    save(network, path)
    again = load(path)
    assert again.digest == network.digest
    assert (again.layers[0].synapses[0].weights == network.layers[0].synapses[0].weights).all()
    assert path.stat().st_size < 60 * 200 / 3
    save(again, tmp_path / "again.s2nn")
    assert path.read_bytes() == (tmp_path / "again.s2nn").read_bytes()


def _cut(tables, name):
    tables[name] = tables[name][:-1]


@pytest.mark.parametrize(
    ("header", "tables", "message"),
    [
        (lambda h: h["layers"][0]["synapse"].update(inputs=1 << 23), None, "60 x 8,388,608 weights is too large"),
        (
            lambda h: h["layers"][0]["synapse"].update(inputs="many"),
            None,
            "'layers.0..synapse.inputs' must be an integer",
        ),
        (lambda h: h["layers"][0]["synapse"].update(inputs=100), None, "'hidden.weights.columns' must lie in 0 .. 99"),
        (None, lambda t: _cut(t, "hidden.weights"), "do not agree on the number of weights"),
        (None, lambda t: _cut(t, "hidden.weights.columns"), "do not agree on the number of weights"),
        (None, lambda t: t.pop("hidden.weights.counts"), "tensor 'hidden.weights.counts', named by .* is missing"),
        (
            None,
            lambda t: t.update({"hidden.weights.counts": t["hidden.weights.counts"].astype(np.int64)}),
            "must be I8 or I32, not 'I64'",
        ),
        (
            None,
            lambda t: t.update({"hidden.weights.counts": t["hidden.weights.counts"].astype(np.int8)}),
            "must be a list of int32, not int8",
        ),
        (None, lambda t: t["hidden.weights.columns"].__setitem__(0, -1), "must lie in 0 .. 199"),
        (None, lambda t: t["hidden.weights"].__setitem__(0, 3 if t["hidden.weights"][0] != 3 else 1), "digest"),
        (None, lambda t: t["hidden.weights.columns"].__setitem__(1, t["hidden.weights.columns"][0]), "no column twice"),
        (
            None,
            lambda t: (
                t["hidden.weights.columns"][:3].sort()
                or t["hidden.weights.columns"][:3].__setitem__(slice(None), t["hidden.weights.columns"][2::-1].copy())
            ),
            "must rise within each row",
        ),
        (None, lambda t: t["hidden.weights"].__setitem__(0, 0), "lists weights that are 0"),
        (lambda h: h["layers"][0]["synapse"].pop("inputs"), None, "both at least 1, not|weights must have shape"),
        (lambda h: h.update(version=2), None, "'version' must be 3 for these layers, not 2"),
        (
            lambda h: h["layers"][1]["synapse"].update(inputs=60),
            None,
            "'readout.weights' must be a list of int8, not int8",
        ),
    ],
)
def test_sparse_tables_that_are_wrong(tmp_path, header, tables, message):
    path = tmp_path / "net.s2nn"
    save(sparse_network(), path)
    rewrite(path, header, tables)
    with pytest.raises(UserError, match=message):
        load(path)


def test_digest_sees_every_weight(network):
    other = random_network((20, 9, 3), input_bits=2, seed=1)
    assert other.digest != network.digest


def test_every_truncation_is_refused(path):
    data = path.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="truncated or altered"):
            load(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda h: h.update(version=8), "format version 8 is unknown; this tool reads version 1, 2, 3, 4, 5, 6 and 7"),
        (lambda h: h.update(format="onnx"), "'format' must be 's2nn'"),
        (lambda h: h.update(digest="0"), "'digest' does not match the contents"),
        (lambda h: h.pop("layers"), "'layers' must be a list"),
        (lambda h: h["input"].update(bits="2"), "'input.bits' must be an integer, not '2'"),
        (lambda h: h["input"].update(bits=17), "bits must be an integer from 1 to 16, not 17"),
        (lambda h: h["input"].update(signed=False), "'input.signed' must be true, or be left out, not False"),
        (lambda h: h["input"].update(signed=1), "'input.signed' must be true, or be left out, not 1"),
        (lambda h: h["input"].update(signed=True), "'version' must be 5 for these layers, not 1"),
        (lambda h: h["input"].update(code="steps", bits=2, signed=True), "false of events, not True"),
        (lambda h: h["input"].update(shape=[21]), "the weights take 20 inputs, but input gives 21"),
        (lambda h: h["layers"][0]["synapse"].update(kind="conv9"), "synapse kind 'conv9' is unknown"),
        (lambda h: h["layers"][0]["neuron"].update(kind="spike"), "neuron kind 'spike' is unknown"),
        (lambda h: h["layers"][0]["synapse"].update(weights="gone"), "must name tensor 'layer0.weights', not 'gone'"),
        (lambda h: h["layers"][0]["synapse"].update(bits=2), "2-bit weights must lie in -1 .. 1"),
        (lambda h: h["layers"][0].update(sources=[]), "'sources' must be a list of names"),
        (lambda h: h.update(classes=["a", "b"]), "3 different class names wanted"),
        (lambda h: h.update(classes=[1, 2, 3]), "'classes' must be a list of texts"),
        (lambda h: h.update(name="../../x"), "network name must be"),
        (lambda h: h.update(layers=[]), "is not named by any layer"),
    ],
)
def test_altered_headers(path, change, text):
    rewrite(path, change)
    with pytest.raises(UserError, match=text) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("stride", [2, 2], "'layers.0..synapse.stride' must be an integer where both are the same, not .2, 2."),
        ("stride", [1, 2, 3], r"stride must be an integer or \[rows, columns\], not \[1, 2, 3\]"),
        ("stride", [1, 65], "stride of columns must be an integer from 1 to 64, not 65"),
        ("stride", [1, "2"], "stride of columns must be an integer from 1 to 64, not '2'"),
        ("padding", [0, 3], "padding of columns must be an integer from 0 to 2, not 3"),
        ("padding", [1, 0], "padding of rows must be an integer from 0 to 0, not 1"),
        ("padding", 1, "padding must be an integer from 0 to 0, not 1"),
    ],
)
def test_sizes_of_rows_and_columns(tmp_path, field, value, text):
    convolves = Conv2d(np.ones((2, 1, 3, 1), np.int8), 1, (1, 2), (0, 1))
    layers = (
        Layer("a", convolves, Fire(np.zeros(2, np.int32))),
        Layer("b", Dense(np.ones((2, 8), np.int8), 1), Readout(np.zeros(2, np.int32))),
    )
    save(Network("n", Input((1, 8), 3, signed=True), layers, ("x", "y")), tmp_path / "n.s2nn")
    assert load(tmp_path / "n.s2nn").layers[0].synapses[0].settings == {
        "stride": [1, 2],
        "padding": [0, 1],
        "groups": 1,
    }
    rewrite(tmp_path / "n.s2nn", lambda h: h["layers"][0]["synapse"].update({field: value}))
    with pytest.raises(UserError, match=text):
        load(tmp_path / "n.s2nn")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.update({"layer0.weights": t["layer0.weights"].astype(np.int16)}), "must be I8 or I32, not 'I16'"),
        (lambda t: t.update({"layer0.weights": t["layer0.weights"][:, :-1].copy()}), "take 19 inputs, but input gives"),
        (
            lambda t: t.update({"layer0.thresholds": t["layer0.thresholds"].astype(np.int64)}),
            "must be I8 or I32, not 'I64'",
        ),
        (lambda t: t.update({"layer0.thresholds": t["layer0.thresholds"] + 1}), "digest"),
        (lambda t: t["layer0.weights"].fill(100), "must lie in -7 .. 7"),
        (lambda t: t["layer0.thresholds"].fill(2**31 - 1), r"thresholds must lie in -2\^30"),
        (lambda t: t.update(extra=np.zeros(1, np.int8)), "tensor 'extra' is not named by any layer"),
        (lambda t: t.pop("layer1.bias"), "tensor 'layer1.bias'.* is missing"),
    ],
)
def test_altered_tensors(path, change, text):
    rewrite(path, change_tables=change)
    with pytest.raises(UserError, match=text):
        load(path)


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480, 0x580, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle(tmp_path, length):
    """Safetensors files that start with the bytes of a pickle or a zip file are safetensors files all the same."""
    data = pack({"a": np.zeros(1, np.int8)}, metadata={"pad": ""})
    header = data[8 : 8 + int.from_bytes(data[:8], "little")].ljust(length)
    (tmp_path / "n.s2nn").write_bytes(length.to_bytes(8, "little") + header + data[-1:])
    with pytest.raises(UserError, match="without the 's2nn' header"):
        load(tmp_path / "n.s2nn")
    with pytest.raises(UserError, match="without the 's2nn-checkpoint' metadata"):
        read_checkpoint(tmp_path / "n.s2nn")


def test_other_files(tmp_path, network):
    with pytest.raises(UserError, match=r"network .*none.s2nn does not exist"):
        load(tmp_path / "none.s2nn")
    with pytest.raises(UserError, match="is a folder"):
        load(tmp_path)
    (tmp_path / "p.s2nn").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"pickle or torch\.save file"):
        load(tmp_path / "p.s2nn")
    (tmp_path / "s.s2nn").write_bytes(pack({"a": np.zeros(1, np.int8)}))
    with pytest.raises(UserError, match="without the 's2nn' header"):
        load(tmp_path / "s.s2nn")
    with pytest.raises(UserError, match=r"must end in .s2nn"):
        save(network, tmp_path / "x.bin")
    with pytest.raises(UserError, match=r"folder .* does not exist"):
        save(network, tmp_path / "no" / "x.s2nn")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.s2nn", "s.s2nn"]
