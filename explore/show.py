"""The front as a table on the terminal."""

from s2nn_hw.explore.objectives import FIGURES
from s2nn_hw.explore.rows import FITS, OVER, REFUSED, Entry
from s2nn_hw.explore.space import Choice
from s2nn_hw.explore.summary import COMPARED, Summary
from s2nn_hw.explore.tasks import Failed
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.terminal import Terminal

WIDE = 110  # columns of a terminal that has room for what synthesis counts


def show(summary: Summary, name: str, board: BoardFacts, console: Terminal) -> None:
    """Print the front of ``summary`` of what is called ``name`` as a table, and what its estimates are worth."""
    from s2nn_hw.report.show.tables import make_table

    wide, objectives, counts = console.width >= WIDE, summary.settings.objectives, summary.counts
    others = [n for n in ("accuracy", "latency_us", "frames_per_second", "energy_nj") if n not in objectives]
    names = [n for n in [*objectives, *(others if wide else [])] if n not in COMPARED]
    kinds = [board.budget[n].kind for n in COMPARED]
    columns = ["trial", "bits", "plan", "MHz", *(FIGURES[n].title for n in names)]
    for kind in kinds:
        columns += [kind, "yosys", "error"] if wide else [kind, "error"]
    rows = [_row(entry, names, wide) for entry in summary.entries]
    source = summary.settings.source
    entering = "steps of events" if source.events else "of pixels"
    console.print(make_table(f"{name} on {board.title}: the front (bits: {entering} / weights)", columns, rows))
    if source.planes:
        console.print(f"behind the input {source.planes}")
    console.print(
        f"{sum(counts.values())} trials: {counts[FITS]} within the budget, {counts[OVER]} beyond it, "
        f"{counts[REFUSED]} that stand for no circuit; {len(summary.entries)} on the front"
    )
    for resource, kind in zip(COMPARED, kinds, strict=True):
        found = summary.estimate_error[resource]
        if found:
            console.print(
                f"estimate against yosys, {kind}: {100 * found.mean:.1f} % off on average, "
                f"{100 * found.largest:.1f} % at most ({found.candidates} synthesised)"
            )
    for entry in summary.entries:
        if isinstance(entry.synthesis, Failed):
            console.print(f"trial {entry.row.trial} was not synthesised: {entry.synthesis.failed}")


def _row(entry: Entry, names: list[str], wide: bool) -> list[str]:
    """Return the cells of ``entry``: what it is, the figures ``names``, estimates against synthesis."""
    choice, figures, used, error = entry.row.choice, entry.row.figures, entry.used, entry.error
    row = [
        str(entry.row.trial),
        f"{choice.input_bits}/{choice.weight_bits}",
        _plan(choice),
        f"{choice.clock_mhz:g}",
        *(_text(name, figures.get(name)) for name in names),
    ]
    for name in COMPARED:
        row += [
            _text(name, figures[name]),
            *([_text(name, used[name] if used else None)] if wide else []),
            _signed(error[name] if error else None),
        ]
    return row


def _plan(choice: Choice) -> str:
    return f"pace {choice.pace}" if choice.plan == "planner" else choice.plan


def _text(name: str, value: float | None) -> str:
    return "-" if value is None else f"{value:,.{FIGURES[name].digits}f}"


def _signed(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.1f} %"
