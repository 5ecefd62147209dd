"""Figures in documents against where they come from: ``python -m benchmarks.recorded WHAT [--strict]``.

    builds    add the finished builds under build/ to docs/figures/builds.json (commit, command, counts, clock), and
              write the tables between ``<!-- recorded:builds -->`` and ``<!-- /recorded:builds -->`` in the documents
    paths     the same for what ``python -m benchmarks paths`` left, in docs/figures/paths.json
    plans     the same for what ``python -m benchmarks plan`` left, in docs/figures/plans.json
    check     hold the documents against it, and against what is worked out anew: sizes, bits, accuracy, cycles,
              frames/s, estimates of the shipped networks; test sets that are not here are left out, and said

``check`` prints a line for each figure that differs and ends with status 1 if there is one; ``--strict``, for a
release, also if a build was recorded with other sources of the generator than these.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.frame import read_rows
from benchmarks.recorded_build import RecordedBuild
from benchmarks.recorded_plans import FastestPlan, plan_rows, plans_of
from benchmarks.worked_out import differences
from s2nn_hw.errors import UserError
from s2nn_hw.files import write_json, write_text
from s2nn_hw.hw.flow.build_record import BuildRecord
from s2nn_hw.hw.flow.digests import generator_digest
from s2nn_hw.records import Count, convert, is_format
from s2nn_hw.texts import read_json

BUILDS = Path("docs/figures/builds.json")
DOCUMENTS = (Path("README.md"), *sorted(Path("docs").glob("*.md")))
PATHS = Path("docs/figures/paths.json")
PLANS = Path("docs/figures/plans.json")
MARK = re.compile(r"(<!-- recorded:(builds|paths|plans) -->\n).*?(<!-- /recorded:\2 -->)", re.DOTALL)
PATH_HEADS = ("netlist", "highest fan-out", "after copies", "copies", "LUTs between", "of yosys: levels", "merged")
PATH_FIGURES = ("highest fan-out", "after copies", "copies", "LUTs between", "deepest path of yosys", "deepest path")
HEADS = ("board", "network", "command", "LUT", "FF", "block RAM", "MHz reached (wanted)", "commit")


def read_builds() -> list[RecordedBuild]:
    """Return the list of recorded builds, empty without the file."""
    if not BUILDS.is_file():
        return []
    entries = _held(BUILDS, "s2nn-builds", "builds", list)
    return [RecordedBuild.from_json(entry, f"{BUILDS}: builds[{number}]") for number, entry in enumerate(entries)]


def _held(path: Path, form: str, name: str, kind: type) -> Any:
    """Return what JSON file ``path`` of format ``form``, version 1, has under ``name``, a ``kind``."""
    data = read_json(path, what="figures")
    if not is_format(data, form, 1):
        raise UserError(f"{path} must have format '{form}', version 1")
    if not isinstance(data.get(name), kind):
        raise UserError(f"{path}: field {name} must be a {'list' if kind is list else 'table'}")
    return data[name]


def record(root: Path = Path("build")) -> None:
    """Add every finished build below ``root`` to the file, in place of an earlier one of the same command."""
    kept = {entry.command: entry for entry in read_builds()}
    for path in sorted(root.glob("*/build.json"), key=lambda p: p.stat().st_mtime):
        entry = RecordedBuild.of(BuildRecord.read(path), commit())
        if entry.generator == generator_digest()[:16]:  # others belong to another commit
            kept[entry.command] = entry
    builds = sorted(kept.values(), key=lambda entry: (entry.board, entry.network, entry.command))
    write_json(BUILDS, {"format": "s2nn-builds", "version": 1, "builds": [entry.to_json() for entry in builds]})
    write_tables()
    print(f"{len(builds)} builds in {BUILDS}")


def record_paths(source: Path = Path("build/bench/paths.json")) -> None:
    """Take fan-outs and levels from the benchmark's file ``source``."""
    if not source.is_file():
        raise UserError(f"{source} does not exist; make it with: python -m benchmarks paths")
    found: dict[str, dict[str, int]] = {}
    for row in read_rows(source):
        netlist, _, figure = row.what.partition(": ")
        if figure in PATH_FIGURES:
            found.setdefault(netlist, {})[figure] = int(row.measured)
    write_json(PATHS, {"format": "s2nn-paths-table", "version": 1, "commit": commit(), "netlists": found})
    write_tables()
    print(f"{len(found)} netlists in {PATHS}")


def record_plans(source: Path = Path("build/bench/plan.json")) -> None:
    """Take frames/s and bounds from the benchmark's file ``source``."""
    if not source.is_file():
        raise UserError(f"{source} does not exist; make it with: python -m benchmarks plan")
    found = plans_of(read_rows(source))
    entries = {network: {board: asdict(one) for board, one in plans.items()} for network, plans in found.items()}
    write_json(PLANS, {"format": "s2nn-plans-table", "version": 1, "commit": commit(), "plans": entries})
    write_tables()
    print(f"{len(found)} networks in {PLANS}")


def write_tables() -> None:
    """Write the recorded tables into the documents; print which changed."""
    for document, text, new in documents():
        if text != new:
            write_text(document, new)
            print(document)


def commit() -> str:
    """Return the short name of the commit here, with ``+`` where files differ from it; empty outside of git."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude", "*"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def table(builds: Iterable[RecordedBuild]) -> str:
    """Return the Markdown table of recorded builds."""
    rows = []
    for entry in builds:
        used, clock = entry.resources, entry.clock
        reached = f"{clock.reached_mhz:.1f} ({clock.wanted_mhz:g})" if clock.reached_mhz else "not placed here"
        rows.append(
            (
                f"`{entry.board}`",
                f"`{entry.network}`",
                f"`{entry.command}`",
                f"{used.luts.used:,} {used.luts.kind}",
                f"{used.ffs.used:,}",
                f"{used.brams.used:g} {used.brams.kind}",
                reached,
                entry.commit,
            )
        )
    return markdown(HEADS, rows)


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def path_table(netlists: Mapping[str, Mapping[str, int]]) -> str:
    """Return the Markdown table of fan-outs and levels; ``netlists``: figures by ``NETWORK, FAMILY``."""
    rows = [
        (f"`{name.replace(', ', '`, ')}", *(f"{figures[figure]:,}" for figure in PATH_FIGURES))
        for name, figures in netlists.items()
    ]
    return markdown(PATH_HEADS, rows)


def documents() -> Iterator[tuple[Path, str, str]]:
    """Yield ``(document, its text, its text with the recorded tables)`` of the documents that have a mark."""
    found = _held(PATHS, "s2nn-paths-table", "netlists", dict) if PATHS.is_file() else {}
    netlists = convert(found, dict[str, dict[str, Count]], f"{PATHS}: netlists", plain=True)
    for name, figures in netlists.items():
        if "\n" in name or not set(PATH_FIGURES) <= set(figures):
            raise UserError(f"{PATHS}: netlists must have a line as name and {', '.join(PATH_FIGURES)}, as {name!r}")
    held = _held(PLANS, "s2nn-plans-table", "plans", dict) if PLANS.is_file() else {}
    plans = convert(held, dict[str, dict[str, FastestPlan]], f"{PLANS}: plans", plain=True)
    made = {"builds": table(read_builds()), "paths": path_table(netlists), "plans": markdown(*plan_rows(plans))}
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        if MARK.search(text):
            yield document, text, MARK.sub(lambda found: found[1] + made[found[2]] + found[3], text)


def check(strict: bool = False) -> int:
    """Print what differs; return the exit status."""
    builds = read_builds()
    wrong = [
        f"{document}: the recorded tables are not those of {BUILDS}, {PATHS} and {PLANS}; run `make record-builds`"
        for document, text, new in documents()
        if text != new
    ]
    found, left_out = differences(Path("README.md"), builds)
    old = [entry.command for entry in builds if entry.generator != generator_digest()[:16]]
    for line in wrong + found:
        print(line)
    for line in left_out + [f"recorded with other sources than these: {command}" for command in old]:
        print(f"note: {line}")
    print(f"{len(wrong + found)} figures differ" if wrong or found else "all figures that were checked agree")
    return int(bool(wrong or found or (strict and old)))


RECORDERS = {"builds": record, "paths": record_paths, "plans": record_plans}


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=(*RECORDERS, "check"))
    parser.add_argument("--strict", action="store_true", help="builds of other sources are differences")
    options = parser.parse_args(arguments)
    if options.what == "check":
        return check(options.strict)
    RECORDERS[options.what]()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, OSError, ValueError, KeyError, TypeError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
