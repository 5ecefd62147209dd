"""Fan-out and depth of the shipped networks on their boards: loads before and after copies, levels of logic.

Of a network that is not in ``NETWORKS`` (``--network models/cifar10-cnn.s2nn``) its own rows alone. A synthesis takes
minutes; it is kept in ``build/bench``.
"""

import sys
import time
from pathlib import Path

from benchmarks.frame import Row, Setting
from s2nn_hw.hw.board.boards import Board, find_board
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.board_netlist import board_netlist
from s2nn_hw.hw.netlist.fanout import LIMIT, spread
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.paths import find_paths
from s2nn_hw.hw.netlist.shorten import shorten
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan

TITLE = "whole designs after synthesis, default plans: loads of a net that is no clock, levels of logic"
NETWORKS = (
    "mnist-tiny",
    "mnist-mlp",
    "mnist-cnn",
    "mnist-nano",
    "mnist-pico",
    "magic-nano",
    "fashion-mlp",
    "fashion-cnn",
)
BOARDS = ("arty_a7", "ulx3s")
# LUTs and carry chains between two registers; ECP5's LUTs have four inputs, so there it is for comparison only
LEVELS = {"xc7": 5}
NAME = 36


def run(setting: Setting) -> list[Row]:
    """Return the rows of each network on each board."""
    if setting.network.name in NETWORKS:
        networks = [load(Path("models") / f"{name}.s2nn") for name in NETWORKS]
    else:
        networks = [setting.network]
    rows: list[Row] = []
    for number, (network, board) in enumerate([(network, board) for network in networks for board in BOARDS]):
        start = time.monotonic()
        rows += measure(network, find_board(board), setting.output / "paths")
        print(
            f"paths: {network.name} on {board}, {number + 1} of {len(networks) * len(BOARDS)}: "
            f"{time.monotonic() - start:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    return rows


def measure(network: Network, board: Board, output: Path) -> list[Row]:
    """Return the rows of ``network`` on ``board``: fan-out before and after, copies, levels."""
    plan = default_plan(network, board.family)
    netlist = FlatNetlist.read(board_netlist(network, plan, board, output), library_of(board.family))
    cells = len(netlist.cells)
    shortened = shorten(netlist)
    result = spread(netlist)
    paths = find_paths(netlist, shown=1)
    name, bound = f"{network.name}, {board.family}", LEVELS.get(board.family)
    longest = f"to {_short(paths.paths[0].end)}" if paths.paths else ""
    return [
        Row(f"{name}: highest fan-out", result.highest_before, "loads", source=_short(result.net_before)),
        Row(f"{name}: after copies", result.highest_after, "loads", LIMIT, _short(result.net_after), binding=True),
        Row(f"{name}: copies", sum(result.copies.values()), "cells", cells, "cells before"),
        Row(f"{name}: LUTs between", result.buffers, "cells", cells, "cells before"),
        Row(f"{name}: deepest path of yosys", shortened.levels_before, "levels"),
        Row(f"{name}: LUTs merged", shortened.merged, "cells", cells, "cells before"),
        Row(f"{name}: deepest path", paths.levels, "levels", bound, longest, binding=bound is not None),
        Row(f"{name}: with multiplexers", paths.levels_with_multiplexers, "levels"),
    ]


def _short(name: str) -> str:
    """Return the end of a net's name, which says most."""
    return name if len(name) <= NAME else "..." + name[3 - NAME :]
