"""What the tools report, in one structure: resources against the budget, clocks reached, the critical path."""

import json
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.devices import RESOURCES

_FLIP_FLOPS = ("FDRE", "FDSE", "FDCE", "FDPE", "FDRE_1", "FDSE_1", "FDCE_1", "FDPE_1", "LDCE", "LDPE")
# cells of `stat -json` after synthesis, and how much of each resource one takes (nextpnr's packers; UG474, UG473)
CELLS = {
    "ecp5": {
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 3},
        "ffs": {"TRELLIS_FF": 1},
        "brams": {"DP16KD": 1, "PDPW16KD": 1},
        "dsps": {"MULT18X18D": 1},
    },
    "ice40": {
        "luts": {"SB_LUT4": 1},
        "ffs": {f"SB_DFF{kind}": 1 for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")},
        "brams": {"SB_RAM40_4K": 1},
        "dsps": {"SB_MAC16": 1},
    },
    "gowin": {
        # the memory is made of four LUTs, its write address takes two more
        "luts": {**{f"LUT{n}": 1 for n in range(1, 5)}, "ALU": 1, "RAM16SDP4": 6},
        "ffs": dict.fromkeys(("DFF", *(f"DFF{kind}" for kind in ("E", "S", "SE", "R", "RE", "P", "PE", "C", "CE"))), 1),
        "brams": dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), 1),
        "dsps": {"MULT18X18": 1},
    },
    "xc7": {
        "luts": {
            **{f"LUT{n}": 1 for n in range(1, 7)},
            "INV": 1,
            "RAM32X1S": 1,
            "RAM64X1S": 1,
            "RAM32X1D": 2,
            "RAM64X1D": 2,
            "RAM128X1S": 2,
            "RAM128X1D": 4,
            "RAM256X1S": 4,
            "RAM32M": 4,
            "RAM64M": 4,
            "SRL16E": 1,
            "SRLC32E": 1,
        },
        "ffs": dict.fromkeys(_FLIP_FLOPS, 1),
        "brams": {"RAMB36E1": 1, "RAMB18E1": 0.5},
        "dsps": {"DSP48E1": 1},
    },
}
# bels of nextpnr's utilization table, and how much of each resource one takes
NEXTPNR_BELS = {
    "ecp5": {"luts": {"TRELLIS_COMB": 1}, "ffs": {"TRELLIS_FF": 1}, "brams": {"DP16KD": 1}, "dsps": {"MULT18X18D": 1}},
    # an iCE40 logic cell holds LUT and flip-flop, so nextpnr counts both as one
    "ice40": {"luts": {"ICESTORM_LC": 1}, "brams": {"ICESTORM_RAM": 1}, "dsps": {"ICESTORM_DSP": 1}},
    # the four LUTs of a RAM16SDP4's memory are among the LUT4
    "gowin": {
        "luts": {"LUT4": 1, "ALU": 1, "RAM16SDP4": 2},
        "ffs": {"DFF": 1},
        "brams": {"BSRAM": 1},
        "dsps": {"MULT18X18": 1},
    },
}
# nextpnr-xilinx counts half-LUTs, two to a LUT6
XILINX_BELS = {"halves": "SLICE_LUTX", "ffs": "SLICE_FFX"}


@dataclass(frozen=True)
class Usage:
    """Counts by resource (``luts``, ``ffs``, ``brams``, ``dsps``), whose count it is, and any number beside them."""

    luts: int
    ffs: int
    brams: float
    dsps: int
    source: str
    detail: dict = field(default_factory=dict)

    def counts(self):
        return {name: getattr(self, name) for name in RESOURCES}

    def against(self, budget):
        """Return ``{resource: {kind, used, budget}}`` for people and JSON."""
        return {
            name: {"kind": budget.title(name), "used": used, "budget": getattr(budget, name)}
            for name, used in self.counts().items()
        }


@dataclass(frozen=True)
class CriticalPath:
    """The slowest register-to-register path: where it starts and ends, its delay and the steps."""

    start: str
    end: str
    delay_ns: float
    logic_ns: float
    routing_ns: float
    steps: tuple = ()

    def __str__(self):
        return (
            f"{self.start} to {self.end}, {self.delay_ns:.2f} ns "
            f"({self.logic_ns:.2f} logic, {self.routing_ns:.2f} routing)"
        )


@dataclass(frozen=True)
class Timing:
    """``clocks``: ``{name: (reached MHz, wanted MHz)}``; ``critical`` is None if the tool named no path."""

    clocks: dict
    critical: CriticalPath | None = None

    def slowest(self):
        """Return ``(name, reached, wanted)`` of the clock with the least room, or None without clocks."""
        rows = [(name, reached, wanted) for name, (reached, wanted) in self.clocks.items()]
        return min(rows, key=lambda row: row[1] / row[2], default=None)

    def to_json(self):
        return {
            "clocks": {name: {"reached_mhz": got, "wanted_mhz": wanted} for name, (got, wanted) in self.clocks.items()},
            "critical_path": asdict(self.critical) | {"steps": list(self.critical.steps)} if self.critical else None,
        }


def _read_json(path, what):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{what} wrote no readable report {path} ({error}); look at the logs beside it") from None


def yosys_cells(path):
    """Return ``{cell type: count}`` of the whole design from the file of ``stat -json``."""
    design = _read_json(path, "yosys").get("design", {})
    return design.get("num_cells_by_type", {})


def netlist_cells(path, top="top"):
    """Return ``{name: cell}`` of module ``top`` in yosys's JSON netlist ``path``."""
    try:
        return json.loads(path.read_text())["modules"][top]["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"yosys wrote no readable netlist {path} ({error!r}); look at the logs beside it") from None


def synthesis_usage(family, path, *, added=None):
    """Return the :class:`Usage` of a synthesised design from the file of ``stat -json``.

    ``added``: cells since then, by type; negative ones were taken away.

    ``detail["luts_at_least"]`` is what no placement can go below: on Artix two LUTs of at most five inputs may
    share a site.
    """
    cells = Counter(yosys_cells(path))
    cells.update(added or {})
    counts = {
        resource: sum(weight * cells.get(cell, 0) for cell, weight in weights.items())
        for resource, weights in CELLS[family].items()
    }
    small = sum(cells.get(cell, 0) for cell in ("INV", "LUT1", "LUT2", "LUT3", "LUT4", "LUT5"))
    small *= family == "xc7"
    return Usage(
        **counts, source="yosys after synthesis", detail={"luts_at_least": counts["luts"] - small + ceil(small / 2)}
    )


def nextpnr_report(path):
    """Return nextpnr's JSON report as ``(utilization, Timing)``."""
    report = _read_json(path, "nextpnr")
    clocks = {name: (row["achieved"], row["constraint"]) for name, row in report.get("fmax", {}).items()}
    worst = None
    for entry in report.get("critical_paths", ()):
        # "posedge NAME" on both ends and the same NAME: a path inside one clock domain
        if not entry.get("path") or entry["from"] != entry["to"] or "<async>" in entry["from"]:
            continue
        path = _critical_path(entry["path"])
        if worst is None or path.delay_ns > worst.delay_ns:
            worst = path
    return report.get("utilization", {}), Timing(clocks, worst)


def _critical_path(steps):
    def end(side):
        return f"{side.get('cell', '?')}.{side.get('port', '?')}"

    logic = sum(step["delay"] for step in steps if step["type"] != "routing")
    routing = sum(step["delay"] for step in steps if step["type"] == "routing")
    listing = tuple(f"{step['delay']:.2f} ns {step['type']} {end(step['from'])} -> {end(step['to'])}" for step in steps)
    return CriticalPath(
        end(steps[0]["from"]),
        end(steps[-1]["to"]),
        round(logic + routing, 3),
        round(logic, 3),
        round(routing, 3),
        listing,
    )


def nextpnr_usage(family, utilization, cells):
    """Return the :class:`Usage` of a placed design; ``cells`` are yosys's, for what nextpnr merges."""
    used = {
        resource: sum(weight * utilization.get(bel, {}).get("used", 0) for bel, weight in weights.items())
        for resource, weights in NEXTPNR_BELS[family].items()
    }
    if "ffs" not in used:
        used["ffs"] = sum(cells.get(cell, 0) for cell in CELLS[family]["ffs"])
    return Usage(**used, source="nextpnr after packing")


def xilinx_usage(utilization, synthesised):
    """Return the :class:`Usage` that nextpnr-xilinx packed, or ``synthesised`` if it named no counts.

    Block RAM and DSP are those of synthesis: it packs what it gets.
    """
    halves, ffs = (utilization.get(bel, {}).get("used") for bel in XILINX_BELS.values())
    if halves is None:
        return synthesised
    return replace(
        synthesised,
        luts=ceil(halves / 2),
        ffs=synthesised.ffs if ffs is None else ffs,
        source="nextpnr-xilinx after packing (half-LUTs / 2)",
        detail=synthesised.detail | {"half_luts": halves},
    )


def vivado_clock(text, wanted_mhz):
    """Return ``{"sync": (reached, wanted)}`` from the worst negative slack of Vivado's ``report_timing_summary``."""
    table = re.search(r"WNS\(ns\).*\n[\s-]*\n\s*(-?[\d.]+)", text)
    if not table:
        raise UserError("Vivado's timing report has no worst slack; look at its log")
    period = 1000 / wanted_mhz
    return {"sync": (round(1000 / (period - float(table[1])), 3), wanted_mhz)}


def vivado_usage(text):
    """Return the :class:`Usage` in the text of Vivado's ``report_utilization``."""

    def cell(*titles):
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
