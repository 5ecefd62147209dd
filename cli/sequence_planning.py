"""What ``plan`` does with a network of sequences: recordings, a board and a rate in, a plan and a table out."""

import json
from dataclasses import replace
from pathlib import Path

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.cli.sequences import sequences_for
from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.network import Network
from s2nn_hw.plan.asked import Asked, planned_sequences
from s2nn_hw.plan.sequences import PlannedSequences
from s2nn_hw.report.show.tables import make_table, percent
from s2nn_hw.terminal import Terminal, terminal, working


def plan_sequences(
    network: Network, board: BoardFacts, asked: Asked, images: Path | None
) -> tuple[Plan, PlannedSequences]:
    """Return the plan of ``network``, with its figures as note, and those."""
    if asked.levels is not None:
        raise UserError(f"network {network.name} reads sequences, whose weights are no logic: leave --unroll out")
    sent = sequences_for(network, images)
    with working(f"planning {network.name} for {board.title}"):
        return planned_sequences(network, board, sent.frames, sent.offsets, replace(asked, source=sent.source))


def print_plan(network: Network, board: BoardFacts, plan: Plan, found: PlannedSequences) -> None:
    """Print ``plan`` and its figures."""
    console: Terminal = terminal(tables=True)
    rows = [
        (
            p.name,
            p.neuron.kind,
            p.neuron.size,
            p.lanes,
            p.groups,
            f"{p.groups} x (ones + {p.group_cycles}) + 3",
            percent(busy),
        )
        for p, busy in zip(found.layers, found.busy, strict=True)
    ]
    titles = ("layer", "kind", "neurons", "lanes", "groups", "cycles of a tick", "busy")
    console.print(make_table(f"{network.name} on {board.title}, estimate", titles, rows))
    used = ", ".join(
        f"{count:,.0f} {board.budget[name].kind} of {board.budget[name].budget:,} "
        f"({percent(count / board.budget[name].budget)})"
        for name, count in found.used.items()
    )
    console.print(f"with the host link: {used}")
    console.print(
        f"{found.cycles_per_frame:,.1f} cycles a frame, {found.frames_per_second:,.0f} frames/s (exact cycles of "
        f"{plan.note['estimate']['sequences']})",
        markup=False,
        soft_wrap=True,
    )


def shown(plan: Plan) -> None:
    """Print ``plan`` as JSON."""
    print(json.dumps(plan.to_json(), indent=2))
