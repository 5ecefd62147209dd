"""What the ``selftest`` command does and says: a board's verdict, or that of its Verilog in a simulator."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.design import Design
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.files import write_json
from s2nn_hw.hw.link.host import open_device
from s2nn_hw.hw.link.protocol import Identity, Reply, Splitter, encode
from s2nn_hw.hw.link.selftest import ROUNDS_LOG2, Vectors
from s2nn_hw.hw.link.top import SelfTestTop
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.hw.link.verdict import COUNT_BITS, FRAME_BITS, Command, Verdict, self_test_request
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.sim.verilog.job import Phase
from s2nn_hw.sim.verilog.pins import exchange
from s2nn_hw.terminal import Terminal, next_step
from s2nn_hw.verilog.convert import to_verilog

FAILED_STATUS = 1
SIMULATED_BAUD, SIMULATED_CLOCKS_PER_BIT = 1_000_000, 4
TOP = "self_test_top"


@dataclass(frozen=True)
class Output:
    """Where a verdict goes: a table or JSON is printed, and JSON written to ``file`` if one is given."""

    file: Path | None = None
    as_json: bool = False


@dataclass(frozen=True)
class BoardOptions:
    """How a board is asked. ``network``: the ``.s2nn`` file it must hold, checked by digest; ``seconds`` between two
    questions; ``restart``: it begins anew before; ``fault``: and with a wrong expectation."""

    baud: int
    network: Path | None = None
    seconds: float = 1.0
    restart: bool = False
    fault: bool = False


@dataclass(frozen=True)
class SimulationOptions:
    """How a self-test is simulated, with the first ``vectors`` (None takes the default) of ``images`` (None takes the
    test set). ``folder``: of compiled circuits; ``fault``: it begins anew with a wrong expectation."""

    plan: Path | None = None
    images: Path | None = None
    vectors: int | None = None
    folder: Path = Path("build/sim")
    fault: bool = False


@dataclass(frozen=True)
class Answer:
    """The ``verdict`` of ``what``, which says that it is of ``identity``.

    classes:   names
    moving:    whether frames go through
    clock_hz:  None if it is not known
    following: words of the command that comes next if it passes
    """

    verdict: Verdict
    identity: Identity
    classes: Sequence[str]
    what: str
    moving: bool
    clock_hz: int | None = None
    following: Sequence[str | Path] = ()

    @property
    def good(self) -> bool:
        """Whether all is as it must be."""
        return self.verdict.passed and not self.verdict.failed and self.moving

    def to_json(self) -> dict[str, Any]:
        """Return what is written, see docs."""
        return {
            **self.verdict.to_json(),
            "of": self.what,
            "moving": self.moving,
            "clock_hz": self.clock_hz,
            "identity": {
                "network_digest": self.identity.digest.hex(),
                "pixels": self.identity.pixels,
                "bits": self.identity.bits,
                "classes": self.identity.classes,
            },
        }


def ask_board(port: str, options: BoardOptions, output: Output) -> int:
    """Print the verdict of the self-test on the board at ``port``; return the exit status, 0 if it passes.

    It is asked twice, and fails if no frame came in between.
    """
    if port.endswith(".s2nn"):
        raise UserError(f"{port} is a network, not a serial port; --simulate simulates its self-test")
    held = load(options.network) if options.network is not None else None
    with open_device(port, options.baud, held) as device:
        if options.restart or options.fault:
            device.self_test(Command.RESTART | (Command.FAULT if options.fault else 0))
        before = device.self_test()
        time.sleep(options.seconds)
        verdict, identity = device.self_test(), device.identity
    moving = verdict.frames != before.frames or verdict.frames >> FRAME_BITS - 1 == 1
    names = held.classes if held else tuple(map(str, range(identity.classes)))
    following = ("bitstream", options.network) if options.network is not None else ()
    return tell(Answer(verdict, identity, names, port, moving, identity.clock_hz, following), output)


def simulate_self_test(path: Path | str, options: SimulationOptions, output: Output) -> int:
    """Simulate the Verilog of the self-test of network ``path`` at its pins; print its verdict as of a board.

    Returns the exit status.
    """
    network = load(path)
    plan = load_plan(options.plan, network) if options.plan else default_plan(network, GENERAL)
    pictures, _, where = frames_for(Path(path), options.images)
    vectors = Vectors.of(network, pictures, options.vectors)
    clock_hz = SIMULATED_BAUD * SIMULATED_CLOCKS_PER_BIT
    clocks = clocks_per_bit(clock_hz, SIMULATED_BAUD)
    need = cycles_needed(Design(network, plan), pictures[: len(vectors.pixels)])
    top = SelfTestTop(Accelerator(network, plan), vectors, clock_hz=clock_hz, baud=SIMULATED_BAUD)
    phases = [Phase(encode(self_test_request(2)), clocks=need * (2 if options.fault else 1))]
    if options.fault:
        phases.insert(0, Phase(encode(self_test_request(1, Command.RESTART | Command.FAULT))))
    *_, came = exchange(to_verilog(top, TOP), TOP, phases, clocks=clocks, folder=options.folder)
    replies = [p for p in Splitter().feed(came) if (p.type, p.sequence) == (Reply.SELF_TEST, 2)]
    if len(replies) != 1:
        raise ProofError(f"the simulated self-test sent {len(replies)} verdicts, not 1")
    verdict = top.link.packets.unpack_verdict(replies[0].payload)
    following = ("bitstream", path, *(("--plan", options.plan) if options.plan else ()), "--self-test")
    what = f"{network.name} simulated, frames of the {where}"
    return tell(Answer(verdict, top.identity, network.classes, what, verdict.running, None, following), output)


def cycles_needed(design: Design, images: np.ndarray) -> int:
    """Return the cycles after which a span of rounds of ``images`` is over, by the exact cycle model, and some."""
    frames = np.concatenate([images] * 2)
    _, values = layer_inputs(design.network, frames)
    timing = design.timing
    two = int(timing.schedule(timing.ones(values), length=len(frames)).offered[0, -1])
    return two * ((1 << ROUNDS_LOG2) + 2) + 1000


def tell(answer: Answer, output: Output) -> int:
    """Print ``answer``, a table or JSON, and write it; return 0 if it is good."""
    data = answer.to_json()
    if output.file is not None:
        write_json(output.file, data)
    console = Terminal()
    if output.as_json:
        console.file.write(json.dumps(data, indent=2) + "\n")
    else:
        console.print(table(answer))
        if answer.good and answer.following:
            next_step(*answer.following)
    return 0 if answer.good else FAILED_STATUS


def table(answer: Answer) -> Table:
    """Return what :func:`tell` prints as a rich table."""
    verdict, clock_hz, classes = answer.verdict, answer.clock_hz, answer.classes
    rows = Table(title=f"Self-test: {answer.what}")
    rows.add_column("")
    rows.add_column("", justify="right")
    word = verdict.word.upper() + ("" if answer.moving else ", but no frame moves")
    rows.add_row("verdict", word + (", as it must with the fault injected" if verdict.fault and verdict.failed else ""))
    rows.add_row("network", answer.identity.digest.hex()[:16])
    rows.add_row("frames in memory", f"{verdict.vectors:,}")
    rows.add_row("frames compared", _count(verdict.frames, FRAME_BITS))
    rows.add_row("mismatches", _count(verdict.mismatches, COUNT_BITS))
    rows.add_row("longest latency, cycles", f"{verdict.latency_cycles:,}")
    if verdict.round_cycles:
        rows.add_row("first round, cycles", f"{verdict.round_cycles:,}")
    if verdict.span_cycles:
        frames = verdict.vectors * verdict.rounds
        rows.add_row("frames in the span", f"{frames:,}")
        rows.add_row("cycles of the span", f"{verdict.span_cycles:,}")
        rows.add_row("cycles a frame", f"{verdict.span_cycles / frames:,.6g}")
        if clock_hz:
            rows.add_row(f"frames/s at {clock_hz / 1e6:g} MHz", f"{frames * clock_hz / verdict.span_cycles:,.0f}")
    if verdict.first:
        rows.add_row("first mismatch, frame", str(verdict.first.vector))
        for name, (index, scores) in (("wanted", verdict.first.wanted), ("came", verdict.first.came)):
            label = classes[index] if index < len(classes) else f"no class ({index})"
            rows.add_row(name, f"{label}: {' '.join(map(str, scores))}")
    return rows


def _count(number: int, bits: int) -> str:
    """Return ``number`` of a counter of ``bits`` bits, which stays at its highest."""
    return f"{number:,}" if number < 1 << bits - 1 else f"at least {number:,}"
