"""The whole design on a board, synthesised as its build does it and not placed, kept by what it is made from."""

import hashlib
import json
import warnings
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.clocking import BoardTop, system_clock
from s2nn_hw.hw.flow import openxc7
from s2nn_hw.hw.flow.build import accelerator_design
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.steps import synthesis_options
from s2nn_hw.hw.flow.toolchain import builtin_yosys, find_tool, run_tool


def board_netlist(network, plan, board, output, *, tick=lambda _="": None):
    """Return the path of yosys's JSON netlist of ``network`` under ``plan`` on ``board``: link, clock and pins, too.

    It lies in a folder of its own below ``output``, named by a digest of design, script and tool; what is there already
    is not made again. ``tick()`` is called now and then. :class:`UserError`: yosys is missing or fails, or the board is
    of a family other than ECP5 and Xilinx 7 series.
    """
    if board.family not in ("ecp5", "xc7"):
        raise UserError(f"board {board.name} is {board.family}; paths are read on ecp5 and xc7, such as ulx3s, arty_a7")
    yosys = find_tool("yosys")  # refuses before a circuit is made that nobody would use
    clock_hz, settings = system_clock(board)
    files, arguments = _plan(BoardTop(accelerator_design(network, plan)(clock_hz, board.baud), board, settings), board)
    identity = json.dumps([yosys.version, arguments, files], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    folder = Path(output) / f"{network.name}-{board.name}-{digest}"
    netlist = folder / f"{TOP}.json"
    if not netlist.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        run_tool(
            yosys,
            arguments,
            folder=folder,
            log="synthesis.log",
            tick=tick,
            own_log=f"{TOP}.rpt",
            outputs=(netlist.name,),
        )
    return netlist


def _plan(top, board):
    """Return ``(files, yosys's arguments)`` of Amaranth's build plan for ``top``."""
    options = {} if board.family == "xc7" else {"synth_opts": synthesis_options(board)}
    with warnings.catch_warnings(), builtin_yosys():
        warnings.simplefilter("ignore")  # the Yosys beside Amaranth warns about its own packaging
        plan = board.create_platform().build(top, name=TOP, do_build=False, emit_src=False, **options)
    if board.family == "xc7":
        return {f"{TOP}.v": plan.files[f"{TOP}.v"]}, openxc7.synthesis_arguments()
    commands = json.loads(plan.files[f"build_{TOP}.json"])["commands"]
    return {name: plan.files[name] for name in (f"{TOP}.il", f"{TOP}.ys")}, commands[0][1:]
