"""Shared by the tests of build flows: a tiny design, and stand-ins for the tools on a PATH of their own."""

import json
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from rich.console import Console

from s2nn_hw.cli import main
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.build import Options, build
from s2nn_hw.hw.flow.designs import OtherDesign

LOGS = Path(__file__).with_name("logs")
YOSYS_STAT = {"design": {"num_cells_by_type": {"LUT6": 10, "LUT3": 5, "FDRE": 7, "RAMB36E1": 1, "RAMB18E1": 1}}}
FAKE_YOSYS = """
case "$1" in -V) echo "Yosys 9.9"; exit 0;; esac
echo yosys "$@" >> "$RECORD"
cp "$STAT" top_stat.json; cp "$NETLIST" top.json
"""
# writes the report with the clock that REACHED says after routing, and the log LOG
FAKE_PLACE = """
case "$1" in --version) echo "nextpnr-xilinx 0.8"; exit 0;; --help) echo "%s"; exit 0;; esac
echo nextpnr-xilinx "$@" >> "$RECORD"
echo fasm > top.fasm
while [ "$1" != --freq ]; do shift; done
cat > top_nextpnr.json <<END
{"fmax": {"clk": {"achieved": %s, "constraint": $2}},
 "utilization": {"SLICE_LUTX": {"used": 15, "available": 65200}},
 "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": [
   {"type": "clk-to-q", "delay": 0.5, "from": {"cell": "a", "port": "Q"}, "to": {"cell": "a", "port": "Q"}},
   {"type": "routing", "delay": 2.0, "from": {"cell": "a", "port": "Q"}, "to": {"cell": "b", "port": "D"}}]}]}
END
echo "Info: Max frequency for clock 'clk': 111.25 MHz (PASS at 100.00 MHz)" > top.tim
"""


class Count(wiring.Component):
    """A counter of ``width`` bits whose top bit is ``tx``."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, width):
        self.width = width
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(self.width)
        m.d.sync += [count.eq(count + self.rx), self.tx.eq(count[-1])]
        return m


def tiny():
    """Return the network in whose name :class:`Count` is built."""
    from tests.support.networks import random_network

    return replace(random_network((2, 2)), name="count")


def build_count(board, output, *, width=8, design=None, said=None, **options):
    """Build :class:`Count` for ``board`` (a name or a record); ``said``: a StringIO that takes what is told."""
    board = find_board(board) if isinstance(board, str) else board
    console = Console(quiet=said is None, file=said or StringIO(), width=400)
    return build(
        tiny(),
        board,
        options=Options(**options),
        output=output,
        other=OtherDesign(design or (lambda clock_hz, baud: Count(width)), f"count {width}"),
        console=console,
    )


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing but the fakes that a test makes and the system's own; returns the function that makes one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    stat, netlist = tmp_path / "stat.json", tmp_path / "netlist.json"
    stat.write_text(json.dumps(YOSYS_STAT))
    top = {"attributes": {"top": "1"}, "ports": {}, "cells": {}, "netnames": {}}
    netlist.write_text(json.dumps({"modules": {"top": top}}))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("STAT", str(stat))
    monkeypatch.setenv("NETLIST", str(netlist))
    for name in ("CHIPDB_DIR", "PRJXRAY_DB_DIR"):
        monkeypatch.delenv(name, raising=False)

    def make(name, body):
        (folder / name).write_text("#!/bin/sh\n" + body)
        (folder / name).chmod(0o755)

    make.record = lambda: (tmp_path / "record").read_text().splitlines()
    make.stat, make.netlist, make.folder = stat, netlist, folder
    return make


@pytest.fixture
def databases(tmp_path):
    """The least that is taken for the databases of nextpnr-xilinx and Project X-Ray."""
    (tmp_path / "chipdb").mkdir()
    (tmp_path / "chipdb" / "xc7a35t.bin").write_bytes(b"\1\2xc7a35tcsg324-1\0prjxray\0")
    part = tmp_path / "prjxray-db" / "artix7" / "xc7a35tcsg324-1"
    part.mkdir(parents=True)
    (part / "part.yaml").write_text("!<xray/part>\nidcode: 0x362d093\n")
    return {"chipdb": str(tmp_path / "chipdb"), "prjxray_db": str(tmp_path / "prjxray-db")}


def fake_openxc7(tools, *, options="--report arg", reached=123.5, place=None):
    """Make stand-ins for openXC7's tools; ``place``: the body of another nextpnr-xilinx."""
    tools("yosys", FAKE_YOSYS)
    tools("nextpnr-xilinx", place or FAKE_PLACE % (options, reached))
    tools("fasm2frames", 'echo fasm2frames "$@" >> "$RECORD"; echo frames\n')
    tools(
        "xc7frames2bit",
        'echo xc7frames2bit "$@" >> "$RECORD"\nwhile [ "$1" != --output_file ]; do shift; done; echo bits > "$2"\n',
    )


def run_cli(monkeypatch, *arguments):
    """Return the exit status of ``s2nn-hw`` with these words."""
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main.main()
    return stop.value.code
