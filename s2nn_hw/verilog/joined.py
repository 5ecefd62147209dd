"""Wires that registers of parts of them drive: each part gets a wire of its own, and one connection drives the whole.

An event-driven simulator takes a wire with several drivers for one whose drivers may be at odds, and resolves all its
bits, one by one, whenever a part changes: a thousand bits in a hundred parts took Icarus a hundred times as long.
"""

from s2nn_hw.verilog.rtlil import REGISTERS, Bits, Module, Part, Q, Wire, width_of

INIT = "\\init"


def join_registers(module: Module) -> None:
    """Give registers of ``module`` that are parts here and there of wires whole ones, and such wires one connection."""
    registers = [cell for cell in module.cells if cell.kind in REGISTERS]
    scattered = {part.name for cell in registers if len(cell.ports[Q]) > 1 for part in cell.ports[Q]}
    parts: dict[str, dict[int, Bits]] = {}  # by wire and lowest bit: what drives it
    for cell in registers:
        driven = cell.ports[Q]
        if not scattered & {part.name for part in driven}:
            continue
        own, at = Wire(cell.name, width_of(driven)), 0
        own.attributes = _init(module, driven)
        module.wires[own.name], cell.ports[Q] = own, [Part(own.name, 0, own.width)]
        cell.name = f"${cell.name[1:]}"
        for part in driven:
            parts.setdefault(str(part.name), {})[part.low] = [Part(own.name, at, part.width)]
            at += part.width
    for pair in list(module.connections):
        driven, driver = pair
        if len(driven) == 1 and driven[0].name in parts:
            parts[driven[0].name][driven[0].low] = driver
            module.connections.remove(pair)
    for name, found in parts.items():
        module.wires[name].attributes.pop(INIT, None)
        module.connections.append(_joined(name, found))


def _init(module: Module, driven: Bits) -> dict[str, str]:
    """Return the attribute with what registers of ``driven`` start from."""
    bits = ""
    for part in driven:
        wire = module.wires[str(part.name)]
        text = wire.attributes.get(INIT)
        whole = "x" * wire.width if text is None else text.partition("'")[2].rjust(wire.width, "0")
        bits = whole[wire.width - part.low - part.width : wire.width - part.low] + bits
    return {} if set(bits) == {"x"} else {INIT: f"{len(bits)}'{bits}"}


def _joined(name: str, found: dict[int, Bits]) -> tuple[Bits, Bits]:
    """Return the connection of wire ``name``: ``found`` by lowest bit, what follows each other on one side in a run."""
    runs: Bits = []
    drivers: Bits = []
    for low, driver in sorted(found.items()):
        width, last = width_of(driver), runs[-1] if runs else Part(name, -1, 0)
        if runs and low == last.low + last.width:
            runs[-1] = Part(name, last.low, last.width + width)
        else:
            runs.append(Part(name, low, width))
        drivers += driver
    return runs, drivers
