"""Fewer look-up tables in a row on the deepest ways of a synthesised netlist.

yosys maps by delay: where its slowest path allows it, it leaves chains of small LUTs that would fit into one, and on a
chip each costs a wire. Here a LUT takes the LUT before it into its own table, if together they have no more inputs than
a LUT has, wherever a way between registers has more levels than wanted. The LUT before goes if nothing else reads it.
"""

from collections import Counter
from dataclasses import asdict, dataclass

from s2nn_hw.hw.netlist.fanout import PLACED
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.levels import REGISTERS, arrivals, remaining

# by family: inputs of a LUT, levels that are aimed at
MOST_INPUTS = {"xc7": 6}
WANTED = {"xc7": 5}
ROUNDS = 24


@dataclass(frozen=True)
class Shortened:
    """What the pass did: ``levels_before`` and ``levels_after`` of the deepest way, LUTs ``merged`` into the one behind
    them, and by how many the cells of each type changed (``changed``)."""

    levels_before: int
    levels_after: int
    merged: int
    changed: dict

    def cells(self, family):
        """Return by how many cells of each type the netlist for ``family`` changed."""
        return self.changed

    def to_json(self):
        return asdict(self)

    def __str__(self):
        removed = -sum(self.changed.values())
        return (
            f"levels of logic: {self.levels_before} before, {self.levels_after} now; {self.merged} LUTs merged "
            f"into the one behind them, {removed} of them removed"
        )


def shorten_file(path, family, *, output=None, wanted=None):
    """Shorten the ways in the netlist in the JSON file ``path`` for device ``family``; return :class:`Shortened`.

    The result replaces ``path``, or goes to ``output``; it is whole or not written. Families but xc7 are left as they
    are. :class:`~s2nn_hw.errors.UserError`: no flat netlist, or logic that feeds back on itself.
    """
    netlist = FlatNetlist.read(path, family)
    result = shorten(netlist, wanted=wanted)
    if result.merged or output is not None:
        netlist.write(output or path)
    return result


def shorten(netlist, *, wanted=None):
    """Shorten the ways of ``netlist`` (:class:`~s2nn_hw.hw.netlist.flat.FlatNetlist`), which changes, to ``wanted``
    levels where LUTs can be merged for it; return :class:`Shortened`."""
    before, changed, merged = _depth(netlist, arrivals(netlist)), Counter(), 0
    if netlist.family in MOST_INPUTS:
        aim, gone = wanted or WANTED[netlist.family], set()
        for _ in range(ROUNDS):
            count = _round(netlist, aim, changed, gone)
            merged += count
            if not count:
                break
        netlist.forget(gone)
    changed = {kind: count for kind, count in sorted(changed.items()) if count}
    return Shortened(before, _depth(netlist, arrivals(netlist)), merged, changed)


def _depth(netlist, levels):
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


def _round(netlist, wanted, changed, gone):
    """Merge what lies on ways of more than ``wanted`` levels, each LUT once; return how many were merged."""
    levels, behind = arrivals(netlist), remaining(netlist)
    late = []
    for cell in netlist.cells:
        if _is_lut(netlist, cell):
            nets = [net for _, _, net in netlist.nets(cell, "input") if net in levels]
            deep = [net for net in nets if levels[net][0] + behind.get(cell, 0) > wanted]
            if deep:
                late.append((min(levels[net][0] for net in deep), cell, deep))
    count, touched = 0, set()
    for _, cell, deep in sorted(late, key=lambda item: item[:2]):
        for net in deep:
            source = _driver(netlist, net)
            if cell in touched or source is None or source in touched or not _merge(netlist, source, cell, changed):
                continue
            count += 1
            touched.add(cell)
            if not netlist.loads[net]:
                touched.add(source)
                changed[netlist.cells[source]["type"]] -= 1
                netlist.remove(source)
                del netlist.drivers[net], netlist.loads[net]
                gone.add(net)
    return count


def _is_lut(netlist, cell):
    return netlist.kind(cell) == "lut" and not any(
        mark in netlist.cells[cell].get("attributes", {}) for mark in (*PLACED, "keep")
    )


def _driver(netlist, net):
    """Return the LUT that drives ``net``, None if something else does."""
    drivers = netlist.drivers.get(net, ())
    return drivers[0][0] if len(drivers) == 1 and net not in netlist.inout and _is_lut(netlist, drivers[0][0]) else None


def _merge(netlist, source, cell, changed):
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
    if not 1 <= len(inputs) <= MOST_INPUTS[netlist.family]:
        return False
    rows = []
    for row in range(1 << len(inputs)):
        values = {bit: row >> k & 1 for k, bit in enumerate(inputs)}
        values[net] = _look_up(first, values)
        rows.append(_look_up(second, values))
    data = netlist.cells[cell]
    changed[data["type"]] -= 1
    for port, index, bit in list(netlist.nets(cell, "input")):
        netlist.loads[bit].remove((cell, port, index))
    data["type"] = f"LUT{len(inputs)}"
    changed[data["type"]] += 1
    data["parameters"] = {"INIT": "".join(map(str, reversed(rows)))}
    ports = [f"I{k}" for k in range(len(inputs))]
    data["port_directions"] = dict.fromkeys(ports, "input") | {"O": "output"}
    data["connections"] = {port: [bit] for port, bit in zip(ports, inputs, strict=True)} | {"O": [out]}
    for port, bit in zip(ports, inputs, strict=True):
        netlist.loads.setdefault(bit, []).append((cell, port, 0))
    netlist.drivers[out] = [(cell, "O", 0)]
    return True


def _table(data):
    """Return ``(inputs, the lowest first: nets or constants; outputs by their number)`` of a LUT or an inverter."""
    pins = data["connections"]
    if data["type"] == "INV":
        return [pins["I"][0]], (1, 0)
    count = int(data["type"][3:])
    init = data["parameters"]["INIT"]
    number = int(init.replace("x", "0"), 2) if isinstance(init, str) else init
    return [pins[f"I{k}"][0] for k in range(count)], tuple(number >> k & 1 for k in range(1 << count))


def _look_up(table, values):
    inputs, rows = table
    return rows[sum((values[bit] if isinstance(bit, int) else bit == "1") << k for k, bit in enumerate(inputs))]
