"""What ``s2nn-hw plan`` does: a network, a board and a target in, a plan, a table and figures out."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from s2nn_hw.cli import sequence_planning
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.board.clocking import hertz
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.asked import Asked, planned
from s2nn_hw.plan.figures import PlanFigures
from s2nn_hw.report.show.tables import make_table, percent
from s2nn_hw.terminal import Terminal, next_step, terminal, working


@dataclass(frozen=True)
class Options:
    """What ``plan`` may be asked for; see its help.

    board:      its name
    target_fps: frames a second to reach with the least of the board; None: as fast as fits
    clock_mhz:  None takes the board's
    unroll:     all weights in logic, with so many levels of it between registers, 0 for the default; None: not so
    images:     a file of what is planned for, None takes the test set
    output:     the ``.json`` to write
    as_json:    print the plan, not a table
    """

    board: str
    target_fps: float | None = None
    clock_mhz: float | None = None
    unroll: int | None = None
    images: Path | None = None
    output: Path | None = None
    as_json: bool = False


def plan_network(path: Path, options: Options) -> None:
    """Plan the network in file ``path``, print the table, write the plan.

    :class:`UserError` if the target is out of reach: it names what limits and the best that is reachable.
    """
    output = options.output
    if output is not None and output.suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    network, board = load(path), board_facts(find_board(options.board), logic=options.unroll is not None)
    clock = None if options.clock_mhz is None else hertz(options.clock_mhz) / 1e6
    asked = Asked(options.target_fps, clock, options.unroll)
    if network.input.sequences:
        _plan_sequences(path, network, board, asked, options)
        return
    images, _, source = frames_for(path, options.images)
    with working(f"planning {network.name} for {board.title}"):
        plan, made = planned(network, board, images, replace(asked, source=source))
    if output is not None:
        plan.save(output)
    if options.as_json:
        print(json.dumps(plan.to_json(), indent=2))
        return
    console = terminal(tables=True)
    print_plan(network, board, made, console)
    if output is not None:
        console.print(f"plan: {output}")
        next_step("bitstream", path, "--board", options.board, "--plan", output)
    else:
        next_step("plan", path, "--board", options.board, "-o", "plan.json")


def _plan_sequences(path: Path, network: Network, board: BoardFacts, asked: Asked, options: Options) -> None:
    """Plan a network of sequences, print the table, write the plan."""
    plan, found = sequence_planning.plan_sequences(network, board, asked, options.images)
    if options.output is not None:
        plan.save(options.output)
    if options.as_json:
        sequence_planning.shown(plan)
        return
    sequence_planning.print_plan(network, board, plan, found)
    if options.output is not None:
        terminal().print(f"plan: {options.output}")
        next_step("bitstream", path, "--board", options.board, "--plan", options.output)


def print_plan(network: Network, board: BoardFacts, found: PlanFigures, console: Terminal) -> None:
    """Print the figures ``found`` as a table and two lines."""
    kind = FAMILIES[board.family]
    rows = []
    for row in found.layers:
        choice = row.choice
        rows.append(
            (
                row.name,
                choice.engine,
                row.lanes,
                f"{choice.banks}/{choice.taps}",
                choice.width,
                choice.groups,
                choice.memory,
                row.cycles,
                percent(row.of_target),
                row.luts,
                f"{row.brams:g}",
                percent(row.weights.packing),
            )
        )
    console.print(
        make_table(
            f"{network.name} on {board.title}, estimate",
            (
                "layer",
                "engine",
                "lanes",
                "banks/taps",
                "word",
                "groups",
                "memory",
                "cycles",
                "of target" if found.target_frames_per_second else "of interval",
                kind.lut_kind,
                kind.bram_kind,
                "packing",
            ),
            rows,
        )
    )
    used = ", ".join(
        f"{row.used:,.0f} {row.kind} of {row.budget:,} ({percent(row.share)})" for row in found.resources.values()
    )
    console.print(f"with the host link: {used}")
    console.print(
        "cycles: a layer's own, mean of the images; the interval is that between results, once the pipeline is full"
    )
    console.print(
        f"interval {found.interval_cycles:,.0f} cycles, {found.frames_per_second:,.0f} frames/s; latency "
        f"{found.latency_us:,.1f} us (exact cycles of {found.frames} typical images: {found.images})",
        markup=False,
    )
    if found.bound_cycles:
        best = found.frames_per_second * found.interval_cycles / found.bound_cycles
        console.print(
            f"proven: no way to build the layers that fits takes fewer than {found.bound_cycles:,.0f} cycles "
            f"({best:,.0f} frames/s)"
        )
