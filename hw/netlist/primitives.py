"""The cells of mapped netlists: what each is, its clocks, and which input reaches which output at once.

Each family has a :class:`CellLibrary` (hw/family). A type that is in none is taken for a hard block: it is never
copied, and paths end and begin at it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Primitive:
    """A type of cell.

    ``kind``: "ff"; "lut"; "mux", a multiplexer in the slice of the LUTs that drive its pins ``joins``; "carry", whose
    ``chain`` is the pair of its carry ports (in, out); "lutram", a memory in LUTs, whose ``reads`` gives by output port
    what the ports of its address begin with; "block", a clocked hard block; "product", without registers; "clock", a
    PLL, oscillator or global buffer; "pad".
    ``clocks``: its clock pins. ``gives``: what the output ports that carry a clock begin with. ``position``: a function
    ``(port, index) -> int`` for a cell of several carries, where on its chain a pin is; an output sees the inputs up to
    its own position.
    """

    kind: str
    clocks: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    gives: tuple[str, ...] = ()
    position: Callable[[str, int], int] | None = None


@dataclass(frozen=True)
class Buffer:
    """The LUT that passes a net on: type, input, output, parameters, and the inputs that rest at "0"."""

    type: str
    input: str
    output: str
    parameters: Mapping[str, str]
    idle: tuple[str, ...] = ()


Weights = Mapping[str, Mapping[str, float]]  # by resource: types of cells, and how much of it one takes


@dataclass(frozen=True)
class CellLibrary:
    """The cells of a family's mapped netlists.

    ``family``        its name
    ``primitives``    by type
    ``weights``       cells of ``stat -json`` after synthesis, and how much of each resource one takes
    ``buffer``        what passes a net on
    ``paired``        tables two of which may share what is counted as one LUT
    ``carry_inputs``  pins of cells that are no carry to which a carry leads without a wire of its own
    ``merged_inputs`` how many inputs a LUT has that takes another into its table, 0 where none does
    ``wanted_levels`` levels of logic that this aims at
    ``memories``      block RAMs that take the register behind them
    """

    family: str
    primitives: Mapping[str, Primitive]
    weights: Weights
    buffer: Buffer
    paired: tuple[str, ...] = ()
    carry_inputs: tuple[str, ...] = ()
    merged_inputs: int = 0
    wanted_levels: int = 0
    memories: tuple[str, ...] = ()


def many(names: Iterable[str], primitive: Primitive) -> dict[str, Primitive]:
    """Return ``primitive`` for each of ``names``."""
    return dict.fromkeys(names, primitive)


def clock_cell(*gives: str, clocks: tuple[str, ...] = ()) -> Primitive:
    """Return a primitive of kind "clock" whose outputs ``gives`` carry one."""
    return Primitive("clock", clocks, gives=gives)


LUT, PAD = Primitive("lut"), Primitive("pad")
# what a flip-flop's pin is, by what its name begins with
FF_PINS = (
    ("CE", "enable"),
    ("E", "enable"),
    ("C", "reset"),
    ("D", "data"),
    ("LSR", "reset"),
    ("R", "reset"),
    ("S", "reset"),
    ("P", "reset"),
)
PIN_KINDS = {
    "lut": "LUT",
    "mux": "multiplexer",
    "carry": "carry",
    "lutram": "LUT RAM",
    "block": "block RAM",
    "product": "multiplier",
    "clock": "PLL",
    "pad": "pad",
}


def pin_kind(primitive: Primitive | None, port: str) -> str:
    """Return in a word what input ``port`` of a cell is: clock, data, enable, reset, LUT, carry, ..."""
    if primitive is None:
        return "other"
    if port in primitive.clocks:
        return "clock"
    if primitive.kind == "ff":
        return next((what for start, what in FF_PINS if port.startswith(start)), "other")
    return PIN_KINDS[primitive.kind]
