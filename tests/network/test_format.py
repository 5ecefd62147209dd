"""docs/format.md is enough: a reader written from it agrees with the golden model, and its example is a valid file."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load, parse, save
from s2nn_hw.network.synapses import Dense
from tests.support import outsider, outsider_container, outsider_scores, outsider_sequences, outsider_states
from tests.support.commands import refused
from tests.support.networks import random_images, random_network
from tests.support.random_networks import random_graph

ROOT = Path(__file__).parents[2]
OUTSIDERS = (outsider, outsider_container, outsider_scores, outsider_sequences, outsider_states)
NAMES = "aZ09 .,[]/()<>&'\"\\éß猫😀-"


def any_network(seed):
    """Return a random network: a graph, a chain, or a chain whose tables are listed, with classes of odd names."""
    rng = np.random.default_rng(seed)
    if rng.random() < 0.6:
        network = random_graph(rng)
    else:
        sizes = rng.integers(1, 12, int(rng.integers(2, 5))) * (1 if rng.random() < 0.6 else 30)
        network = random_network(
            tuple(map(int, sizes)), input_bits=int(rng.choice([1, 2, 4, 8])), seed=seed, bits=int(rng.integers(1, 9))
        )
        if rng.random() < 0.7:
            network = thinned(network, rng)
    classes = tuple(
        f"{k}:{''.join(rng.choice(list(NAMES), int(rng.integers(0, 8))))}|" for k in range(len(network.classes))
    )
    return Network(network.name, network.input, network.layers, classes, {"seed": seed})


def thinned(network, rng):
    layers = []
    for layer in network.layers:
        synapse = layer.synapses[0]
        if synapse.bits > 1:
            kept = synapse.weights * (rng.random(synapse.weights.shape) < rng.choice([0.0, 0.1, 0.3]))
            synapse = Dense(kept.astype(np.int8), synapse.bits)
        layers.append(Layer(layer.name, synapse, layer.neuron, layer.sources))
    return Network(network.name, network.input, tuple(layers), network.classes)


def compare(network, path, count=4):
    """Save ``network``, read it with the other reader, and compare scores and classes on ``count`` images."""
    save(network, path)
    other = outsider.read(path.read_bytes())
    images = random_images(network, count, len(network.layers))
    wanted = network.forward(images)
    scores, classes = outsider_scores.scores(other, images)
    assert (scores == wanted.scores).all()
    assert (classes == wanted.classes).all()
    assert load(path).digest == network.digest == other["header"]["digest"]


def test_the_outsider_imports_nothing_of_ours():
    files = [Path(module.__file__) for module in OUTSIDERS]
    own = {f"tests.support.{path.stem}" for path in files}
    for path in files:
        names = {line.split()[1] for line in path.read_text().splitlines() if re.match(r"(import|from) ", line)}
        assert names <= {*sys.stdlib_module_names, "numpy"} | own


@pytest.mark.parametrize("start", range(0, 100, 20))
def test_the_outsider_agrees(tmp_path, start):
    for seed in range(start, start + 20):
        compare(any_network(seed), tmp_path / "n.s2nn")


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "models").glob("*.s2nn")))
def test_shipped_networks_are_valid(name):
    data = (ROOT / "models" / f"{name}.s2nn").read_bytes()
    assert outsider.read(data)["header"]["digest"] == parse(data).digest


def test_the_example_of_the_document(tmp_path, monkeypatch):
    program = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "format.md").read_text(), re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/format.md", "exec"), {})
    network = load("example.s2nn")
    images = np.array([[[255, 0], [0, 128]], [[0, 0], [0, 0]]], np.uint8)
    assert (
        network.forward(images).scores.tolist()
        == outsider_scores.scores(outsider.read(Path("example.s2nn").read_bytes()), images)[0].tolist()
    )


def test_both_refuse_what_one_could_write(tmp_path):
    network = random_network((3, 2))
    with pytest.raises(UserError, match="class names must be"):
        Network("n", network.input, network.layers, ("a", "b\x1b[2J"))
    for provenance in ({"x": float("nan")}, {"x": "\ud800"}, {"x": "\x1b"}):
        with pytest.raises(UserError, match=r"NaN|half a character|control characters"):
            save(Network("n", network.input, network.layers, ("a", "b"), provenance), tmp_path / "n.s2nn")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["name", "source", "kind"])
def test_long_names_in_a_file_make_short_messages(tmp_path, command, place):
    path, long = tmp_path / "n.s2nn", "a" * 5000
    save(random_network((5, 4, 3)), path)
    text, tensors = outsider_container.container(path.read_bytes())
    header, layer = json.loads(text), json.loads(text)["layers"][1]
    if place == "name":
        header["layers"][1] = json.loads(json.dumps(layer).replace("layer1", long))
        tensors = {name.replace("layer1", long): table for name, table in tensors.items()}
    else:
        header["layers"][1] = layer | ({"sources": [long]} if place == "source" else {"neuron": {"kind": long}})
    path.write_bytes(outsider_container.pack(json.dumps(header), dict(tensors)))
    result = command("inspect", path)
    refused(result, "layer name must be at most 32" if place == "name" else "layer1", "aaa")
    assert len(result[2]) < 400


def main(count):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for seed in range(10_000, 10_000 + count):
            compare(any_network(seed), Path(folder) / "n.s2nn")
    print(f"{count} random networks: the reader of docs/format.md agrees with the golden model on all")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
