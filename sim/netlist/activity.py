"""Switching activity of the synthesised accelerator on images: toggles by class of resource and by layer."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from s2nn_hw import __version__, emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.activity_record import (
    ActivityRecord,
    ActivityTable,
    BoardName,
    CellRows,
    Cycles,
    Images,
    LinkLoad,
    NetlistFacts,
    NetworkName,
    Registers,
    Toggles,
    Vivado,
)
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.design import Design
from s2nn_hw.files import clear, held, write_json
from s2nn_hw.network.network import Network
from s2nn_hw.records import convert
from s2nn_hw.sim.netlist.counting import CellModels, Counts, cells_folder, compile_bench, run_bench, simulator_version
from s2nn_hw.sim.netlist.layer_of_cell import OTHER, Homes, rows
from s2nn_hw.sim.netlist.netlist import RESOURCES, KnownCell, Netlist, Probed
from s2nn_hw.sim.netlist.saif import write_saif
from s2nn_hw.sim.verilog.folders import buildable
from s2nn_hw.sim.verilog.runner import Outcome
from s2nn_hw.sim.verilog.verify import Progressed, compare, expect
from s2nn_hw.verilog.convert import to_verilog
from s2nn_hw.verilog.netlist import Bit, reading

RECORD, SAIF, NETLIST = "activity.json", "activity.saif", "accelerator_netlist.v"
MARKER = "circuit.json"
SOURCES = ("activity.py", "counting.py", "layer_of_cell.py", "netlist.py", "saif.py")
WHAT = (
    "the accelerator without the UART link, after synthesis, before placement; zero delay, so without glitches and "
    "without the length of wires"
)
COLUMNS = {
    "lut": ("toggles", "outputs of LUTs, wide multiplexers, distributed memories and multipliers, sums of adders"),
    "carry": ("toggles", "outputs of carry chains"),
    "ff": ("toggles", "outputs of flip-flops"),
    "bram": ("toggles", "data outputs of block RAMs"),
    "bram_reads": ("accesses", "cycles in which a port of a block RAM reads"),
    "bram_writes": ("accesses", "cycles in which a port of a block RAM writes"),
    "clock_ff": ("edges", "rising clock edges at flip-flops"),
    "clock_ff_enabled": ("edges", "those with the clock enable active"),
    "clock_bram": ("edges", "rising clock edges at block RAM ports"),
    "clock_lutram": ("edges", "rising clock edges at distributed memories and shift registers"),
    "io": ("toggles", "data ports of the accelerator, beside the class that drives them"),
}


Tick = Callable[..., None]  # to call now and then
Say = Callable[[str], AbstractContextManager[Tick]]


class FlowBoard(Protocol):
    """What is asked of the board of a :class:`Flow`."""

    @property
    def name(self) -> str:
        """As commands take it."""

    @property
    def family(self) -> str:
        """Of its device."""


class Flow(Protocol):
    """Synthesis for a board, :class:`s2nn_hw.hw.flow.accelerator_netlist.NetlistFlow`."""

    @property
    def board(self) -> FlowBoard:
        """What it synthesises for."""

    def identity(self) -> dict[str, Any]:
        """Return everything that decides the netlist beside network and plan, JSON-able."""

    def synthesise(self, text: str, folder: Path, *, tick: Tick) -> None:
        """Synthesise Verilog ``text`` into ``folder``."""

    def write_verilog(self, design: dict[str, Any], folder: Path, name: str, *, tick: Tick) -> None:
        """Write yosys's JSON ``design`` as Verilog."""

    def models(self) -> CellModels:
        """Return the simulator's models of the family's cells."""


@dataclass(frozen=True)
class Circuit:
    """A netlist that can be run. ``folder`` holds it and the compiled bench."""

    folder: Path
    design: Design
    netlist: Netlist
    probed: Probed
    homes: Homes

    @property
    def program(self) -> Path:
        """The compiled bench."""
        return self.folder / "activity"


@dataclass(frozen=True)
class CellCounts:
    """How many cells of each resource layer ``name`` has."""

    name: str
    luts: int
    carries: int
    ffs: int
    brams: int
    lutrams: int
    dsps: int


@dataclass(frozen=True)
class CellTable:
    """A row of :class:`CellCounts` per layer."""

    rows: tuple[CellCounts, ...]

    def record(self) -> CellRows:
        """Return what a record of activity has of it."""
        columns = {name: {"unit": "cells", "source": "tool report", "by": "yosys"} for name in RESOURCES}
        return CellRows(columns, tuple(asdict(row) for row in self.rows))


@dataclass(frozen=True)
class Described:
    """What a record of activity says beside what was counted; :class:`ActivityRecord` has most of it under these names.

    ``synthesis``: the tool that made the netlist. ``build``: the record of a finished build, or None. ``vivado``: a
    function ``(path of the SAIF file) -> figures of power``, or None.
    """

    digest: str
    network: NetworkName
    board: BoardName
    plan: Mapping[str, Any]
    clock_mhz: float
    images: Images
    synthesis: str
    simulator: str
    build: Any = None
    vivado: Callable[[Path], Mapping[str, Any] | None] | None = None


def digest_of(data: object) -> str:
    """Return the SHA-256 of JSON-able ``data``, as hexadecimal text."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def sources_digest() -> str:
    """Return a digest of the files that decide what is counted."""
    state = hashlib.sha256()
    here = Path(__file__).parent
    for path in [*(here / name for name in SOURCES), *sorted(cells_folder().iterdir())]:
        state.update(f"{path.name}\0".encode() + path.read_bytes())
    return state.hexdigest()


def circuit_identity(network: Network, plan: Plan, flow: Flow) -> dict[str, Any]:
    """Return everything that decides the netlist and its bench, JSON-able."""
    return {
        "package": __version__,
        "network": network.digest,
        "plan": plan.to_json(),
        "flow": flow.identity(),
        "simulator": simulator_version(),
        "counting": sources_digest(),
    }


def make_circuit(
    network: Network, plan: Plan, flow: Flow, identity: Mapping[str, Any], root: Path, *, say: Say
) -> Circuit:
    """Synthesise and compile, or find it done, below folder ``root``; return the :class:`Circuit`.

    ``say(text)`` returns a context manager that yields a function to call now and then.
    :class:`UserError`: a tool failed (its log stays), or another run is making
    the same circuit.
    """
    folder = buildable(root) / f"{network.name}-{flow.board.name}-{digest_of(identity)[:12]}"
    design = Design(network, plan)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder, "run is making the netlist in"):
        if not (folder / MARKER).is_file():
            clear(folder)
            try:
                _make(network, plan, flow, design, folder, say)
            except (KeyboardInterrupt, OSError):
                shutil.rmtree(folder, ignore_errors=True)
                raise
            write_json(folder / MARKER, identity)
    return Circuit(folder, design, *_structure(folder, flow, design))


def _structure(folder: Path, flow: Flow, design: Design) -> tuple[Netlist, Probed, Homes]:
    with reading():
        netlist = Netlist(json.loads((folder / "netlist.json").read_text()), flow.board.family)
        hierarchy = json.loads((folder / "hierarchy.json").read_text())
    return netlist, Probed(netlist), Homes(netlist, hierarchy, design)


def _make(network: Network, plan: Plan, flow: Flow, design: Design, folder: Path, say: Say) -> None:
    with say("generating the circuit"):
        text = to_verilog(Accelerator(network, plan), emit.TOP)
    with say("synthesis (yosys)") as tick:
        flow.synthesise(text, folder, tick=tick)
    with say("counters on every net") as tick:
        _, probed, _ = _structure(folder, flow, design)
        flow.write_verilog(probed.to_json(), folder, "counted.v", tick=tick)
    with say("compiling the netlist (Verilator)"):
        program = compile_bench(folder / "counted.v", design, flow.board.family, flow.models(), folder)
    program.replace(folder / "activity")
    shutil.rmtree(folder / "model")
    for name in ("counted.v", f"{emit.TOP}.v"):
        (folder / name).unlink()


def run(circuit: Circuit, images: np.ndarray, *, idle: int, progress: Progressed | None = None) -> Counts:
    """Send ``images`` through ``circuit`` back to back, then ``idle`` cycles of nothing; return the counts.

    :class:`~s2nn_hw.sim.verilog.verify.Mismatch` if a class, a score or a cycle count is not the golden model's.
    """
    expected = expect(circuit.design, images, length=len(images))
    with tempfile.TemporaryDirectory(prefix="s2nn-activity-") as folder:
        counts = run_bench(
            circuit.program,
            circuit.design,
            expected,
            Path(folder),
            nets=len(circuit.probed.nets),
            idle=idle,
            progress=progress,
        )
    compare(Outcome(counts.classes, counts.scores, counts.cycles, {}), expected)
    return counts


class _Layer:
    """What the cells of a layer did, by column of :data:`COLUMNS` int64 ``(2,)``, busy then idle; and how many there
    are, by resource."""

    def __init__(self) -> None:
        self.sums = {column: np.zeros(2, np.int64) for column in COLUMNS}
        self.cells = dict.fromkeys(RESOURCES, 0)

    def add(self, column: str, count: np.ndarray) -> None:
        """Add the ``count`` ``(2,)`` of one net or cell."""
        self.sums[column] += count

    def toggles(self, name: str, phase: int, per: int, digits: int) -> Toggles:
        """Return the sums of ``phase`` (0 busy, 1 idle) divided by ``per``."""
        return Toggles(name, **{column: round(float(sums[phase] / per), digits) for column, sums in self.sums.items()})


def tables(circuit: Circuit, counts: Counts, frames: int) -> tuple[ActivityTable, ActivityTable, CellTable]:
    """Return ``(frame, idle, cells)``: tables of activity per frame, per idle cycle, and of how many cells there are.

    A row per layer, then ``other``; a net that nothing reads is not counted.
    """
    netlist, probed, homes = circuit.netlist, circuit.probed, circuit.homes
    layers = {name: _Layer() for name in rows(circuit.design)}
    place = {net: k for k, net in enumerate(probed.nets)}
    cycles = np.array([counts.busy, counts.idle])
    for cell in netlist.cells:
        layer = layers[homes.of(cell)]
        layer.cells[cell.kind.resource] += 1
        for net, what in cell.outputs():
            if net in netlist.readers:
                layer.add(what, counts.toggles[:, place[net]])
        clocked = cell.clock_pins() * cycles
        if cell.kind.resource == "ffs":
            layer.add("clock_ff", clocked)
            layer.add("clock_ff_enabled", _enabled(cell, counts, place, cycles) * cell.clock_pins())
        elif clocked.any():
            layer.add("clock_bram" if cell.kind.resource == "brams" else "clock_lutram", clocked)
    for cell, what, net in probed.accesses:
        layers[homes.of(cell)].add(f"bram_{what}", cycles if net == "1" else counts.high[:, place[net]])
    for net in netlist.ports:
        layers[OTHER].add("io", counts.toggles[:, place[net]])
    frame = tuple(layer.toggles(name, 0, frames, 3) for name, layer in layers.items())
    quiet = tuple(layer.toggles(name, 1, max(1, counts.idle), 6) for name, layer in layers.items())
    cells = CellTable(tuple(CellCounts(name, **layer.cells) for name, layer in layers.items()))
    return ActivityTable(_columns("frame"), frame), ActivityTable(_columns("idle cycle"), quiet), cells


def _enabled(cell: KnownCell, counts: Counts, place: Mapping[Bit, int], cycles: np.ndarray) -> np.ndarray:
    net, inverted = cell.enable()
    if net in ("0", "1"):
        return cycles * int(net)
    high = counts.high[:, place[net]]
    return cycles - high if inverted else high


def _columns(per: str) -> dict[str, dict[str, str]]:
    return {name: {"unit": f"{unit}/{per}", "source": "simulation", "by": by} for name, (unit, by) in COLUMNS.items()}


def write_activity(circuit: Circuit, counts: Counts, folder: Path, said: Described) -> ActivityRecord:
    """Write ``activity.json``, ``activity.saif`` and the netlist into ``folder``; return the record, written last."""
    netlist, frames = circuit.netlist, said.images.count
    frame, quiet, cells = tables(circuit, counts, frames)
    types: dict[str, int] = {}
    for cell in netlist.cells:
        types[cell.type] = types.get(cell.type, 0) + 1
    flip_flops = sum(row.ffs for row in cells.rows)
    activity = dict(
        zip(circuit.probed.nets, zip(counts.toggles[0].tolist(), counts.high[0].tolist(), strict=True), strict=True)
    )
    named = write_saif(
        folder / SAIF,
        netlist,
        activity,
        before=circuit.homes.before.names,
        cycles=counts.busy,
        period_ps=round(1e6 / said.clock_mhz),
    )
    registers = [net for cell in netlist.cells if cell.kind.resource == "ffs" for net, _ in cell.outputs()]
    shutil.copyfile(circuit.folder / "netlist.v", folder / NETLIST)
    watts = said.vivado(folder / SAIF) if said.vivado else None
    made = ActivityRecord(
        tool=f"s2nn-hw {__version__}",
        digest=said.digest,
        network=said.network,
        board=said.board,
        plan=said.plan,
        clock_mhz=said.clock_mhz,
        images=said.images,
        frames=frames,
        cycles=Cycles(counts.busy, round(counts.busy / frames, 3), counts.idle),
        netlist=NetlistFacts(WHAT, said.synthesis, NETLIST, len(activity), flip_flops, dict(sorted(types.items()))),
        simulator=said.simulator,
        equal=True,
        compared=("class", "scores", "cycles"),
        link=link_load(said.build, flip_flops),
        saif=SAIF,
        saif_registers=Registers(sum(net in named for net in registers), len(registers)),
        frame=frame,
        idle=quiet,
        cells=cells.record(),
        vivado=convert(watts, Vivado, "Vivado's power") if watts else None,
    )
    write_json(folder / RECORD, made.to_json())
    return made


def link_load(build: Any, flip_flops: int) -> LinkLoad:
    """Return what the record of a build, or None, has beside the accelerator's ``flip_flops``."""
    if not build:
        return LinkLoad(None, "no build, so the link's size is not known")
    used = build.resources["ffs"].used
    by = f"the build's flip-flops ({build.resources_source}) less the netlist's; they are not simulated"
    return LinkLoad(max(0, used - flip_flops), by)
