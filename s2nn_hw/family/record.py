"""A device family as data: what it offers, and what control costs there."""

from dataclasses import dataclass

from s2nn_hw.family.cost import Cost

Shapes = tuple[tuple[int, int], ...]  # (rows, bits of a row) that a memory's cell can have


@dataclass(frozen=True)
class Family:
    """One device family, called ``name``.

    ``blocks``: kinds of block RAM as ``(share of a unit, cost, shapes)``; ``block_bits``: of one unit; ``rom_bit``:
    cost of a read-only bit in logic; ``lutram``: ``(cost, LUTs, shapes)`` of a memory made of LUTs, None if there is
    none; ``lutram_ports``: shapes of the same cell when three ports read it; ``rom_rows``: rows of one bit that a LUT
    holds, ``rom_mux`` LUTs join two, unless ``rom_curve`` has LUTs of a column by rows, as measured. ``inputs``: of
    a LUT.

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
    it never does. ``room``: shares of LUTs, flip-flops and block RAMs that a plan may
    take. ``output_registers``: builds take the register behind a block RAM into it.
    """

    title: str
    lut_kind: str
    bram_kind: str
    block_bits: int
    blocks: tuple[tuple[float, int, Shapes], ...]
    rom_bit: float
    lutram: tuple[int, int, Shapes] | None
    lutram_ports: Shapes
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
    window: tuple[float, float, float]
    gate: float
    link: tuple[float, float, float, float]
    rom_curve: tuple[tuple[int, float], ...] = ()
    name: str = ""
    apart: float = 0.0
    shift: int = 0
    room: tuple[float, float, float] = (0.9, 0.9, 0.9)
    output_registers: bool = False

    @property
    def mapped_inputs(self) -> int:
        """Inputs of the look-up tables that constant weights become: 4 or 6."""
        return 6 if self.inputs >= 6 else 4

    @property
    def mapping(self) -> str:
        """How constant weights become logic: ``lut4`` or ``lut6``."""
        return f"lut{self.mapped_inputs}"

    def title_of(self, resource: str) -> str:
        """Return what users know ``resource``, ``luts``, ``ffs`` or ``brams``, as."""
        return {"luts": self.lut_kind, "ffs": "FF", "brams": self.bram_kind}[resource]

    def cells(self, cost: Cost) -> float:
        """Return how much of the device's count of LUTs the :class:`Cost` takes once it is placed."""
        return cost.luts + self.apart * cost.ffs
