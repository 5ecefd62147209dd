"""Colours and chart settings, once for the page, the README's pictures, light and dark.

A chart names its colours as CSS variables (``var(--blue)``): on the page the style sheet gives them a value, so that
dark mode and print need no second drawing; :func:`painted` puts the values in for pictures that stand alone. The
series colours differ in lightness as well as in hue, and keep 3 : 1 or more against their background.
"""

from collections.abc import Mapping
from typing import Any

LIGHT = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "line": "#d8dce2",
    "ink": "#1a1f26",
    "muted": "#56606c",
    "blue": "#2468ac",
    "orange": "#b35a06",
    "teal": "#0f8068",
    "purple": "#8b4aa8",
    "sand": "#85711a",
    "rose": "#b53a63",
    "grey": "#6d7783",
    "bad": "#b3261e",
    "soft": "#a9c6e6",
}
DARK = {
    "paper": "#14181d",
    "panel": "#1c2128",
    "line": "#3a424c",
    "ink": "#e7eaee",
    "muted": "#a6b0bb",
    "blue": "#6fb1f2",
    "orange": "#f2a04e",
    "teal": "#48c7a6",
    "purple": "#c893e6",
    "sand": "#d6c35c",
    "rose": "#f0839f",
    "grey": "#929ca8",
    "bad": "#ff8b82",
    "soft": "#34567a",
}
SERIES = tuple(f"var(--{name})" for name in ("blue", "orange", "teal", "purple", "sand", "rose"))
INK, MUTED, LINE, GREY, BLUE, ORANGE, TEAL, BAD, SOFT, PAPER = (
    f"var(--{name})" for name in ("ink", "muted", "line", "grey", "blue", "orange", "teal", "bad", "soft", "paper")
)
FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
SIZE = 12  # px, of every text in a chart


def config() -> dict[str, Any]:
    """Return the Vega-Lite ``config`` of all charts."""
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": list(SERIES)},
        "axis": {
            "labelFontSize": SIZE,
            "titleFontSize": SIZE,
            "titleFontWeight": "normal",
            "labelColor": MUTED,
            "titleColor": MUTED,
            "gridColor": LINE,
            "domain": False,
            "ticks": False,
            "labelPadding": 6,
            "titlePadding": 8,
            "labelLimit": 120,
            "tickCount": 5,
        },
        "axisY": {"titleAnchor": "end"},
        "legend": {
            "orient": "top",
            "labelFontSize": SIZE,
            "titleFontSize": SIZE,
            "titleFontWeight": "normal",
            "labelColor": INK,
            "titleColor": MUTED,
            "symbolType": "square",
            "columns": 3,
            "offset": 6,
            "symbolStrokeWidth": 0,
        },
        "text": {"fontSize": SIZE, "fill": INK},
        "bar": {"fill": BLUE},
        "rule": {"stroke": MUTED},
    }


def style_variables(colours: Mapping[str, str]) -> str:
    """Return CSS declarations that give the variables these ``colours``."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def painted(value: Any, colours: Mapping[str, str]) -> Any:
    """Return a copy of the JSON-able ``value`` with each ``var(--name)`` replaced by its colour."""
    if isinstance(value, dict):
        return {key: painted(part, colours) for key, part in value.items()}
    if isinstance(value, list):
        return [painted(part, colours) for part in value]
    if isinstance(value, str) and value.startswith("var(--") and value.endswith(")"):
        return colours[value[6:-1]]
    return value
