"""What ``s2nn-hw plan`` does: a network, a board and a target in, a plan, a table and figures out."""

import json
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.network.store import load
from s2nn_hw.plan.for_board import SAMPLE, _found, figures, typical
from s2nn_hw.plan.plan import Plan
from s2nn_hw.report.show.tables import make_table, percent
from s2nn_hw.terminal import next_step, terminal, working


def plan_network(
    path, *, board, find_board, test_images, target_fps=None, clock_mhz=None, unroll=None, output=None, as_json=False
):
    """Plan the network in file ``path`` for ``board``, print the table, write the plan to ``output``.

    ``target_fps``: frames a second to reach with the least of the board; None: as fast as fits. ``unroll``: instead,
    all weights in logic, with so many levels of it between registers, 0 for the default. ``find_board``,
    ``test_images``: as in :func:`s2nn_hw.cli.reporting.report_network`. :class:`UserError` if the target is out of
    reach: it names what limits and the best that is reachable.
    """
    if output is not None and Path(output).suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    network, record = load(path), find_board(board)
    clock = clock_mhz or record.clock_mhz
    for name, value in (("clock", clock_mhz), ("target", target_fps)):
        if value is not None and not value > 0:
            raise UserError(f"{name} must be positive, not {value:g}")
    images, _, source = test_images(network)
    with working(f"planning {network.name} for {record.title}"):
        found = _found(network, record, clock, target_fps, unroll, typical(network, images[:SAMPLE]))
    data = figures(network, record, clock, found, target_fps, source)
    plan = Plan(
        found.plan.layers, {"network": network.name, "board": record.name, "clock_mhz": clock, "estimate": data}
    )
    if output is not None:
        plan.save(output)
    if as_json:
        print(json.dumps(plan.to_json(), indent=2))
        return
    console = terminal(tables=True)
    print_plan(network, record, data, console)
    if output is not None:
        console.print(f"plan: {output}")
        next_step("bitstream", path, "--board", board, "--plan", output)
    else:
        next_step("plan", path, "--board", board, "-o", "plan.json")


def print_plan(network, board, data, console):
    """Print what :func:`figures` returned."""
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
