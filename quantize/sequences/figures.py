"""The figures of a quantised network over sequences as records that write themselves."""

from dataclasses import dataclass
from typing import Any

from s2nn_hw.quantize.figures import entries

# what goes into the network's provenance
MEASURED = (
    "data_set",
    "sequences",
    "accuracy_rates",
    "accuracy_integer",
    "validation",
    "frames",
    "events",
    "spikes",
    "spike_rates",
    "input_ones",
    "synaptic_operations",
)


@dataclass(frozen=True)
class Accuracy:
    """Shares of so many ``sequences`` that are classified right: of the rates that training began with (None where it
    had none), and of the integers."""

    sequences: int
    accuracy_rates: float | None
    accuracy_integer: float


@dataclass(frozen=True)
class RowsFigures:
    """One layer, or the readout.

    kind           of neuron
    inputs         weights of a neuron, recurrent ones among them
    neurons        rows of the table
    bits           of a weight
    weight_range   smallest and largest weight
    sparsity       share of weights that are 0
    bias_range     smallest and largest bias
    memory_bits    of all weights
    state_bits     of each state, that of the widest neuron
    """

    name: str
    kind: str
    inputs: int
    neurons: int
    bits: int
    weight_range: tuple[int, int]
    sparsity: float
    bias_range: tuple[int, int]
    memory_bits: int
    state_bits: dict[str, int]


@dataclass(frozen=True)
class SequenceFigures:
    """The whole.

    digest                       of the network
    data_set, sequences, cut     title, how many of the test were measured, and how many of them were cut
    accuracy_rates, _integer     shares classified right; of rates None where training had none
    validation                   the same of sequences that choices were made by, None where there were none
    input_bits, ticks            of a pixel, and of a frame
    frames                       of a sequence, the mean
    input_ones                   in its pixels
    events                       spikes of a sequence, all layers; of numbers their ones
    spikes, spike_rates          of each layer but the readout: how many, and their share of neurons, planes and ticks
    synaptic_operations          weights read by ones of all planes, those of a frame's pixels once
    memory_bits                  of all weights
    layers                       with weights
    warnings                     what is to be said aloud
    """

    name: str
    digest: str
    data_set: str
    sequences: int
    cut: int
    accuracy_rates: float | None
    accuracy_integer: float
    validation: Accuracy | None
    input_bits: int
    ticks: int
    frames: float
    input_ones: float
    events: float
    spikes: tuple[float, ...]
    spike_rates: tuple[float, ...]
    synaptic_operations: float
    memory_bits: int
    layers: tuple[RowsFigures, ...]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able report."""
        layers = [entries(row) for row in self.layers]
        return entries(self) | {"layers": layers, "validation": entries(self.validation) if self.validation else None}

    def measured(self) -> dict[str, Any]:
        """Return the entries that a network's provenance keeps."""
        found = self.to_json()
        return {key: found[key] for key in MEASURED}
