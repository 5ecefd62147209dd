"""What happens to the sum; the table of all neurons, by their kind in the file."""

from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.neurons.readout import Readout

NEURONS: dict[str, type[Neuron]] = {"fire": Fire, "readout": Readout}
