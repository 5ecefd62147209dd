"""A figure: one Vega-Lite chart and the table with the same numbers; drawn live, as SVG or as PNG."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import vl_convert

from s2nn_hw.report.show.palette import config, painted

VL_VERSION = "6.4"
Layers = alt.LayerChart | alt.FacetChart  # what Altair says that a chart of several layers is


@dataclass(frozen=True)
class Figure:
    """A chart with what a reader needs around it.

    ``name``: identifier, lower case with hyphens; ``title``: heading; ``caption``: a sentence that says what is shown
    and where the numbers come from; ``chart``: an Altair chart without width; ``columns`` and ``rows``: the same
    numbers as a table (cells are texts or numbers). ``wide``: takes the page's whole width.
    """

    name: str
    title: str
    caption: str
    chart: alt.TopLevelMixin
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    wide: bool = False


def rows_of(values: Iterable[Mapping[str, Any]]) -> alt.Data:
    """Return Altair inline data of ``values`` (dictionaries); types are said in the encodings."""
    return alt.Data(values=list(values))


def specification(figure: Figure, width: int | str = "container") -> dict[str, Any]:
    """Return the Vega-Lite JSON of ``figure``; ``width`` in px, or ``container`` for the element it is drawn in."""
    spec: dict[str, Any] = figure.chart.properties(width=width).to_dict(validate=True)
    spec["config"] = config()
    spec["description"] = f"{figure.title}. {figure.caption}"
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["padding"] = {"left": 2, "right": 6, "top": 4, "bottom": 4}
    return spec


def vega(figure: Figure) -> dict[str, Any]:
    """Return the compiled Vega JSON of ``figure`` for the page, as wide as its element."""
    spec: dict[str, Any] = vl_convert.vegalite_to_vega(specification(figure), vl_version=VL_VERSION)
    return spec


def svg(figure: Figure, colours: Mapping[str, str], width: int = 760) -> str:
    """Return ``figure`` as an SVG text in ``colours``, ``width`` px wide."""
    text: str = vl_convert.vegalite_to_svg(painted(specification(figure, width), colours), vl_version=VL_VERSION)
    return text


def png(figure: Figure, colours: Mapping[str, str], width: int = 760, scale: float = 2) -> bytes:
    """Return ``figure`` as PNG bytes in ``colours``, with ``scale`` pixels per px."""
    spec = painted(specification(figure, width), colours)
    picture: bytes = vl_convert.vegalite_to_png(spec, vl_version=VL_VERSION, scale=scale)
    return picture


@cache
def runtime() -> str:
    """Return the JavaScript of Vega-Embed and Vega as one script without imports; ``vegaEmbed`` becomes a global."""
    # the bundle is a module: as a plain script its names would become globals
    snippet = "window.vegaEmbed = vegaEmbed;"
    return f"(() => {{{vl_convert.javascript_bundle(snippet, vl_version=VL_VERSION)}}})();"
