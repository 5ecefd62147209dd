"""The Python interface: what the commands do, as functions of a network; ``import s2nn_hw`` names all of it.

Images are uint8 ``(count, *network.input.shape)``, 0 .. 255, or events ``(count, steps, *shape)`` of 0 and 1. Of a
network that reads sequences they are the frames of all of these, and ``offsets``, int64 ``(count + 1,)``, says where
each begins and, last, how many frames there are. Boards are named as in docs/boards.md. :class:`UserError`: what was
wanted, what came, what to do, on one line; also where an extra is not installed. :class:`ProofError`: the circuit and
the golden model differ.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

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
    from s2nn_hw.sim.verilog.sequence_summary import SequenceSummary
    from s2nn_hw.sim.verilog.sequences import SequenceAnswer
    from s2nn_hw.sim.verilog.summary import Summary

__all__ = [
    "Network",
    "Outcome",
    "Output",
    "Plan",
    "ProofError",
    "SequenceAnswer",
    "SequenceOutput",
    "SequenceSummary",
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

IMPORTED = {  # what wants a simulator or torch, by name, and where it is
    "Outcome": "s2nn_hw.sim.verilog.runner",
    "SequenceAnswer": "s2nn_hw.sim.verilog.sequences",
    "SequenceSummary": "s2nn_hw.sim.verilog.sequence_summary",
    "Summary": "s2nn_hw.sim.verilog.summary",
    "Translated": "s2nn_hw.quantize.importers.translated",
    "from_nir": "s2nn_hw.quantize.importers.from_nir",
    "from_onnx": "s2nn_hw.quantize.importers.from_onnx",
    "from_torch": "s2nn_hw.quantize.importers.from_torch",
    "load_state": "s2nn_hw.quantize.state_file",
}
Progressed = Callable[[int], object]  # is told how many images are done
GIVEN, SEQUENCES_GIVEN = "images given", "sequences given"


def __getattr__(name: str) -> Any:
    """Return what wants a simulator or torch, which is not read before it is asked for."""
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
    offsets: np.ndarray | None = None,
    target_fps: float | None = None,
    clock_mhz: float | None = None,
    levels: int | None = None,
) -> Plan:
    """Choose engines, parallelism, memories and buffers for ``board``, from the spikes of typical ``images``; of
    sequences how many neurons share a lane.

    target_fps: frames a second to reach with the least of the board; None: as fast as fits
    clock_mhz:  None takes the board's
    levels:     all weights in logic, with so many levels of it between registers, 0 for the default; None: not so

    ``plan.note["estimate"]`` has the figures: frames/s, latency, resources. :class:`UserError` if the target is out of
    reach: it names what limits and the best that is reachable.
    """
    from s2nn_hw.hw.board.clocking import hertz
    from s2nn_hw.plan.asked import Asked, planned, planned_sequences

    clock = None if clock_mhz is None else hertz(clock_mhz) / 1e6
    if _over_time(network, offsets):
        sent = _sequences(network, images, offsets)
        asked = Asked(target_fps, clock, levels, sent.source)
        return planned_sequences(network, _facts(board), sent.frames, sent.offsets, asked)[0]
    return planned(network, _facts(board), images, Asked(target_fps, clock, levels, GIVEN))[0]


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


@overload
def simulate(
    network: Network,
    images: np.ndarray,
    *,
    offsets: None = None,
    plan: Plan | None = None,
    simulator: str = "verilator",
    back_to_back: bool = False,
    build: Path | str = "build",
    progress: Progressed | None = None,
) -> "Outcome": ...


@overload
def simulate(
    network: Network,
    images: np.ndarray,
    *,
    offsets: np.ndarray,
    plan: Plan | None = None,
    simulator: str = "verilator",
    back_to_back: bool = False,
    build: Path | str = "build",
    progress: Progressed | None = None,
) -> "SequenceAnswer": ...


@told()
def simulate(
    network: Network,
    images: np.ndarray,
    *,
    offsets: np.ndarray | None = None,
    plan: Plan | None = None,
    simulator: str = "verilator",
    back_to_back: bool = False,
    build: Path | str = "build",
    progress: Progressed | None = None,
) -> "Outcome | SequenceAnswer":
    """Send ``images``, or sequences, through the generated Verilog; return classes, scores, cycles and every layer's
    spikes.

    All of it has been compared with golden model and cycle model. ``back_to_back``: frames, or sequences, without a
    gap; else each waits for the result before. ``simulator``: verilator or icarus. ``build``: where compiled circuits
    are kept.
    """
    from s2nn_hw.sim.verilog import sequences, verify
    from s2nn_hw.sim.verilog.runner import Manner, Simulation

    plan, folder = plan or _default(network, GENERAL), Path(build) / "sim"
    if _over_time(network, offsets):
        sent = _sequences(network, images, offsets)
        circuit = sequences.SequenceSimulation(network, plan, simulator=simulator, folder=folder)
        manner = Manner(len(sent) if back_to_back else 1)
        return sequences.run_checked(circuit, sent.frames, sent.offsets, manner, progress=progress)
    network.encode(images)
    if not len(images):
        raise UserError("images: at least one is needed")
    simulation = Simulation(network, plan, simulator=simulator, folder=folder)
    return verify.run_checked(simulation, images, length=len(images) if back_to_back else 1, progress=progress)[0]


@overload
def verify(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    offsets: None = None,
    plan: Plan | None = None,
    simulator: str = "verilator",
    build: Path | str = "build",
) -> "Summary": ...


@overload
def verify(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    offsets: np.ndarray,
    plan: Plan | None = None,
    simulator: str = "verilator",
    build: Path | str = "build",
) -> "SequenceSummary": ...


@told()
def verify(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    offsets: np.ndarray | None = None,
    plan: Plan | None = None,
    simulator: str = "verilator",
    build: Path | str = "build",
) -> "Summary | SequenceSummary":
    """Send ``images``, or sequences, through the Verilog back to back and one by one, by all cores; return what was
    compared.

    The summary has accuracy (with ``labels``, integers from 0 on), spikes by layer, latency in cycles.
    """
    from s2nn_hw.sim.verilog.both_ways import Sent, both_ways
    from s2nn_hw.sim.verilog.sequence_summary import verify_sequences

    plan, folder = plan or _default(network, GENERAL), Path(build) / "sim"
    if _over_time(network, offsets):
        sequences = _sequences(network, images, offsets, labels)
        return verify_sequences(network, plan, sequences, simulator=simulator, folder=folder)
    network.encode(images)
    sent = Sent.of(network, images, labels, GIVEN)
    return both_ways(network, plan, sent, simulator=simulator, folder=folder)


@told()
def make_report(
    network: Network,
    images: np.ndarray,
    labels: np.ndarray | None = None,
    *,
    offsets: np.ndarray | None = None,
    board: str | None = None,
    plan: Plan | None = None,
    frames: int | None = None,
) -> dict[str, Any]:
    """Return the report (docs/report.md) as what JSON has: accuracy, cycles, resources, energy, each with its source.

    ``board``: clock, budget and link. ``frames``: cycles of the first so many images, None for as many as take minutes;
    of sequences always all. Resources are the estimate; builds and netlists are the commands' affair.
    """
    from s2nn_hw.hw.facts import link_facts
    from s2nn_hw.report import sequences
    from s2nn_hw.report.full import build_report
    from s2nn_hw.report.known import Known
    from s2nn_hw.sequence_design import SequenceDesign

    facts = _facts(board) if board else None
    plan = plan or _default(network, facts.family if facts else GENERAL)
    if _over_time(network, offsets):
        if frames is not None:
            raise UserError(f"network {network.name} reads sequences: its report is of all of them; leave frames out")
        sent, design = _sequences(network, images, offsets, labels), SequenceDesign(network, plan)
        about = (facts.title, facts.clock_mhz) if facts else (None, None)
        known = sequences.KnownOfSequences.of(network, sent.source, *about)
        return sequences.build_sequence_report(design, sent.frames, sent.offsets, sent.labels, known)
    link = link_facts(network, plan, clock_hz=facts.clock_mhz * 1e6, baud=facts.baud) if facts else None
    return build_report(network, plan, images, labels, Known(facts, link, source=GIVEN), frames=frames)


def _over_time(network: Network, offsets: np.ndarray | None) -> bool:
    """Whether ``network`` reads sequences; :class:`UserError` unless ``offsets`` are given to such a one alone."""
    if network.input.sequences and offsets is None:
        raise UserError(
            f"network {network.name} reads sequences: give their frames, and with offsets= where each begins and, "
            "last, how many frames there are"
        )
    if offsets is not None and not network.input.sequences:
        raise UserError(f"network {network.name} reads single frames: leave offsets out")
    return network.input.sequences


def _sequences(network: Network, frames: Any, offsets: Any, labels: Any = None) -> Any:
    """Return the sequences given, checked, as what is sent through circuits."""
    from s2nn_hw.sim.verilog.sequence_summary import SentSequences

    return SentSequences.of(network, frames, offsets, labels, SEQUENCES_GIVEN)


def _family(board: str | None) -> str:
    return _facts(board).family if board else GENERAL


def _facts(board: str) -> Any:
    from s2nn_hw.hw.board.boards import find_board
    from s2nn_hw.hw.facts import board_facts

    return board_facts(find_board(board))
