"""Pictures and tables of reports in documents: ``python -m s2nn_hw.report.documents REPORT... [--in FILE...]``.

A document says where something goes with a pair of comments, and what stood between them is replaced:

    <!-- figures:NAME -->
    <!-- /figures:NAME -->

    overview              a table with a row per report
    literature            the same columns for others, of the reports' data sets
    compare/FIGURE        a picture of all reports: luts-accuracy, energy-accuracy, luts-latency-us, ...
    NETWORK/FIGURE        a picture of one report (NETWORK@BOARD/FIGURE if there are several): timeline, latency, ...

Pictures are SVG, one light and one dark, in the folder of figures. The same reports give the same bytes.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_text
from s2nn_hw.report.compare import named_points, plots, titles
from s2nn_hw.report.literature import System, load_literature
from s2nn_hw.report.quantities import Json
from s2nn_hw.report.schema import read_report
from s2nn_hw.report.show import summary, words
from s2nn_hw.report.show.charts import figures
from s2nn_hw.report.show.charts.pareto import beside, drawn
from s2nn_hw.report.show.charts.roof import roofline
from s2nn_hw.report.show.figure import Figure, svg
from s2nn_hw.report.show.literature_rows import HEADS, figures_text
from s2nn_hw.report.show.palette import DARK, LIGHT

BEGIN = re.compile(r"<!-- figures:(\S+) -->")
MAX_DOCUMENT = 1 << 22
ROOM = 660  # px, of a plot in a picture
OVERVIEW = (
    "network",
    "data set",
    "board",
    "accuracy",
    "LUT",
    "block RAM",
    "clock",
    "latency, mean",
    "p99",
    "frames/s, circuit",
    "frames/s, board",
    "energy a frame",
)


def update(
    reports: Sequence[Json], documents: Iterable[Path | str], folder: Path | str, *, literature: Sequence[System] = ()
) -> list[Path]:
    """Bring the marked parts of Markdown files ``documents`` up to date; return the paths that were written.

    ``reports``: list of reports; ``folder``: where pictures go. :class:`UserError` for a mark without its end or with
    a name that nothing is known by; then nothing has been written.
    """
    known, texts = _Known(reports, literature), dict[Path, tuple[str, str]]()
    for path in map(Path, documents):
        try:
            if path.stat().st_size > MAX_DOCUMENT:
                raise UserError(f"document {path} has more than {MAX_DOCUMENT:,} bytes")
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(f"document {path} does not exist") from None
        texts[path] = (text, _replaced(text, path, Path(folder), known))
    written: list[Path | None] = []
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, drawing in known.pictures.items():
        written.append(_write(Path(folder) / name, drawing))
    written += [_write(path, new) for path, (old, new) in texts.items() if old != new]
    return [path for path in written if path]


def _write(path: Path, text: str) -> Path | None:
    """Write ``text`` unless it is there already; return the path if it was written."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return None
    write_text(path, text)
    return path


def _replaced(text: str, path: Path, folder: Path, known: "_Known") -> str:
    """Return the document ``text`` with its marked parts made anew."""
    done, at = list[str](), 0
    while begin := BEGIN.search(text, at):
        name = begin.group(1)
        end = text.find(f"<!-- /figures:{name} -->", begin.end())
        if end < 0:
            raise UserError(f"document {path}: <!-- figures:{name} --> has no <!-- /figures:{name} --> behind it")
        where = os.path.relpath(folder, path.parent).replace(os.sep, "/")
        done += [text[at : begin.end()], "\n", known.block(name, where, path), "\n"]
        at = end
    return "".join([*done, text[at:]])


class _Known:
    """What can be asked for by name; ``pictures``: file name -> SVG text of those that were."""

    def __init__(self, reports: Sequence[Json], literature: Sequence[System]) -> None:
        self.reports, self.literature = reports, literature
        self.pictures: dict[str, str] = {}
        self.names = titles(reports, [Path(f"report {k}") for k in range(1, len(reports) + 1)])
        self.by_name: dict[str, list[Json]] = {}
        for report in reports:
            board = report["board"]["name"] if report["board"] else "none"
            for name in (report["network"]["name"], f"{report['network']['name']}@{board}"):
                self.by_name.setdefault(name, []).append(report)

    def block(self, name: str, where: str, path: Path) -> str:
        """Return what document ``path`` calls ``name`` as Markdown; ``where``: the folder of pictures from there."""
        if name == "overview":
            return overview_table(self.reports)
        if name == "literature":
            return literature_table(self.reports, self.literature)
        network, _, wanted = name.rpartition("/")
        if network == "compare":
            found = compare_figures(self.reports, self.names, self.literature)
        else:
            mine = self.by_name.get(network, [])
            if len(mine) > 1:
                raise UserError(
                    f"document {path}: figures:{name} could be of {len(mine)} reports; write NETWORK@BOARD/{wanted}"
                )
            if not mine:
                raise UserError(
                    f"document {path}: figures:{name} is of no report given; there are "
                    f"{', '.join(self.by_name) or 'none'}, and overview, literature, compare"
                )
            found = figures(mine[0])
            wide = roofline(mine[0], ROOM)
            found |= {wide.name: wide} if wide else {}
        if wanted not in found:
            raise UserError(f"document {path}: figures:{name}: no such figure; there are {', '.join(found)}")
        return self.picture(name, found[wanted], where)

    def picture(self, name: str, figure: Figure, where: str) -> str:
        """Draw ``figure``, light and dark; return the Markdown that shows it."""
        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", name)
        for mode, colours in (("light", LIGHT), ("dark", DARK)):
            self.pictures[f"{stem}-{mode}.svg"] = svg(figure, colours) + "\n"
        title, caption = (_escaped(text) for text in (figure.title, figure.caption))
        return (
            f'<picture><source media="(prefers-color-scheme: dark)" srcset="{where}/{stem}-dark.svg">'
            f'<img alt="{title}" src="{where}/{stem}-light.svg"></picture>\n\n*{title}.* {caption}'
        )


def compare_figures(reports: Sequence[Json], names: Sequence[str], literature: Sequence[System]) -> dict[str, Figure]:
    """Return the figures of all reports together, by name."""
    ours = named_points(reports, names)
    return beside(ours, literature, ROOM) | drawn(ours, literature, plots(), ROOM)


def overview_table(reports: Sequence[Json]) -> str:
    """Return a Markdown table with a row per report, and a line that says where the columns are from."""
    rows = []
    for report in reports:
        used = {key: row["used"] for key, row in (report["resources"] or {}).items()}
        stats = report["latency"]["us"] or report["latency"]["cycles"]
        board, circuit = report["board"], (report["rate"] or {}).get("circuit")
        q, total = summary.energy(report)[0], (report["rate"] or {}).get("total")
        rows.append(
            (
                report["network"]["name"],
                report["network"]["data_set"] or words.DASH,
                board["title"] if board else words.DASH,
                f"{summary.percent(report['accuracy'])} %" if report["accuracy"] else words.DASH,
                _marked(used.get("luts")),
                _marked(used.get("brams")),
                words.quantity(report["clock"]["used"]) if report["clock"] else words.DASH,
                " ".join(words.scaled(stats["mean"], stats["unit"])),
                " ".join(words.scaled(stats["p99"], stats["unit"])),
                summary.frames(circuit) if circuit else words.DASH,
                summary.frames(total) if total and report["rate"]["link"] else words.DASH,
                _marked(q) + (f" ({words.band(q)})" if words.band(q) else "") if q else words.DASH,
            )
        )
    return f"{_table(OVERVIEW, rows)}\n\n{_sources(reports)}"


def _sources(reports: Iterable[Json]) -> str:
    """Return the line below the overview: where its figures are from."""
    counts = sorted({f"{report['images']['count']:,}" for report in reports})
    return (
        f"Accuracy: integer model on {' or '.join(counts)} images. Latency and the circuit's frames/s: exact cycle "
        "function over the clock, without the host link; the board's frames/s: through its link. Energy: the "
        "chip's core at the circuit's rate. `~`: an estimate, with its band in parentheses."
    )


def literature_table(reports: Iterable[Json], literature: Iterable[System]) -> str:
    """Return a Markdown table of the ``literature`` rows of the reports' data sets, with convention and source."""
    tasks = [report["network"]["data_set"] or "" for report in reports]
    rows = [
        (row.system, row.device, row.task, *figures_text(row), f"{row.convention}. {row.source} ({row.read})")
        for row in literature
        if any(words.same(row.task, task) for task in tasks)
    ]
    return _table(("System", "Device", "Task", *HEADS.values(), "Convention and source"), rows)


def _marked(q: Json | None) -> str:
    """Return a quantity as text, an estimate behind a ``~``."""
    return ("~" if q and q["source"] == "estimate" else "") + words.quantity(q)


def _escaped(text: str) -> str:
    """Return ``text`` on one line, as it may stand in Markdown and in HTML."""
    line = words.plain(text, 600).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", line)


def _table(heads: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join(lines + [f"| {' | '.join(map(_escaped, row))} |" for row in rows])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m s2nn_hw.report.documents",
        description="Bring pictures and tables of reports in documents up to date.",
    )
    parser.add_argument("reports", nargs="+", metavar="REPORT", type=Path, help="report.json files")
    parser.add_argument(
        "--in",
        dest="documents",
        nargs="+",
        type=Path,
        metavar="FILE.md",
        default=[Path("README.md"), *sorted(Path("docs").glob("*.md"))],
        help="default: README.md and docs/*.md",
    )
    parser.add_argument("--figures", type=Path, default=Path("docs/figures"), metavar="DIR")
    options = parser.parse_args(arguments)
    try:
        written = update(
            [read_report(path) for path in options.reports],
            options.documents,
            options.figures,
            literature=load_literature(),
        )
    except (UserError, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    print("\n".join(map(str, written)) or "everything is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
