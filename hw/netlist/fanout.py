"""Copies of drivers in a synthesised netlist, so that no net but a clock has more loads than a limit.

yosys merges equal registers, so copies in the source do not last; after synthesis nothing merges them again. Flip-flops
and LUTs are copied (a slice's multiplexer with its LUTs): a copy has the same inputs, clock, parameters and attributes,
so no cycle and no level of logic is added. What can't be copied, carries, memories, pads, registers that sample another
clock, passes some of its loads on through LUTs, those with the fewest levels behind them; that costs them a level each.
"""

from collections import Counter
from collections.abc import Set
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.netlist.chunks import chunks
from s2nn_hw.hw.netlist.flat import DESIGN, FlatNetlist, Pin
from s2nn_hw.hw.netlist.levels import remaining
from s2nn_hw.hw.netlist.locality import arrange
from s2nn_hw.hw.netlist.primitives import CellLibrary
from s2nn_hw.hw.netlist.spread import Left, Spread
from s2nn_hw.verilog.netlist import Bit, Cell

LIMIT = 64
LEAST_LIMIT = 4
COPIED = ("ff", "lut", "mux")
# attributes that tie a cell to a place or to its one instance
PLACED = ("BEL", "LOC", "RLOC", "IOB", "NEXTPNR_BEL", "syn_useioff")
ASYNCHRONOUS = "ASYNC_REG"


def spread_file(
    path: Path | str,
    library: CellLibrary,
    *,
    limit: int = LIMIT,
    output: Path | str | None = None,
    registered_ports: bool = False,
) -> Spread:
    """Spread the netlist in the JSON file ``path`` of cells of ``library``; return :class:`Spread`.

    The result replaces ``path``, or goes to ``output``; it is whole or not written. ``registered_ports``: the netlist
    is a part of a design, and what comes in is in step with its clock. :class:`UserError`: no flat netlist, or a limit
    that can't be kept.
    """
    netlist = FlatNetlist.read(path, library)
    result = spread(netlist, limit=limit, registered_ports=registered_ports)
    if result.added or output is not None:
        netlist.write(output or path)
    return result


def spread(netlist: FlatNetlist, *, limit: int = LIMIT, registered_ports: bool = False) -> Spread:
    """Spread ``netlist`` (:class:`~s2nn_hw.hw.netlist.flat.FlatNetlist`), which changes; return :class:`Spread`.

    ``registered_ports``: see :func:`spread_file`.
    """
    if limit < LEAST_LIMIT:
        raise UserError(f"the fan-out limit must be at least {LEAST_LIMIT}, not {limit}")
    return _Pass(netlist, limit, registered_ports).run()


class _Pass:
    """One run over ``netlist``: see :func:`spread`."""

    def __init__(self, netlist: FlatNetlist, limit: int, registered_ports: bool) -> None:
        self.netlist, self.limit = netlist, limit
        self.foreign = ("pad", "clock", "other") if registered_ports else ("port", "pad", "clock", "other")
        self.next_net = netlist.highest() + 1
        self.most = 2 * len(netlist.cells) + 1000
        self.clocks = {net for net in netlist.loads if netlist.is_clock(net)}
        self.sampling = netlist.marked(ASYNCHRONOUS)
        self.copies: Counter[str] = Counter()
        self.buffers = 0
        self.buffered: dict[int, tuple[int, str]] = {}
        self.left: dict[int, str] = {}
        # how many copies a cell has; of which cell and net something is a copy
        self.numbers: Counter[str] = Counter()
        self.base_cell: dict[str, str] = {}
        self.base_net: dict[int, int] = {}
        self.depth: dict[str, int] | None = None
        self.cluster: dict[str, int] = {}
        self.place: dict[str, int] = {}

    def run(self) -> Spread:
        before, net_before = self._highest()
        over = self._over()
        count = len(over)
        if over:
            self.cluster, self.place = arrange(self.netlist)
        while over:
            for net in self._sinks_first(over):
                self._spread(net)
            over = self._over()
        after, net_after = self._highest()
        named = [
            Left(self.netlist.name(net), len(self.netlist.loads[net]), reason)
            for net, reason in self.left.items()
            if len(self.netlist.loads[net]) > self.limit
        ]
        behind = [Left(self.netlist.name(net), loads, reason) for net, (loads, reason) in self.buffered.items()]
        return Spread(
            self.limit,
            count,
            before,
            net_before,
            after,
            net_after,
            dict(sorted(self.copies.items())),
            self.buffers,
            tuple(behind),
            tuple(named),
        )

    def _highest(self) -> tuple[int, str]:
        loads = self.netlist.loads
        data = (net for net in loads if net not in self.clocks)
        net = max(data, key=lambda net: (len(loads[net]), -net), default=None)
        return (0, "") if net is None else (len(loads[net]), self.netlist.name(net))

    def _over(self) -> list[int]:
        """Return the nets to spread, in the order of the netlist."""
        return [
            net
            for net, pins in self.netlist.loads.items()
            if len(pins) > self.limit and net not in self.clocks and net not in self.left
        ]

    def _sinks_first(self, nets: list[int]) -> list[int]:
        """Return ``nets`` so that what a net's loads drive comes before it: copies of those are loads, too."""
        wanted = set(nets)
        done: set[int] = set()
        order: list[int] = []
        for first in nets:
            stack = [(first, iter(self._behind(first, wanted)))] if first not in done else []
            done.add(first)
            while stack:
                net, others = stack[-1]
                other = next((other for other in others if other not in done), None)
                if other is None:
                    order.append(net)
                    stack.pop()
                else:
                    done.add(other)
                    stack.append((other, iter(self._behind(other, wanted))))
        return order

    def _behind(self, net: int, wanted: Set[int]) -> dict[int, None]:
        return dict.fromkeys(
            out
            for cell, _, _ in self.netlist.loads[net]
            if cell != DESIGN
            for _, _, out in self.netlist.nets(cell, "output")
            if out in wanted
        )

    def _spread(self, net: int) -> None:
        if len(self.netlist.loads[net]) <= self.limit:
            return
        obstacle, buffered = self._obstacle(net)
        if obstacle is None:
            self._copy(net)
        elif not buffered or not self._buffer(net, obstacle):
            self.left[net] = obstacle
        if sum(self.copies.values()) + self.buffers > self.most:
            raise UserError(f"a fan-out limit of {self.limit} needs more than {self.most:,} copies; raise it")

    def _obstacle(self, net: int) -> tuple[str | None, bool]:
        """Return ``(why the driver of net can't be copied or None, whether LUTs may stand behind it)``."""
        netlist, drivers = self.netlist, self.netlist.drivers.get(net, [])
        if net in netlist.inout:
            return "a pad's net", False
        if len(drivers) != 1:
            return f"{len(drivers)} drivers", False
        cell = drivers[0][0]
        kind = netlist.kind(cell)
        if kind == "port":
            return "an input of the design", True
        data = netlist.cells[cell]
        if kind not in COPIED or len(list(netlist.nets(cell, "output"))) != 1:
            return f"an output of {data.type}", True
        if data.marked(PLACED):
            return f"a {data.type} with a place of its own", True
        if kind == "ff" and (net in self.sampling or self._samples(cell)):
            return f"a {data.type} that samples another clock", True
        return None, True

    def _samples(self, register: str) -> bool:
        """Whether an input of flip-flop ``register`` comes, through logic, from a pad, a port or another clock."""
        netlist = self.netlist
        clock = self._clock_nets(register)
        pending, seen = [register], {register}
        while pending:
            cell = pending.pop()
            for port, _, net in netlist.nets(cell, "input"):
                if netlist.pin_kind((cell, port, 0)) == "clock":
                    continue
                for source, _, _ in netlist.drivers.get(net, ()):
                    if source in seen:
                        continue
                    seen.add(source)
                    kind = netlist.kind(source)
                    if kind in self.foreign:
                        return True
                    if kind in ("ff", "block", "lutram"):
                        if self._clock_nets(source) != clock:
                            return True
                        if kind != "lutram":
                            continue
                    if kind != "port":
                        pending.append(source)
        return False

    def _clock_nets(self, cell: str) -> set[int]:
        pins = self.netlist.nets(cell, "input")
        return {net for port, index, net in pins if self.netlist.pin_kind((cell, port, index)) == "clock"}

    def _copy(self, net: int) -> None:
        """Give the loads of ``net`` in chunks to copies of its driver; the chunk nearest the driver stays.

        Ports of the design stay, too: their names in the file belong to this net.
        """
        netlist, (driver, _, _) = self.netlist, self.netlist.drivers[net][0]
        ports = [pin for pin in netlist.loads[net] if pin[0] == DESIGN]
        parts = chunks(self._groups(net), self.limit)
        home = self.place[driver]
        nearest = min(parts, key=lambda part: min(abs(self.place[pin[0]] - home) for pin in part))
        if len(ports) + len(nearest) <= self.limit:
            ports += nearest
            parts.remove(nearest)
        elif len(ports) > self.limit:
            self.left[net] = f"{len(ports)} ports of the design"
        netlist.loads[net] = ports
        for part in parts:
            self._copy_cell(driver, self._move(part, net), part)

    def _groups(self, net: int) -> list[list[Pin]]:
        """Return the pins of cells on ``net`` in order, those of one cluster together."""
        groups: dict[tuple[int, int], list[Pin]] = {}
        for pin in self.netlist.loads[net]:
            if pin[0] != DESIGN:
                groups.setdefault((self.place[pin[0]], self.cluster[pin[0]]), []).append(pin)
        return [groups[key] for key in sorted(groups)]

    def _move(self, pins: list[Pin], net: int) -> int:
        """Give ``pins`` of cells, loads of ``net``, to a new net without a driver; return it."""
        new, self.next_net = self.next_net, self.next_net + 1
        self.netlist.loads[new] = pins
        for cell, port, index in pins:
            self.netlist.cells[cell].pins[port][index] = new
        self.base_net[new] = self.base_net.get(net, net)
        return new

    def _copy_cell(self, cell: str, net: int, loads: list[Pin], cluster: int | None = None) -> None:
        """Add a copy of ``cell`` that drives ``net``, near ``loads``; a multiplexer's LUTs are copied with it."""
        netlist, data = self.netlist, self.netlist.cells[cell]
        base = self.base_cell.get(cell, cell)
        name = self._new_name(f"{base}_copy")
        self.base_cell[name] = base
        ((port, index, old),) = netlist.nets(cell, "output")
        new = data.copy()
        new.pins[port][index] = net
        self._add(name, new, loads, cluster)
        self.copies[data.type] += 1
        netlist.drivers[net] = [(name, port, index)]
        number = name.rpartition("_copy")[2]
        netlist.add_name(net, f"{netlist.name(self.base_net.get(old, old))}_copy{number}")
        self.base_net[net] = self.base_net.get(old, old)
        self._join(name)
        if self.depth is not None:
            self.depth[name] = self.depth.get(cell, 0)

    def _join(self, cell: str) -> None:
        """Copy the LUTs that the multiplexer ``cell`` needs beside it, then count the inputs of ``cell`` as loads."""
        netlist, primitive = self.netlist, self.netlist.known(cell)
        for port, index, net in list(netlist.nets(cell, "input")):
            pin = (cell, port, index)
            source = netlist.drivers[net][0][0] if primitive.kind == "mux" and net in netlist.drivers else DESIGN
            if port in primitive.joins and netlist.kind(source) in ("lut", "mux"):
                self._copy_cell(source, self._move([pin], net), [pin], self.cluster[cell])
            else:
                netlist.loads[net].append(pin)

    def _add(self, name: str, data: Cell, loads: list[Pin], cluster: int | None = None) -> None:
        """Add cell ``name`` in the middle of its ``loads``."""
        self.netlist.cells[name] = data
        places = sorted(self.place[pin[0]] for pin in loads if pin[0] != DESIGN)
        self.place[name] = places[len(places) // 2] if places else 0
        self.cluster[name] = len(self.cluster) if cluster is None else cluster

    def _new_name(self, base: str) -> str:
        while True:
            self.numbers[base] += 1
            name = f"{base}{self.numbers[base]}"
            if not self.netlist.taken(name):
                return name

    def _buffer(self, net: int, reason: str) -> bool:
        """Put LUTs between ``net`` and as few of its loads as the limit wants; return whether that helps."""
        netlist, pins = self.netlist, self.netlist.loads[net]
        depth = self.depth = remaining(netlist) if self.depth is None else self.depth
        free = sorted(
            (pin for pin in pins if not self._tied(net, pin)),
            key=lambda pin: (depth.get(pin[0], 0), self.place[pin[0]], self.cluster[pin[0]]),
        )
        count = -(-(len(pins) - self.limit) // (self.limit - 1))
        moved = free[: len(pins) + count - self.limit]
        count = -(-len(moved) // self.limit)
        if count >= len(moved):
            return False
        moved.sort(key=lambda pin: (self.place[pin[0]], self.cluster[pin[0]]))
        parts = [moved[len(moved) * n // count : len(moved) * (n + 1) // count] for n in range(count)]
        kept = set(pins) - set(moved)
        netlist.loads[net] = [pin for pin in pins if pin in kept]
        self.buffered.setdefault(net, (len(pins), reason))
        for part in parts:
            self._add_buffer(net, part, depth)
        return True

    def _tied(self, net: int, pin: Pin) -> bool:
        """Whether ``pin`` must stay on ``net``: carry to carry, a port, a pad's own pin, a slice's multiplexer."""
        cell, port, _ = pin
        if cell == DESIGN:
            return True
        source = self.netlist.kind(self.netlist.drivers[net][0][0])
        primitive = self.netlist.primitive(cell)
        if primitive is None or (source == "port" and primitive.kind == "pad"):
            return True
        if source == "carry" and (port in primitive.chain or port in self.netlist.library.carry_inputs):
            return True
        return port in primitive.joins

    def _add_buffer(self, net: int, part: list[Pin], depth: dict[str, int]) -> None:
        netlist, made = self.netlist, self.netlist.library.buffer
        name = self._new_name(f"{netlist.name(net)}_buffer")
        new = self._move(part, net)
        directions = dict.fromkeys((made.input, *made.idle), "input") | {made.output: "output"}
        idle: dict[str, list[Bit]] = {port: ["0"] for port in made.idle}
        pins: dict[str, list[Bit]] = {made.input: [net], **idle, made.output: [new]}
        self._add(name, Cell(made.type, pins, directions, dict(made.parameters)), part)
        netlist.drivers[new] = [(name, made.output, 0)]
        netlist.loads[net].append((name, made.input, 0))
        netlist.add_name(new, f"{netlist.name(net)}_buffered{name.rpartition('_buffer')[2]}")
        depth[name] = 1 + max(depth.get(pin[0], 0) for pin in part)
        self.buffers += 1
