"""Levels of logic in a mapped netlist: how many look-up tables and carry chains lie between two registers.

A LUT is one level, and so is a carry chain, however long: only its first cell counts. A multiplexer in the slice of its
LUTs (MUXF7, MUXF8, PFUMX, L6MUX21, MUX2_LUT5 ...) is none, unless it is asked for. A memory in LUTs is read without a
clock: address to data is one level, and its contents are a register. A multiplier without registers is one level.
"""

from collections import deque
from collections.abc import Iterator

from s2nn_hw.errors import UserError
from s2nn_hw.hw.netlist.flat import FlatNetlist

LOGIC = ("lut", "mux", "carry", "product")
REGISTERS = ("ff", "block", "lutram", "other")

Arrivals = dict[int, tuple[int, int | None, str | None]]  # by net: levels, the net before, the cell between


def arcs(netlist: FlatNetlist, *, multiplexers: int = 0) -> Iterator[tuple[str, int, int, int]]:
    """Yield ``(cell, net in, net out, levels)`` of everything that passes from an input of a cell to an output at once.

    ``multiplexers``: the levels of a slice's multiplexer.
    """
    for cell in netlist.cells:
        kind = netlist.kind(cell)
        if kind in LOGIC:
            weight = multiplexers if kind == "mux" else 1
            inputs, outputs = list(netlist.nets(cell, "input")), list(netlist.nets(cell, "output"))
            position = netlist.known(cell).position or _alone
            for port, index, out in outputs:
                reach = position(port, index)
                for other, place, net in inputs:
                    if position(other, place) <= reach:
                        yield cell, net, out, 0 if kind == "carry" and _chained(netlist, cell, other, net) else weight
        elif kind == "lutram":
            for port, _, out in netlist.nets(cell, "output"):
                start = dict(netlist.known(cell).reads).get(port)
                for other, _, net in netlist.nets(cell, "input"):
                    if start is not None and other.startswith(start):
                        yield cell, net, out, 1


def _alone(port: str, index: int) -> int:
    """Return where on its cell's chain a pin is if the cell has no chain inside."""
    return 0


def _chained(netlist: FlatNetlist, cell: str, port: str, net: int) -> bool:
    """Whether ``net`` comes into the carry ``cell`` from the carry before it."""
    if port != netlist.known(cell).chain[0]:
        return False
    source, output, _ = netlist.drivers.get(net, [("", "", 0)])[0]
    return netlist.kind(source) == "carry" and output == netlist.known(source).chain[1]


def starts(netlist: FlatNetlist) -> list[int]:
    """Return the nets at which paths start, in order: outputs of registers and memories; no ports, pads and clocks."""
    return [
        net for cell in netlist.cells if netlist.kind(cell) in REGISTERS for _, _, net in netlist.nets(cell, "output")
    ]


def arrivals(netlist: FlatNetlist, *, multiplexers: int = 0) -> Arrivals:
    """Return for each net that a register reaches ``(levels, net before, cell between)``, the last two None at a start.

    :class:`UserError` if logic feeds back on itself.
    """
    before: Arrivals = dict.fromkeys(starts(netlist), (0, None, None))
    forward: dict[int, list[tuple[str, int, int]]] = {}
    waiting: dict[int, int] = {}
    for cell, source, sink, weight in arcs(netlist, multiplexers=multiplexers):
        forward.setdefault(source, []).append((cell, sink, weight))
        waiting[sink] = waiting.get(sink, 0) + 1
    ready = deque(net for net in forward if not waiting.get(net))
    while ready:
        net = ready.popleft()
        levels = before[net][0] if net in before else None
        for cell, sink, weight in forward.get(net, ()):
            if levels is not None and (sink not in before or levels + weight > before[sink][0]):
                before[sink] = levels + weight, net, cell
            waiting[sink] -= 1
            if not waiting[sink]:
                ready.append(sink)
    looped = [net for net, count in waiting.items() if count]
    if looped:
        raise UserError(f"net {netlist.name(min(looped))} is in a loop of logic without a register")
    return before


def remaining(netlist: FlatNetlist) -> dict[str, int]:
    """Return for each cell of logic or memory in LUTs the levels from its inputs to the farthest register."""
    backward: dict[int, list[tuple[str, int, int]]] = {}
    waiting: dict[int, int] = {}
    levels: dict[int, int] = {}
    cells: dict[str, int] = {}
    for cell, source, sink, weight in arcs(netlist):
        backward.setdefault(sink, []).append((cell, source, weight))
        waiting[source] = waiting.get(source, 0) + 1
    ready = deque(net for net in backward if not waiting.get(net))
    while ready:
        net = ready.popleft()
        here = levels.get(net, 0)
        for cell, source, weight in backward.get(net, ()):
            levels[source] = max(levels.get(source, 0), here + weight)
            cells[cell] = max(cells.get(cell, 0), here + weight)
            waiting[source] -= 1
            if not waiting[source]:
                ready.append(source)
    return cells
