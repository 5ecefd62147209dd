"""The quantizer: a float graph into integer tables with the same spikes.

A hidden neuron of the float model spikes when ``gamma (scale a - mean) / std + beta >= u_th``, where ``a`` is the
integer accumulator and ``std = sqrt(var + eps)``. Solved for ``a``:

    gamma > 0     ``a >= T``,   ``T = ceil(theta / scale)``,   ``theta = mean + (u_th - beta) std / gamma``
    gamma < 0     the row of weights is negated, ``T = ceil(-theta / scale)``
    gamma = 0     always (``beta >= u_th``) or never

``T`` is then pulled into the reachable ``low .. high + 1`` of its row, which changes no spike. ``a`` is an
integer, so the ceiling loses nothing. Tie: where ``theta / scale`` is an integer to within float32 rounding, the
float32 model may fall on either side of its own threshold; the integer network spikes (``>=``).

Weights that have a scale are integers and are taken as they are. Others, or others bits than theirs, are rounded:
for each neuron a clip is searched that gives the least squared error of the accumulator on calibration images
(of a convolution, on a sample of their windows), and the mean error that is left moves into the threshold. A
shortcut's weights take the scale of the weights they are added to, and at least as many bits.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs
from s2nn_hw.network.synapses import Conv2d, Dense, PooledDense, weight_limit
from s2nn_hw.quantize.connection import Connection
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import FloatFire, FloatReadout
from s2nn_hw.quantize.float_values import Step, added, batched, entering, fired, joined, pixels
from s2nn_hw.quantize.fold_planes import fold_planes, reached
from s2nn_hw.quantize.products import image, product, raster, windows_of
from s2nn_hw.quantize.spec import FRACTION
from s2nn_hw.quantize.steps import step_weights

CLIPS = np.linspace(0.15, 1.0, 35)  # shares of the largest |w| that the clip search tries
MAX_THRESHOLD = 2**30


@dataclass(frozen=True)
class Calibration:
    """Values on the calibration images, integers by layer: of the float graph, and of the integer network so far."""

    graph: FloatGraph
    floats: dict[str, Tensor] = field(default_factory=dict)
    integers: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: FloatGraph, images: np.ndarray) -> Self:
        """Return the calibration on uint8 ``images`` ``(count, rows, columns[, channels])``."""
        entering = pixels(images, graph.input)
        return cls(graph, {INPUT: entering}, {INPUT: entering})

    def add(self, layer: FloatLayer, before: Step, after: Step) -> None:
        """Run ``layer``, ``before`` and ``after`` quantisation, on the values of its sources."""
        planes = self.graph.planes[layer.name]
        self.floats[layer.name] = batched(before, self.graph, planes, [self.floats[s] for s in layer.sources])
        self.integers[layer.name] = batched(after, self.graph, planes, [self.integers[s] for s in layer.sources])

    def multiplied(self, layer: FloatLayer) -> tuple[list[Tensor], list[Tensor]]:
        """Return what the synapses of ``layer`` multiply of each source, of the float graph and of the integers."""
        planes, stepwise = self.graph.reads(layer), self.graph.stepwise(layer)
        kept = ([values[s] for s in layer.sources] for values in (self.floats, self.integers))
        floats, integers = ([torch.cat(planes.split(x)) if stepwise else planes.numbers(x) for x in xs] for xs in kept)
        return floats, integers


@dataclass(frozen=True)
class Quantised:
    """Integer weights of a layer.

    levels   integers as float64, ``(neurons, weights of a neuron)`` of each table
    scale    float32 or float64 ``(neurons or 1, 1)``
    shift    float64 ``(neurons,)``: the mean of the quantised product less that of the float product
    """

    levels: list[Tensor]
    scale: Tensor
    shift: Tensor


def convert(graph: FloatGraph, *, bits: list[int] | None = None, calibration: np.ndarray | None = None) -> Network:
    """Return the integer :class:`Network` of ``graph``, without provenance.

    ``bits``: weight bits of each layer with weights, the readout last (default: the graph's). ``calibration``: uint8
    images ``(count, rows, columns[, channels])``, wanted only where :func:`needs_calibration`.
    """
    bits = list(bits or graph.bits)
    if len(bits) != len(graph.bits):
        raise UserError(f"bits must name {len(graph.bits)} layers, not {len(bits)}")
    if calibration is None and needs_calibration(graph, bits):
        raise UserError("weights that were not trained at these bits need calibration images")
    values = None if calibration is None else Calibration.of(graph, calibration)
    width = iter(bits)
    with torch.no_grad():
        layers = [_converted(graph, layer, next(width) if layer.tables else 0, values) for layer in graph.layers]
    return Network(graph.name, graph.input, tuple(layers), graph.classes)


def _converted(graph: FloatGraph, layer: FloatLayer, bits: int, values: Calibration | None) -> Layer:
    """Return the integer layer of ``layer`` with weights of ``bits``; ``values`` gets what it gives."""
    try:
        if isinstance(layer.neuron, FloatReadout):
            return _readout(graph, layer, layer.neuron, bits, values)
        if layer.neuron is not None:
            made, after = _fire(graph, layer, bits, values)
            before = fired(graph, layer)
        else:
            join = layer.synapses[0]
            assert not isinstance(join, FloatSynapse)
            made = Layer(layer.name, (join,), None, layer.sources)
            before = after = joined(join, graph.reads(layer))
    except UserError as error:
        raise UserError(f"layer {layer.name}: {error}") from None
    if values is not None:
        values.add(layer, before, after)
    return made


def _readout(graph: FloatGraph, layer: FloatLayer, own: FloatReadout, bits: int, values: Calibration | None) -> Layer:
    found, bias = quantised(layer, bits, values), torch.tensor(own.bias).double()
    if own.leak:
        bias = bias / step_weights(graph.reads(layer).count, own.leak).sum() * (1 << FRACTION)
        bias = (bias - found.shift * (1 << FRACTION)) / found.scale.double()[0]
    else:
        bias = (bias - found.shift) / found.scale.double()[0]
    if bias.abs().max() > MAX_THRESHOLD:
        raise UserError("the bias is too large for the scale of the weights")
    table = bias.round().numpy().astype(np.int32)
    neuron = LeakyReadout(table, graph.reads(layer).count, own.leak, FRACTION) if own.leak else Readout(table)
    return Layer(layer.name, _tables(layer, found.levels, bits), neuron, layer.sources)


def _fire(graph: FloatGraph, layer: FloatLayer, bits: int, values: Calibration | None) -> tuple[Layer, Step]:
    """Return the integer layer, and its function of the sources' values to what leaves it."""
    neuron: Fire | Quantized | Ttfs | Integrate
    found, reads = quantised(layer, bits, values), graph.reads(layer)
    ends = (0, 1) if graph.stepwise(layer) else (reads.low, reads.peak)
    if isinstance(layer.neuron, FloatFire):
        levels, thresholds = fold(layer, found, ends)
        neuron = Fire(thresholds)
    else:
        levels, neuron = fold_planes(layer, *turned(layer, found), ends)
    shape, seen, split = graph.shapes[layer.name], entering(graph, layer), graph.stepwise(layer)

    def after(*inputs: Tensor) -> Tensor:
        xs = [seen(x) for x in inputs]
        parts = [product(s.connection, x, w.to(x.dtype)) for s, x, w in zip(layer.tables, xs, levels, strict=True)]
        sums = raster(added([part.round() for part in parts])).to(torch.int64)
        steps = sums.unflatten(0, (neuron.step_count, -1)) if split else sums[None]
        return image(torch.from_numpy(neuron.frame(None, list(steps.numpy()))[1]), shape)

    return Layer(layer.name, _tables(layer, levels, bits), neuron, layer.sources), after


def _tables(layer: FloatLayer, levels: list[Tensor], bits: int) -> tuple[Dense | Conv2d | PooledDense, ...]:
    """Return the integer tables of ``levels``; what is added to the first has at least its ``bits``."""
    widths = [bits, *(max(bits, other.bits) for other in layer.tables[1:])]
    return tuple(table(s, w, b) for s, w, b in zip(layer.tables, levels, widths, strict=True))


def table(synapse: FloatSynapse, levels: Tensor, bits: int) -> Dense | Conv2d | PooledDense:
    """Return the integer table of ``synapse`` with ``levels`` ``(neurons, weights of a neuron)``."""
    weights, how = levels.numpy().astype(np.int8), synapse.connection
    if how.kind == "conv":
        weights = np.ascontiguousarray(weights.reshape(synapse.weights.shape).transpose(0, 2, 3, 1))
        return Conv2d(weights, bits, how.stride, how.padding, how.groups)
    return Dense(weights, bits) if how.kind == "dense" else PooledDense(weights, bits, how.pool)


def needs_calibration(graph: FloatGraph, bits: list[int] | None = None) -> bool:
    """Return whether any layer of ``graph`` must be rounded anew for weight ``bits`` of each layer."""
    return any(not _taken_as_is(layer, b) for layer, b in zip(graph.weighted, bits or graph.bits, strict=True))


def _taken_as_is(layer: FloatLayer, bits: int) -> bool:
    return layer.scale is not None and bits >= layer.tables[0].bits


def quantised(layer: FloatLayer, bits: int, values: Calibration | None = None) -> Quantised:
    """Return the integer weights of ``layer`` at ``bits``; ``values``: wanted where they are rounded anew."""
    rows = [torch.tensor(table.rows) for table in layer.tables]
    step = None if layer.scale is None else torch.tensor(layer.scale)[:, None]
    if step is not None and _taken_as_is(layer, bits):
        nothing = torch.zeros(len(rows[0]), dtype=torch.float64)
        return Quantised([table.double() for table in rows], step, nothing)
    assert values is not None  # convert asks for it
    weights = [(table if step is None else table * step).double() for table in rows]
    hows = [table.connection for table in layer.tables]
    xs, ys = values.multiplied(layer)
    shared = isinstance(layer.neuron, FloatReadout)
    found = [
        clip_search(part, bits, seen, shared=shared)
        for part, seen in zip(weights[0].chunk(hows[0].groups), windows_of(hows[0], ys[0]), strict=True)
    ]
    widths = [bits, *(max(bits, t.bits) for t in layer.tables[1:])]
    scale = roomy(found[0][1] if shared else torch.cat([part[1] for part in found]), weights[1:], widths[1:])
    levels = [rounded(w, scale, width) for w, width in zip(weights, widths, strict=True)]
    after = [_mean(how, y, w * scale) for how, y, w in zip(hows, ys, levels, strict=True)]
    before = [_mean(how, x, w) for how, x, w in zip(hows, xs, weights, strict=True)]
    return Quantised(levels, scale, added(after) - added(before))


def _mean(how: Connection, values: Tensor, weights: Tensor) -> Tensor:
    """Return the mean, float64 ``(neurons,)``, of the product of ``weights`` over images and positions."""
    parts = [product(how, part.double(), weights).transpose(0, 1).flatten(1) for part in values.split(100)]
    return added([part.sum(dim=1) for part in parts]) / sum(part.shape[1] for part in parts)


def rounded(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Return the nearest integers of ``bits`` bits to ``weight`` in units of the positive ``scale``, float64."""
    if bits == 1:
        return torch.where(weight >= 0, 1.0, -1.0).double()
    limit = weight_limit(bits)
    return (weight / scale).round().clamp(-limit, limit)


def roomy(scale: Tensor, others: list[Tensor], bits: list[int]) -> Tensor:
    """Return ``scale``, ``(neurons or 1, 1)``, not below what the largest weights of ``others`` want in ``bits``.

    A shortcut's weights would be cut more than rounded: that of an identity is 1, whatever the others are.
    """
    for table, width in zip(others, bits, strict=True):
        size = table.abs().amax(dim=1, keepdim=True)
        least = (size.max() if len(scale) == 1 else size) / weight_limit(width)
        scale = torch.maximum(scale, least.reshape(-1, 1).to(scale.dtype)) if width > 1 else scale
    return scale


def clip_search(weight: Tensor, bits: int, inputs: Tensor, *, shared: bool = False) -> tuple[Tensor, Tensor]:
    """Return ``(levels, scale)``, float64: the clip of least squared accumulator error, per neuron unless ``shared``.

    ``weight`` ``(neurons, inputs)``; ``inputs`` ``(images, inputs)``. For each clip tried the best scale of the
    levels that it gives follows in closed form. The error is about the mean: a constant part is the threshold's.
    """
    centred = inputs - inputs.mean(dim=0)
    # a little of the identity keeps pixels that no calibration image lights from being rounded freely
    moments = centred.T @ centred / len(inputs) + 1e-4 * torch.eye(inputs.shape[1], dtype=torch.float64)
    limit = weight_limit(bits)
    best: tuple[Tensor, Tensor, Tensor] | None = None
    whole = (weight.abs().amax() if shared else weight.abs().amax(dim=1)).reshape(-1, 1)
    whole = torch.where(whole > 0, whole, torch.ones_like(whole))
    for clip in CLIPS if bits > 1 else CLIPS[-1:]:
        levels = rounded(weight, whole * clip / limit, bits)
        pushed = levels @ moments
        top, bottom = (pushed * weight).sum(dim=1, keepdim=True), (pushed * levels).sum(dim=1, keepdim=True)
        if shared:
            top, bottom = top.sum(dim=0, keepdim=True), bottom.sum(dim=0, keepdim=True)
        scale = torch.where((top > 0) & (bottom > 0), top / bottom, whole * clip / limit)
        gap = levels * scale - weight
        error = ((gap @ moments) * gap).sum(dim=1, keepdim=True)
        error = error.sum(dim=0, keepdim=True) if shared else error
        if best is None:
            best = levels, scale, error
        else:
            better = error < best[2]
            best = (
                torch.where(better, levels, best[0]),
                torch.where(better, scale, best[1]),
                torch.where(better, error, best[2]),
            )
    assert best is not None  # at least one clip is tried
    return best[0], best[1]


def turned(layer: FloatLayer, found: Quantised) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return ``(levels, slope, offset)`` of a hidden layer: integers whose rows are turned where gamma is negative, and
    float64 ``(neurons,)``, so that what the batch norm gives is ``slope a + offset`` of their sum ``a``.

    ``found``: its integer weights, whose shift is added to the mean. The slope is not negative.
    """
    assert layer.neuron is not None
    assert not isinstance(layer.neuron, FloatReadout)
    norm, scale = layer.neuron.norm, found.scale.double()[:, 0]
    gamma, beta, mean, variance = (torch.tensor(array).double() for array in norm.arrays)
    factor = gamma / (variance + norm.epsilon).sqrt()
    levels = [torch.where(gamma[:, None] < 0, -table, table) for table in found.levels]
    if layer.lowest_terms:
        shared = _divisors(levels[0])
        levels, scale = [levels[0] / shared[:, None]], scale * shared
    return levels, factor.abs() * scale, beta - factor * (mean + found.shift)


def _divisors(levels: Tensor) -> Tensor:
    """Return the largest divisor, at least 1, that the integers of each row of ``levels`` share, int64."""
    return torch.tensor(np.gcd.reduce(levels.numpy().astype(np.int64), axis=1)).clamp(min=1)


def fold(layer: FloatLayer, found: Quantised, ends: tuple[int, int]) -> tuple[list[Tensor], np.ndarray]:
    """Return ``(levels, thresholds)`` of a hidden layer: turned integers, and int32 ``(neurons,)``.

    ``found``: its integer weights, whose shift is added to the mean; ``ends``: least and largest input. Float64
    throughout.
    """
    assert isinstance(layer.neuron, FloatFire)
    norm, u_th, scale = layer.neuron.norm, layer.neuron.threshold, found.scale
    gamma, beta, mean, variance = (torch.tensor(array).double() for array in norm.arrays)
    std = (variance + norm.epsilon).sqrt()
    theta = mean + (u_th - beta) * std / torch.where(gamma == 0, 1.0, gamma)
    theta = torch.where(theta == 0, theta, theta + found.shift)  # where 0 decides, silence must stay what it is
    negative = gamma < 0
    levels = [torch.where(negative[:, None], -table, table) for table in found.levels]
    if layer.lowest_terms:  # few weights often share a divisor: smaller ones give the same spikes
        shared = _divisors(levels[0])
        levels, scale = [levels[0] / shared[:, None]], scale * shared[:, None]
    least = torch.where(negative, -theta, theta) / scale.double()[:, 0]
    reach = (least.floor() + 1 if layer.neuron.strict else least.ceil()).numpy()
    low, high = reached(layer, levels, ends)
    always = beta.numpy() > u_th if layer.neuron.strict else beta.numpy() >= u_th
    constant = np.where(always, low, high + 1)
    thresholds = np.where(gamma.numpy() == 0, constant, np.clip(reach, low, high + 1))
    if np.abs(thresholds).max() > MAX_THRESHOLD:
        raise UserError(f"accumulators reach beyond {MAX_THRESHOLD}, the largest threshold")
    return levels, thresholds.astype(np.int32)
