"""Yosys's intermediate language (RTLIL) as data: read what yosys writes, change it, write it back.

Only what is there after yosys's ``proc``: wires, cells, connections and attributes, no processes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

TOKEN = re.compile(r"[{}]|\[[0-9:]+\]|[\\$]\S+|[0-9]+'\S+|-?[0-9]+")
REGISTERS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce", "$adff")
A, B, S, Y, Q = "\\A", "\\B", "\\S", "\\Y", "\\Q"  # ports of operators and registers
OUTPUTS = (Y, Q, "\\RD_DATA")  # of yosys's own cells; all their other ports are inputs


@dataclass(frozen=True)
class Part:
    """``width`` bits of wire ``name`` from bit ``low`` on; without a name constant ``bits``, high bit first."""

    name: str | None
    low: int
    width: int
    bits: str = ""

    def cut(self, begin: int, width: int) -> "Part":
        """Return ``width`` bits from its bit ``begin`` on."""
        high = len(self.bits) - begin
        return Part(self.name, self.low + begin, width, self.bits[high - width : high] if self.bits else "")


Bits = list[Part]  # a signal, low bits first


@dataclass
class Wire:
    """A wire: ``options`` are the words of its declaration beside width and name, such as ``("input", "3")``."""

    name: str
    width: int
    options: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> bool:
        """Whether it is a port of its module."""
        return "input" in self.options or "output" in self.options or "inout" in self.options


@dataclass
class Cell:
    """A cell of type ``kind``: ``parameters`` and ``attributes`` as text, ``ports`` as signals."""

    kind: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    ports: dict[str, Bits] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def number(self, parameter: str) -> int:
        """Return the value of ``parameter`` as a number, 0 if there is none."""
        text = self.parameters.get(parameter, "0")
        return int(text.partition("'")[2].lstrip("s"), 2) if "'" in text else int(text)

    def set_number(self, parameter: str, value: int) -> None:
        """Set ``parameter`` to a number."""
        self.parameters[parameter] = str(value)

    def inputs(self, modules: "Mapping[str, Module]") -> Iterator[tuple[str, Bits]]:
        """Yield ``(port, signal)`` of the inputs; ``modules``: of the design by name."""
        inner = modules.get(self.kind)
        for port, signal in self.ports.items():
            if ("input" in inner.wires[port].options) if inner else (port not in OUTPUTS):
                yield port, signal


@dataclass
class Module:
    """A module. A signal is a list of :class:`Part`, low bits first; ``connections`` are pairs (driven, driver)."""

    name: str
    attributes: dict[str, str]
    wires: dict[str, Wire] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    connections: list[tuple[Bits, Bits]] = field(default_factory=list)


def width_of(signal: Bits) -> int:
    """Return the number of bits of ``signal``."""
    return sum(part.width for part in signal)


def constant(bits: str) -> Bits:
    """Return ``bits`` (text, high bit first) as a signal."""
    return [Part(None, 0, len(bits), bits)]


def piece(signal: Bits, low: int, width: int) -> Bits:
    """Return ``width`` bits of ``signal`` from bit ``low`` on."""
    parts, place = [], 0
    for part in signal:
        begin, end = max(low - place, 0), min(low + width - place, part.width)
        if begin < end:
            parts.append(part.cut(begin, end - begin))
        place += part.width
    return parts


def resized(signal: Bits, width: int, *, signed: bool = False) -> Bits:
    """Return ``signal`` cut to, or extended by its sign or zeros to, ``width`` bits."""
    parts = piece(signal, 0, width)
    missing = width - width_of(parts)
    if not missing:
        return parts
    top = signal[-1].cut(signal[-1].width - 1, 1) if signal and signed else constant("0")[0]
    return parts + (constant(top.bits * missing) if top.name is None else [top] * missing)


def read(text: str) -> dict[str, Module]:
    """Return the modules of RTLIL ``text`` by name, in its order."""
    modules: dict[str, Module] = {}
    attributes: dict[str, str] = {}
    module = Module("", {})
    cell: Cell | None = None
    for line in text.splitlines():
        word, _, rest = line.lstrip().partition(" ")
        if word == "attribute":
            name, _, attributes[name] = rest.partition(" ")
        elif word == "module":
            module = modules[rest] = Module(rest, attributes)
            attributes = {}
        elif word == "wire":
            *options, name = rest.split()
            width = 1
            if "width" in options:
                place = options.index("width")
                width = int(options[place + 1])
                del options[place : place + 2]
            module.wires[name] = Wire(name, width, tuple(options), attributes)
            attributes = {}
        elif word == "cell":
            kind, name = rest.split()
            cell = Cell(kind, name, attributes=attributes)
            module.cells.append(cell)
            attributes = {}
        elif word == "parameter":
            if cell is None or rest.startswith(("signed ", "real ")):
                raise ValueError(f"RTLIL parameter that can't be read: {line[:80]}")
            name, value = rest.split(" ", 1)
            cell.parameters[name] = value
        elif word == "connect" and cell:
            name, _, rest = rest.partition(" ")
            (cell.ports[name],) = _signals(rest, module)
        elif word == "connect":
            driven, driver = _signals(rest, module)
            module.connections.append((driven, driver))
        elif word == "end":
            cell = None
        elif word and word != "autoidx" and not word.startswith("#"):
            raise ValueError(f"RTLIL that can't be read: {line[:80]}")
    return modules


def _signals(text: str, module: Module) -> list[Bits]:
    """Return the signals in ``text``: both sides of a connection, or what a port is connected to."""
    sides: list[Bits] = []
    inside: Bits | None = None
    for token in TOKEN.findall(text):
        if token == "{":
            inside = []
        elif token == "}":
            sides.append((inside or [])[::-1])
            inside = None
        elif token[0] == "[":
            high, _, lowest = token[1:-1].partition(":")
            whole = inside if inside is not None else sides[-1]
            low = int(lowest or high)
            whole[-1] = Part(whole[-1].name, low, int(high) - low + 1)
        else:
            part = _part(token, module)
            if inside is None:
                sides.append([part])
            else:
                inside.append(part)
    return sides


def _part(token: str, module: Module) -> Part:
    if token[0] in "\\$":
        return Part(token, 0, module.wires[token].width)
    size, quote, bits = token.replace("s", "").partition("'")
    if not quote:
        return Part(None, 0, 32, format(int(token) & 0xFFFFFFFF, "032b"))
    return Part(None, 0, int(size), bits.rjust(int(size), bits[0] if bits[0] in "xz" else "0"))


def _text(signal: Bits, module: Module) -> str:
    words = []
    for part in reversed(signal):
        if part.name is None:
            words.append(f"{part.width}'{part.bits}")
        elif part.width == module.wires[part.name].width:
            words.append(part.name)
        elif part.width == 1:
            words.append(f"{part.name} [{part.low}]")
        else:
            words.append(f"{part.name} [{part.low + part.width - 1}:{part.low}]")
    return words[0] if len(words) == 1 else f"{{ {' '.join(words)} }}"


def write(modules: Mapping[str, Module]) -> str:
    """Return the RTLIL text of ``modules``."""
    lines = []
    for module in modules.values():
        lines += [*_attributes(module, ""), f"module {module.name}"]
        for wire in module.wires.values():
            lines += _attributes(wire, "  ")
            lines.append(" ".join(("  wire", "width", str(wire.width), *wire.options, wire.name)))
        for cell in module.cells:
            lines += [*_attributes(cell, "  "), f"  cell {cell.kind} {cell.name}"]
            lines += [f"    parameter {name} {value}" for name, value in cell.parameters.items()]
            lines += [f"    connect {name} {_text(signal, module)}" for name, signal in cell.ports.items()]
            lines.append("  end")
        lines += [f"  connect {_text(driven, module)} {_text(driver, module)}" for driven, driver in module.connections]
        lines.append("end")
    return "\n".join(lines) + "\n"


def _attributes(of: Module | Wire | Cell, indent: str) -> list[str]:
    return [f"{indent}attribute {name} {value}" for name, value in of.attributes.items()]
