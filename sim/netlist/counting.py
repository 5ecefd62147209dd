"""Runs a netlist with counters (:class:`s2nn_hw.sim.netlist.netlist.Probed`) in Verilator: results, and how often each
net toggled."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from s2nn_hw.design import Design
from s2nn_hw.emit import place_pixels, spread_bits
from s2nn_hw.errors import UserError
from s2nn_hw.sim.verilog.model import LOG_TAIL, SimulationError, environment, simulator_environment
from s2nn_hw.sim.verilog.runner import unpack_results
from s2nn_hw.sim.verilog.verify import Expected, Progressed

CellModels = tuple[Path, Path, Sequence[str]]  # folder to include, file, definitions
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


def cells_folder() -> Path:
    """Return the folder of our Verilog: cell models and the bench."""
    return Path(__file__).parent / "cells"


def simulator_version() -> str:
    """Return Verilator's name and version, one line."""
    try:
        return f"Verilator {metadata.version('verilator')}"
    except metadata.PackageNotFoundError:
        with environment(**simulator_environment("verilator")):
            answer = subprocess.run(["verilator", "--version"], capture_output=True, text=True, check=False)
        return " ".join(answer.stdout.split()[:2])


def compile_bench(verilog: Path, design: Design, family: str, models: CellModels, folder: Path) -> Path:
    """Compile the netlist in file ``verilog`` with the bench in ``folder``; return the program's path.

    ``models``: of the family's cells. :class:`UserError` if the simulator or the compiler can't do it; their log is in
    ``folder``.
    """
    settings = simulator_environment("verilator")
    settings["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O1"
    log = folder / "compile.log"
    with environment(**settings), open(log, "w") as out:
        try:
            done = subprocess.run(
                _command(verilog, design, family, models),
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            raise UserError(f"Verilator can't be started: {error.strerror}") from None
    program = folder / "model" / "activity"
    if done.returncode or not program.is_file():
        raise UserError(f"Verilator could not build the netlist (status {done.returncode}); its log is {log}")
    return program


def _command(verilog: Path, design: Design, family: str, models: CellModels) -> list[str]:
    """Return Verilator's command line, to be run in the folder for the model."""
    ours, (include, cells, definitions) = cells_folder(), models
    own = [str(ours / OUR_CELLS[family])] if family in OUR_CELLS else []
    # ours come first: of two modules of one name Verilator takes the first
    files = [str(ours / "bench.sv"), *own, str(cells), str(verilog), str(ours / "main.cpp")]
    options = (
        f"--cc --exe --build -j {os.cpu_count() or 1} --no-timing --top-module {BENCH} --prefix Vactivity "
        "--x-assign 0 --x-initial 0 --Mdir model -o activity"
    )
    return [
        "verilator",
        *options.split(),
        *LINTS,
        *SPLIT,
        f"-GBEAT_BITS={design.pixels_per_beat * design.network.input.bits}",
        f"-GRESULT_BITS={design.result_layout.size}",
        f"-I{include}",
        *(f"-D{name}" for name in definitions),
        *files,
    ]


def write_frames(design: Design, pixels: np.ndarray, path: Path) -> None:
    """Write ``pixels`` ``(frames, n)`` to ``path``, a beat a line in hexadecimal, frame after frame."""
    bits = design.network.input.bits
    digits = -(-design.pixels_per_beat * bits // 8)
    placed = place_pixels(design, pixels).reshape(-1, design.pixels_per_beat, 1)
    spread = spread_bits(placed, bits).reshape(len(placed), -1)
    packed = np.packbits(spread, axis=1, bitorder="little")[:, ::-1]
    text = packed.tobytes().hex()
    lines = (text[k : k + 2 * digits] for k in range(0, len(text), 2 * digits))
    path.write_text("\n".join(lines) + "\n")


def run_bench(
    program: Path,
    design: Design,
    expected: Expected,
    folder: Path,
    *,
    nets: int,
    idle: int,
    progress: Progressed | None = None,
) -> Counts:
    """Send ``expected.pixels`` through ``program`` back to back, then ``idle`` cycles of nothing.

    Returns :class:`Counts`; files of the job go into ``folder``. ``expected``:
    :class:`s2nn_hw.sim.verilog.verify.Expected` of these frames in one sequence. ``nets``: how many are counted.
    ``progress(done)`` is called after each result. :class:`~s2nn_hw.sim.verilog.model.SimulationError` if the circuit
    stops answering.
    """
    sent, results = folder / "frames.hex", folder / "results.hex"
    counted, log = folder / "counts.bin", folder / "run.log"
    write_frames(design, expected.pixels, sent)
    command = [
        program,
        counted,
        len(expected.pixels),
        expected.patience,
        expected.drain + 64,
        idle,
        f"+frames={sent}",
        f"+results={results}",
    ]
    with (
        open(log, "w") as errors,
        subprocess.Popen(
            [*map(str, command)], stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True, cwd=folder
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                if progress and line.strip().isdigit():
                    progress(int(line))
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        tail = log.read_text(errors="replace")[-LOG_TAIL:]
        raise SimulationError(f"the netlist's simulation failed (status {process.returncode}):\n{tail}")
    words = np.fromfile(counted, dtype="<i8")
    tables = words[2:].reshape(2, 2, -1)[:, :, :nets]
    size = -(-design.result_layout.size // 8)
    rows = [bytes.fromhex(line.rjust(2 * size, "0"))[::-1] for line in results.read_text().split()]
    packed = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, size)
    return Counts(int(words[0]), int(words[1]), tables[:, 0], tables[:, 1], *unpack_results(design, packed))
