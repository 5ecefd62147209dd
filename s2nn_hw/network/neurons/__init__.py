"""What happens to the sum; the table of all neurons, by their kind in the file."""

from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.ttfs import Ttfs

NEURONS: dict[str, type[Neuron]] = {
    "fire": Fire,
    "integrate": Integrate,
    "quantized": Quantized,
    "ttfs": Ttfs,
    "readout": Readout,
    "leaky_readout": LeakyReadout,
}
