"""Sums of weights over values, in torch: what a :class:`.connection.Connection` computes, and what it sees.

Images are torch's ``(batch, channel, row, column)``, in channels-last memory; a flat value of one is in raster order
(row, column, channel), as everywhere else.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.network.synapse import Pair
from s2nn_hw.quantize.connection import Connection, Shape

MAX_WINDOWS = 20_000  # of a convolution that the clip search looks at


def image(pixels: Tensor, shape: Shape) -> Tensor:
    """Return ``(batch, pixels)`` in raster order as an image ``(batch, channel, row, column)``; features stay."""
    if len(shape) == 1:
        return pixels
    return pixels.reshape(len(pixels), *shape).permute(0, 3, 1, 2)


def raster(x: Tensor) -> Tensor:
    """Return ``x`` flat, ``(batch, values)`` in the order row, column, channel."""
    return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x


def product(how: Connection, x: Tensor, weight: Tensor) -> Tensor:
    """Return the sums of ``weight`` ``(neurons, weights of a neuron)`` over ``x``, those of a pool not divided."""
    if how.kind == "conv":
        weight = weight.reshape(len(weight), -1, *how.kernel).contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, stride=how.stride, padding=how.padding, groups=how.groups)
    if how.kind == "pooled":
        batch, channels, rows, columns = x.shape
        (high, wide) = how.pool
        x = x.reshape(batch, channels, rows // high, high, columns // wide, wide).sum(dim=(3, 5))
    return functional.linear(raster(x), weight)


def windows_of(how: Connection, values: Tensor) -> list[Tensor]:
    """Return what the neurons of each group see: a list of float64 ``(samples, weights of a neuron)``.

    ``values``: of the source, integers. Of a convolution a random sample of :data:`MAX_WINDOWS` windows, a few of each
    image, is taken.
    """
    if how.kind == "dense":
        return [raster(values).double()]
    if how.kind == "pooled":
        cells = functional.avg_pool2d(values.double(), how.pool) * (how.pool[0] * how.pool[1])
        return [raster(cells)]
    draw, found = torch.Generator().manual_seed(0), []
    for part in values.split(16):
        windows = functional.unfold(part.float(), how.kernel, padding=how.padding, stride=how.stride)
        kept = torch.randperm(windows.shape[2], generator=draw)[: max(1, MAX_WINDOWS // len(values))]
        found.append(windows[:, :, kept].transpose(1, 2).flatten(0, 1).double())
    return list(torch.cat(found).chunk(how.groups, dim=1))


def max_pool(x: Tensor, size: Pair, stride: Pair, padding: Pair) -> Tensor:
    """Return the largest values of ``x`` in cells of ``size`` rows and columns, ``stride`` apart."""
    return functional.max_pool2d(x, size, stride, padding)


def union(values: Sequence[Tensor]) -> Tensor:
    """Return the OR of spikes."""
    result = values[0]
    for other in values[1:]:
        result = torch.maximum(result, other)
    return result
