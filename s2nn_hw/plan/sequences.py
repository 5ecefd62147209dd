"""The plans of networks of sequences: how many neurons of a layer share a lane.

Sound is slow beside a clock: a recording of 62.5 frames a second, 7 ticks each, has some thousands of spikes a second.
So lanes are for what they cost, not for speed.
"""

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.recurrent.params import KIND
from s2nn_hw.network.network import Network

CHUNK = 8  # values that are looked at at once for the next one
FEW_LANES = {"ice40": 2, "gowin": 4}  # of devices with few look-up tables: neurons at once


def sequence_plan(network: Network, family: str) -> Plan:
    """Return the plan of ``network``, which reads sequences, on devices of ``family``: a lane a neuron, but few lanes
    where look-up tables are few, as states in block RAM cost less there than their registers."""
    lanes = FEW_LANES.get(family)
    layers = []
    for layer in network.layers:
        size = layer.neuron.size if layer.neuron else 1
        groups = 1 if lanes is None else -(-size // lanes)
        layers.append(LayerPlan(layer.name, width=CHUNK, engine=KIND, groups=groups))
    return Plan(tuple(layers))
