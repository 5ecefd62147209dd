"""The float graph of a checkpoint: what training leaves in torch modules, as arrays."""

import numpy as np
import torch
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.float_graph import FloatGraph, FloatLayer, FloatSynapse
from s2nn_hw.quantize.float_neurons import (
    Firing,
    FloatFire,
    FloatIntegrate,
    FloatQuantized,
    FloatReadout,
    FloatRelu,
    Norm,
)
from s2nn_hw.quantize.graph import Node
from s2nn_hw.quantize.layers import Hidden, Readout
from s2nn_hw.quantize.levels import Levels
from s2nn_hw.quantize.neuron import Neuron
from s2nn_hw.quantize.recipe import source_of
from s2nn_hw.quantize.shapes import joint
from s2nn_hw.quantize.spec import TTFS
from s2nn_hw.quantize.steps import Steps


def float_graph(checkpoint: Checkpoint) -> FloatGraph:
    """Return the :class:`FloatGraph` of ``checkpoint``, whose model is in evaluation mode."""
    recipe, model = checkpoint.recipe, checkpoint.model
    modules, layers = iter(model.layers), []
    with torch.no_grad():
        for node in model.nodes:
            try:
                layers.append(_weighted(node, next(modules)) if node.taps else _joined(node))
            except UserError as error:
                raise UserError(f"layer {node.name}: {error}") from None
    return FloatGraph(
        recipe.name, source.entering(recipe.data), tuple(layers), source.classes(recipe.data), source_of(recipe)
    )


def _joined(node: Node) -> FloatLayer:
    return FloatLayer(node.name, node.sources, (joint(node),))


def _weighted(node: Node, module: Hidden | Readout) -> FloatLayer:
    scale = None
    if module.quantised:
        weights, found = module.levels()
        scale = _array(found)[:, 0]
    else:
        weights = module.weights()
    tables = tuple(
        FloatSynapse(_array(table).reshape(tap.weight_shape), tap.bits, tap.connection)
        for tap, table in zip(node.taps, weights, strict=True)
    )
    lowest_terms = isinstance(module, Hidden) and node.taps[0].fan_in is not None
    return FloatLayer(node.name, node.sources, tables, _neuron(module, node), scale, lowest_terms)


def _neuron(module: Hidden | Readout, node: Node) -> Firing | FloatRelu | FloatReadout:
    if isinstance(module, Readout):
        return FloatReadout(_array(module.bias), node.leak or 0)
    norm, neuron, spec = module.norm, module.neuron, node.spec
    assert norm.running_mean is not None  # a batch norm of ours keeps both
    assert norm.running_var is not None
    gamma, beta, mean, variance = map(_array, (norm.weight, norm.bias, norm.running_mean, norm.running_var))
    found = Norm(gamma, beta, mean, variance, norm.eps)
    if isinstance(neuron, nn.ReLU):
        return FloatRelu(found)
    if isinstance(neuron, Levels):
        return FloatQuantized(found, spec.width, spec.planes, fraction=spec.fraction, timed=spec.kind == TTFS)
    if isinstance(neuron, Steps):
        threshold = float(neuron.least())
        return FloatIntegrate(
            found, threshold, spec.planes, spec.leak, spec.reset, spec.start, spec.level, spec.fraction
        )
    assert isinstance(neuron, Neuron)  # a teacher, which has another, is not quantised
    return FloatFire(found, neuron.threshold)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
