"""The layers of a network over sequences as records, and the integer neurons that they become.

What a neuron adds up is counted in its ``gain``: the sum, in weights, that fills it (a spike in every tick, or the
largest number). A source's values are counted in their peak P, 1 of spikes. So a weight w of the float network is the
integer ``w gain / P`` and a bias b is ``b gain 2^F``: scales are settings, all of a layer share one, and a network that
was trained with rounded weights and biases is the integer one without a further step.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.network.neurons.adaptive import Adaptive
from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.last_half_readout import LastHalfReadout
from s2nn_hw.network.neurons.lif import Lif
from s2nn_hw.network.neurons.low_pass import STATE_BITS, LowPass
from s2nn_hw.network.neurons.max_readout import MaxReadout
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.sigma_delta import SigmaDelta
from s2nn_hw.network.neurons.sigma_delta_encoder import SigmaDeltaEncoder
from s2nn_hw.network.planes import Planes

ENCODER, SIGMA_DELTA, ADAPTIVE, LIF, LOW_PASS = "sigma_delta_encoder", "sigma_delta", "adaptive", "lif", "low_pass"
LAST, LAST_HALF, INTEGRATOR, MAX = "last", "last_half", "integrator", "max"
Table = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class RowsSpec:
    """Weights, and what is added up with them.

    kind              of neuron, or of readout: last, last_half, integrator or max
    inputs, neurons   columns and rows of the weights
    bits              of a weight
    peak              the largest value of an input
    gain              the sum, in weights, that fills a neuron; the unit of a score
    leak, fraction    k and F of the neuron or readout
    """

    kind: str
    inputs: int
    neurons: int
    bits: int
    peak: int
    gain: int
    leak: int = 0
    fraction: int = 0

    @property
    def full(self) -> int:
        """The gain in units of 2^-F."""
        return self.gain << self.fraction


@dataclass(frozen=True, kw_only=True)
class LayerSpec(RowsSpec):
    """A layer of neurons that last for a sequence.

    planes      bits that leave, of ``low_pass``
    reset       of ``lif``
    recurrent   whether the layer reads what it gave in the tick before
    """

    name: str
    planes: int = 1
    reset: str = "soft"
    recurrent: bool = False

    @property
    def given(self) -> Planes:
        """The planes that leave."""
        return Planes(self.planes)

    @property
    def shift(self) -> int:
        """Of ``low_pass``, r of ``y = ((a << F) + b) >> r``: a full sum is 2^8."""
        shift = self.full.bit_length() - 1 - STATE_BITS
        if self.full != 1 << (shift + STATE_BITS) or shift < 0:
            raise UserError(
                f"'gain' of low_pass neurons must be a power of two, and with 2^fraction times it {1 << STATE_BITS} or "
                f"more, not {self.gain} with a 'fraction' of {self.fraction}"
            )
        return shift

    def integer(self, biases: Table) -> Neuron:
        """Return the integer neurons with ``biases``, int32 ``(neurons,)``."""
        full = np.full(self.neurons, self.full, np.int32)
        if self.kind == ENCODER:
            return SigmaDeltaEncoder(full, biases, self.fraction)
        if self.kind == SIGMA_DELTA:
            return SigmaDelta(biases, self.leak, self.gain, self.fraction)
        if self.kind == ADAPTIVE:
            return Adaptive(biases, self.leak, self.gain, self.fraction)
        if self.kind == LOW_PASS:
            return LowPass(biases, self.planes, self.leak, self.shift, self.fraction)
        resets = full if self.reset == "soft" else 0 * full
        return Lif(full, resets, biases, self.leak, self.fraction, self.reset)


class ReadoutSpec(RowsSpec):
    """The readout."""

    def integer(self, biases: Table) -> Neuron:
        """Return the integer readout with ``biases``, int32 ``(classes,)``."""
        if self.kind == LAST:
            return Readout(biases)
        if self.kind == LAST_HALF:
            return LastHalfReadout(biases, self.fraction)
        kind = IntegratorReadout if self.kind == INTEGRATOR else MaxReadout
        return kind(biases, self.leak, self.fraction)


@dataclass(frozen=True)
class SequenceSpec:
    """A network over sequences: ``layers`` in order, the ``readout``, ``ticks`` a frame and ``pixel_bits``."""

    layers: tuple[LayerSpec, ...]
    readout: ReadoutSpec
    ticks: int
    pixel_bits: int

    @property
    def rows(self) -> tuple[RowsSpec, ...]:
        """The layers and the readout."""
        return (*self.layers, self.readout)
