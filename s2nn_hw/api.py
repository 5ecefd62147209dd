"""The Python interface: what the commands do, as functions of a network; ``import s2nn_hw`` names all of it.

Images are uint8 ``(count, *network.input.shape)``, 0 .. 255, or events ``(count, steps, *shape)`` of 0 and 1. Boards
are named as in docs/boards.md. :class:`UserError`: what was wanted, what came, what to do, on one line; also where an
extra is not installed. :class:`ProofError`: the circuit and the golden model differ.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.errors import ProofError, UserError
from s2nn_hw.extras import told
from s2nn_hw.family import GENERAL
from s2nn_hw.network import first_spikes as _first_spikes
from s2nn_hw.network.network import Network, Output
from s2nn_hw.network.over_time import SequenceOutput, forward_sequences
from s2nn_hw.network.store import load, save
from s2nn_hw.plan.defaults import default_plan as _default
from s2nn_hw.plan.plan import load_plan

if TYPE_CHECKING:
    from s2nn_hw.quantize.importers.from_nir import from_nir
    from s2nn_hw.quantize.importers.from_onnx import from_onnx
    from s2nn_hw.quantize.importers.from_torch import from_torch
    from s2nn_hw.quantize.importers.translated import Translated
    from s2nn_hw.quantize.state_file import load_state
    from s2nn_hw.sim.verilog.runner import Outcome
    from s2nn_hw.sim.verilog.summary import Summary

__all__ = [
    "Network",
    "Outcome",
    "Output",
    "Plan",
    "ProofError",
    "SequenceOutput",
    "Summary",
    "Translated",
    "UserError",
    "default_plan",
    "first_spikes",
    "forward",
    "forward_sequences",
    "from_nir",
    "from_onnx",
    "from_torch",
    "load",
    "load_plan",
    "load_state",
    "make_plan",
    "make_report",
    "save",
    "simulate",
    "trace",
    "verify",
    "write_verilog",
]

IMPORTED = {  # what wants torch, by name, and where it is
    "Translated": "s2nn_hw.quantize.importers.translated",
    "from_nir": "s2nn_hw.quantize.importers.from_nir",
    "from_onnx": "s2nn_hw.quantize.importers.from_onnx",
    "from_torch": "s2nn_hw.quantize.importers.from_torch",
    "load_state": "s2nn_hw.quantize.state_file",
}
Progressed = Callable[[int], object]  # is told how many images are done


def __getattr__(name: str) -> Any:
    """Return what wants a simulator or torch, which is not read before it is asked for."""
    if name == "Outcome":
        from s2nn_hw.sim.verilog.runner import Outcome

        return Outcome
    if name == "Summary":
        from s2nn_hw.sim.verilog.summary import Summary

        return Summary
    if name in IMPORTED:
        with told():
            return getattr(import_module(IMPORTED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def forward(network: Network, images: np.ndarray) -> Output:
    """Run the golden model: ``classes`` int64 ``(count,)``, ``scores`` int64 ``(count, classes)``, exact integers."""
    return network.forward(images)


def trace(network: Network, images: np.ndarray) -> Output:
    """Run the golden model as :func:`forward` and keep, by layer name, ``spikes`` and ``accumulators``, see
    :class:`Output`."""
    return network.forward(images, trace=True)


def first_spikes(network: Network, images: np.ndarray) -> dict[str, np.ndarray]:
    """Return when each pixel and neuron of a network of ``ttfs`` neurons spikes: uint8 ``(count, *shape)`` by layer.

    Slots 0 to T - 1, and T where there is no spike; pixels of B bits under ``"input"`` with ``T = 2^B - 1``.
    :class:`UserError` where no layer has such neurons.
    """
    return _first_spikes.first_spikes(network, images)


@told()
def default_plan(network: Network, board: str | None = None) -> Plan:
    """Return the plan that is taken where none is given: one for any device, or for the devices of ``board``'s kind."""
    return _default(network, _family(board))


@told()
def make_plan(
    network: Network,
    board: str,
    images: np.ndarray,
    *,
    target_fps: float | None = None,
    clock_mhz: float | None = None,
    levels: int | None = None,
) -> Plan:
    """Choose engines, parallelism, memories and buffers for ``board``, from the spikes of typical ``images``.

    target_fps: frames a second to reach with the least of the board; None: as fast as fits
    clock_mhz:  None takes the board's
    levels:     all weights in logic, with so many levels of it between registers, 0 for the default; None: not so

    ``plan.note["estimate"]`` has the figures: frames/s, latency, resources. :class:`UserError` if the target is out of
    reach: it names what limits and the best that is reachable.
    """
    from s2nn_hw.hw.board.clocking import hertz
    from s2nn_hw.plan.asked import Asked, planned

    clock = None if clock_mhz is None else hertz(clock_mhz) / 1e6
    return planned(network, _facts(board), images, Asked(target_fps, clock, levels, "images given"))[0]


@told()
def write_verilog(network: Network, folder: Path | str, *, plan: Plan | None = None, name: str = "accelerator") -> Path:
    """Write ``NAME.v``, its interface, test vectors and, of single frames, a bench into ``folder``; return the path of
    ``NAME.v``."""
    from s2nn_hw import emit, emit_sequences

    if network.input.sequences:
        emit_sequences.write(network, folder, plan or default_plan(network), name=name)
    else:
        emit.write(network, folder, plan, name=name)
    return Path(folder) / f"{name}.v"


@told()
def simulate(
    network: Network,
    images: np.ndarray,
    *,
    plan: Plan | None = None,
    simulator: str = "verilator",
    back_to_back: bool = False,
    build: Path | str = "build",
    progress: Progressed | None = None,
) -> "Outcome":
    """Send ``images`` through the generated Verilog; return classes, scores, cycles and every layer's spikes.

    All of it has been compared with golden model and cycle model. ``back_to_back``: frames without a gap; else each
    waits for the result before. ``simulator``: verilator or icarus. ``build``: where compiled circuits are kept.
    """
    from s2nn_hw.sim.verilog.runner import Simulation
    from s2nn_hw.sim.verilog.verify import run_checked

    network.encode(images)
    if not len(images):
        raise UserError("images: at least one is needed")
    simulation = Simulation(network, plan, simulator=simulator, folder=Path(build) / "sim")
    return run_checked(simulation, images, length=len(images) if back_to_back else 1, progress=progress)[0]


@told()
def verify(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    plan: Plan | None = None,
    simulator: str = "verilator",
    build: Path | str = "build",
) -> "Summary":
    """Send ``images`` through the Verilog back to back and one by one, by all cores; return what was compared.

    The summary has accuracy (with ``labels``, integers from 0 on), spikes by layer, latency in cycles.
    """
    from s2nn_hw.sim.verilog.both_ways import Sent, both_ways

    network.encode(images)
    sent = Sent.of(network, images, labels, "images given")
    return both_ways(network, plan or _default(network, GENERAL), sent, simulator=simulator, folder=Path(build) / "sim")


@told()
def make_report(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    board: str | None = None,
    plan: Plan | None = None,
    frames: int | None = None,
) -> dict[str, Any]:
    """Return the report (docs/report.md) as what JSON has: accuracy, cycles, resources, energy, each with its source.

    ``board``: clock, budget and link. ``frames``: cycles of the first so many images, None for as many as take minutes.
    Resources are the estimate; builds and netlists are the commands' affair.
    """
    from s2nn_hw.hw.facts import link_facts
    from s2nn_hw.report.full import build_report
    from s2nn_hw.report.known import Known

    facts = _facts(board) if board else None
    plan = plan or _default(network, facts.family if facts else GENERAL)
    link = link_facts(network, plan, clock_hz=facts.clock_mhz * 1e6, baud=facts.baud) if facts else None
    return build_report(network, plan, images, labels, Known(facts, link, source="images given"), frames=frames)


def _family(board: str | None) -> str:
    return _facts(board).family if board else GENERAL


def _facts(board: str) -> Any:
    from s2nn_hw.hw.board.boards import find_board
    from s2nn_hw.hw.facts import board_facts

    return board_facts(find_board(board))
