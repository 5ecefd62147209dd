"""Fan-out and depth of a synthesised netlist: which nets have the most loads, which registers the most levels between.

``python -m s2nn_hw.cli.paths top.json xc7`` prints both; ``--json`` for programs. How levels are counted:
:mod:`s2nn_hw.hw.netlist.levels`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.hw.netlist.flat import FlatNetlist, Pin
from s2nn_hw.hw.netlist.levels import REGISTERS, Arrivals, arrivals
from s2nn_hw.hw.netlist.primitives import CellLibrary

SHOWN = 20


@dataclass(frozen=True)
class Net:
    """A net, the type of the cell that drives it (None: a port of the design), its loads, and these by kind of pin."""

    name: str
    driver: str | None
    loads: int
    pins: Mapping[str, int]


@dataclass(frozen=True)
class RegisterPath:
    """The deepest way from one register to another.

    ``levels``: LUTs and carry chains; ``multiplexers``: those of slices on the way, which ``levels`` leaves out.
    ``start`` and ``end``: the nets or pins of the registers; ``through``: ``(type of cell, net behind it)`` on the way.
    ``alike``: how many pins end paths of this depth between registers of these names.
    """

    levels: int
    multiplexers: int
    start: str
    end: str
    through: tuple[tuple[str, str], ...]
    alike: int


@dataclass(frozen=True)
class Paths:
    """What is read from a netlist. ``levels``: those of the deepest path, ``levels_with_multiplexers``: with those of
    slices as one each. ``nets``: by loads, the most first, clocks apart; ``paths``: the deepest first."""

    family: str
    highest: int
    levels: int
    levels_with_multiplexers: int
    nets: tuple[Net, ...]
    clocks: tuple[Net, ...]
    paths: tuple[RegisterPath, ...]
    cells: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return all of it as the file that programs read."""
        return {"format": "s2nn-paths", "version": 1, **asdict(self)}


def read_paths(path: Path | str, library: CellLibrary, *, shown: int = SHOWN) -> Paths:
    """Return :class:`Paths` of the netlist in file ``path``, with ``shown`` nets and paths at most."""
    return find_paths(FlatNetlist.read(path, library), shown=shown)


def find_paths(netlist: FlatNetlist, *, shown: int = SHOWN) -> Paths:
    """Return :class:`Paths` of ``netlist`` (:class:`~s2nn_hw.hw.netlist.flat.FlatNetlist`)."""
    before = arrivals(netlist)
    ends = list(_ends(netlist, before))
    counted = arrivals(netlist, multiplexers=1)
    by_loads = sorted(netlist.loads, key=lambda net: (-len(netlist.loads[net]), net))
    clocks = [net for net in by_loads if netlist.is_clock(net)]
    apart = set(clocks)
    data = [net for net in by_loads if net not in apart]
    cells = Counter(cell.type for cell in netlist.cells.values())
    return Paths(
        family=netlist.library.family,
        highest=len(netlist.loads[data[0]]) if data else 0,
        levels=max((before[net][0] for _, net in ends), default=0),
        levels_with_multiplexers=max((counted[net][0] for _, net in ends), default=0),
        nets=tuple(_net(netlist, net) for net in data[:shown]),
        clocks=tuple(_net(netlist, net) for net in clocks),
        paths=tuple(_deepest(netlist, before, ends, shown)),
        cells=dict(sorted(cells.items(), key=lambda item: (-item[1], item[0]))),
    )


def _net(netlist: FlatNetlist, net: int) -> Net:
    drivers = netlist.drivers.get(net, [("", "", 0)])
    kinds = Counter(netlist.pin_kind(pin) for pin in netlist.loads[net])
    driver = netlist.type(drivers[0][0]) if drivers[0][0] else None
    return Net(netlist.name(net), driver, len(netlist.loads[net]), dict(kinds.most_common()))


def _ends(netlist: FlatNetlist, before: Arrivals) -> Iterator[tuple[Pin, int]]:
    """Yield ``(pin, net)`` of every input of a register that another register reaches; no clocks."""
    for cell in netlist.cells:
        if netlist.kind(cell) in REGISTERS:
            for port, index, net in netlist.nets(cell, "input"):
                if net in before and netlist.pin_kind((cell, port, index)) != "clock":
                    yield (cell, port, index), net


def _deepest(netlist: FlatNetlist, before: Arrivals, ends: list[tuple[Pin, int]], shown: int) -> Iterator[RegisterPath]:
    """Yield the deepest :class:`RegisterPath` of each pair of registers, bits and copies of one name taken together."""
    found: dict[tuple[str, str], tuple[Pin, int]] = {}
    alike: Counter[tuple[str, str]] = Counter()
    for pin, net in sorted(ends, key=lambda end: (-before[end[1]][0], end)):
        levels = before[net][0]
        if levels == 0 or (len(found) >= shown and levels < min(before[other][0] for _, other in found.values())):
            break
        first, _ = _way(before, net)
        key = (_word(_start(netlist, first)), _word(_end(netlist, pin)))
        if key not in found and len(found) < shown:
            found[key] = pin, net
        if key in found and before[found[key][1]][0] == levels:
            alike[key] += 1
    for key, (pin, net) in found.items():
        first, way = _way(before, net)
        kinds = [netlist.kind(cell) for _, cell in way]
        yield RegisterPath(
            before[net][0],
            kinds.count("mux"),
            _start(netlist, first),
            _end(netlist, pin),
            tuple(_through(netlist, way)),
            alike[key],
        )


def _way(before: Arrivals, net: int) -> tuple[int, list[tuple[int, str]]]:
    """Return the net of the register's output on the way to ``net``, and ``(net, cell that drives it)`` behind it."""
    way: list[tuple[int, str]] = []
    _, source, cell = before[net]
    while source is not None and cell is not None:
        way.append((net, cell))
        net = source
        _, source, cell = before[net]
    return net, way[::-1]


def _through(netlist: FlatNetlist, way: list[tuple[int, str]]) -> Iterator[tuple[str, str]]:
    """Yield ``(type, name of the net behind)`` of the cells on ``way``, of a carry chain its last alone."""
    for place, (net, cell) in enumerate(way):
        following = netlist.kind(way[place + 1][1]) if place + 1 < len(way) else None
        if not (netlist.kind(cell) == "carry" and following == "carry"):
            yield netlist.type(cell), netlist.name(net)


def _start(netlist: FlatNetlist, net: int) -> str:
    cell = netlist.drivers[net][0][0]
    return netlist.name(net) if netlist.kind(cell) == "ff" else f"{cell} ({netlist.type(cell)})"


def _end(netlist: FlatNetlist, pin: Pin) -> str:
    cell, port, index = pin
    if netlist.kind(cell) == "ff":
        outputs = [net for _, _, net in netlist.nets(cell, "output")]
        return f"{netlist.name(outputs[0]) if outputs else cell}, {port}"
    wide = len(netlist.cells[cell].pins[port]) > 1
    return f"{cell} ({netlist.type(cell)}), {port}" + (f"[{index}]" if wide else "")


def _word(name: str) -> str:
    return re.sub(r"_copy\d+|\[\d+\]|\d+(?=\D*$)", "", name)
