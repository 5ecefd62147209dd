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
from s2nn_hw.store import save

from .boards import check_budget
from .clocking import BoardTop, system_clock
from .steps import choose_flow, prepare, run_nextpnr, run_openxc7, run_synthesis, run_vivado
from .toolchain import Narrator
from .uart import clocks_per_bit

RECORD = "build.json"
NETWORK_FILE = "network.s2nn"
SYNTHESIS_ONLY_STATUS = 3
# where all weights are logic: nets reach across the chip (docs/unrolled.md has what was reached)
LOGIC_HZ = {"ecp5": 50_000_000}


@dataclass(frozen=True)
class Options:
    """What a build may be asked for. ``freq_mhz``, ``baud``: None takes the board's. ``native``: prefer the tools on
    the PATH to YoWASP's. ``chipdb``, ``prjxray_db``: openXC7's databases (:func:`hw.openxc7.find_databases`)."""

    freq_mhz: float | None = None
    seed: int = 1
    baud: int | None = None
    native: bool = False
    chipdb: str | None = None
    prjxray_db: str | None = None

    def __post_init__(self):
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

        from .top import LinkTop

        clocks_per_bit(clock_hz, baud)  # refuses before a circuit is made that nobody would use
        return LinkTop(Accelerator(network, plan), clock_hz=clock_hz, baud=baud)

    return design


def self_test_design(network, plan, vectors):
    """Return a function ``(clock_hz, baud) -> component``: the accelerator tests itself with ``vectors``.

    ``vectors``: :class:`hw.selftest.Vectors` of ``network``. The component has ``rx``, ``tx`` and ``leds``.
    """

    def design(clock_hz, baud):
        from s2nn_hw.accelerator import Accelerator

        from .top import SelfTestTop

        clocks_per_bit(clock_hz, baud)
        return SelfTestTop(Accelerator(network, plan), vectors, clock_hz=clock_hz, baud=baud)

    return design


def build_clock(board, options, plan):
    """Return ``(clock_hz, settings)``: the clock asked for, else the board's, or less if all weights are logic."""
    wanted = options.freq_mhz and round(options.freq_mhz * 1e6)
    if not wanted and plan is not None and all(layer.engine in ("unrolled", "fused") for layer in plan.layers):
        wanted = min(board.clock_hz, LOGIC_HZ.get(board.family, board.clock_hz))
    return system_clock(board, wanted)


def board_design(network, plan, board, options=None, *, design=None):
    """Return ``(top, clock_hz)``: everything on ``board``, pins and clock included, ready for its platform."""
    options = options or Options()
    clock_hz, settings = build_clock(board, options, plan)
    make = design or accelerator_design(network, plan)
    return BoardTop(make(clock_hz, options.baud or board.baud), board, settings), clock_hz


def build(network, board, *, plan=None, options=None, output="build", estimate=None, design=None, design_key="",
          self_test=None, console=None):
    """Build ``network`` for ``board`` in ``output/<network>-<board>-<digest>/``; return :class:`Built`.

    ``plan``: None takes the default. ``estimate``: resources by name, refused before any tool runs if they exceed
    the board. ``design``: a function ``(clock_hz, baud) -> component with rx and tx`` in the accelerator's place,
    known to the digest as ``design_key``. ``self_test``: what to tell of it in ``build.json``, if it is one; its LEDs
    are added. ``console``: a rich console for progress.

    The folder is complete when it holds ``build.json``, and then nothing is built again. :class:`UserError`: a
    tool is missing or failed, the design does not fit, the clock is missed (logs stay in the folder). Ctrl-C and a
    full disk leave no folder.
    """
    options = options or Options()
    narrator = Narrator(console or _console())
    if plan is None and design is None:
        from s2nn_hw.plan import default_plan

        plan = default_plan(network, lut=board.lut_inputs)
    build_clock(board, options, plan)
    if estimate is not None:
        check_budget(estimate, board)
    flow = choose_flow(board, native=options.native, chipdb=options.chipdb, prjxray_db=options.prjxray_db)
    identity = {
        "package": s2nn_hw.__version__, "generator": generator_digest(), "network": network.digest,
        "design": design_key, "plan": plan.to_json() if plan is not None else None, "board": asdict(board),
        "options": asdict(options), "flow": flow.kind,
        "databases": asdict(flow.databases) if flow.databases else None,
        "tools": {name: [tool.version, tool.path] for name, tool in flow.tools.items()},
        "amaranth": _amaranth_versions(),
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
    with narrator.stage("generate", "generating the circuit"):
        top, clock_hz = board_design(network, plan, board, options, design=design)
        clock_mhz = clock_hz / 1e6
        commands = prepare(board, top, folder, clock_mhz=clock_mhz, seed=options.seed)
    if flow.kind == "nextpnr":
        outcome = run_nextpnr(board, flow, commands, folder, narrator)
    elif flow.kind == "vivado":
        outcome = run_vivado(board, flow, commands, folder, narrator, clock_mhz=clock_mhz)
    elif flow.kind == "openxc7":
        outcome = run_openxc7(board, flow, folder, narrator, clock_mhz=clock_mhz, seed=options.seed)
    else:
        outcome = run_synthesis(board, flow, folder, narrator)
    worst = outcome.timing.slowest() if outcome.timing else None
    report = {
        "format": "s2nn-build",
        "version": 1,
        "board": {"name": board.name, "title": board.title, "device": board.device},
        "network": {"name": network.name, "digest": network.digest},
        "digest": digest,
        "plan": identity["plan"],
        "self_test": None if self_test is None else {**self_test, "leds": top.leds},
        "flow": flow.kind,
        "clock": {"wanted_mhz": clock_mhz, "reached_mhz": worst and round(worst[1], 3)},
        "timing": outcome.timing.to_json() if outcome.timing else None,
        "link": {"baud": options.baud or board.baud},
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
    write_json(folder / RECORD, report)
    return report


def generator_digest():
    """Return a digest of the source files that decide the circuit and the tools' command lines."""
    state = hashlib.sha256()
    for module, patterns in ((s2nn_hw.__file__, ("*.py", "engines/*.py", "unroll/*.py")), (__file__, ("*.py",))):
        root = Path(module).parent
        for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
            if path.name != "cli.py":
                state.update(f"{root.name}/{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return state.hexdigest()


def _amaranth_versions():
    from importlib.metadata import version

    return {name: f"{name} {version(name)}" for name in ("amaranth", "amaranth-boards")}


def _console():
    from rich.console import Console

    return Console()


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
            if not any(folder.glob("*.log")):  # no tool has run, so there is nothing to look at
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
        rows.add_row("MHz (reached, wanted)", f"{clock['reached_mhz']:.1f}", f"{clock['wanted_mhz']:g}", "")
    return rows
