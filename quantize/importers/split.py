"""Levels as that many spikes: a channel of levels 0 .. L becomes L channels, the k-th with the threshold of level k.

Whoever reads the channel reads each of them with its weights: the sum is the same, as the spikes of a value are as many
as the value. So any thresholds are exact, for L times the neurons. Maxima are maxima: the k-th spike is the OR.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire


def split(network: Network, sums: Mapping[str, np.ndarray]) -> tuple[Network, dict[str, int]]:
    """Return ``network`` with spikes in place of the levels of the layers in ``sums``, and L of each such tensor.

    ``sums``: the least sums that reach levels 1 .. L, int64 ``(L, channels)``.
    """
    many: dict[str, int] = {}
    layers = [_layer(layer, sums.get(layer.name), many) for layer in network.layers]
    try:
        return replace(network, layers=tuple(layers)), many
    except UserError as error:
        raise UserError(f"levels of some layers can't be spikes beside those of others: {error}") from None


def _layer(layer: Layer, sums: np.ndarray | None, many: dict[str, int]) -> Layer:
    if not layer.accumulates:
        if layer.sources[0] in many:
            many[layer.name] = many[layer.sources[0]]
        return layer
    tables = [_repeated(s, many.get(n, 1), -1) for s, n in zip(layer.synapses, layer.sources, strict=True)]
    if sums is None:
        return replace(layer, synapses=tuple(tables))
    many[layer.name] = len(sums)
    tables = [_repeated(table, len(sums), 0) for table in tables]
    return replace(layer, synapses=tuple(tables), neuron=Fire(sums.T.reshape(-1).astype(np.int32)))


def _repeated(synapse: Any, times: int, axis: int) -> Any:
    return replace(synapse, weights=np.repeat(synapse.weights, times, axis=axis)) if times > 1 else synapse
