"""What the ``bitstream`` command does and says; its numbers come from :mod:`s2nn_hw.hw.flow.build`."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import typer

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli import reporting
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.cost.recurrent import least_counts
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError, counted
from s2nn_hw.family import FAMILIES
from s2nn_hw.hw.board.boards import Board, find_board
from s2nn_hw.hw.flow.build import Built, Options, build, table
from s2nn_hw.hw.flow.build_record import NETWORK, SelfTestFacts
from s2nn_hw.hw.flow.designs import OtherDesign, accelerator_design, self_test_design
from s2nn_hw.hw.flow.lowering import lowered_text
from s2nn_hw.hw.link.selftest import ROUNDS_LOG2, Vectors
from s2nn_hw.network.address_events import EventFormat
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.report.sections.layers import CELL_BAND
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.terminal import Terminal


@dataclass(frozen=True)
class Wanted:
    """What is built of a network, and for which ``board``, by name.

    ``output``: where build folders go; ``plan``: a file, None takes the default plan. ``self_test``: the accelerator
    is fed on the chip, not over the link, with the first ``vectors`` (None takes the default) of ``images`` (None
    takes the test set). ``events``: the link takes frames as events and gives first spikes."""

    board: str = "ulx3s"
    output: Path = Path("build")
    plan: Path | None = None
    self_test: bool = False
    vectors: int | None = None
    images: Path | None = None
    events: bool = False


def bitstream(path: Path, wanted: Wanted, options: Options) -> Built:
    """Build the network in file ``path``, say where things are, write and print its report; return the build."""
    built = build_bitstream(path, wanted, options)
    try:
        reporting.report_network(built.folder, reporting.Options(images=wanted.images))
    except UserError as reason:  # the build itself is good: what is missing is images to measure on
        Terminal().print(table(built, find_board(wanted.board)))
        typer.echo(f"no accuracy and cycles in the report: {reason}")
    return built


def build_bitstream(path: Path, wanted: Wanted, options: Options) -> Built:
    """Build the network in file ``path``, say where things are, return the build."""
    board = find_board(wanted.board)
    network = load(path)
    console = Terminal()
    plan = load_plan(wanted.plan, network, board=board.name) if wanted.plan else default_plan(network, board.family)
    if wanted.vectors is not None and not wanted.self_test:
        raise UserError("--vectors is for a self-test: give --self-test beside it, or leave it out")
    if wanted.events and wanted.self_test:
        raise UserError("a self-test has no frames on its link: leave --events or --self-test out")
    if network.input.sequences and (wanted.events or wanted.self_test):
        raise UserError(f"network {network.name} reads sequences: leave --events and --self-test out")
    other = _self_test(path, network, plan, wanted) if wanted.self_test else None
    if wanted.events:
        EventFormat.of_input(network.input)
        EventFormat.of_output(network)
        _ = Design(network, plan).read_last  # refused before a circuit is made
        other = OtherDesign(accelerator_design(network, plan, events=True), "events", events=True)
    counts = _estimated(path, network, plan, board, wanted, console)
    built = build(
        network, board, plan=plan, options=options, output=wanted.output, console=console, estimate=counts, other=other
    )
    _say(built, console, self_test=wanted.self_test, sequences=network.input.sequences)
    return built


def _estimated(
    path: Path, network: Network, plan: Plan, board: Board, wanted: Wanted, console: Terminal
) -> Mapping[str, float | None]:
    """Return what it takes of the board at least, by an estimate; say where that may be too much."""
    if network.input.sequences:
        return least_counts(FAMILIES[board.family], SequenceDesign(network, plan))
    guess = estimate(Design(network, plan), board.family, link=not wanted.self_test, events=wanted.events)
    low, high = (round(guess.cells * end) for end in CELL_BAND)
    if board.family == "ice40" and low <= board.budget.luts < guess.cells:
        console.print(
            f"it may not fit: about {guess.cells:,} of {board.budget.luts:,} logic cells once placed "
            f"({low:,} to {high:,}, an estimate); a smaller circuit: s2nn-hw plan {path} --board "
            f"{board.name} -o plan.json, then --plan plan.json",
            soft_wrap=True,
        )
    return guess.counts() | ({"luts": low} if board.family == "ice40" else {})


def _self_test(path: Path, network: Network, plan: Plan, wanted: Wanted) -> OtherDesign:
    """Return the design of a self-test with some of the images."""
    images, _, where = frames_for(path, wanted.images)
    vectors = Vectors.of(network, images, wanted.vectors)
    digest = hashlib.sha256(b"".join(x.tobytes() for x in (vectors.pixels, vectors.classes, vectors.scores)))
    facts = SelfTestFacts(len(vectors.pixels), where, digest.hexdigest(), 1 << ROUNDS_LOG2)
    return OtherDesign(self_test_design(network, plan, vectors), f"self-test {facts.asked()}", facts)


def _say(built: Built, console: Terminal, *, self_test: bool, sequences: bool) -> None:
    """Print where the bitstream of ``built`` is, or what is missing for it, and what can be done with it."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    lowered = lowered_text(built.record)
    if lowered:
        say(lowered)
    if built.bitstream:
        say(f"bitstream: {built.bitstream}")
        say(f"program it, in that folder, with: {built.record.program}")
        if not self_test:
            what, file = ("recordings", "X.npz") if sequences else ("images", "X.npy")
            say(
                f"then {what} go to it and classes come back: s2nn-hw run --port /dev/ttyUSB0 --images {file} "
                "--network " + shlex.quote(str(built.folder / NETWORK))
            )
    else:
        say("no bitstream: this machine can only synthesise for this board. Missing:")
        for item in built.missing:
            say(f"  - {item}")
        say(f"{built.folder} is ready for a machine that has them: sh run_openxc7.sh, or sh run_vivado.sh")
    test = built.record.self_test
    if test:
        leds = ", ".join(f"{role} {led}" for role, led in (test.leds or {}).items()) or "none on this board"
        say(
            f"self-test with {counted(test.vectors, 'frame')} of the {test.images}; LEDs: {leds}; the verdict "
            "over the serial port: s2nn-hw selftest PORT"
        )


def last_word(built: Built) -> str:
    """Return why there is no bitstream, in one line for the end of a long output."""
    return (
        f"no bitstream (status {built.status}): {len(built.missing)} things are missing on this machine, "
        f"{', '.join(built.missing)}; {built.folder} can be finished where they are"
    )
