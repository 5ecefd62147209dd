"""The report's cycles and counts against independent formulae and simulation."""

import json
from itertools import pairwise

import numpy as np
import pytest

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.design import Design
from s2nn_hw.hw.board.boards import BOARDS
from s2nn_hw.hw.facts import LinkFacts, board_facts
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.report.sections.latency import limiting, rate, statistics, timeline, times
from s2nn_hw.report.sections.layers import layer_rows
from s2nn_hw.report.sections.measure import measure
from tests.support.made_reports import make_report
from tests.support.networks import random_images, random_network, residual
from tests.support.random_networks import random_graph
from tests.support.streams import run_accelerator

AHEAD = LayerPlan("any").depth  # cycles that a scanner may be ahead in the next frame, while words wait in its queue


def rows_of(network, images, **options):
    design = Design(network, default_plan(network, "xc7"))
    return layer_rows(design, measure(design, images, **options))


def test_latency_is_what_the_circuit_counts():
    network = random_network((40, 12, 5), input_bits=2, seed=6)
    images = random_images(network, 6, seed=6)
    measured = measure(Design(network, default_plan(network, "xc7")), images, sequence=6)
    _, inputs = layer_inputs(network, images)
    alone = [int(run_accelerator(Accelerator(network), inputs["input"][k : k + 1])[2][0]) for k in range(6)]
    assert measured.alone.tolist() == alone
    latency = times(measured.alone, 50.0)
    assert latency["us"]["max"] == max(alone) / 50
    assert latency["cycles"]["source"] == "formula"
    timing = Design(network, default_plan(network, "xc7")).timing
    offered = timing.schedule(timing.ones(inputs), length=6).offered[0]
    assert measured.intervals.mean() == pytest.approx((offered[-1] - offered[0]) / 5)
    found = rate(measured.intervals, 50.0, LinkFacts("UART, 8N1", 100, 10, 1, 1, 10.0))
    assert found["circuit"]["value"] == pytest.approx(50e6 * 5 / (offered[-1] - offered[0]), rel=1e-4)
    assert found["limited_by"] == "link"
    assert found["total"]["value"] == 10.0
    assert rate(measured.intervals, None) is None


def test_statistics_are_those_of_the_values():
    values = np.random.default_rng(2).integers(100, 400, 1001)
    found = statistics(values, "cycles", "formula")
    assert (found["min"], found["max"], found["median"]) == (values.min(), values.max(), np.median(values))
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-5)
    assert (values <= found["p99"]).mean() >= 0.99 > (values < found["p99"]).mean()
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    assert counts == [int(((low <= values) & (values < high)).sum()) for low, high in pairwise(edges)]
    assert sum(counts) == 1001
    assert len(counts) <= 40
    assert statistics([7], "cycles", "formula")["histogram"] == {"edges": [7, 8], "counts": [1]}
    assert statistics([8, 16], "us", "formula", scale=0.25)["mean"] == 3.0


def test_layers_are_at_work_when_the_timeline_says_so():
    """Each layer begins no earlier than the one before it and ends before the result; frames in order."""
    network = residual(np.random.default_rng(3))
    design = Design(network, default_plan(network, "xc7"))
    measured = measure(design, random_images(network, 5), sequence=5)
    data = timeline(design, measured)
    assert data["frames"] == 4
    assert [row["layer"] for row in data["rows"][: len(design.stages)]] == [stage.name for stage in design.stages]
    for row in data["rows"]:
        assert 0 <= row["begin"] <= row["end"] <= data["results"][row["frame"]]
    for name in {row["layer"] for row in data["rows"]}:
        mine = [row for row in data["rows"] if row["layer"] == name]
        assert mine == sorted(mine, key=lambda row: (row["begin"], row["end"]))


def test_the_rate_is_set_by_the_slowest_layer_of_each_frame():
    network = random_network((60, 20, 20, 4), input_bits=4, seed=3)
    design = Design(network, default_plan(network, "xc7"))
    measured = measure(design, random_images(network, 12, seed=3), sequence=4)
    table = limiting(design, measured)
    shares = {row["name"]: row["frames"] for row in table["rows"]}
    assert sum(shares.values()) == 9
    own = np.array([np.full((3, 3), design.beats), *measured.own])
    for k, name in enumerate(["input", *(stage.name for stage in design.stages)]):
        assert shares[name] == (own.argmax(axis=0) == k).sum()


def test_layer_rows_count_ones_and_additions():
    network = random_network((33, 9, 4), input_bits=4, seed=2)
    images = random_images(network, 7, seed=3)
    rows = rows_of(network, images, sequence=7)
    pixels = network.encode(images)
    ones = sum((pixels >> b & 1).sum() for b in range(4)) / 7
    spikes = network.forward(images, trace=True).spikes["layer0"].sum() / 7
    assert [row.work.active_inputs for row in rows] == pytest.approx([ones, spikes], abs=1e-3)
    assert [row.work.synaptic_operations for row in rows] == pytest.approx([ones * 9, spikes * 4], abs=0.1)
    for row in rows:
        assert row.cycles.alone_to_bound >= 1
        assert row.cycles.alone_interval >= row.cycles.bound * 0.9


def test_synaptic_operations_of_a_convolution_are_its_additions():
    network = residual(np.random.default_rng(3))
    images = random_images(network, 5)
    operations = {row.name: row.work.synaptic_operations for row in rows_of(network, images)}
    values = layer_inputs(network, images)[1]

    def additions(name, kernel, padding, fan_out):
        spikes = values[name].reshape(5, 6, 6, -1)
        padded = np.pad(spikes, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
        read = sum(int(padded[:, i : i + 6, j : j + 6].sum()) for i in range(kernel) for j in range(kernel))
        return read * fan_out / 5

    assert operations["stem"] == pytest.approx(additions("input", 3, 1, 8), abs=0.1)
    assert operations["b"] == pytest.approx(additions("a", 3, 1, 8) + additions("stem", 1, 0, 1), abs=0.1)
    assert operations["readout"] == pytest.approx(values["b"].sum() / 5 * 3, abs=0.1)


def test_images_in_parts_give_the_same_figures(monkeypatch):
    from s2nn_hw.report.sections import measure as module

    network = residual(np.random.default_rng(3))
    images = random_images(network, 9)
    whole, done = rows_of(network, images, sequence=3), []
    assert module.measure(Design(network, default_plan(network, "xc7")), images, frames=5).frames == 5
    monkeypatch.setattr(module, "PART_BYTES", 1)
    assert rows_of(network, images, sequence=3, progress=done.append) == whole
    assert done == [3, 6, 9]
    monkeypatch.setattr(module, "LEAST_TIMED", 3)
    few = module.measure(Design(network, default_plan(network, "xc7")), images, sequence=3, timed_words=1)
    assert (few.frames, len(few.classes), few.intervals.shape) == (3, 9, (1, 2))


def test_every_graph_can_be_reported():
    for seed in range(25):
        network = random_graph(np.random.default_rng(seed))
        data = make_report(network, board=board_facts(BOARDS["arty_a7"]))
        assert json.loads(json.dumps(data)) == data
        rows = data["layers"]["rows"]
        for row in rows:
            alone, ratio = row["alone_interval"], row["alone_to_bound"]
            assert alone is None or alone + AHEAD >= alone / ratio
        assert all((row["synaptic_operations"] > 0) <= (row["connections"] > 0) for row in rows)
        device = data["bounds"]["device"]
        assert device["bound"]["value"] == max(
            device[f"{name}_bound"]["value"] for name in ("words", "adders", "memory")
        )
