"""What ``s2nn-hw plan`` does: a network, a board and a target in, a plan, a table and figures out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import board_facts
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.for_board import SAMPLE, figures, find_plan, typical
from s2nn_hw.quantize.data.images import images_for
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
    output, target = options.output, options.target_fps
    if output is not None and output.suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    network, board = load(path), board_facts(find_board(options.board))
    clock = options.clock_mhz or board.clock_mhz
    for name, value in (("clock", options.clock_mhz), ("target", target)):
        if value is not None and not value > 0:
            raise UserError(f"{name} must be positive, not {value:g}")
    images, _, source = images_for(path, options.images, None, download=False)
    with working(f"planning {network.name} for {board.title}"):
        found = find_plan(network, board, clock, target, options.unroll, typical(network, images[:SAMPLE]))
    data = figures(network, board, clock, found, target, source)
    plan = Plan(found.plan.layers, {"network": network.name, "board": board.name, "clock_mhz": clock, "estimate": data})
    if output is not None:
        plan.save(output)
    if options.as_json:
        print(json.dumps(plan.to_json(), indent=2))
        return
    console = terminal(tables=True)
    print_plan(network, board, data, console)
    if output is not None:
        console.print(f"plan: {output}")
        next_step("bitstream", path, "--board", options.board, "--plan", output)
    else:
        next_step("plan", path, "--board", options.board, "-o", "plan.json")


def print_plan(network: Network, board: BoardFacts, data: dict[str, Any], console: Terminal) -> None:
    """Print ``data``, what :func:`figures` returned."""
    kind = FAMILIES[board.family]
    rows = []
    for row in data["layers"]:
        c = row["choice"]
        rows.append(
            (
                row["name"],
                c["engine"],
                row["lanes"],
                f"{c['banks']}/{c['taps']}",
                c["width"],
                c["groups"],
                c["memory"],
                row["cycles"],
                percent(row["of_target"]),
                row["luts"],
                f"{row['brams']:g}",
                percent(row["packing"]),
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
                "of target",
                kind.lut_kind,
                kind.bram_kind,
                "packing",
            ),
            rows,
        )
    )
    used = ", ".join(
        f"{row['used']:,.0f} {row['kind']} of {row['budget']:,} ({percent(row['used'] / row['budget'])})"
        for row in data["resources"].values()
    )
    console.print(f"with the host link: {used}")
    console.print(
        f"interval {data['interval_cycles']:,.0f} cycles, {data['frames_per_second']:,.0f} frames/s; latency "
        f"{data['latency_us']:,.1f} us (exact cycles of {data['frames']} typical images: {data['images']})",
        markup=False,
    )
