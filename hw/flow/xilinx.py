"""The flows for Xilinx 7 series: Vivado, openXC7, or synthesis alone where neither is complete."""

import os
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from amaranth.hdl import Elaboratable

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board, check_budget
from s2nn_hw.hw.flow import openxc7
from s2nn_hw.hw.flow.half_luts import HalfLuts, count_half_luts
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.planned import Files, plan, write
from s2nn_hw.hw.flow.steps import run_open_tools, synthesise
from s2nn_hw.hw.flow.toolchain import INSTALL, Tick, Tool, find_path, find_tool
from s2nn_hw.hw.flow.toolreports import Timing, Usage, Utilization, vivado_clock, vivado_usage, xilinx_usage
from s2nn_hw.hw.flow.work import (
    STAT,
    ClockMissed,
    Flow,
    Netlists,
    Outcome,
    Step,
    ToolChoice,
    Work,
    refuse_slow,
    refuse_too_large,
    whole,
)

SLOW_PARSER = "slower textX parser"
BITSTREAM = f"{TOP}.bit"


def choose(netlists: Netlists, board: Board, choice: ToolChoice) -> Flow:
    """Return Vivado if it is on the PATH, else openXC7 if all of it is there, else synthesis alone."""
    if find_path("vivado"):
        return VivadoFlow(tools={"vivado": find_tool("vivado")}, netlists=netlists)
    part = openxc7.part_name(board.create_platform())
    databases, missing = openxc7.find_databases(part, choice.chipdb, choice.prjxray_db)
    missing = [f"tool {name} ({INSTALL[name]})" for name in openxc7.TOOLS if not find_path(name)] + missing
    names = ("yosys",) if missing else openxc7.TOOLS
    tools = {name: find_tool(name, native=choice.native) for name in names}
    if missing:
        return SynthesisFlow(tools=tools, netlists=netlists, databases=databases, missing=tuple(missing))
    return OpenXc7Flow(tools=tools, netlists=netlists, databases=databases)


def board_synthesis(board: Board, top: Elaboratable) -> tuple[Files, list[str]]:
    """Return ``(files, yosys's arguments)`` of the synthesis of ``top``, as of a build with open tools."""
    planned = plan(board.create_platform(), top)
    return {f"{TOP}.v": planned.files[f"{TOP}.v"]}, openxc7.synthesis_arguments()


class _XilinxFlow(Flow):
    """What the flows have in common: all that any of them reads is in the folder."""

    def prepare(self, work: Work, top: Elaboratable) -> Work:
        """Write Amaranth's plan for Vivado, and the same for openXC7; return ``work`` with Vivado's command."""
        platform = work.board.create_platform()
        planned = plan(platform, top)
        own: Files = {
            "run_vivado.sh": planned.script,
            "run_openxc7.sh": openxc7.shell_script(openxc7.part_name(platform), work.clock_mhz, work.seed),
            f"{TOP}_openxc7.xdc": openxc7.constraints(platform),
        }
        write(planned.files | own, work.folder)
        return work.with_commands(planned.commands)


class VivadoFlow(_XilinxFlow):
    """All by Vivado, as Amaranth plans it."""

    kind: ClassVar[str] = "vivado"

    def run(self, work: Work) -> Outcome:
        """Run Amaranth's Vivado plan; return the :class:`Outcome`."""
        ((tool, *arguments),), folder = work.commands, work.folder
        with work.narrator.stage("vivado", "synthesis, place and route, pack (vivado)") as tick:
            work.run(tool, arguments, tick, log="vivado.log", own_log=f"{TOP}.log", outputs=(BITSTREAM, f"{TOP}.bin"))
        reports = {}
        for name in ("timing", "utilization_place"):
            path = folder / f"{TOP}_{name}.rpt"
            if not path.is_file():
                raise UserError(f"vivado ended well but wrote no {path.name}; its log is {folder / TOP}.log")
            reports[name] = path.read_text(errors="replace")
        usage = vivado_usage(reports["utilization_place"])
        timing = Timing(vivado_clock(reports["timing"], work.clock_mhz))
        refuse_too_large(work.board, usage)
        try:
            refuse_slow(timing, folder)
        except ClockMissed:
            for name in (BITSTREAM, f"{TOP}.bin"):  # Vivado has packed already
                (folder / name).unlink(missing_ok=True)
            raise
        return Outcome(usage, timing, BITSTREAM)


class SynthesisFlow(_XilinxFlow):
    """yosys alone, with what nextpnr-xilinx would pack of its netlist."""

    kind: ClassVar[str] = "synthesis"

    def run(self, work: Work) -> Outcome:
        """Synthesise."""
        synthesised = synthesise(work)
        return Outcome(synthesised, synthesis=synthesised)

    def synthesis(self, work: Work) -> Step:
        """Return yosys's run."""
        return Step("yosys", openxc7.synthesis_arguments(), (f"{TOP}.json", STAT), "yosys, synth_xilinx")

    def packed(self, work: Work, netlist: Path, usage: Usage) -> Usage:
        """Return ``usage`` with what nextpnr-xilinx will pack in its detail."""
        return self.with_halves(usage, count_half_luts(netlist))

    def with_halves(self, usage: Usage, halves: HalfLuts) -> Usage:
        """Return ``usage`` with ``halves`` in its detail."""
        predicted = {"half_luts_predicted": halves.halves, "packed_luts_predicted": halves.luts}
        return replace(usage, detail=usage.detail | predicted)


class OpenXc7Flow(SynthesisFlow):
    """yosys, nextpnr-xilinx and Project X-Ray's tools."""

    kind: ClassVar[str] = "openxc7"

    def run(self, work: Work) -> Outcome:
        """Synthesise, place, route and pack."""
        return run_open_tools(work)

    def packed(self, work: Work, netlist: Path, usage: Usage) -> Usage:
        """Return ``usage`` with what nextpnr-xilinx will pack in its detail; that decides whether it fits."""
        halves = count_half_luts(netlist)
        usage = self.with_halves(usage, halves)
        check_budget(
            usage.counts() | {"luts": halves.sites},
            work.board,
            what="what nextpnr-xilinx makes of the netlist, its route-throughs included",
        )
        return usage

    def placement(self, work: Work) -> Step:
        """Return nextpnr-xilinx's run."""
        tool = "nextpnr-xilinx"
        report = _has_report(self.tools[tool])
        arguments = openxc7.place_arguments(self.found, work.clock_mhz, work.seed, report=report)
        return Step(tool, arguments, (f"{TOP}.fasm", f"{TOP}_routed.json"), tool, report)

    @property
    def found(self) -> openxc7.Databases:
        """The databases, without which there is no such flow."""
        assert self.databases is not None
        return self.databases

    def placed(self, work: Work, utilization: Utilization, synthesised: Usage) -> Usage:
        """Return the usage of the placed design."""
        return xilinx_usage(utilization, synthesised)

    def pack(self, work: Work) -> str:
        """Write the bitstream; return its name. It has another name until it is whole."""
        part = f"{BITSTREAM}.part"
        with work.narrator.stage("pack", "pack (fasm2frames, xc7frames2bit)") as tick:
            _fasm2frames(work, self.found, tick)
            arguments = openxc7.bitstream_arguments(self.found, part)
            work.run("xc7frames2bit", arguments, tick, log="pack.log", outputs=(part,))
        return whole(work, BITSTREAM)


def _fasm2frames(work: Work, databases: openxc7.Databases, tick: Tick) -> None:
    """Run fasm2frames, which says nothing until it is done: the size of its input stands for progress."""
    fasm, log, told = work.folder / f"{TOP}.fasm", work.folder / "pack.log", False
    with fasm.open("rb") as file:
        lines = sum(1 for _ in file)

    def say(_: str = "") -> None:
        nonlocal told
        if not told and SLOW_PARSER in log.read_text(errors="replace"):
            told = True
            work.narrator.say(
                "fasm2frames runs on the slow parser of fasm, which may take minutes; docs/boards.md "
                "says how to get the fast one"
            )
        tick(f"fasm2frames, {lines:,} lines, {fasm.stat().st_size / 1e6:.1f} MB")

    work.run("fasm2frames", openxc7.frames_arguments(databases), say, log="pack.log", output=f"{TOP}.frames")


def _has_report(tool: Tool) -> bool:
    """Whether this nextpnr-xilinx can write a JSON report; older builds can't and refuse the option."""
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            [tool.path, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
            env=dict(os.environ),
        )
        return "--report" in answer.stdout + answer.stderr
    return False
