"""A plan for a board and a rate, from real spikes."""

from collections.abc import Mapping

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.network import Network
from s2nn_hw.network.trace import layer_inputs
from s2nn_hw.plan import planner

SAMPLE = 48  # images of which the typical ones are planned for


def find_plan(
    network: Network,
    record: BoardFacts,
    clock: float,
    target_fps: float | None,
    unroll: int | None,
    values: Mapping[str, np.ndarray],
) -> planner.Planned:
    """Return the :class:`~s2nn_hw.plan.planner.Planned` that is asked for, see
    :class:`~s2nn_hw.plan.asked.Asked`; :class:`UserError` if it is out of reach."""
    budget = {name: record.budget[name].budget for name in planner.RESOURCES}
    work, reason = planner.Planner(network, record.family, budget, values), ""
    found: planner.Planned | None = None
    try:
        if unroll is not None:
            found = _unrolled(work, unroll, record)
        else:
            found = planner.make_plan(work, clock * 1e6 / target_fps) if target_fps else planner.fit(work)
        if found is None and target_fps:
            reason = _fullest(work, clock * 1e6 / target_fps, record)
    except planner.OutOfReach as limit:
        if not target_fps:
            raise planner.OutOfReach(f"network {network.name} on {record.title}: {limit}") from None
        reason = f": {limit}"
    if found is None:
        # what is best is told; it may even be enough where layers held each other up in all that was tried
        found = planner.fit(work)
    if target_fps and found.interval > clock * 1e6 / target_fps:
        best = clock * 1e6 / (found.bound or found.interval)
        proof = "" if found.bound is None else f", and no plan of the planner's is above {best:,.0f}"
        raise UserError(
            f"{target_fps:,.0f} frames/s are out of reach on {record.title} at {clock:g} MHz{reason}; "
            f"the best is {clock * 1e6 / found.interval:,.0f} frames/s (`--fit`){proof}"
        )
    return found


def _unrolled(work: planner.Planner, levels: int, record: BoardFacts) -> planner.Planned:
    """Return the :class:`~s2nn_hw.plan.planner.Planned` with all weights in logic; :class:`UserError` if it does not
    fit."""
    found = planner.unroll(work, levels)
    for name in planner.RESOURCES:
        if found.used[name] > record.budget[name].budget:
            raise UserError(
                f"unrolled, {work.network.name} does not fit {record.title}: {record.budget[name].kind} about "
                f"{found.used[name]:,.0f} of {record.budget[name].budget:,}; plan it with --fit"
            )
    return found


def typical(network: Network, images: np.ndarray, count: int = planner.PLANNED_FRAMES) -> dict[str, np.ndarray]:
    """Return the tensors, by name, of those ``count`` of ``images`` whose number of ones is nearest the mean."""
    if not len(images):
        raise UserError("images: at least one is needed for a plan")
    _, values = layer_inputs(network, images)
    total = sum(np.bitwise_count(x).sum(axis=1, dtype=np.int64) for x in values.values())
    chosen = np.sort(np.argsort(abs(total - total.mean()), kind="stable")[:count])
    return {name: x[chosen] for name, x in values.items()}


def _fullest(work: planner.Planner, interval: float, board: BoardFacts) -> str:
    """Return which resource overflows most, in words, with the plan that overflows least."""
    name, used = work.fullest(interval)
    if used <= work.budget[name]:
        return ""  # layers alone would fit; together they are not fast enough
    return (
        f": it does not fit: {board.budget[name].kind} {used:,.0f} of {work.budget[name]:,.0f} "
        f"({100 * work.budget[name] / board.budget[name].budget:.0f} % of the board)"
    )
