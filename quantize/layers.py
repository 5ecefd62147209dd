"""Torch modules of a spiking network, with weights fake-quantised to integers times a scale.

    hidden    ``s = neuron(batch_norm(scale_m * sum_n W_mn x_n))``      one scale per neuron (output channel)
    readout   ``y = scale * (sum_n W_mn x_n + B_m)``                    one scale for all classes, so argmax holds

    W, B   integers of ``bits`` bits, ``W = round(w / scale)`` clipped to the symmetric range
    x      spikes {0, 1}, raw k-bit pixels in the first layer, or what the planes of a value stand for

A convolution's sum runs over its window, and over the shortcut's source too where there is one: both add integers
of one scale, which the main weights set. Weight gradients pass through the rounding unchanged (straight-through)
and stop where the clip bites. The product runs on integers in float32, exact below 2^24; the scale is applied
afterwards. Under autocast (training only) the product is rounded to bfloat16 and the scale is in the weights.

A synapse with a ``fan_in`` multiplies its weights by a mask of 0 and 1 that :mod:`s2nn_hw.quantize.sparse` chooses;
its scale gives the largest live weight of a neuron the largest level.

Images are torch's ``(batch, channel, row, column)``, in channels-last memory; a flat value of one is in raster order
(row, column, channel), as everywhere else.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.fan_in import windows
from s2nn_hw.quantize.graph import INPUT, Node, Tap
from s2nn_hw.quantize.grid import Grid
from s2nn_hw.quantize.products import image, max_pool, product, raster, union
from s2nn_hw.quantize.rounding import rounded
from s2nn_hw.quantize.spec import FIRE
from s2nn_hw.quantize.steps import step_weights

# Clip (largest level * scale) in units of mean |w|, per bits. Near the least squared error from 4 bits up; wider
# below, which rounds more weights to 0: that trained to a lower loss on MNIST. A checkpoint keeps its own.
CLIP = {1: 1.0, 2: 2.6, 3: 3.0, 4: 3.3, 5: 3.7, 6: 4.3, 7: 4.8, 8: 5.3}

GATHERED = 16  # live inputs of a neuron up to which its product runs over them alone


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def weight_scale(weight: Tensor, bits: int, *, clip: Tensor | float | None = None, shared: bool = False) -> Tensor:
    """Return the positive scale of ``weight`` ``(neurons, inputs)``: ``(neurons, 1)``, or ``(1, 1)`` if ``shared``.

    ``clip``: in units of mean |w|, default :data:`CLIP`. Rows of zeros get scale 1.
    """
    size = weight.detach().abs()
    mean = size.mean().reshape(1, 1) if shared else size.mean(dim=1, keepdim=True)
    step = (CLIP[bits] if clip is None else clip) / weight_limit(bits)
    return torch.where(mean > 0, mean * step, torch.ones_like(mean))


def weight_levels(weight: Tensor, scale: Tensor, bits: int) -> Tensor:
    """Return the integer levels of ``weight`` as floats, same shape, straight-through gradient."""
    limit = weight_limit(bits)
    if bits == 1:
        return _Sign.apply((weight / scale).clamp(-3, 3))
    return rounded((weight / scale).clamp(-limit, limit))


class _Live(torch.autograd.Function):
    """``weight * mask``; the gradient goes to every weight, so that one that is not live can become so."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, mask: Tensor) -> Tensor:
        return weight * mask

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class Synapse(nn.Module):
    """Fake-quantised synapses of one :class:`s2nn_hw.quantize.graph.Tap`; ``quantised=False`` leaves weights float.

    ``weight``: ``tap.weight_shape``, that is ``(neurons, inputs)`` or ``(channels, inputs / groups, row, column)``.
    ``shared``: one scale for all neurons. With ``tap.fan_in``, ``mask`` of the same shape holds 1 where a synapse is
    live, ``spread`` ``(inputs,)`` how much each input varies, and ``live`` ``(neurons, fan_in)`` the inputs of a
    choice that is final, None before (:mod:`s2nn_hw.quantize.sparse` sets all three). ``within``: bool, what the
    window has.
    """

    clip: Tensor
    within: Tensor | None
    mask: Tensor
    spread: Tensor
    live: Tensor | None

    def __init__(self, tap: Tap, *, shared: bool = False, quantised: bool = True) -> None:
        super().__init__()
        self.tap, self.bits, self.shared, self.quantised = tap, tap.bits, shared, quantised
        self.connection = tap.connection
        self.weight = nn.Parameter(torch.empty(tap.weight_shape))
        nn.init.normal_(self.weight, std=self.weight[0].numel() ** -0.5)
        if quantised:
            self.register_buffer("clip", torch.tensor(CLIP[tap.bits]))
        self.live = None
        if tap.fan_in:
            self.register_buffer("within", windows(tap) if tap.window else None, persistent=False)
        if tap.window:
            assert self.within is not None  # a window wants a fan_in
            with torch.no_grad():
                self.weight.mul_(self.within * (self.within[0].numel() / self.within[0].sum()) ** 0.5)
        if tap.fan_in:
            every = torch.ones(tap.weight_shape)
            self.register_buffer("mask", every if self.within is None else self.within.float())
            self.register_buffer("spread", torch.ones(tap.weight_shape[1]), persistent=False)

    @property
    def fan_in(self) -> int:
        """Live inputs of each neuron in the end, of a synapse that has such a number."""
        assert self.tap.fan_in is not None
        return self.tap.fan_in

    @property
    def compact(self) -> bool:
        """Whether products run over the live inputs alone, which is quicker: in training, once they are final."""
        return self.training and self.live is not None and self.live.shape[1] <= GATHERED

    @property
    def choosing(self) -> bool:
        """Whether the live inputs are still being chosen: in training, before the choice is final."""
        return self.training and self.tap.fan_in is not None and self.live is None

    def kept(self) -> Tensor:
        """Return the weights in use: ``(neurons, weights of a neuron)``, or ``(neurons, fan_in)`` if ``compact``."""
        weight = self.weight.flatten(1)
        if self.tap.fan_in is None:
            return weight
        if self.compact and self.live is not None:
            return weight.gather(1, self.live)
        return weight * self.mask if self.live is not None else _Live.apply(weight, self.mask)

    def scale(self) -> Tensor:
        """Return the positive scale of the weights, ``(neurons, 1)`` or ``(1, 1)``."""
        if self.tap.fan_in is None:
            return weight_scale(self.weight.flatten(1), self.bits, clip=self.clip, shared=self.shared)
        size = self.kept().detach().abs()
        most = (size.amax() if self.shared else size.amax(dim=1)).reshape(-1, 1)
        return torch.where(most > 0, most / weight_limit(self.bits), torch.ones_like(most))

    def levels(self, scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return ``(levels, scale)``: integer weights as floats, ``(neurons, weights of a neuron)``, their scale.

        ``scale``: another synapse's, where both add to the same accumulators.
        """
        scale = self.scale() if scale is None else scale
        return weight_levels(self.kept(), scale, self.bits), scale

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the sums of ``weight``, shaped as by :meth:`kept`, over ``x``, those of a pool not divided."""
        if self.compact and self.live is not None:
            inputs = raster(x).t().contiguous().index_select(0, self.live.flatten())  # rows: far quicker than columns
            return torch.bmm(weight[:, None], inputs.view(*self.live.shape, -1))[:, 0].t()
        return product(self.connection, x, weight)


class Hidden(nn.Module):
    """Synapses, batch norm, neuron of a "fire" node: one value per tap to ``(batch, *node.shape)`` spikes."""

    norm: nn.BatchNorm1d | nn.BatchNorm2d

    def __init__(self, node: Node, neuron: nn.Module, *, quantised: bool = True) -> None:
        super().__init__()
        self.name, self.quantised, self.fraction, self.rounds = node.name, quantised, node.spec.fraction, False
        self.linear = Synapse(node.taps[0], quantised=quantised)
        self.shortcut = Synapse(node.taps[1], quantised=quantised) if len(node.taps) > 1 else None
        channels = node.shape[-1]
        self.norm = nn.BatchNorm2d(channels) if len(node.shape) == 3 else nn.BatchNorm1d(channels)
        self.neuron = neuron

    @property
    def synapses(self) -> list[Synapse]:
        """The main synapses, and those of the shortcut."""
        return [self.linear] if self.shortcut is None else [self.linear, self.shortcut]

    def levels(self) -> tuple[list[Tensor], Tensor]:
        """Return ``(levels, scale)``: a list with the integer weights of each synapse, and the scale of them all."""
        levels, scale = self.linear.levels()
        return [levels, *(other.levels(scale)[0] for other in self.synapses[1:])], scale

    def weights(self) -> list[Tensor]:
        """Return what multiplies the inputs of each synapse, ``(neurons, weights of a neuron)``."""
        if not self.quantised or self.linear.choosing:  # rounding is slow while all are live, and only matters later
            return [synapse.kept() for synapse in self.synapses]
        levels, scale = self.levels()
        return [table * scale for table in levels]

    def membrane(self, *values: Tensor) -> Tensor:
        """Return what the neuron compares with its threshold: batch norm of the synapses' common sum."""

        def total(weights: list[Tensor]) -> Tensor:
            parts = [s.product(x, w) for s, x, w in zip(self.synapses, values, weights, strict=True)]
            return parts[0] if len(parts) == 1 else parts[0] + parts[1]

        if not self.quantised or self.linear.choosing or torch.is_autocast_enabled(values[0].device.type):
            return self.norm(total(self.weights()))
        levels, scale = self.levels()
        sums = total(levels)
        if not self.training:
            sums = sums.round()  # integers but for libraries that transform convolutions
        return self.norm(sums * scale.reshape(-1, *[1] * (sums.ndim - 2)))

    def fire(self, u: Tensor) -> Tensor:
        """Return what the neuron makes of ``u``; while training ``rounds``, with thresholds and biases of integers."""
        if not (self.rounds and self.training and self.quantised):
            return self.neuron(u)
        return self.neuron(u, Grid.of(self.norm, self.linear.scale(), self.fraction))

    def forward(self, *values: Tensor) -> Tensor:
        """Return the spikes."""
        return self.fire(self.membrane(*values))


class Groups(nn.Module):
    """The synapses of a readout with ``groups``: output m has weight 1 from the m-th equal share of the inputs.

    ``gain`` is the score of one spike.
    """

    shared: bool = True
    weight: Tensor

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.tap, self.bits = tap, tap.bits
        outputs, inputs = tap.weight_shape
        self.register_buffer("weight", torch.eye(outputs).repeat_interleave(inputs // outputs, dim=1), persistent=False)
        self.gain = nn.Parameter(torch.tensor((inputs // outputs) ** -0.5))

    def levels(self) -> tuple[Tensor, Tensor]:
        """Return the integer weights and their scale, as :meth:`Synapse.levels`."""
        return self.weight, self.gain.abs().clamp(min=1e-6).reshape(1, 1)

    def kept(self) -> Tensor:
        """Return the weights in use."""
        return self.weight * self.gain.abs()

    def product(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the sums of ``weight`` over ``x``."""
        return functional.linear(raster(x), weight)


class Readout(nn.Module):
    """Synapses and bias without a spike: values to ``(batch, classes)`` scores; ``peak``: the largest value."""

    linear: Groups | Synapse

    def __init__(self, tap: Tap, *, quantised: bool = True, peak: float = 1) -> None:
        super().__init__()
        self.quantised, self.area = quantised, tap.pool[0] * tap.pool[1] * peak
        self.linear = Groups(tap) if tap.grouped else Synapse(tap, shared=True, quantised=quantised)
        self.bias = nn.Parameter(torch.zeros(tap.outputs), requires_grad=not tap.grouped)  # groups: a plain count

    @property
    def synapses(self) -> list[Groups | Synapse]:
        """The only synapses."""
        return [self.linear]

    def levels(self) -> tuple[list[Tensor], Tensor]:
        """Return ``(levels, scale)`` as :meth:`Hidden.levels`; divisions by area and peak are in the scale."""
        levels, scale = self.linear.levels()
        return [levels], scale / self.area

    def weights(self) -> list[Tensor]:
        """Return what multiplies the sums of spikes, ``(classes, weights of a class)``, in a list of one."""
        if not self.quantised:
            return [self.linear.kept() / self.area]
        (levels,), scale = self.levels()
        return [levels * scale]

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores."""
        if not self.quantised:
            return self.linear.product(x, self.weights()[0]) + self.bias
        (levels,), scale = self.levels()
        return (self.linear.product(x, levels) + rounded(self.bias / scale[0])) * scale[0]


class SpikingNetwork(nn.Module):
    """The graph of ``nodes`` (:func:`s2nn_hw.quantize.graph.nodes`); ``forward`` takes raw pixels ``(batch, pixels)``.

    ``neuron``: what stands behind the batch norm of a node, for the float teacher a ReLU. A value of several steps is
    ``(steps * batch, ...)``, the first step in front; of other planes it is the number that they stand for.
    """

    def __init__(self, nodes: Sequence[Node], neuron: Callable[[Node], nn.Module], *, quantised: bool = True) -> None:
        super().__init__()
        self.nodes, last = nodes, nodes[-1]
        fire = [node for node in nodes if node.kind == "fire"]
        self.hidden = nn.ModuleList(Hidden(node, neuron(node), quantised=quantised) for node in fire)
        peak = float(step_weights(last.reads.count, last.leak).sum()) if last.leak else last.reads.most
        self.readout = Readout(last.taps[0], quantised=quantised, peak=peak)
        self.planes = {INPUT: nodes[0].reads} | {node.name: node.planes for node in nodes}
        self.taps = [tap for node in nodes for tap in node.taps]
        self.shape = next(tap.shape for tap in self.taps if tap.source == INPUT)
        # a max pool that alone reads a layer may go before its neuron: the same spikes with less work
        readers = [source for node in nodes for source in node.sources]
        alone = [n for n in nodes if n.kind == "maxpool" and readers.count(n.sources[0]) == 1]
        stepwise = {n.name for n in fire if not n.spec.two_phase}
        self.pools = {n.sources[0]: n for n in alone if n.sources[0] not in stepwise}

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes, in order."""
        return tuple(node.name for node in self.nodes)

    @property
    def fires(self) -> list[Hidden]:
        """The hidden layers with neurons, in order."""
        return [layer for layer in self.hidden if isinstance(layer, Hidden)]

    @property
    def layers(self) -> list[Hidden | Readout]:
        """The layers with weights, the readout last."""
        return [*self.fires, self.readout]

    def round_from(self, progress: float) -> None:
        """Let layers round whose neurons do so in training at the share ``progress`` of the epochs."""
        for node, layer in zip((n for n in self.nodes if n.kind == "fire"), self.fires, strict=True):
            layer.rounds = node.spec.kind != FIRE and progress >= node.spec.round_from

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores ``(batch, classes)``."""
        return self.trace(pixels)[0]

    def trace(self, pixels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return scores ``(batch, classes)`` and the values of each layer by name, images as torch orders them.

        In training, layers whose spikes a max pool alone reads are left out.
        """
        values, hidden = {INPUT: image(pixels, self.shape)}, iter(self.fires)
        for node in self.nodes[:-1]:
            sources = [self._seen(node, s, values[s]) for s in node.sources if s in values]
            if node.kind == "fire":
                layer = next(hidden)
                u = layer.membrane(*sources)
                pool = self.pools.get(node.name) if self.training else None
                if pool is None:
                    values[node.name] = layer.fire(u)
                else:
                    values[pool.name] = layer.fire(max_pool(u, pool.kernel, pool.stride, pool.padding))
            elif node.name not in values:
                if node.kind == "maxpool":
                    values[node.name] = max_pool(sources[0], node.kernel, node.stride, node.padding)
                else:
                    values[node.name] = union(sources)
        with torch.autocast(pixels.device.type, enabled=False):
            last = self.nodes[-1]
            seen = self._seen(last, last.sources[0], values[last.sources[0]])
            scores = self.readout(seen.to(self.readout.bias.dtype))
        del values[INPUT]
        return scores, values

    def _seen(self, node: Node, source: str, x: Tensor) -> Tensor:
        """Return what the synapses of ``node`` multiply of the value ``x`` of ``source``."""
        planes = self.planes[source]
        if planes.radix or node.stepwise or not node.taps:
            return x
        steps = x.unflatten(0, (planes.count, -1))
        if not node.leak:
            return steps.sum(dim=0)
        weights = step_weights(planes.count, node.leak).to(x)
        return torch.tensordot(weights, steps, dims=1)

    def loads(self) -> list[tuple[str, int, float]]:
        """Return ``(source, values, fan_out)`` of every tap that spikes enter: what a spike there costs."""
        return [(tap.source, math.prod(tap.shape), tap.fan_out) for tap in self.taps if tap.source != INPUT]
