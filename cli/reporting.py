"""What ``s2nn-hw inspect`` and ``s2nn-hw report`` do: files in, tables or JSON out."""

import json
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from s2nn_hw.activity_record import load_activity
from s2nn_hw.errors import UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.files import write_json
from s2nn_hw.hw.flow.build_record import NETWORK, PLAN, find_build, read_build, running_mhz
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan, parse_plan
from s2nn_hw.report.energy.readings import load_readings
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.literature import load_literature
from s2nn_hw.report.reproduce import Given, commands
from s2nn_hw.report.schema import check_report
from s2nn_hw.report.sections.overview import overview
from s2nn_hw.report.show.overview_tables import print_overview
from s2nn_hw.report.show.page import write_page
from s2nn_hw.report.show.report_tables import print_report
from s2nn_hw.terminal import Terminal, next_step, terminal, working

BUILDS, ACTIVITY = "build", "activity.json"


def inspect_network(path, *, plan=None, as_json=False):
    """Print what the network in file ``path`` is."""
    network = load(path)
    with working(f"inspecting {network.name}"):
        data = overview(network, load_plan(plan, network) if plan else None)
    _show(data, as_json, print_overview)
    if not as_json:
        next_step("verify", path, *(["--plan", plan] if plan else []))


def report_network(
    source,
    *,
    test_images,
    board=None,
    build=None,
    plan=None,
    output=None,
    as_json=False,
    html=False,
    frames=None,
    readings=None,
    find_board=None,
    link_facts=None,
    data_set_title=None,
    pictures=None,
    labels=None,
):
    """Print the report of ``source``, a network's file or the folder of a finished build, and write it.

    It goes to ``output`` (``.json``), or into the build's folder as ``report.json``; with ``html`` the page goes beside
    it, and without either place both go to ``build/``. ``test_images``: a function ``(network file, network) ->
    (images, labels or None, where they are from)``. ``find_board``: a function ``(name) -> figures``, ``link_facts``:
    one ``(network, plan, clock_hz=, baud=) -> figures``; they come from :mod:`hw`, which this package does not import.
    ``data_set_title``: a function from a data set's key to what results on it are called.
    ``build``: the folder of a finished build; with a board and without one, the newest matching build under ``build/``
    is taken. ``frames``: of so many images cycles are worked out. ``pictures``, ``labels``: the files that
    ``test_images`` reads, if they were given: the commands to reproduce the report name them.
    """
    if output is not None and Path(output).suffix != ".json":
        raise UserError(f"output {output} must end in .json")
    path = Path(source)
    if path.is_dir():
        if build is not None and Path(build).resolve() != path.resolve():
            raise UserError(f"{source} is a build's folder, so --build {build} has no place")
        build, path = path, path / NETWORK
        if not path.is_file():
            raise UserError(f"{path} does not exist: {source} is no finished build; make one with `s2nn-hw bitstream`")
    network = load(path)
    folder, built, chosen, record = _setting(network, board, build, plan, find_board)
    target = _target(network, record, output, build, html)
    link = None
    if record:
        clock = running_mhz(built) if built else record.clock_mhz
        baud = (built.baud if built else None) or record.baud
        link = link_facts(network, chosen, clock_hz=clock * 1e6, baud=baud)
    activity = _activity(folder, network, chosen, board)
    measured = load_readings(readings) if readings else None
    images, labels, where = test_images(path, network)
    common = {"board": record and record.name, "plan": _plan_file(plan, folder, chosen, network, record)}
    given = Given(path, images=pictures, labels=labels, readings=readings, frames=frames, **common)
    known = Known(
        board=record,
        link=link,
        build=built,
        folder=Path(folder).name if folder else None,
        activity=activity,
        readings=measured,
        checked=_checked(network),
        source=where,
        data_set=_title(network, data_set_title),
        created=_now(),
        reproduce=commands(given, build=built, activity=activity),
    )
    with _progress(len(images)) as advance:
        data = build_report(network, chosen, images, labels, known, frames=frames, progress=advance)
    check_report(data)
    written = []
    if target is not None:
        if output is None:
            target.parent.mkdir(exist_ok=True)
        write_json(target, data)
        written.append(f"report: {target}")
    if html:
        page = target.with_suffix(".html")
        write_page(data, page, literature=load_literature())
        written.append(f"page: {page}")
    _show(data, as_json, print_report)
    if not as_json:
        terminal().print("\n".join(written))
        if record and data["energy"]["device"] is None and record.family != "gowin":
            next_step("activity", path, *(w for name, value in common.items() if value for w in (f"--{name}", value)))
        elif record and built is None:
            next_step("bitstream", path, *(w for name, value in common.items() if value for w in (f"--{name}", value)))
        elif target:
            next_step("compare", target, "OTHER.report.json", "--html", "compare.html")


def _plan_file(given, folder, plan, network, record):
    """Return the file that holds ``plan``, None if it is the default one; a build's is written into its folder."""
    if given is not None or plan == default_plan(network, record.family if record else GENERAL):
        return given
    path = Path(folder) / PLAN
    if not path.is_file():
        plan.save(path)
    return path


def _setting(network, board, build, plan, find_board):
    """Return the build's folder and record (or None twice), the plan and the board's figures (or None)."""
    built = read_build(build, network) if build else None
    if built:
        name = built.board.name
        if board not in (None, name):
            raise UserError(f"build {build} is for board {name}, not {board}; leave --board out or build for {board}")
        board = name
    record = find_board(board) if board else None
    if plan:
        chosen = load_plan(plan, network)
        if built and built.plan != chosen.to_json():
            raise UserError(f"build {build} was made with another plan than {plan}")
    elif built and built.plan:
        chosen = parse_plan(built.plan, network, f"build {build}")
    else:
        chosen = default_plan(network, record.family if record else GENERAL)
    if record and built is None:
        build, built = find_build(BUILDS, network, board, chosen) or (None, None)
    return build, built, chosen, record


def _target(network, record, output, build, html):
    """Return where the report goes, None for nowhere."""
    if output is not None:
        return Path(output)
    if build:
        return Path(build) / "report.json"
    where = f"-{record.name.replace(':', '.')}" if record else ""
    return Path(BUILDS) / f"{network.name}{where}.report.json" if html else None


def _activity(folder, network, plan, board):
    """Return the activity record of this network and plan: the build's in ``folder``, else the newest for ``board``.

    None if there is none; :class:`UserError` if the build's own is damaged.
    """
    own = [Path(folder) / ACTIVITY] if folder else []
    others = Path(BUILDS).glob(f"activity/{network.name}-{str(board).replace(':', '.')}-*/{ACTIVITY}")
    for path in own + sorted(others, key=lambda p: -p.stat().st_mtime):
        if path.is_file():
            activity = load_activity(path)
            if activity.is_of(network.digest, plan.to_json()):
                return activity
    return None


def _title(network, data_set_title):
    key = network.provenance.get("data_set")
    return data_set_title(key) if data_set_title and isinstance(key, str) else None


def _now():
    """Return the time in UTC, or the one that the variable SOURCE_DATE_EPOCH names."""
    moment = os.environ.get("SOURCE_DATE_EPOCH")
    if moment is not None and not moment.isdigit():
        raise UserError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {moment!r}")
    now = datetime.fromtimestamp(int(moment), UTC) if moment else datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _progress(total):
    """Show on the terminal's standard error how many of ``total`` images are done; give the function to call."""
    console = Terminal(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("golden model and exact cycles", total=total)
        yield lambda done: bar.update(task, completed=done)


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
    printer(data, terminal(tables=True))
