"""What a ReLU layer loses as it becomes numbers of some bits, against its owner's activations on the same inputs."""

from dataclasses import dataclass

import numpy as np

from s2nn_hw.quantize.float_graph import FloatGraph
from s2nn_hw.quantize.float_neurons import FloatQuantized


@dataclass(frozen=True)
class Loss:
    """One layer.

    threshold   what its largest number stands for
    cut_off     share of the owner's activations beyond it
    activation  the owner's mean activation; ``error``: the mean of how far the integers' are from them
    """

    layer: str
    threshold: float
    cut_off: float
    activation: float
    error: float


def loss(graph: FloatGraph, layer: str, owner: np.ndarray, numbers: np.ndarray) -> Loss | None:
    """Return what ``layer`` of the converted ``graph`` loses; None where it is none with numbers.

    ``owner``: its activations, ``numbers``: ours, both ``(count, values)``.
    """
    neuron = next((x.neuron for x in graph.layers if x.name == layer), None)
    if not isinstance(neuron, FloatQuantized):
        return None
    threshold = neuron.width * neuron.planes.peak
    return Loss(
        layer,
        float(threshold),
        float((owner > threshold).mean()),
        float(owner.mean()),
        float(np.abs(numbers * neuron.width - owner).mean()),
    )
