"""From a network and a board to a bitstream in a folder of its own: the one function behind ``make bitstream``."""

import contextlib
import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import s2nn_hw
from s2nn_hw.errors import UserError
from s2nn_hw.files import clear, held, write_json
from s2nn_hw.hw.board.boards import check_budget
from s2nn_hw.hw.board.clocking import BoardTop, system_clock
from s2nn_hw.hw.flow.digests import amaranth_versions, database_digest, generator_digest
from s2nn_hw.hw.flow.lowering import Lowering
from s2nn_hw.hw.flow.steps import Work, choose_flow, prepare, run
from s2nn_hw.hw.flow.toolchain import Narrator
from s2nn_hw.hw.link.uart import clocks_per_bit
from s2nn_hw.network.store import save

RECORD = "build.json"
NETWORK_FILE, PLAN_FILE = "network.s2nn", "plan.json"
SYNTHESIS_ONLY_STATUS = 3


@dataclass(frozen=True)
class Options:
    """What a build may be asked for. ``freq_mhz``, ``baud``: None takes the board's, and a clock that is not asked for
    may be lowered (:mod:`s2nn_hw.hw.flow.lowering`). ``native``: prefer the tools on the PATH to YoWASP's. ``chipdb``,
    ``prjxray_db``: openXC7's databases (:func:`s2nn_hw.hw.flow.openxc7.find_databases`). ``timeout_minutes``: what
    each tool may take; it does not change what is built."""

    freq_mhz: float | None = None
    seed: int = 1
    baud: int | None = None
    native: bool = False
    chipdb: str | None = None
    prjxray_db: str | None = None
    timeout_minutes: float | None = None

    def __post_init__(self):
        if self.timeout_minutes is not None and not 0 < self.timeout_minutes < float("inf"):
            raise UserError(f"timeout must be a positive number of minutes, not {self.timeout_minutes:g}")
        if self.freq_mhz is not None and not self.freq_mhz > 0:
            raise UserError(f"clock frequency must be positive, not {self.freq_mhz:g} MHz")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed must be 0 .. {2**31 - 1}, not {self.seed}")


@dataclass(frozen=True)
class Built:
    """A finished build: its ``folder``, the contents of its ``build.json``, and whether it was there already."""

    folder: Path
    report: dict
    reused: bool

    @property
    def bitstream(self):
        """The bitstream's path, None after synthesis alone."""
        name = self.report["bitstream"]
        return self.folder / name if name else None

    @property
    def missing(self):
        """What this machine lacks for a bitstream, in words; empty if there is one."""
        return tuple(self.report["missing"])

    @property
    def status(self):
        """The command's exit status: 0, or 3 after synthesis alone."""
        return SYNTHESIS_ONLY_STATUS if self.missing else 0


def accelerator_design(network, plan):
    """Return a function ``(clock_hz, baud) -> component`` with ``rx`` and ``tx``: the accelerator behind its link."""

    def design(clock_hz, baud):
        from s2nn_hw.accelerator import Accelerator
        from s2nn_hw.hw.link.top import LinkTop

        clocks_per_bit(clock_hz, baud)  # refuses before a circuit is made that nobody would use
        return LinkTop(Accelerator(network, plan), clock_hz=clock_hz, baud=baud)

    return design


def self_test_design(network, plan, vectors):
    """Return a function ``(clock_hz, baud) -> component``: the accelerator tests itself with ``vectors``.

    ``vectors``: :class:`s2nn_hw.hw.link.selftest.Vectors` of ``network``. The component has ``rx``, ``tx`` and
    ``leds``.
    """

    def design(clock_hz, baud):
        from s2nn_hw.accelerator import Accelerator
        from s2nn_hw.hw.link.top import SelfTestTop

        clocks_per_bit(clock_hz, baud)
        return SelfTestTop(Accelerator(network, plan), vectors, clock_hz=clock_hz, baud=baud)

    return design


def build_clock(board, options):
    """Return ``(clock_hz, settings)``: the clock asked for, else the board's."""
    return system_clock(board, options.freq_mhz and round(options.freq_mhz * 1e6))


def board_design(network, plan, board, clock_hz, baud, *, design=None):
    """Return everything on ``board``, pins and clock included, ready for its platform.

    PLL, clocks per bit, the clock that the device tells of itself and the heartbeat all come from ``clock_hz``.
    """
    make = design or accelerator_design(network, plan)
    _, settings = system_clock(board, clock_hz)
    return BoardTop(make(clock_hz, baud), board, settings)


def build(
    network,
    board,
    *,
    plan=None,
    options=None,
    output="build",
    estimate=None,
    design=None,
    design_key="",
    self_test=None,
    console=None,
):
    """Build ``network`` for ``board`` in ``output/<network>-<board>-<digest>/``; return :class:`Built`.

    ``plan``: None takes the default. ``estimate``: resources by name, refused before any tool runs if they exceed
    the board. ``design``: a function ``(clock_hz, baud) -> component with rx and tx`` in the accelerator's place,
    known to the digest as ``design_key``. ``self_test``: what to tell of it in ``build.json``, if it is one; its LEDs
    are added. ``console``: a rich console for progress.

    The folder is complete when it holds ``build.json``, and then nothing is built again. A missed clock is lowered
    and built again unless it was asked for (:mod:`s2nn_hw.hw.flow.lowering`). :class:`UserError`: a tool is missing or
    failed, the design does not fit, the clock is missed all the same (logs stay in the folder). Ctrl-C and a full disk
    leave no folder.
    """
    options = options or Options()
    narrator = Narrator(console or _console())
    if plan is None and design is None:
        from s2nn_hw.plan.defaults import default_plan

        plan = default_plan(network, board.family)
    build_clock(board, options)
    if estimate is not None:
        check_budget(estimate, board)
    flow = choose_flow(board, native=options.native, chipdb=options.chipdb, prjxray_db=options.prjxray_db)
    asked = asdict(options)
    del asked["timeout_minutes"]
    identity = {
        "package": s2nn_hw.__version__,
        "generator": generator_digest(),
        "network": network.digest,
        "design": design_key,
        "plan": plan.to_json() if plan is not None else None,
        "board": asdict(board),
        "options": asked,
        "flow": flow.kind,
        "databases": database_digest(flow.databases) if flow.databases else None,
        "tools": {name: [tool.version, tool.path] for name, tool in flow.tools.items()},
        "amaranth": amaranth_versions(),
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = Path(output) / f"{network.name}-{board.name}-{digest[:12]}"
    with _owned(folder):
        report = _finished(folder)
        if report is not None:
            narrator.say(f"{folder} is complete and network, options and tools are the same: nothing to build")
            return Built(folder, report, True)
        clear(folder)
        narrator.say(f"building {network.name} for {board.title} ({board.device}) in {folder}")
        report = _run(network, board, plan, options, flow, folder, narrator, design, identity, digest, self_test)
    return Built(folder, report, False)


def _run(network, board, plan, options, flow, folder, narrator, design, identity, digest, self_test):
    baud = options.baud or board.baud
    lowering = Lowering(board, build_clock(board, options)[0], baud, strict=options.freq_mhz is not None)

    def attempt(clock_hz, early):
        with narrator.stage("generate", "generating the circuit"):
            top = board_design(network, plan, board, clock_hz, baud, design=design)
            work = prepare(
                Work(
                    board,
                    flow,
                    folder,
                    narrator,
                    clock_hz / 1e6,
                    options.seed,
                    minutes=options.timeout_minutes,
                    early=early,
                ),
                top,
            )
        return top, run(work)

    top, outcome = lowering.build(attempt, folder, narrator)
    worst = outcome.timing.slowest() if outcome.timing else None
    report = {
        "format": "s2nn-build",
        "version": 1,
        "board": {"name": board.name, "title": board.title, "device": board.device},
        "network": {"name": network.name, "digest": network.digest},
        "digest": digest,
        "generator": identity["generator"][:16],
        "plan": identity["plan"],
        "self_test": None if self_test is None else {**self_test, "leds": top.leds},
        "flow": flow.kind,
        "clock": lowering.record(worst and round(worst[1], 3)),
        "timing": outcome.timing.to_json() if outcome.timing else None,
        "link": {"baud": baud},
        "resources": outcome.usage.against(board.budget),
        "resources_source": outcome.usage.source,
        "synthesis": outcome.synthesis and outcome.synthesis.counts(),
        "resources_detail": outcome.usage.detail,
        "options": identity["options"],
        "tools": {name: tool.version for name, tool in flow.tools.items()} | identity["amaranth"],
        "seconds": narrator.seconds,
        "bitstream": outcome.bitstream,
        "missing": list(flow.missing),
        "program": " ".join(board.program) if outcome.bitstream else None,
    }
    save(network, folder / NETWORK_FILE)
    if plan is not None:
        plan.save(folder / PLAN_FILE)
    write_json(folder / RECORD, report)
    return report


def _console():
    from s2nn_hw.terminal import Terminal

    return Terminal()


def _finished(folder):
    """Return the report of a complete build in ``folder``, else None."""
    try:
        report = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(report, dict) and "missing" in report and "bitstream" in report
    return report if whole and (not report["bitstream"] or (folder / report["bitstream"]).is_file()) else None


@contextlib.contextmanager
def _owned(folder):
    """Make ``folder`` and hold it against a second build of the same; remove it on Ctrl-C and on a full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"output folder {folder} can't be made: a file is in its place") from None
    with held(folder, "build is at work in"):
        try:
            yield
        except (KeyboardInterrupt, OSError):
            if _finished(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        except UserError:
            if not any(folder.rglob("*.log")):  # no tool has run, so there is nothing to look at
                shutil.rmtree(folder, ignore_errors=True)
            raise


def table(built, board):
    """Return a rich table of ``built``: resources against the budget and the clock."""
    from rich.table import Table

    report = built.report
    rows = Table(title=f"{report['network']['name']} on {board.title}, {report['resources_source']}")
    for heading in ("", "used", "of", "share"):
        rows.add_column(heading, justify="left" if not heading else "right")
    for row in report["resources"].values():
        share = f"{100 * row['used'] / row['budget']:.0f} %" if row["budget"] else "-"
        rows.add_row(row["kind"], f"{row['used']:,g}", f"{row['budget']:,}", share)
    clock = report["clock"]
    if clock["reached_mhz"]:
        rows.add_row("MHz (reached, clock)", f"{clock['reached_mhz']:.1f}", f"{clock['clock_mhz']:g}", "")
    if clock["lowered"]:
        rows.add_row("MHz (wanted)", f"{clock['wanted_mhz']:g}", "", "")
    return rows
