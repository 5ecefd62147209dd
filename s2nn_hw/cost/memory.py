"""What a device family offers, what control costs there, and where a memory goes.

Memories follow the rule of yosys's ``memory_libmap``: of all shapes that hold a memory the one with the lowest cost
is taken, and a read-only memory competes with logic at a price per bit. A memory that is read at several addresses
at once takes a copy for each; memories of LUTs on Xilinx can be read at three.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, log


@dataclass(frozen=True)
class Family:
    """One device family, called ``name``.

    ``blocks``: kinds of block RAM as ``(share of a unit, cost, shapes)``; ``block_bits``: of one unit; ``rom_bit``:
    cost of a read-only bit in logic; ``lutram``: ``(cost, LUTs, shapes)`` of a memory made of LUTs, None if there is
    none; ``lutram_ports``: shapes of the same cell when three ports read it; ``rom_rows``: rows of one bit that a LUT
    holds, ``rom_mux`` LUTs join two, unless ``rom_curves`` have LUTs of a column by rows, ``(of weights of one or two
    bits, of more)``, as measured. ``inputs``: of a LUT.

    LUTs: ``carry`` bits come in steps of so many; ``double`` per accumulator bit for the doubling between bit planes,
    ``reload`` where there is only one plane, for going back to the start; ``start`` per accumulator bit that
    starts at a value of its group; ``preset`` per accumulator bit that starts at 1;
    ``queue`` per bit of a queue of flip-flops; ``scan`` per input of a bank; ``fire`` per spike; ``argmax`` per
    compared score bit, ``winner`` behind an unrolled readout; ``pixel`` per bit of a beat; ``layer`` and ``fixed``:
    control of each layer, of the whole;
    ``window``: control of a window (one position, a sliding kernel, more for pooling cells), ``gate``: per bit that
    leaves it. ``link``: LUTs and flip-flops of the host link but for its frame buffer, and of both for each bit of a
    beat. ``apart``: share of the flip-flops that take a logic cell of their own, where a cell holds a LUT and a
    flip-flop and is what is counted. ``shift``: registers in a row from which synthesis makes a LUT a bit of them, 0 if
    it never does. ``room``: shares of LUTs, flip-flops and block RAMs that a plan may take.
    """

    title: str
    lut_kind: str
    bram_kind: str
    block_bits: int
    blocks: tuple
    rom_bit: float
    lutram: tuple | None
    lutram_ports: tuple
    rom_rows: int
    rom_mux: float
    inputs: int
    carry: int
    double: float
    reload: float
    start: float
    preset: float
    queue: float
    scan: float
    fire: float
    argmax: float
    winner: float
    pixel: float
    layer: float
    fixed: float
    window: tuple
    gate: float
    link: tuple
    rom_curves: tuple = ()
    name: str = ""
    apart: float = 0.0
    shift: int = 0
    room: tuple = (0.9, 0.9, 0.9)

    def cells(self, cost):
        """Return how much of the device's count of LUTs the :class:`Cost` takes once it is placed."""
        return cost.luts + self.apart * cost.ffs


XC7 = Family(
    "Xilinx 7 series",
    "LUT6",
    "RAMB36",
    36 * 1024,
    blocks=(
        (0.5, 129, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),
        (1.0, 257, ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))),
    ),
    rom_bit=1 / 64,
    lutram=(8, 4, ((32, 6), (64, 3))),
    lutram_ports=((32, 2), (64, 1)),
    rom_rows=64,
    rom_mux=1,
    inputs=6,
    carry=1,
    double=0.0,
    reload=0.0,
    start=0.35,
    preset=0.0,
    queue=0.0,
    scan=6.0,
    fire=0.35,
    argmax=1.7,
    winner=2.1,
    pixel=1.0,
    layer=25,
    fixed=160,
    window=(20, 54, 25),
    gate=1.0,
    link=(542, 344, 0.4, 1.0),
    name="xc7",
    shift=3,
    # yosys 0.70, trained and random tables: a column of few ones is cut into more LUTs than one of many
    rom_curves=(((32, 1), (49, 1.9), (128, 4.5), (200, 7.8), (512, 13.8)), ((64, 1), (128, 2.9), (512, 9.3))),
)
ECP5 = Family(
    "Lattice ECP5",
    "LUT4",
    "DP16KD",
    18 * 1024,
    blocks=((1.0, 128, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),),
    rom_bit=1 / 16,
    lutram=(4, 3, ((16, 4),)),
    lutram_ports=(),
    rom_rows=16,
    rom_mux=0,
    inputs=4,
    carry=2,
    double=1.0,
    reload=1.0,
    start=1.0,
    preset=0.0,
    queue=0.0,
    scan=7.0,
    fire=2.0,
    argmax=3.0,
    winner=3.0,
    pixel=1.0,
    layer=25,
    fixed=300,
    window=(90, 105, 60),
    gate=1.0,
    link=(702, 298, 2.3, 3.8),
    name="ecp5",
)
ICE40 = Family(
    "Lattice iCE40",
    "LUT4",
    "EBR",
    4 * 1024,
    blocks=((1.0, 64, ((256, 16), (512, 8), (1024, 4), (2048, 2))),),
    rom_bit=1 / 16,
    lutram=None,
    lutram_ports=(),
    rom_rows=16,
    rom_mux=1.5,
    inputs=4,
    carry=1,
    double=1.0,
    reload=0.0,
    start=1.0,
    preset=1.0,
    queue=0.7,
    scan=6.5,
    fire=0.8,
    argmax=2.9,
    winner=3.0,
    pixel=1.0,
    layer=25,
    fixed=330,
    window=(97, 97, 45),
    gate=1.0,
    link=(1015, 660, 1.2, 3.3),
    name="ice40",
    apart=0.55,
    # cells and blocks are counted as placement makes them, and a slow clock leaves routing easy
    room=(0.98, 1.0, 1.0),
)
# as on ECP5, but carry chains come by the bit, and a memory of 16 x 4 takes two LUTs for its write address
GOWIN = replace(
    ECP5,
    title="Gowin GW1N and GW2A",
    bram_kind="BSRAM",
    link=(758, 298, 1.4, 3.8),
    lutram=(4, 6, ((16, 4),)),
    carry=1,
    name="gowin",
)
FAMILIES = {"xc7": XC7, "ecp5": ECP5, "ice40": ICE40, "gowin": GOWIN}


@dataclass(frozen=True)
class Cost:
    """LUTs, flip-flops and block RAMs in the family's units; costs add up and multiply."""

    luts: float = 0.0
    ffs: float = 0.0
    brams: float = 0.0

    def __add__(self, other):
        return Cost(self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams)

    def __mul__(self, times):
        return Cost(self.luts * times, self.ffs * times, self.brams * times)


def _count(shapes, rows, width):
    return min(ceil(rows / deep) * ceil(width / wide) for deep, wide in shapes)


def _blocks(family, rows, width):
    return [
        (_count(shapes, rows, width) * cost, Cost(brams=share * _count(shapes, rows, width)))
        for share, cost, shapes in family.blocks
    ]


def rom(family, rows, width, memory="auto", *, bits=8, columns=None):
    """Return the :class:`Cost` of a read-only memory with a registered output.

    ``memory``: ``auto`` takes what is cheaper, ``block`` and ``distributed`` (logic) what they say. In logic ``bits``
    of a weight count, and how many different ``columns`` there are (default: as many as so few rows can have).
    """
    functions = min(width, 2 ** min(rows, 16) if columns is None else columns)
    logic = Cost(luts=functions * column_luts(family, rows, bits), ffs=functions if columns is not None else width)
    options = {
        "auto": [(rows * width * family.rom_bit, logic), *_blocks(family, rows, width)],
        "block": _blocks(family, rows, width),
        "distributed": [(0, logic)],
    }[memory]
    # of equal costs the first is taken
    return min(options, key=lambda option: option[0])[1]


def column_luts(family, rows, bits):
    """Return the LUTs of one column of ``rows`` bits in logic."""
    if not family.rom_curves:
        parts = max(1, rows / family.rom_rows)  # joined by multiplexers
        return parts + family.rom_mux * (parts - 1)
    curve = family.rom_curves[bits > 2]
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


def ram(family, rows, width, *, registered, ports=1, block=False):
    """Return the :class:`Cost` of a memory with a write port and ``ports`` to read, ``registered`` or read at once.

    ``block``: in block RAM, whatever is cheaper.
    """
    # of equal costs the first is taken: flip-flops need no help when a row is read while it is written
    bits, held = rows * width, width * ports if registered else 0
    luts = bits * family.queue + (ports - 1) * width * rows / 4
    options = [(bits * ports, Cost(luts=luts, ffs=bits + held))]
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


def multiplexer(family, ways):
    """Return the LUTs of a multiplexer of ``ways`` inputs for one bit: a LUT takes ``inputs - 2`` of them (and two
    address bits), further ones add up."""
    return (ways - 1) / (3 if family.inputs == 6 else 1) if ways > 1 else 0
