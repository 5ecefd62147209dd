"""LUTs, flip-flops, block RAMs of the circuit before any synthesis: an estimate from the plan and the tables' shapes.

Memories follow the rule of yosys's ``memory_libmap``: of all shapes that hold a memory the one with the lowest cost
is taken, and a read-only memory competes with logic at a price per bit. Everything else is counted from the
circuit: a LUT per accumulator and tree bit, a flip-flop per register, and measured prices for control
(``docs/report.md`` has them against synthesis).
"""

from dataclasses import dataclass, replace
from math import ceil

from ..accelerator import CYCLE_BITS, Design
from ..errors import UserError

LABEL = "estimate"
LINK_FRAMES = 4  # what the link buffers


@dataclass(frozen=True)
class Family:
    """What a device family offers, and what control costs there.

    ``blocks``: kinds of block RAM as ``(share of a unit, cost, shapes)``; ``rom_bit``: cost of a read-only bit in
    logic; ``lutram``: ``(cost, LUTs, shapes)`` of a memory made of LUTs, None if there is none; ``rom_rows``: rows
    of one bit that a LUT holds, ``rom_mux`` LUTs join two. LUTs: ``carry`` bits come in steps of so many; ``double``
    per accumulator bit for the doubling between bit planes; ``preset`` per accumulator bit that starts at 1;
    ``queue`` per bit of a queue of flip-flops; ``scan`` per input of a bank; ``fire`` per spike; ``argmax`` per
    compared score bit; ``pixel`` per bit of a beat; ``layer`` and ``fixed``: control of each layer, of the whole.
    ``link``: LUTs, flip-flops and block RAMs of the host link but for its frame buffer.
    """

    title: str
    lut_kind: str
    bram_kind: str
    blocks: tuple
    rom_bit: float
    lutram: tuple | None
    rom_rows: int
    rom_mux: float
    carry: int
    double: float
    preset: float
    queue: float
    scan: float
    fire: float
    argmax: float
    pixel: float
    layer: float
    fixed: float
    link: tuple


XC7 = Family(
    "Xilinx 7 series", "LUT6", "RAMB36",
    blocks=(
        (0.5, 129, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),
        (1.0, 257, ((512, 72), (1024, 36), (2048, 18), (4096, 9), (8192, 4), (16384, 2), (32768, 1))),
    ),
    rom_bit=1 / 64, lutram=(8, 4, ((32, 6), (64, 3))), rom_rows=64, rom_mux=1, carry=1,
    double=0.0, preset=0.0, queue=0.0, scan=7.5, fire=0.35, argmax=1.7, pixel=1.0, layer=25, fixed=80,
    link=(430, 280, 0),
)
ECP5 = Family(
    "Lattice ECP5", "LUT4", "DP16KD",
    blocks=((1.0, 128, ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1))),),
    rom_bit=1 / 16, lutram=(4, 3, ((16, 4),)), rom_rows=16, rom_mux=0, carry=2,
    double=1.0, preset=0.0, queue=0.0, scan=11.0, fire=2.0, argmax=3.0, pixel=1.0, layer=25, fixed=150,
    link=(630, 350, 0),
)
ICE40 = Family(
    "Lattice iCE40", "LUT4", "EBR",
    blocks=((1.0, 64, ((256, 16), (512, 8), (1024, 4), (2048, 2))),),
    rom_bit=1 / 16, lutram=None, rom_rows=16, rom_mux=1.5, carry=1,
    double=1.0, preset=1.0, queue=0.7, scan=6.5, fire=0.8, argmax=2.9, pixel=1.0, layer=25, fixed=150,
    link=(640, 380, 1),
)
# as on ECP5, but carry chains come by the bit, and a memory of 16 x 4 takes two LUTs for its write address
GOWIN = replace(ECP5, title="Gowin GW1N and GW2A", bram_kind="BSRAM", lutram=(4, 6, ((16, 4),)), carry=1)
FAMILIES = {"xc7": XC7, "ecp5": ECP5, "ice40": ICE40, "gowin": GOWIN}


@dataclass(frozen=True)
class Store:
    """Where one memory goes: ``brams`` in the family's unit, or ``luts`` with ``ffs`` for what block RAM has inside."""

    brams: float = 0.0
    luts: float = 0.0
    ffs: int = 0


def _count(shapes, rows, width):
    return min(ceil(rows / deep) * ceil(width / wide) for deep, wide in shapes)


def rom(family, rows, width):
    """Return the :class:`Store` of a read-only memory with a registered output."""
    options = [(_count(shapes, rows, width) * cost, Store(share * _count(shapes, rows, width)))
               for share, cost, shapes in family.blocks]
    # the last row holds zeros, which the register's reset can give; parts are joined by multiplexers
    parts = max(1, ceil((rows - 1) / family.rom_rows))
    logic = Store(luts=width * (parts + family.rom_mux * (parts - 1)), ffs=width)
    # of equal costs the first is taken; logic comes last
    return min([*options, (rows * width * family.rom_bit, logic)], key=lambda option: option[0])[1]


def ram(family, rows, width, *, registered):
    """Return the :class:`Store` of a memory with one write and one read port, ``registered`` or read at once."""
    # of equal costs the first is taken: flip-flops need no help when a row is read while it is written
    bits = rows * width
    options = [(bits, Store(luts=bits * family.queue, ffs=bits + (width if registered else 0)))]
    if registered:
        options += [(_count(shapes, rows, width) * cost, Store(share * _count(shapes, rows, width)))
                    for share, cost, shapes in family.blocks]
    if family.lutram:
        cost, luts, shapes = family.lutram
        cells = _count(shapes, rows, width)
        options.append((cells * cost, Store(luts=cells * luts, ffs=width if registered else 0)))
    return min(options, key=lambda option: option[0])[1]


def layer_resources(family, params):
    """Return ``(luts, ffs, brams)`` of one event engine: rows, scanners, trees, accumulators."""
    p, widths = params, params.accumulator_widths()
    index, row = max(1, (p.words - 1).bit_length()), max(1, (p.rows - 1).bit_length())
    stored = rom(family, p.rows, p.neurons * p.bits)
    queue = ram(family, p.depth, p.share + index + 2, registered=False)
    pairs = [max(p.bits, 2) + level for level in range(1, p.tree_levels + 1) for _ in range(p.banks >> level)]
    tree, total = p.neurons * sum(pairs), int(widths.sum())

    def chain(bits):
        return family.carry * ceil(bits / family.carry)

    presets = sum(int(value & ((1 << int(width)) - 1)).bit_count() for value, width in
                  zip(p.start()[0].tolist(), widths, strict=True))
    luts = sum(chain(int(width)) for width in widths) + p.neurons * sum(map(chain, pairs))
    luts += family.preset * presets + (family.double * total if p.planes > 1 else 0)
    luts += p.banks * (stored.luts + queue.luts + family.scan * p.share) + family.layer
    ffs = total + tree + p.banks * (p.neurons * p.bits + stored.ffs + queue.ffs)
    pointer = max(1, (p.depth - 1).bit_length())
    ffs += p.banks * (2 * p.share + index + row + 3 * pointer + 1 + (3 if p.bits == 1 else 0))
    ffs += index + 9 + p.depth_cycles * (3 + (p.planes - 1).bit_length())
    return luts, ffs, p.banks * (stored.brams + queue.brams)


def estimate(network, plan=None, family="xc7", *, link=False):
    """Return the estimated ``luts``, ``ffs``, ``brams`` (halves of RAMB36 on xc7), ``dsps`` of the accelerator.

    ``family``: one of ``FAMILIES``. ``link``: the UART host link counts too; clock and reset never do.
    The result also says ``source`` (:data:`LABEL`) and the kinds that are counted.
    """
    if family not in FAMILIES:
        raise UserError(f"device family {family!r} is unknown; known: {', '.join(FAMILIES)}")
    kind, design = FAMILIES[family], Design(network, plan)
    luts, ffs, brams = kind.fixed, 0.0, 0.0
    for params, following in zip(design.params, [*design.params[1:], None], strict=True):
        more = layer_resources(kind, params)
        luts, ffs, brams = luts + more[0], ffs + more[1], brams + more[2]
        if following is not None:
            luts += kind.fire * params.neurons
            ffs += params.neurons + 1 + (following.words - 1).bit_length()
    classes, width, levels = len(network.classes), design.score_width, design.timing.readout_levels
    luts += kind.argmax * (classes - 1) * width
    ffs += classes * width + max(1, levels) + 1
    size = classes
    while size > 1:
        size = -(-size // 2)
        ffs += size * (width + levels)

    first = design.params[0]
    beat = first.width * first.planes
    stores = (
        ram(kind, 2 << max(1, (first.words - 1).bit_length()), beat, registered=True),
        ram(kind, 5 * len(design.params) + 4, CYCLE_BITS, registered=False),
    )
    if link:
        buffer = ram(kind, LINK_FRAMES << max(1, (first.words - 1).bit_length()), beat, registered=True)
        luts, ffs, brams = luts + kind.link[0], ffs + kind.link[1], brams + kind.link[2] + buffer.brams
    luts += sum(store.luts for store in stores) + kind.pixel * beat
    ffs += sum(store.ffs for store in stores) + first.width + 2 * CYCLE_BITS
    ffs += 2 * max(1, (first.words - 1).bit_length()) + 12 + 15
    brams += sum(store.brams for store in stores)
    return {
        "luts": ceil(luts), "ffs": ceil(ffs), "brams": brams if brams % 1 else int(brams), "dsps": 0,
        "source": LABEL, "lut_kind": kind.lut_kind, "bram_kind": kind.bram_kind,
    }
