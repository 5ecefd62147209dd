"""Weights in the order of the stream: which word of a pass uses which row of them."""

from dataclasses import dataclass
from math import prod

import numpy as np

from s2nn_hw.circuit.stage import Reader
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import Synapse


@dataclass(frozen=True)
class Cells:
    """The words of one source in a pass, in pooling cells: all words of a cell use the cell's rows of weights.

    ``cells``: (rows, columns) of them, ``pool``: (rows, columns) of pixels in one, ``words``: a pixel. Without pooling
    there is one cell of one pixel, and each word has a row of its own.
    """

    words: int
    cells: tuple[int, int] = (1, 1)
    pool: tuple[int, int] = (1, 1)

    @property
    def pooled(self) -> bool:
        """Whether words share rows."""
        return prod(self.pool) > 1

    @property
    def rows(self) -> int:
        """Rows of weights."""
        return prod(self.cells) * self.words

    @property
    def frame_words(self) -> int:
        """Words of a pass."""
        return self.rows * prod(self.pool)

    def table_words(self) -> np.ndarray:
        """Return the row of weights that each word of the image uses, int64 ``(frame_words,)``."""
        (down, across), (rows, columns) = self.cells, self.pool
        number = np.arange(down * across * self.words).reshape(down, 1, across, 1, self.words)
        return np.broadcast_to(number, (down, rows, across, columns, self.words)).reshape(-1)


def cells_of(network: Network, synapse: Synapse, reader: Reader) -> Cells:
    """Return which words of a pass share the rows of ``synapse``."""
    if not synapse.pools:
        return Cells(reader.pass_words)
    return Cells(reader.tensor.pixel_words, synapse.cells(network.shapes[reader.source]), synapse.pool)


def stream_table(synapse: Synapse, reader: Reader, splits: int) -> np.ndarray:
    """Return ``synapse``'s weights in stream order, int8 ``(neurons, splits, words of a pass, taps * width)``."""
    tensor, window = reader.tensor, reader.window
    if not synapse.slides:
        pixels = synapse.weights.reshape(synapse.neurons, -1, tensor.channels)
        padded = np.pad(pixels, ((0, 0), (0, 0), (0, tensor.spare)))
        return padded.reshape(synapse.neurons, 1, -1, tensor.width)
    channels = synapse.weights.shape[3]
    full = np.zeros((*synapse.weights.shape[:3], tensor.pixel_words * tensor.width), np.int8)
    each = synapse.neurons // synapse.groups
    for group in range(synapse.groups):
        rows = slice(group * each, (group + 1) * each)
        full[rows, :, :, group * channels : (group + 1) * channels] = synapse.weights[rows]
    full = full.reshape(synapse.neurons, -1, tensor.pixel_words, tensor.width)
    steps, taps = (window.steps, window.taps) if window else (1, 1)
    full = np.pad(full, ((0, 0), (0, steps * taps - full.shape[1]), (0, 0), (0, 0)))
    part = tensor.pixel_words // splits
    full = full.reshape(synapse.neurons, steps, taps, splits, part, tensor.width)
    return full.transpose(0, 3, 1, 4, 2, 5).reshape(synapse.neurons, splits, steps * part, taps * tensor.width)
