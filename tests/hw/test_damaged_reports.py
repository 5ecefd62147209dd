"""What tools and builds wrote, damaged: each field of a small file is another thing; a line tells, and no traceback."""

import copy
import json

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.family import library_of
from s2nn_hw.hw.flow.build_record import BuildRecord, packed_luts, running_mhz
from s2nn_hw.hw.flow.toolreports import netlist_cells, nextpnr_report, synthesis_usage
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.output_registers import absorb_file
from s2nn_hw.hw.netlist.paths import read_paths
from s2nn_hw.hw.netlist.shorten import shorten_file
from s2nn_hw.texts import read_json
from tests.support.netlists import design

OTHERS = (None, "x", True, [], {}, -1, 1.5, float("nan"), float("inf"), "\x1b[2J")
DEEP = ("[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "{", "", "null", "[]", '"x"', "5")
PIN = {"cell": "a", "port": "Q"}
STEPS = [{"delay": delay, "type": kind, "from": PIN, "to": PIN} for delay, kind in ((1.5, "logic"), (2, "routing"))]
NEXTPNR = {
    "fmax": {"clk": {"achieved": 66.1, "constraint": 50.0}},
    "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": STEPS}],
    "utilization": {"LUT4": {"used": 10, "available": 100}},
}
STAT = {"design": {"num_cells_by_type": {"LUT4": 10, "TRELLIS_FF": 3}}}
TIMING = {"clocks": {"clk": {"reached_mhz": 66.1, "wanted_mhz": 62.5}}}
PATH = {"start": "a.Q", "end": "b.D", "delay_ns": 3.0, "logic_ns": 1.0, "routing_ns": 2.0, "steps": ["1 ns x"]}
STEP = {"from_mhz": 80.0, "to_mhz": 62.5, "after": "routing", "reached_mhz": 66.1, "critical_path": "x"}
BUILD = {
    "format": "s2nn-build",
    "version": 1,
    "board": {"name": "ulx3s", "title": "ULX3S", "device": "LFE5U"},
    "network": {"name": "net", "digest": "0123"},
    "digest": "0123",
    "generator": "0123",
    "flow": "nextpnr",
    "clock": {"wanted_mhz": 80.0, "reached_mhz": 66.1, "clock_mhz": 62.5, "lowered": [STEP]},
    "timing": TIMING | {"critical_path": PATH},
    "link": {"baud": 500_000},
    "resources": {name: {"kind": "LUT4", "used": 11, "budget": 99} for name in ("luts", "ffs", "brams", "dsps")},
    "resources_source": "nextpnr",
    "synthesis": {"luts": 9, "ffs": 9, "brams": 2.5, "dsps": 0},
    "resources_detail": {"luts_at_least": 9},
    "options": {"freq_mhz": 80.0, "seed": 2, "baud": 500_000, "native": False, "chipdb": None},
    "tools": {"yosys": "Yosys 0.70"},
    "seconds": {"generate": 1.0},
    "bitstream": "top.bit",
    "missing": [],
    "program": "load top.bit",
}
CELL = {
    "type": "LUT4",
    "connections": {"A": [2], "B": ["0"], "C": ["0"], "D": ["0"], "Z": [3]},
    "port_directions": {"A": "input", "B": "input", "C": "input", "D": "input", "Z": "output"},
    "parameters": {"INIT": "1010101010101010"},
    "attributes": {"src": "a.v"},
}
PORTS = {"i": {"direction": "input", "bits": [2]}, "o": {"direction": "output", "bits": [3]}}


def damaged(data):
    """Yield ``(way, other, data)`` with one field of ``data`` another thing."""
    todo = [((), data)]
    while todo:
        way, value = todo.pop()
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        todo += [((*way, key), part) for key, part in parts]
        for other in OTHERS if way else ():
            whole = copy.deepcopy(data)
            place = whole
            for step in way[:-1]:
                place = place[step]
            place[way[-1]] = other
            yield way, other, whole


def refusal(read, path):
    """Return the line with which ``read`` refuses ``path``, None if it does not."""
    try:
        read(path)
    except UserError as error:
        return str(error)
    return None


def refusals(read, data, tmp_path):
    """Return the set of ``(way, other)`` that ``read`` refuses; every other one it reads without a word."""
    path, found = tmp_path / "f.json", set()
    for way, other, whole in damaged(data):
        path.write_text(json.dumps(whole))
        said = refusal(read, path)
        if said is not None:
            assert str(path) in said
            assert said.isprintable()
            found.add((way, repr(other)))
    for text in DEEP:
        path.write_text(text)
        with pytest.raises(UserError, match=r"f\.json"):
            read(path)
    return found


def read_record(path):
    record = BuildRecord.of(read_json(path, what="r"), f"r {path}")
    again = json.loads(json.dumps(record.to_json(), allow_nan=False))
    assert BuildRecord.of(again, "again").to_json() == record.to_json()
    assert f"{running_mhz(record):.2f} {packed_luts(record)} {record.timing and record.timing.slowest()}"


def test_a_whole_record_is_written_back():
    record = BuildRecord.of(BUILD, "r")
    assert {name: record.to_json()[name] for name in ("resources", "synthesis", "clock", "timing", "link")} == {
        name: BUILD[name] for name in ("resources", "synthesis", "clock", "timing", "link")
    }
    assert isinstance(record.resources["luts"].used, int)  # no count becomes 11.0


def test_damaged_build_records(tmp_path):
    found = refusals(read_record, BUILD, tmp_path)
    ways = {way for way, _, _ in damaged(BUILD)}
    assert {(way, repr(other)) for way in ways for other in ("\x1b[2J", float("nan"), float("inf"))} <= found
    assert {way for way in ways if (way, "-1") not in found} == {("options", "seed")}


@pytest.mark.parametrize(
    ("field", "others"),
    [
        ("resources.luts.used", ("x", True, [], {}, None, -1)),
        ("synthesis.luts", ("x", True, [], {}, None, -1)),
        ("clock.reached_mhz", ("x", True, [], {}, 0, -1)),
        ("timing.critical_path.delay_ns", ("x", True, [], {}, None, -1)),
        ("timing.critical_path.start", (1, True, [], None)),
        ("link", ([], 0, "x")),
        ("link.baud", ("x", [], {}, 0, True)),
        ("board", ({}, None, [])),
        ("board.name", (None, [], 0, -1, True, "")),
        ("resources_detail", ("x", -1, True)),
        ("options.seed", ("x", [], True, 1.5)),
        ("options.native", (1, None, "x")),
        ("tools.yosys", (1, None, [])),
        ("digest", ("\x1b[2J",)),
        ("tools", ({"\x1b": "x"},)),
    ],
)
def test_fields_of_a_build_record(field, others):
    for other in others:
        whole = copy.deepcopy(BUILD)
        *way, last = field.split(".")
        place = whole
        for step in way:
            place = place[step]
        place[last] = other
        with pytest.raises(UserError, match=rf"^r: field {field}"):
            BuildRecord.of(whole, "r")


def test_damaged_reports_of_tools(tmp_path):
    found = refusals(lambda path: nextpnr_report(path)[1].slowest(), NEXTPNR, tmp_path)
    assert {(("fmax", "clk", "achieved"), repr(other)) for other in OTHERS if other != 1.5} <= found
    assert (("critical_paths", 0, "path", 0, "from", "cell"), "None") in found
    library = library_of("ecp5")
    found = refusals(lambda path: synthesis_usage(library, path), STAT, tmp_path)
    assert {(("design", "num_cells_by_type", "LUT4"), repr(other)) for other in OTHERS} <= found
    (tmp_path / "f.json").write_text(json.dumps(NEXTPNR | {"fmax": {"clk": {"achieved": 1, "constraint": 0}}}))
    with pytest.raises(UserError, match=r"f\.json: field fmax\.clk\.constraint: expected float > 0"):
        nextpnr_report(tmp_path / "f.json")


def test_damaged_netlists(tmp_path):
    data, library = design({"a": CELL}, PORTS, {"i": [2]}), library_of("ecp5")

    def passes(path):
        FlatNetlist.read(path, library)
        read_paths(path, library)
        for change in (spread_file, shorten_file, absorb_file):
            change(path, library, output=tmp_path / "o.json")

    found = refusals(passes, data, tmp_path)
    (top,) = data["modules"]
    assert {(("modules", top, "cells", "a", "type"), repr(other)) for other in ([], {}, None, -1)} <= found
    assert {(("modules", top, "netnames", "i", "bits"), repr(other)) for other in ("x", None, {}, -1)} <= found
    refusals(lambda path: netlist_cells(path, top), data, tmp_path)
