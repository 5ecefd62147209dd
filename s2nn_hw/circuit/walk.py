"""The order in which a window reads its ring: nested counters, and how far everything moves from a word to the next.

The order is fixed, the stream only sets its pace. So all that depends on the place within it (how far the address, the
last word that is needed and the oldest that is kept move) is a table over the few different moves, whose number is a
register one word ahead of where it is used: behind it stands one adder, never two in a row.

    word < step < plane < group < inner < column < row      from the innermost counter to the outermost

    word   of the group's share of a pixel           inner        position of a pooling cell
    step   of the ports over the kernel's taps       column, row  of the cell
    plane, group
"""

from math import prod
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.mux import choose

T = TypeVar("T")


class Levels(NamedTuple, Generic[T]):
    """Something of each counter, the innermost first."""

    word: T
    step: T
    plane: T
    group: T
    inner: T
    column: T
    row: T


class Move(NamedTuple):
    """How far it is from a word to the next: ``address`` of port 0 (modulo the ring), last word that is needed
    (``reach``, not clipped at the image's end), ``oldest`` word that is kept, and of the image being read (``image``:
    its words, or 0)."""

    address: int
    reach: int
    oldest: int
    image: int


class LevelMoves(NamedTuple):
    """The moves when a counter goes on and those before it start again, none if it never does: one for each of its
    values but the last, or, ``by_row``, for each row."""

    moves: list[Move]
    by_row: bool


class Counter(NamedTuple):
    """A counter of the circuit, and whether it is at its end, a register too."""

    count: Value
    end: Value


def level_sizes(p: WindowParams) -> Levels[int]:
    """Return the sizes of the counters for window ``p``."""
    return Levels(
        word=p.words // p.splits,
        step=p.steps,
        plane=p.planes,
        group=p.groups,
        inner=prod(p.pool),
        column=p.cells[1],
        row=p.cells[0],
    )


def level_moves(p: WindowParams) -> tuple[Levels[LevelMoves], Move]:
    """Return ``(moves of the counters, that from an image to the next)`` for window ``p``."""
    part, taps = p.words // p.splits, p.tap_offsets
    down, across = (pool * stride * p.words for pool, stride in zip(p.pool, p.stride, strict=True))
    adds = Levels(  # what each value of a counter adds to (address, reach)
        word=[(n, n) for n in range(part)],
        step=[(offsets[0], max(offsets)) for offsets in taps],
        plane=[(0, 0)] * p.planes,
        group=[(g * p.splits // p.groups * part,) * 2 for g in range(p.groups)],
        inner=[(corner,) * 2 for corner in p.corner_offsets],
        column=[(c * across,) * 2 for c in range(p.cells[1])],
        row=[(r * down * p.columns,) * 2 for r in range(p.cells[0])],
    )
    oldest = p.oldest.reshape(p.cells)
    # by row, what is kept no longer; the other counters keep all
    column, row = (oldest[:, 1:2] - oldest[:, :1]).reshape(-1), oldest[1:, 0] - oldest[:-1, -1]
    frees = Levels(None, None, None, None, None, column, row)
    back, ring = np.zeros(2, np.int64), 1 << p.address_bits
    found: list[LevelMoves] = []
    for pairs, freed in zip(adds, frees, strict=True):
        values = np.array(pairs)
        steps = (np.diff(values, axis=0) + back).tolist()
        if freed is not None and steps:
            moves = [Move(steps[0][0] % ring, steps[0][1], int(f), 0) for f in freed]
        else:
            moves = [Move(address % ring, reach, 0, 0) for address, reach in steps]
        found.append(LevelMoves(moves, freed is not None))
        back += values[0] - values[-1]
    address, reach = (back + p.frame_words).tolist()
    freed = p.frame_words + int(oldest[0, 0] - oldest[-1, -1])
    return Levels(*found), Move(address % ring, reach, freed, p.frame_words)


def inside_tables(p: WindowParams, axis: int) -> list[tuple[int, ...]]:
    """Return by row (``axis`` 0) or column (1) of the taps of a cell whether it lies in the image: a bit per row or
    column of cells."""
    size, reach = (p.rows, p.columns)[axis], (p.pool[axis] - 1) * p.stride[axis] + p.kernel[axis]
    first = np.arange(p.cells[axis]) * p.pool[axis] * p.stride[axis] - p.padding[axis]
    return [tuple(map(int, (first + n >= 0) & (first + n < size))) for n in range(reach)]


class Walk(wiring.Component):
    """Where window ``params`` reads: the numbers of a word, until ``step`` goes on to the next.

    ``step``: on to the next word.
    ``following``: once ``step`` was high, ``moves[following]`` leads from that word to the next.
    ``plane``: of the values.
    ``tap``: step over the kernel.
    ``inner``: position of a pooling cell.
    ``last``: the last word of a pixel.
    ``rows``, ``columns``: bits that :meth:`inside` looks at.

    ``moves[first]`` leads from the first word to the second: for registers of its numbers. All but ``following`` are
    registers.
    """

    def __init__(self, params: WindowParams) -> None:
        self.params = p = params
        self.sizes = level_sizes(p)
        self.levels, self.image = level_moves(p)
        self.moves = sorted({self.image, *(move for level in self.levels for move in level.moves)})
        self.tables = [inside_tables(p, axis) for axis in (0, 1)]
        self.flags = [sorted({table for table in tables if len(set(table)) > 1}) for tables in self.tables]
        first = next((level.moves[0] for level in self.levels if level.moves), self.image)
        self.first = self.moves.index(first)
        ports = {  # name: (numbers, the first)
            "following": (len(self.moves), 0),
            "plane": (p.planes, 0),
            "tap": (p.steps, 0),
            "inner": (prod(p.pool), 0),
            "last": (2, int(p.pixel_words == 1)),
        }
        for name, flags in zip(("rows", "columns"), self.flags, strict=True):
            ports[name] = 1 << len(flags), sum(table[0] << n for n, table in enumerate(flags))
        super().__init__(
            {"step": In(1)} | {name: Out(range(max(2, size)), init=first) for name, (size, first) in ports.items()}
        )

    def inside(self, port: int) -> Value:
        """Return whether the tap of ``port`` lies in the image."""
        p, table = self.params, []
        for corner in np.ndindex(*p.pool):
            taps = [
                self._inside(*(tap + np.array(corner) * p.stride)) if tap[0] >= 0 else 0 for tap in p.tap_table[:, port]
            ]
            table.append(choose(taps, self.tap))
        return choose(table, self.inner)

    def _inside(self, row: int, column: int) -> Value:
        """Return whether the image has ``row`` and ``column``, counted from the cell's corner."""
        found = C(1)
        for axis, (n, bits) in enumerate(((row, self.rows), (column, self.columns))):
            table, flags = self.tables[axis][n], self.flags[axis]
            found = found & (bits[flags.index(table)] if table in flags else C(table[0]))
        return found

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p, made, on = self.params, [], self.step
        second = 1 % prod(self.sizes)  # the counters are a word ahead
        for name, size in zip(Levels._fields, self.sizes, strict=True):
            second, digit = divmod(second, size)
            made.append(_counter(m, name, size, digit, on))
            on = on & made[-1].end
        counters = Levels(*made)
        kind = C(self.moves.index(self.image))
        for counter, level in reversed(list(zip(counters, self.levels, strict=True))):
            if level.moves:
                chooser = counters.row if level.by_row else counter
                codes = [self.moves.index(move) for move in level.moves]
                kind = Mux(counter.end, kind, choose(codes, chooser.count))
        m.d.comb += self.following.eq(kind)
        last = counters.word.end
        if p.spare and p.pixel_words < p.words:
            last = _counter(m, "pixel_word", p.pixel_words, 1 % p.pixel_words, self.step).end
        split = choose([int(g * p.splits // p.groups == p.splits - 1) for g in range(p.groups)], counters.group.count)
        with m.If(self.step):
            m.d.sync += [
                self.plane.eq(counters.plane.count),
                self.tap.eq(counters.step.count),
                self.inner.eq(counters.inner.count),
                self.last.eq(last & split),
            ]
            for flags, bits, place in zip(
                self.flags, (self.rows, self.columns), (counters.row, counters.column), strict=True
            ):
                m.d.sync += bits.eq(Cat(choose(table, place.count) for table in flags))
        return m


def _counter(m: Module, name: str, size: int, init: int, step: Value) -> Counter:
    """Return a counter ``0 .. size - 1`` that goes on with ``step``."""
    if size == 1:
        return Counter(C(0, 1), C(1, 1))
    count = Signal(range(size), name=f"{name}_count", init=init)
    end = count if size == 2 else Signal(name=f"{name}_end", init=int(init == size - 1))
    # one more, without a carry chain: a bit changes when all below it are set
    following = Cat(bit ^ Cat(count[:n]).all() for n, bit in enumerate(count))
    with m.If(step):
        m.d.sync += count.eq(Mux(end, 0, following))
        if size > 2:
            m.d.sync += end.eq(count == size - 2)
    return Counter(count, end)
