"""What happens to the sum; the table of all neurons, by their kind in the file."""

from s2nn_hw.network.neurons.adaptive import Adaptive
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.low_pass import LowPass
from s2nn_hw.network.neurons.max_readout import MaxReadout
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.neurons.ttfs import Ttfs

NEURONS: dict[str, type[Neuron]] = {
    "fire": Fire,
    "integrate": Integrate,
    "quantized": Quantized,
    "ttfs": Ttfs,
    "sigma_delta_encoder": SigmaDeltaEncoder,
    "sigma_delta": SigmaDelta,
    "adaptive": Adaptive,
    "lif": Lif,
    "low_pass": LowPass,
    "readout": Readout,
    "leaky_readout": LeakyReadout,
    "integrator_readout": IntegratorReadout,
    "max_readout": MaxReadout,
    "last_half_readout": LastHalfReadout,
}
