"""Connections that are learned: which inputs of a neuron with a ``fan_in`` are live, and the LUTs of what is left.

    live inputs of a neuron    the ``k`` of largest ``|w_n| spread_n``
    spread                     the standard deviation of a pixel, 1 for spikes
    window                     the side of a square; inputs outside the neuron's are never live, the squares are
                               spread evenly over the image
    k                          ``fan_in (inputs / fan_in) ^ ((1 - f)^1.5)``,  ``f = progress / reach`` at most 1

``progress`` is the share of the epochs that is over. So every input is live at first, and fewer and fewer as training
goes on. Until the share ``fix`` the choice is made anew every few steps from weights that all receive a gradient, live
or not, so a connection can return; after ``fix`` it is final. All this depends on weights and progress alone.

LUTs (six-input tables of a circuit in which each neuron is logic of its own), an estimate:

    neuron     1 with at most 6 live input bits (its weights are free: any function of 6 bits is one table),
               else 2 if one input has them all (a comparison with a constant), else :data:`TERM` per bit
    class      :data:`TERM` per live spike, and :data:`CHOICE` for finding the best of ten classes
    unread     a neuron that nothing live reads costs nothing, nor do its inputs
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from s2nn_hw.quantize.fan_in import live_inputs, most_inputs
from s2nn_hw.quantize.graph import INPUT
from s2nn_hw.quantize.layers import Groups, SpikingNetwork, Synapse
from s2nn_hw.quantize.settings import Sparse

TABLE = 6  # inputs of a table
TERM = 0.65  # of a sum, per bit of small weight: sums of 62 to 95 spikes map to 0.64 or 0.65 each on 7-series devices
CHOICE = 140  # of the comparisons that find the best of ten classes; other numbers of classes in proportion
SOFTNESS = 0.1  # of the soft choice, in units of the least live weight


def sparse_synapses(model: SpikingNetwork) -> list[Synapse]:
    """Return the :class:`s2nn_hw.quantize.layers.Synapse` modules of ``model`` that have a ``fan_in``."""
    return [s for layer in model.layers for s in layer.synapses if isinstance(s, Synapse) and s.tap.fan_in]


def measure_inputs(model: SpikingNetwork, pixels: Tensor) -> None:
    """Set each first layer's ``spread`` from encoded training ``pixels`` ``(images, pixels)``."""
    for synapse in sparse_synapses(model):
        if synapse.tap.source == INPUT:
            synapse.spread.copy_(pixels.std(dim=0))


@torch.no_grad()
def choose(model: SpikingNetwork, options: Sparse, progress: float) -> None:
    """Set the masks of ``model`` for the share ``progress``; ``options``: how they are chosen."""
    for synapse in sparse_synapses(model):
        mask, final, fan_in = synapse.mask, progress >= options.fix, synapse.fan_in
        if synapse.live is None:
            count = live_inputs(most_inputs(synapse.tap), fan_in, progress, options.reach)
            # a final choice that came from a file stays as it is
            if not (final and bool((mask.sum(dim=1) == fan_in).all())):
                mask.zero_().scatter_(1, _worth(synapse).topk(count, dim=1).indices, 1.0)
        synapse.live = mask.topk(fan_in, dim=1).indices.sort(dim=1).values if final else None


def _worth(synapse: Synapse) -> Tensor:
    worth = synapse.weight.abs() * synapse.spread
    return worth if synapse.within is None else worth.masked_fill(~synapse.within, -1.0)


def predict_luts(model: SpikingNetwork, input_bits: int) -> float:
    """Return the estimated LUTs of the dense ``model`` as a float: hard masks, unread neurons left out."""
    return float(_luts(model, input_bits, [_hard(layer.synapses[0]) for layer in model.layers]))


def soft_luts(model: SpikingNetwork, input_bits: int) -> Tensor:
    """Return the estimate of :func:`predict_luts` as a tensor with a gradient to the weights.

    The value is the hard one. Backwards, a synapse counts by a sigmoid of how far its weight is above the neuron's
    least live one (in units of it), and a neuron with R readers by ``log(1 + R)``: each reader pays its share, one
    more costs the less the more there are, so choices are drawn towards neurons that are read anyway.
    """
    return _luts(model, input_bits, [_soft(layer.synapses[0]) for layer in model.layers])


def _hard(synapse: Synapse | Groups) -> Tensor:
    if isinstance(synapse, Groups):
        return (synapse.weight != 0).float()
    return synapse.mask if synapse.tap.fan_in else torch.ones_like(synapse.weight)


def _soft(synapse: Synapse | Groups) -> Tensor:
    if isinstance(synapse, Groups) or not synapse.tap.fan_in or synapse.live is not None:
        return _hard(synapse)
    worth = _worth(synapse)
    with torch.no_grad():
        least = worth.masked_fill(synapse.mask == 0, torch.inf).amin(dim=1, keepdim=True).clamp(min=1e-12)
    soft = torch.sigmoid((worth / least - 1) / SOFTNESS)
    soft = soft * (synapse.mask.sum(dim=1, keepdim=True) / soft.sum(dim=1, keepdim=True))  # one in, another out
    return soft + (synapse.mask - soft).detach()


def _luts(model: SpikingNetwork, input_bits: int, masks: Sequence[Tensor]) -> Tensor:
    """Return the LUTs of a chain of layers with ``masks`` ``(neurons, inputs)``, the readout's last."""
    total = TERM * masks[-1].sum() + CHOICE * (masks[-1].shape[0] - 1) / 9
    read = _read(masks[-1], torch.ones(len(masks[-1]), device=masks[-1].device))
    for layer, mask in zip(reversed(model.fires), reversed(masks[:-1]), strict=True):
        synapse = layer.synapses[0]
        count = mask.sum(dim=1)
        bits = count * (input_bits if synapse.tap.source == INPUT else 1)
        alone = torch.full_like(bits, 2.0)
        each = torch.where(bits <= TABLE, torch.ones_like(bits), torch.where(count.round() <= 1, alone, TERM * bits))
        total = total + (read * each).sum()
        read = _read(mask, read)
    return total


def _read(mask: Tensor, readers: Tensor) -> Tensor:
    """Return 1 where an input ``(inputs,)`` is read by a neuron that is read itself, as ``readers`` says, else 0."""
    count = readers @ mask
    soft = count.log1p()
    return (count > 0).to(count.dtype) + (soft - soft.detach())
