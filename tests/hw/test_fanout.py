"""Copies of drivers: the netlist computes the same, no net is above the limit, and what can't be copied is said."""

import copy
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.netlist.chunks import chunks
from s2nn_hw.hw.netlist.fanout import spread, spread_file
from s2nn_hw.hw.netlist.flat import DESIGN, FlatNetlist
from tests.support.netlists import Evaluator, cell, check_wiring, design, random_netlist

FAMILIES = ("xc7", "ecp5", "ice40", "gowin")


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), family=st.sampled_from(FAMILIES), limit=st.sampled_from([8, 9, 16]))
@example(seed=9999999, family="ice40", limit=8)  # a carry that leads to more inputs than may be, none of which can wait
def test_random_netlists_compute_the_same(seed, family, limit):
    before = random_netlist(seed, family)
    netlist = FlatNetlist(copy.deepcopy(before), library_of(family))
    result = spread(netlist, limit=limit)
    check_wiring(netlist)
    left = {item.net for item in result.left}
    for net, pins in netlist.loads.items():
        assert len(pins) <= limit or netlist.is_clock(net) or netlist.name(net) in left
    for item in result.left:
        pins = next(pins for net, pins in netlist.loads.items() if netlist.name(net) == item.net)
        tied = [cell == DESIGN or port in library_of(family).carry_inputs for cell, port, _ in pins]
        assert all(tied) if item.reason == "an output of SB_CARRY" else "ports of the design" in item.reason
    assert result.added == len(netlist.cells) - len(before["modules"]["top"]["cells"])
    one, other = Evaluator(before), Evaluator(netlist.to_json())
    for word in np.random.default_rng(seed).integers(0, 16, 40):
        assert one.clock(int(word)) == other.clock(int(word))
        for name, value in other.state.items():
            assert value == one.state[name.partition("_copy")[0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_netlist_gives_the_same_file(family, tmp_path):
    texts = []
    for name in "ab":
        (tmp_path / name).write_text(json.dumps(random_netlist(3, family)))
        spread_file(tmp_path / name, library_of(family), limit=8)
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1] != json.dumps(random_netlist(3, family))
    assert spread_file(tmp_path / "a", library_of(family), limit=8).added == 0
    assert (tmp_path / "a").read_text() == texts[0]


def wide(loads, driver, **more):
    """Return an xc7 design: ``driver`` drives net 10, which enables ``loads`` registers; the clock is net 2."""
    cells = {
        "driver": driver,
        **{f"r{n}": cell("FDRE", "Q", C=2, CE=10, D="0", R="0", Q=1000 + n) for n in range(loads)},
    }
    ports = {"clk": ("input", [2]), "i": ("input", [3, 4]), "o": ("output", range(1000, 1000 + loads))}
    return FlatNetlist(design(cells | more, ports, {"enable": [10]}), library_of("xc7"))


def register(**pins):
    pins = {"C": 2, "CE": "1", "R": "0", "D": 11, "Q": 10} | pins
    return cell("FDRE", "Q", {"INIT": "0"}, {"src": "top.v:1"}, **pins)


def test_a_register_is_copied_with_all_that_it_is():
    netlist = wide(200, register(), before=register(D="1", Q=11))
    result = spread(netlist)
    assert (result.nets_before, result.highest_before, result.net_before) == (1, 200, "enable")
    assert result.highest_after == 50
    assert result.copies == {"FDRE": 3}
    assert not result.buffers
    assert not result.left
    original = netlist.cells["driver"]
    for number in (1, 2, 3):
        made = netlist.cells[f"driver_copy{number}"]
        (net,) = made.pins["Q"]
        assert netlist.name(net) == f"enable_copy{number}"
        assert netlist.names[f"enable_copy{number}"].bits == [net]
        assert made == replace(original, pins=original.pins | {"Q": [net]})
    assert len(netlist.loads[11]) == 4
    assert "200" in str(result)


def test_registers_fed_by_registers_become_a_tree():
    netlist = wide(600, register(), before=register(D=12, Q=11), first=register(D="1", Q=12))
    result = spread(netlist, limit=8)
    assert result.copies == {"FDRE": 74 + 9 + 1}
    assert max(len(pins) for net, pins in netlist.loads.items() if net != 2 and net != 3) <= 8
    leaves = {name: cell.bit("D") for name, cell in netlist.cells.items() if name.startswith("driver")}
    # a stretch of consecutive leaves has one driver
    order = [leaves[netlist.drivers[netlist.cells[f"r{n}"].bit("CE")][0][0]] for n in range(600)]
    assert len(set(order)) == 10
    assert sum(a != b for a, b in pairwise(order)) <= 2 * 10


@pytest.mark.parametrize(
    ("driver", "more", "reason"),
    [
        (cell("RAMB18E1", "DOADO", CLKARDCLK=2, DOADO=[10, 11]), {}, "an output of RAMB18E1"),
        (
            cell(
                "CARRY4", ("O", "CO"), CI="0", CYINIT="0", S=[3, 3, 3, 3], DI=["0"] * 4, O=[10, 11, 12, 13], CO=[14] * 4
            ),
            {},
            "an output of CARRY4",
        ),
        (cell("IBUF", "O", I=4, O=10), {}, "an output of IBUF"),
        (register(D=4), {}, "a FDRE that samples another clock"),
        (
            register(D=5),
            {"logic": cell("LUT2", "O", {"INIT": "1000"}, I0="1", I1=6, O=5), "other": register(C=4, D="1", Q=6)},
            "a FDRE that samples another clock",
        ),
        (
            cell("FDRE", "Q", {}, {"LOC": "SLICE_X0Y0"}, C=2, CE="1", R="0", D="1", Q=10),
            {},
            "a FDRE with a place of its own",
        ),
        (cell("STARTUPE2", "EOS", EOS=10), {}, "an output of STARTUPE2"),
    ],
)
def test_what_cant_be_copied_gets_luts(driver, more, reason):
    netlist = wide(140, driver, **more)
    result = spread(netlist)
    assert result.highest_after <= 64
    assert (result.copies, result.buffers) == ({}, 2)
    assert [(item.net, item.loads, item.reason) for item in result.buffered if item.net == "enable"] == [
        ("enable", 140, reason)
    ]
    assert netlist.cells["enable_buffer1"].parameters == {"INIT": "10"}
    kinds = Counter(netlist.type(pin[0]) for pin in netlist.loads[10])
    assert kinds == {"FDRE": 62, "LUT1": 2}
    check = [name for name in netlist.names if name.startswith("enable_buffer")]
    assert check == ["enable_buffered1", "enable_buffered2"]


def test_ports_of_a_part_are_registered():
    netlist = wide(140, register(D=4))
    assert spread(netlist, registered_ports=True).copies == {"FDRE": 2}
    netlist = wide(140, register(D=5), pad=cell("IBUF", "O", I=4, O=5))
    assert spread(netlist, registered_ports=True).copies == {}


def test_loads_with_much_logic_behind_stay_next_to_a_carry():
    deep = {}
    for n in range(4):
        deep[f"a{n}"] = cell("LUT2", "O", {"INIT": "1000"}, I0=10, I1=3, O=2000 + n)
        deep[f"b{n}"] = cell("LUT2", "O", {"INIT": "1000"}, I0=2000 + n, I1=3, O=2010 + n)
        deep[f"c{n}"] = cell("FDRE", "Q", C=2, CE="1", D=2010 + n, R="0", Q=2020 + n)
    carry = cell(
        "CARRY4", ("O", "CO"), CI="0", CYINIT="0", S=[3, 3, 3, 3], DI=["0"] * 4, O=[11, 12, 13, 14], CO=[15, 16, 17, 10]
    )
    deep["next"] = cell(
        "CARRY4", ("O", "CO"), CI=10, CYINIT="0", S=[3, 3, 3, 3], DI=["0"] * 4, O=[21, 22, 23, 24], CO=[25, 26, 27, 28]
    )
    netlist = wide(100, carry, **deep)
    assert spread(netlist).buffers
    assert all(netlist.cells[f"a{n}"].pins["I0"] == [10] for n in range(4))
    assert netlist.cells["next"].pins["CI"] == [10]


def test_a_multiplexer_is_copied_with_its_luts():
    inputs = {f"I{k}": 4 for k in range(6)}
    luts = {f"l{n}": cell("LUT6", "O", {"INIT": "01" * 32}, **inputs, O=20 + n) for n in range(4)}
    muxes = {"m0": cell("MUXF7", "O", I0=20, I1=21, S=4, O=30), "m1": cell("MUXF7", "O", I0=22, I1=23, S=4, O=31)}
    netlist = wide(100, cell("MUXF8", "O", I0=30, I1=31, S=4, O=10), **luts, **muxes)
    result = spread(netlist)
    assert result.copies == {"LUT6": 4, "MUXF7": 2, "MUXF8": 1}
    for net in (20, 21, 22, 23, 30, 31):
        assert len(netlist.loads[net]) == 1
    copied = netlist.cells["driver_copy1"].bit("I0")
    assert netlist.drivers[copied][0][0] == "m0_copy1"
    check_wiring(netlist)


def test_clocks_pads_and_ports_are_left_alone():
    netlist = wide(100, cell("BUFG", "O", I=4, O=10))
    assert spread(netlist).added == 0  # a global buffer, though it enables
    netlist = wide(0, cell("OBUFT", "", O=[], I="0", T="0"))
    netlist.module.ports["o"].bits = [3] * 100
    netlist = FlatNetlist(netlist.to_json(), library_of("xc7"))
    result = spread(netlist)
    assert [(item.net, item.loads) for item in result.left] == [("i[0]", 100)]


@settings(max_examples=100, deadline=None)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=40), limit=st.integers(4, 64))
def test_chunks_keep_order_groups_and_limit(sizes, limit):
    groups = [[(f"g{g}c{n // 3}", "I0", n % 3) for n in range(size)] for g, size in enumerate(sizes)]
    parts = chunks(groups, limit)
    assert [pin for part in parts for pin in part] == [pin for group in groups for pin in group]
    assert max(map(len, parts)) <= limit
    for group in groups:
        if len(group) <= limit // 4:
            assert any(set(group) <= set(part) for part in parts)
    assert len(parts) <= 2 * (sum(sizes) // limit + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "has no modules"),
        ('{"modules": {"a": {}}}', "has 0 top modules"),
        ('{"modules": {"a": {"attributes": {"top": 1}}}}', "has no ports, cells or netnames"),
        (
            '{"modules": {"a": {"attributes": {"top": 1}, '
            '"ports": {}, "netnames": {}, "cells": {"u": {"type": "$add"}}}}}',
            "is not mapped",
        ),
        (
            '{"modules": {"b": {"attributes": {}}, "a": {"attributes": {"top": 1}, "ports": {}, "netnames": {}, '
            '"cells": {"u": {"type": "b"}}}}}',
            "is not flat",
        ),
        (
            '{"modules": {"a": {"attributes": {"top": 1}, '
            '"ports": {}, "netnames": {}, "cells": {"u": {"type": "LUT1"}}}}}',
            "cells without connections",
        ),
        (
            '{"modules": {"a": {"attributes": {"top": 1}, '
            '"ports": {}, "netnames": {}, "cells": {}, "memories": {"m": 1}}}}',
            "has processes or memories",
        ),
    ],
)
def test_what_is_no_flat_netlist_is_refused_and_stays(text, message, tmp_path):
    path = tmp_path / "top.json"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        spread_file(path, library_of("xc7"))
    assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def test_bad_limits_families_and_files():
    netlist = wide(20, register(D=11), before=register(D="1", Q=11))
    with pytest.raises(UserError, match="at least 4, not 3"):
        spread(netlist, limit=3)
    with pytest.raises(UserError, match="device family 'max10' is unknown"):
        FlatNetlist(netlist.to_json(), library_of("max10"))
    with pytest.raises(UserError, match="does not exist"):
        spread_file("none.json", library_of("xc7"))
