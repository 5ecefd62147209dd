"""Torch modules of a single-step spiking network, with weights fake-quantised to integers times a scale.

    hidden    ``s = neuron(batch_norm(scale_m * sum_n W_mn x_n))``      one scale per neuron (output channel)
    readout   ``y = scale * (sum_n W_mn x_n + B_m)``                    one scale for all classes, so argmax holds

    W, B   integers of ``bits`` bits, ``W = round(w / scale)`` clipped to the symmetric range
    x      spikes {0, 1}, or raw k-bit pixels 0 .. 2^k-1 in the first layer

Weight gradients pass through the rounding unchanged (straight-through) and stop where the clip bites. The
product runs on integers in float32, exact below 2^24; the scale is applied afterwards.
"""

import torch
from torch import nn
from torch.nn import functional

from s2nn_hw.synapses import weight_limit

from .neuron import Neuron

# Clip (largest level * scale) in units of mean |w|, per bits. Near the least squared error from 4 bits up; wider
# below, which rounds more weights to 0: that trained to a lower loss on MNIST. A checkpoint keeps its own.
CLIP = {1: 1.0, 2: 2.6, 3: 3.0, 4: 3.3, 5: 3.7, 6: 4.3, 7: 4.8, 8: 5.3}


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.round(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def weight_scale(weight, bits, *, clip=None, shared=False):
    """Return the positive scale of ``weight`` ``(neurons, inputs)``: ``(neurons, 1)``, or ``(1, 1)`` if ``shared``.

    ``clip``: in units of mean |w|, default :data:`CLIP`. Rows of zeros get scale 1.
    """
    size = weight.detach().abs()
    mean = size.mean().reshape(1, 1) if shared else size.mean(dim=1, keepdim=True)
    step = (CLIP[bits] if clip is None else clip) / weight_limit(bits)
    return torch.where(mean > 0, mean * step, torch.ones_like(mean))


def weight_levels(weight, scale, bits):
    """Return the integer levels of ``weight`` as floats, same shape, straight-through gradient."""
    limit = weight_limit(bits)
    if bits == 1:
        return _Sign.apply((weight / scale).clamp(-3, 3))
    return _Round.apply((weight / scale).clamp(-limit, limit))


class Linear(nn.Module):
    """Fake-quantised ``(batch, inputs) -> (batch, neurons)`` synapses; ``quantised=False`` leaves weights float."""

    def __init__(self, inputs, neurons, bits, *, shared=False, quantised=True):
        super().__init__()
        self.bits, self.shared, self.quantised = bits, shared, quantised
        self.weight = nn.Parameter(torch.empty(neurons, inputs))
        nn.init.normal_(self.weight, std=inputs**-0.5)
        if quantised:
            self.register_buffer("clip", torch.tensor(CLIP[bits]))

    def levels(self):
        """Return ``(levels, scale)``: integer weights ``(neurons, inputs)`` as floats, and their scale."""
        scale = weight_scale(self.weight, self.bits, clip=self.clip, shared=self.shared)
        return weight_levels(self.weight, scale, self.bits), scale

    def forward(self, x):
        if not self.quantised:
            return functional.linear(x, self.weight)
        levels, scale = self.levels()
        return functional.linear(x, levels) * scale.T


class Hidden(nn.Module):
    """Synapses, batch norm, neuron: ``(batch, inputs)`` pixels or spikes to ``(batch, neurons)`` spikes."""

    def __init__(self, inputs, neurons, bits, neuron=None, *, quantised=True):
        super().__init__()
        self.linear = Linear(inputs, neurons, bits, quantised=quantised)
        self.norm = nn.BatchNorm1d(neurons)
        self.neuron = neuron or Neuron()

    def forward(self, x):
        return self.neuron(self.norm(self.linear(x)))


class Readout(nn.Module):
    """Synapses and bias without a spike: ``(batch, inputs)`` spikes to ``(batch, classes)`` scores."""

    def __init__(self, inputs, classes, bits, *, quantised=True):
        super().__init__()
        self.linear = Linear(inputs, classes, bits, shared=True, quantised=quantised)
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, x):
        if not self.linear.quantised:
            return self.linear(x) + self.bias
        levels, scale = self.linear.levels()
        return (functional.linear(x, levels) + _Round.apply(self.bias / scale[0])) * scale[0]


class SpikingMlp(nn.Module):
    """Hidden layers and a readout; ``forward`` takes raw pixels ``(batch, inputs)`` and returns scores.

    ``sizes``: neurons of each hidden layer; ``bits``: weight bits of each layer, the readout last.
    """

    def __init__(self, inputs, sizes, classes, bits, *, surrogate=None, threshold=1.0, quantised=True):
        super().__init__()
        widths = [inputs, *sizes]
        self.hidden = nn.ModuleList(
            Hidden(before, after, b, Neuron(surrogate, threshold), quantised=quantised)
            for before, after, b in zip(widths, sizes, bits, strict=False)
        )
        self.readout = Readout(widths[-1], classes, bits[-1], quantised=quantised)

    def forward(self, pixels):
        return self.trace(pixels)[0]

    def trace(self, pixels):
        """Return scores ``(batch, classes)`` and a list of each hidden layer's spikes ``(batch, neurons)``."""
        x, spikes = pixels, []
        for layer in self.hidden:
            x = layer(x)
            spikes.append(x)
        return self.readout(x), spikes

    def fan_out(self):
        """Return the synapses that one spike of each hidden layer drives: the width of the layer after it."""
        return [layer.linear.weight.shape[0] for layer in [*self.hidden, self.readout]][1:]
