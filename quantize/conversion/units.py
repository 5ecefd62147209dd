"""The float model of a network that is being converted: folded weights, and behind each sum what it is so far.

    ``z = sum over the sources of W x + b``      x  pixels, or activations in the ReLU network's own units

Batch norms are folded: ``W = gamma W' / std``, ``b = beta - gamma mean / std``. A layer that is rounded multiplies
``scale round(W / scale)``, of which the integers are those of the network that comes out; the gradient passes. Where
several sources add, what a spike of each stands for differs, so their weights are rounded in the unit of the first one.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.synapses import image_shape
from s2nn_hw.quantize.conversion.firing import SPIKES, Rule, fire
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import FloatReadout, FloatRelu
from s2nn_hw.quantize.layers import weight_levels
from s2nn_hw.quantize.products import image, max_pool, product


class Unit(nn.Module):
    """One layer with weights.

    ``weights``: of each source, ``(neurons, weights of a neuron)``; ``bias`` ``(neurons,)``; ``theta``, ``height``,
    ``kept``: numbers, see :mod:`.firing`; ``scale`` ``(neurons, 1)``, of a readout ``(1, 1)``, in units of the first
    weights. ``rule``: what it is so far; ``rounded``: whether products are those of the integers.
    """

    theta: nn.Parameter
    kept: nn.Parameter
    height: Tensor
    scale: Tensor

    def __init__(self, layer: FloatLayer) -> None:
        super().__init__()
        self.layer, self.rule, self.rounded = layer, Rule(), False
        self.name, self.sources, first = layer.name, layer.sources, layer.tables[0].bits
        self.readout = isinstance(layer.neuron, FloatReadout)
        self.connections = [table.connection for table in layer.tables]
        self.bits = [first, *(max(first, table.bits) for table in layer.tables[1:])]
        tables, bias = folded(layer)
        self.weights = nn.ParameterList(nn.Parameter(table.float()) for table in tables)
        self.bias = nn.Parameter(bias.float())
        self.theta = nn.Parameter(torch.ones(()))
        self.kept = nn.Parameter(torch.ones(()))
        self.register_buffer("height", torch.ones(()))
        rows = 1 if self.readout else len(bias)
        self.register_buffer("scale", torch.ones((rows, 1)))

    @property
    def full(self) -> Tensor:
        """What a spike of literal steps, or T of them, stand for."""
        return self.height if self.rule.kind == SPIKES else self.theta

    def fire(self, sums: list[Tensor]) -> list[Tensor]:
        """Return the values that leave a hidden layer for its ``sums``, see :func:`.firing.fire`."""
        return fire(self.rule, sums, self.theta, self.full, self.kept)

    def levels(self, ratios: Sequence[float]) -> list[Tensor]:
        """Return the integer weights of each source as floats; ``ratios``: see :meth:`Converted.ratios`."""
        return [
            weight_levels(table * ratio, self.scale, bits)
            for table, ratio, bits in zip(self.weights, ratios, self.bits, strict=True)
        ]

    def products(self, ratios: Sequence[float]) -> list[Tensor]:
        """Return what multiplies the values of each source."""
        if not self.rounded:
            return list(self.weights)
        return [table * self.scale / ratio for table, ratio in zip(self.levels(ratios), ratios, strict=True)]


def folded(layer: FloatLayer) -> tuple[list[Tensor], Tensor]:
    """Return weights of each source and bias, float64, with the norm in them."""
    weights = [torch.tensor(table.rows).double() for table in layer.tables]
    if layer.scale is not None:
        weights = [table * torch.tensor(layer.scale).double()[:, None] for table in weights]
    if isinstance(layer.neuron, FloatReadout):
        return weights, torch.tensor(layer.neuron.bias).double()
    assert isinstance(layer.neuron, FloatRelu)  # a network that is converted has no others
    gamma, beta, mean, variance = (torch.tensor(array).double() for array in layer.neuron.norm.arrays)
    gain = gamma / (variance + layer.neuron.norm.epsilon).sqrt()
    return [table * gain[:, None] for table in weights], beta - gain * mean


class Converted(nn.Module):
    """The network of ``graph``, whose neurons are ReLU; ``forward`` takes raw pixels ``(batch, pixels)``."""

    def __init__(self, graph: FloatGraph) -> None:
        super().__init__()
        for layer in graph.layers:
            join = layer.synapses[0]
            if not isinstance(join, FloatSynapse) and not join.slides:
                raise UserError(
                    f"layer {layer.name}: an OR joins spikes and has no ReLU form: activations are no spikes"
                )
        self.graph = graph
        with torch.no_grad():
            self.units = nn.ModuleList(map(Unit, graph.weighted))
            for unit in self.layers:
                if isinstance(unit.layer.neuron, FloatRelu) and unit.layer.neuron.peak is not None:
                    unit.rule = Rule(clipped=True)
                    unit.theta.fill_(unit.layer.neuron.peak)

    @property
    def layers(self) -> list[Unit]:
        """The layers with weights, the readout last."""
        return [unit for unit in self.units if isinstance(unit, Unit)]

    @property
    def hidden(self) -> list[Unit]:
        """The layers with neurons that are converted."""
        return self.layers[:-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what enters, an image with its channels."""
        shape = self.graph.input.shape
        return shape if len(shape) == 1 else image_shape(shape)

    @property
    def largest(self) -> int:
        """Values of the largest layer, in one step."""
        return self.graph.largest

    def heights(self) -> dict[str, float]:
        """Return what stands for a full activation of each value by name: heights of spikes, 1 of pixels."""
        found, units = {INPUT: 1.0}, iter(self.layers)
        for layer in self.graph.layers:
            found[layer.name] = float(next(units).full.detach()) if layer.tables else found[layer.sources[0]]
        return found

    def ratios(self, unit: Unit, heights: Mapping[str, float]) -> list[float]:
        """Return what a spike of each source of ``unit`` is to one of the first."""
        return [heights[source] / heights[unit.sources[0]] for source in unit.sources]

    def use(self, rule: Rule, *, rounded: bool = True) -> "Converted":
        """Make all hidden layers ``rule``, and all layers ``rounded``; return this."""
        for unit in self.hidden:
            unit.rule = rule
        for unit in self.layers:
            unit.rounded = rounded
        self.check()
        return self

    def check(self) -> None:
        """Raise :class:`UserError`, naming the layer, where what is left of ReLU has no form in spikes."""
        kinds = {unit.name: unit.rule for unit in self.hidden}
        for layer in self.graph.layers:
            if not layer.tables:
                kinds[layer.name] = rule = kinds[layer.sources[0]]
                if rule.kind == SPIKES and rule.steps > 1:
                    raise UserError(
                        f"layer {layer.name}: max pooling of spikes over {rule.steps} steps is no max pooling of "
                        "activations: take two-phase neurons (--form two-phase), or a network that averages"
                    )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores ``(batch, classes)``."""
        return self.trace(pixels)[self.graph.layers[-1].name][0]

    def trace(self, pixels: Tensor, before: str | None = None) -> dict[str, list[Tensor]]:
        """Return the values of all layers, or those ``before`` one, by name: a list of one tensor, or of one a step."""
        values: dict[str, list[Tensor]] = {INPUT: [image(pixels, self.shape)]}
        heights, units = self.heights(), iter(self.layers)
        for layer in self.graph.layers:
            if layer.name == before:
                break
            if layer.tables:
                unit = next(units)
                sums = self.sums(unit, values, heights)
                values[layer.name] = sums if unit.readout else unit.fire(sums)
            else:
                (x,), pool = values[layer.sources[0]], layer.synapses[0]
                assert not isinstance(pool, FloatSynapse)
                values[layer.name] = [max_pool(x, pool.kernel, pool.stride, pool.padding)]
        return values

    def sums(self, unit: Unit, values: Mapping[str, list[Tensor]], heights: Mapping[str, float]) -> list[Tensor]:
        """Return the sums of ``unit`` with its bias, of each step where the sources have steps and it looks at them."""
        sources = [values[source] for source in unit.sources]
        if unit.rule.kind != SPIKES:  # sums are linear: the mean of the steps will do
            sources = [x if len(x) == 1 else [torch.stack(x).mean(dim=0)] for x in sources]
        tables = unit.products(self.ratios(unit, heights))
        count = max(len(x) for x in sources)
        found = []
        for t in range(count):
            parts = [
                product(how, x[0] if len(x) == 1 else x[t], w)
                for how, x, w in zip(unit.connections, sources, tables, strict=True)
            ]
            total = (parts[0] if len(parts) == 1 else parts[0] + parts[1]).to(unit.bias.dtype)  # of bfloat16 products
            found.append(total + unit.bias.reshape(-1, *[1] * (total.ndim - 2)))
        return found
