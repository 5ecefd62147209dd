"""The steps of each flow, one function each: what is run, in which order, and what is read from the tools' reports."""

import json
import os
import subprocess
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.boards import Board, check_budget
from s2nn_hw.hw.flow import gowin, openxc7
from s2nn_hw.hw.flow.half_luts import count_half_luts
from s2nn_hw.hw.flow.ice_cells import count_logic_cells
from s2nn_hw.hw.flow.nextpnr_log import log_clocks, log_critical_path, log_utilization
from s2nn_hw.hw.flow.progress import Watch
from s2nn_hw.hw.flow.toolchain import INSTALL, Narrator, builtin_yosys, find_path, find_tool, run_tool
from s2nn_hw.hw.flow.toolreports import (
    Timing,
    Usage,
    nextpnr_report,
    nextpnr_usage,
    synthesis_usage,
    vivado_clock,
    vivado_usage,
    xilinx_usage,
    yosys_cells,
)
from s2nn_hw.hw.netlist.fanout import spread_file
from s2nn_hw.hw.netlist.output_registers import absorb_file
from s2nn_hw.hw.netlist.shorten import shorten_file

TOP = openxc7.TOP
NEXTPNR_LOG = f"{TOP}.tim"
# by density, not the default one: wires find their way sooner, the clock depends less on the seed (docs/boards.md)
PLACER = {"ecp5": ("--placer", "static")}
# A placement that estimates less than this share of the clock is not routed. Routing gained 4 % on Artix, where it is
# what takes long, and 3 to 40 % on ECP5; Gowin's estimate is a quarter too high and says nothing (docs/boards.md).
FAR = {"xc7": 0.95, "ecp5": 0.70, "ice40": 0.80, "gowin": 0.0}
# families whose netlists get copies of busy drivers: on the others busy enables and resets go over global nets
SPREAD = ("ecp5", "xc7")
ABSORB = ("xc7",)  # where block RAM takes the register behind it (hw/netlist/output_registers.py)
SHORTEN = ("xc7",)  # where LUTs of long chains are merged (hw/netlist/shorten.py)
SLOW_PARSER = "slower textX parser"
# by family: netlist, placed and routed design, bitstream
PRODUCTS = {
    "ecp5": (f"{TOP}.json", f"{TOP}.config", f"{TOP}.bit"),
    "ice40": (f"{TOP}.json", f"{TOP}.asc", f"{TOP}.bin"),
    "gowin": (f"{TOP}.syn.json", f"{TOP}.pnr.json", f"{TOP}.fs"),
}
# the whole design as Verilog beside the netlist, from the copy that synthesis does not see
VERILOG_SCRIPT = (
    "design -push-copy",
    "proc -nomux -norom",
    "memory_collect",
    f"write_verilog -noattr {TOP}.v",
    "design -pop",
)


@dataclass(frozen=True)
class Flow:
    """How a board's design is built here: ``kind``, the tools by name, and what is ``missing`` for a bitstream."""

    kind: str
    tools: dict
    databases: openxc7.Databases | None = None
    missing: tuple = ()


@dataclass(frozen=True)
class Work:
    """One try at a build, as its steps need it.

    ``commands``: of Amaranth's plan, from :func:`prepare`. ``minutes``: what a tool may take, None for no limit.
    ``early``: a placement that is far from the clock ends the try before its routing.
    """

    board: Board
    flow: Flow
    folder: Path
    narrator: Narrator
    clock_mhz: float
    seed: int
    minutes: float | None = None
    early: bool = False
    commands: list = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What the steps left: usage, timing (None before placement) and the bitstream's name (None without one).

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


def prepare(work, top):
    """Write the build plan of Amaranth's platform for ``top`` into the folder; return ``work`` with its commands."""
    board, clock_mhz, seed = work.board, work.clock_mhz, work.seed
    platform = board.create_platform()
    overrides = {
        "nextpnr_opts": [
            "--report",
            f"{TOP}_nextpnr.json",
            "--freq",
            f"{clock_mhz:g}",
            "--seed",
            str(seed),
            "--timing-allow-fail",
            *PLACER.get(board.family, ()),
        ],
        "script_after_read": "\n".join(VERILOG_SCRIPT),
        "script_after_synth": f"tee -q -o {TOP}_stat.json stat -json",
        "synth_opts": synthesis_options(board),
    }
    with warnings.catch_warnings(), builtin_yosys():
        warnings.simplefilter("ignore")  # the Yosys beside Amaranth warns about its own packaging
        plan = platform.build(
            top, name=TOP, do_build=False, emit_src=False, **({} if board.family == "xc7" else overrides)
        )
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
        path = work.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if name.endswith(".sh"):
            path.chmod(0o755)
    return replace(work, commands=commands)


class ClockMissed(UserError):
    """A clock that was not reached: ``timing``, and ``after`` which step it was known."""

    def __init__(self, timing, after, folder):
        self.timing, self.after = timing, after
        self.name, self.reached_mhz, self.wanted_mhz = timing.slowest()
        path = f"; critical path: {timing.critical}" if timing.critical else ""
        super().__init__(
            f"clock missed: {self.reached_mhz:.2f} MHz reached after {after}, {self.wanted_mhz:g} MHz "
            f"wanted ({self.name}){path}; ask for a lower clock with --freq or try another --seed; the "
            f"logs are in {folder}"
        )

    @property
    def share(self):
        """The part of the wanted clock that was reached."""
        return self.reached_mhz / self.wanted_mhz


def run(work):
    """Take prepared ``work`` through the steps of its flow; return the :class:`Outcome`.

    :class:`ClockMissed` if the clock is missed, :class:`UserError` for whatever else ends a step.
    """
    if work.flow.kind == "vivado":
        return run_vivado(work)
    synthesised = synthesise(work)
    if work.flow.kind == "synthesis":
        return Outcome(synthesised, synthesis=synthesised)
    usage, timing = place_and_route(work, synthesised)
    return Outcome(usage, timing, pack(work), synthesised)


def synthesise(work):
    """Run yosys; return the :class:`Usage` of the netlist. What no placement could fit is refused."""
    if work.flow.kind == "nextpnr":
        (tool, *arguments), netlist, what = work.commands[0], PRODUCTS[work.board.family][0], "yosys"
    else:
        tool, arguments, netlist, what = "yosys", openxc7.synthesis_arguments(), f"{TOP}.json", "yosys, synth_xilinx"
    with work.narrator.stage("synthesis", f"synthesis ({what})") as tick:
        _tool(
            work,
            tool,
            arguments,
            tick,
            log="synthesis.log",
            own_log=f"{TOP}.rpt",
            outputs=(netlist, f"{TOP}_stat.json"),
        )
        changes = change_netlist(work.folder / netlist, work.board.family)
    for change in changes:
        work.narrator.say(str(change))
    return count_netlist(work, netlist, changes)


def change_netlist(path, family):
    """Do with yosys's netlist what it does not do itself; return the records of what was changed."""
    passes = ((absorb_file, ABSORB), (shorten_file, SHORTEN), (spread_file, SPREAD))
    return [change(path, family) for change, families in passes if family in families]


def count_netlist(work, netlist, changes):
    """Return the :class:`Usage` of the netlist that placement will get, with its ``changes`` since synthesis; refuse it
    if it can't fit.

    For Artix its detail says what nextpnr-xilinx will pack, which decides where that is what will place it.
    """
    added = Counter()
    for change in changes:
        added.update(change.cells(work.board.family))
    usage = synthesis_usage(work.board.family, work.folder / f"{TOP}_stat.json", added=added)
    usage = replace(usage, detail=usage.detail | {"changes": [change.to_json() for change in changes]})
    if work.board.family == "ice40":
        usage = replace(usage, detail=usage.detail | {"luts_at_least": count_logic_cells(work.folder / netlist)})
    refuse_too_large(work.board, usage)
    if work.board.family == "xc7":
        halves = count_half_luts(work.folder / netlist)
        usage = replace(
            usage, detail=usage.detail | {"half_luts_predicted": halves.halves, "packed_luts_predicted": halves.luts}
        )
        if work.flow.kind == "openxc7":
            check_budget(
                usage.counts() | {"luts": halves.sites},
                work.board,
                what="what nextpnr-xilinx makes of the netlist, its route-throughs included",
            )
    return usage


def place_and_route(work, synthesised):
    """Run nextpnr; return ``(usage, timing)`` of the routed design. A missed clock is :class:`ClockMissed`."""
    if work.flow.kind == "nextpnr":
        tool, *arguments = work.commands[1]
        report, outputs = True, (PRODUCTS[work.board.family][1],)
    else:
        tool, report = "nextpnr-xilinx", _has_report(work.flow.tools["nextpnr-xilinx"])
        arguments = openxc7.place_arguments(work.flow.databases, work.clock_mhz, work.seed, report=report)
        outputs = (f"{TOP}.fasm", f"{TOP}_routed.json")
    with suppress(OSError):
        (work.folder / NEXTPNR_LOG).unlink()

    def placed(timing):
        _, estimated, wanted = timing.slowest()
        work.narrator.say(f"placed: {estimated:.1f} MHz estimated, {wanted:g} MHz wanted")
        if work.early and estimated < FAR[work.board.family] * wanted:
            raise ClockMissed(timing, "placement", work.folder)

    with work.narrator.stage("place", f"place and route ({tool})") as tick:
        _tool(
            work,
            tool,
            arguments,
            tick,
            log="place.log",
            own_log=NEXTPNR_LOG,
            outputs=(*outputs, f"{TOP}_nextpnr.json"),
            watch=Watch(tool, work.folder / NEXTPNR_LOG, placed),
        )
    utilization, timing = read_nextpnr(work.folder, report)
    if work.board.family == "xc7":
        usage = xilinx_usage(utilization, synthesised)
    else:
        usage = nextpnr_usage(work.board.family, utilization, yosys_cells(work.folder / f"{TOP}_stat.json"))
    check_budget(usage.counts(), work.board, what=usage.source)
    refuse_slow(timing, work.folder)
    return usage, timing


def read_nextpnr(folder, report):
    """Return nextpnr's ``(utilization, timing)``: from its report if it writes one, what that lacks from its log."""
    logs = [folder / NEXTPNR_LOG, folder / "place.log"]
    text = next(path for path in logs if path.exists()).read_text(errors="replace")
    if not report:
        return log_utilization(text), Timing(log_clocks(text), log_critical_path(text))
    utilization, timing = nextpnr_report(folder / f"{TOP}_nextpnr.json")
    # nextpnr-xilinx writes an empty list of paths
    return utilization, timing if timing.critical else replace(timing, critical=log_critical_path(text))


def pack(work):
    """Write the bitstream; return its name. It has another name until it is whole."""
    if work.flow.kind == "nextpnr":
        (tool, *arguments), product = work.commands[2], PRODUCTS[work.board.family][2]
        part = f"{product}.part"
        with work.narrator.stage("pack", f"pack ({tool})") as tick:
            _tool(
                work,
                tool,
                [part if word == product else word for word in arguments],
                tick,
                log="pack.log",
                outputs=(part, f"{TOP}.svf"),
            )
    else:
        product, part = f"{TOP}.bit", f"{TOP}.bit.part"
        with work.narrator.stage("pack", "pack (fasm2frames, xc7frames2bit)") as tick:
            _fasm2frames(work, tick)
            arguments = openxc7.bitstream_arguments(work.flow.databases, part)
            _tool(work, "xc7frames2bit", arguments, tick, log="pack.log", outputs=(part,))
    whole = work.folder / part
    if not whole.is_file() or not whole.stat().st_size:
        raise UserError(f"{work.flow.kind}: pack ended well but wrote no bitstream; its log is {work.folder}/pack.log")
    whole.replace(work.folder / product)
    return product


def _fasm2frames(work, tick):
    """Run fasm2frames, which says nothing until it is done: the size of its input stands for progress."""
    fasm, log, told = work.folder / f"{TOP}.fasm", work.folder / "pack.log", False
    with fasm.open("rb") as file:
        lines = sum(1 for _ in file)

    def say(_=""):
        nonlocal told
        if not told and SLOW_PARSER in log.read_text(errors="replace"):
            told = True
            work.narrator.say(
                "fasm2frames runs on the slow parser of fasm, which may take minutes; docs/boards.md "
                "says how to get the fast one"
            )
        tick(f"fasm2frames, {lines:,} lines, {fasm.stat().st_size / 1e6:.1f} MB")

    _tool(
        work, "fasm2frames", openxc7.frames_arguments(work.flow.databases), say, log="pack.log", output=f"{TOP}.frames"
    )


def run_vivado(work):
    """Run Amaranth's Vivado plan; return the :class:`Outcome`."""
    ((tool, *arguments),), folder = work.commands, work.folder
    with work.narrator.stage("vivado", "synthesis, place and route, pack (vivado)") as tick:
        _tool(work, tool, arguments, tick, log="vivado.log", own_log=f"{TOP}.log", outputs=(f"{TOP}.bit", f"{TOP}.bin"))
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
        for name in (f"{TOP}.bit", f"{TOP}.bin"):  # Vivado has packed already
            (folder / name).unlink(missing_ok=True)
        raise
    return Outcome(usage, timing, f"{TOP}.bit")


def _tool(work, name, arguments, tick, **files):
    run_tool(work.flow.tools[name], arguments, folder=work.folder, tick=tick, minutes=work.minutes, **files)


def _has_report(tool):
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


def refuse_too_large(board, usage):
    """Refuse a synthesised design that no placement can fit; Artix tools would place a 35T's on the 50T's fabric."""
    counts = usage.counts() | {"luts": usage.detail.get("luts_at_least", usage.luts)}
    check_budget(counts, board, what=usage.source)


def refuse_slow(timing, folder):
    """:class:`ClockMissed` with the critical path if a clock of the routed design is missed."""
    worst = timing.slowest()
    if worst is None:
        raise UserError(f"place and route named no clock; its log is in {folder}")
    if worst[1] < worst[2]:
        raise ClockMissed(timing, "routing", folder)
