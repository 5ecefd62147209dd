"""The Verilog in other people's hands: any simulator, any start, lint, names, two networks at once, VHDL."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2nn_hw import emit
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import load
from s2nn_hw.network.synapses import Dense, MaxPool
from s2nn_hw.plan.defaults import unrolled_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.sim.verilog.model import environment, simulator_environment
from s2nn_hw.verilog.identifiers import VERILOG, VHDL, Names, check_name, plain
from tests.support.graphs import build, convolution, dense, identity, joined, pooled
from tests.support.networks import random_network

MODELS = Path(__file__).parents[2] / "models"
ICARUS = pytest.mark.skipif(not shutil.which("iverilog"), reason="Icarus Verilog (iverilog) is not on the PATH")
GHDL = pytest.mark.skipif(not shutil.which("ghdl"), reason="GHDL (ghdl) is not on the PATH")
STARTS = ("start", "late", "none")


def network(kind):
    if kind == "steps":
        return stepwise()
    if kind == "dense":
        return random_network((100, 30, 7), input_bits=2, bits=3)
    if kind == "pooled":
        return build(
            (8, 8),
            2,
            [convolution(8, 3, padding=1), joined(MaxPool(2)), convolution(6, 3, padding=1), pooled(5, (2, 2))],
        )
    if kind == "residual":
        return build(
            (6, 6, 3),
            2,
            [
                convolution(8, 3, padding=1),
                convolution(8, 3, padding=1),
                [convolution(8, 3, padding=1, bits=2), identity("layer0")],
                dense(5),
            ],
        )
    return load(MODELS / f"{kind}.s2nn")


def stepwise():
    """A network of steps with hard resets, whose accumulators are registers of bits here and there in one wide wire."""
    rng = np.random.default_rng(0)
    first, last = (Dense(rng.integers(-7, 8, shape).astype(np.int8), 4) for shape in ((24, 30), (4, 24)))
    thresholds, none = rng.integers(20, 3000, 24).astype(np.int32), np.zeros(24, np.int32)
    biases = rng.integers(-9, 9, 24).astype(np.int32)
    neuron = Integrate(thresholds, none, biases, none, 3, fraction=4, reset="hard")
    layers = (Layer("first", first, neuron), Layer("last", last, Readout(np.zeros(4, np.int32))))
    return Network("steps", Input((30,), 4), layers, tuple("abcd"))


def written(kind, folder, name="net"):
    made = network("dense" if kind == "unrolled" else kind)
    emit.write(made, folder, unrolled_plan(made, lut=6) if kind == "unrolled" else None, name=name)
    return folder


KINDS = ("steps", "dense", "pooled", "residual", "unrolled", "mnist-tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a function of a kind of network: the folder with its Verilog, written once."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = written(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return make


def run(*command, cwd):
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=600)


def verilator(*arguments, cwd):
    with environment(**simulator_environment("verilator")):
        return run("verilator", *arguments, cwd=cwd)


@ICARUS
@pytest.mark.parametrize("kind", KINDS)
def test_bench_in_icarus(folder, kind):
    place = folder(kind)
    built = run("iverilog", "-g2012", "-Wall", "-o", "bench", "net.v", "net_tb.v", "s2nn_bench.v", cwd=place)
    assert built.returncode == 0, built.stderr
    assert not [line for line in built.stderr.splitlines() if "timescale" not in line]
    for start in STARTS:
        for stall in (0, 50):
            done = run("vvp", "-n", "bench", f"+reset={start}", f"+stall={stall}", cwd=place)
            assert done.stdout.startswith("PASS: 8 frames"), (start, stall, done.stdout)
            assert done.returncode == 0
    done = run("vvp", "-n", "bench", "+stall=abc", cwd=place)
    assert "FAIL: +stall must be 0 to 90" in done.stdout + done.stderr
    assert done.returncode


@ICARUS
def test_bench_tells_what_differs(folder, tmp_path):
    place = shutil.copytree(folder("dense"), tmp_path / "spoiled")
    lines = (place / "vectors_results.hex").read_text().split()
    lines[3] = f"{int(lines[3], 16) ^ 1:0{len(lines[3])}x}"
    (place / "vectors_results.hex").write_text("\n".join(lines) + "\n")
    run("iverilog", "-g2012", "-o", "bench", "net.v", "net_tb.v", "s2nn_bench.v", cwd=place)
    done = run("vvp", "-n", "bench", cwd=place)
    assert done.returncode != 0
    assert "frame 3: class" in done.stdout
    assert "FAIL: 1 of 8 frames differ" in done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["residual", "mnist-tiny"])
def test_bench_in_verilator(folder, kind):
    place = folder(kind)
    built = verilator(
        "--binary",
        "--timing",
        "-CFLAGS",
        "-std=c++20",
        "--top-module",
        "net_tb",
        "net.v",
        "net_tb.v",
        "s2nn_bench.v",
        cwd=place,
    )
    assert built.returncode == 0, built.stderr
    assert "%Warning" not in built.stdout + built.stderr
    for start in STARTS:
        done = run("obj_dir/Vnet_tb", f"+reset={start}", "+stall=30", cwd=place)
        assert "PASS: 8 frames" in done.stdout, (start, done.stdout)
        assert done.returncode == 0
    assert "and cycles equal" in run("obj_dir/Vnet_tb", cwd=place).stdout


@pytest.mark.parametrize("kind", [*KINDS, "mnist-mlp", "mnist-cnn"])
def test_lint(folder, kind):
    place = folder(kind)
    for arguments in (("net.v",), ("-Wall", "net.vlt", "net.v")):
        done = verilator("--lint-only", *arguments, cwd=place)
        assert done.returncode == 0, done.stderr
        assert "%Warning" not in done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_each_wire_is_driven_as_a_whole_by_registers(folder, kind):
    """Icarus resolves wires of several drivers bit by bit, and warns of attributes that are long numbers."""
    text = (folder(kind) / "net.v").read_text()
    registers = set(re.findall(r"^ *reg (?:\[\d+:0\] )?(\w+)", text, re.MULTILINE))
    drivers = re.findall(r"^ *assign \{?[^=]*\[[^=]* = (\w+);", text, re.MULTILINE)
    assert registers
    assert "init =" not in text
    assert not registers & set(drivers)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_plain(folder, kind):
    text = (folder(kind) / "net.v").read_text()
    code = re.sub(r"//.*|\(\*.*?\*\)|\d+'[bhd][0-9a-fx]+", "", text)
    assert "\\" not in code
    assert "always @*" not in code
    words = set(re.findall(r"[\w$]+", code)) - {"$signed"}
    assert not [word for word in words if "$" in word or (word.startswith("_") and word.strip("_").isdigit())]
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules[0] == "net"
    assert all(name == "net" or name.startswith("net__") for name in modules)
    unnamed = re.findall(r"^ +(?:wire|reg) .*\bunnamed\w*", text, re.MULTILINE)
    assert len(unnamed) * 50 <= len(re.findall(r"^ +(?:wire|reg) ", text, re.MULTILINE))


def test_header(folder):
    text = (folder("mnist-tiny") / "net.v").read_text()
    head = text[: text.index("module")]
    made = network("mnist-tiny")
    for part in (made.name, made.digest, "under any terms", "i_payload", "o_payload", emit.TOOL):
        assert part in head


@ICARUS
def test_two_networks_in_one_design(tmp_path):
    for name, kind in (("first", "dense"), ("second", "pooled")):
        written(kind, tmp_path / name, name)
    sources = [f"{name}/{name}.v" for name in ("first", "second")]
    ports = "(input clk, rst); first a(.clk(clk), .rst(rst)); second b(.clk(clk), .rst(rst)); endmodule\n"
    (tmp_path / "both.v").write_text("module both" + ports)
    done = run("iverilog", "-g2005", "-s", "both", "-o", "both", "both.v", *sources, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@GHDL
def test_vhdl_takes_the_declaration(folder):
    place = folder("dense")
    high = re.search(r"i_payload : in std_logic_vector\((\d+) downto 0\)", (place / "net.vhd").read_text())[1]
    (place / "user.vhd").write_text(f"""
library ieee; use ieee.std_logic_1164.all; use work.net_component.all;
entity user is port (clk, rst, valid : in std_logic; done : out std_logic); end entity;
architecture structure of user is
  signal beat : std_logic_vector({high} downto 0);
begin
  circuit : net port map (clk => clk, rst => rst, i_payload => beat, i_valid => valid, i_ready => open,
                          o_payload => open, o_valid => done, o_ready => '1');
end architecture;
""")
    for file in ("net.vhd", "user.vhd"):
        done = run("ghdl", "-a", "--std=08", file, cwd=place)
        assert done.returncode == 0, done.stderr
    declared = re.findall(r"(\w+) : (in|out) std_logic(?:_vector\((\d+) downto 0\))?", (place / "net.vhd").read_text())
    text = (place / "net.v").read_text()
    for port, way, high in declared:
        assert f"  {way}put {f'[{high}:0] ' if high else ''}{port};" in text


@pytest.mark.parametrize(
    "name", ["1st", "a__b", "_a", "a_", "a-b", "a.b", "", "wire", "Signal", "entity", "logic", "é", "a" * 65, "a\n"]
)
def test_names_that_a_language_refuses(name, tmp_path):
    with pytest.raises(UserError, match="name"):
        check_name(name)
    with pytest.raises(UserError):
        emit.write(random_network((4, 3, 2)), tmp_path / "out", name=name)
    assert not (tmp_path / "out").exists()


def test_names_are_unique_whatever_their_case():
    names = Names()
    asked = ["a.b", "a_b", "A_B", "a_b_2", "wire", "a$1", "$1", "x[3]"]
    given = [names.take(name) for name in asked]
    assert len({name.lower() for name in given}) == len(asked)
    assert all(re.fullmatch(r"[A-Za-z]\w*", name) and name not in VERILOG for name in given)
    assert plain("o__payload.scores[3]") == "o_payload_scores_3"
    assert "process" in VHDL


@ICARUS
@pytest.mark.parametrize("names", [("a__b", "a_"), ("x", "x1"), ("module", "reg"), ("scan", "scan0_queue")])
def test_any_layer_name(names, tmp_path):
    layers = random_network((12, 5, 3)).layers
    layers = tuple(replace(layer, name=name, sources=()) for layer, name in zip(layers, names, strict=True))
    emit.write(replace(random_network((12, 5, 3)), layers=layers), tmp_path)
    built = run("iverilog", "-g2012", "-o", "bench", "accelerator.v", "accelerator_tb.v", "s2nn_bench.v", cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    assert run("vvp", "-n", "bench", cwd=tmp_path).stdout.startswith("PASS")


def test_hex_files_are_the_vectors(folder):
    place = folder("dense")
    with np.load(place / "vectors.npz") as arrays:
        classes, cycles = arrays["class"], arrays["cycles"]
    values = [int(line, 16) for line in (place / "vectors_results.hex").read_text().split()]
    fields = json.loads((place / "interface.json").read_text())["output"]["fields"]
    for name, expected in (("class", classes), ("cycles", cycles)):
        offset, width = fields[name]["offset"], fields[name]["width"]
        assert [value >> offset & (1 << width) - 1 for value in values] == expected.tolist()


def test_plan_of_a_board(tmp_path):
    made = network("mnist-tiny")
    emit.write(made, tmp_path, load_plan(MODELS / "mnist-tiny.icebreaker.plan.json", made), name="board")
    done = verilator("--lint-only", "-Wall", "board.vlt", "board.v", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
