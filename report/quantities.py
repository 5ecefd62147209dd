"""Numbers that say what they are: a quantity and a table of a report, with unit, source and, for estimates, a band.

    quantity   {"value", "unit", "source", "by"?, "band"?}           band: [low, high] in the quantity's unit
    table      {"columns": {NAME: column}, "rows": [{"name": text, NAME: number, text, list of texts or null}, ...]}
    column     {"unit", "source", "by"?, "band"?}                    band: [low, high] as factors of the value

A band is there exactly when the source is ``estimate``. ``by`` says in words which formula, tool or file.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, overload

Json = dict[str, Any]  # an object of a report: a quantity, a table, a section ...

SOURCES = ("formula", "simulation", "golden model", "tool report", "estimate", "measured", "setting")


@overload
def significant(value: None, digits: int = 6) -> None: ...


@overload
def significant(value: float, digits: int = 6) -> float: ...


def significant(value: float | None, digits: int = 6) -> float | None:
    """Return ``value`` rounded to so many significant digits, None as None; integers stay whole."""
    value = _number(value, "value")
    if value is None or isinstance(value, int) or value == 0:
        return value
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))


def quantity(
    value: float | None, unit: str, source: str, by: str | None = None, band: Sequence[float] | None = None
) -> Json:
    """Return a JSON-able quantity.

    ``value``: a finite number, or None where nothing is known (then there is no band); ``unit``: text, e.g. ``nJ``,
    "" for text; ``source``: one of :data:`SOURCES`; ``by``: text or None; ``band``: ``(low, high)`` in ``unit``
    around the value, for estimates and only for them. :class:`ValueError` if a rule is broken.
    """
    value = _number(value, "value")
    result: Json = {"value": value} | _origin(unit, source, by, band, needs_band=value is not None)
    if band is not None:
        low, high = result["band"]
        if value is None or not low <= value <= high:
            raise ValueError(f"band {low} .. {high} must hold the value {value}")
    return result


def column(unit: str, source: str, by: str | None = None, band: Sequence[float] | None = None) -> Json:
    """Return what a table says once about a column; ``band``: ``(low, high)`` factors around 1, for estimates only."""
    result = _origin(unit, source, by, band, needs_band=True)
    if band is not None and not 0 <= result["band"][0] <= 1 <= result["band"][1]:
        raise ValueError(f"band of a column must be factors around 1, not {result['band']}")
    return result


def widest(rows: Iterable[Json], value: str = "nj", low: str = "low_nj", high: str = "high_nj") -> tuple[float, float]:
    """Return the factors ``(low, high)`` that hold the ends of every row, two decimals, for the band of a column."""
    rows = [row for row in rows if row[value]]
    return (
        math.floor(100 * min((row[low] / row[value] for row in rows), default=1)) / 100,
        math.ceil(100 * max((row[high] / row[value] for row in rows), default=1)) / 100,
    )


def table(columns: Mapping[str, Json], rows: Iterable[Json]) -> Json:
    """Return a JSON-able table.

    ``columns``: name to :func:`column`, in the order to show; ``rows``: dictionaries with ``name`` and a value of
    every column: a finite number, a text, a list of texts or None. :class:`ValueError` for anything else.
    """
    if "name" in columns:
        raise ValueError("'name' names the rows of a table and can't be a column")
    wanted, done = {"name", *columns}, list[Json]()
    for row in rows:
        if set(row) != wanted:
            raise ValueError(f"row {row.get('name')!r} must have {sorted(wanted)}, not {sorted(row)}")
        if not isinstance(row["name"], str):
            raise ValueError(f"name of a row must be text, not {row['name']!r}")
        done.append({"name": row["name"]} | {name: _cell(row[name], name) for name in columns})
    return {"columns": dict(columns), "rows": done}


def _origin(unit: str, source: str, by: str | None, band: Sequence[float] | None, *, needs_band: bool) -> Json:
    """Return what quantities and columns share; :class:`ValueError` if a rule is broken."""
    if not isinstance(unit, str):
        raise ValueError(f"unit must be text, not {unit!r}")
    if source not in SOURCES:
        raise ValueError(f"source must be one of {', '.join(SOURCES)}, not {source!r}")
    if by is not None and not isinstance(by, str):
        raise ValueError(f"by must be text, not {by!r}")
    if source == "estimate" and band is None and needs_band:
        raise ValueError("an estimate needs a band")
    if source != "estimate" and band is not None:
        raise ValueError(f"only estimates have a band, not a number of source {source!r}")
    result: Json = {"unit": unit, "source": source}
    if by is not None:
        result["by"] = by
    if band is not None:
        low, high = (_number(end, "band") for end in band)
        if low is None or high is None or low > high:
            raise ValueError(f"band must be two numbers, low first, not {band!r}")
        result["band"] = [low, high]
    return result


def _cell(value: Any, name: str) -> Any:
    """Return what stands in a cell of column ``name``: text, list of texts, number or None."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        if not all(isinstance(item, str) for item in value):
            raise ValueError(f"list in column {name!r} must hold texts, not {value!r}")
        return list(value)
    return _number(value, name)


def _number(value: Any, what: str) -> int | float | None:
    """Return ``value`` as a plain int or float (NumPy's too), None as None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise ValueError(f"{what} must be a finite number, not {value!r}")
    return int(value) if isinstance(value, Integral) else float(value)
