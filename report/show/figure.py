"""A figure: one Vega-Lite chart and the table with the same numbers; drawn live, as SVG or as PNG."""

from dataclasses import dataclass
from functools import cache

import altair as alt
import vl_convert

from s2nn_hw.report.show.palette import config, painted

VL_VERSION = "6.4"


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
    columns: tuple
    rows: tuple
    wide: bool = False


def rows_of(values):
    """Return Altair inline data of ``values`` (dictionaries); types are said in the encodings."""
    return alt.Data(values=list(values))


def specification(figure, width="container"):
    """Return the Vega-Lite JSON of ``figure``; ``width`` in px, or ``container`` for the element it is drawn in."""
    spec = figure.chart.properties(width=width).to_dict(validate=True)
    spec["config"] = config()
    spec["description"] = f"{figure.title}. {figure.caption}"
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["padding"] = {"left": 2, "right": 6, "top": 4, "bottom": 4}
    return spec


def vega(figure):
    """Return the compiled Vega JSON of ``figure`` for the page, as wide as its element."""
    return vl_convert.vegalite_to_vega(specification(figure), vl_version=VL_VERSION)


def svg(figure, colours, width=760):
    """Return ``figure`` as an SVG text in ``colours``, ``width`` px wide."""
    return vl_convert.vegalite_to_svg(painted(specification(figure, width), colours), vl_version=VL_VERSION)


def png(figure, colours, width=760, scale=2):
    """Return ``figure`` as PNG bytes in ``colours``, with ``scale`` pixels per px."""
    return vl_convert.vegalite_to_png(
        painted(specification(figure, width), colours), vl_version=VL_VERSION, scale=scale
    )


@cache
def runtime():
    """Return the JavaScript of Vega-Embed and Vega as one script without imports; ``vegaEmbed`` becomes a global."""
    # the bundle is a module: as a plain script its names would become globals
    snippet = "window.vegaEmbed = vegaEmbed;"
    return f"(() => {{{vl_convert.javascript_bundle(snippet, vl_version=VL_VERSION)}}})();"
