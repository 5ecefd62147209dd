"""What one layer is lowered from: the network, its plan, and what is known of its neighbours."""

from collections.abc import Mapping
from dataclasses import dataclass

from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.circuit.stage import Tensor
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.neuron import Neuron


@dataclass(frozen=True)
class Job:
    """One layer to be lowered.

    ``choices``: the plan of each layer by name; ``pool``: the max pooling fused behind ``layer``; ``tensors``: how each
    is streamed, by name; ``inner``: layers that are fused into the one behind them, by the name of that one; ``pace``:
    cycles that the layers in front take for a frame at least.
    """

    network: Network
    layer: Layer
    choices: Mapping[str, LayerPlan]
    pool: Layer | None
    tensors: Mapping[str, Tensor]
    inner: Mapping[str, Layer]
    pace: int = 0

    @property
    def choice(self) -> LayerPlan:
        """The plan of the layer."""
        return self.choices[self.layer.name]

    @property
    def output(self) -> str:
        """The name of the tensor that leaves."""
        return self.pool.name if self.pool else self.layer.name

    @property
    def neuron(self) -> Neuron:
        """The neurons of a layer that accumulates."""
        return self.layer.own_neuron

    @property
    def several(self) -> bool:
        """Whether several sources add up."""
        return len(self.layer.sources) > 1
