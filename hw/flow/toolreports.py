"""What the tools report, in one structure: resources against the budget, clocks reached, the critical path."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, Self, TypedDict

from s2nn_hw.errors import UserError, one_line
from s2nn_hw.files import read_bytes
from s2nn_hw.hw.board.device import RESOURCES, Budget
from s2nn_hw.hw.netlist.primitives import CellLibrary, Weights
from s2nn_hw.records import Amount, Count, Number, Positive, convert
from s2nn_hw.texts import read_json
from s2nn_hw.verilog.netlist import Cell, module_of, reading

# nextpnr-xilinx counts half-LUTs, two to a LUT6
HALF_LUTS, FLIP_FLOPS = "SLICE_LUTX", "SLICE_FFX"

ROUTING = "routing"  # the kind of a step over wires
LARGEST_REPORT = 1 << 28  # bytes


class _Cells(TypedDict):
    num_cells_by_type: dict[str, Count]


class _Stat(TypedDict):
    """The file of yosys's ``stat -json``."""

    design: _Cells


class _Rate(TypedDict):
    achieved: Positive
    constraint: Positive


class _Bels(TypedDict):
    used: Count
    available: Count


class _Pin(TypedDict, total=False):
    cell: str
    port: str


# "from" is a word of Python's; a delay is below zero where a cell's set-up time is
_Step = TypedDict("_Step", {"delay": float, "type": str, "from": _Pin, "to": _Pin})
_Way = TypedDict("_Way", {"from": str, "to": str, "path": NotRequired[list[_Step]]})


class _Report(TypedDict, total=False):
    """nextpnr's report."""

    fmax: dict[str, _Rate]
    critical_paths: list[_Way]
    utilization: dict[str, _Bels]


class Bels(NamedTuple):
    """How many bels of a kind are ``used``, and how many there are."""

    used: int
    available: int


Utilization = Mapping[str, Bels]  # by kind of bel


@dataclass(frozen=True)
class ClockRate:
    """A clock as it is reached and as it is wanted, in MHz."""

    reached_mhz: Positive
    wanted_mhz: Positive


@dataclass(frozen=True)
class Used:
    """How much of a ``kind`` of resource (``LUT6`` ...) a design has, and how much there is."""

    kind: str
    used: Number
    budget: Count


@dataclass(frozen=True)
class Usage:
    """Counts by resource (``luts``, ``ffs``, ``brams``, ``dsps``), whose count it is, and any number beside them."""

    luts: float
    ffs: float
    brams: float
    dsps: float
    source: str
    detail: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Mapping[str, float], source: str) -> Self:
        """Return ``counts`` by resource as ``source`` has them."""
        luts, ffs, brams, dsps = (counts[name] for name in RESOURCES)
        return cls(luts, ffs, brams, dsps, source)

    def counts(self) -> dict[str, float]:
        """Return the counts by resource."""
        return {"luts": self.luts, "ffs": self.ffs, "brams": self.brams, "dsps": self.dsps}

    def against(self, budget: Budget) -> dict[str, "Used"]:
        """Return the counts by resource beside what the device has."""
        return {name: Used(budget.title(name), used, budget.count(name)) for name, used in self.counts().items()}


@dataclass(frozen=True)
class CriticalPath:
    """The slowest register-to-register path: where it starts and ends, its delay and the steps."""

    start: str
    end: str
    delay_ns: Amount
    logic_ns: Amount
    routing_ns: Amount
    steps: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.start} to {self.end}, {self.delay_ns:.2f} ns "
            f"({self.logic_ns:.2f} logic, {self.routing_ns:.2f} routing)"
        )


@dataclass(frozen=True)
class Step:
    """A step of a path in nextpnr's report: its delay, its ``kind``, the pins where it starts and ends."""

    delay_ns: float
    kind: str
    start: str
    end: str

    @classmethod
    def of(cls, data: _Step) -> Self:
        """Return what nextpnr says."""
        return cls(data["delay"], data["type"], _pin(data["from"]), _pin(data["to"]))

    def __str__(self) -> str:
        return f"{self.delay_ns:.2f} ns {self.kind} {self.start} -> {self.end}"


@dataclass(frozen=True)
class Way:
    """A path in nextpnr's report, between two clock edges such as "posedge NAME"."""

    start: str
    end: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, data: _Way) -> Self:
        """Return what nextpnr says."""
        return cls(data["from"], data["to"], tuple(map(Step.of, data.get("path", ()))))

    @property
    def inside(self) -> bool:
        """Whether it lies inside one clock domain: the same edge on both ends."""
        return self.start == self.end and "<async>" not in self.start


def _pin(data: _Pin) -> str:
    return f"{data.get('cell', '?')}.{data.get('port', '?')}"


@dataclass(frozen=True)
class Timing:
    """``clocks``: by name; ``critical_path`` is None if the tool named none."""

    clocks: Mapping[str, ClockRate]
    critical_path: CriticalPath | None = None

    def slowest(self) -> tuple[str, float, float] | None:
        """Return ``(name, reached, wanted)`` of the clock with the least room, or None without clocks."""
        rows = [(name, rate.reached_mhz, rate.wanted_mhz) for name, rate in self.clocks.items()]
        return min(rows, key=lambda row: row[1] / row[2], default=None)

    def to_json(self) -> dict[str, Any]:
        """Return both, JSON-able."""
        path = self.critical_path
        return {
            "clocks": {name: asdict(rate) for name, rate in self.clocks.items()},
            "critical_path": asdict(path) | {"steps": list(path.steps)} if path else None,
        }


def yosys_cells(path: Path | str) -> dict[str, int]:
    """Return ``{cell type: count}`` of the whole design from the file of ``stat -json``."""
    what = "report of yosys"
    stat = convert(read_json(path, what=what, limit=LARGEST_REPORT), _Stat, f"{what} {path}", plain=True)
    return stat["design"]["num_cells_by_type"]


def netlist_cells(path: Path, top: str = "top") -> dict[str, Cell]:
    """Return ``{name: cell}`` of module ``top`` in yosys's JSON netlist ``path``."""
    try:
        with reading():
            return module_of(json.loads(read_bytes(path, what="netlist", limit=1 << 32)), top).cells
    except (ValueError, KeyError, TypeError, RecursionError, UserError) as error:
        raise UserError(
            f"yosys wrote no readable netlist {path} ({one_line(error)}); look at the logs beside it"
        ) from None


def synthesis_usage(library: CellLibrary, path: Path | str, *, added: Mapping[str, int] | None = None) -> Usage:
    """Return the :class:`Usage` of a synthesised design from the file of ``stat -json``.

    ``added``: cells since then, by type; negative ones were taken away.

    ``detail["luts_at_least"]`` is what no placement can go below: on Artix two LUTs of at most five inputs may
    share a site.
    """
    cells = Counter(yosys_cells(path))
    cells.update(added or {})
    usage = Usage.of(_weighed(library.weights, cells), "yosys after synthesis")
    small = sum(cells.get(cell, 0) for cell in library.paired)
    return replace(usage, detail={"luts_at_least": usage.luts - small + ceil(small / 2)})


def nextpnr_report(path: Path | str) -> tuple[Utilization, Timing]:
    """Return nextpnr's JSON report as ``(utilization, Timing)``."""
    what = "report of nextpnr"
    report = convert(read_json(path, what=what, limit=LARGEST_REPORT), _Report, f"{what} {path}", plain=True)
    clocks = {name: ClockRate(row["achieved"], row["constraint"]) for name, row in report.get("fmax", {}).items()}
    bels = {bel: Bels(row["used"], row["available"]) for bel, row in report.get("utilization", {}).items()}
    ways = [Way.of(entry) for entry in report.get("critical_paths", ()) if entry.get("path")]
    paths = [_critical_path(way.steps) for way in ways if way.inside]
    # of equal ones the first
    worst = max(paths, key=lambda path: path.delay_ns, default=None)
    return bels, Timing(clocks, worst)


def _critical_path(steps: Sequence[Step]) -> CriticalPath:
    routing = sum(step.delay_ns for step in steps if step.kind == ROUTING)
    logic = sum(step.delay_ns for step in steps if step.kind != ROUTING)
    return CriticalPath(
        steps[0].start,
        steps[-1].end,
        round(logic + routing, 3),
        round(logic, 3),
        round(routing, 3),
        tuple(map(str, steps)),
    )


def nextpnr_usage(bels: Weights, library: CellLibrary, utilization: Utilization, cells: Mapping[str, int]) -> Usage:
    """Return the :class:`Usage` of a placed design.

    ``bels``: of nextpnr's table, and how much of each resource one takes; ``cells`` are yosys's, of ``library``, for
    what nextpnr merges.
    """
    merged: dict[str, float] = {"ffs": sum(cells.get(cell, 0) for cell in library.weights["ffs"])}
    used = _weighed(bels, {bel: count.used for bel, count in utilization.items()})
    return Usage.of(merged | used, "nextpnr after packing")


def _weighed(weights: Weights, counts: Mapping[str, int]) -> dict[str, float]:
    """Return how much of each resource the ``counts`` take."""
    return {
        resource: sum(weight * counts.get(kind, 0) for kind, weight in kinds.items())
        for resource, kinds in weights.items()
    }


def xilinx_usage(utilization: Utilization, synthesised: Usage) -> Usage:
    """Return the :class:`Usage` that nextpnr-xilinx packed, or ``synthesised`` if it named no counts.

    Block RAM and DSP are those of synthesis: it packs what it gets.
    """
    halves, ffs = (utilization.get(bel) for bel in (HALF_LUTS, FLIP_FLOPS))
    if halves is None:
        return synthesised
    return replace(
        synthesised,
        luts=ceil(halves.used / 2),
        ffs=synthesised.ffs if ffs is None else ffs.used,
        source="nextpnr-xilinx after packing (half-LUTs / 2)",
        detail=synthesised.detail | {"half_luts": halves.used},
    )


def vivado_clock(text: str, wanted_mhz: float) -> dict[str, ClockRate]:
    """Return ``{"sync": its rate}`` from the worst negative slack of Vivado's ``report_timing_summary``."""
    table = re.search(r"WNS\(ns\).*\n[\s-]*\n\s*(-?[\d.]+)", text)
    if not table:
        raise UserError("Vivado's timing report has no worst slack; look at its log")
    period = 1000 / wanted_mhz
    return {"sync": ClockRate(round(1000 / (period - float(table[1])), 3), wanted_mhz)}


def vivado_usage(text: str) -> Usage:
    """Return the :class:`Usage` in the text of Vivado's ``report_utilization``."""

    def cell(*titles: str) -> float:
        for title in titles:
            row = re.search(rf"^\|\s*{re.escape(title)}\*?\s*\|\s*([\d.]+)", text, re.MULTILINE)
            if row:
                return float(row[1])
        raise UserError(f"Vivado's utilization report has no row {titles[0]!r}; look at its log")

    return Usage(
        luts=int(cell("Slice LUTs", "CLB LUTs")),
        ffs=int(cell("Slice Registers", "CLB Registers")),
        brams=cell("Block RAM Tile"),
        dsps=int(cell("DSPs")),
        source="Vivado after placement",
    )
