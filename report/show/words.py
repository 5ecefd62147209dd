"""How numbers are read aloud: digits, units, sources and bands, the same on terminal, page and in documents."""

from math import floor, isfinite, log10
from typing import Any

from s2nn_hw.report.quantities import Json

TIMES, DASH, MINUS, PLUS_MINUS = "\u00d7", "\u2013", "\u2212", "\u00b1"
UNITS = {"share": "%", "us": "µs", "frames/s": "frames/s", "ratio": TIMES}
SCALES = {
    "nJ": ((1e6, "mJ"), (1e3, "µJ"), (1, "nJ"), (1e-3, "pJ")),
    "us": ((1e6, "s"), (1e3, "ms"), (1, "µs"), (1e-3, "ns")),
    "W": ((1, "W"), (1e-3, "mW")),
}
SOURCES = {
    "formula": "formula",
    "simulation": "simulated",
    "golden model": "golden model",
    "tool report": "tool report",
    "estimate": "estimate",
    "measured": "measured",
    "setting": "setting",
}


def number(value: Any, unit: str = "", digits: int = 4) -> str:
    """Return ``value`` with so many significant digits or all of an integer, thousands with commas, a dash for None.

    With unit ``share`` it is a percentage of three digits (without the sign).
    """
    if value is None:
        return DASH
    if isinstance(value, (str, bool)):
        return str(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if unit == "share":
        return _digits(round(100 * value, 2), 3)
    return _digits(value, digits)


def _digits(value: float, digits: int) -> str:
    """Return a number with so many significant digits, a dash for one that is not finite."""
    if not isfinite(value):
        return DASH
    if value == int(value):
        return f"{int(value):,}"
    size = floor(log10(abs(value)))
    if size < -4:
        return f"{value:.2e}"
    # trailing zeros after the point say nothing of a mean
    text = f"{value:,.{max(0, digits - 1 - size)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def unit_text(unit: str) -> str:
    """Return how ``unit`` is written: ``us`` as µs, ``share`` as %."""
    parts = unit.split("/", 1)
    return "/".join([UNITS.get(parts[0], parts[0]), *parts[1:]]) if unit not in UNITS else UNITS[unit]


def scaled(value: float | None, unit: str) -> tuple[str, str]:
    """Return ``(digits, unit)`` of ``value`` with the prefix that suits it: 432,600 nJ are 432.6 uJ."""
    base, _, per = unit.partition("/")
    if base not in SCALES or value is None:
        return number(value, unit), unit_text(unit)
    factor, prefix = next((scale for scale in SCALES[base] if abs(value) >= scale[0]), SCALES[base][-1])
    return number(value / factor), prefix + (f"/{per}" if per else "")


def quantity(q: Json | None) -> str:
    """Return a quantity as ``number unit``, a dash for None."""
    if q is None or q["value"] is None:
        return DASH
    return " ".join(scaled(q["value"], q["unit"])).strip()


def band(q: Json | None) -> str:
    """Return the error band of an estimate, ``low to high unit``; empty for anything else."""
    if not q or not q.get("band"):
        return ""
    (low, unit), (high, other) = (scaled(end, q["unit"]) for end in q["band"])
    return f"{low}{'' if unit == other else f' {unit}'} to {high} {other}".strip()


def factors(column: Json) -> str:
    """Return the band of an estimated column as percentages, ``-15 % +20 %``; empty for anything else."""
    if not column.get("band"):
        return ""
    low, high = column["band"]
    if abs(high - 1 - (1 - low)) < 1e-9:
        return f"{PLUS_MINUS}{number(100 * (high - 1))} %"
    return f"{MINUS}{number(100 * (1 - low))} % +{number(100 * (high - 1))} %"


def origin(said: Json) -> str:
    """Return where a quantity, column or Stats comes from, in words: source, by whom, band."""
    parts: list[str] = [SOURCES[said["source"]]]
    if said.get("by"):
        parts.append(said["by"])
    return ": ".join(parts)


def same(a: str, b: str) -> bool:
    """Return whether two names of data sets mean the same: ``cifar10`` and ``CIFAR-10`` do; nothing equals nothing."""
    a, b = ("".join(filter(str.isalnum, str(name).lower())) for name in (a, b))
    return a == b != ""


def plain(text: object, limit: int = 80) -> str:
    """Return a name from a file on one line, cut to ``limit`` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
