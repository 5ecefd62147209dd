"""Runs a netlist with counters (:class:`s2nn_hw.sim.netlist.netlist.Probed`) in Verilator: results, and how often each
net toggled."""

import os
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from s2nn_hw.emit import place_pixels
from s2nn_hw.errors import UserError
from s2nn_hw.sim.verilog.runner import LOG_TAIL, SimulationError, environment, simulator_environment, unpack_results

BENCH = "activity_bench"
OUR_CELLS = {"xc7": "xc7.v", "ecp5": "ecp5.v"}  # block RAMs, of which yosys has no models
LINTS = ("-Wno-fatal", "-Wno-lint", "-Wno-style", "-Wno-MODDUP", "-Wno-SPECIFYIGN", "-Wno-TIMESCALEMOD")
SPLIT = ("--output-split", "10000", "--output-split-cfuncs", "1000")  # compilers take long over long functions


@dataclass(frozen=True)
class Counts:
    """What the bench counted. ``busy``, ``idle``: cycles of the two phases. ``toggles``, ``high`` (cycles in which the
    net was 1): int64 ``(2, nets)``, busy then idle. ``classes``, ``scores``, ``cycles``: the circuit's answers."""

    busy: int
    idle: int
    toggles: np.ndarray
    high: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray


def cells_folder():
    """Return the folder of our Verilog: cell models and the bench."""
    return Path(__file__).parent / "cells"


def simulator_version():
    """Return Verilator's name and version, one line."""
    try:
        return f"Verilator {metadata.version('verilator')}"
    except metadata.PackageNotFoundError:
        with environment(**simulator_environment("verilator")):
            answer = subprocess.run(["verilator", "--version"], capture_output=True, text=True, check=False)
        return " ".join(answer.stdout.split()[:2])


def compile_bench(verilog, design, family, models, folder):
    """Compile the netlist in file ``verilog`` with the bench in ``folder``; return the program's path.

    ``design``: the :class:`~s2nn_hw.design.Design`; ``models``: ``(include folder, file, definitions)`` of the
    family's cells. :class:`UserError` if the simulator or the compiler can't do it; their log is in ``folder``.
    """
    folder, ours = Path(folder), cells_folder()
    include, cells, definitions = models
    settings = simulator_environment("verilator")
    settings["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    own = [str(ours / OUR_CELLS[family])] if family in OUR_CELLS else []
    # ours come first: of two modules of one name Verilator takes the first
    command = [
        "verilator",
        "--cc",
        "--exe",
        "--build",
        "-j",
        str(os.cpu_count() or 1),
        "--no-timing",
        "--top-module",
        BENCH,
        "--prefix",
        "Vactivity",
        "--x-assign",
        "0",
        "--x-initial",
        "0",
        *LINTS,
        *SPLIT,
        f"-GBEAT_BITS={design.pixels_per_beat * design.network.input.bits}",
        f"-GRESULT_BITS={design.result_layout.size}",
        f"-I{include}",
        *(f"-D{name}" for name in definitions),
        "--Mdir",
        "model",
        "-o",
        "activity",
        str(ours / "bench.sv"),
        *own,
        str(cells),
        str(verilog),
        str(ours / "main.cpp"),
    ]
    log = folder / "compile.log"
    with environment(**settings), open(log, "w") as out:
        try:
            done = subprocess.run(
                command, cwd=folder, stdout=out, stderr=subprocess.STDOUT, check=False, stdin=subprocess.DEVNULL
            )
        except OSError as error:
            raise UserError(f"Verilator can't be started: {error.strerror}") from None
    program = folder / "model" / "activity"
    if done.returncode or not program.is_file():
        raise UserError(f"Verilator could not build the netlist (status {done.returncode}); its log is {log}")
    return program


def write_frames(design, pixels, path):
    """Write ``pixels`` ``(frames, n)`` to ``path``, a beat a line in hexadecimal, frame after frame."""
    bits = design.network.input.bits
    digits = -(-design.pixels_per_beat * bits // 8)
    placed = place_pixels(design, pixels).reshape(-1, design.pixels_per_beat, 1)
    spread = np.unpackbits(placed, axis=2, count=bits, bitorder="little").reshape(len(placed), -1)
    packed = np.packbits(spread, axis=1, bitorder="little")[:, ::-1]
    text = packed.tobytes().hex()
    lines = (text[k : k + 2 * digits] for k in range(0, len(text), 2 * digits))
    Path(path).write_text("\n".join(lines) + "\n")


def run_bench(program, design, expected, folder, *, nets, idle, progress=None):
    """Send ``expected.pixels`` through ``program`` back to back, then ``idle`` cycles of nothing.

    Returns :class:`Counts`; files of the job go into ``folder``. ``expected``:
    :class:`s2nn_hw.sim.verilog.verify.Expected` of these frames in one sequence. ``nets``: how many are counted.
    ``progress(done)`` is called after each result. :class:`~s2nn_hw.sim.verilog.runner.SimulationError` if the circuit
    stops answering.
    """
    folder, frames = Path(folder), len(expected.pixels)
    paths = {name: folder / name for name in ("frames.hex", "results.hex", "counts.bin", "run.log")}
    write_frames(design, expected.pixels, paths["frames.hex"])
    command = [
        program,
        paths["counts.bin"],
        frames,
        expected.patience,
        expected.drain + 64,
        idle,
        f"+frames={paths['frames.hex']}",
        f"+results={paths['results.hex']}",
    ]
    with (
        open(paths["run.log"], "w") as log,
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, text=True, cwd=folder
        ) as process,
    ):
        try:
            for line in process.stdout:
                if progress and line.strip().isdigit():
                    progress(int(line))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        tail = paths["run.log"].read_text(errors="replace")[-LOG_TAIL:]
        raise SimulationError(f"the netlist's simulation failed (status {process.returncode}):\n{tail}")
    words = np.fromfile(paths["counts.bin"], dtype="<i8")
    tables = words[2:].reshape(2, 2, -1)[:, :, :nets]
    size = -(-design.result_layout.size // 8)
    rows = [bytes.fromhex(line.rjust(2 * size, "0"))[::-1] for line in paths["results.hex"].read_text().split()]
    packed = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, size)
    return Counts(int(words[0]), int(words[1]), tables[:, 0], tables[:, 1], *unpack_results(design, packed))
