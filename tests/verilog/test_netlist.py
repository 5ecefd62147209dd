"""yosys's netlists as records: what is read is written back as it was."""

import gc
import json
import subprocess

import pytest

from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.verilog.netlist import Cell, Design, Module, Name, module_of, reading

SOURCE = """
module part #(parameter WIDTH = 3) (input signed [WIDTH:1] i, output [0:2] o);
    assign o = i;
endmodule
(* top *) module whole(input clk, input signed [4:2] i, output reg [0:2] o, inout [7:7] pad);
    wire [2:0] named;
    part made(.i(i), .o(named));
    always @(posedge clk) o <= named + 1;
endmodule
"""


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    """Return what yosys writes of two modules with ranges, signs and parameters."""
    folder = tmp_path_factory.mktemp("netlist")
    (folder / "design.v").write_text(SOURCE)
    script = "read_verilog design.v; proc; write_json design.json"
    subprocess.run([find_tool("yosys").path, "-q", "-p", script], cwd=folder, check=True, capture_output=True)
    return json.loads((folder / "design.json").read_text())


def test_what_yosys_writes_comes_back_as_it_was(design):
    text = json.dumps(design)
    for top in ("whole", "part"):
        assert json.dumps(Design.of(design, top).to_json()) == text
    module = module_of(design, "whole")
    assert (module.ports["i"].offset, module.ports["i"].signed, module.ports["o"].upto) == (2, 1, 1)
    assert module.cells["made"].directions == {"i": "input", "o": "output"}
    assert module.cells["made"].inputs() == module.ports["i"].bits
    assert module_of(design, "part").parameters
    assert not module.names["named"].hidden


def test_yosys_reads_what_is_written(design, tmp_path):
    made = Design.of(design, "whole")
    made.module.cells["more"] = made.module.cells["made"].copy()
    made.module.names["word"] = Name(["0", "1"])
    (tmp_path / "design.json").write_text(json.dumps(made.to_json()))
    script = "read_json design.json; write_json again.json"
    subprocess.run([find_tool("yosys").path, "-q", "-p", script], cwd=tmp_path, check=True, capture_output=True)
    again = module_of(json.loads((tmp_path / "again.json").read_text()), "whole")
    assert set(again.cells) == set(made.module.cells)
    assert again.names["word"] == Name(["0", "1"])


def test_a_copy_has_pins_of_its_own():
    cell = Cell("LUT1", {"I0": [2], "O": [3]}, {"I0": "input", "O": "output"}, {"INIT": "10"}, {"keep": "1"})
    other = cell.copy()
    assert other == cell
    other.pins["O"][0], other.parameters["INIT"] = 4, "01"
    assert (cell.bit("O"), cell.parameters) == (3, {"INIT": "10"})
    assert cell.marked(["keep", "LOC"])
    assert not cell.marked(["LOC"])


@pytest.mark.parametrize("data", [{}, {"modules": {"other": {}}}, [], {"modules": {"top": {"cells": {}}}}])
def test_what_has_no_whole_module_is_refused(data):
    with pytest.raises((KeyError, TypeError)):
        module_of(data, "top")
    with pytest.raises((KeyError, TypeError)):
        Design.of(data, "top")


def test_garbage_is_looked_for_again_after_reading():
    def fail():
        with reading():
            assert not gc.isenabled()
            Module.of({})

    assert gc.isenabled()
    with pytest.raises(KeyError):
        fail()
    assert gc.isenabled()
