"""What ``s2nn-hw inspect`` and ``s2nn-hw report`` do: files in, tables or JSON out."""

import json
import sys
from pathlib import Path

from rich.console import Console

from ..errors import UserError
from ..files import write_json
from ..plan import default_plan, load_plan, parse_plan
from ..store import load
from . import tables
from .full import build_report, find_build, read_build
from .overview import overview

BUILDS = "build"


def inspect_network(path, *, plan=None, as_json=False):
    """Print what the network in file ``path`` is."""
    network = load(path)
    data = overview(network, load_plan(plan, network) if plan else None)
    _show(data, as_json, tables.print_overview)


def report_network(path, *, test_images, board=None, build=None, plan=None, output=None, as_json=False,
                   find_board=None, link_figures=None):
    """Print the report of the network in file ``path``, write it to ``output`` if given.

    ``test_images``: a function ``(network) -> (images, labels or None, where they are from)``. ``find_board``: a
    function ``(name) -> figures``, ``link_figures``: one ``(network, plan, clock_hz=, baud=) -> figures``; they come
    from :mod:`hw`, which this package does not import. ``build``: the folder of a finished build; with a board and
    without one, the newest matching build under ``build/`` is taken.
    """
    if output is not None and Path(output).suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    network = load(path)
    built = read_build(build, network) if build else None
    if built:
        name = built["board"].get("name")
        if board not in (None, name):
            raise UserError(f"build {build} is for board {name}, not {board}; leave --board out or build for {board}")
        board = name
    if plan:
        chosen = load_plan(plan, network)
        if built and built.get("plan") != chosen.to_json():
            raise UserError(f"build {build} was made with another plan than {plan}")
    elif built and built.get("plan"):
        chosen = parse_plan(built["plan"], network, f"build {build}")
    else:
        chosen = default_plan(network)
    record, link = find_board(board) if board else None, None
    folder = build
    if record and built is None:
        folder, built = find_build(BUILDS, network, board, chosen) or (None, None)
    if record:
        clock = (built["clock"].get("wanted_mhz") if built else None) or record["clock_mhz"]
        baud = ((built.get("link") or {}).get("baud") if built else None) or record["baud"]
        link = link_figures(network, chosen, clock_hz=clock * 1e6, baud=baud)
    images, labels, source = test_images(network)
    data = build_report(network, chosen, images, labels, built, board=record, link=link, source=source,
                        checked=_checked(network))
    if built:
        data["build"] = {"folder": str(folder)} | data["build"]
    if output is not None:
        write_json(output, data)
    _show(data, as_json, tables.print_report)
    if build and output is None:
        # a finished build keeps everything that is known of it in one file
        write_json(Path(build) / "report.json", built | {"report": data})
    if output is not None and not as_json:
        Console(highlight=False, soft_wrap=True).print(f"figures: {output}", markup=False)


def _checked(network):
    """Return what ``s2nn-hw verify`` last wrote about ``network`` under ``build/``, else None."""
    try:
        path = Path(BUILDS) / "verify" / f"{network.name}-{network.digest[:12]}.json"
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _show(data, as_json, printer):
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    printer(data, console)
