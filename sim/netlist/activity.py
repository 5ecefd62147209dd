"""Switching activity of the synthesised accelerator on images: toggles by class of resource and by layer."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from s2nn_hw import __version__, emit
from s2nn_hw.accelerator import Accelerator
from s2nn_hw.activity_record import ActivityRecord, ActivityTable, Cycles, LinkLoad, NetlistFacts
from s2nn_hw.circuit.choices import Plan
from s2nn_hw.design import Design
from s2nn_hw.files import clear, held, write_json
from s2nn_hw.network.network import Network
from s2nn_hw.sim.netlist.counting import CellModels, Counts, cells_folder, compile_bench, run_bench, simulator_version
from s2nn_hw.sim.netlist.layer_of_cell import Homes, rows
from s2nn_hw.sim.netlist.netlist import RESOURCES, Cell, Net, Netlist, Probed
from s2nn_hw.sim.netlist.saif import write_saif
from s2nn_hw.sim.verilog.folders import buildable
from s2nn_hw.sim.verilog.runner import Outcome
from s2nn_hw.sim.verilog.verify import Progressed, compare, expect
from s2nn_hw.verilog.convert import to_verilog

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
    """Send uint8 ``images`` through ``circuit`` back to back, then ``idle`` cycles of nothing; return the counts.

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


def tables(circuit: Circuit, counts: Counts, frames: int) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return ``(frame, idle, cells)``: tables of activity per frame, per idle cycle, and of how many cells there are.

    A row per layer, then ``other``; a net that nothing reads is not counted.
    """
    netlist, probed, homes = circuit.netlist, circuit.probed, circuit.homes
    names = rows(circuit.design)
    sums = {name: {column: np.zeros(2, np.int64) for column in COLUMNS} for name in names}
    cells = {name: dict.fromkeys(RESOURCES, 0) for name in names}
    place = {net: k for k, net in enumerate(probed.nets)}
    cycles = np.array([counts.busy, counts.idle])
    for cell in netlist.cells:
        row = sums[homes.of(cell)]
        cells[homes.of(cell)][cell.kind.resource] += 1
        for net, what in cell.outputs():
            if net in netlist.readers:
                row[what] += counts.toggles[:, place[net]]
        clocked = cell.clock_pins() * cycles
        if cell.kind.resource == "ffs":
            row["clock_ff"] += clocked
            row["clock_ff_enabled"] += _enabled(cell, counts, place, cycles) * cell.clock_pins()
        elif clocked.any():
            row["clock_bram" if cell.kind.resource == "brams" else "clock_lutram"] += clocked
    for cell, what, net in probed.accesses:
        sums[homes.of(cell)][f"bram_{what}"] += cycles if net == "1" else counts.high[:, place[net]]
    for net in netlist.ports:
        sums["other"]["io"] += counts.toggles[:, place[net]]
    frame = _table(names, {n: {c: v[0] / frames for c, v in row.items()} for n, row in sums.items()}, "frame", 3)
    quiet = _table(
        names, {n: {c: v[1] / max(1, counts.idle) for c, v in row.items()} for n, row in sums.items()}, "idle cycle", 6
    )
    columns = {name: {"unit": "cells", "source": "tool report", "by": "yosys"} for name in RESOURCES}
    return frame, quiet, {"columns": columns, "rows": [{"name": name} | cells[name] for name in names]}


def _enabled(cell: Cell, counts: Counts, place: Mapping[Net, int], cycles: np.ndarray) -> np.ndarray:
    net, inverted = cell.enable()
    if net in ("0", "1"):
        return cycles * int(net)
    high = counts.high[:, place[net]]
    return cycles - high if inverted else high


def _table(names: Sequence[str], values: Mapping[str, Mapping[str, float]], per: str, digits: int) -> dict[str, Any]:
    columns = {
        name: {"unit": f"{unit}/{per}", "source": "simulation", "by": by} for name, (unit, by) in COLUMNS.items()
    }
    return {
        "columns": columns,
        "rows": [
            {"name": name} | {column: round(float(value), digits) for column, value in values[name].items()}
            for name in names
        ],
    }


def write_activity(
    circuit: Circuit, counts: Counts, folder: Path, *, images: dict[str, Any], clock_mhz: float, record: dict[str, Any]
) -> dict[str, Any]:
    """Write ``activity.json``, ``activity.saif`` and the netlist into ``folder``; return the JSON.

    ``images``: ``{"count", "source"}``; ``record``: further fields, see ``docs/activity.md``. The JSON comes last.
    """
    netlist, frames = circuit.netlist, images["count"]
    frame, quiet, cells = tables(circuit, counts, frames)
    types: dict[str, int] = {}
    for cell in netlist.cells:
        types[cell.type] = types.get(cell.type, 0) + 1
    flip_flops = sum(row["ffs"] for row in cells["rows"])
    activity = dict(
        zip(circuit.probed.nets, zip(counts.toggles[0].tolist(), counts.high[0].tolist(), strict=True), strict=True)
    )
    named = write_saif(
        folder / SAIF,
        netlist,
        activity,
        before=circuit.homes.before["netnames"],
        cycles=counts.busy,
        period_ps=round(1e6 / clock_mhz),
    )
    registers = [net for cell in netlist.cells if cell.kind.resource == "ffs" for net, _ in cell.outputs()]
    shutil.copyfile(circuit.folder / "netlist.v", folder / NETLIST)
    made = ActivityRecord(
        tool=f"s2nn-hw {__version__}",
        digest=record["digest"],
        network=record["network"],
        board=record["board"],
        plan=record["plan"],
        clock_mhz=clock_mhz,
        images=images,
        frames=frames,
        cycles=Cycles(counts.busy, round(counts.busy / frames, 3), counts.idle),
        netlist=NetlistFacts(
            WHAT, record["synthesis"], NETLIST, len(activity), flip_flops, dict(sorted(types.items()))
        ),
        simulator=record["simulator"],
        equal=True,
        compared=("class", "scores", "cycles"),
        link=link_load(record.get("build"), flip_flops),
        saif=SAIF,
        saif_registers={"named": sum(net in named for net in registers), "of": len(registers)},
        frame=ActivityTable.of(frame),
        idle=ActivityTable.of(quiet),
        cells=cells,
        vivado=record["vivado"](folder / SAIF) if record.get("vivado") else None,
    )
    data = made.to_json()
    write_json(folder / RECORD, data)
    return data


def link_load(build: Any, flip_flops: int) -> LinkLoad:
    """Return what the record of a build, or None, has beside the accelerator's ``flip_flops``."""
    if not build:
        return LinkLoad(None, "no build, so the link's size is not known")
    used = build.resources["ffs"].used
    by = f"the build's flip-flops ({build.resources_source}) less the netlist's; they are not simulated"
    return LinkLoad(max(0, used - flip_flops), by)
