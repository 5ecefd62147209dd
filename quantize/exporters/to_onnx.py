"""An integer network as QONNX: weights behind Quant, neurons as MultiThreshold, all of it exact in float32.

    dense, conv2d   MatMul, Conv        pooled_dense   Conv of ones (the sum of a cell), Flatten, MatMul
    maxpool         MaxPool             two sources    Add
    fire, quantized MultiThreshold      readout        Add of the bias

Images are (batch, channel, row, column). What has no form there, a :class:`UserError` names by its layer.
"""

import json
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw import __version__
from s2nn_hw.errors import UserError
from s2nn_hw.files import write_bytes
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.synapse import Synapse, image_shape
from s2nn_hw.quantize.exporters.notes import KEY, noted, scaling_note
from s2nn_hw.quantize.importers.exact import clipped, reached
from s2nn_hw.quantize.importers.onnx_file import QONNX, library

OPSET, IR = 13, 8
EXACT = 1 << 24  # integers up to here are exact in float32
KNOWN = "dense, conv2d, pooled_dense, maxpool, fire, quantized of numbers, readout"


def write_onnx(network: Network, path: Path) -> list[str]:
    """Write ``network`` to ``path`` as QONNX; return what to know of it, a line each.

    :class:`UserError` names the layer that has no form there.
    """
    library()
    write_bytes(path, model_of(network).SerializeToString())
    return scaling_note(network)


def model_of(network: Network) -> Any:
    """Return the ``onnx.ModelProto`` of ``network``, which takes batches of one."""
    from onnx import TensorProto, helper

    if network.input.events:
        raise UserError(f"network {network.name}: events over steps have no form in QONNX")
    if network.input.signed and network.input.bits == 1:
        raise UserError(f"network {network.name}: a sign of one bit has no form in QONNX, which takes it for -1 and +1")
    made = _Made()
    shape = _owner_shape(network.shapes[INPUT])
    signed = int(network.input.signed)
    entering = made.node("Quant", "input_quant", [INPUT, *made.quant(1.0, 0.0, network.input.bits)], signed=signed)
    values = {INPUT: entering}
    for layer in network.layers:
        try:
            values[layer.name] = _layer(made, network, layer, [values[source] for source in layer.sources])
        except UserError as error:
            raise UserError(f"layer {layer.name}: {error}") from None
    graph = helper.make_graph(
        made.nodes,
        network.name,
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor_value_info(values[network.layers[-1].name], TensorProto.FLOAT, [1, len(network.classes)])],
        made.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="s2nn-hw")
    model.producer_version = __version__
    helper.set_model_props(model, {"digest": network.digest, KEY: json.dumps(noted(network))})
    return model


def _owner_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) == 1:
        return shape
    rows, columns, channels = image_shape(shape)
    return (channels, rows, columns)


class _Made:
    """Nodes and constants so far."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        """Return the name of a new constant, float32."""
        from onnx import numpy_helper

        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def quant(self, scale: float, zero: float, bits: int) -> list[str]:
        """Return the names of what Quant takes behind its input."""
        return [self.constant(scale), self.constant(zero), self.constant(bits)]

    def node(self, kind: str, name: str, inputs: list[str], **settings: Any) -> str:
        """Return the name of what a new node gives."""
        from onnx import helper

        own = kind in ("Quant", "BipolarQuant", "MultiThreshold")
        if kind == "Quant":
            settings = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"} | settings
        output = f"{name}_out"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=name, domain=QONNX if own else "", **settings))
        return output

    def weights(self, name: str, table: np.ndarray, bits: int) -> str:
        """Return the name of integer weights of ``bits`` bits."""
        held = self.constant(table)
        if bits == 1:
            return self.node("BipolarQuant", name, [held, self.constant(1.0)])
        return self.node("Quant", name, [held, *self.quant(1.0, 0.0, bits)], signed=1, narrow=1)


def _layer(made: _Made, network: Network, layer: Layer, sources: list[str]) -> str:
    if any(layer.delays) or network.input.sequences:
        raise UserError("sequences and sources with a delay have no form in QONNX")
    if not layer.accumulates:
        return _joined(made, network, layer, sources)
    low, high = network.bounds(layer)
    if max(-low.min(), high.max()) >= EXACT:
        raise UserError(f"its sums reach beyond {EXACT:,}, where the floats of ONNX are no longer exact")
    parts = []
    for number, (synapse, source, name) in enumerate(zip(layer.synapses, sources, layer.sources, strict=True)):
        label = layer.name if synapse is layer.synapses[-1] else f"{layer.name}_source{number + 1}"
        parts.append(_product(made, label, synapse, source, network.shapes[name]))
    total = parts[0]
    for number, part in enumerate(parts[1:]):
        total = made.node("Add", f"{layer.name}_sum{number + 1}", [total, part])
    neuron = layer.own_neuron
    if neuron.kind not in NEURONS:
        raise UserError(f"neurons of kind '{neuron.kind}' have no form in QONNX ({KNOWN} have)")
    return NEURONS[neuron.kind](made, layer, total, low, high)


def _joined(made: _Made, network: Network, layer: Layer, sources: list[str]) -> str:
    (join,) = layer.synapses
    if join.kind not in ("maxpool", "orpool") or (network.read(layer).count > 1 and join.kind == "orpool"):
        raise UserError(f"'{join.kind}' has no form in QONNX ({KNOWN} have)")
    kernel, strides, paddings = list(join.kernel), list(join.strides), list(join.paddings)
    return made.node("MaxPool", layer.name, sources, kernel_shape=kernel, strides=strides, pads=[*paddings, *paddings])


def _product(made: _Made, name: str, synapse: Synapse, source: str, shape: tuple[int, ...]) -> str:
    """Return what the table ``synapse`` makes of ``source``, which has our ``shape``."""
    if synapse.kind == "conv2d":
        weights = made.weights(f"{name}_weights", synapse.weights.transpose(0, 3, 1, 2), synapse.bits)
        strides, paddings, groups = list(synapse.strides), list(synapse.paddings), synapse.settings["groups"]
        kernel = list(synapse.weights.shape[1:3])
        pads = {"strides": strides, "pads": [*paddings, *paddings]}
        return made.node("Conv", name, [source, weights], kernel_shape=kernel, group=groups, **pads)
    if synapse.kind not in ("dense", "pooled_dense"):
        raise UserError(f"'{synapse.kind}' has no form in QONNX ({KNOWN} have)")
    if synapse.kind == "pooled_dense":
        source, shape = _summed(made, name, source, shape, synapse.settings["pool"])
    table = synapse.weights
    if len(shape) > 1:
        table = table.reshape(len(table), *image_shape(shape)).transpose(0, 3, 1, 2).reshape(len(table), -1)
        source = made.node("Flatten", f"{name}_flat", [source], axis=1)
    return made.node("MatMul", name, [source, made.weights(f"{name}_weights", table.T, synapse.bits)])


def _summed(
    made: _Made, name: str, source: str, shape: tuple[int, ...], pool: list[int]
) -> tuple[str, tuple[int, ...]]:
    rows, columns, channels = image_shape(shape)
    if prod(pool) == 1:
        return source, shape
    ones = made.constant(np.ones((channels, 1, *pool)))
    out = made.node(
        "Conv", f"{name}_cells", [source, ones], kernel_shape=pool, strides=pool, pads=[0] * 4, group=channels
    )
    return out, (rows // pool[0], columns // pool[1], channels)


def _fire(made: _Made, layer: Layer, total: str, low: np.ndarray, high: np.ndarray) -> str:
    neuron: Any = layer.own_neuron
    sums = clipped(neuron.thresholds.astype(np.int64)[None], low, high)
    return _thresholds(made, layer, total, sums, "BINARY")


def _quantized(made: _Made, layer: Layer, total: str, low: np.ndarray, high: np.ndarray) -> str:
    neuron: Any = layer.own_neuron
    if not neuron.planes.radix:
        raise UserError(f"{neuron.planes} have no form in QONNX: turn them into numbers first (s2nn-hw collapse)")
    sums = reached(neuron.thresholds, neuron.starts, neuron.fraction, neuron.planes.peak)
    return _thresholds(made, layer, total, clipped(sums, low, high), f"UINT{neuron.planes.count}")


def _thresholds(made: _Made, layer: Layer, total: str, sums: np.ndarray, kind: str) -> str:
    """Return the neurons of ``layer`` that reach level k at the ``sums`` ``(levels, channels)``."""
    inputs = [total, made.constant(sums.T)]
    return made.node("MultiThreshold", f"{layer.name}_fire", inputs, out_dtype=kind, out_scale=1.0, out_bias=0.0)


def _readout(made: _Made, layer: Layer, total: str, low: np.ndarray, high: np.ndarray) -> str:
    bias: Any = layer.own_neuron
    if np.abs(bias.bias.astype(np.int64)).max() + max(-low.min(), high.max()) >= EXACT:
        raise UserError(f"its scores reach beyond {EXACT:,}, where the floats of ONNX are no longer exact")
    return made.node("Add", f"{layer.name}_bias", [total, made.constant(bias.bias)])


NEURONS = {"fire": _fire, "quantized": _quantized, "readout": _readout}
