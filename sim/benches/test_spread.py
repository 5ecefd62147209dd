"""A synthesised netlist whose drivers were copied still computes the golden model's results, bits and cycles."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.cli.activity import _stage
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.shorten import shorten_file
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.netlist.activity import circuit_identity, make_circuit, run
from s2nn_hw.sim.verilog.runner import Simulation
from s2nn_hw.sim.verilog.verify import run_checked
from tests.support.graphs import build, convolution, identity, joined, pooled
from tests.support.networks import random_images, random_network

ROOT = Path(__file__).parents[2]
FRAMES = 10


class SpreadFlow(NetlistFlow):
    """Synthesis, LUTs merged wherever it shortens a way, then copies until no net has more than ``limit`` loads."""

    limit = 8

    def synthesise(self, text: str, folder: Path | str, *, tick: Any) -> None:
        super().synthesise(text, folder, tick=tick)
        path = Path(folder) / "netlist.json"
        self.shortened = shorten_file(path, library_of(self.board.family), wanted=1)
        self.result = spread_file(path, library_of(self.board.family), limit=self.limit, registered_ports=True)
        self.write_verilog(json.loads(path.read_text()), Path(folder), "netlist.v", tick=tick)


def quiet(text: str) -> Any:
    return _stage(Console(quiet=True), text)


def make(network: Network, plan: Plan, board: str, folder: Path) -> Any:
    flow = SpreadFlow(find_board(board))
    circuit = make_circuit(network, plan, flow, circuit_identity(network, plan, flow), folder, say=quiet)
    netlist = FlatNetlist.read(circuit.folder / "netlist.json", library_of(flow.board.family))
    left = {item.net for item in flow.result.left}
    assert flow.result.added > 20
    assert flow.shortened.levels_after <= flow.shortened.levels_before
    assert bool(flow.shortened.merged) == (flow.board.family == "xc7")
    assert {netlist.library.primitives[kind].kind for kind in flow.result.copies} >= {"ff", "lut"}
    for net, pins in netlist.loads.items():
        assert len(pins) <= flow.limit or netlist.is_clock(net) or netlist.name(net) in left
    return circuit, flow


@pytest.mark.parametrize("board", ["arty_a7", "ulx3s_25"])
def test_spread_netlist_equals_golden(board: str, tmp_path: Path) -> None:
    """Pixels, both engines, a window, a shortcut, pooling; weights in block RAM."""
    network = build(
        (4, 4, 2),
        2,
        [
            convolution(3, 3, padding=1),
            [convolution(3, 3, padding=1, bits=1), identity("layer0")],
            joined(MaxPool(2)),
            pooled(3, (2, 2)),
        ],
    )
    plan = with_buffers(default_plan(network, "xc7"), {"layer1": (0, 32)})
    circuit, _ = make(network, plan, board, tmp_path)
    run(circuit, random_images(network, FRAMES), idle=20)


def test_spread_netlist_equals_golden_with_stalls(tmp_path: Path) -> None:
    network = random_network((40, 9, 3), input_bits=2, bits=3, seed=7)
    plan = default_plan(network, "xc7")
    plan = type(plan)(tuple(replace(layer, memory="block") for layer in plan.layers))
    circuit, flow = make(network, plan, "icebreaker", tmp_path)
    _, models, definitions = flow.models()
    text = "".join(f"`define {name}\n" for name in definitions) + models.read_text()
    sources = {"netlist.v": (circuit.folder / "netlist.v").read_text(), "cells.v": text}
    simulation = Simulation(network, circuit=sources, folder=ROOT / "build" / "sim")
    images = random_images(network, FRAMES)
    run_checked(simulation, images, length=1, probe=False)
    run_checked(simulation, images, length=FRAMES, stall=(0.3, 0.3), probe=False)
