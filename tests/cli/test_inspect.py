"""``s2nn-hw inspect``: the figures against the tables themselves, the schema, bad input."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES
from s2nn_hw.network.store import save
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.sections.overview import overview
from tests.support.networks import random_network, residual, small_network
from tests.support.random_networks import random_graph

PROGRAM = "import sys; from s2nn_hw.cli.main import main; main()"


def inspect(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, "inspect", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_figures_are_those_of_the_tables(network):
    data = overview(network)
    assert json.loads(json.dumps(data)) == data
    assert data["digest"] == network.digest
    assert data["synapses"] == 20 * 9 + 9 * 3
    assert data["memory_bits"] == 4 * (20 * 9 + 9 * 3)
    for row, layer, stage in zip(
        data["layers"], network.layers, Design(network, default_plan(network, "xc7")).stages, strict=True
    ):
        weights = layer.synapses[0].weights
        assert row["weight_range"] == [weights.min(), weights.max()]
        assert row["sparsity"] == pytest.approx(np.count_nonzero(weights == 0) / weights.size, abs=1e-5)
        low, high = layer.synapses[0].bounds(network.peak(layer), network.low(layer))
        offsets = layer.neuron.offsets(low, high)
        reach = max(int(np.abs(offsets + low).max()), int(np.abs(offsets + high).max()))
        assert row["accumulator_bits"][1] <= reach.bit_length() + 1
        assert row["accumulator_bits"][1] == stage.engine.accumulator_widths().max()
    assert set(data["estimates"]) == set(FAMILIES)
    assert all(row["source"] == "estimate" for row in data["estimates"].values())


@pytest.mark.parametrize("sizes", [(1, 1), (3, 4), (65, 7, 3)])
@pytest.mark.parametrize("bits", [1, 8])
def test_every_shape_can_be_described(sizes, bits):
    data = overview(random_network(sizes, bits=bits, input_bits=8))
    assert [row["neurons"] for row in data["layers"]] == list(sizes[1:])


def test_a_residual_layer_lists_its_sources_and_windows():
    data = overview(residual(np.random.default_rng(0)))
    row = data["layers"][2]
    assert row["sources"] == ["a", "stem"]
    assert row["synapses"] == 8 * 8 * 9 + 8
    assert row["connections"] == 36 * row["synapses"]
    assert [w["kernel"] for w in row["windows"]] == [[3, 3], [1, 1]]
    assert all(w["words"] >= w["least_words"] for w in row["windows"])
    assert data["connections"] == sum(row["connections"] for row in data["layers"])


def test_every_graph_can_be_described():
    for seed in range(40):
        network = random_graph(np.random.default_rng(seed))
        data = overview(network)
        assert json.loads(json.dumps(data)) == data
        assert all(row["bits"] >= 1 for row in data["layers"] if row["neuron"])
        assert all(row["synapses"] == 0 for row in data["layers"] if row["engine"] == "or")


def test_command(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    out = inspect(tmp_path / "net.s2nn", "--json")
    assert (out.returncode, out.stderr) == (0, "")
    assert json.loads(out.stdout) == overview(network)
    out = inspect(tmp_path / "net.s2nn")
    assert out.returncode == 0
    assert network.digest in out.stdout
    assert "20x9" in out.stdout
    assert "estimate" in out.stdout


def test_fused_layers_and_provenance_are_named(tmp_path):
    network = small_network(np.random.default_rng(0), sizes=(24, 20))
    save(replace(network, provenance={"made": "by hand", "figures": {"a": 1}}), tmp_path / "net.s2nn")
    out = inspect(tmp_path / "net.s2nn").stdout
    assert "3 layers" in out
    assert "hidden0 > hidden1" in out
    assert "provenance: made by hand, more about figures in --json\n" in out


def test_bad_files_are_one_line_and_status_2(tmp_path, network):
    save(network, tmp_path / "net.s2nn")
    data = (tmp_path / "net.s2nn").read_bytes()
    (tmp_path / "short.s2nn").write_bytes(data[:-5])
    for name, text in (("short.s2nn", "truncated or altered"), ("none.s2nn", "does not exist")):
        out = inspect(tmp_path / name)
        assert out.returncode == 2
        assert out.stderr.startswith("error: ")
        assert text in out.stderr
        assert out.stderr.count("\n") == 1
        assert not out.stdout
