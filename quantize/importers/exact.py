"""Integer tables with just the spikes, levels and classes of an owner's own arithmetic, whatever it rounds.

What a neuron behind a sum ``a`` of integers gives, never falls with a (rows of weights are turned where it would). So
there is for each level k one least sum ``T_k`` that reaches it. Halving the range of what the sum can be finds it,
and each time the owner's arithmetic is asked, in its own type of floats.

    fire        ``T_1`` is the threshold
    quantized   theta and v of ``floor((2^F a + v) / theta)`` with ``2^F (T_k - 1) < k theta - v <= 2^F T_k`` for all k;
                F the least with which all channels have one. Where there is none, as with ties that are rounded to
                even, the nearest are taken, and it is told
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.planes import Planes
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer
from s2nn_hw.quantize.float_neurons import FloatFire, FloatQuantized

Respond = Callable[[np.ndarray], np.ndarray]  # integer sums (count, channels) to levels, both int64
LIMIT = 1 << 29  # of tables


@dataclass(frozen=True, eq=False)
class Unfit:
    """Levels of ``layer`` whose thresholds are not its owner's, ``many`` of them.

    ``sums``: the owner's, the least that reach each level, int64 ``(levels, channels)``.
    """

    layer: str
    many: int
    sums: np.ndarray

    @property
    def levels(self) -> int:
        """Thresholds of all channels."""
        return self.sums.size

    def __str__(self) -> str:
        return (
            f"layer {self.layer}: {self.many:,} of {self.levels:,} thresholds of levels are beside the owner's, as "
            "levels here are of one width: its ties, or thresholds that are not evenly spaced (spikes in place of "
            "levels have them: --split-levels)"
        )


def exact(
    network: Network, graph: FloatGraph, respond: Mapping[str, Respond] | None = None
) -> tuple[Network, list[Unfit]]:
    """Return ``network`` with exact tables wherever ``graph`` has integer weights, and where that can't be.

    ``respond``: by layer the owner's arithmetic; else the graph's own, in float64.
    """
    layers, unfit = [], list[Unfit]()
    floats = {layer.name: layer for layer in graph.layers}
    for layer in network.layers:
        own = floats[layer.name]
        if own.neuron is not None and own.scale is not None:
            layer, off = _layer(network, layer, own, (respond or {}).get(layer.name))
            unfit += [] if off is None else [off]
        layers.append(layer)
    return replace(network, layers=tuple(layers)), unfit


def _layer(network: Network, layer: Layer, own: FloatLayer, respond: Respond | None) -> tuple[Layer, Unfit | None]:
    neuron = own.neuron
    if not isinstance(neuron, FloatFire | FloatQuantized) or (respond is None and isinstance(neuron, FloatFire)):
        return layer, None
    low, high = network.bounds(layer)
    made_neuron: Any = layer.own_neuron
    turned = np.where(neuron.norm.gamma < 0, -1, 1)
    answer = respond or _formula(own)
    found = least_sums(lambda sums: answer(sums * turned), low, high, neuron.planes.peak)
    if isinstance(neuron, FloatFire):
        return replace(layer, neuron=replace(made_neuron, thresholds=found[0].astype(np.int32))), None
    tables = fitted(found, low, high, neuron.planes)
    made = replace(layer, neuron=replace(made_neuron, thresholds=tables[0], starts=tables[1], fraction=tables[2]))
    wrong = int((clipped(reached(*tables, neuron.planes.peak), low, high) != found).sum())
    return made, Unfit(layer.name, wrong, found) if wrong else None


def _formula(layer: FloatLayer) -> Respond:
    neuron = layer.neuron
    assert isinstance(neuron, FloatQuantized)
    gamma, beta, mean, variance = neuron.norm.arrays
    factor, scale = gamma / np.sqrt(variance + neuron.norm.epsilon), layer.scale

    def respond(sums: np.ndarray) -> np.ndarray:
        u = factor * (sums * scale - mean) + beta
        return np.clip(np.floor(u / neuron.width + neuron.start), 0, neuron.planes.peak).astype(np.int64)

    return respond


def least_sums(answer: Respond, low: np.ndarray, high: np.ndarray, peak: int) -> np.ndarray:
    """Return the least sums in ``low .. high + 1`` that reach level 1 .. ``peak``, int64 ``(peak, channels)``.

    ``high + 1``: none does.
    """
    wanted = np.arange(1, peak + 1)[:, None]
    below = np.broadcast_to(low - 1, (peak, len(low))).astype(np.int64)
    above = np.broadcast_to(high + 1, below.shape).astype(np.int64)
    while (above - below > 1).any():
        middle = (below + above) // 2
        reaches = (answer(middle) >= wanted) & (above - below > 1)
        stays = (above - below > 1) & ~reaches
        above, below = np.where(reaches, middle, above), np.where(stays, middle, below)
    return above


def reached(thetas: np.ndarray, starts: np.ndarray, fraction: int, peak: int) -> np.ndarray:
    """Return the least sum that reaches each level, int64 ``(peak, channels)``."""
    levels = np.arange(1, peak + 1, dtype=np.int64)[:, None]
    return -((starts.astype(np.int64) - levels * thetas.astype(np.int64)) >> fraction)


def clipped(sums: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return ``sums`` pulled into ``low .. high + 1``, which changes nothing that leaves."""
    return np.clip(sums, low, high + 1)


def fitted(sums: np.ndarray, low: np.ndarray, high: np.ndarray, planes: Planes) -> tuple[np.ndarray, np.ndarray, int]:
    """Return thresholds, starts, int32 ``(channels,)``, and F with the least ``sums`` ``(levels, channels)``."""
    best: tuple[int, np.ndarray, np.ndarray, int] | None = None
    for fraction in range(MAX_FRACTION + 1):
        thetas, starts = _fit(sums, low, high, fraction, planes)
        off = int((clipped(reached(thetas, starts, fraction, len(sums)), low, high) != sums).sum())
        if best is None or off < best[0]:
            best = off, thetas, starts, fraction
        if not off:
            break
    assert best is not None
    return best[1].astype(np.int32), best[2].astype(np.int32), best[3]


def _fit(
    sums: np.ndarray, low: np.ndarray, high: np.ndarray, fraction: int, planes: Planes
) -> tuple[np.ndarray, np.ndarray]:
    """Return theta and v of each channel with the widest room between the two sides, int64."""
    levels, one = np.arange(1, len(sums) + 1, dtype=np.int64)[:, None], 1 << fraction
    far = np.int64(1) << 60
    upper, lower = sums <= high, sums > low  # sides that anything depends on

    def sides(thetas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        least = np.where(upper, levels * thetas - one * sums, -far).max(axis=0)
        most = np.where(lower, levels * thetas - one * (sums - 1) - 1, far).min(axis=0)
        return least, most

    most_theta = min(LIMIT, LIMIT >> (planes.count - 1) if planes.radix else LIMIT)
    first, last = np.ones(sums.shape[1], np.int64), np.minimum(one * (high - low + 2), most_theta).astype(np.int64)
    while (first < last).any():  # the room is concave in theta
        middle = (first + last) // 2
        (a, b), (c, d) = sides(middle), sides(middle + 1)
        rises = (d - c > b - a) & (first < last)
        last = np.where(rises | (first >= last), last, middle)
        first = np.where(rises, middle + 1, first)
    least, most = sides(first)
    both = (least > -far // 2) & (most < far // 2)
    starts = np.where(both, (least + most) // 2, np.where(least > -far // 2, least, most))
    return first, np.clip(starts, -LIMIT, LIMIT)
