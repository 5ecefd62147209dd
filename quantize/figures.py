"""The figures of a quantised network as records that write themselves: one row per layer, and the whole."""

from dataclasses import dataclass, fields
from typing import Any

from s2nn_hw.quantize.check import Check

# what goes into the network's provenance
MEASURED = (
    "data_set",
    "images",
    "accuracy_float",
    "accuracy_integer",
    "spikes",
    "spike_rates",
    "spikes_per_neuron",
    "input_ones",
    "synaptic_operations",
)


def entries(record: Any) -> dict[str, Any]:
    """Return the fields of ``record``, tuples as lists."""
    values = {entry.name: getattr(record, entry.name) for entry in fields(record)}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


@dataclass(frozen=True)
class LayerFigures:
    """One layer with weights.

    shape                 of what it gives
    inputs                weights of a neuron
    neurons               rows of the table (channels of an image)
    bits                  of a weight
    weight_range          smallest and largest weight
    sparsity              share of weights that are 0
    table, table_range    "thresholds" or "bias", smallest and largest
    sum_bits              of a signed number that holds every reachable sum, and its distance from the threshold: the
                          network's, whatever the plan; accumulators of the circuit (``inspect``) may have fewer
    memory_bits           of all weights
    active_inputs         ones (pixel bits or spikes) that enter, an image
    synaptic_operations   weights read by them, an image
    neurons_always        neurons that spike whatever comes
    neurons_never         neurons that no input makes spike
    """

    name: str
    shape: tuple[int, ...]
    inputs: int
    neurons: int
    bits: int
    weight_range: tuple[int, int]
    sparsity: float
    table: str
    table_range: tuple[int, int]
    sum_bits: int
    memory_bits: int
    active_inputs: float
    synaptic_operations: float
    neurons_always: int
    neurons_never: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able row."""
        return entries(self)


@dataclass(frozen=True)
class Figures:
    """The whole: accuracies and activity on test images, and the layers.

    digest                       of the network
    data_set, images             title, and how many were measured
    accuracy_float, _integer     shares of images classified right
    input_bits, input_ones       of a pixel, and ones in them an image
    spikes, spikes_float         an image, of each layer but the readout in the network's order
    spike_rates                  share of values x planes that are spikes
    spikes_per_neuron            of ttfs neurons the share that spikes at all, of each such layer; None: of others
    synaptic_operations          weights read by ones of all planes, those of the pixels among them, an image
    memory_bits                  of all weights
    layers                       those with weights
    check                        against the owner's model, None where that was not asked for
    warnings                     what is to be said aloud
    """

    name: str
    digest: str
    data_set: str
    images: int
    accuracy_float: float
    accuracy_integer: float
    input_bits: int
    input_ones: float
    spikes: tuple[float, ...]
    spikes_float: tuple[float, ...]
    spike_rates: tuple[float, ...]
    spikes_per_neuron: tuple[float | None, ...]
    synaptic_operations: float
    memory_bits: int
    layers: tuple[LayerFigures, ...]
    check: Check | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able report."""
        layers = [row.to_json() for row in self.layers]
        return entries(self) | {"layers": layers, "check": self.check.to_json() if self.check else None}

    def measured(self) -> dict[str, Any]:
        """Return the entries that a network's provenance keeps."""
        found = self.to_json()
        return {key: found[key] for key in MEASURED}
