"""The values of a float graph on images, in torch and in the type of its arrays: what its owner's model gives."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.network.layer import Input
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapses import MaxPool, Or, image_shape
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer
from s2nn_hw.quantize.float_neurons import Firing, FloatFire, FloatQuantized, FloatReadout, FloatRelu
from s2nn_hw.quantize.products import image, max_pool, product, union
from s2nn_hw.quantize.steps import simulate

Step = Callable[..., Tensor]  # from the value of each source to what a layer gives: values of planes, integers
Seen = Callable[[Tensor], Tensor]  # from such a value to what is multiplied
MOST_VALUES = 1 << 24  # of a layer, over the images that go through at a time
MOST_IMAGES = 1000


def pixels(images: np.ndarray, entering: Input) -> Tensor:
    """Return the patterns of the pixels that enter for ``images``, as torch orders images."""
    shape = entering.shape if len(entering.shape) == 1 else image_shape(entering.shape)
    return image(torch.tensor(entering.encode(images)), shape)


def fired(graph: FloatGraph, layer: FloatLayer) -> Step:
    """Return the function from the sources' values to what leaves ``layer`` of ``graph``, which has neurons."""
    neuron, stepwise, seen = layer.neuron, graph.stepwise(layer), entering(graph, layer)
    assert neuron is not None
    assert not isinstance(neuron, FloatReadout | FloatRelu)
    gamma, beta, mean, variance = map(torch.tensor, neuron.norm.arrays)
    tables = [torch.tensor(table.rows) for table in layer.tables]
    scale = None if layer.scale is None else torch.tensor(layer.scale)

    def step(*values: Tensor) -> Tensor:
        xs = [seen(x) for x in values]
        parts = [product(s.connection, x, w) for s, x, w in zip(layer.tables, xs, tables, strict=True)]
        total = added(parts)
        if scale is not None:  # of integers, but for libraries that transform convolutions
            total = total.round() * scale.reshape(-1, *[1] * (total.ndim - 2))
        u = functional.batch_norm(total, mean, variance, gamma, beta, False, 0.0, neuron.norm.epsilon)
        return leaving(neuron, u, stepwise=stepwise)

    return step


def leaving(neuron: Firing, u: Tensor, *, stepwise: bool) -> Tensor:
    """Return what ``neuron`` makes of ``u``, ``(batch, ...)`` or, if ``stepwise``, ``(steps * batch, ...)``: values of
    its planes, ``(batch, ...)``."""
    if isinstance(neuron, FloatFire):
        return u > neuron.threshold if neuron.strict else u >= neuron.threshold
    planes = neuron.planes
    if isinstance(neuron, FloatQuantized):
        numbers = (u / neuron.width + neuron.start).floor().clamp(0, planes.peak)
        return numbers if planes.radix else packed([numbers > step for step in range(planes.count)])
    currents = u.unflatten(0, (planes.count, -1)) if stepwise else u.expand(planes.count, *u.shape)
    level = neuron.level * neuron.threshold

    def spikes(m: Tensor) -> Tensor:
        return (m > level if neuron.strict else m >= level).to(m.dtype)

    return packed(list(simulate(currents, neuron.threshold, neuron, spikes)))


def packed(spikes: Sequence[Tensor]) -> Tensor:
    """Return the values of the ``spikes`` of each plane, as :meth:`~s2nn_hw.network.planes.Planes.packed` does."""
    whole = torch.zeros_like(spikes[0], dtype=_kind(len(spikes)))
    for plane in spikes:
        whole = (whole << 1) | plane.to(whole.dtype)
    return whole


def _kind(planes: int) -> torch.dtype:
    """Return the type of values of so many ``planes``."""
    return torch.uint8 if planes <= 8 else torch.int32


def entering(graph: FloatGraph, layer: FloatLayer) -> Seen:
    """Return the function from a value that ``layer`` reads to what its synapses multiply, in the type of ``graph``.

    That is the numbers that the planes stand for, or, where sums are those of each step, the spikes ``(steps * batch,
    ...)``, the first step in front.
    """
    planes, kind = graph.reads(layer), torch.float64 if graph.dtype == np.float64 else torch.float32
    if graph.stepwise(layer):
        return lambda x: torch.cat(planes.split(x)).to(kind)
    return lambda x: planes.numbers(x).to(kind)


def added(parts: Sequence[Tensor]) -> Tensor:
    """Return the sum of ``parts``, of which there is at least one."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def joined(join: MaxPool | Or, planes: Planes) -> Step:
    """Return the function from the sources' values, of ``planes``, to those of ``join``."""
    if not join.slides:
        return lambda *values: union(values)

    def pool(x: Tensor) -> Tensor:
        return max_pool(x.float(), join.kernel, join.stride, join.padding)

    return pool if planes.radix else lambda x: packed([pool(spikes) for spikes in planes.split(x)])


def batched(step: Step, graph: FloatGraph, planes: Planes, values: Sequence[Tensor]) -> Tensor:
    """Return ``step`` of ``values``, values of ``planes``, a limited number of images at a time."""
    kind = _kind(planes.count)
    size = max(1, min(MOST_IMAGES, MOST_VALUES // graph.largest))
    groups = zip(*(value.split(size) for value in values), strict=True)
    return torch.cat([step(*group).to(kind) for group in groups])
