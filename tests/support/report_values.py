"""Quantities, tables and statistics as a report writes them."""

from math import exp

BAND = [0.85, 1.15]


def q(value, unit, source, by=None, band=None):
    return (
        {"value": value, "unit": unit, "source": source} | ({"by": by} if by else {}) | ({"band": band} if band else {})
    )


def estimate(value, unit, by, low=0.6, high=1.6):
    return q(value, unit, "estimate", by, [round(low * value, 3), round(high * value, 3)])


def table(columns, rows):
    """``columns``: name -> (unit, source) or (unit, source, by) or (unit, "estimate", by, band)."""
    keys = ("unit", "source", "by", "band")
    return {
        "columns": {name: dict(zip(keys, said, strict=False)) for name, said in columns.items()},
        "rows": [dict(zip(("name", *columns), row, strict=True)) for row in rows],
    }


def stats(low, mean, high, unit, source="formula", bins=32):
    """A bell with a tail between ``low`` and ``high`` as a ``Stats`` with a histogram."""
    edges = [round(low + (high - low) * k / bins, 4) for k in range(bins + 1)]
    counts = [round(900 * exp(-(((edges[k] - mean) / (0.17 * (high - low))) ** 2))) for k in range(bins)]
    counts[0], counts[-1] = counts[0] + 1, counts[-1] + 1
    return {
        "unit": unit,
        "source": source,
        "min": low,
        "mean": mean,
        "median": mean - 0.01 * (high - low),
        "p99": round(low + 0.82 * (high - low), 3),
        "max": high,
        "histogram": {"edges": edges, "counts": counts},
    }
