"""What an exploration came to: ``front.json`` and ``pareto.csv``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from s2nn_hw import __version__
from s2nn_hw.explore.objectives import FIGURES
from s2nn_hw.explore.rows import STATES, Entry, RefusedRow, Row
from s2nn_hw.explore.settings import Settings
from s2nn_hw.files import write_json, write_text

FORMAT, VERSION = "s2nn-exploration", 1
COMPARED = ("luts", "brams")  # those whose error is told
SOURCES = {
    "accuracy": "golden model",
    "cycles": "formula",
    "resources": "estimate",
    "energy": "estimate",
    "synthesis": "tool report",
}


@dataclass(frozen=True)
class Error:
    """How far estimates were off, as shares: of how many ``candidates``, their ``mean`` and the ``largest``."""

    candidates: int
    mean: float
    largest: float

    @classmethod
    def of(cls, shares: Sequence[float]) -> "Error | None":
        """Return the figures of ``shares``, None without any."""
        return cls(len(shares), round(sum(shares) / len(shares), 4), max(shares)) if shares else None

    def to_json(self) -> dict[str, float]:
        """Return it JSON-able."""
        return {"candidates": self.candidates, "mean": self.mean, "largest": self.largest}


@dataclass(frozen=True)
class Point:
    """A trial of the chart: whether it is on the ``front``, its state, its ``objectives`` by name, in their order."""

    trial: int
    front: bool
    state: str
    objectives: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        return {"trial": self.trial, "front": self.front, "state": self.state, **self.objectives}


@dataclass(frozen=True)
class Summary:
    """All ``rows`` of an exploration of ``settings``, the ``entries`` of its front, and when it was ``created``."""

    settings: Settings
    rows: Sequence[Row | RefusedRow]
    entries: Sequence[Entry]
    created: str

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many trials there are in each state."""
        return {state: sum(row.state == state for row in self.rows) for state in STATES}

    @cached_property
    def estimate_error(self) -> Mapping[str, Error | None]:
        """How far the estimates of the front were off, by resource."""
        errors = [entry.error for entry in self.entries if entry.error]
        return {name: Error.of([abs(e) for found in errors if (e := found[name]) is not None]) for name in COMPARED}

    @cached_property
    def points(self) -> list[Point]:
        """Return the chart: every trial with figures."""
        numbers, names = {entry.row.trial for entry in self.entries}, self.settings.objectives
        return [
            Point(row.trial, row.trial in numbers, row.state, {name: row.figures[name] for name in names})
            for row in self.rows
            if isinstance(row, Row)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return ``front.json`` (docs/explore.md)."""
        errors = self.estimate_error
        return {
            "format": FORMAT,
            "version": VERSION,
            "tool": f"s2nn-hw {__version__}",
            "created": self.created,
            "settings": self.settings.to_json(),
            "objectives": [
                {"figure": name, "unit": FIGURES[name].unit, "better": "more" if FIGURES[name].most else "less"}
                for name in self.settings.objectives
            ],
            "sources": SOURCES,
            "counts": self.counts,
            "estimate_error": {name: error and error.to_json() for name, error in errors.items()},
            "front": [entry.to_json() for entry in self.entries],
            "chart": {"axes": self.settings.objectives, "points": [point.to_json() for point in self.points]},
            "trials": [row.to_json() for row in self.rows],
        }

    def csv(self) -> str:
        """Return the chart as CSV, a line per trial with figures."""
        columns = ("trial", "front", "state", *self.settings.objectives)
        lines = [",".join(columns), *(",".join(map(str, point.to_json().values())) for point in self.points)]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``front.json`` and ``pareto.csv`` into ``folder``."""
        write_json(folder / "front.json", self.to_json())
        write_text(folder / "pareto.csv", self.csv())
