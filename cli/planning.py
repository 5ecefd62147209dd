"""What ``s2nn-hw plan`` does: a network, a board and a target in, a plan, a table and figures out."""

import json
from pathlib import Path

import numpy as np

from s2nn_hw.cost.memory import FAMILIES
from s2nn_hw.emit import layer_inputs
from s2nn_hw.errors import UserError
from s2nn_hw.network.store import load
from s2nn_hw.plan import planner
from s2nn_hw.plan.plan import Plan
from s2nn_hw.report.show.tables import make_table, percent
from s2nn_hw.terminal import next_step, terminal, working

SAMPLE = 48  # images of which the typical ones are planned for


def plan_network(
    path, *, board, find_board, test_images, target_fps=None, clock_mhz=None, unroll=None, output=None, as_json=False
):
    """Plan the network in file ``path`` for ``board``, print the table, write the plan to ``output``.

    ``target_fps``: frames a second to reach with the least of the board; None: as fast as fits. ``unroll``: instead,
    all weights in logic, with so many levels of it between registers, 0 for the default. ``find_board``,
    ``test_images``: as in :func:`s2nn_hw.cli.main.reporting.report_network`. :class:`UserError` if the target is out of
    reach: it names what limits and the best that is reachable.
    """
    if output is not None and Path(output).suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    network, record = load(path), find_board(board)
    clock = clock_mhz or record["clock_mhz"]
    for name, value in (("clock", clock_mhz), ("target", target_fps)):
        if value is not None and not value > 0:
            raise UserError(f"{name} must be positive, not {value:g}")
    images, _, source = test_images(network)
    with working(f"planning {network.name} for {record['title']}"):
        found = _found(network, record, clock, target_fps, unroll, typical(network, images[:SAMPLE]))
    data = figures(network, record, clock, found, target_fps, source)
    plan = Plan(
        found.plan.layers, {"network": network.name, "board": record["name"], "clock_mhz": clock, "estimate": data}
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


def _found(network, record, clock, target_fps, unroll, values):
    """Return the :class:`~s2nn_hw.plan.plan.planner.Planned` that is asked for, see :func:`plan_network`."""
    budget = {name: record["budget"][name]["budget"] for name in planner.RESOURCES}
    work = planner.Planner(network, record["family"], budget, values)
    try:
        if unroll is not None:
            found = planner.unroll(work, unroll)
            over = [name for name in planner.RESOURCES if found.used[name] > budget[name]]
            if over:
                raise UserError(
                    f"unrolled, {network.name} does not fit {record['title']}: {over[0]} about "
                    f"{found.used[over[0]]:,.0f} of {budget[over[0]]:,}; plan it with --fit"
                )
        else:
            found = planner.make_plan(work, clock * 1e6 / target_fps) if target_fps else planner.fit(work)
        reason = "it does not fit: " + _fullest(work, clock * 1e6 / target_fps, record) if found is None else ""
    except planner.OutOfReach as limit:
        if not target_fps:
            raise UserError(f"network {network.name} on {record['title']}: {limit}") from None
        found, reason = None, str(limit)
    if found is None:
        # slow plans have many groups, whose memories pack differently: a faster one may fit where they do not
        found = planner.fit(work)
    if target_fps and found.interval > clock * 1e6 / target_fps:
        raise UserError(
            f"{target_fps:,.0f} frames/s are out of reach on {record['title']} at {clock:g} MHz: {reason}; "
            f"the best is {clock * 1e6 / found.interval:,.0f} frames/s (`--fit`)"
        )
    return found


def typical(network, images, count=planner.PLANNED_FRAMES):
    """Return the tensors, by name, of those ``count`` of ``images`` whose number of ones is nearest the mean."""
    if not len(images):
        raise UserError("images: at least one is needed for a plan")
    _, values = layer_inputs(network, images)
    total = sum(np.bitwise_count(x).sum(axis=1, dtype=np.int64) for x in values.values())
    chosen = np.sort(np.argsort(abs(total - total.mean()), kind="stable")[:count])
    return {name: x[chosen] for name, x in values.items()}


def figures(network, board, clock, found, target, source):
    """Return the JSON-able figures of a :class:`~s2nn_hw.plan.plan.planner.Planned`: the plan's ``estimate``."""
    wanted = clock * 1e6 / target if target else found.interval
    return {
        "frames": planner.PLANNED_FRAMES,
        "images": source,
        "target_frames_per_second": target,
        "interval_cycles": round(found.interval, 1),
        "latency_cycles": round(found.latency, 1),
        "frames_per_second": round(clock * 1e6 / found.interval, 1),
        "latency_us": round(found.latency / clock, 2),
        "resources": {
            name: {
                "kind": board["budget"][name]["kind"],
                "used": round(found.used[name], 1),
                "budget": board["budget"][name]["budget"],
            }
            for name in planner.RESOURCES
        },
        "layers": [
            {
                "name": name,
                "cycles": round(c.cycles),
                "of_target": round(c.cycles / wanted, 3),
                "luts": round(c.cost.luts),
                "ffs": round(c.cost.ffs),
                "brams": c.cost.brams,
                "lanes": _lanes(network.layer(name), c.choice),
            }
            | c.packing
            | {"choice": _choice(c.choice)}
            for name, c in found.rows
        ],
    }


def print_plan(network, board, data, console):
    """Print what :func:`figures` returned."""
    kind = FAMILIES[board["family"]]
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
            f"{network.name} on {board['title']}, estimate",
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


def _lanes(layer, choice):
    return -(-layer.neuron.size // choice.groups) if layer.accumulates else None


def _choice(choice):
    return {key: getattr(choice, key) for key in ("engine", "width", "taps", "banks", "groups", "memory")}


def _fullest(work, interval, board):
    """Return which resource overflows most, in words, with the plan that overflows least."""
    used = work.least(interval)
    name = max(used, key=lambda r: used[r] / work.budget[r])
    return (
        f"{board['budget'][name]['kind']} {used[name]:,.0f} of {work.budget[name]:,.0f} "
        f"({100 * work.budget[name] / board['budget'][name]['budget']:.0f} % of the board)"
    )
