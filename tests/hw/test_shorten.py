"""LUTs merged into those behind them: the netlist computes the same, ways get shorter, the counts are right."""

import copy
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.shorten import shorten, shorten_file
from s2nn_hw.verilog.netlist import Cell
from tests.support.netlists import Evaluator, cell, check_wiring, design, random_netlist


def types(netlist):
    return Counter(data["type"] for data in netlist["modules"]["top"]["cells"].values())


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), wanted=st.integers(1, 4))
def test_random_netlists_compute_the_same(seed, wanted):
    before = random_netlist(seed, "xc7")
    netlist = FlatNetlist(copy.deepcopy(before), library_of("xc7"))
    result = shorten(netlist, wanted=wanted)
    check_wiring(netlist)
    assert result.levels_after <= result.levels_before
    after = netlist.to_json()
    changed = types(after)
    changed.subtract(types(before))
    assert {kind: count for kind, count in changed.items() if count} == result.changed
    one, other = Evaluator(before), Evaluator(after)
    for word in np.random.default_rng(seed).integers(0, 16, 40):
        assert one.clock(int(word)) == other.clock(int(word))
        assert one.state == other.state


def chain(length, *, kept=()):
    """Return a row of ``length`` LUTs between two registers, each an AND of the one before and an input; LUTs numbered
    in ``kept`` drive a port, too."""
    cells = {"first": cell("FDRE", "Q", C=2, CE="1", D=3, R="0", Q=100)}
    for n in range(length):
        cells[f"u{n}"] = cell("LUT2", "O", {"INIT": "1000"}, I0=100 + n, I1=10 + n, O=101 + n)
    cells["last"] = cell("FDRE", "Q", C=2, CE="1", D=100 + length, R="0", Q=99)
    ports = {
        "clk": ("input", [2]),
        "i": ("input", [3, *range(10, 10 + length)]),
        "o": ("output", [99, *(101 + n for n in kept)]),
    }
    return FlatNetlist(design(cells, ports), library_of("xc7"))


@pytest.mark.parametrize("length", [1, 5, 6, 7, 12, 16])
def test_a_chain_becomes_as_short_as_wanted(length):
    netlist = chain(length)
    result = shorten(netlist)
    assert result.levels_before == length
    assert result.levels_after <= 5
    assert bool(result.merged) == (length > 5)
    assert sum(kind.startswith("LUT") for kind in (data.type for data in netlist.cells.values())) <= length


def test_what_is_read_elsewhere_stays():
    netlist = chain(7, kept=(0, 1, 2, 3, 4, 5))
    result = shorten(netlist)
    assert result.levels_after <= 5
    assert sum(result.changed.values()) == 0


def test_what_has_a_place_is_left_alone():
    netlist = chain(9)
    for data in netlist.cells.values():
        data.attributes["keep"] = "1"
    assert shorten(netlist).merged == 0


def test_inverters_go_into_tables():
    netlist = chain(5)
    netlist.cells["u2"] = Cell.of(cell("INV", "O", I=102, O=103))
    netlist = FlatNetlist(netlist.to_json(), library_of("xc7"))
    result = shorten(netlist, wanted=4)
    assert result.levels_after <= 4
    assert result.changed["INV"] == -1


def test_files_and_other_families(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(chain(9).to_json()))
    assert shorten_file(path, library_of("xc7")).levels_after <= 5
    text = path.read_text()
    assert shorten_file(path, library_of("xc7")).merged == 0
    assert path.read_text() == text
    path.write_text(json.dumps(random_netlist(3, "ecp5")))
    assert shorten_file(path, library_of("ecp5")).merged == 0
