"""A plan with its figures, for what is asked of a board: rate, clock, engines; of single frames and of sequences."""

from dataclasses import dataclass

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.network import Network
from s2nn_hw.plan.figures import PlanFigures, figures
from s2nn_hw.plan.for_board import SAMPLE, find_plan, typical
from s2nn_hw.plan.sequences import PlannedSequences, SequencePlanner

MOST_FPS = 1e12


@dataclass(frozen=True)
class Asked:
    """What is asked for.

    target_fps: frames a second to reach with the least of the board; None: as fast as fits
    clock_mhz:  None takes the board's
    levels:     all weights in logic, with so many levels of it between registers, 0 for the default; None: not so
    source:     where the images are from
    """

    target_fps: float | None = None
    clock_mhz: float | None = None
    levels: int | None = None
    source: str = ""

    def __post_init__(self) -> None:
        target = self.target_fps
        if target is not None and not 0 < target <= MOST_FPS:
            raise UserError(f"target must be positive, and {MOST_FPS:,.0f} frames/s at most, not {target:g}")
        if self.levels is not None and not 0 <= self.levels <= 64:
            raise UserError(f"levels must be 0 to 64, not {self.levels}")


def planned(network: Network, board: BoardFacts, images: np.ndarray, asked: Asked) -> tuple[Plan, PlanFigures]:
    """Return the plan of ``network`` for ``board``, from the spikes of typical ``images``, and its figures, which its
    note has too.

    :class:`UserError` if the target is out of reach: it names what limits and the best that is reachable.
    """
    clock = asked.clock_mhz or board.clock_mhz
    found = find_plan(network, board, clock, asked.target_fps, asked.levels, typical(network, images[:SAMPLE]))
    made = figures(network, board, clock, found, asked.target_fps, asked.source)
    note = {"network": network.name, "board": board.name, "clock_mhz": clock, "estimate": made.to_json()}
    return Plan(found.plan.layers, note), made


def planned_sequences(
    network: Network, board: BoardFacts, frames: np.ndarray, offsets: np.ndarray, asked: Asked
) -> tuple[Plan, PlannedSequences]:
    """Return the plan of ``network``, which reads sequences, for ``board``, from typical ones, and its figures, which
    its note has too.

    :class:`UserError` as of :func:`planned`, and where ``asked`` has levels: weights are no logic here.
    """
    if asked.levels is not None:
        raise UserError(f"network {network.name} reads sequences, whose weights are no logic: leave its levels out")
    clock, target = asked.clock_mhz or board.clock_mhz, asked.target_fps
    planner = SequencePlanner(network, board, clock * 1e6, frames, offsets)
    found = planner.fastest() if target is None else planner.cheapest(target)
    estimate = {
        "sequences": asked.source,
        "target_frames_per_second": target,
        "cycles_per_frame": round(found.cycles_per_frame, 2),
        "frames_per_second": round(found.frames_per_second, 1),
        "resources": {
            name: {"kind": board.budget[name].kind, "used": used, "budget": board.budget[name].budget}
            for name, used in found.used.items()
        },
    }
    note = {"network": network.name, "board": board.name, "clock_mhz": clock, "estimate": estimate}
    return Plan(found.plan.layers, note), found
