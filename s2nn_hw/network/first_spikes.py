"""When neurons spike first: the values of networks of ``ttfs`` neurons as times, and the network a slot at a time.

A tensor of T slots has ``time = T - value``: slots 0 to T - 1, and T where there is no spike. Unsigned pixels of B bits
are such a tensor, too, of ``T = 2^B - 1`` slots: bright ones come first.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.ttfs import SLOTS, Ttfs
from s2nn_hw.network.planes import Planes

PIXEL_BITS = 8  # times of more bits don't fit a byte


def slots_of(network: Network) -> dict[str, int]:
    """Return T by name of the tensors whose values are times: ``ttfs`` neurons', what is pooled of them, and pixels.

    Empty where no layer has such neurons.
    """
    if not any(layer.neuron and layer.neuron.first_spike_slots for layer in network.layers):
        return {}
    pixels = network.input.planes
    timed = pixels.radix and not pixels.signed and pixels.count <= PIXEL_BITS
    found = {INPUT: pixels.peak} if timed else {}
    for layer in network.layers:
        if layer.neuron:
            slots = layer.neuron.first_spike_slots
        else:
            slots = min(found.get(source, 0) for source in layer.sources)
        if slots:
            found[layer.name] = slots
    return found


def timed(network: Network) -> dict[str, int]:
    """Return :func:`slots_of` ``network``; :class:`UserError` where no layer has such neurons."""
    slots = slots_of(network)
    if not slots:
        raise UserError(f"network {network.name}: no layer has ttfs neurons, so there is no time to the first spike")
    return slots


def counted_slots(values: np.ndarray, slots: int) -> np.ndarray:
    """Return how many ``values`` of a tensor of ``slots`` spike first in each, int64 ``(slots + 1,)``, the last one how
    many never do."""
    return np.bincount(values.ravel(), minlength=slots + 1)[::-1]


def first_spikes(network: Network, images: Any) -> dict[str, np.ndarray]:
    """Return when each value of ``images`` and layers spikes, by name: uint8 ``(count, *shape)``, T: never.

    Names are those of :func:`slots_of`; T is ``slots`` of the neurons, of B-bit pixels ``2^B - 1``.
    """
    slots = timed(network)
    values = {INPUT: network.encode(images)} | network.forward(images, trace="spikes").spikes
    return {
        name: (last - values[name].astype(np.int64)).astype(np.uint8).reshape(-1, *network.shapes[name])
        for name, last in slots.items()
        if name in values
    }


def to_first_spikes(network: Network) -> Network:
    """Return ``network`` with all numbers of 2 to 5 bits of hidden layers as times: the same values and scores.

    :class:`UserError` names the first layer that gives anything else.
    """
    layers = []
    for layer in network.layers:
        neuron = layer.neuron
        if isinstance(neuron, Quantized) and neuron.planes.radix and neuron.planes.peak in SLOTS:
            made = Ttfs(neuron.thresholds, neuron.starts, neuron.planes.peak, neuron.fraction)
            layer = replace(layer, neuron=made)
        elif neuron and neuron.fires and not neuron.first_spike_slots:
            raise UserError(
                f"layer {layer.name}: {neuron.kind} neurons that give {neuron.planes} have no time to the first spike; "
                f"numbers of 2 to 5 bits have one, in {', '.join(map(str, SLOTS))} slots"
            )
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def simulate(network: Network, images: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Run ``network``, all of whose hidden neurons are ``ttfs``, slot by slot on ``images``; return scores and times.

    Scores int64 ``(count, classes)``; times by name, uint8 ``(count, values)``. Every spike is added in its slot, pools
    are the OR of each slot, of which the first spike counts; :meth:`.Network.forward` has the same integers from closed
    forms. :class:`UserError` names what is no time.
    """
    slots = timed(network)
    lacking = [name for name in network.planes if name not in slots]
    if lacking:
        raise UserError(f"network {network.name} can't run slot by slot: {lacking[0]} gives no time to the first spike")
    times = {INPUT: (slots[INPUT] - network.encode(images).astype(np.int64)).astype(np.uint8)}
    for layer in network.layers:
        if not layer.neuron:
            times[layer.name] = _pooled(network, layer, times, slots)
            continue
        arriving = np.stack(list(_arriving(network, layer, times, slots)))
        if isinstance(layer.neuron, Ttfs):
            times[layer.name] = layer.neuron.simulate(arriving)
        else:
            scores = layer.neuron.frame(None, [arriving.cumsum(axis=0).sum(axis=0)])[1]
    return scores, times


def _arriving(
    network: Network, layer: Layer, times: dict[str, np.ndarray], slots: dict[str, int]
) -> Iterator[np.ndarray]:
    """Yield the sum of the weights of the spikes of each slot of what ``layer`` reads."""
    for slot in range(slots[layer.sources[0]]):
        parts = [
            synapse.accumulate((times[source] == slot).astype(np.uint8), network.shapes[source], 1)
            for synapse, source in zip(layer.synapses, layer.sources, strict=True)
        ]
        yield reduce(np.add, parts)


def _pooled(network: Network, layer: Layer, times: dict[str, np.ndarray], slots: dict[str, int]) -> np.ndarray:
    """Return the first slot in which any of a window, or of the sources, spikes."""
    last = slots[layer.name]
    first: np.ndarray | None = None
    for slot in range(last):
        spikes = [(times[source] == slot).astype(np.uint8) for source in layer.sources]
        fired = layer.synapses[0].join(spikes, network.shapes[layer.sources[0]], Planes())
        if first is None:
            first = np.full(fired.shape, last, np.uint8)
        first[(first == last) & (fired == 1)] = slot
    assert first is not None  # there are slots
    return first
