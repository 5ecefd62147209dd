"""What one stage has to do: connections, additions per spike, and how much of what it reads is active.

connections            weights, each counted once for every position at which it is used; where they are logic,
                       those that are not zero
active taps            ones of the input, those of every plane, each counted once for every window position that
                       covers it; slot by slot a value is one spike, however many of its bits are ones
synaptic operations    active taps x the output channels that each adds to; where weights are logic, those whose
                       weight is not zero
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.reads import times_read
from s2nn_hw.network.synapses import Synapse


@dataclass(frozen=True)
class Ones:
    """What comes of each value in a frame, by tensor float64 ``(size,)``, mean over the images: ``bits``, ones of all
    planes; ``spikes``, values that are not 0, which come slot by slot, once at most."""

    bits: Mapping[str, np.ndarray]
    spikes: Mapping[str, np.ndarray]

    def read_by(self, stage: Stage) -> Mapping[str, np.ndarray]:
        """Return those that ``stage`` reads."""
        return self.spikes if slots_read(stage) else self.bits

    def given_by(self, stage: Stage) -> np.ndarray:
        """Return those that leave ``stage``, which is no readout."""
        return (self.spikes if slots_given(stage) else self.bits)[stage.output]


def slots_read(stage: Stage) -> int:
    """Return in how many slots values come to ``stage``, 0 where they are numbers."""
    return stage.engine.planes if stage.engine is not None and stage.engine.literal else 0


def slots_given(stage: Stage) -> int:
    """Return in how many slots values leave ``stage``, 0 where they are numbers, or scores."""
    return stage.engine.ramp.slots if slots_read(stage) and stage.engine.in_slots else 0


@dataclass(frozen=True)
class Work:
    """What a frame asks of a stage, mean over the images.

    active_inputs         ones that it reads, of every plane or slot
    active_share          of all that could be: values x planes, or slots
    active_taps           each counted for every window that covers it
    synaptic_operations   additions
    """

    active_inputs: float
    active_share: float
    active_taps: float
    synaptic_operations: float


def fan_out(synapse: Synapse) -> int:
    """Return to how many output channels an input of ``synapse`` is connected."""
    return synapse.neurons // synapse.groups


def connections(network: Network, layer: Layer, *, wired: bool = False) -> int:
    """Return the connections of ``layer``; 0 where spikes are only joined.

    ``wired``: weights are logic, so that those of a dense layer that are 0 do not exist.
    """
    if not layer.accumulates:
        return 0
    if wired and all(s.flattens for s in layer.synapses):
        return sum(int(np.count_nonzero(s.weights)) for s in layer.synapses)
    return sum(s.operations(network.shapes[source]) for s, source in zip(layer.synapses, layer.sources, strict=True))


def stage_work(network: Network, stage: Stage, counted: Ones) -> Work:
    """Return the :class:`Work` of a stage per image."""
    sources, ones = stage.layers[0].sources, counted.read_by(stage)
    active = sum(float(ones[source].sum()) for source in sources)
    places = sum(network.size(source) for source in sources) * (slots_read(stage) or network.planes[sources[0]].count)
    taps = additions = 0.0
    for layer in stage.layers if stage.layer.accumulates else ():
        for synapse, source in zip(layer.synapses, layer.sources, strict=True):
            read = ones[source] * times_read(synapse, network.shapes[source], stage.positions)
            taps += float(read.sum())
            if stage.engine.constant and synapse.flattens:
                additions += float(read @ np.count_nonzero(synapse.weights, axis=0))  # the others are not there
            else:
                additions += float(read.sum()) * fan_out(synapse)
    return Work(round(active, 3), round(active / places, 5), round(taps, 1), round(additions, 1))
