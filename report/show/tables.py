"""Tables for people, made from the JSON of this package and from nothing else: columns, numbers, ranges, shares."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from s2nn_hw.report.quantities import Json


def make_table(title: str | None, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> Table:
    """Return a rich table; the first column is text, the others are numbers to the right."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for k, column in enumerate(columns):
        table.add_column(column, justify="right" if k else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(text, row))
    return table


def cells(row: Json, *names: str) -> list[Any]:
    """Return what a row of a report's table has in the columns ``names``."""
    return [row[name] for name in names]


def text(value: Any) -> str:
    """Return a number or text as people read it: thousands with commas, few decimals, ``-`` for None."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 10_000 else f"{value:,.1f}" if size >= 100 else f"{value:.3g}"


def span(pair: Sequence[float] | None) -> str:
    """Return the ends of a range, one number where they are the same, ``-`` for None."""
    if pair is None:
        return "-"
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}..{pair[1]}"


def percent(share: float | None) -> str:
    """Return a share as a percentage, ``-`` for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def number(q: Json | None) -> str:
    """Return a quantity of a report as people read it: value, unit and, of an estimate, its band."""
    if q is None or q["value"] is None:
        return "-"
    band = f" ({text(q['band'][0])} to {text(q['band'][1])})" if "band" in q else ""
    return text(q["value"]) + (f" {q['unit']}" if q["unit"] else "") + band
