"""One option for each part of a circuit, so that all fit: a multiple-choice knapsack, solved exactly by HiGHS.

    minimise    sum of the prices of the options taken
    such that   each part has one;  for each resource, the sum of what they take <= 1 (a share of the budget);
                what the writer of a stream gives it is what each of its readers takes

Options that take no less of anything than another of the same part with the same streams are dropped first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import highspy
import numpy as np

SECONDS = 20.0  # for one choice; then it counts as not found, and no proof is claimed
MIP_GAP = 5e-3  # of the price of what is returned, over that of the cheapest
PROBING = 1 << 15  # of HiGHS's presolve, which may take longer than the search
BLOCK = 256  # options compared with all before them at a time


@dataclass(frozen=True)
class Option:
    """One way to build a part: ``shares`` of the budget that it takes, its ``price``, and the form (an integer) of each
    stream that it ``gives`` and ``takes``, by name."""

    shares: tuple[float, ...]
    price: float
    gives: Mapping[str, int] = field(default_factory=dict)
    takes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """``taken``: the index of each part's option, None if none was found; ``proven``: that was not for want of time."""

    taken: tuple[int, ...] | None
    proven: bool


def choose(
    parts: Sequence[Sequence[Option]], *, limits: Sequence[float] | None = None, known: Sequence[int] | None = None
) -> Choice:
    """Return the cheapest :class:`Choice` of one option of each of ``parts``.

    ``limits``: of each resource, in shares of the budget; None: 1 of each. ``known``: the index of each part's option
    in a choice that fits, to begin with.
    """
    columns = [(part, n) for part, options in enumerate(parts) for n in undominated(options)]
    options = [parts[part][n] for part, n in columns]
    resources = len(options[0].shares) if options else 0
    rows: list[dict[int, float]] = []
    bounds: list[tuple[float, float]] = []
    for part in range(len(parts)):
        rows.append({column: 1.0 for column, (owner, _) in enumerate(columns) if owner == part})
        bounds.append((1.0, 1.0))
    for r in range(resources):
        rows.append({column: option.shares[r] for column, option in enumerate(options) if option.shares[r]})
        bounds.append((-highspy.kHighsInf, 1.0 if limits is None else limits[r]))
    for row in _streams([owner for owner, _ in columns], options):
        rows.append(row)
        bounds.append((0.0, 0.0))
    start = None if known is None else [float(known[part] == n) for part, n in columns]
    values, sure = _solve(np.array([option.price for option in options]), rows, bounds, start)
    if values is None:
        return Choice(None, sure)
    taken = {owner: n for (owner, n), value in zip(columns, values, strict=True) if value > 0.5}
    return Choice(tuple(taken[part] for part in range(len(parts))), True)


def undominated(options: Sequence[Option], cycles: Sequence[float] | None = None) -> list[int]:
    """Return the indices of those of which no other with the same streams takes and costs at most as much, and has at
    most as many ``cycles``, where these are given."""
    groups: dict[tuple[object, object], list[int]] = defaultdict(list)
    for n, option in enumerate(options):
        groups[tuple(sorted(option.gives.items())), tuple(sorted(option.takes.items()))].append(n)
    kept: list[int] = []
    for members in groups.values():
        table = np.array([(options[n].price, *options[n].shares, cycles[n] if cycles else 0.0) for n in members])
        kept += [members[at] for at in _front(table)]
    return sorted(kept)


def _front(table: np.ndarray) -> list[int]:
    """Return the rows of ``table`` of which no other is at most as large in every column; of equal ones the first."""
    order = np.lexsort(table.T[::-1])  # what is at most as large stands before
    table, kept = table[order], np.ones(len(table), bool)
    for first in range(0, len(table), BLOCK):
        part = table[first : first + BLOCK]
        before = table[: first + BLOCK][kept[: first + BLOCK]]
        less = (before[:, None] <= part).all(axis=2)
        less &= np.flatnonzero(kept[: first + BLOCK])[:, None] < first + np.arange(len(part))
        kept[first : first + BLOCK] = ~less.any(axis=0)
    return order[kept].tolist()


def _streams(owners: Sequence[int], options: Sequence[Option]) -> Iterable[dict[int, float]]:
    """Yield a row for each stream, form and reader: as many writers as that reader; without a writer, its first reader
    is one."""
    given: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    taken: dict[str, dict[int, dict[int, list[int]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for column, option in enumerate(options):
        for name, form in option.gives.items():
            given[name][form].append(column)
        for name, form in option.takes.items():
            taken[name][owners[column]][form].append(column)
    for name in sorted({*given, *taken}):
        readers = dict(taken[name])
        writers = given[name] if name in given else readers.pop(min(readers))
        for reader in readers.values():
            for form in sorted({*writers, *reader}):
                row = dict.fromkeys(writers.get(form, ()), 1.0)
                for column in reader.get(form, ()):
                    row[column] = row.get(column, 0.0) - 1.0
                yield row


def _solve(
    prices: np.ndarray,
    rows: Sequence[Mapping[int, float]],
    bounds: Sequence[tuple[float, float]],
    start: Sequence[float] | None,
) -> tuple[np.ndarray | None, bool]:
    """Return the values of the binaries, the best that were found in time from ``start`` on, and whether it is known
    that there are none where there are none."""
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(prices), len(rows)
    model.col_cost_ = prices
    model.col_lower_, model.col_upper_ = np.zeros(len(prices)), np.ones(len(prices))
    model.integrality_ = [highspy.HighsVarType.kInteger] * len(prices)
    model.row_lower_, model.row_upper_ = (np.array(side) for side in zip(*bounds, strict=True))
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.cumsum([0, *(len(row) for row in rows)])
    model.a_matrix_.index_ = np.array([column for row in rows for column in row])
    model.a_matrix_.value_ = np.array([value for row in rows for value in row.values()])
    solver = highspy._core._Highs()  # its wrapper in Python prints a banner, into what commands print as JSON
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("mip_rel_gap", MIP_GAP)
    solver.setOptionValue("time_limit", SECONDS)
    solver.passModel(model)
    if start is not None:
        solver.setOptionValue("presolve_rule_off", PROBING)
        known = highspy.HighsSolution()
        known.col_value, known.value_valid = list(start), True
        solver.setSolution(known)
    solver.run()
    if solver.getInfo().primal_solution_status == highspy.kSolutionStatusFeasible:
        return np.array(solver.getSolution().col_value), True
    none = (highspy.HighsModelStatus.kInfeasible, highspy.HighsModelStatus.kUnboundedOrInfeasible)
    return None, solver.getModelStatus() in none
