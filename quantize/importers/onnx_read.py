"""The graph of an ONNX model as operations: each node by its kind, weights kept as integers where Quant made them.

A Quant that the input goes to says what enters. A ReLU that only Quant reads is the lower end of its levels.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.synapses import weight_limit
from s2nn_hw.quantize.importers import onnx_operators as operators
from s2nn_hw.quantize.importers import onnx_quant
from s2nn_hw.quantize.importers.assemble import unsupported
from s2nn_hw.quantize.importers.onnx_file import KNOWN
from s2nn_hw.quantize.importers.onnx_graph import Graph, Node
from s2nn_hw.quantize.importers.onnx_quant import Quantizer
from s2nn_hw.quantize.importers.operations import (
    ENTERING,
    Affine,
    Entering,
    Kind,
    Operation,
    Pool,
    Same,
    Shape,
    Sum,
    Weighted,
)

QUANTS = ("Quant", "IntQuant", "BipolarQuant")
WEIGHTED = ("Conv", "Gemm", "MatMul")
PASSING = (*operators.PASSED, *operators.SHAPED, "MaxPool", "GlobalMaxPool")  # what leaves is some of what enters


@dataclass(frozen=True, eq=False)
class Read:
    """``operations`` of a graph and the name of the value with the scores; ``entering``: what Quant says, or None.

    ``scores``: their tensor; ``tensors``: that of each operation's value; ``notes``: what was changed.
    """

    graph: Graph
    operations: tuple[Operation, ...]
    output: str
    scores: str
    entering: Entering | None
    tensors: dict[str, str]
    notes: tuple[str, ...]


@dataclass
class _Reading:
    graph: Graph
    names: dict[str, str]  # the operation that gives a tensor
    found: list[Operation] = field(default_factory=list)
    tensors: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ends: set[str] = field(default_factory=set)  # tensors behind a softmax, which nothing may read
    between: dict[str, tuple[float, float | None]] = field(default_factory=dict)  # ends of tensors behind a ReLU
    levels: dict[str, tuple[object, ...]] = field(default_factory=dict)  # what quantizer made a tensor
    first: Node | None = None  # the quantizer of the input


def read(graph: Graph) -> Read:
    """Return the operations of ``graph``; :class:`UserError` lists the nodes that have no form here."""
    reading = _Reading(graph, {graph.entering: ENTERING})
    entering = _entering(reading)
    for node in graph.nodes:
        try:
            _node(reading, node)
        except UserError as error:
            reading.problems.append(f"{node.where}: {error}")
    if reading.problems:
        raise unsupported(reading.problems, KNOWN)
    output = reading.names[graph.output]
    return Read(graph, tuple(reading.found), output, _scores(graph), entering, reading.tensors, tuple(reading.notes))


def _scores(graph: Graph) -> str:
    """Return the tensor with the scores: what stands before a softmax or argmax at the end."""
    makers = {node.output: node for node in graph.nodes}
    tensor = graph.output
    while tensor in makers and makers[tensor].kind in (*operators.LAST, *operators.PASSED):
        tensor = makers[tensor].inputs[0]
    return tensor


def _node(reading: _Reading, node: Node) -> None:
    graph = reading.graph
    values = [name for name in node.inputs if name and name not in graph.constants]
    if any(name in reading.ends for name in values):
        raise UserError("it reads a softmax, which is left out behind the scores but has no form elsewhere")
    unread = [name for name in values if name not in reading.names]
    if unread:  # its source has been refused already
        return
    kinds, tensors = _kinds(reading, node, values), values
    if node.kind in operators.LAST:
        reading.ends.add(node.output)
    if node.kind in PASSING:
        if values[0] in reading.between:
            reading.between[node.output] = reading.between[values[0]]
        if values[0] in reading.levels:
            reading.levels[node.output] = reading.levels[values[0]]
    names = tuple(reading.names[name] for name in tensors)
    for number, kind in enumerate(kinds):
        last = number == len(kinds) - 1
        name = node.name if last else f"{node.name}.{number}"
        reading.found.append(Operation(name, node.where, names, kind))
        names = (name,)
    reading.names[node.output], reading.tensors[names[0]] = names[0], node.output


def _kinds(reading: _Reading, node: Node, values: list[str]) -> list[Kind]:
    graph = reading.graph
    if len(values) > 1:
        if node.kind not in ("Add", "Sum"):
            raise UserError("of two values only the sum has a form here")
        if len(values) < len(node.inputs):
            raise UserError("a sum of values and constants has no form here: add the constant in a node of its own")
        return [Sum()]
    if node.kind in operators.ARITHMETIC:
        return operators.arithmetic(graph, node)
    if values[0] != node.inputs[0]:
        raise UserError("what is computed from the input must come first, constants behind it")
    if node.kind in WEIGHTED:
        return _weighted(reading, node)
    if node.kind in ("Relu", "Clip"):
        kinds = operators.operations(graph, node)
        reading.between[node.output] = operators.clip_ends(graph, node) if node.kind == "Clip" else (0.0, None)
        return [Same()] if _only_quantised(graph, node.output) else kinds
    if node.kind in QUANTS:
        return _quant(reading, node)
    if node.kind == "MultiThreshold":
        return _thresholds(graph, node)
    return operators.operations(graph, node)


def _only_quantised(graph: Graph, tensor: str) -> bool:
    """Return whether all that reads ``tensor``, behind pooling and the like, are quantizers with levels."""
    rest, seen = [tensor], 0
    while rest:
        readers = graph.readers.get(rest.pop(), [])
        if not readers:
            return False
        for node in readers:
            if node.kind in PASSING:
                rest.append(node.output)
            elif (
                node.kind not in ("Quant", "IntQuant")
                or onnx_quant.quantizer(node.kind, node.inputs, node.settings, graph.constants).bipolar
            ):
                return False
            else:
                seen += 1
    return seen > 0


def _quant(reading: _Reading, node: Node) -> list[Kind]:
    graph, source = reading.graph, node.inputs[0]
    found = onnx_quant.quantizer(node.kind, node.inputs, node.settings, graph.constants)
    before = reading.levels.get(source)
    reading.levels[node.output] = found.key
    if node is reading.first or before == found.key:
        return [Same()]
    shape = graph.shapes[source]
    scale, zero = (operators.per_channel(numbers, shape) for numbers in (found.scale, found.zero))
    return onnx_quant.activation(found, scale, zero, reading.between.get(source, (-1.0, None)))


def _thresholds(graph: Graph, node: Node) -> list[Kind]:
    shape, layout = graph.shapes[node.inputs[0]], node.settings.get("data_layout", "")
    if layout not in ("", "NC", "NCHW", "NCW"):
        raise UserError(operators.NHWC)
    if len(shape) == 2 and layout != "NCW":
        raise UserError("thresholds of signals must say data_layout NCW: qonnx takes them for channels-last")
    return onnx_quant.thresholds(graph.constant(node.inputs[1], "its thresholds"), shape[0], node.settings)


def _weighted(reading: _Reading, node: Node) -> list[Kind]:
    graph, shape = reading.graph, reading.graph.shapes[node.inputs[0]]
    if node.kind == "Conv":
        table = _table(reading, node, lambda weights: operators.convolved(node, shape, weights)[0])
        settings = operators.convolved(node, shape, graph.constants[node.inputs[1]])[1]
        whole = Weighted(table.weights, _bias(graph, node, len(table.weights)), table.bits, table.scale, **settings)
        return [Pool("sum", *[settings["stride"]] * 2)] if operators.is_sum(whole, shape) else [whole]
    if node.settings.get("transA", 0):
        raise UserError("a transposed input has no form here")
    weights = graph.constant(node.inputs[1], "its weights")
    if weights.ndim != 2 or len(shape) != 1:
        raise UserError(f"a dense layer wants features and weights of two axes, not {shape} and {weights.shape}")
    across = not node.settings.get("transB", 0)
    table = _table(reading, node, lambda array: array.T if across else array)
    alpha, beta = (float(node.settings.get(name, 1.0)) for name in ("alpha", "beta"))
    bias = _bias(graph, node, len(table.weights))
    if alpha != 1:
        after = [] if bias is None else [Affine(np.ones(1), bias * beta)]
        return [table, Affine(np.array([alpha]), np.zeros(1)), *after]
    return [table if bias is None else replace(table, bias=bias * beta)]


def _bias(graph: Graph, node: Node, channels: int) -> np.ndarray | None:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return None
    found = operators.per_channel(graph.constant(node.inputs[2], "its bias"), (channels,))
    return np.broadcast_to(found, (channels,)).copy()


def _table(reading: _Reading, node: Node, turned: "operators.Callable[[np.ndarray], np.ndarray]") -> Weighted:
    """Return the weights of ``node``, ``turned`` into our order: integers where they are some, else floats."""
    graph, name = reading.graph, node.inputs[1]
    owner = graph.constant(name, "its weights")
    if owner.dtype.kind not in "fiu" or not owner.size or not np.isfinite(owner.astype(np.float64)).all():
        raise UserError("its weights must be finite numbers")
    floats = turned(owner.astype(np.float64))
    if name in graph.integers:
        held = graph.integers[name]
        values, scale = turned(held.values), turned(held.scale)
    elif (owner == np.rint(owner)).all():
        values, scale = floats, np.ones_like(floats)
    else:
        return Weighted(floats)
    rows = scale.reshape(len(scale), -1)
    most = rows.max(axis=1)  # holes have no scale
    bits = bits_of(values)
    if bits is None or ((rows != most[:, None]) & (values.reshape(rows.shape) != 0)).any() or not most.all():
        if name in graph.integers:
            reading.notes.append(
                f"{node.where}: its integer weights, {int(values.min())} .. {int(values.max())}, reach beyond 127 "
                "or have scales within a channel: they are rounded anew"
            )
        return Weighted(floats)
    return Weighted(values, None, bits, most[:1] if np.unique(most).size == 1 else most)


def bits_of(values: np.ndarray) -> int | None:
    """Return the least bits of integer weights ``values``, None where they have more than 8."""
    most = int(np.abs(values).max())
    if most == 1 and (values != 0).all():
        return 1
    return next((bits for bits in range(2, 9) if most <= weight_limit(bits)), None)


def _entering(reading: _Reading) -> Entering | None:
    """Return what the quantizer of the input says of it, behind factors and shifts; None where there is none."""
    graph, tensor = reading.graph, reading.graph.entering
    factor, shift, shape = np.ones(1), np.zeros(1), graph.shapes[graph.entering]
    while len(readers := graph.readers.get(tensor, [])) == 1:
        (node,) = readers
        if node.kind in QUANTS:
            reading.first = node
            found = onnx_quant.quantizer(node.kind, node.inputs, node.settings, graph.constants)
            return _quantised(found, operators.as_image(shape), graph.shapes[tensor], (factor, shift))
        if node.kind in operators.ARITHMETIC and any(name in graph.constants for name in node.inputs):
            kind = operators.arithmetic(graph, node)[0]
            assert isinstance(kind, Affine)
            factor, shift = factor * kind.factor, shift * kind.factor + kind.shift
        elif node.kind not in (*operators.PASSED, *operators.SHAPED) or max(factor.size, shift.size) > 1:
            return None
        tensor = node.output
    return None


def _quantised(found: Quantizer, image: Shape, seen: Shape, before: tuple[np.ndarray, np.ndarray]) -> Entering:
    """Return what enters, in units of the owner's input, which ``before`` makes ``factor x + shift`` of."""
    factor, shift = before
    scale, zero = (operators.per_channel(numbers, seen) for numbers in (found.scale, found.zero))
    if (factor <= 0).any():
        raise UserError("a factor of the input before its Quant must be positive")
    if found.bipolar:
        return Entering(image, 1, 2 * scale / factor, (-scale - shift) / factor)
    limits = (found.low, found.high)
    return Entering(image, found.bits, scale / factor, (-zero * scale - shift) / factor, found.signed, limits)
