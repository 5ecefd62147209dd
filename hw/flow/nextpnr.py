"""The flow of yosys, nextpnr and a packer, all of whose commands Amaranth plans."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from amaranth.build import Platform
from amaranth.hdl import Elaboratable

from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.flow.openxc7 import TOP
from s2nn_hw.hw.flow.planned import Files, plan, write
from s2nn_hw.hw.flow.steps import NEXTPNR_REPORT, run_open_tools
from s2nn_hw.hw.flow.toolchain import find_tool
from s2nn_hw.hw.flow.toolreports import Usage, Utilization, nextpnr_usage, yosys_cells
from s2nn_hw.hw.flow.work import STAT, Flow, Netlists, Outcome, Step, ToolChoice, Work, whole
from s2nn_hw.hw.netlist.primitives import Weights

# the whole design as Verilog beside the netlist, from the copy that synthesis does not see
VERILOG_SCRIPT = (
    "design -push-copy",
    "proc -nomux -norom",
    "memory_collect",
    f"write_verilog -noattr {TOP}.v",
    "design -pop",
)
Commands = Sequence[list[str]]


def as_planned(platform: Platform, planned: Commands, clock_mhz: float, seed: int) -> Commands:
    """Return the commands that Amaranth ``planned``."""
    return planned


@dataclass(frozen=True)
class Nextpnr:
    """What differs between families that Amaranth plans for nextpnr.

    ``tools``     yosys, nextpnr and the packer
    ``products``  netlist, placed and routed design, bitstream
    ``options``   a function ``(device) -> words``: yosys's options beside those that Amaranth gives
    ``bels``      of nextpnr's utilization table, and how much of each resource one takes
    ``placer``    options of nextpnr's placer
    ``commands``  a function ``(platform, planned, clock_mhz, seed) -> commands`` that has the last word on the three
    """

    tools: tuple[str, str, str]
    products: tuple[str, str, str]
    options: Callable[[str], list[str]]
    bels: Weights
    placer: tuple[str, ...] = ()
    commands: Callable[[Platform, Commands, float, int], Commands] = as_planned

    def choose(self, netlists: Netlists, board: Board, choice: ToolChoice) -> "NextpnrFlow":
        """Return the flow for ``board`` with the tools of this machine; a missing tool is named."""
        tools = {name: find_tool(name, native=choice.native) for name in self.tools}
        return NextpnrFlow(tools=tools, netlists=netlists, of=self)

    def board_synthesis(self, board: Board, top: Elaboratable) -> tuple[Files, list[str]]:
        """Return ``(files, yosys's arguments)`` of the synthesis of ``top``, as of a build."""
        planned = plan(board.create_platform(), top, synth_opts=self.options(board.device))
        return {name: planned.files[name] for name in (f"{TOP}.il", f"{TOP}.ys")}, planned.commands[0][1:]


@dataclass(frozen=True, kw_only=True)
class NextpnrFlow(Flow):
    """The flow; ``of``: what its family does."""

    kind: ClassVar[str] = "nextpnr"
    of: Nextpnr

    def prepare(self, work: Work, top: Elaboratable) -> Work:
        """Write Amaranth's build plan for ``top``; return ``work`` with its commands."""
        platform = work.board.create_platform()
        place = ["--report", NEXTPNR_REPORT, "--freq", f"{work.clock_mhz:g}", "--seed", str(work.seed)]
        planned = plan(
            platform,
            top,
            nextpnr_opts=[*place, "--timing-allow-fail", *self.of.placer],
            script_after_read="\n".join(VERILOG_SCRIPT),
            script_after_synth=f"tee -q -o {STAT} stat -json",
            synth_opts=self.of.options(work.board.device),
        )
        write(planned.files, work.folder)
        return work.with_commands(self.of.commands(platform, planned.commands, work.clock_mhz, work.seed))

    def run(self, work: Work) -> Outcome:
        """Synthesise, place, route and pack."""
        return run_open_tools(work)

    def synthesis(self, work: Work) -> Step:
        """Return yosys's run."""
        tool, *arguments = work.commands[0]
        return Step(tool, arguments, (self.of.products[0], STAT), "yosys")

    def placement(self, work: Work) -> Step:
        """Return nextpnr's run."""
        tool, *arguments = work.commands[1]
        return Step(tool, arguments, (self.of.products[1],), tool)

    def placed(self, work: Work, utilization: Utilization, synthesised: Usage) -> Usage:
        """Return the usage of the placed design."""
        return nextpnr_usage(self.of.bels, self.netlists.library, utilization, yosys_cells(work.folder / STAT))

    def pack(self, work: Work) -> str:
        """Write the bitstream; return its name. It has another name until it is whole."""
        (tool, *arguments), product = work.commands[2], self.of.products[2]
        part = f"{product}.part"
        words = [part if word == product else word for word in arguments]
        with work.narrator.stage("pack", f"pack ({tool})") as tick:
            work.run(tool, words, tick, log="pack.log", outputs=(part, f"{TOP}.svf"))
        return whole(work, product)
