"""What the ``selftest`` command does and says: a board's verdict, or that of its Verilog in a simulator."""

import json
import time

import numpy as np
from rich.table import Table

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.design import Design
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.files import write_json
from s2nn_hw.hw.link.host import open_device
from s2nn_hw.hw.link.protocol import Reply, Splitter, encode
from s2nn_hw.hw.link.selftest import ROUNDS_LOG2, Vectors
from s2nn_hw.hw.link.top import SelfTestTop
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.hw.link.verdict import COUNT_BITS, FRAME_BITS, Command, self_test_request
from s2nn_hw.network.store import load
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.terminal import Terminal, next_step
from s2nn_hw.verilog.convert import to_verilog

FAILED_STATUS = 1
SIMULATED_BAUD, SIMULATED_CLOCKS_PER_BIT = 1_000_000, 4
TOP = "self_test_top"


def ask_board(port, *, baud, network=None, seconds=1.0, restart=False, fault=False, output=None, as_json=False):
    """Print the verdict of the self-test on the board at ``port``; return the exit status, 0 if it passes.

    It is asked twice, ``seconds`` apart, and fails if no frame came in between. ``network``: the ``.s2nn`` file it
    must hold, checked by digest; ``restart``: it begins anew before; ``fault``: and with a wrong expectation.
    """
    if str(port).endswith(".s2nn"):
        raise UserError(f"{port} is a network, not a serial port; --simulate simulates its self-test")
    held = load(network) if network is not None else None
    with open_device(port, baud, held) as device:
        if restart or fault:
            device.self_test(Command.RESTART | (Command.FAULT if fault else 0))
        before = device.self_test()
        time.sleep(seconds)
        verdict, identity = device.self_test(), device.identity
    moving = verdict.frames != before.frames or verdict.frames >> FRAME_BITS - 1 == 1
    names = held.classes if held else tuple(map(str, range(identity.classes)))
    return tell(
        verdict,
        identity,
        names,
        str(port),
        moving=moving,
        clock_hz=identity.clock_hz,
        output=output,
        as_json=as_json,
        following=["bitstream", network] if held else [],
    )


def simulate_self_test(
    path, exchange, *, images, plan=None, count=None, folder="build/sim", fault=False, output=None, as_json=False
):
    """Simulate the Verilog of the self-test of network ``path`` at its pins; print its verdict as of a board.

    ``images``: a function that returns ``(images, labels, where they are from)``; ``exchange``: one that runs
    Verilog and sends bytes to its UART (:func:`s2nn_hw.sim.verilog.pins.exchange`) with compiled circuits in
    ``folder``. Returns the exit status.
    """
    network = load(path)
    chosen = load_plan(plan, network) if plan else default_plan(network, GENERAL)
    pictures, _, where = images()
    vectors = Vectors.of(network, pictures, count)
    clock_hz = SIMULATED_BAUD * SIMULATED_CLOCKS_PER_BIT
    clocks = clocks_per_bit(clock_hz, SIMULATED_BAUD)
    need = cycles_needed(Design(network, chosen), pictures[: len(vectors.pixels)])
    top = SelfTestTop(Accelerator(network, chosen), vectors, clock_hz=clock_hz, baud=SIMULATED_BAUD)
    packets = top.link.packets
    phases = [{"send": encode(self_test_request(1, Command.RESTART | Command.FAULT))}] if fault else []
    phases.append({"send": encode(self_test_request(2)), "clocks": need * (2 if fault else 1)})
    *_, came = exchange(to_verilog(top, TOP), TOP, phases, clocks=clocks, folder=folder)
    replies = [p for p in Splitter().feed(came) if (p.type, p.sequence) == (Reply.SELF_TEST, 2)]
    if len(replies) != 1:
        raise ProofError(f"the simulated self-test sent {len(replies)} verdicts, not 1")
    verdict = packets.unpack_verdict(replies[0].payload)
    following = ["bitstream", path, *(["--plan", plan] if plan else []), "--self-test"]
    return tell(
        verdict,
        top.identity,
        network.classes,
        f"{network.name} simulated, frames of the {where}",
        moving=verdict.running,
        output=output,
        as_json=as_json,
        following=following,
    )


def cycles_needed(design, images):
    """Return the cycles after which a span of rounds of ``images`` is over, by the exact cycle model, and some."""
    frames = np.concatenate([images] * 2)
    _, values = layer_inputs(design.network, frames)
    timing = design.timing
    two = int(timing.schedule(timing.ones(values), length=len(frames)).offered[0, -1])
    return two * ((1 << ROUNDS_LOG2) + 2) + 1000


def tell(verdict, identity, classes, what, *, moving, clock_hz=None, output=None, as_json=False, following=()):
    """Print ``verdict``, a table or JSON, write it to ``output``; return 0 if it passes and frames are ``moving``.

    ``following``: words of the command that comes next if it passes.
    """
    good = verdict.passed and not verdict.failed and moving
    data = {
        **verdict.to_json(),
        "of": what,
        "moving": moving,
        "clock_hz": clock_hz,
        "identity": {
            "network_digest": identity.digest.hex(),
            "pixels": identity.pixels,
            "bits": identity.bits,
            "classes": identity.classes,
        },
    }
    if output is not None:
        write_json(output, data)
    console = Terminal()
    if as_json:
        console.file.write(json.dumps(data, indent=2) + "\n")
    else:
        console.print(table(verdict, identity, classes, what, moving=moving, clock_hz=clock_hz))
        if good and following:
            next_step(*following)
    return 0 if good else FAILED_STATUS


def table(verdict, identity, classes, what, *, moving, clock_hz=None):
    """Return what :func:`tell` prints as a rich table."""
    rows = Table(title=f"Self-test: {what}")
    rows.add_column("")
    rows.add_column("", justify="right")
    word = verdict.word.upper() + ("" if moving else ", but no frame moves")
    rows.add_row("verdict", word + (", as it must with the fault injected" if verdict.fault and verdict.failed else ""))
    rows.add_row("network", identity.digest.hex()[:16])
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


def _count(number, bits):
    """Return ``number`` of a counter of ``bits`` bits, which stays at its highest."""
    return f"{number:,}" if number < 1 << bits - 1 else f"at least {number:,}"
