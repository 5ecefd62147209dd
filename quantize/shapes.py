"""The integer network of a recipe before anything is trained: its shapes and limits, with weights of one value."""

import math
from collections.abc import Sequence

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.leaky_readout import LeakyReadout
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import MAX_TABLE_BYTES
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, OrPool, PooledDense
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.graph import READOUT, Node, Tap
from s2nn_hw.quantize.settings import Recipe


def check_shapes(recipe: Recipe, nodes: Sequence[Node]) -> None:
    """Raise :class:`UserError`, naming the layer, where the network of ``nodes`` of ``recipe`` can't be built."""
    room = MAX_TABLE_BYTES
    layers: list[Layer] = []
    for node in nodes:
        tables = 0 if not node.taps else 1 if node.kind == READOUT else len(node.spec.integer(1).tables)
        room -= sum(math.prod(tap.weight_shape) for tap in node.taps) + 4 * tables * node.shape[-1]
        if room < 0:
            raise UserError(f"layer {node.name}: with it the tables have more than {MAX_TABLE_BYTES:,} bytes")
        try:
            layers.append(_layer(node))
        except UserError as error:
            raise UserError(f"layer {node.name}: {error}") from None
    Network(recipe.name, source.recorded(recipe.data), tuple(layers), source.classes(recipe.data))


def _layer(node: Node) -> Layer:
    if not node.taps:
        return Layer(node.name, (joint(node),), None, node.sources)
    size = node.shape[-1]
    neuron = _readout(node, size) if node.kind == READOUT else node.spec.integer(size)
    return Layer(node.name, tuple(map(_synapse, node.taps)), neuron, node.sources)


def joint(node: Node) -> MaxPool | Or:
    """Return what joins the spikes of ``node``, which has no weights: of steps each step for itself."""
    if node.kind == "or":
        return Or()
    return (MaxPool if node.reads.radix else OrPool)(node.kernel, node.stride, node.padding)


def _readout(node: Node, size: int) -> Readout | LeakyReadout:
    table = np.zeros(size, np.int32)
    return Readout(table) if node.leak is None else LeakyReadout(table, node.reads.count, node.leak)


def _synapse(tap: Tap) -> Dense | Conv2d | PooledDense:
    weights = np.ones(tap.weight_shape, np.int8)
    if tap.kind == "conv":
        return Conv2d(weights.transpose(0, 2, 3, 1), tap.bits, tap.stride, tap.padding, tap.groups)
    return Dense(weights, tap.bits) if tap.kind == "dense" else PooledDense(weights, tap.bits, tap.pool)
