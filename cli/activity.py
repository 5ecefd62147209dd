"""What `s2nn-hw activity` does and says."""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from s2nn_hw.activity_record import ActivityRecord, BoardName, Images, NetworkName, Toggles, load_activity
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import all_logic
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.errors import UserError, counted
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import clock_hz
from s2nn_hw.hw.flow.accelerator_netlist import NetlistFlow, find_build
from s2nn_hw.hw.flow.build_record import BuildRecord, running_mhz
from s2nn_hw.hw.flow.power import vivado_power
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan, parse_plan
from s2nn_hw.sim.netlist.activity import (
    NETLIST,
    RECORD,
    SAIF,
    Described,
    circuit_identity,
    digest_of,
    make_circuit,
    run,
    write_activity,
)
from s2nn_hw.terminal import Terminal, next_step, terminal

HEADINGS = {
    "lut": "LUT",
    "carry": "carry",
    "ff": "FF",
    "bram": "BRAM",
    "bram_reads": "reads",
    "bram_writes": "writes",
    "clock_ff": "FF clocks",
    "clock_ff_enabled": "enabled",
    "io": "ports",
}


@dataclass(frozen=True)
class Options:
    """What ``activity`` may be asked for; see its help. ``output`` None: the build's own folder, else one below
    ``build``."""

    board: str | None = None
    plan: Path | None = None
    images: Path | None = None
    frames: int = 20
    idle: int = 1000
    output: Path | None = None
    build: Path = Path("build")
    as_json: bool = False


@dataclass(frozen=True)
class Subject:
    """The circuit that is measured. ``source``: what was given, a network's file or the folder of a finished build;
    ``build``: that one's ``build.json``, or None."""

    source: Path
    network: Network
    board: str
    flow: NetlistFlow
    plan: Plan
    build: BuildRecord | None

    @property
    def clock_mhz(self) -> float:
        """The clock of the build, else that of one on the board."""
        return running_mhz(self.build) if self.build else clock_hz(self.flow.board, logic=all_logic(self.plan)) / 1e6


@dataclass(frozen=True)
class Sent:
    """The uint8 ``pictures`` that are sent, and ``where`` they are from."""

    pictures: np.ndarray
    where: str

    @property
    def images(self) -> Images:
        """What the record says of them."""
        return Images(len(self.pictures), f"{self.where}, the first {len(self.pictures)}")


def activity(source: Path, options: Options) -> ActivityRecord:
    """Count the toggles of a synthesised accelerator on images; write them, print them, return the record.

    ``source``: a network's file or the folder of a finished build.
    """
    path, build = (source, None) if not source.is_dir() else find_build(source)
    subject = _subject(source, load(path), build, options)
    pictures, _, where = frames_for(path, options.images)
    subject.network.encode(pictures[:1])
    sent = Sent(np.array(pictures[: options.frames]), where)
    identity = circuit_identity(subject.network, subject.plan, subject.flow)
    digest = _digest(subject, sent, options.idle, identity)
    folder = _folder(subject, options, digest)
    console = Terminal(stderr=True)
    record = _finished(folder, digest)
    if record is None:
        record = _measured(subject, sent, options, identity, digest, folder, console)
    else:
        console.print(f"{folder} has these figures already: nothing to do", soft_wrap=True)
    if options.as_json:
        print(json.dumps(record.to_json(), indent=2, ensure_ascii=False))
    else:
        show(record, folder)
        words = [] if build else ["--board", subject.board, *(["--plan", options.plan] if options.plan else [])]
        next_step("report", source, *words, "--html")
    return record


def _subject(source: Path, network: Network, build: BuildRecord | None, options: Options) -> Subject:
    board = _board(source, build, options.board)
    flow = NetlistFlow(find_board(board))
    return Subject(source, network, board, flow, _plan(network, options.plan, build, source, flow.board.family), build)


def _board(source: Path, build: BuildRecord | None, board: str | None) -> str:
    if build is None:
        if board is None:
            raise UserError("--board must say whose netlist to simulate; or give the folder of a finished build")
        return board
    name = build.board.name
    if board not in (None, name):
        raise UserError(f"build {source} is for board {name}, not {board}; leave --board out or build for {board}")
    return str(name)


def _plan(network: Network, plan: Path | None, build: BuildRecord | None, source: Path, family: str) -> Plan:
    chosen = load_plan(plan, network) if plan else None
    if build and build.plan:
        if chosen and build.plan != chosen.to_json():
            raise UserError(f"build {source} was made with another plan than {plan}")
        return chosen or parse_plan(build.plan, network, f"build {source}")
    return chosen or default_plan(network, family)


def _digest(subject: Subject, sent: Sent, idle: int, identity: dict[str, Any]) -> str:
    """Return the digest of all that decides the figures."""
    build = subject.build
    return digest_of(
        [
            identity,
            hashlib.sha256(sent.pictures.tobytes()).hexdigest(),
            sent.pictures.shape,
            asdict(sent.images),
            idle,
            subject.clock_mhz,
            build and build.digest,
            bool(build and shutil.which("vivado")),
        ]
    )


def _folder(subject: Subject, options: Options, digest: str) -> Path:
    """Return where the figures go."""
    if options.output:
        return options.output
    if subject.build:
        return subject.source
    name = f"{subject.network.name}-{subject.board.replace(':', '.')}-{digest[:12]}"
    return options.build / "activity" / name


def _finished(folder: Path, digest: str) -> ActivityRecord | None:
    """Return the figures in ``folder`` if they are those of ``digest`` and whole, else None."""
    try:
        record = load_activity(folder / RECORD)
    except UserError:  # none, or a damaged one
        return None
    return record if record.digest == digest and all((folder / name).is_file() for name in (SAIF, NETLIST)) else None


def _measured(
    subject: Subject,
    sent: Sent,
    options: Options,
    identity: dict[str, Any],
    digest: str,
    folder: Path,
    console: Console,
) -> ActivityRecord:
    """Make the circuit, run it and write the figures into ``folder``; return them."""
    circuit = make_circuit(
        subject.network,
        subject.plan,
        subject.flow,
        identity,
        options.build / "activity" / "circuits",
        say=lambda text: _stage(console, text),
    )
    with _bar(console, len(sent.pictures)) as progress:
        counts = run(circuit, sent.pictures, idle=options.idle, progress=progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError(f"output folder {folder} can't be made: a file is in its place") from None
    with _stage(console, "writing the figures") as tick:
        return write_activity(circuit, counts, folder, _described(subject, sent, identity, digest, tick))


def _described(
    subject: Subject, sent: Sent, identity: dict[str, Any], digest: str, tick: Callable[..., None]
) -> Described:
    """Return what :func:`write_activity` is to say of the circuit and how it was made."""
    network, board = subject.network, subject.flow.board
    return Described(
        digest=digest,
        network=NetworkName(network.name, network.digest),
        board=BoardName(subject.board, board.device, board.family),
        plan=subject.plan.to_json(),
        clock_mhz=subject.clock_mhz,
        images=sent.images,
        synthesis=subject.flow.yosys.version,
        simulator=identity["simulator"],
        build=subject.build,
        vivado=(lambda saif: vivado_power(subject.source, saif, tick=tick)) if subject.build else None,
    )


@contextlib.contextmanager
def _stage(console: Console, text: str) -> Iterator[Callable[..., None]]:
    with console.status(f"{text} ..."):
        yield lambda _="": None


@contextlib.contextmanager
def _bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("simulating the netlist", total=total)
        yield lambda done: bar.update(task, completed=done)


def show(record: ActivityRecord, folder: Path) -> None:
    """Print the figures of ``record``, per frame."""
    console, board = terminal(tables=True), record.board
    table = Table(
        title=f"{record.network.name} on {board.name} ({board.device}): activity per frame, mean of {record.frames}"
    )
    table.add_column("layer")
    for heading in HEADINGS.values():
        table.add_column(heading, justify="right")
    for row in (*record.frame.rows, Toggles.summed("all", record.frame.rows)):
        table.add_row(row.name, *(f"{getattr(row, name):,.0f}" for name in HEADINGS))
    console.print(table)
    idle, cycles = sum(count for row in record.idle.rows for count in row.outputs), record.cycles
    lines = [
        f"{counted(record.frames, 'frame')} back to back, {cycles.per_frame:,.1f} cycles each; then "
        f"{cycles.idle:,} idle cycles with {idle:,.1f} toggles each",
        f"netlist of {record.netlist.tool} in {record.simulator}: class, scores and cycles equal the golden model",
        "toggles without glitches; the host link is not in them",
    ]
    watts = record.vivado
    if watts:
        lines.append(
            f"Vivado with this activity: {watts.total_w:g} W, dynamic {watts.dynamic_w:g} W, static "
            f"{watts.static_w:g} W"
        )
    lines.append(f"figures: {folder / RECORD}, {folder / SAIF}")
    for line in lines:
        console.print(line)
