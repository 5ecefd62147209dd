"""Fan-out by kind of pin, and levels between registers, of netlists written by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2nn_hw.errors import UserError
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.levels import arrivals, remaining
from s2nn_hw.hw.netlist.paths import find_paths
from tests.support.netlists import cell, design, random_netlist

ROOT = Path(__file__).parents[2]


def ff(d, q, family="xc7", **more):
    if family == "ecp5":
        return cell("TRELLIS_FF", "Q", **({"CLK": 2, "CE": "1", "LSR": "0", "DI": d, "Q": q} | more))
    return cell("FDRE", "Q", **({"C": 2, "CE": "1", "R": "0", "D": d, "Q": q} | more))


def lut(a, b, o):
    return cell("LUT2", "O", {"INIT": "1000"}, I0=a, I1=b, O=o)


def carry4(ci, s, o, co):
    return cell("CARRY4", ("O", "CO"), CI=ci, CYINIT="0", DI=["0"] * 4, S=s, O=o, CO=co)


def paths(cells, family="xc7", names=None, **more):
    ports = {"clk": ("input", [2]), "i": ("input", [3])}
    return find_paths(FlatNetlist(design(cells, ports, names), library_of(family)), **more)


def test_luts_in_a_row():
    found = paths(
        {"a": ff(3, 10), "l0": lut(10, "1", 11), "l1": lut(11, 10, 12), "b": ff(12, 13, CE=11)},
        names={"first": [10], "second": [13], "middle": [11], "late": [12]},
    )
    assert (found.levels, found.levels_with_multiplexers) == (2, 2)
    path, other = found.paths[0], found.paths[1:]
    assert (path.start, path.end, path.levels, path.alike) == ("first", "second, D", 2, 1)
    assert path.through == (("LUT2", "middle"), ("LUT2", "late"))
    assert [(p.end, p.levels) for p in other] == [("second, CE", 1)]


def test_registers_alone_have_no_level_between():
    assert paths({"a": ff(3, 10), "b": ff(10, 11)}).levels == 0
    assert paths({}).levels == 0


def test_what_no_register_starts_is_no_path():
    assert paths({"l0": lut(3, "1", 11), "b": ff(11, 12)}).levels == 0


def test_a_carry_chain_is_one_level():
    chain = {
        "a": ff(3, 10),
        "l": lut(10, "0", 11),
        "c0": carry4("0", [11, 3, 3, 3], [20, 21, 22, 23], [24, 25, 26, 27]),
        "c1": carry4(27, [3, 3, 3, 3], [30, 31, 32, 33], [34, 35, 36, 37]),
        "c2": carry4(37, [3, 3, 3, 3], [40, 41, 42, 43], [44, 45, 46, 47]),
        "b": ff(43, 50),
    }
    found = paths(chain)
    assert found.levels == 2
    assert [kind for kind, _ in found.paths[0].through] == ["LUT2", "CARRY4"]
    assert paths(chain | {"l2": lut(47, "0", 60), "d": ff(60, 61)}).levels == 3
    # behind a LUT a chain is a new one
    twice = chain | {"l2": lut(47, "0", 60), "e": carry4(60, [3] * 4, [70, 71, 72, 73], [74] * 4), "d": ff(73, 61)}
    assert paths(twice).levels == 4


def test_a_carry_cell_gives_only_what_is_before():
    cells = {"a": ff(3, 10), "c": carry4("0", [3, 3, 3, 10], [20, 21, 22, 23], [24, 25, 26, 27])}
    assert paths(cells | {"b": ff(22, 50)}).levels == 0
    assert paths(cells | {"b": ff(23, 50)}).levels == 1
    pins = {f"{port}{half}": "0" for port in "ABCD" for half in "01"} | {"A1": 10}
    half = {"a": ff(3, 10, "ecp5"), "c": cell("CCU2C", ("S0", "S1", "COUT"), CIN="0", **pins, S0=20, S1=21, COUT=22)}
    assert paths(half | {"b": ff(20, 50, "ecp5")}, "ecp5").levels == 0
    assert paths(half | {"b": ff(21, 50, "ecp5")}, "ecp5").levels == 1


def test_a_slices_multiplexer_is_counted_apart():
    found = paths(
        {
            "a": ff(3, 10),
            "l0": lut(10, "1", 11),
            "l1": lut(10, "0", 12),
            "m": cell("MUXF7", "O", I0=11, I1=12, S=3, O=13),
            "b": ff(13, 14),
        }
    )
    assert (found.levels, found.levels_with_multiplexers, found.paths[0].multiplexers) == (1, 2, 1)


def test_memories():
    ram = cell(
        "RAM32M",
        ("DOA", "DOB"),
        WCLK=2,
        WE=13,
        ADDRA=[11, "0"],
        ADDRB=[3, "0"],
        ADDRD=[14, "0"],
        DIA=[15, "0"],
        DOA=[20, "0"],
        DOB=[21, "0"],
    )
    cells = {"a": ff(3, 10), "l": lut(10, "1", 11), "ram": ram}
    assert paths(cells | {"b": ff(20, 30)}).levels == 2  # through its address
    assert paths(cells | {"b": ff(21, 30)}).levels == 1  # its contents alone: only the address' LUT
    late = {"l1": lut(11, "1", 12), "l2": lut(12, "1", 13)}
    found = paths(cells | late)
    assert (found.levels, found.paths[0].end) == (3, "ram (RAM32M), WE")
    block = cell("RAMB18E1", "DOADO", CLKARDCLK=2, DOADO=[40, 41], ADDRARDADDR=[3, 52])
    found = paths({"block": block, "l0": lut(41, "1", 51), "l1": lut(51, "1", 52)})
    assert (found.levels, found.paths[0].start) == (2, "block (RAMB18E1)")
    assert found.paths[0].end == "block (RAMB18E1), ADDRARDADDR[1]"


def test_fan_out_by_kind_of_pin_and_clocks_apart():
    cells = {f"f{n}": ff(10, 20 + n, CE=10, R=11) for n in range(4)} | {"l": lut(10, "1", 11), "a": ff(3, 10)}
    found = paths(cells, names={"busy": [10]})
    assert found.highest == 9
    assert (found.nets[0].name, found.nets[0].driver, found.nets[0].loads) == ("busy", "FDRE", 9)
    assert found.nets[0].pins == {"enable": 4, "data": 4, "LUT": 1}
    assert found.nets[1].pins == {"reset": 4}
    assert [(net.name, net.driver, net.loads, net.pins) for net in found.clocks] == [("clk", None, 5, {"clock": 5})]
    assert found.cells == {"FDRE": 5, "LUT2": 1}
    assert json.dumps(found.to_json())


def test_bits_of_a_word_are_one_line():
    cells = {"a": ff(3, 10)}
    for n in range(6):
        cells |= {f"l{n}": lut(10, "1", 20 + n), f"f{n}": ff(20 + n, 30 + n)}
    found = paths(cells, names={"word": range(30, 36), "other_copy3": [10]})
    assert [(path.end, path.alike) for path in found.paths] == [("word[0], D", 6)]
    assert found.paths[0].start == "other_copy3"


def test_a_loop_of_logic_is_refused():
    with pytest.raises(UserError, match="net knot is in a loop of logic without a register"):
        paths({"l0": lut(11, "1", 10), "l1": lut(10, "1", 11)}, names={"knot": [10]})


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), family=st.sampled_from(["xc7", "ecp5", "ice40", "gowin"]))
def test_levels_forward_and_backward_agree(seed, family):
    """The deepest path has as many levels from its first logic to the end as from its start to its last logic."""
    netlist = FlatNetlist(random_netlist(seed, family), library_of(family))
    before, after = arrivals(netlist), remaining(netlist)
    deepest = max((levels for levels, _, _ in before.values()), default=0)
    reached = [
        after.get(load[0], 0)
        for net, (_, source, _) in before.items()
        if source is None
        for load in netlist.loads.get(net, ())
    ]
    assert max(reached, default=0) == deepest
    assert find_paths(netlist).levels <= deepest


def test_the_command_prints_tables_or_json(tmp_path):
    path = tmp_path / "top.json"
    path.write_text(json.dumps(random_netlist(1, "ecp5")))
    command = [sys.executable, "-m", "s2nn_hw.cli.paths", str(path), "ecp5"]
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "highest fan-out" in out.stdout
    assert "deepest path" in out.stdout
    out = subprocess.run([*command, "--json"], capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(out.stdout)["format"] == "s2nn-paths"
    path.write_text("[]")
    out = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (out.returncode, out.stderr.count("\n")) == (2, 1)
    assert "has no modules" in out.stderr
