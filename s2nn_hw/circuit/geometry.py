"""The geometry of a window: which words it keeps, and in which order they leave; see :mod:`s2nn_hw.circuit.windows`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.synapse import swept

BLOCK_ROWS = 256


@dataclass(frozen=True)
class WindowParams:
    """Geometry and order of one window.

    ``rows``, ``columns``: of the image; ``words``: a pixel; ``width``: values a word; ``planes``: bits of a value, or,
    with ``slot_bits``, slots in which values of so many bits are spikes, in slot t those of ``planes - t``;
    ``kernel``, ``stride``, ``padding``: (rows, columns); ``pool``: (rows, columns) of positions in a cell; ``groups``,
    ``splits``, ``taps``: see above; ``depth``: words that the ring holds (0: the least and what the next row of cells
    brings); ``spare``: values at the end of a pixel's last word that are to be ignored; ``pixel_words``: of each pixel,
    where the words of several are read as those of one.
    """

    rows: int
    columns: int
    words: int
    width: int
    planes: int = 1
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    pool: tuple[int, int] = (1, 1)
    groups: int = 1
    splits: int = 1
    taps: int = 1
    depth: int = 0
    spare: int = 0
    pixel_words: int = 0
    slot_bits: int = 0

    def __post_init__(self) -> None:
        if not self.pixel_words:
            object.__setattr__(self, "pixel_words", self.words)
        if self.words % self.splits or self.groups % self.splits:
            raise UserError(
                f"window: {self.splits} splits must divide the {self.words} words of a pixel and the "
                f"{self.groups} groups"
            )
        if any(not 0 <= padding < side for padding, side in zip(self.padding, self.kernel, strict=True)):
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
    def frame_words(self) -> int:
        """Words of an image."""
        return self.rows * self.columns * self.words

    @property
    def steps(self) -> int:
        """Words of ``taps`` ports that carry one word of each tap."""
        return -(-self.kernel[0] * self.kernel[1] // self.taps)

    @property
    def pass_words(self) -> int:
        """Words of one pass: of one position, group and plane."""
        return self.steps * self.words // self.splits

    @cached_property
    def cells(self) -> tuple[int, int]:
        """(rows, columns) of cells; positions that fill no cell are left out, as max pooling leaves them out."""
        image = (self.rows, self.columns)
        rows, columns = swept(image, self.kernel, self.stride, self.padding)
        return rows // self.pool[0], columns // self.pool[1]

    @cached_property
    def positions(self) -> np.ndarray:
        """Output positions, int64 ``(positions, 2)`` (row, column), in the order in which they are computed."""
        rows, columns = self.cells
        inner = np.indices(self.pool).reshape(2, -1).T
        outer = np.indices((rows, columns)).reshape(2, -1).T
        return (outer[:, None] * self.pool + inner[None]).reshape(-1, 2)

    @cached_property
    def tap_table(self) -> np.ndarray:
        """Row and column of the taps within the kernel, int64 ``(steps, taps, 2)``; -1 past the last one."""
        count = self.kernel[0] * self.kernel[1]
        taps = np.full((self.steps * self.taps, 2), -1, np.int64)
        taps[:count] = np.indices(self.kernel).reshape(2, -1).T
        return taps.reshape(self.steps, self.taps, 2)

    @cached_property
    def origins(self) -> np.ndarray:
        """Word number, counted from the image's first, of each cell's top left pixel: int64 ``(cells,)``.

        Not clipped at the border: what lies outside the image has a number too, and is masked.
        """
        outer = np.indices(self.cells).reshape(2, -1).T * self.pool * self.stride - self.padding
        return (outer[:, 0] * self.columns + outer[:, 1]) * self.words

    @cached_property
    def settled_row(self) -> int:
        """The first row of cells from which on the ring may be freed up to the origin.

        Before it the origin may lie behind the last one of the image before, where the padding is wide.
        """
        last = self.origins[-1] - self.frame_words
        starts = self.origins.reshape(self.cells)[:, 0]
        return int(np.argmax(starts >= last)) if (starts >= last).any() else self.cells[0]

    @cached_property
    def oldest(self) -> np.ndarray:
        """Word number from which on the ring keeps words while a cell is read, int64 ``(cells,)``."""
        held = self.origins.reshape(self.cells).copy()
        held[: self.settled_row] = self.origins[-1] - self.frame_words
        return held.reshape(-1)

    @cached_property
    def tap_offsets(self) -> list[list[int]]:
        """Words from a window's corner to each port's tap, lists ``(steps, taps)``; without a tap: as before."""
        count = self.kernel[0] * self.kernel[1]
        offsets = ((np.indices(self.kernel).reshape(2, -1).T @ [self.columns, 1]) * self.words).tolist()
        return [
            [offsets[t if t < count else t - self.taps] for t in range(step * self.taps, (step + 1) * self.taps)]
            for step in range(self.steps)
        ]

    @cached_property
    def corner_offsets(self) -> list[int]:
        """Words from a cell's corner to that of each of its positions, a list."""
        inner = np.indices(self.pool).reshape(2, -1).T * self.stride
        return ((inner @ [self.columns, 1]) * self.words).tolist()

    @cached_property
    def reaches(self) -> np.ndarray:
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
    def needs(self) -> np.ndarray:
        """Last word that must have been written before an output word is read: ``reaches``, at most the image's last.

        Negative where only padding is read.
        """
        return np.minimum(self.reaches, self.frame_words - 1)

    @cached_property
    def leaving(self) -> np.ndarray:
        """``needs`` of all words of a frame in the order in which they leave, group by group, plane by plane."""
        which = np.arange(self.groups) * self.splits // self.groups
        return np.repeat(self.needs[:, :, which], self.planes, axis=2).reshape(-1)

    @property
    def words_ahead(self) -> int:
        """Words that leave before anything of the image is there."""
        return int(np.argmax(self.leaving >= 0))

    @cached_property
    def written(self) -> tuple[np.ndarray, np.ndarray]:
        """Words written at least and at most when an output word is the next to be read, two arrays like ``needs``.

        Counted from the image's first: what the words before it needed, and what the ring can hold.
        """
        needed = np.concatenate([[self.needs.max() - self.frame_words], self.needs.reshape(-1)[:-1]])
        least = np.maximum.accumulate(needed).reshape(self.needs.shape) + 1
        return least, np.broadcast_to(self.oldest[:, None, None, None] + self.depth, self.needs.shape)

    @cached_property
    def least_depth(self) -> int:
        """Words that the ring must hold: fewer, and the window never fills."""
        return int((self.needs.max(axis=(1, 2, 3)) - self.oldest).max()) + 1

    @property
    def default_depth(self) -> int:
        """The least, and what the next row of cells brings (for a single pixel: the next image)."""
        if self.rows * self.columns == 1:
            return max(2 * self.words, self.least_depth)
        return self.least_depth + self.pool[0] * self.stride[0] * self.columns * self.words

    @property
    def value_bits(self) -> int:
        """Bits of a value in the ring."""
        return self.slot_bits or self.planes

    @property
    def wants_block(self) -> bool:
        """Whether block RAM must be asked for: read by many ports, a deep ring of few bits looks cheap as flip-flops,
        as synthesis does not count the multiplexers, and those would set the clock."""
        return self.taps > 1 and 1 << self.address_bits >= BLOCK_ROWS

    @property
    def address_bits(self) -> int:
        """Bits of an address of the ring."""
        return max(1, (self.depth - 1).bit_length())

    def gather(self, words: np.ndarray) -> np.ndarray:
        """Return what leaves, without planes and groups: ``(frames, positions, splits, pass_words, taps, width)``.

        ``words``: the images, integer ``(frames, words, width)``.
        """
        words = words.reshape(len(words), self.rows, self.columns, self.words, self.width)
        around = [(pad, pad + side) for pad, side in zip(self.padding, self.kernel, strict=True)]
        image = np.pad(words, ((0, 0), *around, (0, 0), (0, 0)))
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
