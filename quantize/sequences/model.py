"""The float model of a network over sequences: one set of weights, run as rates or tick by tick as integers.

    weight   ``W = round(w gain / P)`` clipped to the range of its bits, ``b = round(bias gain 2^F)``

P   the source's peak, 1 of spikes      gain, F   see :mod:`.spec`

Gradients pass through the rounding and stop where weights are clipped.
"""

import torch
from torch import Tensor, nn

from s2nn_hw.network.planes import Planes
from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.layers import weight_levels
from s2nn_hw.quantize.neuron import Surrogate
from s2nn_hw.quantize.rounding import rounded
from s2nn_hw.quantize.sequences import exact, rates, readouts
from s2nn_hw.quantize.sequences.layers import spec_of
from s2nn_hw.quantize.sequences.spec import RowsSpec, SequenceSpec
from s2nn_hw.quantize.settings import Recipe


class Rows(nn.Module):
    """Weights and biases of ``spec``, see the module; ``own``: recurrent weights for values of ``given``, or None."""

    def __init__(self, spec: RowsSpec, given: Planes | None = None) -> None:
        super().__init__()
        self.spec, self.given = spec, given.most if given else 0
        self.weight = nn.Parameter(self._started(spec.inputs, spec.peak))
        self.own = nn.Parameter(self._started(spec.neurons, self.given)) if given else None
        self.bias = nn.Parameter(torch.zeros(spec.neurons))

    def tables(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return integer weights, recurrent ones and biases, in floats with gradients."""
        weight = weight_levels(self.weight, self._scale(self.spec.peak), self.spec.bits)
        own = None if self.own is None else weight_levels(self.own, self._scale(self.given), self.spec.bits)
        return weight, own, rounded(self.bias * float(self.spec.full))

    def shares(self) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return the same in units of a full sum, for values that are shares of their peaks."""
        weight, own, bias = self.tables()
        own = None if own is None else own * self._scale(self.given)
        return weight * self._scale(self.spec.peak), own, bias / float(self.spec.full)

    def _scale(self, peak: int) -> Tensor:
        """Return what a weight of 1 from values up to ``peak`` is of a full sum, ``(1, 1)``."""
        return torch.full((1, 1), peak / self.spec.gain, device=self.weight.device)

    def _started(self, inputs: int, peak: int) -> Tensor:
        """Return random weights ``(neurons, inputs)``, within what the bits can say."""
        most = weight_limit(self.spec.bits) * peak / self.spec.gain
        return (torch.randn(self.spec.neurons, inputs) * inputs**-0.5).clamp(-most, most)


class SequenceNetwork(nn.Module):
    """Layers over time and a readout; ``forward`` takes frames ``(batch, frames, channels)`` of integers."""

    def __init__(self, spec: SequenceSpec, surrogate: Surrogate) -> None:
        super().__init__()
        self.spec, self.surrogate = spec, surrogate
        self.hidden = nn.ModuleList(Rows(layer, layer.given if layer.recurrent else None) for layer in spec.layers)
        self.readout = Rows(spec.readout)

    @property
    def rows(self) -> list[Rows]:
        """Weights of each layer, the readout last."""
        return [rows for rows in (*self.hidden, self.readout) if isinstance(rows, Rows)]

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that spike, in order."""
        return tuple(layer.name for layer in self.spec.layers)

    def trace(self, frames: Tensor, lengths: Tensor, *, ticks: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits ``(batch, classes)`` and, by layer, what it gives in each frame or tick.

        ``frames``: float ``(batch, frames, channels)``, zeros behind a sequence's ``lengths``; ``ticks``: run the
        integers tick by tick, else rates frame by frame. Given values are ``(times, batch, neurons)``, of rates shares
        of the largest.
        """
        return self._exact(frames, lengths) if ticks else self._rates(frames, lengths)

    def scores(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the integer scores ``(batch, classes)`` in floats."""
        values = self._spikes(frames)[-1]
        weight, _, bias = self.readout.tables()
        return readouts.of_ticks(self.spec.readout, values, lengths * self.spec.ticks, weight, bias)[0]

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits of the integers."""
        return self._exact(frames, lengths)[0]

    def _spikes(self, frames: Tensor) -> list[Tensor]:
        """Return what each layer gives, tick by tick."""
        values, found = frames.transpose(0, 1), list[Tensor]()
        for number, (spec, rows) in enumerate(zip(self.spec.layers, self.rows, strict=False)):
            weight, own, bias = rows.tables()
            sums = nn.functional.linear(values, weight)
            if not number:  # a frame is held for its ticks
                sums = sums.repeat_interleave(self.spec.ticks, dim=0)
            values = exact.run(spec, sums, own, bias, self.surrogate)
            found.append(values)
        return found

    def _exact(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        found = self._spikes(frames)
        weight, _, bias = self.readout.tables()
        scores, full = readouts.of_ticks(self.spec.readout, found[-1], lengths * self.spec.ticks, weight, bias)
        return scores / full, dict(zip(self.names, found, strict=True))

    def _rates(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        values = frames.transpose(0, 1) / self.spec.layers[0].peak
        found: dict[str, Tensor] = {}
        for spec, rows in zip(self.spec.layers, self.rows, strict=False):
            values = rates.run(spec, values, *rows.shares(), self.spec.ticks)
            found[spec.name] = values
        weight, _, bias = self.readout.shares()
        return readouts.of_rates(self.spec.readout, values, lengths, weight, bias, self.spec.ticks), found


def build(recipe: Recipe) -> SequenceNetwork:
    """Return the network of ``recipe``, freshly initialised from its seed."""
    torch.manual_seed(recipe.training.seed)
    return SequenceNetwork(spec_of(recipe), Surrogate(recipe.neuron.surrogate, recipe.neuron.alpha, recipe.neuron.beta))
