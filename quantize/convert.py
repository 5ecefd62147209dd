"""The quantizer: a float checkpoint into integer tables with the same spikes.

A hidden neuron of the float model spikes when ``gamma (scale a - mean) / std + beta >= u_th``, where ``a`` is the
integer accumulator and ``std = sqrt(var + eps)``. Solved for ``a``:

    gamma > 0     ``a >= T``,   ``T = ceil(theta / scale)``,   ``theta = mean + (u_th - beta) std / gamma``
    gamma < 0     the row of weights is negated, ``T = ceil(-theta / scale)``
    gamma = 0     always (``beta >= u_th``) or never

``T`` is then pulled into the reachable ``low .. high + 1`` of its row, which changes no spike. ``a`` is an
integer, so the ceiling loses nothing. Tie: where ``theta / scale`` is an integer to within float32 rounding, the
float32 model may fall on either side of its own threshold; the integer network spikes (``>=``).

Weights trained with fake quantisation are taken as they are. Others, or others bits than trained, are rounded:
for each neuron a clip is searched that gives the least squared error of the accumulator on calibration images
(of a convolution, on a sample of their windows), and the mean error that is left moves into the threshold. A
shortcut's weights take the scale of the weights they are added to, and at least as many bits.
"""

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, PooledDense, weight_limit
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.graph import INPUT
from s2nn_hw.quantize.layers import max_pool, raster, union, weight_levels
from s2nn_hw.quantize.train import batch_size, encode

CLIPS = np.linspace(0.15, 1.0, 35)  # shares of the largest |w| that the clip search tries
MAX_THRESHOLD = 2**30
MAX_WINDOWS = 20_000  # of a convolution that the clip search looks at


def convert(checkpoint, *, bits=None, calibration=None):
    """Return the integer :class:`Network` of ``checkpoint``.

    ``bits``: weight bits of each layer with weights, the readout last (default: the recipe's). ``calibration``: uint8
    images ``(count, rows, columns[, channels])``, wanted only where :func:`needs_calibration`.
    """
    recipe, model = checkpoint.recipe, checkpoint.model
    info, bits = sets.data_set(recipe.data.set), list(bits or recipe.bits)
    if len(bits) != len(recipe.bits):
        raise UserError(f"bits must name {len(recipe.bits)} layers, not {len(bits)}")
    inputs = Input(info.shape, recipe.data.pixel_bits)
    if calibration is None and needs_calibration(checkpoint, bits):
        raise UserError("weights that were not trained at these bits need calibration images")
    # by layer, on the calibration images: what the float model gives, and what the integer network gives
    x, y = {}, {}
    if calibration is not None:
        x[INPUT] = y[INPUT] = model.image(encode(torch.tensor(calibration), inputs.bits)).to(torch.uint8)
    layers, hidden, width = [], iter([*model.hidden, model.readout]), iter(bits)
    with torch.no_grad():
        for node in model.nodes:
            try:
                if node.taps:
                    source = next(hidden)
                    layer, step = _layer(node, source, next(width), inputs.peak, x, y)
                else:
                    source = step = lambda *values, node=node: (
                        max_pool(*values, node) if node.kind == "maxpool" else union(values)
                    )
                    join = MaxPool(node.kernel, node.stride, node.padding) if node.kind == "maxpool" else Or()
                    layer = Layer(node.name, join, None, node.sources)
            except UserError as error:
                raise UserError(f"layer {node.name}: {error}") from None
            layers.append(layer)
            if calibration is not None and node.kind != "readout":
                x[node.name] = _batched(source, model, x, node.sources)
                y[node.name] = _batched(step, model, y, node.sources)
    return Network(recipe.name, inputs, tuple(layers), info.classes)


def _layer(node, source, bits, peak, x, y):
    """Return the integer :class:`Layer` of ``node``, and a function from its inputs to its spikes (None: readout).

    ``source``: the module of the float model; ``peak``: the largest pixel; ``x`` and ``y`` as in :func:`convert`.
    """
    levels, scale, shift = quantised(source, bits, [x.get(s) for s in node.sources], [y.get(s) for s in node.sources])
    widths = [bits, *(max(bits, tap.bits) for tap in node.taps[1:])]
    if node.kind == "readout":
        bias = (source.bias.double() - shift) / scale.double()[0]
        if bias.abs().max() > MAX_THRESHOLD:
            raise UserError("the bias is too large for the scale of the weights")
        neuron, step = Readout(bias.round().numpy().astype(np.int32)), None
    else:
        levels, thresholds = fold(source, levels, scale, shift, peak if node.sources[0] == INPUT else 1)
        neuron, limits = Fire(thresholds), torch.tensor(thresholds).reshape(-1, *[1] * (len(node.shape) - 1))

        def step(*values):
            parts = (s.product(v, w.to(v.dtype)) for s, v, w in zip(source.synapses, values, levels, strict=True))
            return sum(part.round() for part in parts) >= limits

    tables = [table(tap, w, b) for tap, w, b in zip(node.taps, levels, widths, strict=True)]
    return Layer(node.name, tuple(tables), neuron, node.sources), step


def table(tap, levels, bits):
    """Return the synapses of ``tap`` with integer ``levels`` ``(neurons, weights of a neuron)``."""
    weights = levels.numpy().astype(np.int8)
    if tap.kind == "conv":
        weights = np.ascontiguousarray(weights.reshape(tap.weight_shape).transpose(0, 2, 3, 1))
        return Conv2d(weights, bits, tap.stride, tap.padding, tap.groups)
    return Dense(weights, bits) if tap.kind == "dense" else PooledDense(weights, bits, tap.pool)


def _batched(function, model, values, sources):
    """Return ``function`` of the values of ``sources`` in turn as uint8, a limited number of images at a time."""
    parts = zip(*(values[name].split(batch_size(model, 1000)) for name in sources), strict=True)
    kind = model.readout.bias.dtype
    return torch.cat([function(*(part.to(kind) for part in group)).to(torch.uint8) for group in parts])


def needs_calibration(checkpoint, bits=None):
    """Return whether any layer of ``checkpoint`` must be rounded anew for weight ``bits`` of each layer."""
    layers = [*checkpoint.model.hidden, checkpoint.model.readout]
    return any(not _taken_as_is(layer, b) for layer, b in zip(layers, bits or checkpoint.recipe.bits, strict=True))


def _taken_as_is(layer, bits):
    return layer.quantised and bits >= layer.linear.bits


def quantised(layer, bits, xs=(), ys=()):
    """Return ``(levels, scale, shift)`` of ``layer`` (hidden or readout) at ``bits``.

    ``levels``: integers ``(neurons, weights of a neuron)`` per synapse; ``scale`` ``(neurons or 1, 1)``; ``shift``
    ``(neurons,)``: the mean of the quantised product on ``ys`` less that of the float product on ``xs``, the values
    of each source in the integer network and in the float model on calibration images.
    """
    if _taken_as_is(layer, bits):
        levels, scale = layer.levels()
        return levels, scale, torch.zeros(len(levels[0]), dtype=torch.float64)
    main = layer.linear
    weights = [weight.double() for weight in layer.weights()]
    found = [
        clip_search(part, bits, windows, shared=main.shared)
        for part, windows in zip(weights[0].chunk(main.tap.groups), windows_of(main.tap, ys[0]), strict=True)
    ]
    scale = found[0][1] if main.shared else torch.cat([part[1] for part in found])
    levels = [torch.cat([part[0] for part in found])]
    levels += [weight_levels(w, scale, max(bits, s.bits)) for w, s in zip(weights[1:], layer.synapses[1:], strict=True)]
    shift = sum(_mean(s, v, w * scale) for s, v, w in zip(layer.synapses, ys, levels, strict=True))
    return levels, scale, shift - sum(_mean(s, v, w) for s, v, w in zip(layer.synapses, xs, weights, strict=True))


def _mean(synapse, values, weights):
    """Return the mean, float64 ``(neurons,)``, of the product of ``weights`` over images and positions."""
    parts = [synapse.product(part.double(), weights).transpose(0, 1).flatten(1) for part in values.split(100)]
    return sum(part.sum(dim=1) for part in parts) / sum(part.shape[1] for part in parts)


def windows_of(tap, values):
    """Return what the neurons of each group of ``tap`` see: a list of float64 ``(samples, weights of a neuron)``.

    ``values``: of its source, uint8. Of a convolution a random sample of :data:`MAX_WINDOWS` windows, a few of each
    image, is taken.
    """
    if tap.kind == "dense":
        return [raster(values).double()]
    if tap.kind == "pooled":
        cells = torch.nn.functional.avg_pool2d(values.double(), tap.pool) * (tap.pool[0] * tap.pool[1])
        return [raster(cells)]
    draw, found = torch.Generator().manual_seed(0), []
    for part in values.split(16):
        windows = torch.nn.functional.unfold(part.float(), tap.kernel, padding=tap.padding, stride=tap.stride)
        kept = torch.randperm(windows.shape[2], generator=draw)[: max(1, MAX_WINDOWS // len(values))]
        found.append(windows[:, :, kept].transpose(1, 2).flatten(0, 1).double())
    return list(torch.cat(found).chunk(tap.groups, dim=1))


def clip_search(weight, bits, inputs, *, shared=False):
    """Return ``(levels, scale)``, float64: the clip of least squared accumulator error, per neuron unless ``shared``.

    ``weight`` ``(neurons, inputs)``; ``inputs`` ``(images, inputs)``. For each clip tried the best scale of the
    levels that it gives follows in closed form. The error is about the mean: a constant part is the threshold's.
    """
    centred = inputs - inputs.mean(dim=0)
    # a little of the identity keeps pixels that no calibration image lights from being rounded freely
    moments = centred.T @ centred / len(inputs) + 1e-4 * torch.eye(inputs.shape[1], dtype=torch.float64)
    limit, best = weight_limit(bits), None
    whole = weight.abs().amax(dim=None if shared else 1).reshape(-1, 1)
    whole = torch.where(whole > 0, whole, torch.ones_like(whole))
    for clip in CLIPS if bits > 1 else CLIPS[-1:]:
        if bits > 1:
            levels = (weight / (whole * clip / limit)).round().clamp(-limit, limit)
        else:
            levels = torch.where(weight >= 0, 1.0, -1.0).double()
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
            best = tuple(torch.where(better, new, old) for new, old in zip((levels, scale, error), best, strict=True))
    return best[0], best[1]


def fold(hidden, levels, scale, shift, peak):
    """Return ``(levels, thresholds)`` of a hidden layer: turned integers, and int32 ``(neurons,)``.

    ``levels``: integers ``(neurons, weights of a neuron)`` of each synapse, ``scale`` ``(neurons, 1)``, ``shift``
    ``(neurons,)`` added to the mean, ``peak`` the largest input value. Float64 throughout.
    """
    norm, u_th = hidden.norm, hidden.neuron.threshold
    gamma, beta = norm.weight.double(), norm.bias.double()
    std = (norm.running_var.double() + norm.eps).sqrt()
    theta = norm.running_mean.double() + shift + (u_th - beta) * std / torch.where(gamma == 0, 1.0, gamma)
    turned = gamma < 0
    levels = [torch.where(turned[:, None], -table, table) for table in levels]
    if hidden.linear.tap.fan_in:  # few weights often share a divisor: smaller ones give the same spikes
        shared = torch.tensor(np.gcd.reduce(levels[0].numpy().astype(np.int64), axis=1)).clamp(min=1)
        levels, scale = [levels[0] / shared[:, None]], scale * shared[:, None]
    reach = (torch.where(turned, -theta, theta) / scale.double()[:, 0]).ceil().numpy()
    low = peak * sum(table.double().clamp(max=0).sum(dim=1) for table in levels).numpy()
    high = peak * sum(table.double().clamp(min=0).sum(dim=1) for table in levels).numpy()
    constant = np.where(beta.numpy() >= u_th, low, high + 1)
    thresholds = np.where(gamma.numpy() == 0, constant, np.clip(reach, low, high + 1))
    if np.abs(thresholds).max() > MAX_THRESHOLD:
        raise UserError(f"accumulators reach beyond {MAX_THRESHOLD}, the largest threshold")
    return levels, thresholds.astype(np.int32)
