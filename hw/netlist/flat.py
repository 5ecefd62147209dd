"""The flattened, mapped netlist that yosys writes as JSON: who drives and who reads each net, and what nets are called.

Its parts are records of :mod:`s2nn_hw.verilog.netlist`, which says what a *net* is. A *pin* is a tuple ``(cell, port,
index)``; the ports of the design itself are pins of the cell ``""``.
"""

import json
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Self

from s2nn_hw.errors import UserError, one_line
from s2nn_hw.files import read_bytes, write_text
from s2nn_hw.hw.netlist.primitives import CellLibrary, Primitive, pin_kind
from s2nn_hw.verilog.netlist import Bit, Cell, Design, Json, Module, Name, reading

DESIGN = ""  # the cell whose pins are the design's own ports

Pin = tuple[str, str, int]


class FlatNetlist:
    """The top module of ``design`` (yosys's JSON), mapped to the cells of ``library``.

    ``cells`` and ``names`` (of nets): its own, by name. ``drivers`` and ``loads``: by net, its pins in the order of the
    file; an inout pin is in ``inout`` alone.
    :class:`UserError` if it is no flat netlist; ``what`` is how that calls it.
    """

    def __init__(self, design: Json, library: CellLibrary, what: str = "netlist") -> None:
        self.library, top = library, _top(design, what)
        self.drivers: dict[int, list[Pin]] = {}
        self.loads: dict[int, list[Pin]] = {}
        self.inout: dict[int, list[Pin]] = {}
        try:
            self.design = Design.of(design, top)
            self.module: Module = self.design.module
            self.cells: dict[str, Cell] = self.module.cells
            self.names: dict[str, Name] = self.module.names
            self._wire()
        except KeyError as error:
            raise UserError(
                f"{what} has cells without connections or directions ({one_line(error)}); it must be what yosys's "
                "write_json writes after a synth_... command"
            ) from None
        except (TypeError, AttributeError) as error:
            raise UserError(f"{what} is none of yosys's: {one_line(error)}; write it with write_json") from None
        self._names: dict[int, tuple[bool, int, str]] | None = None

    @classmethod
    def read(cls, path: Path | str, library: CellLibrary) -> Self:
        """Return the netlist in the file ``path``; :class:`UserError` if there is none."""
        with reading():
            try:
                design = json.loads(read_bytes(path, what="netlist"))
            except RecursionError:
                raise UserError(f"netlist {path} is nested too deep; it is what yosys's write_json writes") from None
            except ValueError as error:
                raise UserError(f"netlist {path} is not JSON ({error}); it is what yosys's write_json writes") from None
            return cls(design, library, f"netlist {Path(path)}")

    def to_json(self) -> Json:
        """Return the whole design in yosys's JSON form."""
        return self.design.to_json()

    def write(self, path: Path | str) -> None:
        """Write the whole design as JSON to ``path``, or nothing."""
        try:
            text = json.dumps(self.to_json(), separators=(",", ":"))
        except RecursionError:  # what is passed on as it came
            raise UserError(f"netlist {path} can't be written: what was read is nested too deep") from None
        write_text(path, text + "\n")

    def primitive(self, cell: str) -> Primitive | None:
        """Return the :class:`~s2nn_hw.hw.netlist.primitives.Primitive` of the cell called ``cell``, None if its type
        is not known."""
        return self.library.primitives.get(self.type(cell)) if cell != DESIGN else None

    def known(self, cell: str) -> Primitive:
        """Return the primitive of the cell called ``cell``, whose type is known."""
        return self.library.primitives[self.type(cell)]

    def type(self, cell: str) -> str:
        """Return the type of the cell called ``cell``."""
        return self.cells[cell].type

    def kind(self, cell: str) -> str:
        """Return the kind of the cell called ``cell``: that of its primitive, "port" or "other"."""
        if cell == DESIGN:
            return "port"
        primitive = self.primitive(cell)
        return primitive.kind if primitive else "other"

    def pin_kind(self, pin: Pin) -> str:
        """Return in a word what an input ``pin`` is."""
        cell, port, _ = pin
        return "port" if cell == DESIGN else pin_kind(self.primitive(cell), port)

    def nets(self, cell: str, direction: str) -> Iterator[tuple[str, int, int]]:
        """Yield ``(port, index, net)`` of the connected pins of ``cell`` in ``direction`` ("input", "output")."""
        data = self.cells[cell]
        directions = data.directions
        for port, bits in data.pins.items():
            if directions[port] == direction:
                for index, net in enumerate(bits):
                    if isinstance(net, int):
                        yield port, index, net

    def is_clock(self, net: int) -> bool:
        """Whether ``net`` drives a clock pin or comes from a clock buffer, a PLL's clock output or an oscillator."""
        for cell, port, _ in self.drivers.get(net, ()):
            primitive = self.primitive(cell)
            if primitive and primitive.gives and port.startswith(primitive.gives):
                return True
        for cell, port, _ in self.loads.get(net, ()):
            primitive = self.primitive(cell)
            if primitive and port in primitive.clocks:
                return True
        return False

    def name(self, net: int) -> str:
        """Return the name of ``net``, ``word[3]`` if it is a bit of several; names that people gave come first."""
        if self._names is None:
            self._names = {}
            for name, entry in self.names.items():
                hidden = entry.hidden or name.startswith("$")
                for index, bit in enumerate(entry.bits):
                    if isinstance(bit, int):
                        full = f"{name}[{index}]" if len(entry.bits) > 1 else name
                        rank = (hidden, len(full), full)
                        if bit not in self._names or rank < self._names[bit]:
                            self._names[bit] = rank
        return self._names[net][2] if net in self._names else f"net {net}"

    def highest(self) -> int:
        """Return the highest number of a net."""
        named = (net for entry in self.names.values() for net in entry.bits if isinstance(net, int))
        return max((*self.drivers, *self.loads, *self.inout, *named), default=1)

    def taken(self, name: str) -> bool:
        """Whether a cell or a net is called ``name``; yosys wants them apart."""
        return name in self.cells or name in self.names

    def add_name(self, net: int, name: str) -> None:
        """Call ``net`` ``name``, with a number behind it if something is called so."""
        free, number = name, 1
        while self.taken(free):
            number += 1
            free = f"{name}_{number}"
        hidden = free.startswith("$")
        self.names[free] = Name([net], hidden)
        if self._names is not None:
            self._names[net] = (hidden, len(free), free)

    def remove(self, cell: str) -> None:
        """Take the cell called ``cell`` away; nets that it drove have no driver then."""
        for direction, side in (("input", self.loads), ("output", self.drivers)):
            for port, index, net in self.nets(cell, direction):
                side[net].remove((cell, port, index))
        del self.cells[cell]

    def connect(self, cell: str, port: str, net: Bit) -> None:
        """Connect the one input pin ``port`` of ``cell`` to ``net``, a net or a constant."""
        data, pin = self.cells[cell], (cell, port, 0)
        (before,) = data.pins.get(port, ["x"])
        if isinstance(before, int):
            self.loads[before].remove(pin)
        data.pins[port], data.directions[port] = [net], "input"
        if isinstance(net, int):
            self.loads.setdefault(net, []).append(pin)

    def forget(self, nets: Set[int]) -> None:
        """Take ``nets`` out of the names: a name of theirs alone goes, in others their bits become "x"."""
        for name, entry in list(self.names.items()):
            kept: list[Bit] = ["x" if net in nets else net for net in entry.bits]
            if kept != entry.bits:
                entry.bits = kept
                if not any(isinstance(net, int) for net in kept):
                    del self.names[name]
        self._names = None

    def marked(self, attribute: str) -> set[int]:
        """Return the set of nets of which a name has ``attribute``."""
        marked = (entry.bits for entry in self.names.values() if attribute in entry.attributes)
        return {net for bits in marked for net in bits if isinstance(net, int)}

    def _wire(self) -> None:
        for name, port in self.module.ports.items():
            side = {"input": self.drivers, "output": self.loads}.get(port.direction, self.inout)
            self._add(side, DESIGN, name, port.bits)
        for cell, data in self.cells.items():
            directions = data.directions
            for name, bits in data.pins.items():
                side = {"output": self.drivers, "input": self.loads}.get(directions[name], self.inout)
                self._add(side, cell, name, bits)
        lowest = min(min(side, default=0) for side in (self.drivers, self.loads, self.inout))
        if lowest < 0:
            raise TypeError(f"a net has the number {lowest}")

    @staticmethod
    def _add(side: dict[int, list[Pin]], cell: str, port: str, bits: list[Bit]) -> None:
        for index, net in enumerate(bits):
            if isinstance(net, int):
                if net in side:
                    side[net].append((cell, port, index))
                else:
                    side[net] = [(cell, port, index)]


def _top(design: Json, what: str) -> str:
    """Return the name of the top module of ``design`` if it is flat."""
    modules = design.get("modules") if isinstance(design, dict) else None
    if not isinstance(modules, dict) or not all(isinstance(module, dict) for module in modules.values()):
        raise UserError(f"{what} has no modules; it must be what yosys's write_json writes")
    tops = [name for name, module in modules.items() if _flag(module, "top")]
    if len(tops) != 1:
        raise UserError(f"{what} has {len(tops)} top modules, one is wanted; synthesise with `-top`")
    top = modules[tops[0]]
    ports, cells, names = (top.get(part) for part in ("ports", "cells", "netnames"))
    if not (isinstance(ports, dict) and isinstance(cells, dict) and isinstance(names, dict)):
        raise UserError(
            f"{what}: module {tops[0]} has no ports, cells or netnames; it must be what yosys's write_json writes"
        )
    if top.get("processes") or top.get("memories"):
        raise UserError(f"{what}: module {tops[0]} has processes or memories; run yosys's synth_... command first")
    for name, cell in cells.items():
        kind = str(cell.get("type")) if isinstance(cell, dict) else ""
        module = modules.get(kind)
        if kind.startswith("$") and kind != "$scopeinfo":
            raise UserError(f"{what} is not mapped: cell {name} is a {kind}; run yosys's synth_... command first")
        if module is not None and not any(_flag(module, mark) for mark in ("blackbox", "whitebox")):
            raise UserError(f"{what} is not flat: cell {name} is a module, {kind}; synthesise with `-flatten`")
    return tops[0]


def _flag(module: Json, name: str) -> bool:
    """Whether attribute ``name`` of ``module`` is set; yosys writes numbers as strings of bits."""
    attributes = module.get("attributes", {})
    value = attributes.get(name, 0) if isinstance(attributes, dict) else 0
    return bool(int(value, 2) if isinstance(value, str) and set(value) <= set("01") and value else value)
