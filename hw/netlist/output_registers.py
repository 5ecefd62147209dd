"""Plain registers behind a block RAM, taken into its own output register (AMD UG473, "Optional Output Registers").

yosys never uses that register. A port of a RAMB18E1 or RAMB36E1 gets it if every output bit that is read goes to one
flip-flop alone, all of them with the port's clock and one clock enable, none with a reset. No cycle changes; the
register's clock to output is much shorter than that of the memory, and its flip-flops are free for others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.hw.netlist.fanout import PLACED
from s2nn_hw.hw.netlist.flat import FlatNetlist
from s2nn_hw.hw.netlist.primitives import CellLibrary
from s2nn_hw.verilog.netlist import Bit, Cell

MEMORIES = ("RAMB18E1", "RAMB36E1")
REGISTER = "FDRE"
CLOCK, DATA, ENABLE, RESET, OUT = "C", "D", "CE", "R", "Q"  # its pins
ON = f"{1:032b}"  # as yosys writes a number
INVERTED = ("IS_C_INVERTED", "IS_D_INVERTED", "IS_R_INVERTED")

Output = tuple[str, int, int]  # port, index, net of a data output


@dataclass(frozen=True)
class _Side:
    """A port that reads: its data outputs, clock, resets of its register, and what switches that on and enables it."""

    name: str
    outputs: tuple[str, ...]
    clock: str
    resets: tuple[str, ...]
    switches: tuple[str, ...]
    enables: tuple[str, ...]
    initial: tuple[str, ...]
    extensions: tuple[str, ...]


_A = _Side(
    "A",
    ("DOADO", "DOPADOP"),
    "CLKARDCLK",
    ("RSTREGARSTREG",),
    ("DOA_REG",),
    ("REGCEAREGCE",),
    ("INIT_A",),
    ("RAM_EXTENSION_A",),
)
_B = _Side(
    "B", ("DOBDO", "DOPBDOP"), "CLKBWRCLK", ("RSTREGB",), ("DOB_REG",), ("REGCEB",), ("INIT_B",), ("RAM_EXTENSION_B",)
)
# simple dual port: A reads, its upper half on the pins of B
_BOTH = _Side(
    "A",
    _A.outputs + _B.outputs,
    _A.clock,
    _A.resets + _B.resets,
    _A.switches + _B.switches,
    _A.enables + _B.enables,
    _A.initial + _B.initial,
    _A.extensions + _B.extensions,
)


@dataclass(frozen=True)
class Left:
    """A port that is read and keeps its flip-flops or has none, and why."""

    memory: str
    port: str
    reason: str


@dataclass(frozen=True)
class Absorbed:
    """What the pass did: ``ports`` that got their register, ``registers`` (flip-flops) removed, ports ``left``."""

    ports: int
    registers: int
    left: tuple[Left, ...]

    def removed(self) -> dict[str, int]:
        """Return how many cells were removed, by type."""
        return {REGISTER: self.registers} if self.registers else {}

    def cells(self, library: CellLibrary) -> Mapping[str, int]:
        """Return by how many cells of each type the netlist of ``library`` changed."""
        return {kind: -count for kind, count in self.removed().items()}

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        text = f"block RAM output registers: {self.ports} ports, {self.registers:,} flip-flops fewer"
        return text + (f"; {len(self.left)} ports that are read left without" if self.left else "")


class _Unfit(Exception):
    """Why a port can't have its register."""


def absorb_file(path: Path | str, library: CellLibrary, *, output: Path | str | None = None) -> Absorbed:
    """Absorb registers in the netlist in the JSON file ``path`` of cells of ``library``; return :class:`Absorbed`.

    The result replaces ``path``, or goes to ``output``; it is whole or not written. Families but xc7 name no
    ``memories`` and are left as they are: nothing was at hand to check the output registers of ECP5's block RAM
    against, neither in its mode of 36 bits nor with a clock enable; iCE40 has none.
    :class:`~s2nn_hw.errors.UserError`: no flat netlist.
    """
    netlist = FlatNetlist.read(path, library)
    result = absorb(netlist)
    if result.ports or output is not None:
        netlist.write(output or path)
    return result


def absorb(netlist: FlatNetlist) -> Absorbed:
    """Absorb registers in ``netlist`` (:class:`~s2nn_hw.hw.netlist.flat.FlatNetlist`), which changes; return
    :class:`Absorbed`."""
    ports, registers = 0, 0
    left: list[Left] = []
    gone: set[int] = set()
    memories = [name for name, cell in netlist.cells.items() if cell.type in netlist.library.memories]
    for memory in memories:
        for side in _sides(netlist.cells[memory]):
            bits = list(_read_bits(netlist, memory, side))
            if not bits:
                continue
            try:
                enable = _check(netlist, memory, side, bits)
            except _Unfit as reason:
                left.append(Left(memory, side.name, str(reason)))
                continue
            gone |= {net for _, _, net in bits}
            _absorb(netlist, memory, side, bits, enable)
            ports, registers = ports + 1, registers + len(bits)
    netlist.forget(gone)
    return Absorbed(ports, registers, tuple(left))


def _sides(memory: Cell) -> tuple[_Side, ...]:
    return (_BOTH,) if str(memory.parameters.get("RAM_MODE", "TDP")).strip() == "SDP" else (_A, _B)


def _read_bits(netlist: FlatNetlist, memory: str, side: _Side) -> Iterator[Output]:
    """Yield ``(port, index, net)`` of the data outputs of ``side`` that something reads."""
    for port, index, net in netlist.nets(memory, "output"):
        if port in side.outputs and netlist.loads.get(net):
            yield port, index, net


def _check(netlist: FlatNetlist, memory: str, side: _Side, bits: list[Output]) -> Bit:
    """Return the clock enable that the registers behind ``bits`` share, or raise :class:`_Unfit`."""
    parameters, pins = netlist.cells[memory].parameters, netlist.cells[memory].pins
    if not all(_zero(parameters.get(switch)) for switch in side.switches):
        raise _Unfit("its register is in use")
    if any(str(parameters.get(name, "NONE")).strip() != "NONE" for name in side.extensions):
        raise _Unfit("a cascade")
    if any(pins.get(port, ["0"]) != ["0"] for port in side.resets):
        raise _Unfit("a reset of its register")
    if not all(_zero(parameters.get(name)) for name in side.initial):
        raise _Unfit("an output that does not start at 0")
    if not _zero(parameters.get(f"IS_{side.clock}_INVERTED")):
        raise _Unfit("a falling edge")
    enables = {_enable(netlist, net, pins.get(side.clock)) for _, _, net in bits}
    if len(enables) != 1:
        raise _Unfit("registers with different clock enables")
    return enables.pop()


def _enable(netlist: FlatNetlist, net: int, clock: list[Bit] | None) -> Bit:
    """Return the clock enable of the register that alone reads ``net``; :class:`_Unfit` if there is no such."""
    loads = netlist.loads[net]
    if len(loads) != 1:
        raise _Unfit("an output with several loads")
    if net in netlist.inout or len(netlist.drivers[net]) != 1:
        raise _Unfit("an output with another driver")
    name, port, _ = loads[0]
    register = netlist.cells.get(name)
    if register is None or register.type != REGISTER or port != DATA:
        raise _Unfit("an output that no plain register reads")
    pins, parameters = register.pins, register.parameters
    if register.marked((*PLACED, "keep")):
        raise _Unfit("a register to be kept in its place")
    if pins.get(CLOCK) != clock or any(not _zero(parameters.get(name)) for name in INVERTED):
        raise _Unfit("a register with another clock or an inverted pin")
    if pins.get(RESET) != ["0"]:
        raise _Unfit("a register with a reset")
    if not _zero(parameters.get("INIT")):
        raise _Unfit("a register that does not start at 0")
    (enable,), (out,) = pins.get(ENABLE, ["x"]), pins.get(OUT, ["x"])
    if not isinstance(out, int) or not (isinstance(enable, int) or enable == "1"):
        raise _Unfit("a register without output or clock enable")
    return enable


def _zero(value: object) -> bool:
    """Whether a parameter is absent, 0 or not defined; yosys writes numbers as strings of bits."""
    return value is None or set(str(value).strip()) <= set("0x")


def _absorb(netlist: FlatNetlist, memory: str, side: _Side, bits: list[Output], enable: Bit) -> None:
    cell = netlist.cells[memory]
    for port, index, net in bits:
        ((register, _, _),) = netlist.loads[net]
        out = netlist.cells[register].bit(OUT)
        assert isinstance(out, int)  # as _enable found it
        netlist.remove(register)
        del netlist.drivers[net], netlist.loads[net]
        cell.pins[port][index] = out
        netlist.drivers[out] = [(memory, port, index)]
    for switch, pin in zip(side.switches, side.enables, strict=True):
        cell.parameters[switch] = ON
        netlist.connect(memory, pin, enable)
