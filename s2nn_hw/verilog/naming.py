"""Names for everything in :mod:`~s2nn_hw.verilog.rtlil` that Verilog and VHDL take, from what signals are for."""

from collections.abc import Mapping
from dataclasses import replace

from s2nn_hw.verilog.identifiers import Names, plain
from s2nn_hw.verilog.rtlil import REGISTERS, Bits, Cell, Module, Q, Y

# what a signal without a name is called, after the cell that drives it
KINDS = {
    "$add": "sum",
    "$sub": "difference",
    "$mul": "product",
    "$neg": "negated",
    "$and": "both",
    "$or": "either",
    "$xor": "differing",
    "$xnor": "same",
    "$not": "inverse",
    "$eq": "equal",
    "$ne": "unequal",
    "$lt": "below",
    "$le": "at_most",
    "$gt": "above",
    "$ge": "at_least",
    "$mux": "chosen",
    "$reduce_or": "any",
    "$reduce_bool": "any",
    "$reduce_and": "all",
    "$reduce_xor": "parity",
    "$shr": "shifted",
}
# or after what it goes to, if all of it goes there
REGISTER_PORTS = {"\\D": "next", "\\EN": "enable", "\\SRST": "clear", "\\ARST": "clear"}
MEMORY_PORTS = {
    "\\RD_ADDR": "read_address",
    "\\RD_EN": "read_enable",
    "\\WR_ADDR": "write_address",
    "\\WR_DATA": "write_data",
    "\\WR_EN": "write_enable",
}


Called = dict[str | tuple[str, str], str]  # new names: of wires by the old one, of cells by the old one and their kind


def named(modules: Mapping[str, Module], top: str) -> dict[str, Module]:
    """Return ``modules`` with plain names throughout."""
    # no top module has two underscores in a row in its name: no module of another design is called as one of this
    taken, called = Names(), {top: top}
    prefix = top[1:]
    for name in modules:
        if name != top:
            called[name] = f"\\{prefix}__{taken.take(name.removeprefix(f'{top}.'))}"
    wires = {name: _wire_names(module, modules, name == top) for name, module in modules.items()}
    return {called[name]: _renamed(module, called, wires) for name, module in modules.items()}


def _wire_names(module: Module, modules: Mapping[str, Module], is_top: bool) -> Called:
    """Return new names by the old ones for everything in ``module`` that Verilog gives a name."""
    names, purposes = Names(), _purposes(module, modules)
    result: Called = {}
    public = [wire for wire in module.wires.values() if wire.name[0] == "\\"]
    for wire in public:
        if wire.port:
            result[wire.name] = names.take(plain(wire.name) if is_top else wire.name[1:])
    for cell in module.cells:
        if cell.kind[0] == "\\" or cell.kind == "$mem_v2":
            result[cell.name, cell.kind] = names.take(cell.name[1:])
        elif cell.kind in REGISTERS:  # yosys calls the register of a part of a wire as its cell
            register = cell.ports[Q][0].name or ""
            result[cell.name, cell.kind] = names.take(f"{register[1:]}_register")
    for wire in public:
        if not wire.port:
            result[wire.name] = names.take(wire.name[1:])
    for name in module.wires:
        if name[0] == "$":
            result[name] = names.take(purposes.get(name, "unnamed"))
    return {old: f"\\{new}" for old, new in result.items()}


def _purposes(module: Module, modules: Mapping[str, Module]) -> dict[str | None, str]:
    """Return what each wire without a name should be called: after what reads the whole of it, or what drives it."""
    result: dict[str | None, str] = {}

    def note(signal: Bits, text: str) -> None:
        if (
            len(signal) == 1
            and signal[0].name
            and signal[0].name[0] == "$"
            and signal[0].width == module.wires[signal[0].name].width
        ):
            result.setdefault(signal[0].name, text)

    for cell in module.cells:
        if cell.kind in REGISTERS:
            (first, *others) = cell.ports[Q]
            for port, purpose in REGISTER_PORTS.items():
                if not others and first.name and first.name[0] == "\\":
                    note(cell.ports.get(port, []), f"{first.name[1:]}_{purpose}")
        elif cell.kind in modules or cell.kind == "$mem_v2":
            for port, signal in cell.ports.items():
                what = port[1:] if cell.kind in modules else MEMORY_PORTS.get(port)
                if what:
                    note(signal, f"{cell.name[1:]}_{what}")
    for cell in module.cells:
        if cell.kind in KINDS:
            for part in cell.ports[Y]:
                result.setdefault(part.name, KINDS[cell.kind])
    for driven, (driver, *_) in module.connections:
        if driver.name in result:
            for part in driven:
                result.setdefault(part.name, f"{result[driver.name]}_low")
    return result


def _renamed(module: Module, called: Mapping[str, str], wires: Mapping[str, Called]) -> Module:
    """Return ``module`` under its new names, without attributes that mean something to our tools alone."""
    names = wires[module.name]

    def renamed(signal: Bits) -> Bits:
        return [part if part.name is None else replace(part, name=names[part.name]) for part in signal]

    registers = {part.name for cell in module.cells if cell.kind in REGISTERS for part in cell.ports[Q]}
    result, own = Module(called[module.name], {}), ("\\full_case", "\\keep")
    for wire in module.wires.values():
        kept = {"\\init": wire.attributes["\\init"]} if wire.name in registers and "\\init" in wire.attributes else {}
        result.wires[names[wire.name]] = replace(wire, name=names[wire.name], attributes=kept)
    for cell in module.cells:
        new, name, ports = called.get(cell.kind, cell.kind), cell.name, cell.ports
        parameters, attributes = cell.parameters, {k: v for k, v in cell.attributes.items() if k not in own}
        if (name, cell.kind) in names:
            name = names[name, cell.kind]
        if cell.kind in called:
            ports = {wires[cell.kind][port]: signal for port, signal in ports.items()}
        elif cell.kind == "$mem_v2":
            parameters = parameters | {"\\MEMID": f'"\\\\{name[1:]}"'}
        ports = {port: renamed(signal) for port, signal in ports.items()}
        result.cells.append(Cell(new, name, parameters, ports, attributes))
    result.connections = [(renamed(driven), renamed(driver)) for driven, driver in module.connections]
    return result
