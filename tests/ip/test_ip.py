"""The folder of an IP block in other people's tools: simulators, lint, FuseSoC, IP-XACT, Tcl, LiteX, Amaranth."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.files import atomic_folder
from s2nn_hw.ip.ipxact import SPIRIT
from s2nn_hw.ip.registers import registers
from s2nn_hw.ip.shape import Options, Shape
from s2nn_hw.network.store import load, save
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.verilog.model import environment, simulator_environment
from tests.support.blocks import CASES, MODELS, write_case
from tests.support.commands import refused
from tests.support.networks import random_network

ICARUS = pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog (iverilog) is not on the PATH")
TCL = pytest.mark.skipif(not shutil.which("tclsh"), reason="tclsh is not on the PATH")
SOURCES = ("net.v", "net_tb.v", "s2nn_axis_bench.v")
MANNERS = (
    ("+reset=start",),
    ("+reset=late", "+stall=40", "+errors=1"),
    ("+reset=none", "+errors=1"),
    ("+reset=start", "+stall=80"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a function of a case: its folder and block, written once."""
    made = {}

    def make(case):
        if case not in made:
            place = tmp_path_factory.mktemp("ip") / "block"
            made[case] = place, write_case(case, place)
        return made[case]

    return make


def run(*command, cwd, **variables):
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600, env=os.environ | variables
    )


def verilator(*arguments, cwd):
    with environment(**simulator_environment("verilator")):
        return run("verilator", *arguments, cwd=cwd)


@ICARUS
@pytest.mark.parametrize("case", CASES)
def test_bench_in_icarus(folder, case):
    place, block = folder(case)
    built = run("iverilog", "-g2012", "-Wall", "-o", "bench", *SOURCES, cwd=place)
    assert built.returncode == 0, built.stderr
    assert not [line for line in built.stderr.splitlines() if "timescale" not in line]
    for manner in MANNERS:
        done = run("vvp", "-n", "bench", *manner, cwd=place)
        *results, last = done.stdout.splitlines()
        assert last.startswith("PASS: 8 frames"), (manner, done.stdout)
        assert results[-8:] == [f"result {n} of 8" for n in range(1, 9)]  # behind those before a late reset
        assert done.returncode == 0
        assert ("cycles and latencies too" in done.stdout) == (block.shape.exact and len(manner) == 1)
        assert ("8 bad ones" in done.stdout) == ("+errors=1" in manner)
    done = run("vvp", "-n", "bench", "+frames=3", "+stall=20", cwd=place)
    assert done.stdout.splitlines()[-2:] == ["result 3 of 3", "PASS: 3 frames equal the golden model's"]
    for wrong, words in (("+errors=2", "+errors must be 0 or 1"), ("+frames=9", "+frames must be 1 to 8")):
        done = run("vvp", "-n", "bench", wrong, cwd=place)
        assert f"FAIL: {words}" in done.stdout + done.stderr
        assert done.returncode


@ICARUS
@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("results.hex", "frame 0, transfer 0"),
        ("latencies.hex", "frame 0: latency"),
        ("registers.hex", "register 000000"),
    ],
)
def test_bench_tells_what_differs(folder, tmp_path, file, told):
    place = shutil.copytree(folder("planes")[0], tmp_path / "spoiled")
    lines = (place / file).read_text().split()
    lines[0] = f"{int(lines[0], 16) ^ 1:0{len(lines[0])}x}"
    (place / file).write_text("\n".join(lines) + "\n")
    run("iverilog", "-g2012", "-o", "bench", *SOURCES, cwd=place)
    done = run("vvp", "-n", "bench", cwd=place)
    assert done.returncode != 0
    assert told in done.stdout
    assert "FAIL: 1 differences" in done.stdout + done.stderr


@pytest.mark.parametrize("case", ["crossing"])
def test_makefile_in_verilator(folder, tmp_path, case):
    place = shutil.copytree(folder(case)[0], tmp_path / "made")
    with environment(**simulator_environment("verilator")):
        done = run("make", "verilator", cwd=place)
        lint = run("make", "lint", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "%Warning" not in done.stdout + done.stderr
    assert done.stdout.count("PASS: 8 frames") == 3
    assert "bench +reset=late +stall=30\n" in done.stdout
    assert lint.returncode == 0, lint.stderr


@pytest.mark.parametrize("case", CASES)
def test_lint(folder, case):
    place, _ = folder(case)
    for arguments in (("net.v",), ("-Wall", "net.vlt", "net.v")):
        done = verilator("--lint-only", *arguments, cwd=place)
        assert done.returncode == 0, done.stderr
        assert "%Warning" not in done.stdout + done.stderr


@ICARUS
def test_fusesoc_runs_lint_and_bench(folder, tmp_path):
    place, _ = folder("dense")
    roots = "".join(f"{name}_root = {tmp_path / name}\n" for name in ("build", "cache", "library"))
    (tmp_path / "fusesoc.conf").write_text(f"[main]\n{roots}")
    tool = ("-c", "from fusesoc.main import main; main()", "--config", "fusesoc.conf", "--cores-root", str(place))
    with environment(**simulator_environment("verilator")):
        lint = run(sys.executable, *tool, "run", "--target", "lint", "s2nn_hw:ip:net", cwd=tmp_path)
        assert lint.returncode == 0, lint.stderr
        assert "%Warning" not in lint.stdout + lint.stderr
    done = run(sys.executable, *tool, "run", "--target", "sim", "s2nn_hw:ip:net", cwd=tmp_path)
    assert "PASS: 8 frames" in done.stdout, done.stdout + done.stderr


def declared(text):
    """Return ``{port: (direction, width)}`` of module ``net``."""
    body = text[text.index("module net(") :]
    body = body[: body.index("endmodule")]
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", body, re.MULTILINE)
    return {name: (way.removesuffix("put"), int(high or 0) + 1) for way, high, name in found}


@pytest.mark.parametrize("case", ["dense", "crossing", "wide"])
def test_ipxact_is_read_and_true(folder, case):
    from ipyxact.ipyxact import Component

    place, block = folder(case)
    component = Component()
    component.load(str(place / "component.xml"))
    assert component.name == "net"
    space = {"s": SPIRIT}
    root = ElementTree.parse(place / "component.xml").getroot()
    wide = {  # which ipyxact does not read of this version of the standard
        port.find("s:name", space).text: int(port.find(".//s:left", space).text) + 1
        for port in root.iterfind(".//s:port", space)
        if port.find(".//s:left", space) is not None
    }
    ports = {port.name: (port.wire.direction, wide.get(port.name, 1)) for port in component.model.ports.port}
    assert ports == declared((place / "net.v").read_text())
    mapped = [pair.physicalPort.name for bus in component.busInterfaces.busInterface for pair in bus.portMaps.portMap]
    assert sorted(mapped) == sorted(set(ports) - {"frame_error"})
    associated = [e.text for e in root.iterfind(".//s:parameter/s:value", space)]
    assert "s_axis:m_axis" + ":s_axi" * block.options.axi_lite in associated
    if block.options.axi_lite:
        rows = {e.find("s:name", space).text: e for e in root.iterfind(".//s:register", space)}
        assert list(rows) == [row.name for row in registers(block.shape)]
        assert int(rows["MAGIC"].find("s:reset/s:value", space).text, 16) == int.from_bytes(b"S2NN", "little")


@TCL
@pytest.mark.parametrize("case", ["dense", "crossing"])
def test_packaging_script_is_tcl(folder, case):
    # Vivado's own commands are stood in for: each prints its words and gives back its name
    place, block = folder(case)
    ours = "create_project read_verilog read_xdc set_property current_fileset"
    theirs = (
        "package_project current_core associate_bus_interfaces get_bus_interfaces add_bus_parameter create_xgui_files",
        "update_checksums check_integrity save_core",
    )
    names = " ".join([ours, *(f"ipx::{name}" for line in theirs for name in line.split())])
    script = (
        "namespace eval ipx {}\n"
        f'foreach name {{{names}}} {{ proc $name args [format {{puts "%s $args"; return %s}} $name $name] }}\n'
        f"source {{{place / 'package_ip.tcl'}}}\n"
    )
    done = subprocess.run(["tclsh"], input=script, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    for text in ("-busif s_axis -clock aclk", "-busif m_axis -clock aclk", "value 100000000", "set_property top net"):
        assert text in done.stdout
    assert ("value 163000000" in done.stdout) == (block.options.core_mhz is not None)
    assert ("-busif s_axi " in done.stdout) == block.options.axi_lite


@TCL
def test_constraints_are_tcl_and_name_what_is_there(folder):
    place, _ = folder("crossing")
    words = "create_clock get_ports set_max_delay set_false_path get_clocks set_property get_cells"
    for name in ("net.xdc", "net_ooc.xdc", "net.sdc"):
        script = f"foreach name {{{words}}} {{ proc $name args {{puts $args}} }}\nsource {{{place / name}}}\n"
        done = subprocess.run(["tclsh"], input=script, capture_output=True, text=True, check=False)
        assert done.stderr == "", name
        assert done.stdout
    text = (place / "net.v").read_text()
    crossings = re.findall(r"^module net__(\w+_cdc)\((.*?)^endmodule", text, re.MULTILINE | re.DOTALL)
    assert {name for name, _ in crossings} == {
        "restarter_hold_cdc",
        "restarter_seen_cdc",
        *(f"{way}_{what}_cdc" for way in ("incoming", "outgoing") for what in ("produce", "consume", "rst")),
    }
    assert all("stage0" in body and "stage1" in body for _, body in crossings)
    assert "_cdc" not in (folder("dense")[0] / "net.v").read_text()


@ICARUS
@pytest.mark.parametrize("case", ["dense", "crossing"])
@pytest.mark.parametrize("wrapper", ["litex_wrapper", "amaranth_wrapper"])
def test_examples_are_built_and_fit(folder, tmp_path, case, wrapper):
    place = shutil.copytree(folder(case)[0], tmp_path / "example")
    done = run(sys.executable, f"{wrapper}.py", cwd=place)
    assert done.returncode == 0, done.stderr
    done = run("iverilog", "-g2005", "-Wall", "-s", wrapper, "-o", "x.vvp", f"{wrapper}.v", "net.v", cwd=place)
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if "timescale" not in line], done.stderr


@ICARUS
def test_the_amaranth_example_gives_results(folder, tmp_path):
    place = shutil.copytree(folder("dense")[0], tmp_path / "example")
    assert run(sys.executable, "amaranth_wrapper.py", cwd=place).returncode == 0
    about = json.loads((place / "ip.json").read_text())
    transfers, given = about["input"]["transfers"], about["output"]["transfers"]
    text = (place / "amaranth_wrapper.v").read_text()
    width = re.search(r"input \[(\d+):0\] i__payload", text)
    high = int(width[1])
    assert high == 8 * about["input"]["bytes"], text[:400]
    (place / "tb.v").write_text(f"""
module tb;
  reg clk = 0, rst = 1;
  reg [{high - 1}:0] frames [0:{8 * transfers - 1}];
  reg [31:0] results [0:{8 * given - 1}];
  reg [31:0] mask [0:{given - 1}];
  wire [32:0] word;
  wire ready, valid;
  integer sent = 0, got = 0, bad = 0;
  amaranth_wrapper dut(.clk(clk), .rst(rst), .i__payload({{sent % {transfers} == {transfers - 1}, frames[sent]}}),
    .i__valid(!rst && sent < {8 * transfers}), .i__ready(ready), .o__payload(word), .o__valid(valid), .o__ready(1'b1),
    .frame_error());
  always #5 clk = ~clk;
  initial begin
    $readmemh("frames.hex", frames); $readmemh("results.hex", results); $readmemh("mask.hex", mask);
    repeat (4) @(negedge clk); rst = 0;
    #400000 $display("late"); $finish;
  end
  always @(posedge clk) if (!rst) begin
    if (ready && sent < {8 * transfers}) sent <= sent + 1;
    if (valid) begin
      if (((word[31:0] ^ results[got]) & mask[got % {given}]) !== 0 || word[32] !== (got % {given} == {given - 1}))
        bad = bad + 1;
      got = got + 1;
      if (got == {8 * given}) begin $display("%0d words, %0d wrong", got, bad); $finish; end
    end
  end
endmodule
""")
    built = run("iverilog", "-g2012", "-o", "x.vvp", "tb.v", "amaranth_wrapper.v", "net.v", cwd=place)
    assert built.returncode == 0, built.stderr
    done = run("vvp", "-n", "x.vvp", cwd=place)
    assert f"{8 * given} words, 0 wrong" in done.stdout, done.stdout


def test_the_data_sheet_says_what_ip_json_holds(folder):
    for case in CASES:
        place, block = folder(case)
        about, text = json.loads((place / "ip.json").read_text()), (place / "README.md").read_text()
        page = (place / "datasheet.html").read_text()
        assert {p["name"]: (p["direction"], p["width"]) for p in about["ports"]} == declared(
            (place / "net.v").read_text()
        )
        for name in about["files"]:
            for file in name.split(", "):
                assert (place / file).is_file(), file
        told = {file for name in about["files"] for file in name.split(", ")}
        assert {path.name for path in place.iterdir()} - {"bench"} == told  # what another test made
        for picture in ("frame", "result", "errors"):
            assert ElementTree.fromstring((place / f"{picture}.svg").read_text()).tag.endswith("svg")
        assert page.count("<svg") == 3
        assert "<img" not in page
        assert block.design.network.digest in text
        assert ("## Registers" in text) == block.options.axi_lite
        for row in about["registers"]:
            assert f"| {row['name']} |" in text
        assert ("(exact)" in text) == block.shape.exact
        assert "estimate" in text


def test_the_same_network_the_same_bytes(folder, tmp_path):
    place, _ = folder("planes")
    write_case("planes", tmp_path / "again")
    for path in place.iterdir():
        if path.suffix not in (".vvp", "") and path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_frames_and_results_in_bytes():
    network = random_network((20, 9, 3), input_bits=2)
    design = Design(network, default_plan(network, GENERAL))  # 2 beats of 16 pixels
    pixels = np.arange(20) % 4
    for width, transfers in ((None, 2), (1, 8), (2, 4), (8, 1), (12, 1)):
        shape = Shape(design, Options("net", input_bytes=width))
        frame = shape.frame(pixels)
        assert len(frame) == shape.transfers == transfers
        whole = sum(value << 8 * shape.input_bytes * k for k, value in enumerate(frame))
        assert [(whole >> 2 * k) & 3 for k in range(20)] == pixels.tolist()
        assert whole >> 40 == 0
    shape = Shape(design, Options("net", output_bytes=8, content=("scores", "class")))
    assert shape.words == ["class", "score of class 0", "score of class 1", "score of class 2"]
    assert shape.result(2, [-1, 5, 7], 99) == [2 | 0xFFFFFFFF << 32, 5 | 7 << 32]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--input-bytes", "3"], ["--input-bytes must divide or be a multiple of the 4 bytes", "not 3"]),
        (["--input-bytes", "0"], ["--input-bytes must be 1 to 8,192, not 0"]),
        (["--output-bytes", "6"], ["--output-bytes must be a multiple of 4, not 6"]),
        (["--result", "class,score"], ["--result must be some of class, cycles, scores", "'score'"]),
        (["--result", ""], ["--result must be some of class, cycles, scores"]),
        (["--result", "class,class"], ["each once"]),
        (["--clock", "0"], ["--clock must be 1 to 2000 MHz, not 0"]),
        (["--clock", "nan"], ["--clock must be 1 to 2000 MHz, not nan"]),
        (["--core-clock", "5000"], ["--core-clock must be 1 to 2000 MHz, not 5000"]),
        (["--family", "asic"], ["--family must be one of xc7, ecp5, ice40, gowin, not 'asic'"]),
        (["--name", "a__b"], ["name 'a__b' must be letters"]),
        (["--name", "wire"], ["reserved word of Verilog"]),
        (["--name", "s2nn_axis_bench"], ["name 's2nn_axis_bench' is that of the bench"]),
        (["--plan", "none.json"], ["none.json does not exist"]),
    ],
)
def test_bad_options_leave_nothing(tmp_path, monkeypatch, command, words, texts):
    monkeypatch.chdir(tmp_path)
    save(random_network((20, 9, 3), input_bits=2), "net.s2nn")
    refused(command("ip", "net.s2nn", "-o", "out", *words), *texts)
    assert [path.name for path in tmp_path.iterdir()] == ["net.s2nn"]


def test_folders_of_other_people_stay(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    save(random_network((20, 9, 3), input_bits=2), "net.s2nn")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("mine")
    refused(command("ip", "net.s2nn", "-o", "theirs"), "theirs holds other files (no ip.json)")
    refused(command("ip", "net.s2nn", "-o", "net.s2nn"), "output folder net.s2nn is a file")
    refused(command("ip", "net.s2nn", "-o", "no/where"), "folder no does not exist")
    assert (tmp_path / "theirs" / "thesis.txt").read_text() == "mine"
    code, out, err = command("ip", "net.s2nn", "-o", "out", "--name", "first")
    assert (code, err) == (0, ""), err
    assert "a frame is 2 x 4 bytes, a result 5 x 4" in out
    assert command("ip", "net.s2nn", "-o", "out")[0] == 0  # an earlier one is replaced
    assert {path.name for path in (tmp_path / "out").glob("*.v")} == {"random.v", "random_tb.v", "s2nn_axis_bench.v"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.s2nn", "out", "theirs"]


def test_a_folder_is_whole_or_not_there(tmp_path):
    def part(error):
        with atomic_folder(tmp_path / "out", mark="ip.json") as place:
            (place / "part").write_text("x")
            raise error

    for wanted in (ValueError, KeyboardInterrupt, UserError):
        with pytest.raises(wanted):
            part(wanted)
        assert not list(tmp_path.iterdir())


def test_wide_scores_are_refused_unless_left_out():
    class Wide:
        score_width, network, pixels_per_beat, streaming = 33, load(MODELS / "mnist-tiny.s2nn"), 32, False

    with pytest.raises(UserError, match=r"have 33 bits and a word of a result 32; leave them out"):
        Shape(Wide(), Options("net"))
    assert Shape(Wide(), Options("net", content=("class",))).words == ["class"]
