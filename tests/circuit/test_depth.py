"""Bounds on every kind of network, whole boards after synthesis: loads of a net, levels between registers."""

import pytest

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.lower import with_buffers
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.board_netlist import board_netlist
from s2nn_hw.hw.netlist.fanout import LIMIT, spread
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.paths import find_paths
from s2nn_hw.hw.netlist.shorten import shorten
from s2nn_hw.network.synapses import MaxPool
from s2nn_hw.plan.defaults import default_plan
from tests.support.graphs import build, convolution, dense, identity, joined, pooled
from tests.support.networks import random_network

# LUTs and carry chains in a row between two registers, on devices with LUTs of six inputs
MOST_LEVELS = 5


def network_and_plan(kind, lut):
    """Return a small network of ``kind`` and its plan."""
    if kind == "dense":
        network = random_network((80, 70, 5), input_bits=2, bits=3)
    elif kind == "convolution":
        network = build(
            (8, 8),
            2,
            [
                convolution(8, 3, padding=1),
                joined(MaxPool(2)),
                convolution(12, 3, padding=1),
                joined(MaxPool(2)),
                pooled(5, (2, 2)),
            ],
        )
    elif kind == "residual":
        network = build(
            (6, 6, 3),
            2,
            [
                convolution(8, 3, padding=1),
                convolution(8, 3, padding=1),
                [convolution(8, 3, padding=1, bits=2), identity("layer0")],
                dense(5),
            ],
        )
        return network, with_buffers(default_plan(network, {4: "ecp5", 6: "xc7"}[lut]), {"layer2": (0, 64)})
    else:
        network = random_network((40, 30, 4), bits=2)
        return network, Plan(
            tuple(
                LayerPlan(layer.name, width=40 if layer.name == "layer0" else 30, engine="unrolled", lut=lut)
                for layer in network.layers
            )
        )
    return network, default_plan(network, {4: "ecp5", 6: "xc7"}[lut])


@pytest.fixture(scope="module")
def netlists(tmp_path_factory):
    """Return a function of kind and board's name: the netlist and what the copies of its drivers did, made once."""
    folder, made = tmp_path_factory.mktemp("depth"), {}

    def make(kind, name):
        if (kind, name) not in made:
            board = find_board(name)
            path = board_netlist(*network_and_plan(kind, FAMILIES[board.family].inputs), board, folder)
            netlist = FlatNetlist.read(path, library_of(board.family))
            shorten(netlist)
            made[kind, name] = netlist, spread(netlist)
        return made[kind, name]

    return make


KINDS = ("dense", "convolution", "residual", "unrolled")


@pytest.mark.parametrize(("board", "kind"), [*(("arty_a7", kind) for kind in KINDS), ("ulx3s_25", "unrolled")])
def test_no_net_but_a_clock_has_more_loads_than_the_limit(board, kind, netlists):
    netlist, result = netlists(kind, board)
    assert result.highest_before > LIMIT
    assert not result.left
    assert result.highest_after <= LIMIT
    assert max(len(pins) for net, pins in netlist.loads.items() if not netlist.is_clock(net)) == result.highest_after


@pytest.mark.parametrize("kind", KINDS)
def test_few_levels_lie_between_registers(kind, netlists):
    paths = find_paths(netlists(kind, "arty_a7")[0], shown=5)
    assert paths.levels <= MOST_LEVELS, "\n".join(f"{p.levels}: {p.start} to {p.end}" for p in paths.paths)


def test_a_netlist_is_made_once_and_other_families_are_refused(tmp_path):
    network = random_network((6, 3), bits=2)
    board = find_board("ulx3s_25")
    path = board_netlist(network, default_plan(network, "xc7"), board, tmp_path)
    stamp = path.stat().st_mtime_ns
    assert board_netlist(network, default_plan(network, "xc7"), board, tmp_path) == path
    assert path.stat().st_mtime_ns == stamp
    with pytest.raises(UserError, match="is ice40"):
        board_netlist(network, default_plan(network, "xc7"), find_board("icebreaker"), tmp_path)
