"""The values of a float graph on images, in torch and in the type of its arrays: what its owner's model gives."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.network.layer import Input
from s2nn_hw.network.synapses import MaxPool, Or, image_shape
from s2nn_hw.quantize.float_graph import FloatFire, FloatGraph, FloatLayer
from s2nn_hw.quantize.products import image, max_pool, product, union

Step = Callable[..., Tensor]  # from the value of each source to what a layer gives
MOST_VALUES = 1 << 24  # of a layer, over the images that go through at a time
MOST_IMAGES = 1000


def pixels(images: np.ndarray, entering: Input) -> Tensor:
    """Return the pixels that enter for uint8 ``images``, uint8, images as torch orders them."""
    shape = entering.shape if len(entering.shape) == 1 else image_shape(entering.shape)
    return image(torch.tensor(images >> (8 - entering.bits)).flatten(1), shape)


def fired(layer: FloatLayer) -> Step:
    """Return the function from the sources' values to the spikes of ``layer``, which has neurons."""
    neuron = layer.neuron
    assert isinstance(neuron, FloatFire)
    gamma, beta, mean, variance = map(torch.tensor, neuron.norm.arrays)
    tables = [torch.tensor(table.rows) for table in layer.tables]
    scale = None if layer.scale is None else torch.tensor(layer.scale)

    def step(*values: Tensor) -> Tensor:
        parts = [product(s.connection, x, w) for s, x, w in zip(layer.tables, values, tables, strict=True)]
        total = added(parts)
        if scale is not None:  # of integers, but for libraries that transform convolutions
            total = total.round() * scale.reshape(-1, *[1] * (total.ndim - 2))
        u = functional.batch_norm(total, mean, variance, gamma, beta, False, 0.0, neuron.norm.epsilon)
        return u >= neuron.threshold

    return step


def added(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum of ``parts``, of which there is at least one."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def joined(join: MaxPool | Or) -> Step:
    """Return the function from the sources' spikes to those of ``join``."""
    if not join.slides:
        return lambda *values: union(values)
    size, stride, padding = join.kernel[0], join.stride, join.padding
    return lambda x: max_pool(x, size, stride or size, padding)


def batched(step: Step, graph: FloatGraph, values: Sequence[Tensor]) -> Tensor:
    """Return ``step`` of ``values`` as uint8, a limited number of images at a time."""
    kind = torch.float64 if graph.dtype == np.float64 else torch.float32
    size = max(1, min(MOST_IMAGES, MOST_VALUES // graph.largest))
    groups = zip(*(value.split(size) for value in values), strict=True)
    return torch.cat([step(*(part.to(kind) for part in group)).to(torch.uint8) for group in groups])
