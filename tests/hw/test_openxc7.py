"""openXC7 with stand-ins for its tools: command lines, databases, logs, what is refused."""

import json
import os
import subprocess
from io import StringIO

import pytest

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow import openxc7
from tests.support.flow_tools import FAKE_YOSYS, LOGS, build_count, fake_openxc7


def test_synthesis_only_leaves_a_folder_to_finish(tools, tmp_path):
    built = build_count("arty_a7", tmp_path / "build")
    assert (built.status, built.bitstream) == (3, None)
    assert built.missing[0] == "tool nextpnr-xilinx (install openXC7, github.com/openXC7)"
    assert len(built.missing) == 5
    assert 8 <= built.record.to_json()["resources"]["ffs"]["used"] < 60
    for name in ("top.v", "top.xdc", "top_openxc7.xdc", "top.tcl", "top.json", "run_openxc7.sh", "run_vivado.sh"):
        assert (built.folder / name).is_file(), name
    subprocess.run(["sh", "-n", built.folder / "run_openxc7.sh"], check=True)
    assert build_count("arty_a7", tmp_path / "build").reused


@pytest.mark.parametrize(("options", "reached"), [("--report arg", 123.5), ("--freq arg", 111.25)])
def test_openxc7_command_lines(options, reached, tools, databases, tmp_path):
    fake_openxc7(tools, options=options)
    built = build_count("arty_a7", tmp_path / "build", native=True, seed=7, **databases)
    assert built.status == 0
    assert built.bitstream.read_text() == "bits\n"
    assert (built.folder / "top.frames").read_text() == "frames\n"
    yosys, place, frames, bits = tools.record()
    assert "synth_xilinx -flatten -abc9 -nodsp -arch xc7 -top top; delete t:$scopeinfo;" in yosys
    assert "-nobram" not in yosys
    assert f"--chipdb {databases['chipdb']}/xc7a35t.bin --xdc top_openxc7.xdc" in place
    assert "--freq 100 --seed 7" in place
    assert ("--report" in place) == (options == "--report arg")
    family = f"{databases['prjxray_db']}/artix7"
    assert frames == f"fasm2frames --part xc7a35tcsg324-1 --db-root {family} top.fasm"
    assert bits == (
        f"xc7frames2bit --part_file {family}/xc7a35tcsg324-1/part.yaml --part_name xc7a35tcsg324-1 "
        "--frm_file top.frames --output_file top.bit.part"
    )
    assert built.record.to_json()["clock"] == {
        "wanted_mhz": 100.0,
        "reached_mhz": reached,
        "clock_mhz": 100.0,
        "lowered": [],
    }
    used = {name: row["used"] for name, row in built.record.to_json()["resources"].items()}
    if "--report" in options:
        assert used == {"luts": 8, "ffs": 7, "brams": 1.5, "dsps": 0}  # 15 halves
        assert built.record.to_json()["resources_source"] == "nextpnr-xilinx after packing (half-LUTs / 2)"
    else:
        assert used == {"luts": 15, "ffs": 7, "brams": 1.5, "dsps": 0}  # its log has no counts
        assert built.record.to_json()["resources_source"] == "yosys after synthesis"
    assert built.record.to_json()["synthesis"] == {"luts": 15, "ffs": 7, "brams": 1.5, "dsps": 0}
    constraints = (built.folder / "top_openxc7.xdc").read_text()
    assert "set_property LOC A9 [get_ports uart_0__rx__io]" in constraints
    assert not [line for line in constraints.splitlines() if line[:1].isspace()]


def test_openxc7_missed_clock(tools, databases, tmp_path):
    fake_openxc7(tools, reached=88.5)
    with pytest.raises(
        UserError,
        match=r"clock missed: 88\.50 MHz reached after routing, 100 MHz wanted \(clk\); "
        r"critical path: a\.Q to b\.D, 2\.50 ns \(0\.50 logic, 2\.00 routing\)",
    ):
        build_count("arty_a7", tmp_path / "build", native=True, freq_mhz=100, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert (folder / "top.tim").is_file()
    assert not list(folder.glob("top.bit*")) + list(folder.glob("build.json"))


def test_failed_tool_gives_its_last_error_and_the_log(tools, databases, tmp_path):
    fake_openxc7(tools)
    tools("fasm2frames", "echo half; echo 'ERROR: no such bit' >&2; echo bye >&2; exit 4\n")
    message = r"^fasm2frames failed \(status 4\): ERROR: no such bit; its log is \S*pack\.log$"
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert not [name for name in ("top.frames", "top.bit", "build.json", "tmp") if (folder / name).exists()]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"LUT6": 20_800, "LUT2": 3}, r"LUT6 20,802 of 20,800 \(too many\)"),
        ({"LUT6": 5, "RAMB36E1": 50, "RAMB18E1": 1}, r"RAMB36 51 of 50 \(too many\)"),
    ],
)
def test_synthesised_design_over_the_35t_is_refused(cells, message, tools, databases, tmp_path):
    fake_openxc7(tools)
    tools.stat.write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    assert len(tools.record()) == 1  # placement never started


def test_missing_databases_are_named(tmp_path):
    found, missing = openxc7.find_databases("xc7a100tcsg324-1", str(tmp_path), str(tmp_path))
    assert found is None
    assert "xc7a100tcsg324-1.bin or xc7a100tcsg324.bin or xc7a100t.bin" in missing[0]
    assert "xc7a100tcsg324-1/part.yaml" in missing[1]


def log_place(report, log="nextpnr-xilinx.tim"):
    """Return the body of a nextpnr-xilinx that leaves what the real one printed; ``report``: and wrote."""
    options = "--report arg" if report else "--freq arg"
    copy = f"cp {LOGS}/nextpnr-xilinx_report.json top_nextpnr.json"
    copy = copy if report else 'case "$*" in *--report*) exit 9;; esac'
    version = "nextpnr-xilinx -- Next Generation Place and Route (Version )"
    return (
        f'case "$1" in --version) echo "{version}" >&2; exit 0;; --help) echo "{options}" >&2; exit 0;; esac\n'
        f"{copy}\necho fasm > top.fasm; cp {LOGS}/{log} top.tim\n"
    )


@pytest.mark.parametrize("report", [True, False])
def test_what_the_real_tool_prints_is_read_with_and_without_a_report(report, tools, databases, tmp_path):
    fake_openxc7(tools, place=log_place(report))
    with pytest.raises(
        UserError,
        match=r"83\.82 MHz reached after routing, 100 MHz wanted .*; critical path: "
        r"design\.accelerator\.hidden1\.first_FDRE_Q\.Q to design\.accelerator\."
        r"hidden1\.sum_FDRE_Q_4\.D, 11\.90 ns \(1\.40 logic, 10\.50 routing\)",
    ):
        build_count("arty_a7", tmp_path / "build", native=True, freq_mhz=100, **databases)


def test_netlist_that_packs_too_large_is_refused_before_placement(tools, databases, tmp_path):
    fake_openxc7(tools)
    directions = {"S": "input", "DI": "input", "CI": "input", "O": "output"}
    chain = {
        f"c{n}": {
            "type": "CARRY4",
            "port_directions": directions,
            "parameters": {},
            "attributes": {},
            "connections": {"S": list(range(n, n + 4)), "DI": ["0"] * 4, "CI": ["0"], "O": list(range(n + 4, n + 8))},
        }
        for n in range(8, 8 * 5_202, 8)
    }
    top = {"attributes": {"top": "1"}, "ports": {}, "cells": chain, "netnames": {}}
    tools.netlist.write_text(json.dumps({"modules": {"top": top}}))
    with pytest.raises(
        UserError,
        match=r"by what nextpnr-xilinx makes of the netlist, its route-throughs included: "
        r"LUT6 20,804 of 20,800 \(too many\)",
    ):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    assert len(tools.record()) == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "chipdb/xc7a35t.bin",
            b"xc7a100tcsg324-1\0prjxray\0",
            r"chip database \S+ is of xc7a100tcsg324, not of xc7a35tcsg324-1; "
            r"give that of the board's part with --chipdb",
        ),
        ("chipdb/xc7a35t.bin", b"\0xc7a35tcpg236-1\0", r"is of xc7a35tcpg236, not of xc7a35tcsg324-1; give that of"),
        ("chipdb/xc7a35t.bin", b"", r"chip database \S+ is empty"),
        ("prjxray-db/artix7/xc7a35tcsg324-1/part.yaml", b"", r"is no part file of Project X-Ray: it has no idcode"),
        (
            "prjxray-db/artix7/xc7a35tcsg324-1/part.yaml",
            b"idcode: 0x13631093\n",
            r"is of another part: its idcode is 0x3631093, that of xc7a35t is 0x362d093",
        ),
    ],
)
def test_databases_of_another_part_are_refused(name, content, message, tools, databases, tmp_path):
    fake_openxc7(tools)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    assert not (tmp_path / "build").exists()


def test_chip_database_that_names_nothing_is_left_to_nextpnr(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\0\1\2")
    openxc7.check_chipdb(tmp_path / "x.bin", "xc7a35tcsg324-1")


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("kill -SEGV $$", r"nextpnr-xilinx died \(signal 11, SIGSEGV\): it printed nothing"),
        ("kill -KILL $$", r"nextpnr-xilinx died \(signal 9, SIGKILL; the machine may lack memory\)"),
        ("echo 'ERROR: bad chipdb' >&2; exit 255", r"nextpnr-xilinx failed \(status 255\): ERROR: bad chipdb; its log"),
    ],
)
def test_nextpnr_that_dies(ending, message, tools, databases, tmp_path):
    fake_openxc7(tools, place='case "$1" in --*h*|--*v*) [ $# = 1 ] && exit 0;; esac\necho half > top.fasm\n' + ending)
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert (folder / "place.log").is_file()
    assert not [name for name in ("top.fasm", "top.bit", "build.json") if (folder / name).exists()]


@pytest.mark.parametrize(
    ("packer", "message"),
    [
        ("echo half > top.bit.part; kill -BUS $$", r"xc7frames2bit died \(signal 7, SIGBUS\)"),
        ("exit 0", "pack ended well but wrote no bitstream"),
    ],
)
def test_half_a_bitstream_has_not_its_name(packer, message, tools, databases, tmp_path):
    fake_openxc7(tools)
    tools("xc7frames2bit", packer)
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert not list(folder.glob("top.bit*")) + list(folder.glob("build.json"))


def test_slow_parser_and_size_are_told(tools, databases, tmp_path, monkeypatch):
    monkeypatch.setattr("s2nn_hw.hw.flow.toolchain.HEARTBEAT_SECONDS", 0.2)
    fake_openxc7(tools)
    tools("fasm2frames", "echo 'Falling back on slower textX parser implementation:' >&2; sleep 1; echo frames\n")
    said = StringIO()
    build_count("arty_a7", tmp_path / "build", native=True, said=said, **databases)
    assert said.getvalue().count("fasm2frames runs on the slow parser of fasm") == 1
    assert "; fasm2frames, 1 lines, 0.0 MB" in said.getvalue()


@pytest.mark.parametrize("netlist", [True, False])
def test_folder_finished_elsewhere_keeps_its_netlist(netlist, tools, databases, tmp_path):
    tools("yosys", FAKE_YOSYS)
    built = build_count("arty_a7", tmp_path / "build", native=True)
    assert built.status == 3
    fake_openxc7(tools)
    (tmp_path / "record").unlink()
    if not netlist:
        (built.folder / "top.json").unlink()
    environment = os.environ | {"CHIPDB_DIR": databases["chipdb"], "PRJXRAY_DB_DIR": databases["prjxray_db"]}
    subprocess.run(["sh", built.folder / "run_openxc7.sh"], check=True, env=environment)
    assert [line.split()[0] for line in tools.record()] == [
        *([] if netlist else ["yosys"]),
        "nextpnr-xilinx",
        "fasm2frames",
        "xc7frames2bit",
    ]
    assert (built.folder / "top.bit").read_text() == "bits\n"
    tools("nextpnr-xilinx", "exit 1")
    failed = subprocess.run(
        ["sh", built.folder / "run_openxc7.sh"], check=False, env=environment, text=True, capture_output=True
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("place and route failed; if the clock was missed")
