"""What a device family offers, what control costs there, and where a memory goes.

Memories follow the rule of yosys's ``memory_libmap``: of all shapes that hold a memory the one with the lowest cost
is taken, and a read-only memory competes with logic at a price per bit. A memory that is read at several addresses
at once takes a copy for each; memories of LUTs on Xilinx can be read at three.
"""

from itertools import pairwise
from math import ceil, log

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family, Shapes


def _count(shapes: Shapes, rows: int, width: int) -> int:
    return min(ceil(rows / deep) * ceil(width / wide) for deep, wide in shapes)


def _blocks(family: Family, rows: int, width: int) -> list[tuple[float, Cost]]:
    return [
        (_count(shapes, rows, width) * cost, Cost(brams=share * _count(shapes, rows, width)))
        for share, cost, shapes in family.blocks
    ]


def rom(family: Family, rows: int, width: int, memory: str = "auto", *, columns: int | None = None) -> Cost:
    """Return the :class:`Cost` of a read-only memory with a registered output.

    ``memory``: ``auto`` takes what is cheaper, ``block`` and ``distributed`` (logic) what they say. In logic it
    counts how many different ``columns`` there are (default: as many as so few rows can have).
    """
    functions = min(width, 2 ** min(rows, 16) if columns is None else columns)
    logic = Cost(luts=functions * column_luts(family, rows), ffs=functions if columns is not None else width)
    options: dict[str, list[tuple[float, Cost]]] = {
        "auto": [(rows * width * family.rom_bit, logic), *_blocks(family, rows, width)],
        "block": _blocks(family, rows, width),
        "distributed": [(0, logic)],
    }
    # of equal costs the first is taken
    return min(options[memory], key=lambda option: option[0])[1]


def column_luts(family: Family, rows: int) -> float:
    """Return the LUTs of one column of ``rows`` bits in logic."""
    if not family.rom_curve:
        parts = max(1, rows / family.rom_rows)  # joined by multiplexers
        return parts + family.rom_mux * (parts - 1)
    curve = family.rom_curve
    (_, first), (last, most) = curve[0], curve[-1]
    if rows >= last:
        return most * rows / last
    return next(
        (
            low + (high - low) * log(rows / small) / log(large / small)
            for (small, low), (large, high) in pairwise(curve)
            if small <= rows < large
        ),
        first,
    )


def ram(family: Family, rows: int, width: int, *, registered: bool, ports: int = 1, block: bool = False) -> Cost:
    """Return the :class:`Cost` of a memory with a write port and ``ports`` to read, ``registered`` or read at once.

    ``block``: in block RAM, whatever is cheaper.
    """
    # of equal costs the first is taken: flip-flops need no help when a row is read while it is written
    bits, held = rows * width, width * ports if registered else 0
    luts = bits * family.queue + (ports - 1) * width * rows / 4
    options: list[tuple[float, Cost]] = [(bits * ports, Cost(luts=luts, ffs=bits + held))]
    if registered:
        blocks = [(cost * ports, store * ports) for cost, store in _blocks(family, rows, width)]
        options = blocks if block and blocks else options + blocks
    if family.lutram and not block:
        cost, luts, shapes = family.lutram
        cells = _count(shapes, rows, width) * ports
        if family.lutram_ports and ports > 1:
            cells = min(cells, _count(family.lutram_ports, rows, width) * ceil(ports / 3))
        deepest = max(deep for deep, _ in shapes)
        joined = width * ports * (ceil(rows / deepest) - 1) / 3 if family.lutram_ports else 0
        options.append((cells * cost, Cost(luts=cells * luts + joined, ffs=held)))
    return min(options, key=lambda option: option[0])[1]


def multiplexer(family: Family, ways: int) -> float:
    """Return the LUTs of a multiplexer of ``ways`` inputs for one bit: a LUT takes ``inputs - 2`` of them (and two
    address bits), further ones add up."""
    return (ways - 1) / (3 if family.inputs == 6 else 1) if ways > 1 else 0


def bits_for(count: int) -> int:
    """Return the bits of a number below ``count``, at least one."""
    return max(1, (count - 1).bit_length())
