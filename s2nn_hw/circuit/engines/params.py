"""What every engine computes: weights in the order of the stream, start values, widths.

A frame of an engine is one accumulation: ``planes`` passes of ``words`` words of ``width`` spikes, most significant
plane first, at whose end the sums of ``lanes`` neurons stand in the accumulators. The ``groups`` of a position follow
each other, then the ``repeats`` positions of a pooling cell; then the neurons behind must have room.

The offset (``-T`` or the bias) is not added: the accumulators start from it. With k planes the start value is
doubled k-1 times, so they start from ``offset >> (k-1)`` and the bits shifted out come back, one at each doubling,
as the lowest bit.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from s2nn_hw.errors import UserError

MEMORIES = ("auto", "block", "distributed")
BLOCK_DEPTH = 2048
SPARE_BLOCKS = 4  # of block RAM, that a memory may take for a higher clock


@dataclass(frozen=True)
class Cells:
    """The words of one source in a pass, in pooling cells: all words of a cell use the cell's rows of weights.

    ``cells``: (rows, columns) of them, ``pool``: (rows, columns) of pixels in one, ``words``: a pixel. Without pooling
    there is one cell of one pixel, and each word has a row of its own.
    """

    words: int
    cells: tuple = (1, 1)
    pool: tuple = (1, 1)

    @property
    def pooled(self):
        """Whether words share rows."""
        return prod(self.pool) > 1

    @property
    def rows(self):
        """Rows of weights."""
        return prod(self.cells) * self.words

    @property
    def frame_words(self):
        """Words of a pass."""
        return self.rows * prod(self.pool)

    def table_words(self):
        """Return the row of weights that each word of the image uses, int64 ``(frame_words,)``."""
        (down, across), (rows, columns) = self.cells, self.pool
        number = np.arange(down * across * self.words).reshape(down, 1, across, 1, self.words)
        return np.broadcast_to(number, (down, rows, across, columns, self.words)).reshape(-1)


@dataclass(frozen=True, eq=False, kw_only=True)
class EngineParams:
    """Work of one engine.

    ``weights``: int ``(groups, lanes, words, width)`` in stream order, 0 where no input is; ``bits``: of a weight as
    stored; ``offsets``: int ``(groups, lanes)``, added to the sum; ``planes``: bits of an input value; ``repeats``:
    positions of a max pooling cell; ``cells``: of each source, whose words follow each other in a pass as their rows do
    in ``weights`` (none: one source, a row a word); ``memory``: where the weights lie, ``block`` RAM, ``distributed``
    (LUTs), or ``auto`` (the synthesis tool decides by size); ``slots``: cells for which the neurons have room.
    """

    weights: np.ndarray
    bits: int
    offsets: np.ndarray
    planes: int = 1
    repeats: int = 1
    cells: tuple = ()
    memory: str = "auto"
    slots: int = 1

    def check(self, engine, limits):
        """Check the fields in ``limits``, ``(name, low, high)``; errors begin with the name of the ``engine``."""
        for name, low, high in limits:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise UserError(f"{engine} engine: {name} must be an integer from {low} to {high}, not {value!r}")
        if self.memory not in MEMORIES:
            raise UserError(f"{engine} engine: memory must be one of {', '.join(MEMORIES)}, not {self.memory!r}")

    @property
    def groups(self):
        return self.weights.shape[0]

    @property
    def lanes(self):
        return self.weights.shape[1]

    @property
    def table_words(self):
        """Words of weights of one group."""
        return self.weights.shape[2]

    @property
    def width(self):
        """Inputs a word."""
        return self.weights.shape[3]

    @property
    def parts(self):
        """The :class:`Cells` of each source."""
        return self.cells or (Cells(self.table_words),)

    @property
    def pooled(self):
        """Whether words share rows of weights."""
        return any(part.pooled for part in self.parts)

    @property
    def words(self):
        """Words of one pass of one group."""
        return sum(part.frame_words for part in self.parts)

    @property
    def word_rows(self):
        """The row of ``weights`` that each word of a pass uses, int64 ``(words,)``."""
        begins = np.cumsum([0, *(part.rows for part in self.parts)])
        return np.concatenate([begin + part.table_words() for begin, part in zip(begins, self.parts, strict=False)])

    @property
    def memory_attributes(self):
        """Attributes by which synthesis tools place the memory of weights."""
        if self.memory == "auto":
            return {}
        style = "block" if self.memory == "block" else "logic"  # yosys knows no distributed read-only memory
        return {"ram_style": style, "rom_style": style}

    def start(self):
        """Return ``start``, int64 ``(groups, lanes)``, and ``fill``, the bits to shift in, ``(planes-1, ...)``."""
        offsets = self.offsets.astype(np.int64)
        fill = [(offsets >> (self.planes - 1 - step)) & 1 for step in range(1, self.planes)]
        return offsets >> (self.planes - 1), np.array(fill, np.int64).reshape(self.planes - 1, *offsets.shape)

    @cached_property
    def _reach(self):
        """Return the most negative and the most positive sum of one pass, int64 ``(groups, lanes)`` each."""
        uses = np.bincount(self.word_rows)[:, None] if self.pooled else 1
        wide = self.weights.astype(np.int64)
        return (uses * wide.clip(max=0)).sum(axis=(2, 3)), (uses * wide.clip(min=0)).sum(axis=(2, 3))

    @property
    def score_width(self):
        """Bits of each signed score of a readout."""
        return int(self.accumulator_widths().max())

    def accumulator_widths(self):
        """Return the bits of each signed accumulator, int64 ``(lanes,)``, from interval arithmetic over every cycle.

        Within a pass any subset of the inputs may have been added, so the interval grows by the sum of the
        negative and of the positive weights; a doubling maps ``[low, high]`` to ``[2 low + fill, 2 high + fill]``.
        """
        negative, positive = self._reach
        start, fill = self.start()
        low, high = start.copy(), start.copy()
        lowest, highest = low.copy(), high.copy()
        for plane in range(self.planes):
            if plane:
                low, high = 2 * low + fill[plane - 1], 2 * high + fill[plane - 1]
            low, high = low + negative, high + positive
            lowest, highest = np.minimum(lowest, low), np.maximum(highest, high)
        return np.array(
            [
                max(int(~a if a < 0 else a).bit_length(), int(b if b >= 0 else ~b).bit_length()) + 1
                for a, b in zip(lowest.min(axis=0), highest.max(axis=0), strict=True)
            ]
        )

    def planes_of(self, values):
        """Return the bit planes of uint8 ``values``, stacked as a new first axis, most significant first."""
        return np.stack([(values >> plane) & 1 for plane in reversed(range(self.planes))])


def memory_columns(rows, width):
    """Return the widths of the memories that ``rows`` of ``width`` bits are kept in, side by side.

    More rows than a block RAM of 18 Kbit has at a useful width (2,048 of 8 bits) go into narrower ones, each as deep as
    a block: where synthesis puts blocks below each other, a multiplexer stands between them and the register. But not
    if that takes four blocks and an eighth more than the bits fill: block RAM is what runs out first.
    """
    block, depth = 8 * BLOCK_DEPTH, 1 << (rows - 1).bit_length()
    each = max(1, block // depth)
    columns = [min(each, width - at) for at in range(0, width, each)]
    blocks, least = len(columns) * max(1, depth // block), -(-rows * width // (9 * BLOCK_DEPTH))
    if rows <= BLOCK_DEPTH or blocks - least > max(SPARE_BLOCKS, least // 8):
        return [width]
    return columns


def pack_rows(codes, bits):
    """Return integers, one per row of ``codes`` ``(rows, values)``: value k in two's complement at bit ``k * bits``."""
    codes = codes.astype(np.int64)
    codes = (codes < 0).astype(np.int64) if bits == 1 else codes & ((1 << bits) - 1)
    planes = np.stack([(codes >> b & 1).astype(np.uint8) for b in range(bits)], axis=-1)
    packed = np.packbits(planes.reshape(len(codes), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
