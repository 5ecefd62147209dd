"""The report as one HTML file: no network, no other file, the same bytes for the same report."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from s2nn_hw.files import write_text
from s2nn_hw.report.literature import System
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.charts import figures, pareto
from s2nn_hw.report.show.figure import Figure, runtime, vega
from s2nn_hw.report.show.literature_rows import literature_table, point
from s2nn_hw.report.show.network_rows import network_table
from s2nn_hw.report.show.palette import DARK, LIGHT, style_variables
from s2nn_hw.report.show.tiles import tiles

SECTIONS = {
    "network": ("spikes", "limiting"),
    "time": ("timeline", "latency", "interval"),
    "space": ("resources", "layer-resources", "logic-parts"),
    "energy": ("energy-classes", "energy-layers", "arithmetic"),
    "roof": ("roofline", "bounds"),
    "literature": ("luts-accuracy", "energy-accuracy"),
}


def write_page(report: Json, path: Path | str, *, literature: Sequence[System] = ()) -> None:
    """Write the page of ``report`` (as :func:`~.schema.read_report` gives it) to the HTML file ``path``, whole or not.

    ``literature``: other systems, as :func:`..literature.load_literature` gives them.
    """
    write_text(path, render_page(report, literature=literature))


def render_page(report: Json, *, literature: Sequence[System] = ()) -> str:
    """Return the HTML text of :func:`write_page`."""
    drawn = figures(report)
    drawn |= pareto.beside([point(report)], literature)
    return render(
        "report.html",
        drawn,
        report=report,
        title=words.plain(report["network"]["name"]),
        verdict=summary.verdict(report),
        tiles=tiles(report),
        network=network_table(report),
        times=summary.times(report),
        first_spikes=summary.first_spikes(report),
        literature=literature_table(report, literature),
        sections={key: [drawn[name] for name in names if name in drawn] for key, names in SECTIONS.items()},
        download=data_url(report),
    )


def render(template: str, drawn: Mapping[str, Figure], **context: Any) -> str:
    """Return the page made of ``template`` and ``drawn`` (name -> Figure)."""
    loader = PackageLoader(__package__)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": words.number,
        "quantity": words.quantity,
        "band": words.band,
        "origin": words.origin,
        "unit": words.unit_text,
        "plain": words.plain,
        "factors": words.factors,
    }
    specs = {name: vega(figure) for name, figure in drawn.items()}
    part = loader.get_source
    return environment.get_template(template).render(
        style=Markup(
            part(environment, "page.css")[0]
            .replace("LIGHT;", style_variables(LIGHT))
            .replace("DARK;", style_variables(DARK))
        ),
        script=script(part(environment, "page.js")[0]),
        vega=script(runtime()),
        charts=data_script(specs),
        **context,
    )


def script(text: str) -> Markup:
    """Return JavaScript as it may stand in a script element."""
    return Markup(re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE).replace("<!--", "<\\!--"))


def data_script(data: Any) -> Markup:
    """Return JSON as it may stand in a script element: nothing in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def data_url(data: Any) -> str:
    """Return ``data`` as indented JSON in a data URL."""
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return "data:application/json;base64," + base64.b64encode(text.encode("utf-8")).decode("ascii")
