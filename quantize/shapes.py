"""The integer network of a recipe before anything is trained: its shapes and limits, with weights of one value."""

import math
from collections.abc import Sequence

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.fire import Fire
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.store import MAX_TABLE_BYTES
from s2nn_hw.network.synapses import Conv2d, Dense, MaxPool, Or, PooledDense
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.graph import Node, Tap
from s2nn_hw.quantize.settings import Recipe


def check_shapes(recipe: Recipe, nodes: Sequence[Node]) -> None:
    """Raise :class:`UserError`, naming the layer, where the network of ``nodes`` of ``recipe`` can't be built."""
    info, room = sets.data_set(recipe.data.set), MAX_TABLE_BYTES
    layers: list[Layer] = []
    for node in nodes:
        room -= sum(math.prod(tap.weight_shape) for tap in node.taps) + 4 * (node.shape[-1] if node.taps else 0)
        if room < 0:
            raise UserError(f"layer {node.name}: with it the tables have more than {MAX_TABLE_BYTES:,} bytes")
        try:
            layers.append(_layer(node))
        except UserError as error:
            raise UserError(f"layer {node.name}: {error}") from None
    Network(recipe.name, Input(info.shape, recipe.data.pixel_bits), tuple(layers), info.classes)


def _layer(node: Node) -> Layer:
    if not node.taps:
        join: MaxPool | Or = Or() if node.kind == "or" else MaxPool(node.kernel, node.stride, node.padding)
        return Layer(node.name, (join,), None, node.sources)
    table = np.zeros(node.shape[-1], np.int32)
    neuron = Readout(table) if node.kind == "readout" else Fire(table)
    return Layer(node.name, tuple(map(_synapse, node.taps)), neuron, node.sources)


def _synapse(tap: Tap) -> Dense | Conv2d | PooledDense:
    weights = np.ones(tap.weight_shape, np.int8)
    if tap.kind == "conv":
        return Conv2d(weights.transpose(0, 2, 3, 1), tap.bits, tap.stride, tap.padding, tap.groups)
    return Dense(weights, tap.bits) if tap.kind == "dense" else PooledDense(weights, tap.bits, tap.pool)
