"""Windows over a stream of pixels: a ring of words in memory, read tap by tap in the order that an engine wants.

An image enters in raster order, a pixel as ``words`` words of ``width`` values (the last one padded). It leaves as
``positions x groups x planes x steps x (words / splits)`` words of ``taps`` values of ``width`` spikes each:

    for each cell (row, column), for each position of the cell, for each group, for each plane (most significant
    first), for each step, for each word of the group's split:
        port t carries tap ``step * taps + t`` of the kernel (raster order; zeros past the last tap, outside the image)

    cell      the positions that a max pooling behind the neurons joins: pool x pool of them, else one
    group     the engine handles the output channels in so many passes, each of which sees the window again
    split     the pixel's words fall in so many parts and a group sees only its own (grouped convolutions)

A dense layer is the case of one pixel with all the words and a kernel of one tap.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .errors import UserError
from .select import choose

READ_CYCLES = 2  # a word is read from the memory in one cycle and offered in the next but one


@dataclass(frozen=True)
class WindowParams:
    """Geometry and order of one window.

    ``rows``, ``columns``: of the image; ``words``: a pixel; ``width``: values a word; ``planes``: bits of a value;
    ``kernel``: (rows, columns); ``stride``, ``padding``; ``pool``: positions of a cell along each axis; ``groups``,
    ``splits``, ``taps``: see above; ``depth``: words that the ring holds (0: the least and what the next row of cells
    brings); ``spare``: values at the end of a pixel's last word that are to be ignored.
    """

    rows: int
    columns: int
    words: int
    width: int
    planes: int = 1
    kernel: tuple = (1, 1)
    stride: int = 1
    padding: int = 0
    pool: int = 1
    groups: int = 1
    splits: int = 1
    taps: int = 1
    depth: int = 0
    spare: int = 0

    def __post_init__(self):
        if self.words % self.splits or self.groups % self.splits:
            raise UserError(f"window: {self.splits} splits must divide the {self.words} words of a pixel and the "
                            f"{self.groups} groups")
        if not 0 <= self.padding < min(self.kernel):
            raise UserError(f"window: padding must be smaller than the kernel {self.kernel}, not {self.padding!r}")
        if not 1 <= self.taps <= self.kernel[0] * self.kernel[1]:
            raise UserError(f"window: taps must be an integer from 1 to {self.kernel[0] * self.kernel[1]} (the "
                            f"kernel's), not {self.taps!r}")
        if not self.depth:
            object.__setattr__(self, "depth", self.default_depth)
        if self.depth < self.least_depth:
            raise UserError(f"window: the buffer needs {self.least_depth} words or more, not {self.depth}")

    @property
    def frame_words(self):
        """Words of an image."""
        return self.rows * self.columns * self.words

    @property
    def steps(self):
        """Words of ``taps`` ports that carry one word of each tap."""
        return -(-self.kernel[0] * self.kernel[1] // self.taps)

    @property
    def pass_words(self):
        """Words of one pass: of one position, group and plane."""
        return self.steps * self.words // self.splits

    @cached_property
    def cells(self):
        """(rows, columns) of cells; positions that fill no cell are left out, as max pooling leaves them out."""
        sizes = zip((self.rows, self.columns), self.kernel, strict=True)
        return tuple(((n + 2 * self.padding - k) // self.stride + 1) // self.pool for n, k in sizes)

    @cached_property
    def positions(self):
        """Output positions, int64 ``(positions, 2)`` (row, column), in the order in which they are computed."""
        rows, columns = self.cells
        inner = np.indices((self.pool, self.pool)).reshape(2, -1).T
        outer = np.indices((rows, columns)).reshape(2, -1).T
        return (outer[:, None] * self.pool + inner[None]).reshape(-1, 2)

    @cached_property
    def tap_table(self):
        """Row and column of the taps within the kernel, int64 ``(steps, taps, 2)``; -1 past the last one."""
        count = self.kernel[0] * self.kernel[1]
        taps = np.full((self.steps * self.taps, 2), -1, np.int64)
        taps[:count] = np.indices(self.kernel).reshape(2, -1).T
        return taps.reshape(self.steps, self.taps, 2)

    @cached_property
    def origins(self):
        """Word number, counted from the image's first, of each cell's top left pixel: int64 ``(cells,)``.

        Not clipped at the border: what lies outside the image has a number too, and is masked.
        """
        outer = np.indices(self.cells).reshape(2, -1).T * self.pool * self.stride - self.padding
        return (outer[:, 0] * self.columns + outer[:, 1]) * self.words

    @cached_property
    def settled_row(self):
        """The first row of cells from which on the ring may be freed up to the origin.

        Before it the origin may lie behind the last one of the image before, where the padding is wide.
        """
        last = self.origins[-1] - self.frame_words
        starts = self.origins.reshape(self.cells)[:, 0]
        return int(np.argmax(starts >= last)) if (starts >= last).any() else self.cells[0]

    @cached_property
    def oldest(self):
        """Word number from which on the ring keeps words while a cell is read, int64 ``(cells,)``."""
        held = self.origins.reshape(self.cells).copy()
        held[: self.settled_row] = self.origins[-1] - self.frame_words
        return held.reshape(-1)

    @cached_property
    def needs(self):
        """Last word that must have been written before an output word is read, int64 ``(pass words of a frame,)``.

        Shape ``(cells, positions of a cell, splits, pass_words)``; counted from the image's first word, at most its
        last, negative where only padding is read.
        """
        inner = np.indices((self.pool, self.pool)).reshape(2, -1).T * self.stride
        taps = self.tap_table[None] + inner[:, None, None]  # (positions, steps, ports, 2)
        offset = np.where(self.tap_table[None, ..., 0] >= 0, taps @ [self.columns, 1], 0).max(axis=2) * self.words
        part = self.words // self.splits
        word = np.arange(self.splits)[:, None] * part + np.arange(part)[None]
        offset = offset[:, None, :, None] + word[None, :, None, :]  # (positions, splits, steps, part)
        offset = offset.reshape(len(inner), self.splits, self.pass_words)
        return np.minimum(self.origins[:, None, None, None] + offset[None], self.frame_words - 1)

    @cached_property
    def least_depth(self):
        """Words that the ring must hold: fewer, and the window never fills."""
        return int((self.needs.max(axis=(1, 2, 3)) - self.oldest).max()) + 1

    @property
    def default_depth(self):
        """The least, and what the next row of cells brings (for a single pixel: the next image)."""
        if self.rows * self.columns == 1:
            return max(2 * self.words, self.least_depth)
        return self.least_depth + self.pool * self.stride * self.columns * self.words

    @property
    def address_bits(self):
        return max(1, (self.depth - 1).bit_length())

    def gather(self, words):
        """Return what leaves, without planes and groups: ``(frames, positions, splits, pass_words, taps, width)``.

        ``words``: the images, integer ``(frames, words, width)``.
        """
        words = words.reshape(len(words), self.rows, self.columns, self.words, self.width)
        pad, (kernel_rows, kernel_columns) = self.padding, self.kernel
        margin = ((0, 0), (pad, pad + kernel_rows), (pad, pad + kernel_columns), (0, 0), (0, 0))
        image = np.pad(words, margin)
        part = self.words // self.splits
        out = np.zeros((len(words), len(self.positions), self.splits, self.steps, part, self.taps, self.width),
                       words.dtype)
        top = self.positions * self.stride
        for step in range(self.steps):
            for port in range(self.taps):
                row, column = self.tap_table[step, port]
                if row >= 0:
                    found = image[:, top[:, 0] + row, top[:, 1] + column]  # (frames, positions, words, width)
                    out[:, :, :, step, :, port] = found.reshape(*found.shape[:2], self.splits, part, self.width)
        return out.reshape(len(words), len(self.positions), self.splits, self.pass_words, self.taps, self.width)


class Window(wiring.Component):
    """The window of ``params``.

    ``i``: words of ``width`` values of ``planes`` bits, value 0 in the low bits, ``frame_words`` an image, images
    without a gap. ``o``: words of ``taps * width`` spikes, port 0 in the low bits.

    A word that can be read is offered two cycles after the read, one more than its writing: three cycles after it
    came. One word a cycle each way. The ring frees a word as soon as no cell from the present one on can need it.
    """

    def __init__(self, params):
        self.params = p = params
        super().__init__({
            "i": In(stream.Signature(p.width * p.planes)),
            "o": Out(stream.Signature(p.taps * p.width)),
        })

    def elaborate(self, platform):
        m = Module()
        p = self.params
        part, cells, jump = p.words // p.splits, p.cells, p.pool * p.stride
        stepped = jump * p.words
        # word numbers since reset, in bits enough for the difference of any two that are compared
        offsets = self._offsets()
        reach = max(max(row) for row in offsets) + p.words
        move = int(np.diff(p.origins, append=p.frame_words + p.origins[0]).max())
        span = p.depth + int((p.oldest - p.origins).max()) + reach + move
        bits = max(p.address_bits, span.bit_length()) + 1
        written = Signal(bits)
        origin = Signal(bits, init=int(p.origins[0]) % (1 << bits))
        held = int(p.oldest[0]) if p.settled_row == 0 else int(p.origins[-1]) - p.frame_words
        oldest = Signal(bits, init=held % (1 << bits))
        ahead = Signal(range(-2, p.depth // p.frame_words + 3))  # images written whole less images read

        ring = memory.Memory(shape=p.width * p.planes, depth=1 << p.address_bits, init=[])
        m.submodules.ring = ring
        write = ring.write_port()
        index = Signal(range(max(2, p.frame_words)))
        last_in = index == p.frame_words - 1
        m.d.comb += [
            self.i.ready.eq((written - oldest)[:bits].as_signed() < p.depth),
            write.en.eq(self.i.valid & self.i.ready),
            write.addr.eq(written),
            write.data.eq(self.i.payload),
        ]
        if p.spare:
            _, last_word = _counter(m, "word_in", p.words, write.en)
            with m.If(last_word):
                m.d.comb += write.data.eq(self.i.payload[: (p.width - p.spare) * p.planes])
        with m.If(write.en):
            m.d.sync += [written.eq(written + 1), index.eq(Mux(last_in, 0, index + 1))]

        # where the reader is: each counter moves when all those before it have come to their end
        step_on = Signal()
        word, at_word = _counter(m, "word", part, step_on)
        step, at_step = _counter(m, "step", p.steps, at_word)
        plane, at_plane = _counter(m, "plane", p.planes, at_step)
        group, at_group = _counter(m, "group", p.groups, at_plane)
        inner, at_inner = _counter(m, "inner", p.pool**2, at_group)
        _, at_column = _counter(m, "column", cells[1], at_inner)
        row, at_row = _counter(m, "row", cells[0], at_column)
        top = Signal(signed(max(2, (p.rows + p.padding).bit_length() + 1)), init=-p.padding)
        left = Signal(signed(max(2, (p.columns + p.padding).bit_length() + 1)), init=-p.padding)
        following = Signal(bits)
        m.d.comb += following.eq(origin + Mux(
            at_row, p.frame_words + int(p.origins[0] - p.origins[-1]),
            Mux(at_column, jump * p.columns * p.words - (cells[1] - 1) * stepped, stepped)))
        with m.If(at_inner):
            m.d.sync += [origin.eq(following), left.eq(Mux(at_column, -p.padding, left + jump))]
            with m.If(at_column):
                m.d.sync += top.eq(Mux(at_row, -p.padding, top + jump))
            settled = Mux(at_row, p.settled_row == 0, Mux(at_column, row + 1, row) >= p.settled_row)
            with m.If(settled):
                m.d.sync += oldest.eq(following)
            if p.settled_row == cells[0]:  # never within an image: its end frees it
                with m.If(at_row):
                    m.d.sync += oldest.eq(origin)
        m.d.sync += ahead.eq(ahead + (write.en & last_in) - at_row)

        # two stages, each with a place: the memory's output, the output register
        fetched, there = Signal(), Signal()
        give, take = Signal(), Signal()
        base = choose([g * p.splits // p.groups * part for g in range(p.groups)], group) + word
        place = choose([k * p.steps for k in range(p.pool**2)], inner) + step
        furthest = choose([max(row) for row in offsets], place)
        m.d.comb += [
            there.eq((ahead > 0) | ((written - origin - furthest - base)[:bits].as_signed() > 0)),
            give.eq(~self.o.valid | self.o.ready),
            take.eq(~fetched | give),
            step_on.eq(take & there),
        ]
        plane_fetched = Signal.like(plane)
        with m.If(take):
            m.d.sync += [fetched.eq(there), plane_fetched.eq(plane)]
        with m.If(give):
            m.d.sync += self.o.valid.eq(fetched)
        for port in range(p.taps):
            read = ring.read_port()
            inside = Signal(name=f"inside{port}")
            m.d.comb += [
                read.addr.eq(origin + choose([row[port] for row in offsets], place) + base),
                read.en.eq(take),
            ]
            with m.If(take):
                m.d.sync += inside.eq(self._inside(port, place, top, left))
            values = [read.data[k * p.planes : (k + 1) * p.planes] for k in range(p.width)]
            chosen = Cat(Array(reversed(list(value)))[plane_fetched] for value in values)
            with m.If(give):
                m.d.sync += self.o.payload[port * p.width : (port + 1) * p.width].eq(Mux(inside, chosen, 0))
        return m

    def _taps(self):
        """Return, for each position of a cell and step, each port's (row, column) from the cell's corner, or None."""
        p = self.params
        inner = np.indices((p.pool, p.pool)).reshape(2, -1).T * p.stride
        return [[tuple((corner + tap).tolist()) if tap[0] >= 0 else None for tap in step]
                for corner in inner for step in p.tap_table]

    def _offsets(self):
        """Return :meth:`_taps` as word numbers from the cell's origin; ports without a tap read the origin."""
        p = self.params
        return [[(tap[0] * p.columns + tap[1]) * p.words if tap else 0 for tap in step] for step in self._taps()]

    def _inside(self, port, place, top, left):
        """Return whether the tap of ``port`` lies in the image."""
        p, taps = self.params, [step[port] for step in self._taps()]
        real = choose([int(tap is not None) for tap in taps], place)
        if not p.padding:
            return real
        row = top + choose([tap[0] if tap else 0 for tap in taps], place)
        column = left + choose([tap[1] if tap else 0 for tap in taps], place)
        return real & (row >= 0) & (row < p.rows) & (column >= 0) & (column < p.columns)


def _counter(m, name, size, step):
    """Return a counter ``0 .. size - 1`` that moves with ``step``, and whether it comes to its end with it."""
    if size == 1:
        return C(0, 1), step
    count, end = Signal(range(size), name=name), Signal(name=f"{name}_end")
    m.d.comb += end.eq(step & (count == size - 1))
    with m.If(step):
        m.d.sync += count.eq(Mux(end, 0, count + 1))
    return count, end
