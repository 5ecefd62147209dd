"""The report's section on weights in logic."""

import numpy as np
import pytest

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.synapses import Dense
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.schema import check_report
from s2nn_hw.report.sections.logic import PARTS, encoder
from tests.support.networks import random_images, random_network, small_network

BOARD = board_facts(find_board("arty_a7"))


def thermometer(network):
    """Return ``network`` behind a layer of neurons that each compare one 4-bit pixel of ten with a threshold."""
    width = network.input.size
    table = np.zeros((width, 10), np.int8)
    table[np.arange(width), np.arange(width) % 10] = 1
    first = Layer("levels", Dense(table, 2), Fire((1 + np.arange(width) % 15).astype(np.int32)))
    return Network(
        "coded",
        Input((10,), 4),
        (first, *(Layer(x.name, x.synapses, x.neuron) for x in network.layers)),
        network.classes,
    )


def section(network, plan=None, board=BOARD):
    report = build_report(
        network, plan or default_plan(network, "xc7"), random_images(network, 8), None, Known(board=board)
    )
    check_report(report)
    return report["logic"]


def test_no_section_without_logic():
    assert section(random_network((8, 6, 3))) is None


def test_every_lut_is_somewhere():
    network = thermometer(small_network(np.random.default_rng(1), inner=3))
    plan = default_plan(network, "xc7")
    found = section(network, plan)
    parts = {row["name"]: row["luts"] for row in found["parts"]["rows"]}
    total = estimate(Design(network, plan), "xc7").luts
    assert tuple(parts) == PARTS
    assert sum(parts.values()) == total == found["luts"]["total"]["value"]
    assert 0 < parts["encoder"] <= 40
    assert found["luts"]["without_encoder"]["value"] == total - parts["encoder"]
    assert parts["tables"] <= 36
    assert all(count >= 0 for count in parts.values())
    cycles = Design(network, plan).frames_under_way - 1
    assert (found["initiation_interval"]["value"], found["latency"]["cycles"]["value"]) == (1, cycles)
    assert found["latency"]["ns"]["value"] == 10 * cycles
    assert found["lut_ns"]["total"]["value"] == pytest.approx(total * 10 * cycles)


def test_without_a_board_there_are_cycles_alone():
    found = section(small_network(np.random.default_rng(1)), board=None)
    assert found["streaming"]
    assert found["luts"] is found["parts"] is found["lut_ns"] is found["latency"]["ns"] is None


def test_what_is_an_encoder():
    network = thermometer(small_network(np.random.default_rng(1)))
    stages = Design(network, unrolled_plan(network, lut=6)).stages
    assert [encoder(stage) for stage in stages] == [True] + [False] * (len(stages) - 1)
