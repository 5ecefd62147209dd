"""The stages of each flow: what is run, in which order, and what is read from the tools' reports."""

import json
import os
import subprocess
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from s2nn_hw.emit import builtin_yosys
from s2nn_hw.errors import UserError

from . import gowin, openxc7
from .boards import check_budget
from .toolchain import INSTALL, find_path, find_tool, run_tool
from .toolreports import (
    Timing,
    Usage,
    nextpnr_log_clocks,
    nextpnr_log_utilization,
    nextpnr_report,
    nextpnr_usage,
    synthesis_usage,
    vivado_clock,
    vivado_usage,
    yosys_cells,
)

TOP = openxc7.TOP
# by family: netlist, placed and routed design, bitstream
PRODUCTS = {
    "ecp5": (f"{TOP}.json", f"{TOP}.config", f"{TOP}.bit"),
    "ice40": (f"{TOP}.json", f"{TOP}.asc", f"{TOP}.bin"),
    "gowin": (f"{TOP}.syn.json", f"{TOP}.pnr.json", f"{TOP}.fs"),
}
# the whole design as Verilog beside the netlist, from the copy that synthesis does not see
VERILOG_SCRIPT = (
    "design -push-copy", "proc -nomux -norom", "memory_collect", f"write_verilog -noattr {TOP}.v", "design -pop",
)


@dataclass(frozen=True)
class Flow:
    """How a board's design is built here: ``kind``, the tools by name, and what is ``missing`` for a bitstream."""

    kind: str
    tools: dict
    databases: openxc7.Databases | None = None
    missing: tuple = ()


@dataclass(frozen=True)
class Outcome:
    """What the stages left: usage, timing (None before placement) and the bitstream's name (None without one).

    ``synthesis``: the usage before placement, None if the tool does not say.
    """

    usage: Usage
    timing: Timing | None = None
    bitstream: str | None = None
    synthesis: Usage | None = None


def choose_flow(board, *, native=False, chipdb=None, prjxray_db=None):
    """Return the :class:`Flow` for ``board`` with the tools of this machine; a missing tool is named.

    Artix: Vivado if it is on the PATH, else openXC7 if all of it is there, else synthesis alone.
    """
    if board.family == "ecp5":
        names = ("yosys", "nextpnr-ecp5", "ecppack")
    elif board.family == "ice40":
        names = ("yosys", "nextpnr-ice40", "icepack")
    elif board.family == "gowin":
        names = gowin.TOOLS
    elif find_path("vivado"):
        return Flow("vivado", {"vivado": find_tool("vivado")})
    else:
        databases, missing = openxc7.find_databases(openxc7.part_name(board.create_platform()), chipdb, prjxray_db)
        missing = [f"tool {name} ({INSTALL[name]})" for name in openxc7.TOOLS if not find_path(name)] + missing
        names = ("yosys",) if missing else openxc7.TOOLS
        kind = "synthesis" if missing else "openxc7"
        tools = {name: find_tool(name, native=native) for name in names}
        return Flow(kind, tools, databases, tuple(missing))
    return Flow("nextpnr", {name: find_tool(name, native=native) for name in names})


def synthesis_options(board):
    """Return yosys's options for the family and the kind of device of ``board``, beside those that Amaranth gives."""
    if board.family == "ice40":
        kinds = {"UP": "u", "LP": "lp", "HX": "hx"}  # after "iCE40"
        return ["-abc9", "-device", kinds[board.device[5:7]]]
    if board.family == "ecp5":
        return ["-abc9", "-nodsp"]
    if board.family == "gowin":
        # abc9 is always run here; with multiplexers for wide functions, small tables take far more LUTs
        return ["-family", board.device[:4].lower(), "-nowidelut"]
    return ["-abc9"]


def prepare(board, top, folder, *, clock_mhz, seed):
    """Write the build plan of Amaranth's platform for ``top`` into ``folder``; return its commands (lists of words)."""
    platform = board.create_platform()
    overrides = {
        "nextpnr_opts": ["--report", f"{TOP}_nextpnr.json", "--freq", f"{clock_mhz:g}", "--seed", str(seed),
                         "--timing-allow-fail"],
        "script_after_read": "\n".join(VERILOG_SCRIPT),
        "script_after_synth": f"tee -q -o {TOP}_stat.json stat -json",
        "synth_opts": synthesis_options(board),
    }
    with warnings.catch_warnings(), builtin_yosys():
        warnings.simplefilter("ignore")  # the Yosys beside Amaranth warns about its own packaging
        plan = platform.build(top, name=TOP, do_build=False, emit_src=False,
                              **({} if board.family == "xc7" else overrides))
    files = {name: text for name, text in plan.files.items() if not name.endswith((".bat", ".debug.v"))}
    commands = json.loads(files.pop(f"build_{TOP}.json"))["commands"]
    script = files.pop(f"build_{TOP}.sh")
    if board.family == "gowin":
        commands = gowin.commands(platform, commands, clock_mhz, seed)
    if board.family == "xc7":
        files["run_vivado.sh"] = script
        files["run_openxc7.sh"] = openxc7.shell_script(openxc7.part_name(platform), clock_mhz, seed)
        files[f"{TOP}_openxc7.xdc"] = openxc7.constraints(platform)
    for name, content in files.items():
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name.endswith(".sh"):
            path.chmod(0o755)
    return commands


def refuse_too_large(board, usage):
    """Refuse a synthesised design that no placement can fit; Artix tools would place a 35T's on the 50T's fabric."""
    counts = usage.counts() | {"luts": usage.detail.get("luts_at_least", usage.luts)}
    check_budget(counts, board, what=usage.source)


def run_nextpnr(board, flow, commands, folder, narrator):
    """Run the three commands of the plan for ECP5, iCE40 or Gowin; return the :class:`Outcome`."""
    netlist, layout, product = PRODUCTS[board.family]
    synthesis, place, pack = commands

    def run(command, stage, text, own_log=None, outputs=()):
        with narrator.stage(stage, text) as tick:
            run_tool(flow.tools[command[0]], command[1:], folder=folder, log=f"{stage}.log", tick=tick,
                     own_log=own_log, outputs=outputs)

    run(synthesis, "synthesis", f"synthesis ({synthesis[0]})", f"{TOP}.rpt", (netlist, f"{TOP}_stat.json"))
    synthesised = synthesis_usage(board.family, folder / f"{TOP}_stat.json")
    refuse_too_large(board, synthesised)
    run(place, "place", f"place and route ({place[0]})", f"{TOP}.tim", (layout, f"{TOP}_nextpnr.json"))
    utilization, timing = nextpnr_report(folder / f"{TOP}_nextpnr.json")
    usage = nextpnr_usage(board.family, utilization, yosys_cells(folder / f"{TOP}_stat.json"))
    refuse_too_large(board, usage)
    refuse_slow(timing, folder)
    run(pack, "pack", f"pack ({pack[0]})", None, (product, f"{TOP}.svf"))
    return Outcome(usage, timing, product, synthesised)


def run_synthesis(board, flow, folder, narrator):
    """Synthesise for Artix with yosys alone; return the :class:`Outcome` without timing and bitstream."""
    with narrator.stage("synthesis", "synthesis (yosys, synth_xilinx)") as tick:
        run_tool(flow.tools["yosys"], openxc7.synthesis_arguments(), folder=folder, log="synthesis.log", tick=tick,
                 own_log=f"{TOP}.rpt", outputs=(f"{TOP}.json", f"{TOP}_stat.json"))
    usage = synthesis_usage(board.family, folder / f"{TOP}_stat.json")
    refuse_too_large(board, usage)
    return Outcome(usage, synthesis=usage)


def run_openxc7(board, flow, folder, narrator, *, clock_mhz, seed):
    """Synthesise, place, route and pack for Artix with openXC7; return the :class:`Outcome`."""
    usage = run_synthesis(board, flow, folder, narrator).usage
    place, log = flow.tools["nextpnr-xilinx"], folder / f"{TOP}.tim"
    with suppress(OSError):
        log.unlink()
    report = _has_report(place)
    with narrator.stage("place", "place and route (nextpnr-xilinx)") as tick:
        run_tool(place, openxc7.place_arguments(flow.databases, clock_mhz, seed, report=report), folder=folder,
                 log="place.log", tick=tick, own_log=log.name, outputs=(f"{TOP}.fasm", f"{TOP}_routed.json"))
    if report:
        utilization, timing = nextpnr_report(folder / f"{TOP}_nextpnr.json")
    else:
        text = log.read_text(errors="replace") if log.exists() else (folder / "place.log").read_text(errors="replace")
        utilization, timing = nextpnr_log_utilization(text), Timing(nextpnr_log_clocks(text))
    halves = utilization.get("SLICE_LUTX", {}).get("used")
    if halves is not None:  # nextpnr-xilinx counts half-LUTs, two to a LUT6
        usage = Usage(**usage.counts(), source=usage.source, detail=usage.detail | {"half_luts": halves})
        check_budget({"luts": halves / 2}, board, what="nextpnr-xilinx, half-LUTs / 2")
    refuse_slow(timing, folder)
    with narrator.stage("pack", "pack (fasm2frames, xc7frames2bit)") as tick:
        run_tool(flow.tools["fasm2frames"], openxc7.frames_arguments(flow.databases), folder=folder, log="pack.log",
                 tick=tick, output=f"{TOP}.frames")
        run_tool(flow.tools["xc7frames2bit"], openxc7.bitstream_arguments(flow.databases), folder=folder,
                 log="pack.log", tick=tick, outputs=(f"{TOP}.bit",))
    return Outcome(usage, timing, f"{TOP}.bit", usage)


def _has_report(tool):
    """Whether this nextpnr-xilinx can write a JSON report; older builds can't and refuse the option."""
    with suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run([tool.path, "--help"], capture_output=True, text=True, timeout=60, check=False,
                                stdin=subprocess.DEVNULL, env=dict(os.environ))
        return "--report" in answer.stdout + answer.stderr
    return False


def run_vivado(board, flow, commands, folder, narrator, *, clock_mhz):
    """Run Amaranth's Vivado plan; return the :class:`Outcome`."""
    (command,) = commands
    with narrator.stage("vivado", "synthesis, place and route, pack (vivado)") as tick:
        run_tool(flow.tools["vivado"], command[1:], folder=folder, log="vivado.log", tick=tick,
                 own_log=f"{TOP}.log", outputs=(f"{TOP}.bit", f"{TOP}.bin"))
    reports = {}
    for name in ("timing", "utilization_place"):
        path = folder / f"{TOP}_{name}.rpt"
        if not path.is_file():
            raise UserError(f"vivado ended well but wrote no {path.name}; its log is {folder / TOP}.log")
        reports[name] = path.read_text(errors="replace")
    usage, timing = vivado_usage(reports["utilization_place"]), Timing(vivado_clock(reports["timing"], clock_mhz))
    refuse_too_large(board, usage)
    refuse_slow(timing, folder)
    return Outcome(usage, timing, f"{TOP}.bit")


def refuse_slow(timing, folder):
    """:class:`UserError` with the critical path if a clock is missed."""
    worst = timing.slowest()
    if worst is None:
        raise UserError(f"place and route named no clock; its log is in {folder}")
    name, reached, wanted = worst
    if reached < wanted:
        path = f"; critical path: {timing.critical}" if timing.critical else ""
        raise UserError(f"clock missed: {reached:.2f} MHz reached, {wanted:g} MHz wanted ({name}){path}; ask for a "
                        f"lower clock with --freq or try another --seed; the logs are in {folder}")
