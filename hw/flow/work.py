"""What the steps of a build share: a flow's contract, one try at a build, and what comes out of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from amaranth.hdl import Elaboratable

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board, check_budget
from s2nn_hw.hw.flow.openxc7 import TOP, Databases
from s2nn_hw.hw.flow.toolchain import Narrator, Tick, Tool, ToolFiles, Watcher, run_tool
from s2nn_hw.hw.flow.toolreports import Timing, Usage, Utilization
from s2nn_hw.hw.netlist.primitives import CellLibrary

STAT = f"{TOP}_stat.json"  # yosys's counts


@dataclass(frozen=True)
class ToolChoice:
    """What was asked about the tools: ``native`` prefers those on the PATH to YoWASP's; openXC7's databases."""

    native: bool = False
    chipdb: str | None = None
    prjxray_db: str | None = None


class Change(Protocol):
    """What was done to a netlist after synthesis; as text for people."""

    def cells(self, library: CellLibrary) -> Mapping[str, int]:
        """Return by how many cells of each type the netlist changed."""

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""


def unchanged(netlist: Path, usage: Usage) -> Usage:
    """Return ``usage`` as it is."""
    return usage


@dataclass(frozen=True)
class Netlists:
    """What a family does with yosys's netlists before they are placed.

    ``library``  the cells that they are mapped to
    ``passes``   functions ``(path, library) -> record`` that do with a netlist what yosys does not, in order
    ``refine``   a function ``(netlist's path, usage) -> usage``: what of it placement can't go below
    ``far``      a placement that estimates less than this share of the clock is not routed
    """

    library: CellLibrary
    passes: tuple[Callable[[Path, CellLibrary], Change], ...] = ()
    refine: Callable[[Path, Usage], Usage] = unchanged
    far: float = 0.0


@dataclass(frozen=True)
class Step:
    """One run of a tool: its name, ``arguments``, files it must not leave half written, and how people call it.

    ``report``: whether it writes a report, if it is nextpnr.
    """

    tool: str
    arguments: list[str]
    outputs: tuple[str, ...]
    what: str
    report: bool = True


@dataclass(frozen=True, kw_only=True)
class Flow(ABC):
    """How a board's design is built here, the contract of all flows.

    ``tools``      by name
    ``netlists``   of the board's family
    ``databases``  of openXC7, None if they are not needed or not there
    ``missing``    what this machine lacks for a bitstream, in words

    ``kind`` names the flow in ``build.json``.
    """

    kind: ClassVar[str]
    tools: Mapping[str, Tool]
    netlists: Netlists
    databases: Databases | None = None
    missing: tuple[str, ...] = ()

    @abstractmethod
    def prepare(self, work: "Work", top: Elaboratable) -> "Work":
        """Write what the tools read of ``top`` into the folder; return ``work`` with its commands."""

    @abstractmethod
    def run(self, work: "Work") -> "Outcome":
        """Take prepared ``work`` through its steps; :class:`ClockMissed` if the clock is missed."""

    def synthesis(self, work: "Work") -> Step:
        """Return yosys's run; the first of its outputs is the netlist."""
        raise NotImplementedError

    def packed(self, work: "Work", netlist: Path, usage: Usage) -> Usage:
        """Return ``usage`` with what is known of packing before it; :class:`UserError` if that can't fit."""
        return usage

    def placement(self, work: "Work") -> Step:
        """Return nextpnr's run."""
        raise NotImplementedError

    def placed(self, work: "Work", utilization: Utilization, synthesised: Usage) -> Usage:
        """Return the usage of the placed design from nextpnr's table of bels."""
        raise NotImplementedError

    def pack(self, work: "Work") -> str:
        """Write the bitstream; return its name."""
        raise NotImplementedError


@dataclass(frozen=True)
class Work:
    """One try at a build, as its steps need it.

    ``board``      what it is for
    ``flow``       how it is built
    ``folder``     where
    ``narrator``   says what is done
    ``clock_mhz``  that is wanted
    ``seed``       of the placement
    ``minutes``    what a tool may take, None for no limit
    ``early``      a placement that is far from the clock ends the try before its routing
    ``commands``   of Amaranth's plan, from :meth:`Flow.prepare`
    """

    board: Board
    flow: Flow
    folder: Path
    narrator: Narrator
    clock_mhz: float
    seed: int
    minutes: float | None = None
    early: bool = False
    commands: Sequence[list[str]] = ()

    def with_commands(self, commands: Sequence[list[str]]) -> "Work":
        """Return the same with ``commands``."""
        return replace(self, commands=commands)

    def run(
        self,
        name: str,
        arguments: list[str],
        tick: Tick,
        *,
        log: str,
        own_log: str | None = None,
        output: str | None = None,
        outputs: tuple[str, ...] = (),
        watch: Watcher | None = None,
    ) -> None:
        """Run the flow's tool ``name`` in the folder; the rest as of :func:`~s2nn_hw.hw.flow.toolchain.run_tool`."""
        files = ToolFiles(self.folder, log, own_log, output, outputs)
        run_tool(self.flow.tools[name], arguments, files, tick=tick, minutes=self.minutes, watch=watch)


@dataclass(frozen=True)
class Outcome:
    """What the steps left: usage, timing (None before placement) and the bitstream's name (None without one).

    ``synthesis``: the usage before placement, None if the tool does not say.
    """

    usage: Usage
    timing: Timing | None = None
    bitstream: str | None = None
    synthesis: Usage | None = None


class ClockMissed(UserError):
    """A clock that was not reached: ``timing``, and ``after`` which step it was known."""

    def __init__(self, timing: Timing, after: str, folder: Path) -> None:
        self.timing, self.after = timing, after
        worst = timing.slowest()
        assert worst is not None
        self.name, self.reached_mhz, self.wanted_mhz = worst
        path = f"; critical path: {timing.critical_path}" if timing.critical_path else ""
        super().__init__(
            f"clock missed: {self.reached_mhz:.2f} MHz reached after {after}, {self.wanted_mhz:g} MHz "
            f"wanted ({self.name}){path}; ask for a lower clock with --freq or try another --seed; the "
            f"logs are in {folder}"
        )

    @property
    def share(self) -> float:
        """The part of the wanted clock that was reached."""
        return self.reached_mhz / self.wanted_mhz


def refuse_too_large(board: Board, usage: Usage) -> None:
    """Refuse a synthesised design that no placement can fit; Artix tools would place a 35T's on the 50T's fabric."""
    counts = usage.counts() | {"luts": usage.detail.get("luts_at_least", usage.luts)}
    check_budget(counts, board, what=usage.source)


def refuse_slow(timing: Timing, folder: Path) -> None:
    """:class:`ClockMissed` with the critical path if a clock of the routed design is missed."""
    worst = timing.slowest()
    if worst is None:
        raise UserError(f"place and route named no clock; its log is in {folder}")
    if worst[1] < worst[2]:
        raise ClockMissed(timing, "routing", folder)


def whole(work: Work, product: str) -> str:
    """Give the bitstream ``product`` its name if its part was written; return that."""
    part = work.folder / f"{product}.part"
    if not part.is_file() or not part.stat().st_size:
        raise UserError(f"{work.flow.kind}: pack ended well but wrote no bitstream; its log is {work.folder}/pack.log")
    part.replace(work.folder / product)
    return product
