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
from amaranth.hdl import C, Cat, Module, Mux, Shape, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.circuit.mux import choose
from s2nn_hw.circuit.walk import Walk
from s2nn_hw.errors import UserError

BLOCK_ROWS = 256


@dataclass(frozen=True)
class WindowParams:
    """Geometry and order of one window.

    ``rows``, ``columns``: of the image; ``words``: a pixel; ``width``: values a word; ``planes``: bits of a value;
    ``kernel``: (rows, columns); ``stride``, ``padding``; ``pool``: positions of a cell along each axis; ``groups``,
    ``splits``, ``taps``: see above; ``depth``: words that the ring holds (0: the least and what the next row of cells
    brings); ``spare``: values at the end of a pixel's last word that are to be ignored; ``pixel_words``: of each pixel,
    where the words of several are read as those of one.
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
    pixel_words: int = 0

    def __post_init__(self):
        if not self.pixel_words:
            object.__setattr__(self, "pixel_words", self.words)
        if self.words % self.splits or self.groups % self.splits:
            raise UserError(
                f"window: {self.splits} splits must divide the {self.words} words of a pixel and the "
                f"{self.groups} groups"
            )
        if not 0 <= self.padding < min(self.kernel):
            raise UserError(f"window: padding must be smaller than the kernel {self.kernel}, not {self.padding!r}")
        if not 1 <= self.taps <= self.kernel[0] * self.kernel[1]:
            raise UserError(
                f"window: taps must be an integer from 1 to {self.kernel[0] * self.kernel[1]} (the "
                f"kernel's), not {self.taps!r}"
            )
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
    def tap_offsets(self):
        """Words from a window's corner to each port's tap, lists ``(steps, taps)``; without a tap: as before."""
        count = self.kernel[0] * self.kernel[1]
        offsets = ((np.indices(self.kernel).reshape(2, -1).T @ [self.columns, 1]) * self.words).tolist()
        return [
            [offsets[t if t < count else t - self.taps] for t in range(step * self.taps, (step + 1) * self.taps)]
            for step in range(self.steps)
        ]

    @cached_property
    def corner_offsets(self):
        """Words from a cell's corner to that of each of its positions, a list."""
        inner = np.indices((self.pool, self.pool)).reshape(2, -1).T * self.stride
        return ((inner @ [self.columns, 1]) * self.words).tolist()

    @cached_property
    def reaches(self):
        """The furthest word that an output word reads, in the image or not, int64 ``(pass words of a frame,)``.

        Shape ``(cells, positions of a cell, splits, pass_words)``, counted from the image's first word.
        """
        part = self.words // self.splits
        word = np.arange(self.words).reshape(self.splits, 1, part)
        step = np.max(self.tap_offsets, axis=1)[None, :, None]
        inner = np.array(self.corner_offsets)[:, None, None]
        offsets = inner + (word + step).reshape(1, self.splits, self.pass_words)
        return self.origins[:, None, None, None] + offsets

    @cached_property
    def needs(self):
        """Last word that must have been written before an output word is read: ``reaches``, at most the image's last.

        Negative where only padding is read.
        """
        return np.minimum(self.reaches, self.frame_words - 1)

    @cached_property
    def leaving(self):
        """``needs`` of all words of a frame in the order in which they leave, group by group, plane by plane."""
        which = np.arange(self.groups) * self.splits // self.groups
        return np.repeat(self.needs[:, :, which], self.planes, axis=2).reshape(-1)

    @property
    def words_ahead(self):
        """Words that leave before anything of the image is there."""
        return int(np.argmax(self.leaving >= 0))

    @cached_property
    def written(self):
        """Words written at least and at most when an output word is the next to be read, two arrays like ``needs``.

        Counted from the image's first: what the words before it needed, and what the ring can hold.
        """
        needed = np.concatenate([[self.needs.max() - self.frame_words], self.needs.reshape(-1)[:-1]])
        least = np.maximum.accumulate(needed).reshape(self.needs.shape) + 1
        return least, np.broadcast_to(self.oldest[:, None, None, None] + self.depth, self.needs.shape)

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
    def wants_block(self):
        """Whether block RAM must be asked for: read by many ports, a deep ring of few bits looks cheap as flip-flops,
        as synthesis does not count the multiplexers, and those would set the clock."""
        return self.taps > 1 and 1 << self.address_bits >= BLOCK_ROWS

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
        out = np.zeros(
            (len(words), len(self.positions), self.splits, self.steps, part, self.taps, self.width), words.dtype
        )
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

    A word that can be read is offered three cycles after the read, one more than its writing: four cycles after it
    came. One word a cycle each way. The ring frees a word as soon as no cell from the present one on can need it.

    Whether a word can be read, and whether one is taken, is the sign of a register: of a difference that every word
    written and every word read moves (:class:`~s2nn_hw.circuit.walk.Walk` says how far). Nothing is subtracted or
    compared.
    """

    def __init__(self, params):
        self.params = p = params
        super().__init__({"i": In(stream.Signature(p.width * p.planes)), "o": Out(stream.Signature(p.taps * p.width))})

    def elaborate(self, platform):
        m = Module()
        p, modulus = self.params, 1 << self.params.address_bits
        m.submodules.walk = walk = Walk(p)
        attributes = {"ram_style": "block"} if p.wants_block else {}
        m.submodules.ring = ring = memory.Memory(shape=p.width * p.planes, depth=modulus, init=[], attrs=attributes)
        write, moves = ring.write_port(), walk.moves
        ahead = self._beyond(m, "ahead", p.reaches + 1, [move.reach for move in moves], walk, write.en)
        held = self._beyond(m, "held", p.written[1], [move.oldest for move in moves], walk, write.en)
        there = ~ahead[-1]
        if p.reaches.max() >= p.frame_words:  # past the image's end lies nothing to be waited for
            end = np.full_like(p.reaches, p.frame_words)
            there |= ~self._beyond(m, "image", end, [move.image for move in moves], walk, write.en)[-1]
        address = Signal(p.address_bits, init=int(p.origins[0] + p.tap_offsets[0][0]) % modulus)
        # two stages, each with a place: the memory's output; a register, as block RAM is too late to do more than
        # reach one. Then a queue, so that whether a word is read depends on four registers alone
        m.submodules.leaving = leaving = Queue(width=p.taps * p.width, depth=2)
        move, take, fetched, kept = Signal(), Signal(), Signal(), Signal()
        plane, last = _staged(m, walk.plane, (take, move), "plane"), _staged(m, walk.last, (take, move), "last")
        m.d.comb += [
            self.i.ready.eq(held[-1]),
            write.en.eq(self.i.valid & self.i.ready),
            write.data.eq(self.i.payload),
            leaving.i.valid.eq(kept),
            self.o.valid.eq(leaving.o.valid),
            self.o.payload.eq(leaving.o.payload),
            leaving.o.ready.eq(self.o.ready),
            move.eq(~kept | leaving.i.ready),
            take.eq(~fetched | move),
            walk.step.eq(take & there),
        ]
        with m.If(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(take):
            m.d.sync += fetched.eq(there)
        with m.If(move):
            m.d.sync += kept.eq(fetched)
        with m.If(walk.step):
            m.d.sync += address.eq(address + _registered(m, "address_move", [move.address for move in moves], walk))
        for port in range(p.taps):
            read = ring.read_port()
            offsets = [(row[port] - row[0]) % modulus for row in p.tap_offsets]
            m.d.comb += [read.addr.eq(address + choose(offsets, walk.tap)), read.en.eq(take)]
            inside = _staged(m, walk.inside(port), (take, move), f"inside{port}")
            word = _staged(m, read.data, (move,), f"word{port}")
            spikes = leaving.i.payload[port * p.width : (port + 1) * p.width]
            m.d.comb += spikes.eq(self._spikes(word, plane, inside, inside & ~last))
        return m

    def _spikes(self, word, plane, inside, whole):
        """Return bit ``plane``, counted from the highest, of each value of ``word``: zero unless ``inside``, those in
        spare places unless ``whole``."""
        p, spikes = self.params, []
        for k in range(p.width):
            value = word[k * p.planes : (k + 1) * p.planes]
            spikes.append(choose(value[::-1], plane) & (inside if k < p.width - p.spare else whole))
        return Cat(spikes)

    def _beyond(self, m, name, mark, moves, walk, written):
        """Return a register, signed: words written less ``mark``, a number of words by output word.

        ``moves``: by how much each move of ``walk`` raises ``mark``; ``written``: a word is. A single adder: of a
        register, which fits into its look-up tables together with the step, and ``written`` as carry.
        """
        least, most = self.params.written
        width = Shape.cast(range(min(-1, (least - mark).min()), max(0, (most - mark).max()) + 1)).width
        count = Signal(width, name=name, init=int(-mark.flat[0]) % (1 << width))
        lower = Mux(walk.step, _registered(m, f"{name}_move", [-move % (1 << width) for move in moves], walk), 0)
        m.d.sync += count.eq((Cat(1, count) + Cat(written, lower))[1:])
        return count


def _registered(m, name, values, walk):
    """Return a register: that of ``values``, by move of ``walk``, which the next step makes."""
    bits = max(1, max(values).bit_length())
    value = Signal(bits, name=name, init=values[walk.first])
    with m.If(walk.step):
        m.d.sync += value.eq(choose([C(v, bits) for v in values], walk.following))
    return value


def _staged(m, value, enables, name):
    """Return ``value`` behind a register for each of ``enables``."""
    for k, enable in enumerate(enables):
        register = Signal(len(value), name=f"{name}_{k}", reset_less=True)
        with m.If(enable):
            m.d.sync += register.eq(value)
        value = register
    return value
