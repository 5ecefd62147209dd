"""The best of what was tried: which trials nothing beats, a spread of them to synthesise, files of each."""

from collections.abc import Sequence
from pathlib import Path

from s2nn_hw.explore.objectives import FIGURES, dominates, excess
from s2nn_hw.explore.rows import FITS, Files, RefusedRow, Row
from s2nn_hw.explore.study import Study
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.files import atomic_path, write_json


def rows_of(study: Study) -> list[Row | RefusedRow]:
    """Return every told trial, in order."""
    rows: list[Row | RefusedRow] = []
    for trial, told in study.told():
        choice = study.space.complete(trial.params)
        if told is None:
            rows.append(RefusedRow(trial.number, choice, trial.user_attrs.get("refused", "")))
            continue
        shares = excess(told.figures, study.settings.budget)
        over = tuple(sorted(name for name, share in shares.items() if share > 0))
        rows.append(Row(trial.number, choice, over, told.variant, told.figures, told.plan))
    return rows


def pareto(rows: Sequence[Row | RefusedRow], objectives: Sequence[str]) -> list[Row]:
    """Return the rows that fit and that no other fitting row beats, each set of figures once, in order of trials."""
    fitting = [row for row in rows if isinstance(row, Row) and row.state == FITS]
    seen, front = set(), []
    for row in fitting:
        key = tuple(row.figures[name] for name in objectives)
        if key in seen or any(dominates(other.figures, row.figures, objectives) for other in fitting):
            continue
        seen.add(key)
        front.append(row)
    return front


def spread(front: list[Row], objectives: Sequence[str], count: int) -> list[Row]:
    """Return at most ``count`` rows of ``front``: the best of each objective, then always the one farthest from all.

    Distance is the largest difference of any objective, in shares of its range on the front.
    """
    if len(front) <= count:
        return front
    span = {name: [row.figures[name] for row in front] for name in objectives}

    def place(row: Row) -> list[float]:
        return [(row.figures[name] - min(values)) / ((max(values) - min(values)) or 1) for name, values in span.items()]

    def distance(row: Row) -> float:
        return min(max(abs(a - b) for a, b in zip(place(row), place(other), strict=True)) for other in chosen)

    chosen: list[Row] = []
    for name in objectives:
        best = _best(front, name)
        if best not in chosen and len(chosen) < count:
            chosen.append(best)
    while len(chosen) < count:
        chosen.append(max((row for row in front if row not in chosen), key=distance))
    return sorted(chosen, key=lambda row: row.trial)


def _best(front: Sequence[Row], name: str) -> Row:
    """Return the row that is best in figure ``name``."""
    return (max if FIGURES[name].most else min)(front, key=lambda row: row.figures[name])


def save_files(row: Row, folder: Path, network_file: Path, board: BoardFacts) -> Files:
    """Write network and plan of ``row`` into ``folder``; return their names there."""
    stem = f"trial-{row.trial:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    content, target = network_file.read_bytes(), folder / f"{stem}.s2nn"
    if not target.is_file() or target.read_bytes() != content:
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
    origin = {
        "network": row.variant.name,
        "board": board.name,
        "clock_mhz": row.choice.clock_mhz,
        "estimate": {name: value for name, value in row.figures.items() if name != "accuracy"},
    }
    write_json(folder / f"{stem}.plan.json", row.plan | origin)
    return Files(f"{folder.name}/{stem}.s2nn", f"{folder.name}/{stem}.plan.json")
