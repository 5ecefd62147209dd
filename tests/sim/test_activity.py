"""Counting toggles: structure of a netlist, layers, tables, SAIF, Vivado's answer, what the command refuses."""

import json
import os
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from s2nn_hw.activity_record import COUNTS
from s2nn_hw.cli import main
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow
from s2nn_hw.hw.flow.power import CHECKPOINT, parse_power, vivado_power
from s2nn_hw.network.store import save
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.netlist.activity import Circuit, link_load, make_circuit, tables
from s2nn_hw.sim.netlist.counting import Counts, write_frames
from s2nn_hw.sim.netlist.layer_of_cell import Homes
from s2nn_hw.sim.netlist.netlist import Netlist, Probed
from s2nn_hw.sim.netlist.saif import write_saif
from tests.support.standin import tiny_network

DESIGN = SimpleNamespace(
    stages=[SimpleNamespace(name=name, output=name, readers=[None]) for name in ("hidden", "readout")]
)


def cell(kind, **ports):
    parameters = ports.pop("parameters", {})
    return {
        "type": kind,
        "parameters": parameters,
        "connections": {k: v if isinstance(v, list) else [v] for k, v in ports.items()},
    }


def netlist_json():
    """Two registers of one layer, one of the next behind a LUT without a name, a counter of no layer.

    Nets: 2 clk, 3 input, 4 .. 7 registers, 8 the LUT, 9 the enable of register 5, a LUT, 10 the output.
    """
    cells = {
        "a": cell("TRELLIS_FF", CLK=2, DI=3, LSR="0", Q=4, parameters={"CEMUX": "1 "}),
        "b": cell("TRELLIS_FF", CLK=2, DI=4, CE=9, LSR="0", Q=5, parameters={"CEMUX": "CE"}),
        "lut": cell("LUT4", A=4, B=5, C="0", D="0", Z=8),
        "c": cell("TRELLIS_FF", CLK=2, DI=8, LSR="0", Q=6, parameters={"CEMUX": "1 "}),
        "free": cell("TRELLIS_FF", CLK=2, DI=7, LSR="0", Q=7, parameters={"CEMUX": "1 "}),
        "allow": cell("LUT4", A=3, B="0", C="0", D="0", Z=9),
        "unread": cell("LUT4", A=7, B="0", C="0", D="0", Z=11),
    }
    names = {
        "hidden_a": {"bits": [4, 5], "attributes": {"hdlname": "engine_hidden word"}},
        "readout_c": {"bits": [6], "attributes": {"hdlname": "neurons_readout seen"}},
        "into_readout": {"bits": [5], "attributes": {"hdlname": "engine_readout i__payload"}},
        "now": {"bits": [7], "attributes": {}},
        "clk": {"bits": [2], "attributes": {}},
    }
    ports = {
        "clk": {"direction": "input", "bits": [2]},
        "rst": {"direction": "input", "bits": ["0"]},
        "i__payload": {"direction": "input", "bits": [3]},
        "o__valid": {"direction": "output", "bits": [6]},
    }
    return {"modules": {"accelerator": {"cells": cells, "netnames": names, "ports": ports}}}


def hierarchy_json():
    part = {"type": "readout", "connections": {"i__payload": [5]}, "port_directions": {"i__payload": "input"}}
    names = {"now": {"bits": [7]}, "clk": {"bits": [2]}}
    return {"modules": {"accelerator": {"cells": {"engine_readout": part}, "netnames": names, "ports": {}}}}


@pytest.fixture
def circuit(tmp_path):
    netlist = Netlist(netlist_json(), "ecp5")
    return Circuit(tmp_path, DESIGN, netlist, Probed(netlist), Homes(netlist, hierarchy_json(), DESIGN))


def test_cells_belong_to_the_layer_that_they_serve(circuit):
    homes = {cell.name: circuit.homes.of(cell) for cell in circuit.netlist.cells}
    assert homes == {
        "a": "hidden",
        "b": "hidden",
        "allow": "hidden",
        "lut": "readout",
        "c": "readout",
        "free": "other",
        "unread": "other",
    }


def test_every_net_is_counted_once(circuit):
    probed = circuit.probed
    assert sorted(probed.nets) == [3, 4, 5, 6, 7, 8, 9, 11]
    design = probed.to_json()["modules"]["accelerator"]
    (probe,) = [c for c in design["cells"].values() if c["type"] == "activity_probe"]
    assert probe["connections"]["nets"][: len(probed.nets)] == probed.nets
    assert len(probe["connections"]["nets"]) == 64


def test_tables_sum_toggles_by_class_and_layer(circuit):
    place = {net: k for k, net in enumerate(circuit.probed.nets)}
    toggles, high = np.zeros((2, 8), np.int64), np.zeros((2, 8), np.int64)
    for net, count in {3: 5, 4: 10, 5: 4, 6: 3, 7: 20, 8: 6, 9: 2, 11: 9}.items():
        toggles[:, place[net]] = count, 1
    high[:, place[9]] = 12, 25
    counts = Counts(40, 50, toggles, high, None, None, None)
    frame, idle, cells = tables(circuit, counts, 2)
    assert list(frame.by_name) == ["hidden", "readout", "other"]
    hidden, readout, other = frame.rows
    assert (hidden.lut, hidden.ff) == (1.0, 7.0)  # net 9; nets 4 and 5
    assert (readout.lut, readout.ff) == (3.0, 1.5)
    assert (other.lut, other.ff) == (0.0, 10.0)  # nothing reads net 11
    assert other.io == (5 + 3) / 2
    assert (hidden.clock_ff, hidden.clock_ff_enabled) == (40.0, 20.0 + 6.0)
    assert idle.by_name["hidden"].clock_ff_enabled == 1.5
    assert idle.by_name["other"].ff == 0.02
    first = {"luts": 1, "carries": 0, "ffs": 2, "brams": 0, "lutrams": 0, "dsps": 0}
    assert cells.record().rows[0] == {"name": "hidden"} | first
    assert tuple(frame.columns) == COUNTS


def test_block_ram_accesses_are_conditions_on_its_pins():
    design = netlist_json()
    pins = dict.fromkeys(("CEA", "WEA", "CEB", "WEB"), "0")
    design["modules"]["accelerator"]["cells"]["engine_hidden.rows0.0.0"] = cell(
        "DP16KD",
        CLKA=2,
        CLKB=2,
        **pins | {"CEA": 4, "WEA": 5, "CEB": "1"},
        DOB0=12,
        parameters={"DATA_WIDTH_A": f"{18:032b}", "DATA_WIDTH_B": f"{18:032b}"},
    )
    design["modules"]["accelerator"]["cells"]["lut"]["connections"]["C"] = [12]
    netlist = Netlist(design, "ecp5")
    probed = Probed(netlist)
    # port A writes in cycles with 4 and 5, its outputs are not used; port B reads always
    assert [(what, net == "1") for _, what, net in probed.accesses] == [("writes", False), ("reads", True)]
    (gate,) = [c for c in probed.cells.values() if c.type == "$and"]
    assert (gate.bit("A"), gate.bit("B")) == (4, 5)
    assert gate.bit("Y") in probed.nets
    assert Homes(netlist, hierarchy_json(), DESIGN).of(netlist.cells[-1]) == "hidden"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells.update(x=cell("ALU54B", A0=3)), "type ALU54B, which is not modelled"),
        (lambda cells: cells["c"]["connections"].update(CLK=[3]), "cell c has another clock"),
    ],
)
def test_netlists_that_are_not_understood_are_refused(change, message):
    design = netlist_json()
    change(design["modules"]["accelerator"]["cells"])
    with pytest.raises(ProofError, match=message):
        _ = Netlist(design, "ecp5").clock


def test_saif_has_the_names_of_the_source(circuit, tmp_path):
    activity = {4: (7, 3), 5: (2, 1), 6: (1, 4), 7: (9, 5)}
    named = write_saif(tmp_path / "a.saif", circuit.netlist, activity, before={"now", "clk"}, cycles=10, period_ps=1000)
    assert named == {2, 4, 5, 6, 7}
    text = (tmp_path / "a.saif").read_text()
    assert "(DURATION 10000)" in text
    lines = [line.strip() for line in text.splitlines()]
    at = lines.index("(INSTANCE accelerator")
    assert [line for line in lines[:at] if "INSTANCE" in line] == [
        "(INSTANCE bench",
        "(INSTANCE top",
        "(INSTANCE design",
    ]
    assert r"(clk (T0 5000) (T1 5000) (TX 0) (TC 20) (IG 0))" in lines[at:]
    at = lines.index(r"(INSTANCE engine_hidden")
    assert lines[at + 2 : at + 4] == [
        r"(word\[0\] (T0 7000) (T1 3000) (TX 0) (TC 7) (IG 0))",
        r"(word\[1\] (T0 9000) (T1 1000) (TX 0) (TC 2) (IG 0))",
    ]
    assert text.count("(") == text.count(")")


class Broken:
    """A flow whose synthesis fails and leaves a log."""

    board = SimpleNamespace(name="ulx3s", family="ecp5")

    def __init__(self, error):
        self.error = error

    def synthesise(self, text, folder, *, tick):
        (folder / "synthesis.log").write_text(text)
        raise self.error


def test_a_circuit_is_made_by_one_run_at_a_time(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    network = tiny_network()

    def make(error):
        make_circuit(
            network, default_plan(network, "xc7"), Broken(error), {"a": 1}, tmp_path, say=lambda _: nullcontext(None)
        )

    with pytest.raises(UserError, match="no synthesis"):
        make(UserError("no synthesis"))
    (folder,) = tmp_path.iterdir()
    assert (folder / "synthesis.log").is_file()  # to look at
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run is making the netlist in"):
            make(UserError("never"))
    finally:
        os.close(handle)
    with pytest.raises(KeyboardInterrupt):
        make(KeyboardInterrupt())
    assert not folder.exists()


def test_frames_are_written_a_beat_a_line(tmp_path):
    layout = SimpleNamespace(
        network=SimpleNamespace(input=SimpleNamespace(bits=2)),
        pixels_per_beat=5,
        beats=2,
        beat_pixels=np.array([[0, 1, 2, 3, 4], [5, 6, -1, -1, -1]]),
    )
    write_frames(layout, np.array([[1, 0, 3, 0, 2, 0, 1]]), tmp_path / "f")
    assert (tmp_path / "f").read_text() == "0231\n0004\n"


def test_link_is_what_the_build_has_beside_the_accelerator():
    build = SimpleNamespace(resources={"ffs": SimpleNamespace(used=1200)}, resources_source="nextpnr after packing")
    assert link_load(build, 1000).flip_flops == 200
    assert link_load(None, 1000).flip_flops is None


POWER = """
+--------------------------+--------------+
| Total On-Chip Power (W)  | 0.195        |
| Design Power Budget (W)  | Unspecified* |
| Dynamic (W)              | 0.123        |
| Device Static (W)        | 0.072        |
| Confidence Level         | Medium       |
| Design Nets Matched      | 61% (10/16)  |
+--------------------------+--------------+

1.1 On-Chip Components
----------------------

+----------------+-----------+----------+-----------+-----------------+
| On-Chip        | Power (W) | Used     | Available | Utilization (%) |
+----------------+-----------+----------+-----------+-----------------+
| Clocks         |     0.040 |        3 |       --- |             --- |
| Slice Logic    |    <0.001 |     6473 |       --- |             --- |
|   LUT as Logic |    <0.001 |     2049 |     20800 |            9.94 |
| Block RAM      |     0.072 |       33 |        50 |           66.00 |
| Static Power   |     0.072 |          |           |                 |
| Total          |     0.195 |          |           |                 |
+----------------+-----------+----------+-----------+-----------------+

1.2 Power Supply Summary
"""


@pytest.fixture
def vivado(tmp_path, monkeypatch):
    """Return a function that puts a Vivado on the PATH which writes ``report``; the routed build is in ``build``."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "build").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    (tmp_path / "build" / CHECKPOINT).write_text("routed")

    def make(report, status=0):
        (tmp_path / "report").write_text(report)
        script = tmp_path / "bin" / "vivado"
        script.write_text(
            '#!/bin/sh\ncase "$1" in -version) echo "Vivado v2099.1"; exit 0;; esac\n'
            f'echo "$@" > {tmp_path}/record; echo "ERROR: no licence" >&2\n'
            f'for a; do case "$a" in *activity.rpt) cp {tmp_path}/report "$a";; esac; done\n'
            f"exit {status}\n"
        )
        script.chmod(0o755)

    return make


def test_vivado_power(vivado, tmp_path):
    assert vivado_power(tmp_path / "build", tmp_path / "activity.saif") is None  # no Vivado
    vivado(POWER)
    found = vivado_power(tmp_path / "build", tmp_path / "activity.saif")
    assert found == {
        "tool": "Vivado v2099.1",
        "total_w": 0.195,
        "dynamic_w": 0.123,
        "static_w": 0.072,
        "classes": {"Clocks": 0.04, "Slice Logic": 0.001, "Block RAM": 0.072},
        "confidence": "Medium",
        "nets_matched": "61% (10/16)",
        "report": "top_power_activity.rpt",
    }
    words = (tmp_path / "record").read_text().split()
    assert words[words.index("-tclargs") + 1 :][:2] == [CHECKPOINT, str(tmp_path / "activity.saif")]
    script = (tmp_path / "build" / "power.tcl").read_text()
    assert "read_saif -strip_path bench/top" in script
    (tmp_path / "build" / CHECKPOINT).unlink()
    assert vivado_power(tmp_path / "build", tmp_path / "activity.saif") is None


def test_vivado_that_fails_is_named_with_its_log(vivado, tmp_path):
    vivado("nothing", status=1)
    with pytest.raises(UserError, match=r"vivado failed \(status 1\): ERROR: no licence; its log is \S*power\.log"):
        vivado_power(tmp_path / "build", tmp_path / "activity.saif")
    with pytest.raises(UserError, match=r"no row 'Total On-Chip Power \(W\)'"):
        parse_power("| Dynamic (W) | 0.1 |")


@pytest.mark.parametrize("name", ["arty_a7", "ulx3s", "icebreaker"])
def test_the_synthesis_is_the_boards(name):
    script = NetlistFlow(find_board(name)).script()
    (synthesis,) = [line for line in script if line.startswith("synth_")]
    assert "-abc9" in synthesis
    assert synthesis.endswith("-top accelerator")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--board must say whose netlist to simulate"),
        (["--board", "zx81"], "board 'zx81' is unknown"),
        (["--board", "tang_nano_9k"], "board tang_nano_9k (gowin): only netlists of xc7, ecp5, ice40 can be simulated"),
        (["--board", "ulx3s", "--images", "none.npy"], "images none.npy does not exist"),
        (["--board", "ulx3s", "--plan", "none.json"], "plan none.json does not exist"),
        (["--board", "ulx3s"], "does not say which data set it is for; give --images"),
        (["--board", "ulx3s", "--frames", "0"], "Invalid value for '--frames'"),
    ],
)
def test_command_refuses_in_one_line(arguments, message, tmp_path, monkeypatch, capsys):
    save(tiny_network(), tmp_path / "tiny.s2nn")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", "activity", "tiny.s2nn", *arguments])
    with pytest.raises(SystemExit) as stop:
        main.main()
    text = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in text
    assert text.count("\n") == 1
    assert not (tmp_path / "build").exists()


def test_command_refuses_a_folder_that_is_no_build(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", "activity", str(tmp_path)])
    with pytest.raises(SystemExit):
        main.main()
    assert "is no finished build" in capsys.readouterr().err
    save(tiny_network(), tmp_path / "network.s2nn")
    (tmp_path / "build.json").write_text(json.dumps({"format": "s2nn-build", "version": 9}))
    with pytest.raises(SystemExit):
        main.main()
    assert "must have format 's2nn-build', version 1" in capsys.readouterr().err
