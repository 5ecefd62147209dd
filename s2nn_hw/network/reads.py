"""How often windows read each value of an image: what a spike costs, counted in one way from training to report."""

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from s2nn_hw.network.synapse import Pair, both
from s2nn_hw.network.synapses import Synapse, image_shape

Counts = npt.NDArray[np.int64]


def window_reads(
    shape: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Pair, positions: Sequence[Counts]
) -> Counts:
    """Return how many windows read each value of an image of ``shape``, int64 ``(values,)`` in raster order.

    ``shape``: rows, columns, channels; ``kernel``: rows and columns; ``positions``: the rows of windows, counted from
    0 and each once, and the columns.
    """
    along = []
    axes = zip(shape[:2], kernel, both(stride), both(padding), positions, strict=True)
    for size, side, step, around, places in axes:
        read = ((places * step - around)[:, None] + np.arange(side)).reshape(-1)
        along.append(np.bincount(read[(read >= 0) & (read < size)], minlength=size))
    return np.repeat(np.outer(*along).reshape(-1), shape[2])


def times_read(synapse: Synapse, shape: Sequence[int], positions: Counts | None = None) -> Counts:
    """Return how many positions of ``synapse`` read each value of an input of ``shape``, int64 ``(values,)``.

    ``positions``: int64 ``(n, 2)``, a full grid of (row, column), of windows that are there, default all; those of a
    dense layer do not matter.
    """
    if not synapse.slides:
        return np.ones(prod(shape), np.int64)
    if positions is None:
        grid = [np.arange(count) for count in synapse.output_shape(tuple(shape))[:2]]
    else:
        grid = [np.unique(positions[:, axis]) for axis in range(2)]
    return window_reads(image_shape(tuple(shape)), synapse.kernel, synapse.stride, synapse.padding, grid)
