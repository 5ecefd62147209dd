"""The same network with fewer bits: weights rounded anew, pixels cut, thresholds moved so that the spikes stay close.

A neuron that spiked for ``sum W x >= T`` is to spike for ``sum V y >= S``, where ``y`` are fewer bits of pixels or the
spikes of a changed layer before, and ``V`` fewer bits of weights:

    V, scale   per neuron, of all clips tried the one with the least squared error of ``scale V y`` against ``W x``
    shift      mean over calibration images of ``scale V y - W x``
    S          ``ceil((T - 1/2 + shift) / scale)``: accumulators are integers, so T - 1/2 is the fair middle
    readout    one scale for all classes, bias ``round((B - shift) / scale)``, so that argmax means the same

Without calibration images the error is that of the weights alone, and the shift is 0. Layers that change nothing keep
their tables bit for bit as long as nothing before them has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapses import Synapse, image_shape, weight_limit
from s2nn_hw.quantize.connection import Connection
from s2nn_hw.quantize.convert import MAX_THRESHOLD, clip_search
from s2nn_hw.quantize.products import windows_of

Values = Mapping[str, np.ndarray]  # by name of the tensor, uint8 ``(images, size)``
Shapes = Mapping[str, tuple[int, ...]]
CALIBRATION = 1000  # images are enough: a mean per neuron, and moments of its inputs


def own_bits(network: Network) -> tuple[int, int]:
    """Return ``(input bits, weight bits)`` of ``network``, the most of any hidden layer (or of the only layer)."""
    layers = _reduced(network)
    return network.input.bits, max(layer.synapses[0].bits for layer in layers)


def _reduced(network: Network) -> tuple[Layer, ...]:
    """Return the layers whose weights get fewer bits: the hidden ones, or the readout where it is alone."""
    layers = tuple(layer for layer in network.layers if layer.accumulates)
    return layers[:-1] or layers


def over_planes(network: Network) -> str | None:
    """Return the first layer with neurons that no variant can be made of, or the input of events; None: all can."""
    others = [x.name for x in network.layers if x.neuron and x.neuron.kind not in ("fire", "readout")]
    return INPUT if network.input.events else others[0] if others else None


def make_variant(
    network: Network,
    *,
    input_bits: int | None = None,
    weight_bits: int | None = None,
    calibration: np.ndarray | None = None,
) -> Network:
    """Return ``network`` with at most ``weight_bits`` in hidden layers, and ``input_bits`` of each pixel.

    The readout and shortcuts keep their bits (a network of a readout alone does not). ``calibration``: uint8 images
    ``(count, *input.shape)``, not those on which accuracy is measured; None: see the module. ``network`` itself comes
    back if nothing changes. :class:`UserError` for bits that the network has not got.
    """
    most_input, most_weights = own_bits(network)
    input_bits, weight_bits = input_bits or most_input, weight_bits or most_weights
    for what, wanted, most in (("input", input_bits, most_input), ("weight", weight_bits, most_weights)):
        if not 1 <= wanted <= most:
            raise UserError(
                f"network {network.name} has {most} {what} bits, so {wanted} can't be had without "
                "training; explore its recipe instead"
            )
    if (input_bits, weight_bits) == (most_input, most_weights):
        return network
    if input_bits != most_input and not (network.input.of_bytes or network.input.scaling):
        raise UserError(f"network {network.name} reads integers as they are, of which no bits can be left out")
    planes = over_planes(network)
    if planes is not None:
        raise UserError(
            f"network {network.name} can't be had with fewer bits without training: layer {planes} has "
            "several planes; explore its recipe instead"
        )
    entering = network.input.coarser(input_bits)
    x, y, shapes = {}, {}, network.shapes
    if calibration is not None:
        x[INPUT], y[INPUT] = (i.planes.numbers(i.encode(calibration)) for i in (network.input, entering))
    changed, layers, reduced = {INPUT} if input_bits != most_input else set(), [], _reduced(network)
    for layer in network.layers:
        new, peaks = layer, (network.read(layer).most, entering.planes.most if layer.sources == (INPUT,) else 1)
        bits = min(weight_bits, layer.synapses[0].bits) if layer in reduced else None
        if layer.accumulates and (changed & set(layer.sources) or (bits and bits < layer.synapses[0].bits)):
            new = _rounded(
                layer,
                bits or layer.synapses[0].bits,
                x,
                y,
                shapes,
                peaks,
                entering.low if INPUT in layer.sources else 0,
            )
        if new is not layer or changed & set(layer.sources):
            changed.add(layer.name)
        layers.append(new)
        if calibration is not None and not layer.is_readout:
            x[layer.name] = _step(layer, x, shapes, peaks[0])
            y[layer.name] = _step(new, y, shapes, peaks[1]) if layer.name in changed else x[layer.name]
    name = f"{network.name[:48]}-i{input_bits}w{weight_bits}"
    return Network(
        name,
        entering,
        tuple(layers),
        network.classes,
        network.provenance
        | {
            "variant_of": {
                "name": network.name,
                "digest": network.digest,
                "input_bits": input_bits,
                "weight_bits": weight_bits,
                "calibration_images": 0 if calibration is None else len(calibration),
            }
        },
    )


def _step(layer: Layer, values: Values, shapes: Shapes, peak: int) -> np.ndarray:
    """Return what ``layer`` gives on the ``values`` of its sources, uint8 ``(images, size)``."""
    sources, before = [values[s] for s in layer.sources], [shapes[s] for s in layer.sources]
    if not layer.accumulates:
        return layer.synapses[0].join(sources, before[0], Planes())
    return layer.own_neuron.step(None, _sums(layer, sources, before, peak))[1]


def _sums(layer: Layer, values: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], peak: int) -> np.ndarray:
    came = [s.accumulate(v, shape, peak) for s, v, shape in zip(layer.synapses, values, shapes, strict=True)]
    return reduce(np.add, came)


def _rounded(
    layer: Layer, bits: int, x: Values, y: Values, shapes: Shapes, peaks: tuple[int, int], least: int
) -> Layer:
    """Return ``layer`` with its first table at ``bits``; ``x``, ``y``: values by name before and after the change."""
    before = [shapes[s] for s in layer.sources]
    old, new = ([values[s] for s in layer.sources] if values else [] for values in (x, y))
    main, shared = layer.synapses[0], layer.is_readout
    grain = _grain(old, new, peaks)  # of an input: what one step of a new pixel is worth in old ones
    weight = torch.tensor(_rows(main).astype(np.float64)) * grain
    if bits == main.bits:
        levels, scale = weight / grain, torch.full((1 if shared else len(weight), 1), grain, dtype=torch.float64)
    else:
        levels, scale = _search(main, weight, bits, before[0], new[0] if new else None, shared)
    tables = [_table(main, levels, bits)]
    for synapse in layer.synapses[1:]:  # shortcuts share the scale of what they add to
        limit = weight_limit(synapse.bits)
        rounded = (torch.tensor(_rows(synapse).astype(np.float64)) / scale).round().clamp(-limit, limit)
        if synapse.bits == 1:
            rounded = torch.where(rounded >= 0, 1.0, -1.0)
        tables.append(_table(synapse, rounded, synapse.bits))
    made, factor, shift = replace(layer, synapses=tuple(tables)), scale[:, 0].numpy(), np.zeros(1)
    if new:
        shift = factor * _mean(made, new, before, peaks[1]) - _mean(layer, old, before, peaks[0])
    if layer.is_readout:
        table = np.round((layer.own_neuron.table - shift) / factor)
        return replace(made, neuron=Readout(np.clip(table, -MAX_THRESHOLD, MAX_THRESHOLD).astype(np.int32)))
    ranges = [s.bounds(peaks[1], least) for s in tables]
    low, high = sum(low for low, _ in ranges), sum(high for _, high in ranges)
    reach = np.ceil((layer.own_neuron.table - 0.5 + shift) / factor - 1e-9)
    return replace(made, neuron=Fire(np.clip(reach, low, high + 1).astype(np.int32)))


def _grain(old: Sequence[np.ndarray], new: Sequence[np.ndarray], peaks: tuple[int, int]) -> float:
    """Return by what a new input value is to be multiplied to be nearest to the old one: least squares, or by peaks."""
    if peaks[0] == peaks[1]:
        return 1.0
    if not new or not int(new[0].sum()):
        return peaks[0] / peaks[1]
    before, after = old[0].astype(np.float64), new[0].astype(np.float64)
    return float((before * after).sum() / (after * after).sum())


def _search(
    synapse: Synapse, weight: torch.Tensor, bits: int, shape: tuple[int, ...], values: np.ndarray | None, shared: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``(levels, scale)`` of all output channels, group by group of a convolution."""
    groups = synapse.groups
    if values is None:
        inputs = [torch.zeros((1, weight.shape[1]), dtype=torch.float64)] * groups
    else:
        inputs = _windows(synapse, shape, torch.from_numpy(values))
    found = [
        clip_search(part, bits, seen, shared=shared) for part, seen in zip(weight.chunk(groups), inputs, strict=True)
    ]
    scale = found[0][1] if shared else torch.cat([s.expand(len(levels), 1) for levels, s in found])
    return torch.cat([levels for levels, _ in found]), scale


def _windows(synapse: Synapse, shape: tuple[int, ...], values: torch.Tensor) -> list[torch.Tensor]:
    """Return what each group's neurons see on ``values``, see :func:`s2nn_hw.quantize.products.windows_of`."""
    if synapse.flattens:
        return [values.double()]
    rows, columns, channels = image_shape(shape)
    image = values.reshape(len(values), rows, columns, channels).permute(0, 3, 1, 2)
    if synapse.pools:
        return windows_of(Connection("pooled", pool=synapse.pool), image)
    return windows_of(Connection("conv", synapse.kernel, synapse.stride, synapse.padding, synapse.groups), image)


def _rows(synapse: Synapse) -> np.ndarray:
    """Return the weights as ``(neurons, weights of a neuron)``; of a convolution in the order channel, row, column."""
    weights = synapse.weights
    return (weights.transpose(0, 3, 1, 2) if weights.ndim == 4 else weights).reshape(len(weights), -1)


def _table(synapse: Synapse, levels: torch.Tensor, bits: int) -> Synapse:
    weights = levels.numpy().astype(np.int8)
    if synapse.weights.ndim == 4:
        channels, rows, columns, inputs = synapse.weights.shape
        weights = np.ascontiguousarray(weights.reshape(channels, inputs, rows, columns).transpose(0, 2, 3, 1))
    return replace(synapse, weights=weights, bits=bits)  # type: ignore[type-var]  # each with weights is a dataclass


def _mean(layer: Layer, values: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], peak: int) -> np.ndarray:
    """Return the mean accumulator of each neuron over images and positions, float64 ``(neurons,)``."""
    total, count = np.zeros(layer.own_neuron.size), 0
    for start in range(0, len(values[0]), 100):
        sums = _sums(layer, [v[start : start + 100] for v in values], shapes, peak).reshape(-1, layer.own_neuron.size)
        total, count = total + sums.sum(axis=0).astype(np.float64), count + len(sums)
    return total / count
