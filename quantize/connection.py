"""How a table of weights reads the values of its source, the same for training, float graphs and the quantizer."""

import math
from dataclasses import dataclass

from s2nn_hw.errors import UserError
from s2nn_hw.network.synapse import Pair, both

KINDS = ("dense", "conv", "pooled")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Connection:
    """``kind`` of a table, and its settings; what a kind has no use for keeps its default.

    kind      "dense": every value reaches every neuron
              "conv": a window slides over an image
              "pooled": dense behind sums over the cells of an image; an average's division is the scale's
    kernel    rows and columns of the window
    stride    positions from window to window, along rows and columns, one number where both are the same
    padding   zeros around the image, above and below, to the left and right, likewise
    groups    of a convolution: shares of the channels that don't see each other
    pool      rows and columns of a cell
    """

    kind: str = "dense"
    kernel: tuple[int, int] = (1, 1)
    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    pool: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UserError(f"a connection must be one of {', '.join(KINDS)}, not {self.kind!r}")

    def weight_shape(self, shape: Shape, neurons: int) -> Shape:
        """Return the shape of the weights of ``neurons`` (channels of a convolution) that read a value of ``shape``.

        ``(neurons, inputs)``, inputs in the order row, column, channel; of a convolution ``(channels, input channels /
        groups, kernel rows, kernel columns)``.
        """
        if self.kind == "conv":
            return (neurons, shape[2] // self.groups, *self.kernel)
        return (neurons, math.prod(shape) // math.prod(self.pool))

    def result_shape(self, shape: Shape, neurons: int) -> Shape:
        """Return the shape of what ``neurons`` give that read a value of ``shape``."""
        if self.kind != "conv":
            return (neurons,)
        return (*swept(shape, self.kernel, self.stride, self.padding), neurons)


def swept(shape: Shape, kernel: tuple[int, int], stride: Pair, padding: Pair) -> tuple[int, int]:
    """Return rows and columns of the positions that a window of ``kernel`` takes on an image of ``shape``."""
    (down, across), (rows, columns) = both(stride), (n + 2 * p for n, p in zip(shape, both(padding), strict=False))
    if rows < kernel[0] or columns < kernel[1]:
        raise UserError(f"a window of {kernel[0]} x {kernel[1]} must fit into the padded image of {rows} x {columns}")
    return (rows - kernel[0]) // down + 1, (columns - kernel[1]) // across + 1
