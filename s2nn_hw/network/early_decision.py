"""When the class of a network of ``ttfs`` neurons is certain: the slot after which no later spike can change it.

After n of T slots an input that has spiked has its value, one that has not may still get any of 0 .. T - n. With

    ``L(c, c', n) = S(c) - S(c') + (T - n) * sum over silent inputs j of min(0, W[c, j] - W[c', j])``

the lead that class c keeps over c' whatever comes, ``S`` the scores of the spikes so far, c is certain once L is above
0 against lower classes and at least 0 against higher ones (ties go to the lowest). That is exact: the least lead is
that of spikes in the next slot. What the layers in front will do is not asked.
"""

import numpy as np

from s2nn_hw.network.first_spikes import slots_of
from s2nn_hw.network.network import Network


def readout_slots(network: Network) -> int:
    """Return T of what the readout of ``network`` reads; 0 where it is not dense on one tensor of times."""
    last = network.layers[-1]
    if len(last.sources) > 1 or not last.own_neuron.plain or not last.synapses[0].flattens:
        return 0
    return slots_of(network).get(last.sources[0], 0)


def decided_after(network: Network, values: np.ndarray) -> np.ndarray:
    """Return after how many slots the class of each frame is certain, uint8 ``(count,)``, 0 to T.

    ``values``: integers ``(count, inputs)`` of what the readout reads, see :func:`readout_slots`.
    """
    last, slots = network.layers[-1], readout_slots(network)
    weights = last.synapses[0].weights.astype(np.int64)
    values = values.reshape(len(values), -1).astype(np.int64)
    bias = last.own_neuron.table.astype(np.int64)
    winners = (values @ weights.T + bias).argmax(axis=1)
    found = np.full(len(values), slots, np.uint8)
    for c in np.unique(winners):
        others = np.delete(np.arange(len(weights)), c)
        ahead, least = weights[c] - weights[others], (others < c).astype(np.int64)
        lost, mine = np.minimum(0, ahead), values[winners == c]
        after = np.full(len(mine), slots, np.uint8)
        for n in reversed(range(slots)):
            spiked = mine > slots - n
            lead = (mine * spiked) @ ahead.T + bias[c] - bias[others] + (slots - n) * (~spiked @ lost.T)
            certain = (lead >= least).all(axis=1)
            after[certain] = n
        found[winners == c] = after
    return found
