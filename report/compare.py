"""Several reports side by side: a table on the terminal, as JSON, and a page with Pareto plots."""

import json
from collections import Counter
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_text
from s2nn_hw.report.schema import read_report
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.charts.pareto import beside, pareto
from s2nn_hw.report.show.page import render
from s2nn_hw.terminal import next_step, terminal

PLOTS = (
    ("luts", "latency_us", "Latency against LUTs"),
    ("luts", "frames_per_second", "Frames/s against LUTs"),
    ("energy_uj", "frames_per_second", "Frames/s against energy"),
)
MOST = 64  # reports at once


def compare_reports(paths, *, html=None, as_json=False, literature=()):
    """Print the reports in the files ``paths`` side by side; write a page to ``html`` if given.

    ``as_json``: print JSON (``s2nn-compare``, version 1) instead of the table. ``literature``: rows for the plots.
    :class:`UserError` for fewer than two reports, for too many, and for a file that is no report of this version.
    """
    paths = [Path(path) for path in paths]
    if not 2 <= len(paths) <= MOST:
        raise UserError(f"compare wants 2 to {MOST} reports, not {len(paths)}; write them with s2nn-hw report")
    if html is not None and Path(html).suffix not in (".html", ".htm"):
        raise UserError(f"output {html} must end in .html")
    reports = [read_report(path) for path in paths]
    names = titles(reports, paths)
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
        next_step("compare", *paths, "--html", "compare.html")


def titles(reports, paths):
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


def _stats(key, unit, part):
    def get(report):
        stats = (report[key] or {}).get(unit)
        return stats and {"value": stats[part], "unit": stats["unit"], "source": stats["source"]}

    return get


def _resource(key):
    return lambda report: ((report["resources"] or {}).get(key) or {}).get("used")


def _share(key):
    def get(report):
        row = (report["resources"] or {}).get(key)
        if not row or row["used"]["value"] is None or not row["budget"] or not row["budget"]["value"]:
            return None
        return row["used"] | {"value": row["used"]["value"] / row["budget"]["value"], "unit": "share", "band": None}

    return get


def _part(*path):
    def get(report):
        for key in path:
            report = (report or {}).get(key)
        return report

    return get


def _total(column):
    def get(report):
        table = report["layers"]
        said = table["columns"].get(column)
        found = [row[column] for row in table["rows"] if isinstance(row.get(column), (int, float))]
        return {"value": sum(found), "unit": said["unit"], "source": said["source"]} if said and found else None

    return get


# what, how to read it, whether more is better (None: neither)
MEASURES = (
    ("accuracy", _part("accuracy"), True),
    ("synapses", _part("network", "synapses"), None),
    ("weights in memory", _part("network", "memory_bits"), None),
    ("synaptic operations", _total("synaptic_operations"), False),
    ("latency, mean, cycles", _stats("latency", "cycles", "mean"), False),
    ("latency, p99, cycles", _stats("latency", "cycles", "p99"), False),
    ("latency, mean", _stats("latency", "us", "mean"), False),
    ("interval, mean, cycles", _stats("interval", "cycles", "mean"), False),
    ("clock", _part("clock", "used"), None),
    ("rate of the circuit", _part("rate", "circuit"), True),
    ("rate with the link", _part("rate", "total"), True),
    ("LUTs", _resource("luts"), False),
    ("LUTs, share of the board", _share("luts"), False),
    ("flip-flops", _resource("ffs"), False),
    ("block RAMs", _resource("brams"), False),
    ("block RAMs, share of the board", _share("brams"), False),
    ("DSP blocks", _resource("dsps"), False),
    ("energy of the core", _part("energy", "device", "frame", "total_nj"), False),
    ("  of it switching", _part("energy", "device", "frame", "dynamic_nj"), False),
    ("power of the core", _part("energy", "device", "power", "total_mw"), False),
    ("energy of the board, measured", _part("energy", "measured", "nj_per_frame"), False),
)


def compare(reports, names):
    """Return the comparison (``s2nn-compare``, version 1) as JSON-able data.

    ``rows``: per measure ``what``, ``better`` (``high``, ``low`` or null), ``cells`` (a quantity or null per report,
    in their order) and ``best``: positions of the best cells; empty unless two cells of the same unit differ, and for
    accuracy on different data sets.
    """
    rows = []
    for what, get, high in MEASURES:
        cells = [cell if cell and cell["value"] is not None else None for cell in map(get, reports)]
        if not any(cells):
            continue
        cells = [cell and {key: value for key, value in cell.items() if value is not None} for cell in cells]
        comparable = len({r["network"]["data_set"] for r in reports}) == 1 if what == "accuracy" else True
        rows.append(
            {
                "what": what,
                "better": {True: "high", False: "low", None: None}[high],
                "cells": cells,
                "best": _best(cells, high) if comparable else [],
            }
        )
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
        "rows": rows,
    }


def _best(cells, high):
    found = [cell for cell in cells if cell]
    if high is None or len({cell["unit"] for cell in found}) != 1 or len({cell["value"] for cell in found}) < 2:
        return []
    best = (max if high else min)(cell["value"] for cell in found)
    return [k for k, cell in enumerate(cells) if cell and cell["value"] == best]


def cell_text(what, cell):
    """Return one cell as text: digits and unit, accuracy with two decimals, estimates with a ``~``."""
    if cell is None:
        return words.DASH
    text = f"{summary.percent(cell)} %" if what == "accuracy" else words.quantity(cell)
    return f"~{text}" if cell["source"] == "estimate" else text


def _facts(data):
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


def print_table(data, console):
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


def render_page(reports, names, literature=()):
    """Return the page of the comparison as HTML text."""
    data = compare(reports, names)
    points = [summary.point(report) | {"system": name} for report, name in zip(reports, names, strict=True)]
    boards = Counter(report["board"] for report in data["reports"])
    note = "" if len(boards) < 2 else " The reports are of several boards."
    drawn = beside(points, literature)
    for x, y, title in PLOTS:
        figure = pareto(points, literature, x, y, name=f"{x}-{y}".replace("_", "-"), title=title, note=note)
        if figure is not None:
            drawn[figure.name] = figure
    rows = [
        {
            "what": row["what"].strip(),
            "cells": [
                {
                    "text": cell_text(row["what"], cell),
                    "best": k in row["best"],
                    "origin": words.origin(cell) if cell else "",
                    "band": words.band(cell),
                }
                for k, cell in enumerate(row["cells"])
            ],
        }
        for row in data["rows"]
    ]
    return render("compare.html", drawn, data=data, facts=_facts(data), rows=rows, figures=list(drawn.values()))
