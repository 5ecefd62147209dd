"""The fastest plan of each network and board as ``docs/figures/plans.json`` has it, and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from benchmarks.frame import Row
from s2nn_hw.errors import UserError
from s2nn_hw.records import Amount, Positive

DIFFERS = 0.995  # of the proven bound: below, the cell of the table says how much
ON, NOT = " on ", ": does not fit"  # in the names of the benchmark's rows


@dataclass(frozen=True)
class FastestPlan:
    """What ``plan --fit`` found: ``frames`` a second, 0 where no plan fits, and the proven ``bound``."""

    frames: Amount
    bound: Positive | None = None

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return what ``row`` of the benchmark measured."""
        return cls(row.measured, row.reference or None)

    @property
    def cell(self) -> str:
        """The cell of the table: frames/s, and the share of the bound where that is not reached."""
        if not self.frames:
            return "-"
        share = self.frames / self.bound if self.bound else 1.0
        return f"{self.frames:,.0f}" + (f" ({share:.2f})" if share < DIFFERS else "")


Plans = Mapping[str, Mapping[str, FastestPlan]]  # by network, then by board


def plans_of(rows: Sequence[Row]) -> Plans:
    """Return the plans in the ``rows`` of ``python -m benchmarks plan``; figures to reach are left out."""
    found: dict[str, dict[str, FastestPlan]] = {}
    for row in rows:
        network, on, board = row.what.removesuffix(NOT).partition(ON)
        if on and not row.binding:
            found.setdefault(network, {})[board] = FastestPlan.of(row)
    boards = {tuple(by_board) for by_board in found.values()}
    if len(boards) != 1:
        raise UserError("the benchmark's file must have the same boards for every network; run it to its end")
    return found


def plan_rows(plans: Plans) -> tuple[list[str], list[list[str]]]:
    """Return head and rows of the table: a network a row, a board a column."""
    if not plans:
        return ["network"], []
    boards = list(next(iter(plans.values())))
    return (
        ["network", *boards],
        [[f"`{network}`", *(found[board].cell for board in boards)] for network, found in plans.items()],
    )
