"""The whole design on a board, synthesised as its build does it and not placed, kept by what it is made from."""

import hashlib
import json
from pathlib import Path

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.clocking import BoardTop, system_clock
from s2nn_hw.hw.family import FLOWS
from s2nn_hw.hw.flow.designs import accelerator_design
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.toolchain import Tick, ToolFiles, find_tool, run_tool
from s2nn_hw.network.network import Network


def board_netlist(
    network: Network, plan: Plan, board: Board, output: Path | str, *, tick: Tick = lambda _="": None
) -> Path:
    """Return the path of yosys's JSON netlist of ``network`` under ``plan`` on ``board``: link, clock and pins, too.

    It lies in a folder of its own below ``output``, named by a digest of design, script and tool; what is there already
    is not made again. ``tick()`` is called now and then. :class:`UserError`: yosys is missing or fails, or the board is
    of a family other than ECP5 and Xilinx 7 series.
    """
    synthesis = FLOWS[board.family].board_synthesis
    if synthesis is None:
        read = {family: flow.example for family, flow in FLOWS.items() if flow.board_synthesis}
        raise UserError(
            f"board {board.name} is {board.family}; paths are read on {' and '.join(read)}, such as "
            f"{', '.join(read.values())}"
        )
    yosys = find_tool("yosys")  # refuses before a circuit is made that nobody would use
    clock_hz, settings = system_clock(board)
    top = BoardTop(accelerator_design(network, plan)(clock_hz, board.baud), board, settings)
    files, arguments = synthesis(board, top)
    identity = json.dumps([yosys.version, arguments, files], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    folder = Path(output) / f"{network.name}-{board.name}-{digest}"
    netlist = folder / f"{TOP}.json"
    if not netlist.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text if isinstance(text, str) else text.decode())
        run_tool(
            yosys,
            arguments,
            ToolFiles(folder, "synthesis.log", own_log=f"{TOP}.rpt", outputs=(netlist.name,)),
            tick=tick,
        )
    return netlist
