"""What nextpnr-xilinx makes of a netlist's look-up tables, counted before it runs.

Its unit is the half of a LUT6: a table of at most five inputs takes one. It adds tables of one input (route-throughs):

* each S and DI of a carry chain must come from a table of at most five inputs in the same place that drives nothing
  else, and the two tables there share five inputs; whatever else drives it (a flip-flop, a block RAM, a constant, a
  table with other loads) gets one between;
* so does an input of a MUXF7 that no table drives;
* a carry that leaves its chain costs one more, and a chain that goes on behind it begins anew;
* an inverter is one, and counts as a table before a carry.

From ``pack_carry_xc7.cc``, ``pack_dram.cc`` and ``pack.cc`` of nextpnr-xilinx.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from s2nn_hw.hw.flow.toolreports import netlist_cells
from s2nn_hw.verilog.netlist import Bit, Cell

Cells = Mapping[str, Cell]
Load = tuple[str, str, int]
Drivers = dict[Bit, str]
Loads = dict[Bit, list[Load]]

TABLES = {"INV", *(f"LUT{n}" for n in range(1, 7))}
PAIRED = TABLES - {"LUT6"}  # may stand behind a carry bit
CARRY, MUX = "CARRY4", "MUXF7"
# pins of a carry: what its bits take, carries out, carry in; what a multiplexer chooses from
SELECT, DATA, CARRIES, ONWARD = "S", "DI", "CO", "CI"
CHOSEN = ("I0", "I1")
BITS = 4
PAIR_INPUTS = 5
# halves of the memories and shift registers; what takes a whole table
MEMORY = {
    "RAM32M": 8,
    "RAM64M": 4,
    "RAM32X1S": 1,
    "RAM64X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "SRL16E": 1,
    "SRLC32E": 1,
}
WHOLE = {"LUT6", "RAM64M", "RAM64X1S", "RAM64X1D", "RAM128X1S", "RAM128X1D", "RAM256X1S", "SRLC32E"}


@dataclass(frozen=True)
class HalfLuts:
    """``halves``: as nextpnr-xilinx counts SLICE_LUTX; ``lut1s``: of them tables of one input, yosys's own among them;
    ``sites``: LUT6 that no placement can go below."""

    halves: int
    lut1s: int
    sites: int

    @property
    def luts(self) -> int:
        """LUT6 equivalents, two halves each."""
        return ceil(self.halves / 2)


def count_half_luts(path: Path, top: str = "top") -> HalfLuts:
    """Return the :class:`HalfLuts` of module ``top`` in yosys's JSON netlist ``path``, flat and mapped to xc7."""
    return of_cells(netlist_cells(path, top))


def of_cells(cells: Cells) -> HalfLuts:
    """Return the :class:`HalfLuts` of ``{name: cell}``."""
    types = Counter(cell.type for cell in cells.values())
    drivers, loads = _ends(cells)
    added = _muxes(cells, drivers)
    for name, cell in cells.items():
        if cell.type == CARRY:
            added += _carry(name, cell, cells, drivers, loads)
    whole = sum(MEMORY.get(kind, 1) * types[kind] for kind in WHOLE)
    halves = sum(types[kind] for kind in TABLES) + sum(n * types[kind] for kind, n in MEMORY.items()) + added
    return HalfLuts(halves, added + types["INV"] + types["LUT1"], whole + ceil((halves - whole) / 2))


def _ends(cells: Cells) -> tuple[Drivers, Loads]:
    """Return who drives each net, ``{bit: name of the cell}``, and where it leads, ``{bit: [(cell, port, index)]}``."""
    drivers: Drivers = {}
    loads: Loads = {}
    for name, cell in cells.items():
        for port, bits in cell.pins.items():
            for index, bit in enumerate(bits):
                if isinstance(bit, str):  # a constant, or x for no net
                    continue
                if cell.directions[port] == "output":
                    drivers[bit] = name
                else:
                    loads.setdefault(bit, []).append((name, port, index))
    return drivers, loads


def _muxes(cells: Cells, drivers: Drivers) -> int:
    def table(bit: Bit) -> bool:
        return bit in drivers and cells[drivers[bit]].type in TABLES

    return sum(not table(cell.bit(port)) for cell in cells.values() if cell.type == MUX for port in CHOSEN)


def _carry(name: str, cell: Cell, cells: Cells, drivers: Drivers, loads: Loads) -> int:
    """Return the tables that one CARRY4 gets: before its S and DI, and behind the carries that leave."""

    def inputs(bit: Bit) -> list[Bit] | None:
        """Return the inputs of the table that drives ``bit`` and nothing else, None if there is no such table."""
        driver = cells.get(drivers.get(bit, ""))
        if driver is None or driver.type not in PAIRED or len(loads[bit]) > 1:
            return None
        return driver.inputs()

    added, nothing = 0, ["x"] * BITS
    for index in range(BITS):
        s, di = cell.pins[SELECT][index], cell.pins[DATA][index]
        before_s, before_di = inputs(s), inputs(di)
        shared = len({*(before_s or ()), *(before_di or ())}) + (before_s is None) + (before_di is None)
        if shared > PAIR_INPUTS:
            before_di = None
            before_s = before_s if before_s and len(before_s) < PAIR_INPUTS else None
        added += (before_s is None and s != "x") + (before_di is None and di != "x")
        added += _leaves(name, index, cells, loads.get(cell.pins.get(CARRIES, nothing)[index], ()))
    return added


def _leaves(name: str, index: int, cells: Cells, loads: Sequence[Load]) -> bool:
    """Whether a carry with these loads has to be fed out of its chain.

    Inside a CARRY4 the next bit takes it without a net; from the last bit it goes to the next CARRY4's CI.
    """
    onward = [load for load in loads if cells[load[0]].type == CARRY and load[1] == ONWARD]
    inside = index < BITS - 1
    return bool(loads) and (inside or len(loads) > 1 or not onward)
