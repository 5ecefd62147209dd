"""The float model of a network that is being converted: folded weights, and behind each sum what it is so far.

    ``z = sum over the sources of W x + b``      x  pixels, or activations in the ReLU network's own units

Batch norms are folded: ``W = gamma W' / std``, ``b = beta - gamma mean / std``. A layer that is rounded multiplies
``scale round(W / scale)``, of which the integers are those of the network that comes out; the gradient passes. Where
several sources add, what a spike of each stands for differs, so their weights are rounded in the unit of the first one.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.conversion.firing import SPIKES, Rule, fire
from s2nn_hw.quantize.graph import INPUT, Node
from s2nn_hw.quantize.layers import Hidden, Readout, SpikingNetwork, weight_levels
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

    def __init__(self, node: Node, module: Hidden | Readout) -> None:
        super().__init__()
        self.node, self.rule, self.rounded = node, Rule(), False
        self.bits = [node.taps[0].bits, *(max(node.taps[0].bits, tap.bits) for tap in node.taps[1:])]
        tables, bias = folded(module)
        self.weights = nn.ParameterList(nn.Parameter(table.float()) for table in tables)
        self.bias = nn.Parameter(bias.float())
        self.theta = nn.Parameter(torch.ones(()))
        self.kept = nn.Parameter(torch.ones(()))
        self.register_buffer("height", torch.ones(()))
        rows = 1 if node.kind == "readout" else len(bias)
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


def folded(module: Hidden | Readout) -> tuple[list[Tensor], Tensor]:
    """Return weights of each source and bias, float64, with the batch norm, or an average's division, in them."""
    weights = [table.detach().double() for table in module.weights()]
    if isinstance(module, Readout):
        return weights, module.bias.detach().double()
    norm = module.norm
    assert norm.running_mean is not None  # a batch norm of ours keeps both
    assert norm.running_var is not None
    gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
    return [table * gain[:, None] for table in weights], norm.bias.detach().double() - gain * norm.running_mean.double()


class Converted(nn.Module):
    """The network of ``model``, a ReLU network in evaluation mode; ``forward`` takes raw pixels ``(batch, pixels)``."""

    def __init__(self, model: SpikingNetwork) -> None:
        super().__init__()
        for node in model.nodes:
            if node.kind == "or":
                raise UserError(f"layer {node.name}: an OR joins spikes; activations have none, so it has no ReLU form")
        self.nodes, self.shape = model.nodes, model.shape
        weighted = [node for node in model.nodes if node.taps]
        with torch.no_grad():
            self.units = nn.ModuleList(Unit(n, m) for n, m in zip(weighted, model.layers, strict=True))

    @property
    def layers(self) -> list[Unit]:
        """The layers with weights, the readout last."""
        return [unit for unit in self.units if isinstance(unit, Unit)]

    @property
    def hidden(self) -> list[Unit]:
        """The layers with neurons that are converted."""
        return self.layers[:-1]

    @property
    def largest(self) -> int:
        """Values of the largest layer, in one step."""
        return max(math.prod(node.shape) for node in self.nodes)

    def heights(self) -> dict[str, float]:
        """Return what stands for a full activation of each value by name: heights of spikes, 1 of pixels."""
        found, units = {INPUT: 1.0}, iter(self.layers)
        for node in self.nodes:
            found[node.name] = float(next(units).full.detach()) if node.taps else found[node.sources[0]]
        return found

    def ratios(self, unit: Unit, heights: Mapping[str, float]) -> list[float]:
        """Return what a spike of each source of ``unit`` is to one of the first."""
        return [heights[source] / heights[unit.node.sources[0]] for source in unit.node.sources]

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
        kinds = {unit.node.name: unit.rule for unit in self.hidden}
        for node in self.nodes:
            if node.kind == "maxpool":
                kinds[node.name] = rule = kinds[node.sources[0]]
                if rule.kind == SPIKES and rule.steps > 1:
                    raise UserError(
                        f"layer {node.name}: max pooling of spikes over {rule.steps} steps is no max pooling of "
                        "activations: take two-phase neurons (--form two-phase), or a network that averages"
                    )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the scores ``(batch, classes)``."""
        return self.trace(pixels)[self.nodes[-1].name][0]

    def trace(self, pixels: Tensor, before: str | None = None) -> dict[str, list[Tensor]]:
        """Return the values of all layers, or those ``before`` one, by name: a list of one tensor, or of one a step."""
        values: dict[str, list[Tensor]] = {INPUT: [image(pixels, self.shape)]}
        heights, units = self.heights(), iter(self.layers)
        for node in self.nodes:
            if node.name == before:
                break
            if node.taps:
                unit = next(units)
                sums = self.sums(unit, values, heights)
                values[node.name] = sums if node.kind == "readout" else unit.fire(sums)
            else:
                (x,) = values[node.sources[0]]
                values[node.name] = [max_pool(x, node.kernel, node.stride, node.padding)]
        return values

    def sums(self, unit: Unit, values: Mapping[str, list[Tensor]], heights: Mapping[str, float]) -> list[Tensor]:
        """Return the sums of ``unit`` with its bias, of each step where the sources have steps and it looks at them."""
        sources = [values[source] for source in unit.node.sources]
        if unit.rule.kind != SPIKES:  # sums are linear: the mean of the steps will do
            sources = [x if len(x) == 1 else [torch.stack(x).mean(dim=0)] for x in sources]
        tables = unit.products(self.ratios(unit, heights))
        taps, count = [tap.connection for tap in unit.node.taps], max(len(x) for x in sources)
        found = []
        for t in range(count):
            parts = [
                product(how, x[0] if len(x) == 1 else x[t], w) for how, x, w in zip(taps, sources, tables, strict=True)
            ]
            total = (parts[0] if len(parts) == 1 else parts[0] + parts[1]).to(unit.bias.dtype)  # of bfloat16 products
            found.append(total + unit.bias.reshape(-1, *[1] * (total.ndim - 2)))
        return found
