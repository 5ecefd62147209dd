"""What the room needs to know of a device family: the contract of the files beside this one.

A family is a file of data in :mod:`s2nn_hw.family`, a file here, and a line in the table of each. Nothing else compares
families' names. What the files here are put together from (``hw/netlist``, ``hw/flow`` up to the flows themselves, the
records in ``hw/board``) knows no family; what asks :data:`s2nn_hw.hw.family.FLOWS` comes after them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.hdl import Elaboratable

from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.device import Device
from s2nn_hw.hw.board.pll import ClockSource
from s2nn_hw.hw.flow.planned import Files
from s2nn_hw.hw.flow.work import Flow, Netlists, ToolChoice
from s2nn_hw.hw.netlist.primitives import CellLibrary


@dataclass(frozen=True)
class PartSynthesis:
    """yosys's commands for a part of a design, without pads and clock buffers.

    ``component``    the command that maps a component to compare counts, ``{top}`` for its module
    ``flatten``      what that needs to be flat, with a space before it
    ``accelerator``  a function ``(device, top) -> command``: the accelerator as in a build for a board
    ``models``       yosys's folder of the cells' simulation models, None if netlists can't be simulated
    ``definitions``  what these want defined
    """

    component: str
    flatten: str = ""
    accelerator: Callable[[str, str], str] | None = None
    models: str | None = None
    definitions: tuple[str, ...] = ()


@dataclass(frozen=True)
class FamilyFlow:
    """How designs are built for a device family.

    ``devices_title``    the family's devices, in messages
    ``devices``          that can be built for
    ``bitstream``        the name of the file that is loaded
    ``clock``            how the system clock is made
    ``netlists``         the cells, and what is done to yosys's netlists
    ``choose``           a function ``(netlists, board, choice) -> flow``, with the tools of this machine
    ``parts``            synthesis without a board around it
    ``board_synthesis``  a function ``(board, top) -> (files, yosys's arguments)`` of a whole design that is not placed,
                         None if its paths can't be read
    ``example``          a board for messages about that
    ``logic_hz``         the clock of networks whose weights are all logic where none is asked for, if not the board's
    """

    devices_title: str
    devices: tuple[Device, ...]
    bitstream: str
    clock: ClockSource
    netlists: Netlists
    choose: Callable[[Netlists, Board, ToolChoice], Flow]
    parts: PartSynthesis
    board_synthesis: Callable[[Board, Elaboratable], tuple[Files, list[str]]] | None = None
    example: str = ""
    logic_hz: int | None = None

    @property
    def library(self) -> CellLibrary:
        """The cells of its mapped netlists."""
        return self.netlists.library
