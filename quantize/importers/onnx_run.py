"""An ONNX model run by qonnx, node by node: its tensors on inputs, and what its neurons make of any sum.

Nodes of QONNX are qonnx's numpy functions, all others go through onnxruntime, in the model's own type of floats.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.assemble import Assembled
from s2nn_hw.quantize.importers.exact import Respond
from s2nn_hw.quantize.importers.onnx_file import set_batch
from s2nn_hw.quantize.importers.onnx_graph import Graph, Node
from s2nn_hw.quantize.importers.onnx_operators import ARITHMETIC, PASSED
from s2nn_hw.quantize.importers.onnx_read import WEIGHTED, Read
from s2nn_hw.quantize.importers.operations import ENTERING, Levels, Operation, Spike, Weighted
from s2nn_hw.quantize.importers.values import Given, as_total, product

MOST_VALUES = 1 << 24  # of all tensors of a batch
MOST_INPUTS = 500
ALONG = (*ARITHMETIC, *PASSED, "BatchNormalization", "Relu", "Clip")  # each number for itself
POOLS = ("MaxPool", "GlobalMaxPool")  # of what never falls, the same before and behind


def run(
    graph: Graph, inputs: np.ndarray, tensors: Sequence[str], console: Console | None = None
) -> dict[str, np.ndarray]:
    """Return the ``tensors`` of the owner's model, float64 ``(count, *shape)``, for ``inputs`` ``(count, *shape)``."""
    values = sum(int(np.prod(shape)) for shape in graph.shapes.values())
    size = max(1, min(MOST_INPUTS, MOST_VALUES // values, len(inputs)))
    kind, shape = _kind(graph.owner), graph.shapes[graph.entering]
    found: dict[str, list[np.ndarray]] = {name: [] for name in tensors}
    model, held = None, 0
    parts = [inputs[start : start + size] for start in range(0, len(inputs), size)]
    shown = console is not None and console.is_terminal
    for part in track(parts, "the owner's program", console=console, disable=not shown, transient=True):
        if len(part) != held:
            model, held = _prepared(set_batch(graph.owner, len(part))), len(part)
        values_of = _executed(model, {graph.entering: part.reshape(len(part), *shape).astype(kind)})
        for name in tensors:
            found[name].append(np.asarray(values_of[name], np.float64))
    return {name: np.concatenate(arrays) for name, arrays in found.items()}


def _kind(model: Any) -> np.dtype:
    from onnx.helper import tensor_dtype_to_np_dtype

    return np.dtype(tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type))


def _prepared(model: Any) -> Any:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_shapes import InferShapes

    try:
        return ModelWrapper(model).transform(InferShapes())
    except Exception as error:  # the libraries raise whatever comes
        raise UserError(f"qonnx can't take the model: {_line(error)}") from None


def _executed(model: Any, given: dict[str, np.ndarray]) -> dict[str, Any]:
    from qonnx.core.onnx_exec import execute_onnx

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dict(execute_onnx(model, given, return_full_exec_context=True))
    except Exception as error:
        raise UserError(f"qonnx can't run the model: {_line(error)}") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def responses(read: Read, assembled: Assembled) -> dict[str, Respond]:
    """Return by layer what the owner's nodes behind its sums make of one, in the owner's type of floats.

    Only layers with integer weights have one.
    """
    makers = {node.output: node for node in read.graph.nodes}
    nodes = {node.name: node for node in read.graph.nodes}
    found = {}
    for operation in read.operations:
        given = assembled.given.get(operation.name)
        if not isinstance(operation.what, Spike | Levels) or given is None:
            continue
        node = nodes[operation.name.rpartition(".")[0] if operation.name not in nodes else operation.name]
        name = fired(assembled, given.name)
        if name not in found:
            respond = _respond(read, assembled, _chain(read.graph, node, makers), name)
            found.update({} if respond is None else {name: respond})
    return found


@dataclass(frozen=True)
class _Chain:
    """``nodes`` up to neurons, which are the last, each for each number of the tensor ``start`` alone; ``maker``: of
    that, None of what enters."""

    start: str
    maker: Node | None
    nodes: list[Node]


def _chain(graph: Graph, node: Node, makers: dict[str, Node]) -> _Chain:
    """Return what leads to the neurons ``node``: from weights, a sum of values, or what other neurons give."""
    chain, last = [node], node
    while True:
        start = next(name for name in last.inputs if name not in graph.constants)
        before = makers.get(start)
        alone = before is not None and sum(bool(name) and name not in graph.constants for name in before.inputs) == 1
        if before is None or not alone or before.kind not in (*ALONG, *POOLS):
            return _Chain(start, before, chain)
        last = before
        if before.kind not in POOLS:
            chain.insert(0, before)


def fired(assembled: Assembled, name: str) -> str:
    """Return the layer whose neurons are behind what layer ``name`` gives, which may be pooling."""
    layers = {layer.name: layer for layer in assembled.graph.layers}
    while layers[name].neuron is None:
        name = layers[name].sources[0]
    return name


def _respond(read: Read, assembled: Assembled, chain: _Chain, name: str) -> Respond | None:
    layer = next(layer for layer in assembled.graph.layers if layer.name == name)
    graph, last = read.graph, assembled.given.get(chain.nodes[-1].name)
    entering = _entering(read, assembled, chain)
    if layer.scale is None or last is None or entering is None:
        return None
    (gain, shift, bias), kind, scale = entering, _kind(graph.owner), layer.scale
    models: dict[int, Any] = {}

    def respond(sums: np.ndarray) -> np.ndarray:
        if len(sums) not in models:
            models[len(sums)] = _chained(graph, chain, len(sums), sums.shape[1])
        real = (sums * scale * gain + shift).astype(kind)
        real = real if bias is None else real + bias
        model = models[len(sums)]
        entering, leaving = model.graph.input[0].name, model.graph.output[0].name
        shape = (*sums.shape, *[1] * (len(graph.shapes[chain.start]) - 1))
        out = np.asarray(_executed(model, {entering: real.reshape(shape)})[leaving], np.float64).reshape(sums.shape)
        return np.rint((out - last.offset) / last.unit).astype(np.int64)

    return respond


def _entering(
    read: Read, assembled: Assembled, chain: _Chain
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    """Return ``gain``, ``shift`` and ``bias`` (None: nothing) of the numbers where ``chain`` starts: ``gain`` times
    the scaled sum of integers plus ``shift``, rounded to the owner's floats, plus ``bias``; None: not
    read."""
    names = {tensor: name for name, tensor in read.tensors.items()} | {read.graph.entering: ENTERING}
    name, node = names.get(chain.start, ""), chain.maker
    if node is not None and node.kind in WEIGHTED:
        table = _table(node, {operation.name: operation for operation in read.operations})
        source = assembled.given.get(table.sources[0]) if table else None
        if table is not None and source is not None:
            assert isinstance(table.what, Weighted)
            plain = product(source, replace(table.what, bias=None))
            alpha = float(node.settings.get("alpha", 1.0))
            return plain.gain * alpha, plain.shift * alpha, _bias(read.graph, node)
    total = assembled.totals.get(name)
    if total is None and name in assembled.given:
        total = as_total(assembled.given[name])
    return None if total is None else (total.gain, total.shift, None)


def _table(node: Node, operations: dict[str, Operation]) -> Operation | None:
    """Return the operation with the weights of ``node``."""
    found = [operations.get(node.name), operations.get(f"{node.name}.0")]
    return next((o for o in found if o is not None and isinstance(o.what, Weighted)), None)


def _bias(graph: Graph, node: Node) -> np.ndarray | None:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return None
    beta = node.settings.get("beta", 1.0)
    bias = graph.constants[node.inputs[2]].ravel()
    return bias if beta == 1 else (bias * beta).astype(bias.dtype)


def _chained(graph: Graph, chain: _Chain, count: int, channels: int) -> Any:
    """Return the model of the nodes of ``chain`` on ``(count, channels)`` sums."""
    from onnx import helper, numpy_helper

    kind = graph.owner.graph.input[0].type.tensor_type.elem_type
    shape = (count, channels, *[1] * (len(graph.shapes[chain.start]) - 1))
    before, nodes, used = "sums", [], dict[str, np.ndarray]()
    for node in chain.nodes:
        proto = type(node.proto)()
        proto.CopyFrom(node.proto)
        for place, name in enumerate(node.inputs):
            if name in graph.constants:
                used[name] = graph.constants[name]
            elif name:
                proto.input[place] = before
        before = node.output
        nodes.append(proto)
    made = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("sums", kind, shape)],
        [helper.make_tensor_value_info(before, kind, shape)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in used.items()],
    )
    model = helper.make_model(made, opset_imports=graph.owner.opset_import, ir_version=graph.owner.ir_version)
    return _prepared(model)


def owner_values(read: Read, assembled: Assembled, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return ``values`` by tensor as values by operation, as images where the owner has signals."""
    found = {}
    for name, given in assembled.given.items():
        tensor = read.tensors.get(name)
        if tensor in values and isinstance(given, Given):
            array = values[tensor]
            found[name] = array[:, :, None] if array.ndim == 3 else array
    return found
