"""Several reports side by side: a table on the terminal, as JSON, and a page with Pareto plots."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from s2nn_hw.errors import UserError
from s2nn_hw.extras import require
from s2nn_hw.files import write_text
from s2nn_hw.report.literature import System
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.schema import read_report
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.literature_rows import point
from s2nn_hw.terminal import next_step, terminal

if TYPE_CHECKING:
    from s2nn_hw.report.show.charts.pareto import Plot

MOST = 64  # reports at once
Read = Callable[[Json], Json | None]  # from a report to a quantity of it


def compare_reports(
    paths: Sequence[Path | str],
    *,
    html: Path | str | None = None,
    as_json: bool = False,
    literature: Sequence[System] = (),
) -> None:
    """Print the reports in the files ``paths`` side by side; write a page to ``html`` if given.

    ``as_json``: print JSON (``s2nn-compare``, version 1) instead of the table. ``literature``: others in the plots.
    :class:`UserError` for fewer than two reports, for too many, and for a file that is no report of this version.
    """
    files = [Path(path) for path in paths]
    if not 2 <= len(files) <= MOST:
        raise UserError(f"compare wants 2 to {MOST} reports, not {len(files)}; write them with s2nn-hw report")
    if html is not None and Path(html).suffix not in (".html", ".htm"):
        raise UserError(f"output {html} must end in .html")
    if html is not None:
        require("report")
    reports = [read_report(path) for path in files]
    names = titles(reports, files)
    data = compare(reports, names)
    if html is not None:
        write_text(html, render_page(reports, names, literature))
    console = terminal(tables=True)
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    print_table(data, console)
    if html is not None:
        console.print(f"page: {html}")
    else:
        next_step("compare", *files, "--html", "compare.html")


def titles(reports: Sequence[Json], paths: Sequence[Path]) -> list[str]:
    """Return a name for each report that tells it from the others: network, then board, then file."""
    short = [words.plain(report["network"]["name"], 40) for report in reports]
    boards = [words.plain(report["board"]["name"], 24) if report["board"] else "no board" for report in reports]
    longer = [f"{name}, {board}" for name, board in zip(short, boards, strict=True)]
    stems = [f"{name} ({words.plain(path.stem, 40)})" for name, path in zip(short, paths, strict=True)]
    full = [f"{name} ({words.plain(path, 60)})" for name, path in zip(short, paths, strict=True)]
    for names in (short, longer, stems, full):
        if len(set(names)) == len(names):
            return names
    return [f"{name} #{k}" for k, name in enumerate(full, 1)]


def _stats(key: str, unit: str, part: str) -> Read:
    """Return what reads a part of the statistics ``key``, e.g. their mean."""

    def get(report: Json) -> Json | None:
        stats = (report[key] or {}).get(unit)
        return stats and {"value": stats[part], "unit": stats["unit"], "source": stats["source"]}

    return get


def _resource(key: str) -> Read:
    """Return what reads how much is used of a resource."""
    return lambda report: ((report["resources"] or {}).get(key) or {}).get("used")


def _share(key: str) -> Read:
    """Return what reads the share of a resource that is used."""

    def get(report: Json) -> Json | None:
        row = (report["resources"] or {}).get(key)
        if not row or row["used"]["value"] is None or not row["budget"] or not row["budget"]["value"]:
            return None
        used: Json = row["used"]
        return used | {"value": used["value"] / row["budget"]["value"], "unit": "share", "band": None}

    return get


def _part(*path: str) -> Read:
    """Return what reads the quantity at the end of a path of keys."""

    def get(report: Json) -> Json | None:
        part: Json | None = report
        for key in path:
            part = (part or {}).get(key)
        return part

    return get


def _total(column: str) -> Read:
    """Return what reads the sum of a column over all layers."""

    def get(report: Json) -> Json | None:
        table = report["layers"]
        said = table["columns"].get(column)
        found = [row[column] for row in table["rows"] if isinstance(row.get(column), (int, float))]
        return {"value": sum(found), "unit": said["unit"], "source": said["source"]} if said and found else None

    return get


@dataclass(frozen=True)
class Measure:
    """What is compared, how to read it from a report, and whether more is better (None: neither)."""

    what: str
    read: Read
    high: bool | None


MEASURES = (
    Measure("accuracy", _part("accuracy"), True),
    Measure("synapses", _part("network", "synapses"), None),
    Measure("weights in memory", _part("network", "memory_bits"), None),
    Measure("synaptic operations", _total("synaptic_operations"), False),
    Measure("latency, mean, cycles", _stats("latency", "cycles", "mean"), False),
    Measure("latency, p99, cycles", _stats("latency", "cycles", "p99"), False),
    Measure("latency, mean", _stats("latency", "us", "mean"), False),
    Measure("interval, mean, cycles", _stats("interval", "cycles", "mean"), False),
    Measure("clock", _part("clock", "used"), None),
    Measure("rate of the circuit", _part("rate", "circuit"), True),
    Measure("rate with the link", _part("rate", "total"), True),
    Measure("LUTs", _resource("luts"), False),
    Measure("LUTs, share of the board", _share("luts"), False),
    Measure("flip-flops", _resource("ffs"), False),
    Measure("block RAMs", _resource("brams"), False),
    Measure("block RAMs, share of the board", _share("brams"), False),
    Measure("DSP blocks", _resource("dsps"), False),
    Measure("energy of the core", _part("energy", "device", "frame", "total_nj"), False),
    Measure("  of it switching", _part("energy", "device", "frame", "dynamic_nj"), False),
    Measure("power of the core", _part("energy", "device", "power", "total_mw"), False),
    Measure("energy of the board, measured", _part("energy", "measured", "nj_per_frame"), False),
)


def compare(reports: Sequence[Json], names: Sequence[str]) -> Json:
    """Return the comparison (``s2nn-compare``, version 1) as JSON-able data.

    ``rows``: per measure ``what``, ``better`` (``high``, ``low`` or null), ``cells`` (a quantity or null per report,
    in their order) and ``best``: positions of the best cells; empty unless two cells of the same unit differ, and for
    accuracy on different data sets.
    """
    rows = [_row(measure, reports) for measure in MEASURES]
    return {
        "format": "s2nn-compare",
        "version": 1,
        "reports": [
            {
                "name": name,
                "network": report["network"]["name"],
                "digest": report["network"]["digest"],
                "data_set": report["network"]["data_set"],
                "board": report["board"] and report["board"]["title"],
                "fits": report["fits"],
                "may_not_fit": summary.fit(report)[1] or None,
            }
            for name, report in zip(names, reports, strict=True)
        ],
        "rows": [row for row in rows if any(row["cells"])],
    }


def _row(measure: Measure, reports: Sequence[Json]) -> Json:
    """Return the row of a measure."""
    found = [cell if cell and cell["value"] is not None else None for cell in map(measure.read, reports)]
    cells = [cell and {key: value for key, value in cell.items() if value is not None} for cell in found]
    comparable = measure.what != "accuracy" or len({r["network"]["data_set"] for r in reports}) == 1
    return {
        "what": measure.what,
        "better": {True: "high", False: "low", None: None}[measure.high],
        "cells": cells,
        "best": _best(cells, measure.high) if comparable else [],
    }


def _best(cells: Sequence[Json | None], high: bool | None) -> list[int]:
    """Return the positions of the best cells, none where they can't be compared or are alike."""
    found = [cell for cell in cells if cell]
    if high is None or len({cell["unit"] for cell in found}) != 1 or len({cell["value"] for cell in found}) < 2:
        return []
    best = (max if high else min)(cell["value"] for cell in found)
    return [k for k, cell in enumerate(cells) if cell and cell["value"] == best]


def cell_text(what: str, cell: Json | None) -> str:
    """Return one cell as text: digits and unit, accuracy with two decimals, estimates with a ``~``."""
    if cell is None:
        return words.DASH
    text = f"{summary.percent(cell)} %" if what == "accuracy" else words.quantity(cell)
    return f"~{text}" if cell["source"] == "estimate" else text


def _facts(data: Json) -> list[tuple[str, list[str]]]:
    """Return rows of texts: what the reports are of."""
    said = [
        ("data set", [report["data_set"] or words.DASH for report in data["reports"]]),
        ("board", [report["board"] or words.DASH for report in data["reports"]]),
        (
            "fits",
            [
                "perhaps" if report["may_not_fit"] else {True: "yes", False: "no", None: words.DASH}[report["fits"]]
                for report in data["reports"]
            ],
        ),
    ]
    return [(what, [words.plain(cell, 40) for cell in cells]) for what, cells in said]


def print_table(data: Json, console: Console) -> None:
    """Print what :func:`compare` returned."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("", no_wrap=True)
    for report in data["reports"]:
        table.add_column(report["name"], justify="right")
    for what, cells in _facts(data):
        table.add_row(what, *cells)
    for row in data["rows"]:
        cells = [cell_text(row["what"], cell) for cell in row["cells"]]
        table.add_row(
            row["what"],
            *(Text(f"{cell} *", "bold") if k in row["best"] else f"{cell}  " for k, cell in enumerate(cells)),
        )
    console.print(table)
    console.print("* best of the row; ~ an estimate, whose band is in the report")


@dataclass(frozen=True)
class PageCell:
    """A cell of the page's table: its ``text``, whether it is the ``best``, where it is from, and its band."""

    text: str
    best: bool
    origin: str
    band: str


@dataclass(frozen=True)
class PageRow:
    """A row of the page's table: ``what`` is compared, and a cell per report."""

    what: str
    cells: tuple[PageCell, ...]

    @classmethod
    def of(cls, row: Json) -> "PageRow":
        """Return that of a row of the comparison."""
        return cls(
            row["what"].strip(),
            tuple(
                PageCell(
                    cell_text(row["what"], cell), k in row["best"], words.origin(cell) if cell else "", words.band(cell)
                )
                for k, cell in enumerate(row["cells"])
            ),
        )


def plots() -> "tuple[Plot, ...]":
    """Return the plots of the page."""
    from s2nn_hw.report.show.charts.pareto import Plot

    return (
        Plot.of("luts", "latency_us", "Latency against LUTs"),
        Plot.of("luts", "frames_per_second", "Frames/s against LUTs"),
        Plot.of("energy_uj", "frames_per_second", "Frames/s against energy"),
    )


def render_page(reports: Sequence[Json], names: Sequence[str], literature: Sequence[System] = ()) -> str:
    """Return the page of the comparison as HTML text."""
    from s2nn_hw.report.show.charts.pareto import beside, drawn
    from s2nn_hw.report.show.page import render

    data, ours = compare(reports, names), named_points(reports, names)
    boards = Counter(report["board"] for report in data["reports"])
    note = "" if len(boards) < 2 else " The reports are of several boards."
    figures = beside(ours, literature) | drawn(ours, literature, [replace(plot, note=note) for plot in plots()])
    return render(
        "compare.html",
        figures,
        data=data,
        facts=_facts(data),
        rows=[PageRow.of(row) for row in data["rows"]],
        figures=list(figures.values()),
    )


def named_points(reports: Sequence[Json], names: Sequence[str]) -> list[System]:
    """Return the points of the reports in plots, under these names."""
    return [replace(point(report), system=name) for report, name in zip(reports, names, strict=True)]
