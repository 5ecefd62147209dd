"""Fewer look-up tables in a row on the deepest ways of a synthesised netlist.

yosys maps by delay: where its slowest path allows it, it leaves chains of small LUTs that would fit into one, and on a
chip each costs a wire. Here a LUT takes the LUT before it into its own table, if together they have no more inputs than
a LUT has, wherever a way between registers has more levels than wanted. The LUT before goes if nothing else reads it.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.hw.netlist.fanout import PLACED
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.levels import REGISTERS, Arrivals, arrivals, remaining
from s2nn_hw.hw.netlist.primitives import CellLibrary
from s2nn_hw.verilog.netlist import Bit, Cell

ROUNDS = 24
OUT, INIT = "O", "INIT"  # of a LUT: its output, and the parameter that holds its table

Table = tuple[list[Bit], tuple[int, ...]]  # inputs, the lowest first; outputs by their number


@dataclass(frozen=True)
class Shortened:
    """What the pass did: ``levels_before`` and ``levels_after`` of the deepest way, LUTs ``merged`` into the one behind
    them, and by how many the cells of each type changed (``changed``)."""

    levels_before: int
    levels_after: int
    merged: int
    changed: Mapping[str, int]

    def cells(self, library: CellLibrary) -> Mapping[str, int]:
        """Return by how many cells of each type the netlist of ``library`` changed."""
        return self.changed

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        removed = -sum(self.changed.values())
        return (
            f"levels of logic: {self.levels_before} before, {self.levels_after} now; {self.merged} LUTs merged "
            f"into the one behind them, {removed} of them removed"
        )


def shorten_file(
    path: Path | str, library: CellLibrary, *, output: Path | str | None = None, wanted: int | None = None
) -> Shortened:
    """Shorten the ways in the netlist in the JSON file ``path`` of cells of ``library``; return :class:`Shortened`.

    The result replaces ``path``, or goes to ``output``; it is whole or not written. Families that merge no
    LUTs are left as they are. :class:`~s2nn_hw.errors.UserError`: no flat netlist, or logic that feeds back on itself.
    """
    netlist = FlatNetlist.read(path, library)
    result = shorten(netlist, wanted=wanted)
    if result.merged or output is not None:
        netlist.write(output or path)
    return result


def shorten(netlist: FlatNetlist, *, wanted: int | None = None) -> Shortened:
    """Shorten the ways of ``netlist`` (:class:`~s2nn_hw.hw.netlist.flat.FlatNetlist`), which changes, to ``wanted``
    levels where LUTs can be merged for it; return :class:`Shortened`."""
    before, merged = _depth(netlist, arrivals(netlist)), 0
    changed: Counter[str] = Counter()
    if netlist.library.merged_inputs:
        aim = wanted or netlist.library.wanted_levels
        gone: set[int] = set()
        for _ in range(ROUNDS):
            count = _round(netlist, aim, changed, gone)
            merged += count
            if not count:
                break
        netlist.forget(gone)
    kept = {kind: count for kind, count in sorted(changed.items()) if count}
    return Shortened(before, _depth(netlist, arrivals(netlist)), merged, kept)


def _depth(netlist: FlatNetlist, levels: Arrivals) -> int:
    """Return the levels of the deepest way from a register to a register."""
    return max(
        (
            levels[net][0]
            for cell in netlist.cells
            if netlist.kind(cell) in REGISTERS
            for port, index, net in netlist.nets(cell, "input")
            if net in levels and netlist.pin_kind((cell, port, index)) != "clock"
        ),
        default=0,
    )


def _round(netlist: FlatNetlist, wanted: int, changed: Counter[str], gone: set[int]) -> int:
    """Merge what lies on ways of more than ``wanted`` levels, each LUT once; return how many were merged."""
    levels, behind = arrivals(netlist), remaining(netlist)
    late = []
    for cell in netlist.cells:
        if _is_lut(netlist, cell):
            nets = [net for _, _, net in netlist.nets(cell, "input") if net in levels]
            deep = [net for net in nets if levels[net][0] + behind.get(cell, 0) > wanted]
            if deep:
                late.append((min(levels[net][0] for net in deep), cell, deep))
    count = 0
    touched: set[str] = set()
    for _, cell, deep in sorted(late, key=lambda item: item[:2]):
        for net in deep:
            source = _driver(netlist, net)
            if cell in touched or source is None or source in touched or not _merge(netlist, source, cell, changed):
                continue
            count += 1
            touched.add(cell)
            if not netlist.loads[net]:
                touched.add(source)
                changed[netlist.type(source)] -= 1
                netlist.remove(source)
                del netlist.drivers[net], netlist.loads[net]
                gone.add(net)
    return count


def _is_lut(netlist: FlatNetlist, cell: str) -> bool:
    return netlist.kind(cell) == "lut" and not netlist.cells[cell].marked((*PLACED, "keep"))


def _driver(netlist: FlatNetlist, net: int) -> str | None:
    """Return the LUT that drives ``net``, None if something else does."""
    drivers = netlist.drivers.get(net, ())
    return drivers[0][0] if len(drivers) == 1 and net not in netlist.inout and _is_lut(netlist, drivers[0][0]) else None


def _merge(netlist: FlatNetlist, source: str, cell: str, changed: Counter[str]) -> bool:
    """Take the function of LUT ``source`` into LUT ``cell`` that reads it; return whether it fitted."""
    ((_, _, net),) = netlist.nets(source, "output")
    ((_, _, out),) = netlist.nets(cell, "output")
    first, second = _table(netlist.cells[source]), _table(netlist.cells[cell])
    inputs = list(
        dict.fromkeys(
            [bit for bit in second[0] if bit != net and isinstance(bit, int)]
            + [bit for bit in first[0] if isinstance(bit, int)]
        )
    )
    if not 1 <= len(inputs) <= netlist.library.merged_inputs:
        return False
    rows = []
    for row in range(1 << len(inputs)):
        values = {bit: row >> k & 1 for k, bit in enumerate(inputs)}
        values[net] = _look_up(first, values)
        rows.append(_look_up(second, values))
    data = netlist.cells[cell]
    changed[data.type] -= 1
    for port, index, bit in list(netlist.nets(cell, "input")):
        netlist.loads[bit].remove((cell, port, index))
    data.type = f"LUT{len(inputs)}"
    changed[data.type] += 1
    data.parameters = {INIT: "".join(map(str, reversed(rows)))}
    ports = [f"I{k}" for k in range(len(inputs))]
    data.directions = dict.fromkeys(ports, "input") | {OUT: "output"}
    data.pins = {port: [bit] for port, bit in zip([*ports, OUT], [*inputs, out], strict=True)}
    for port, bit in zip(ports, inputs, strict=True):
        netlist.loads.setdefault(bit, []).append((cell, port, 0))
    netlist.drivers[out] = [(cell, OUT, 0)]
    return True


def _table(cell: Cell) -> Table:
    """Return the table of a LUT or an inverter."""
    if cell.type == "INV":
        return [cell.bit("I")], (1, 0)
    count, init = int(cell.type[3:]), cell.parameters[INIT]
    number = int(init.replace("x", "0"), 2) if isinstance(init, str) else init
    return [cell.bit(f"I{k}") for k in range(count)], tuple(number >> k & 1 for k in range(1 << count))


def _look_up(table: Table, values: Mapping[int, int]) -> int:
    inputs, rows = table
    return rows[sum((values[bit] if isinstance(bit, int) else bit == "1") << k for k, bit in enumerate(inputs))]
