"""How numbers are read aloud: digits, units, sources and bands, the same on terminal, page and in documents."""

from math import floor, isfinite, log10

TIMES, DASH, MINUS = "\u00d7", "\u2013", "\u2212"
UNITS = {"share": "%", "us": "µs", "frames/s": "frames/s", "ratio": TIMES}
SOURCES = {
    "formula": "exact formula", "simulation": "simulated", "golden model": "golden model", "tool report": "tool report",
    "estimate": "estimate", "measured": "measured", "setting": "setting",
}


def number(value, unit=""):
    """Return ``value`` with four significant digits or all of an integer, thousands with commas, a dash for None.

    With unit ``share`` it is a percentage of three digits (without the sign).
    """
    if value is None:
        return DASH
    if isinstance(value, (str, bool)):
        return str(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if unit == "share":
        return _digits(100 * value, 3)
    return _digits(value, 4)


def _digits(value, digits):
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


def unit_text(unit):
    """Return how ``unit`` is written: ``us`` as µs, ``share`` as %."""
    parts = unit.split("/", 1)
    return "/".join([UNITS.get(parts[0], parts[0]), *parts[1:]]) if unit not in UNITS else UNITS[unit]


def quantity(q):
    """Return a quantity as ``number unit``, a dash for None."""
    if q is None or q["value"] is None:
        return DASH
    return f"{number(q['value'], q['unit'])} {unit_text(q['unit'])}".strip()


def band(q):
    """Return the error band of an estimate, ``low to high unit``; empty for anything else."""
    if not q or not q.get("band"):
        return ""
    low, high = q["band"]
    return f"{number(low, q['unit'])} to {number(high, q['unit'])} {unit_text(q['unit'])}".strip()


def factors(column):
    """Return the band of an estimated column as percentages, ``-15 % +20 %``; empty for anything else."""
    if not column.get("band"):
        return ""
    low, high = column["band"]
    return f"{MINUS}{number(100 * (1 - low))} % +{number(100 * (high - 1))} %"


def origin(said):
    """Return where a quantity, column or Stats comes from, in words: source, by whom, band."""
    parts = [SOURCES[said["source"]]]
    if said.get("by"):
        parts.append(said["by"])
    return ": ".join(parts)


def plain(text, limit=80):
    """Return a name from a file on one line, cut to ``limit`` characters."""
    line = " ".join(str(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
