"""Widths as Verilog's rules want them: no operator works on more bits than are read, and both sides have as many.

Works on :mod:`~s2nn_hw.verilog.rtlil` and on operators that Verilog has; :func:`explain_selections` replaces the
others.
"""

from collections.abc import Mapping

from s2nn_hw.verilog.rtlil import (
    REGISTERS,
    A,
    B,
    Bits,
    Cell,
    Module,
    Part,
    S,
    Wire,
    Y,
    constant,
    piece,
    resized,
    width_of,
)

ARITHMETIC = ("$add", "$sub", "$mul", "$neg", "$and", "$or", "$xor", "$xnor", "$not")
COMPARISONS = ("$eq", "$ne", "$lt", "$le", "$gt", "$ge")
# whose widths are right as they are
FITTING = (
    *REGISTERS,
    "$mux",
    "$shr",
    "$shift",
    "$shiftx",
    "$mem_v2",
    "$reduce_and",
    "$reduce_or",
    "$reduce_xor",
    "$reduce_xnor",
    "$reduce_bool",
)


def fit_widths(module: Module, modules: Mapping[str, Module]) -> None:
    """Cut results of ``module`` to the bits that are read, then give both sides of each operator as many bits."""
    _drop_unread(module, modules)
    _shorten(module, modules)
    _equal_widths(module)


def explain_selections(module: Module) -> None:
    """Replace ``$pmux``, one of several by one-hot bits, and ``$logic_not`` by what Verilog has operators for."""
    cells: list[Cell] = []
    for cell in module.cells:
        if cell.kind == "$logic_not":
            cell.kind = "$eq"
            cell.ports[B] = constant("0" * width_of(cell.ports[A]))
            cell.parameters |= {"\\B_SIGNED": "0", "\\B_WIDTH": cell.parameters["\\A_WIDTH"]}
        cells += _one_hot(module, cell) if cell.kind == "$pmux" else [cell]
    module.cells = cells


def _one_hot(module: Module, cell: Cell) -> list[Cell]:
    """Return cells that do what ``cell``, a ``$pmux``, does: the OR of all inputs, each under its own bit."""
    width, bits = cell.number("\\WIDTH"), cell.number("\\S_WIDTH")
    inputs, select, default = cell.ports[B], cell.ports[S], cell.ports[A]
    cells: list[Cell] = []

    def gate(kind: str, a: Bits, b: Bits) -> Bits:
        wire = Wire(f"{cell.name}${len(cells)}", width)
        module.wires[wire.name] = wire
        output = [Part(wire.name, 0, width)]
        cells.append(Cell(kind, f"{cell.name}$cell{len(cells)}", _operator(width), {"\\A": a, "\\B": b, "\\Y": output}))
        return output

    terms = [gate("$and", piece(inputs, k * width, width), piece(select, k, 1) * width) for k in range(bits)]
    while len(terms) > 1:
        terms = [gate("$or", *terms[k : k + 2]) if k + 1 < len(terms) else terms[k] for k in range(0, len(terms), 2)]
    if all(part.name is None and set(part.bits) <= set("0x") for part in default):
        cells[-1].ports[Y] = cell.ports[Y]
        return cells
    wire = Wire(f"{cell.name}$any", 1)
    module.wires[wire.name] = wire
    chosen = [Part(wire.name, 0, 1)]
    cells.append(
        Cell(
            "$reduce_or",
            f"{cell.name}$cell{len(cells)}",
            {"\\A_SIGNED": "0", "\\A_WIDTH": str(bits), "\\Y_WIDTH": "1"},
            {"\\A": select, "\\Y": chosen},
        )
    )
    cells.append(
        Cell(
            "$mux",
            f"{cell.name}$cell{len(cells)}",
            {"\\WIDTH": str(width)},
            {"\\A": default, "\\B": terms[0], "\\S": chosen, "\\Y": cell.ports[Y]},
        )
    )
    return cells


def _operator(width: int, *, operands: str = "AB", signed: bool = False) -> dict[str, str]:
    """Return the parameters of an operator all of whose ports have ``width`` bits."""
    parameters = {"\\Y_WIDTH": str(width)}
    for operand in operands:
        parameters |= {f"\\{operand}_SIGNED": str(int(signed)), f"\\{operand}_WIDTH": str(width)}
    return parameters


def _drop_unread(module: Module, modules: Mapping[str, Module]) -> None:
    """Take away high bits of results, aliases and wires that nothing reads."""
    used = {part.name for cell in module.cells for _, signal in cell.inputs(modules) for part in signal}
    used |= {part.name for _, driver in module.connections for part in driver}
    used |= {wire.name for wire in module.wires.values() if wire.port or "\\keep" in wire.attributes}
    module.connections = [
        (driven, driver) for driven, driver in module.connections if any(part.name in used for part in driven)
    ]
    for cell in module.cells:
        result = cell.ports.get("\\Y", [])
        if cell.kind in ARITHMETIC or cell.kind == "$mux":
            while len(result) > 1 and result[-1].name not in used:
                result.pop()
            _set_width(cell, width_of(result))
    present = used | {part.name for cell in module.cells for signal in cell.ports.values() for part in signal}
    present |= {part.name for driven, _ in module.connections for part in driven}
    module.wires = {name: wire for name, wire in module.wires.items() if name in present}


def _set_width(cell: Cell, width: int) -> None:
    """Make an operator or ``$mux`` one of ``width`` bits; operators are cut to it by :func:`_equal_widths`."""
    if cell.kind == "$mux":
        cell.set_number("\\WIDTH", width)
        cell.ports |= {port: resized(cell.ports[port], width) for port in ("\\A", "\\B")}
    else:
        cell.set_number("\\Y_WIDTH", width)


def _shorten(module: Module, modules: Mapping[str, Module]) -> None:
    """Take away the high bits of results that nothing reads: carries, and what is made of them."""
    drivers: dict[str, Cell] = {}
    for cell in module.cells:
        if cell.kind in ARITHMETIC or cell.kind == "$mux":
            (first, *others) = cell.ports[Y]
            if not others and first.name and first.width == module.wires[first.name].width:
                drivers[first.name] = cell
    needed = {
        name: wire.width if wire.port or "\\keep" in wire.attributes else 1 for name, wire in module.wires.items()
    }
    changed, cut = list(drivers), {id(cell) for cell in drivers.values()}

    def note(signal: Bits, width: int) -> None:
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
        cell.ports[Y] = [Part(name, 0, needed[name])]
        _set_width(cell, needed[name])


def _equal_widths(module: Module) -> None:
    """Extend what enters an operator to the width it works in, as Verilog would without saying so."""
    for cell in list(module.cells):
        if cell.kind in ("$lt", "$ge") and not cell.number("\\A_SIGNED") and _is_zero(cell.ports[B]):
            module.connections.append((cell.ports[Y], constant("0" if cell.kind == "$lt" else "1")))
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
        elif cell.kind in FITTING or not cell.kind.startswith("$"):
            continue
        else:
            raise NotImplementedError(f"no rule for the widths of {cell.kind}")
        for operand in operands:
            cell.ports[f"\\{operand}"] = resized(cell.ports[f"\\{operand}"], width, signed=signed[operand])
        cell.parameters |= _operator(width, operands=operands, signed=keep) | {
            "\\Y_WIDTH": cell.parameters["\\Y_WIDTH"]
        }


def _widen_result(module: Module, cell: Cell) -> None:
    """Let a shift to the right have all its bits, and what it drove the lowest of them: a table that is looked up.

    A shift either way stays what it is, and so do bits of a signal that are chosen by a number (``$shiftx``), as
    Verilog has words for it.
    """
    chosen = cell.kind == "$shiftx" and any(part.name for part in cell.ports[A])
    if chosen or cell.number("\\B_SIGNED"):
        return
    cell.kind = "$shr"
    result, width = cell.ports[Y], width_of(cell.ports[A])
    if width_of(result) < width:
        wire = Wire(f"{cell.name}$all", width)
        module.wires[wire.name] = wire
        module.connections.append((result, [Part(wire.name, 0, width_of(result))]))
        cell.ports[Y] = [Part(wire.name, 0, width)]
        cell.set_number("\\Y_WIDTH", width)


def _is_zero(signal: Bits) -> bool:
    return all(part.name is None and not part.bits.strip("0") for part in signal)
