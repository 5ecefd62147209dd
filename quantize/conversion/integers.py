"""The integer network of a converted one: what :mod:`.firing` computes with floats, in units of each channel's scale.

    ``u``   what 1 of a source's value stands for: 1 of a pixel; A / T of a number of levels; A of a spike of a step
    ``s``   scale times u of the first source: what a unit of the accumulator stands for
    ``theta = round(2^F theta' / s)``, of levels a T-th of it;  ``b = round(2^F b' / s)``

    two-phase   v = b + theta / 2 (rounded down) with shift, else b
    steps       biases b + theta / 2T with shift, else b; v = 0; R = theta

F is the least number of fraction bits with which no threshold of the layer is rounded by more than 1/512 of itself, at
most 8; what is left of a bias' rounding is at most T/512 of a threshold.
"""

import numpy as np
import torch

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.integrate import Integrate
from s2nn_hw.network.neurons.neuron import Neuron
from s2nn_hw.network.neurons.quantized import Quantized
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.planes import RADIX, STEPS, Planes
from s2nn_hw.network.synapses import MaxPool, OrPool
from s2nn_hw.quantize.conversion.firing import LEVELS, SPIKES, Rule
from s2nn_hw.quantize.conversion.units import Converted, Unit
from s2nn_hw.quantize.convert import table
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.float_graph import FloatSynapse
from s2nn_hw.quantize.graph import INPUT, Node
from s2nn_hw.quantize.settings import Recipe

EXACT = 256  # least threshold that is rounded finely enough
MOST = 2**29  # of a table's entry


def planes_of(rule: Rule) -> Planes:
    """Return the planes of what neurons of ``rule`` give: the bits of T = 2^K - 1 levels, else a spike a step."""
    count = rule.steps.bit_length()
    if rule.kind == LEVELS and rule.steps == 2**count - 1:
        return Planes(count)
    return Planes(rule.steps, STEPS)


def integer_network(net: Converted, recipe: Recipe) -> Network:
    """Return the integer :class:`Network` of ``net``, all of whose hidden layers are levels or spikes."""
    info, units, layers = sets.data_set(recipe.data.set), iter(net.layers), []
    values = {INPUT: 1.0}  # u of each source
    planes: dict[str, Planes] = {}
    with torch.no_grad():
        heights = net.heights()
        for node in net.nodes:
            first = node.sources[0]
            if not node.taps:
                values[node.name], planes[node.name] = values[first], planes[first]
                layers.append(Layer(node.name, (_pool(node, planes[first]),), None, node.sources))
                continue
            unit = next(units)
            levels = [levels.double() for levels in unit.levels(net.ratios(unit, heights))]
            synapses = tuple(
                table(FloatSynapse(rows.reshape(tap.weight_shape).numpy(), bits, tap.connection), rows, bits)
                for tap, rows, bits in zip(node.taps, levels, unit.bits, strict=True)
            )
            scale = unit.scale.double().numpy()[:, 0] * values[first]
            if node.kind == "readout":
                neuron: Neuron = Readout(_table(unit.bias.double().numpy() / _of_a_frame(net, unit, scale)))
            else:
                neuron, planes[node.name] = _neuron(unit, scale), planes_of(unit.rule)
                steps = 1 if unit.rule.kind == SPIKES else unit.rule.steps
                values[node.name] = float(unit.full.detach()) / steps
            layers.append(Layer(node.name, synapses, neuron, node.sources))
    return Network(recipe.name, Input(info.shape, recipe.data.pixel_bits), tuple(layers), info.classes)


def _of_a_frame(net: Converted, unit: Unit, scale: np.ndarray) -> np.ndarray:
    """Return what 1 of the readout's sum over all steps stands for: behind spikes the mean of them is looked at."""
    behind = {hidden.node.name: hidden.rule for hidden in net.hidden}
    for node in net.nodes:
        if not node.taps:
            behind[node.name] = behind[node.sources[0]]
    rule = behind.get(unit.node.sources[0])
    return scale / rule.steps if rule is not None and rule.kind == SPIKES else scale


def _pool(node: Node, planes: Planes) -> MaxPool:
    """Return the max pooling of ``node`` behind ``planes``: of spikes that come first it is their OR."""
    kind = MaxPool if planes.code == RADIX else OrPool
    return kind(node.kernel, node.stride, node.padding)


def _neuron(unit: Unit, scale: np.ndarray) -> Neuron:
    """Return the integer neurons of ``unit``; ``scale``: float64 ``(neurons,)``, s of each."""
    rule, bias = unit.rule, unit.bias.double().numpy() / scale
    steps = 1 if rule.kind == SPIKES else rule.steps
    theta = float(unit.theta.detach()) / steps / scale
    fraction = 0
    while fraction < MAX_FRACTION and theta.min() * 2**fraction < EXACT:
        fraction += 1
    thresholds = np.maximum(_table(theta * 2**fraction), 1)
    if rule.kind == SPIKES:
        offset = thresholds / (2 * rule.steps) if rule.shift else 0.0
        biases = _table(bias * 2**fraction + offset)
        starts = np.zeros_like(biases)
        return Integrate(thresholds, thresholds, biases, starts, rule.steps, fraction=fraction)
    starts = _table(bias * 2**fraction) + (thresholds >> 1 if rule.shift else 0)
    planes = planes_of(rule)
    return Quantized(thresholds, starts.astype(np.int32), planes.count, planes.code, fraction)


def _table(values: np.ndarray) -> np.ndarray:
    """Return ``values`` rounded, int32; what is beyond :data:`MOST` is out of any sum's reach."""
    return np.clip(np.rint(values), -MOST, MOST).astype(np.int32)
