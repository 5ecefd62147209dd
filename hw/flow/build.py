"""From a network and a board to a bitstream in a folder of its own: the one function behind ``make bitstream``."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import s2nn_hw
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import all_logic
from s2nn_hw.errors import UserError
from s2nn_hw.files import clear, held, write_json
from s2nn_hw.hw.board.board import Board, check_budget
from s2nn_hw.hw.board.clocking import BoardTop, hertz, system_clock
from s2nn_hw.hw.facts import clock_hz
from s2nn_hw.hw.family import FLOWS
from s2nn_hw.hw.flow.build_record import NETWORK, PLAN, RECORD, Asked, BuildRecord, BuiltBoard, BuiltLink, BuiltNetwork
from s2nn_hw.hw.flow.designs import OtherDesign, board_design
from s2nn_hw.hw.flow.digests import amaranth_versions, database_digest, generator_digest
from s2nn_hw.hw.flow.lowering import Lowering
from s2nn_hw.hw.flow.toolchain import Narrator
from s2nn_hw.hw.flow.work import Flow, Outcome, ToolChoice, Work
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import save

SYNTHESIS_ONLY_STATUS = 3


@dataclass(frozen=True)
class Options:
    """What a build may be asked for. ``freq_mhz``, ``baud``: None takes the board's, and a clock that is not asked for
    may be lowered (:mod:`s2nn_hw.hw.flow.lowering`). ``native``: prefer the tools on the PATH to YoWASP's. ``chipdb``,
    ``prjxray_db``: openXC7's databases (:func:`s2nn_hw.hw.flow.openxc7.find_databases`). ``timeout_minutes``: what
    each tool may take; it does not change what is built."""

    freq_mhz: float | None = None
    seed: int = 1
    baud: int | None = None
    native: bool = False
    chipdb: str | None = None
    prjxray_db: str | None = None
    timeout_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.timeout_minutes is not None and not 0 < self.timeout_minutes < float("inf"):
            raise UserError(f"timeout must be a positive number of minutes, not {self.timeout_minutes:g}")
        if self.freq_mhz is not None:
            hertz(self.freq_mhz)
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed must be 0 .. {2**31 - 1}, not {self.seed}")

    @property
    def asked(self) -> Asked:
        """What decides the build."""
        return Asked(self.freq_mhz, self.seed, self.baud, self.native, self.chipdb, self.prjxray_db)


@dataclass(frozen=True)
class Built:
    """A finished build: its ``folder``, its ``record`` there, and whether it was there already."""

    folder: Path
    record: BuildRecord
    reused: bool

    @property
    def bitstream(self) -> Path | None:
        """The bitstream's path, None after synthesis alone."""
        return self.folder / self.record.bitstream if self.record.bitstream else None

    @property
    def missing(self) -> tuple[str, ...]:
        """What this machine lacks for a bitstream, in words; empty if there is one."""
        return self.record.missing

    @property
    def status(self) -> int:
        """The command's exit status: 0, or 3 after synthesis alone."""
        return SYNTHESIS_ONLY_STATUS if self.missing else 0


def build_clock(board: Board, options: Options, plan: Plan | None) -> int:
    """Return the system clock in Hz: the one asked for, else the board's; :class:`UserError` if it can't be made.

    Not the board's where all weights of ``plan`` are logic and the family has a lower clock for that.
    """
    wanted = (
        clock_hz(board, logic=plan is not None and all_logic(plan))
        if options.freq_mhz is None
        else hertz(options.freq_mhz)
    )
    return system_clock(board, wanted)[0]


def build(
    network: Network,
    board: Board,
    *,
    plan: Plan | None = None,
    options: Options | None = None,
    output: Path | str = "build",
    estimate: Mapping[str, float | None] | None = None,
    other: OtherDesign | None = None,
    console: Console | None = None,
) -> Built:
    """Build ``network`` for ``board`` in ``output/<network>-<board>-<digest>/``; return :class:`Built`.

    ``plan``      None takes the default
    ``options``   what is asked for
    ``estimate``  resources by name, refused before any tool runs if they exceed the board
    ``other``     a design in the accelerator's place
    ``console``   a rich console for progress

    The folder is complete when it holds ``build.json``, and then nothing is built again. A missed clock is lowered
    and built again unless it was asked for (:mod:`s2nn_hw.hw.flow.lowering`). :class:`UserError`: a tool is missing or
    failed, the design does not fit, the clock is missed all the same (logs stay in the folder). Ctrl-C and a full disk
    leave no folder.
    """
    options = options or Options()
    narrator = Narrator(console or _console())
    if plan is None and other is None:
        from s2nn_hw.plan.defaults import default_plan

        plan = default_plan(network, board.family)
    clocks_per_bit(build_clock(board, options, plan), options.baud or board.baud)
    if estimate is not None:
        check_budget(estimate, board)
    family = FLOWS[board.family]
    flow = family.choose(family.netlists, board, ToolChoice(options.native, options.chipdb, options.prjxray_db))
    wanted = _Wanted(network, board, plan, options, flow, other)
    digest = wanted.digest()
    folder = Path(output) / f"{network.name}-{board.name}-{digest[:12]}"
    with _owned(folder):
        record = _finished(folder)
        if record is not None:
            narrator.say(f"{folder} is complete and network, options and tools are the same: nothing to build")
            return Built(folder, record, True)
        clear(folder)
        narrator.say(f"building {network.name} for {board.title} ({board.device}) in {folder}")
        record = _run(wanted, digest, folder, narrator)
    return Built(folder, record, False)


@dataclass(frozen=True)
class _Wanted:
    """What is to be built, and how."""

    network: Network
    board: Board
    plan: Plan | None
    options: Options
    flow: Flow
    other: OtherDesign | None

    @property
    def baud(self) -> int:
        return self.options.baud or self.board.baud

    def digest(self) -> str:
        """Return the digest of all that decides the build."""
        databases = self.flow.databases
        identity = {
            "package": s2nn_hw.__version__,
            "generator": generator_digest(),
            "network": self.network.digest,
            "design": self.other.key if self.other else "",
            "plan": self.plan.to_json() if self.plan is not None else None,
            "board": asdict(self.board),
            "options": asdict(self.options.asked),
            "flow": self.flow.kind,
            "databases": database_digest(databases) if databases else None,
            "tools": {name: [tool.version, tool.path] for name, tool in self.flow.tools.items()},
            "amaranth": amaranth_versions(),
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def attempt(self, clock_hz: int, early: bool, folder: Path, narrator: Narrator) -> tuple[BoardTop, Outcome]:
        """Build for ``clock_hz`` once; return what is on the board and what came out."""
        with narrator.stage("generate", "generating the circuit"):
            make = self.other.make if self.other else None
            top = board_design(self.network, self.plan, self.board, clock_hz, self.baud, design=make)
            work = Work(
                self.board,
                self.flow,
                folder,
                narrator,
                clock_hz / 1e6,
                self.options.seed,
                minutes=self.options.timeout_minutes,
                early=early,
            )
            work = self.flow.prepare(work, top)
        return top, self.flow.run(work)


def _run(wanted: _Wanted, digest: str, folder: Path, narrator: Narrator) -> BuildRecord:
    """Build in ``folder``, write what belongs to a finished build there, and return its record."""
    options, board, flow = wanted.options, wanted.board, wanted.flow
    lowering = Lowering(
        board, build_clock(board, options, wanted.plan), wanted.baud, strict=options.freq_mhz is not None
    )

    def attempt(clock_hz: int, early: bool) -> tuple[BoardTop, Outcome]:
        return wanted.attempt(clock_hz, early, folder, narrator)

    top, outcome = lowering.build(attempt, folder, narrator)
    worst = outcome.timing.slowest() if outcome.timing else None
    test = wanted.other.self_test if wanted.other else None
    record = BuildRecord(
        board=BuiltBoard(board.name, board.title, board.device),
        network=BuiltNetwork(wanted.network.name, wanted.network.digest),
        digest=digest,
        generator=generator_digest()[:16],
        plan=wanted.plan.to_json() if wanted.plan is not None else None,
        self_test=test.on(top.leds) if test else None,
        flow=flow.kind,
        clock=lowering.record(round(worst[1], 3) if worst else None),
        timing=outcome.timing,
        link=BuiltLink(wanted.baud, wanted.other is not None and wanted.other.events),
        resources=outcome.usage.against(board.budget),
        resources_source=outcome.usage.source,
        synthesis=outcome.synthesis.counts() if outcome.synthesis else None,
        resources_detail=outcome.usage.detail,
        options=options.asked,
        tools={name: tool.version for name, tool in flow.tools.items()} | amaranth_versions(),
        seconds=narrator.seconds,
        bitstream=outcome.bitstream,
        missing=flow.missing,
        program=" ".join(board.program) if outcome.bitstream else None,
    )
    save(wanted.network, folder / NETWORK)
    if wanted.plan is not None:
        wanted.plan.save(folder / PLAN)
    write_json(folder / RECORD, record.to_json())
    return record


def _console() -> Console:
    from s2nn_hw.terminal import Terminal

    return Terminal()


def _finished(folder: Path) -> BuildRecord | None:
    """Return the record of a complete build in ``folder``, else None."""
    try:
        record = BuildRecord.read(folder / RECORD)
    except UserError:
        return None
    return record if not record.bitstream or (folder / record.bitstream).is_file() else None


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Make ``folder`` and hold it against a second build of the same; remove it on Ctrl-C and on a full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"output folder {folder} can't be made: a file is in its place") from None
    with held(folder, "build is at work in"):
        try:
            yield
        except (KeyboardInterrupt, OSError):
            if _finished(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        except UserError:
            if not any(folder.rglob("*.log")):  # no tool has run, so there is nothing to look at
                shutil.rmtree(folder, ignore_errors=True)
            raise


def table(built: Built, board: Board) -> Table:
    """Return a rich table of ``built``: resources against the budget and the clock."""
    record, clock = built.record, built.record.clock
    rows = Table(title=f"{record.network.name} on {board.title}, {record.resources_source}")
    for heading in ("", "used", "of", "share"):
        rows.add_column(heading, justify="left" if not heading else "right")
    for row in record.resources.values():
        share = f"{100 * row.used / row.budget:.0f} %" if row.budget else "-"
        rows.add_row(row.kind, f"{row.used:,g}", f"{row.budget:,}", share)
    if clock.reached_mhz:
        rows.add_row("MHz (reached, clock)", f"{clock.reached_mhz:.1f}", f"{clock.clock_mhz:g}", "")
    if clock.lowered:
        rows.add_row("MHz (wanted)", f"{clock.wanted_mhz:g}", "", "")
    return rows
