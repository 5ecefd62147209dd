"""The structure of a synthesised netlist, from yosys's JSON: which cell is what, who drives and reads each net."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from s2nn_hw.errors import ProofError
from s2nn_hw.verilog.netlist import Bit, Cell, Module, module_of

TOP = "accelerator"
HIERARCHICAL = "hdlname"  # the attribute with the path of instances and the name that a flattened net had
CLOCK, RESET = "clk", "rst"  # ports of it that carry no data
CONSTANTS = ("0", "1", "x", "z")


@dataclass(frozen=True)
class Kind:
    """A cell type. ``resource``: one of :data:`RESOURCES`. ``outputs``: what toggles of each output port
    count as (lut, carry, ff, bram). ``clocks``: its clock pins; ``enable``: the port that enables a flip-flop.
    ``accesses``: name of the function below that says when a block RAM is accessed."""

    resource: str
    outputs: Mapping[str, str]
    clocks: tuple[str, ...] = ()
    enable: str | None = None
    accesses: str | None = None


def _lut(*ports: str) -> Kind:
    return Kind("luts", dict.fromkeys(ports, "lut"))


def _ff(clock: str, enable: str | None = None) -> Kind:
    return Kind("ffs", {"Q": "ff"}, (clock,), enable)


def _bram(outputs: Iterable[str], clocks: tuple[str, ...], accesses: str) -> Kind:
    return Kind("brams", dict.fromkeys(outputs, "bram"), clocks, accesses=accesses)


def _lutram(outputs: Iterable[str], clock: str) -> Kind:
    return Kind("lutrams", dict.fromkeys(outputs, "lut"), (clock,))


_RAMB = _bram(("DOADO", "DOPADOP", "DOBDO", "DOPBDOP"), ("CLKARDCLK", "CLKBWRCLK"), "ramb")
_DP16KD = tuple(f"DO{side}{n}" for side in "AB" for n in range(18))
KINDS: dict[str, dict[str, Kind]] = {
    "xc7": {
        **{f"LUT{n}": _lut("O") for n in range(1, 7)},
        "INV": _lut("O"),
        "MUXF7": _lut("O"),
        "MUXF8": _lut("O"),
        "CARRY4": Kind("carries", {"O": "lut", "CO": "carry"}),
        **{f"FD{kind}E": _ff("C", "CE") for kind in "RSCP"},
        **{name: _lutram(("DOA", "DOB", "DOC", "DOD"), "WCLK") for name in ("RAM32M", "RAM64M")},
        **{f"RAM{n}X1D": _lutram(("DPO", "SPO"), "WCLK") for n in (32, 64, 128)},
        **{f"RAM{n}X1S": _lutram(("O",), "WCLK") for n in (32, 64, 128, 256)},
        "SRL16E": _lutram(("Q",), "CLK"),
        "SRLC32E": _lutram(("Q", "Q31"), "CLK"),
        "RAMB18E1": _RAMB,
        "RAMB36E1": _RAMB,
    },
    "ecp5": {
        "LUT4": _lut("Z"),
        "PFUMX": _lut("Z"),
        "L6MUX21": _lut("Z"),
        "INV": _lut("Z"),
        "CCU2C": Kind("carries", {"S0": "lut", "S1": "lut", "COUT": "carry"}),
        "TRELLIS_FF": _ff("CLK", "CE"),
        "TRELLIS_DPR16X4": _lutram(("DO",), "WCK"),
        # a product is wired like a sum: its toggles count with those of LUTs
        "MULT18X18D": Kind("dsps", dict.fromkeys((f"P{n}" for n in range(36)), "lut")),
        "DP16KD": _bram(_DP16KD, ("CLKA", "CLKB"), "dp16kd"),
    },
    "ice40": {
        "SB_LUT4": _lut("O"),
        "SB_CARRY": Kind("carries", {"CO": "carry"}),
        **{
            f"SB_DFF{kind}": _ff("C", "E" if kind.startswith("E") else None)
            for kind in ("", "E", "SR", "R", "SS", "S", "ESR", "ER", "ESS", "ES")
        },
        "SB_RAM40_4K": _bram(("RDATA",), ("RCLK", "WCLK"), "ram40"),
    },
}
RESOURCES = ("luts", "carries", "ffs", "brams", "lutrams", "dsps")


@dataclass(frozen=True, slots=True)
class KnownCell:
    """A cell of a ``kind`` that is known, its parameters and its pins (bits by port)."""

    name: str
    type: str
    kind: Kind
    parameters: dict[str, Any]
    pins: dict[str, list[Bit]]

    def outputs(self) -> Iterator[tuple[Bit, str]]:
        """Yield ``(net, what its toggles count as)`` of every output bit."""
        for port, what in self.kind.outputs.items():
            for net in self.pins.get(port, ()):
                if net not in CONSTANTS:
                    yield net, what

    def inputs(self) -> Iterator[Bit]:
        """Yield the nets of every other pin but the clocks."""
        for port, nets in self.pins.items():
            if port not in self.kind.outputs and port not in self.kind.clocks:
                yield from (net for net in nets if net not in CONSTANTS)

    def clock_pins(self) -> int:
        """Return how many of its clock pins are clocked."""
        return sum(net not in CONSTANTS for port in self.kind.clocks for net in self.pins.get(port, ()))

    def enable(self) -> tuple[Bit, bool]:
        """Return ``(net, inverted)`` of a flip-flop's clock enable; the net is ``"1"`` if it is always enabled."""
        mode = str(self.parameters.get("CEMUX", "CE")).strip()
        nets = self.pins.get(self.kind.enable) if self.kind.enable else None
        if not nets or mode in ("0", "1"):
            return mode if mode in ("0", "1") else "1", False
        return nets[0], mode == "INV"

    def number(self, parameter: str, default: int = 0) -> int:
        """Return ``parameter``, which yosys writes as a string of bits."""
        value = self.parameters.get(parameter, default)
        return int(value, 2) if isinstance(value, str) else int(value)


class Netlist:
    """The module ``accelerator`` of yosys's JSON ``design`` for ``family``; :class:`ProofError` on an unknown cell."""

    def __init__(self, design: dict[str, Any], family: str) -> None:
        try:
            self.module = module_of(design, TOP)
        except (KeyError, TypeError):
            raise ProofError(f"the netlist that yosys wrote has no module {TOP}") from None
        kinds = KINDS[family]
        self.cells: list[KnownCell] = []
        for name, cell in self.module.cells.items():
            if cell.type not in kinds:
                raise ProofError(f"the netlist has a cell of type {cell.type}, which is not modelled ({name})")
            self.cells.append(KnownCell(name, cell.type, kinds[cell.type], cell.parameters, cell.pins))

    @cached_property
    def clock(self) -> int:
        """The one clock's net; :class:`ProofError` if a clock pin has another."""
        (net,) = self.module.ports[CLOCK].bits
        for cell in self.cells:
            for port in cell.kind.clocks:
                if any(other not in (net, *CONSTANTS) for other in cell.pins.get(port, ())):
                    raise ProofError(f"cell {cell.name} has another clock than clk")
        assert isinstance(net, int)
        return net

    @cached_property
    def ports(self) -> tuple[Bit, ...]:
        """Nets of the data ports (without clock and reset), in order: ``(net, ...)``."""
        return tuple(
            net
            for name, port in sorted(self.module.ports.items(), key=lambda item: item[0])
            if name not in (CLOCK, RESET)
            for net in port.bits
            if net not in CONSTANTS
        )

    @cached_property
    def drivers(self) -> dict[Bit, KnownCell]:
        """The cell that drives each net, by net."""
        return {net: cell for cell in self.cells for net, _ in cell.outputs()}

    @cached_property
    def readers(self) -> dict[Bit, list[KnownCell | None]]:
        """The cells that read each net, by net, in the order of the cells; a port of the module is ``None``."""
        found: dict[Bit, list[KnownCell | None]] = {}
        for cell in self.cells:
            for net in cell.inputs():
                found.setdefault(net, []).append(cell)
        for port in self.module.ports.values():
            if port.direction == "output":
                for net in port.bits:
                    found.setdefault(net, []).append(None)
        return found


def _minus(bits: Iterable[Bit]) -> list[Bit]:
    return [bit for bit in bits if bit not in ("x", "z")]


class Probed:
    """``netlist`` with counters on its nets: cells ``activity_probe`` of 64 nets each (``sim/netlist/cells/bench.sv``).

    ``nets``: what is counted, in the order of the counters: every driven or incoming net, then, per access of a block
    RAM, a net that is 1 in each cycle of it. ``accesses``: ``(cell, "reads" or "writes", net)``.
    """

    def __init__(self, netlist: Netlist) -> None:
        self.netlist = netlist
        # names are left out: only what is wired to what counts for the simulation, and C++ is shorter without
        self.cells = {
            f"c{n}": Cell(cell.type, cell.pins, parameters=cell.parameters) for n, cell in enumerate(netlist.cells)
        }
        driven = [net for cell in netlist.cells for net, _ in cell.outputs()]
        self.next = 1 + max(net for net in [*driven, *netlist.ports, netlist.clock] if isinstance(net, int))
        self.accesses = [
            (cell, what, net)
            for cell in netlist.cells
            if cell.kind.accesses
            for what, net in getattr(self, f"_{cell.kind.accesses}")(cell)
            if net != "0"
        ]
        extra = [net for _, _, net in self.accesses]
        counted = dict.fromkeys([*driven, *netlist.ports, *extra])
        self.nets = [net for net in counted if net not in CONSTANTS]
        for index in range(0, len(self.nets), 64):
            nets = self.nets[index : index + 64]
            pins: dict[str, list[Bit]] = {"clk": [netlist.clock], "nets": nets + ["0"] * (64 - len(nets))}
            parameters = {"INDEX": f"{index // 64:032b}"}
            self.cells[f"probe{index // 64}"] = Cell("activity_probe", pins, parameters=parameters)

    def to_json(self) -> dict[str, Any]:
        """Return the design as yosys's JSON, without names."""
        module = Module(self.netlist.module.ports, self.cells, {}, {"top": 1})
        return {"creator": "s2nn-hw", "modules": {TOP: module.to_json()}}

    def _gate(self, kind: str, a: Bit, b: Bit | None = None) -> int:
        net, self.next = self.next, self.next + 1
        parameters = {"A_SIGNED": 0, "A_WIDTH": 1, "Y_WIDTH": 1}
        pins: dict[str, list[Bit]] = {"A": [a], "Y": [net]}
        if b is not None:
            parameters |= {"B_SIGNED": 0, "B_WIDTH": 1}
            pins |= {"B": [b]}
        self.cells[f"gate{net}"] = Cell(kind, pins, parameters=parameters)
        return net

    def _not(self, a: Bit) -> Bit:
        if a in ("0", "1"):
            return "1" if a == "0" else "0"
        return self._gate("$not", a)

    def _and(self, *bits: Bit) -> Bit:
        return self._fold("$and", "1", "0", bits)

    def _or(self, *bits: Bit) -> Bit:
        return self._fold("$or", "0", "1", bits)

    def _fold(self, kind: str, neutral: str, wins: str, given: Iterable[Bit]) -> Bit:
        bits = list(dict.fromkeys(bit for bit in _minus(given) if bit != neutral))
        if wins in bits or not bits:
            return wins if bits else neutral
        total = bits[0]
        for bit in bits[1:]:
            total = self._gate(kind, total, bit)
        return total

    # a port reads in a cycle in which it is enabled and doesn't write, if anything reads what it gives

    def _dp16kd(self, cell: KnownCell) -> Iterator[tuple[str, Bit]]:
        wide = cell.number("DATA_WIDTH_B") == 36
        for side in "AB":
            (enabled,), (writes,) = cell.pins[f"CE{side}"], cell.pins[f"WE{side}"]
            used = self._used(cell, [f"DO{s}{n}" for s in ("AB" if wide else side) for n in range(18)])
            if used and not (wide and side == "A"):
                yield "reads", self._and(enabled, self._not(writes))
            yield "writes", self._and(enabled, writes)

    def _ramb(self, cell: KnownCell) -> Iterator[tuple[str, Bit]]:
        for side, enable, write in (("A", "ENARDEN", "WEA"), ("B", "ENBWREN", "WEBWE")):
            (enabled,) = cell.pins[enable]
            writes = self._or(*cell.pins[write]) if cell.number(f"WRITE_WIDTH_{side}") else "0"
            if cell.number(f"READ_WIDTH_{side}"):
                yield "reads", self._and(enabled, self._not(writes))
            yield "writes", self._and(enabled, writes)

    def _ram40(self, cell: KnownCell) -> Iterator[tuple[str, Bit]]:
        for what, enables in (("reads", ("RCLKE", "RE")), ("writes", ("WCLKE", "WE"))):
            yield what, self._and(*(bit for port in enables for bit in cell.pins[port]))

    def _used(self, cell: KnownCell, ports: Iterable[str]) -> bool:
        return any(self.netlist.readers.get(net) for port in ports for net in cell.pins.get(port, ()))
