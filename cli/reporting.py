"""What ``s2nn-hw inspect`` and ``s2nn-hw report`` do: files in, tables or JSON out."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from s2nn_hw.activity_record import ActivityRecord, load_activity
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import all_logic
from s2nn_hw.cli.frames import frames_for
from s2nn_hw.cli.sequence_reporting import Asked, refuse, sequence_report
from s2nn_hw.errors import UserError
from s2nn_hw.extras import require
from s2nn_hw.family import GENERAL
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.files import write_json
from s2nn_hw.hw.board.boards import find_board
from s2nn_hw.hw.facts import LinkFacts, board_facts, link_facts
from s2nn_hw.hw.flow.build_record import NETWORK, PLAN, BuildRecord, find_build, read_build, running_mhz
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.plan.plan import load_plan, parse_plan
from s2nn_hw.quantize.data.reading import reading_of
from s2nn_hw.quantize.data.sets import known_title
from s2nn_hw.report.energy.readings import load_readings
from s2nn_hw.report.full import build_report
from s2nn_hw.report.known import Known
from s2nn_hw.report.literature import load_literature
from s2nn_hw.report.reproduce import Given, commands
from s2nn_hw.report.schema import check_report
from s2nn_hw.report.sections.overview import overview
from s2nn_hw.report.sequence_overview import print_sequence_overview, sequence_overview
from s2nn_hw.report.show.overview_tables import print_overview
from s2nn_hw.report.show.report_tables import print_report
from s2nn_hw.report.show.sequence_tables import print_sequence_report
from s2nn_hw.sequence_design import SequenceDesign
from s2nn_hw.terminal import Terminal, next_step, terminal, working

BUILDS, ACTIVITY = "build", "activity.json"


def inspect_network(path: Path, *, plan: Path | None = None, as_json: bool = False) -> None:
    """Print what the network in file ``path`` is."""
    network = load(path)
    chosen = load_plan(plan, network) if plan else None
    if network.input.sequences:
        design = SequenceDesign(network, chosen or default_plan(network, GENERAL))
        _show(sequence_overview(design), as_json, print_sequence_overview)
    else:
        with working(f"inspecting {network.name}"):
            data = overview(network, chosen)
        _show(data, as_json, print_overview)
    if not as_json:
        next_step("verify", path, *(["--plan", plan] if plan else []))


@dataclass(frozen=True)
class Options:
    """What ``report`` may be asked for; see its help.

    board:    whose clock, budget and link; of a build its own
    build:    the folder of a finished build; with a board and without one, the newest that matches below ``build/``
    images:   a file, None takes the test set
    labels:   the file of their classes
    plan:     a file, None takes the build's or the default plan
    frames:   of so many images cycles are worked out, None for all
    readings: a file of power measured
    html:     the page too, beside ``output``
    output:   a ``.json``, None takes ``report.json`` in the build's folder; without a build ``html`` goes to ``build/``
    as_json:  print JSON, not tables
    """

    board: str | None = None
    build: Path | None = None
    images: Path | None = None
    labels: Path | None = None
    plan: Path | None = None
    frames: int | None = None
    readings: Path | None = None
    html: bool = False
    output: Path | None = None
    as_json: bool = False


@dataclass(frozen=True)
class Setting:
    """What is reported on: the network in file ``path`` under ``plan``, for ``board`` or for none.

    ``folder``, ``build``: of a finished build, and its ``build.json``; both None without one.
    """

    path: Path
    network: Network
    plan: Plan
    board: BoardFacts | None
    folder: Path | None
    build: BuildRecord | None

    @property
    def link(self) -> LinkFacts | None:
        """What the host link allows, at the clock and the rate of the build or else of the board; None where frames are
        events, whose number is each frame's own."""
        if self.board is None or (self.build and self.build.link and self.build.link.events):
            return None
        clock = running_mhz(self.build) if self.build else self.board.clock_mhz
        baud = (self.build.baud if self.build else None) or self.board.baud
        return link_facts(self.network, self.plan, clock_hz=clock * 1e6, baud=baud)

    @property
    def data_set(self) -> str | None:
        """What results on the network's data set are called, None if it names none."""
        key, own = self.network.provenance.get("data_set"), reading_of(self.network)
        if own is not None:
            return own.name
        return known_title(key) if isinstance(key, str) else None


def report_network(source: Path, options: Options) -> None:
    """Print the report of ``source``, a network's file or the folder of a finished build, and write it."""
    if options.output is not None and options.output.suffix != ".json":
        raise UserError(f"output {options.output} must end in .json")
    if options.html:
        require("report")
    path, build = _source(source, options.build)
    setting = _setting(path, options.board, build, options.plan)
    if setting.network.input.sequences:
        _report_sequences(setting, options)
        return
    target = _target(setting, options)
    data, words = _report(setting, options)
    check_report(data)
    written = []
    if target is not None:
        if options.output is None:
            target.parent.mkdir(exist_ok=True)
        write_json(target, data)
        written.append(f"report: {target}")
        if options.html:
            from s2nn_hw.report.show.page import write_page

            page = target.with_suffix(".html")
            write_page(data, page, literature=load_literature())
            written.append(f"page: {page}")
    _show(data, options.as_json, print_report)
    if not options.as_json:
        terminal().print("\n".join(written))
        _next(setting, data, words, target)


def _report_sequences(setting: Setting, options: Options) -> None:
    """Print the report of a network of sequences, and write it."""
    network, board = setting.network, setting.board
    refuse(
        network,
        {"--html": options.html, "--frames": options.frames is not None, "--readings": options.readings is not None},
    )
    clock = None if board is None else running_mhz(setting.build) if setting.build else board.clock_mhz
    asked = Asked(options.images, options.labels, board.title if board else None, clock, _checked(network), _now())
    data = sequence_report(network, setting.plan, asked)
    target = _target(setting, options)
    if target is not None:
        write_json(target, data)
    _show(data, options.as_json, print_sequence_report)
    if target is not None and not options.as_json:
        terminal().print(f"report: {target}")


def _source(source: Path, build: Path | None) -> tuple[Path, Path | None]:
    """Return the network's file and the folder of the build, if one is given as ``source`` or as ``build``."""
    if not source.is_dir():
        return source, build
    if build is not None and build.resolve() != source.resolve():
        raise UserError(f"{source} is a build's folder, so --build {build} has no place")
    path = source / NETWORK
    if not path.is_file():
        raise UserError(f"{path} does not exist: {source} is no finished build; make one with `s2nn-hw bitstream`")
    return path, source


def _setting(path: Path, board: str | None, folder: Path | None, plan: Path | None) -> Setting:
    """Return the network in file ``path`` with the plan in file ``plan``, or that of its build, or the default one."""
    network = load(path)
    build = read_build(folder, network) if folder else None
    if build:
        name = build.board.name
        if board not in (None, name):
            raise UserError(f"build {folder} is for board {name}, not {board}; leave --board out or build for {board}")
        board = name
    facts = board_facts(find_board(board)) if board else None
    if plan:
        chosen = load_plan(plan, network)
        if build and build.plan != chosen.to_json():
            raise UserError(f"build {folder} was made with another plan than {plan}")
    elif build and build.plan:
        chosen = parse_plan(build.plan, network, f"build {folder}")
    else:
        chosen = default_plan(network, facts.family if facts else GENERAL)
    if facts and build is None:
        facts = board_facts(find_board(facts.name), logic=all_logic(chosen))
        folder, build = find_build(BUILDS, network, facts.name, chosen) or (None, None)
    return Setting(path, network, chosen, facts, folder, build)


def _report(setting: Setting, options: Options) -> tuple[dict[str, Any], list[str | Path]]:
    """Return the report, and the words that name its board and plan to another command."""
    network, plan, folder = setting.network, setting.plan, setting.folder
    link, activity = setting.link, _activity(setting)
    measured = load_readings(options.readings) if options.readings else None
    images, labels, where = frames_for(setting.path, options.images, options.labels)
    given = Given(
        setting.path,
        board=setting.board.name if setting.board else None,
        plan=_plan_file(options.plan, setting),
        images=options.images,
        labels=options.labels,
        readings=options.readings,
        frames=options.frames,
    )
    known = Known(
        board=setting.board,
        link=link,
        build=setting.build,
        folder=folder.name if folder else None,
        activity=activity,
        readings=measured,
        checked=_checked(network),
        source=where,
        data_set=setting.data_set,
        created=_now(),
        reproduce=commands(given, build=setting.build, activity=activity),
    )
    with _progress(len(images)) as advance:
        data = build_report(network, plan, images, labels, known, frames=options.frames, progress=advance)
    return data, given.on_board


def _next(setting: Setting, data: dict[str, Any], words: list[str | Path], target: Path | None) -> None:
    """Print the command that comes next."""
    if setting.board and data["energy"]["device"] is None and setting.board.family != "gowin":
        next_step("activity", setting.path, *words)
    elif setting.board and setting.build is None:
        next_step("bitstream", setting.path, *words)
    elif target:
        next_step("compare", target, "OTHER.report.json", "--html", "compare.html")


def _plan_file(given: Path | None, setting: Setting) -> Path | None:
    """Return the file that holds the plan, None if it is the default one; a build's is written into its folder."""
    plan, board = setting.plan, setting.board
    default = default_plan(setting.network, board.family if board else GENERAL)
    if given is not None or plan == default or setting.folder is None:
        return given
    path = setting.folder / PLAN
    if not path.is_file():
        plan.save(path)
    return path


def _target(setting: Setting, options: Options) -> Path | None:
    """Return where the report goes, None for nowhere."""
    if options.output is not None:
        return options.output
    if setting.folder:
        return setting.folder / "report.json"
    where = f"-{setting.board.name.replace(':', '.')}" if setting.board else ""
    return Path(BUILDS) / f"{setting.network.name}{where}.report.json" if options.html else None


def _activity(setting: Setting) -> ActivityRecord | None:
    """Return the activity record of this network and plan: the build's own, else the newest for the board.

    None if there is none; :class:`UserError` if the build's own is damaged.
    """
    network, board = setting.network, setting.board and setting.board.name
    own = [setting.folder / ACTIVITY] if setting.folder else []
    others = Path(BUILDS).glob(f"activity/{network.name}-{str(board).replace(':', '.')}-*/{ACTIVITY}")
    for path in own + sorted(others, key=lambda p: -p.stat().st_mtime):
        if path.is_file():
            activity = load_activity(path)
            if activity.is_of(network.digest, setting.plan.to_json()):
                return activity
    return None


def _now() -> str:
    """Return the time in UTC, or the one that the variable SOURCE_DATE_EPOCH names."""
    moment = os.environ.get("SOURCE_DATE_EPOCH")
    if moment is not None and not moment.isdigit():
        raise UserError(f"SOURCE_DATE_EPOCH must be a number of seconds, not {moment!r}")
    now = datetime.fromtimestamp(int(moment), UTC) if moment else datetime.now(UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
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


def _checked(network: Network) -> dict[str, Any] | None:
    """Return what ``s2nn-hw verify`` last wrote about ``network`` under ``build/``, else None."""
    try:
        path = Path(BUILDS) / "verify" / f"{network.name}-{network.digest[:12]}.json"
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _show(data: dict[str, Any], as_json: bool, printer: Callable[[dict[str, Any], Terminal], None]) -> None:
    if as_json:
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    printer(data, terminal(tables=True))
