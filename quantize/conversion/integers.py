"""The integer network of a converted one: the float graph of what :mod:`.firing` computes, with the weights' integers.

    ``u``  what 1 of a source's value stands for: 1 of a pixel; A / T of a number of levels; A of a spike of a step
    ``s``  scale times u of the first source: what 1 of the accumulator stands for, the scale of the graph's layer

    two-phase   levels of width ``theta / T``, half of one to start with, or nothing without shift
    steps       threshold theta, ``theta / 2T`` in each step with shift, nothing to start with
    readout     behind spikes of steps ``T b``: scores are sums over all steps

Thresholds are rounded to ``2^-F`` of a weight. F is the least number of bits with which none of the layer is rounded by
more than 1/512 of itself, at most 8.
"""

import numpy as np
import torch

from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.network.planes import STEPS, Planes
from s2nn_hw.network.synapses import MaxPool, OrPool
from s2nn_hw.quantize.conversion.firing import LEVELS, SPIKES, Rule, leak_of
from s2nn_hw.quantize.conversion.units import Converted, Unit
from s2nn_hw.quantize.convert import convert
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import FloatIntegrate, FloatQuantized, FloatReadout, Norm


def planes_of(rule: Rule) -> Planes:
    """Return the planes of what neurons of ``rule`` give: the bits of T = 2^K - 1 levels, else a spike a step."""
    count = rule.steps.bit_length()
    if rule.kind == LEVELS and rule.steps == 2**count - 1:
        return Planes(count)
    return Planes(rule.steps, STEPS)


def integer_network(net: Converted) -> Network:
    """Return the integer :class:`Network` of ``net``, all of whose hidden layers are levels or spikes."""
    return convert(converted_graph(net))


def converted_graph(net: Converted) -> FloatGraph:
    """Return the :class:`FloatGraph` of ``net``, float64, its weights integers with a scale."""
    graph, units, layers = net.graph, iter(net.layers), list[FloatLayer]()
    values, rules = {INPUT: 1.0}, dict[str, Rule]()  # u of each value, and what gives it
    with torch.no_grad():
        heights = net.heights()
        for layer in graph.layers:
            first = layer.sources[0]
            if not layer.tables:
                values[layer.name], rules[layer.name] = values[first], rules[first]
                layers.append(FloatLayer(layer.name, layer.sources, (_pool(layer, planes_of(rules[first])),)))
                continue
            unit = next(units)
            scale = unit.scale.double().numpy()[:, 0] * values[first]
            tables = _tables(unit, net.ratios(unit, heights))
            if unit.readout:
                layers.append(FloatLayer(layer.name, layer.sources, tables, _readout(unit, rules.get(first)), scale))
            else:
                layers.append(FloatLayer(layer.name, layer.sources, tables, _neuron(unit, scale), scale))
                rules[layer.name] = unit.rule
                values[layer.name] = float(unit.full.detach()) / (1 if unit.rule.kind == SPIKES else unit.rule.steps)
    return FloatGraph(graph.name, graph.input, tuple(layers), graph.classes, graph.provenance)


def _tables(unit: Unit, ratios: list[float]) -> tuple[FloatSynapse, ...]:
    return tuple(
        FloatSynapse(rows.double().reshape(table.weights.shape).numpy(), bits, table.connection)
        for table, rows, bits in zip(unit.layer.tables, unit.levels(ratios), unit.bits, strict=True)
    )


def _pool(layer: FloatLayer, planes: Planes) -> MaxPool:
    """Return the max pooling of ``layer`` behind ``planes``: of spikes that come first it is their OR."""
    pool = layer.synapses[0]
    assert not isinstance(pool, FloatSynapse)
    return (MaxPool if planes.radix else OrPool)(pool.kernel, pool.stride, pool.padding)


def _readout(unit: Unit, behind: Rule | None) -> FloatReadout:
    """Return the readout ``unit``; ``behind``: the rule of what it reads, None for pixels."""
    times = behind.steps if behind is not None and behind.kind == SPIKES else 1
    return FloatReadout(unit.bias.double().numpy() * times)


def _neuron(unit: Unit, scale: np.ndarray) -> FloatQuantized | FloatIntegrate:
    """Return the neurons of ``unit``; ``scale``: float64 ``(neurons,)``, s of each."""
    rule, bias = unit.rule, unit.bias.double().numpy()
    theta = float(unit.theta.detach())
    size = theta if rule.kind == SPIKES else theta / rule.steps
    if rule.kind == SPIKES:
        norm = Norm.affine(np.ones_like(bias), bias + rule.offset * theta / rule.steps)
        leak = leak_of(float(unit.kept.detach())) if rule.leaks else 0
        return FloatIntegrate(norm, theta, planes_of(rule), leak, start=0.0, fraction=None)
    norm = Norm.affine(np.ones_like(bias), bias)
    return FloatQuantized(norm, size, planes_of(rule), rule.offset, None)
