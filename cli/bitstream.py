"""What the ``bitstream`` command does and says; its numbers come from :mod:`s2nn_hw.hw.flow.build`."""

import hashlib
import shlex

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError, counted
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.flow.build import Options, build, table
from s2nn_hw.hw.flow.build_record import NETWORK, SelfTestFacts
from s2nn_hw.hw.flow.designs import OtherDesign, self_test_design
from s2nn_hw.hw.flow.lowering import lowered_text
from s2nn_hw.hw.link.selftest import ROUNDS_LOG2, Vectors
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan
from s2nn_hw.report.sections.layers import CELL_BAND
from s2nn_hw.terminal import Terminal


def build_bitstream(path, board, *, output, plan=None, self_test=False, vectors=None, test_images=None, **options):
    """Build the network in file ``path`` for the board named ``board``, say where things are, return the build.

    ``self_test``: the accelerator is fed on the chip, not over the link, with the first ``vectors`` (None takes the
    default) of ``test_images()``, which returns ``(images, labels, where they are from)``.
    """
    board = find_board(board)
    options = Options(**options)
    network = load(path)
    console = Terminal()
    chosen = load_plan(plan, network, board=board.name) if plan else default_plan(network, board.family)
    other = None
    if vectors is not None and not self_test:
        raise UserError("--vectors is for a self-test: give --self-test beside it, or leave it out")
    if self_test:
        other = _self_test(network, chosen, vectors, test_images)
    guess = estimate(Design(network, chosen), board.family, link=not self_test)
    low, high = (round(guess["cells"] * end) for end in CELL_BAND)
    if board.family == "ice40" and low <= board.budget.luts < guess["cells"]:
        console.print(
            f"it may not fit: about {guess['cells']:,} of {board.budget.luts:,} logic cells once placed "
            f"({low:,} to {high:,}, an estimate); a smaller circuit: s2nn-hw plan {path} --board "
            f"{board.name} -o plan.json, then --plan plan.json",
            soft_wrap=True,
        )
    built = build(
        network,
        board,
        plan=chosen,
        options=options,
        output=output,
        console=console,
        estimate=guess | ({"luts": low} if board.family == "ice40" else {}),
        other=other,
    )

    def say(text):
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    lowered = lowered_text(built.record)
    if lowered:
        say(lowered)
    if built.bitstream:
        say(f"bitstream: {built.bitstream}")
        say(f"program it, in that folder, with: {built.record.program}")
        if not self_test:
            say(
                "then images go to it and classes come back: s2nn-hw run --port /dev/ttyUSB0 --images X.npy --network "
                + shlex.quote(str(built.folder / NETWORK))
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
    return built


def _self_test(network, plan, count, test_images):
    """Return the design of a self-test with ``count`` of the images."""
    images, _, where = test_images()
    vectors = Vectors.of(network, images, count)
    digest = hashlib.sha256(b"".join(x.tobytes() for x in (vectors.pixels, vectors.classes, vectors.scores)))
    facts = SelfTestFacts(len(vectors.pixels), where, digest.hexdigest(), 1 << ROUNDS_LOG2)
    return OtherDesign(self_test_design(network, plan, vectors), f"self-test {facts.asked()}", facts)


def last_word(built):
    """Return why there is no bitstream, in one line for the end of a long output."""
    return (
        f"no bitstream (status {built.status}): {len(built.missing)} things are missing on this machine, "
        f"{', '.join(built.missing)}; {built.folder} can be finished where they are"
    )


def show_resources(built, board):
    """Print what the build uses and reaches, for networks that can't be reported on otherwise."""
    Terminal().print(table(built, find_board(board)))
