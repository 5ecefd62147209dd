"""The nodes of an ONNX model in order, with shapes followed and constants folded; Quant of constants stays integers.

Shapes and fusing of QuantizeLinear, DequantizeLinear are qonnx's, constants are worked out by onnx's own evaluator.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.quantize.importers import onnx_quant
from s2nn_hw.quantize.importers.onnx_file import EXTRA, KNOWN, MAX_FILE, QONNX, called
from s2nn_hw.quantize.importers.onnx_quant import Integers
from s2nn_hw.quantize.importers.operations import Shape

MOVED = ("Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten")  # integers stay what they are
BROADCAST = ("Add", "Sub", "Mul", "Div", "Min", "Max")
SINGLE = ("Neg", "Sqrt", "Abs", "Sign", "Reciprocal", "Round", "Floor", "Ceil", "Clip")
FOLDED = ("Constant", "Shape", "Concat", "Gather", "Slice", *MOVED, *BROADCAST, *SINGLE)
MOST_RESHAPES = 32
LARGEST = MAX_FILE // 4  # numbers of a constant


@dataclass(frozen=True, eq=False)
class Node:
    """One node: ``settings`` are its attributes; ``output``: the first that it gives."""

    name: str
    where: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    settings: dict[str, Any]
    proto: Any


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes of what depends on the input, in order.

    constants   by tensor, as the owner computes them
    integers    those of them that Quant made
    shapes      of all other tensors, without the axis of the batch
    owner       the model as it came, ``model``: as it is read
    """

    name: str
    entering: str
    output: str
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    integers: dict[str, Integers]
    shapes: dict[str, Shape]
    owner: Any
    model: Any
    readers: dict[str, list[Node]] = field(init=False)

    def __post_init__(self) -> None:
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        object.__setattr__(self, "readers", readers)

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators."""
        return opset_of(self.model)

    def constant(self, name: str, what: str) -> np.ndarray:
        """Return the constant ``name``; :class:`UserError` with ``what`` it is where it is none."""
        if name not in self.constants:
            raise UserError(f"{what} must be a constant, not what is computed from the input")
        return self.constants[name]


def opset_of(model: Any) -> int:
    """Return the version of ONNX's own operators that ``model`` is written in."""
    return next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))


def read_graph(owner: Any) -> Graph:
    """Return the nodes of the checked model ``owner``; :class:`UserError` names the node that can't be read."""
    for _ in range(MOST_RESHAPES):
        found = _attempt(owner)
        if isinstance(found, Graph):
            return found
        owner = found
    raise UserError(f"more than {MOST_RESHAPES} shapes of it are computed")


def _attempt(owner: Any) -> Any:
    """Return the graph of ``owner``, or, where a shape in it is worked out, that model with the shape as a constant."""
    model = _shaped(owner)
    graph = model.graph
    shapes = _shapes(model)
    folding = _Folding(model, shapes, {tensor.name: _array(tensor) for tensor in graph.initializer})
    entering, output = graph.input[0].name, graph.output[0].name
    known, nodes, names = {entering}, list[Node](), set[str]()
    for proto in graph.node:
        node = _node(proto, names)
        missing = [name for name in node.inputs if name and name not in known and name not in folding.constants]
        if missing:
            raise UserError(f"{node.where}: it reads {quoted(missing[0])}, which nothing before it gives")
        if any(name in known or name in folding.constants for name in proto.output if name):
            raise UserError(f"{node.where}: what it gives, {quoted(node.output)}, has been given before")
        if not any(name in known for name in node.inputs) or node.kind == "Shape":
            folding.fold(node)
            continue
        if any(proto.output[1:]) and node.kind not in ("Dropout", "BatchNormalization", "MaxPool"):
            raise UserError(f"{node.where}: nodes with one output are read, not with {len(proto.output)}")
        if node.output not in shapes and node.kind == "Reshape" and node.inputs[1] in folding.constants:
            return _with_shape(owner, node, folding.constants[node.inputs[1]])
        if node.output not in shapes:
            raise UserError(f"{node.where}: the shape of what it gives can't be told: supported are {KNOWN}")
        known.add(node.output)
        nodes.append(node)
    if output not in known:
        raise UserError(f"output {quoted(output)} does not depend on the input")
    return Graph(graph.name, entering, output, tuple(nodes), folding.constants, folding.integers, shapes, owner, model)


def _with_shape(owner: Any, node: Node, shape: np.ndarray) -> Any:
    from onnx import numpy_helper

    made = type(owner)()
    made.CopyFrom(owner)
    own = next(n for n in made.graph.node if n.output and n.output[0] == node.output)
    if node.inputs[1] in {tensor.name for tensor in made.graph.initializer}:
        raise UserError(f"{node.where}: the shape of what it gives can't be told")
    name = f"{node.output}.shape"
    made.graph.initializer.append(numpy_helper.from_array(np.atleast_1d(shape).astype(np.int64), name))
    own.input[1] = name
    return made


def _node(proto: Any, names: set[str]) -> Node:
    from onnx.helper import get_attribute_value

    if not proto.output or not proto.output[0]:
        raise UserError(f"{called(proto)}: it gives nothing")
    name = base = proto.name or proto.output[0]
    number = 2
    while name in names:
        name, number = f"{base}_{number}", number + 1
    names.add(name)
    settings = {a.name: get_attribute_value(a) for a in proto.attribute}
    settings = {
        key: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for key, value in settings.items()
    }
    return Node(name, called(proto), proto.op_type, tuple(proto.input), proto.output[0], settings, proto)


def _shaped(owner: Any) -> Any:
    """Return ``owner`` with the shapes of all tensors that can be told, QuantizeLinear and its like as Quant."""
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.transformation.infer_shapes import InferShapes
        from qonnx.transformation.qcdq_to_qonnx import QCDQToQuant
    except ImportError:
        raise UserError(f"ONNX files are read with the packages onnx and qonnx: {EXTRA}") from None
    kinds = [(node.op_type, node.domain) for node in owner.graph.node]
    for (kind, domain), node in zip(kinds, owner.graph.node, strict=True):
        if domain == QONNX and kind not in onnx_quant.KINDS:
            raise UserError(f"{called(node)}: no form here: supported are {KNOWN}")
    try:
        wrapped = ModelWrapper(owner, make_deepcopy=True).transform(InferShapes())
        if any(kind == "DequantizeLinear" for kind, _ in kinds):
            wrapped = wrapped.transform(QCDQToQuant()).transform(InferShapes())
    except Exception as error:  # the libraries raise whatever comes on files that are altered
        raise UserError(f"its shapes can't be followed ({' '.join(str(error).split())[:200]})") from None
    return wrapped.model


def _shapes(model: Any) -> dict[str, Shape]:
    found = {}
    for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if dims and all(dim.HasField("dim_value") for dim in dims):
            found[value.name] = tuple(dim.dim_value for dim in dims)[1:]
    return found


def _array(tensor: Any) -> np.ndarray:
    from onnx.numpy_helper import to_array

    return np.asarray(to_array(tensor))


@dataclass
class _Folding:
    model: Any
    shapes: dict[str, Shape]
    constants: dict[str, np.ndarray]
    integers: dict[str, Integers] = field(default_factory=dict)

    def fold(self, node: Node) -> None:
        """Work out ``node``, all of whose inputs are constants."""
        if node.kind == "Shape" and node.inputs[0] in self.shapes:
            first, last = node.settings.get("start", 0), node.settings.get("end")
            self.constants[node.output] = np.array((1, *self.shapes[node.inputs[0]]), np.int64)[first:last]
            return
        if node.proto.domain == QONNX:
            found = onnx_quant.constant(node.kind, node.inputs, node.settings, self.constants, node.where)
            self.integers[node.output], self.constants[node.output] = found, found.owner
            return
        if node.kind not in FOLDED:
            raise UserError(f"{node.where}: of constants no form here; {', '.join(FOLDED)} are worked out")
        given = [self.constants[name] if name else None for name in node.inputs]
        self.constants[node.output] = self._evaluated(node, given)
        first = self.integers.get(node.inputs[0]) if node.inputs else None
        if first is not None and node.kind in MOVED:
            values, scale = (self._evaluated(node, [array, *given[1:]]) for array in (first.values, first.scale))
            self.integers[node.output] = Integers(values, scale, self.constants[node.output])
        elif first is not None and node.kind in ("Mul", "Div"):
            other = np.asarray(given[1], np.float64)
            factor = other if node.kind == "Mul" else 1 / other
            if (factor > 0).all() and np.broadcast_shapes(factor.shape, first.scale.shape) == first.scale.shape:
                self.integers[node.output] = Integers(first.values, first.scale * factor, self.constants[node.output])

    def _evaluated(self, node: Node, given: list[np.ndarray | None]) -> np.ndarray:
        from onnx.reference import ReferenceEvaluator

        arrays = [array for array in given if array is not None]
        try:
            together = sum(a.size for a in arrays) if node.kind == "Concat" else 0
            if together > LARGEST or (
                node.kind in BROADCAST and math.prod(np.broadcast_shapes(*(a.shape for a in arrays))) > LARGEST
            ):
                raise UserError(f"{node.where}: a constant of more than {LARGEST:,} numbers")
            opsets: Any = {entry.domain: entry.version for entry in self.model.opset_import}
            feeds = {name: array for name, array in zip(node.inputs, given, strict=True) if array is not None}
            found: Any = ReferenceEvaluator(node.proto, opsets=opsets).run(None, feeds)
            return np.asarray(found[0])
        except UserError:
            raise
        except Exception as error:  # the evaluator raises whatever comes on files that are altered
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{node.where}: it can't be worked out ({reason})") from None
