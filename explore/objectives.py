"""The figures of a candidate that may be objectives or have a limit, and what limits a board and a user set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from s2nn_hw.errors import UserError
from s2nn_hw.family.board import BoardFacts


@dataclass(frozen=True)
class Figure:
    """A figure: its ``unit``, whether more of it is better (``most``), its ``title`` and ``digits`` in a table."""

    unit: str
    most: bool
    title: str
    digits: int = 0

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """What Optuna is to do with it."""
        return "maximize" if self.most else "minimize"


FIGURES = {
    "accuracy": Figure("share", True, "accuracy", 4),
    "latency_us": Figure("us", False, "us", 3),
    "latency_cycles": Figure("cycles", False, "latency cycles", 1),
    "interval_cycles": Figure("cycles", False, "interval cycles", 1),
    "frames_per_second": Figure("frames/s", True, "frames/s", 0),
    "luts": Figure("LUT", False, "LUT", 0),
    "ffs": Figure("FF", False, "FF", 0),
    "brams": Figure("block RAM", False, "block RAM", 1),
    "energy_nj": Figure("nJ", False, "nJ", 2),
}
CIRCUIT = tuple(name for name in FIGURES if name != "accuracy")  # those that are not the network's alone
RESOURCES = ("luts", "ffs", "brams")
OBJECTIVES = ("accuracy", "latency_us", "luts", "energy_nj")


def parse_budget(text: str | None) -> dict[str, float]:
    """Return ``{figure: limit}`` from ``"luts=8000,latency_us=5,accuracy=0.97"``; None gives no limits.

    A limit is the most there may be, of ``accuracy`` and ``frames_per_second`` the least. Accuracy may be a share or,
    with a sign behind it, ``97%``. :class:`UserError` names what is wrong.
    """
    limits: dict[str, float] = {}
    for part in text.split(",") if text else ():
        name, sign, value = (word.strip() for word in part.partition("="))
        if name not in FIGURES:
            raise UserError(f"--budget: {name!r} is unknown; known: {', '.join(FIGURES)}")
        if name in limits:
            raise UserError(f"--budget: {name} is given twice")
        percent = name == "accuracy" and value.endswith("%")
        try:
            number = float(value.removesuffix("%") if percent else value) / (100 if percent else 1)
        except ValueError:
            number = math.nan
        if not sign or not math.isfinite(number) or not number > 0:
            raise UserError(f"--budget: {name} needs a positive number, as in {name}=8, not {part.strip()!r}")
        if name == "accuracy" and number > 1:
            raise UserError(f"--budget: accuracy is a share from 0 to 1 (or 97%), not {value}")
        limits[name] = number
    return limits


def with_board(limits: Mapping[str, float], board: BoardFacts) -> dict[str, float]:
    """Return ``limits`` with those of ``board`` (:func:`s2nn_hw.hw.facts.board_facts`): the smaller of both."""
    own = {name: float(board.budget[name].budget) for name in RESOURCES}
    return dict(limits) | {name: min(value, limits.get(name, value)) for name, value in own.items()}


def parse_objectives(text: str | None) -> list[str]:
    """Return the names in ``"accuracy,luts"``, default :data:`OBJECTIVES`, in their order."""
    names = [part.strip() for part in text.split(",")] if text else list(OBJECTIVES)
    for name in names:
        if name not in FIGURES:
            raise UserError(f"--objectives: {name!r} is unknown; known: {', '.join(FIGURES)}")
    if len(set(names)) != len(names) or len(names) < 2:
        raise UserError(
            "--objectives: two different figures or more are wanted; for a single one `s2nn-hw plan` is the tool"
        )
    return names


def excess(figures: Mapping[str, float], limits: Mapping[str, float]) -> dict[str, float]:
    """Return by how much each limit is exceeded, relative to it: ``{figure: share}``, 0 or less where it is kept."""
    over = {}
    for name, limit in limits.items():
        value = figures[name]
        over[name] = (limit - value if FIGURES[name].most else value - limit) / limit
    return over


def dominates(one: Mapping[str, float], other: Mapping[str, float], objectives: Sequence[str]) -> bool:
    """Whether ``one`` (a mapping of figures) is nowhere worse than ``other`` and somewhere better."""
    signs = [-1 if FIGURES[name].most else 1 for name in objectives]
    gaps = [sign * (one[name] - other[name]) for sign, name in zip(signs, objectives, strict=True)]
    return max(gaps) <= 0 and min(gaps) < 0
