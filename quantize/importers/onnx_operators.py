"""ONNX's own operators as operations; a signal ``(channels, length)`` is an image of one row."""

from collections.abc import Callable
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.quantize.importers.onnx_file import KNOWN
from s2nn_hw.quantize.importers.onnx_graph import Graph, Node
from s2nn_hw.quantize.importers.operations import Affine, Flatten, Kind, Pool, Relu, Same, Shape, Weighted

LAST = ("Softmax", "LogSoftmax", "ArgMax", "Hardmax")
PASSED = ("Identity", "Dropout", "Cast")
SHAPED = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
ARITHMETIC = ("Add", "Sub", "Mul", "Div")
NHWC = "images must be channels-first (batch, channel, row, column), as torch exports them: this one is channels-last"


def as_image(shape: Shape) -> Shape:
    """Return ``shape`` with a row, where it is a signal's ``(channels, length)``."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else shape


def per_channel(numbers: np.ndarray, shape: Shape) -> np.ndarray:
    """Return ``numbers``, which broadcast to a batch of values of ``shape``, as float64 ``(1,)`` or ``(channels,)``."""
    numbers = np.asarray(numbers, np.float64)
    if numbers.size == 1:
        return numbers.reshape(1)
    lined = numbers.shape
    while len(lined) > len(shape) + 1 and lined[0] == 1:
        lined = lined[1:]
    lined = (1,) * (len(shape) + 1 - len(lined)) + lined
    if len(lined) != len(shape) + 1 or any(n != 1 for axis, n in enumerate(lined) if axis != 1) or lined[1] != shape[0]:
        raise UserError(f"a constant of shape {numbers.shape} is not one number, nor one for each channel of {shape}")
    if not np.isfinite(numbers).all():
        raise UserError("its constants must be finite numbers")
    return numbers.ravel()


def operations(graph: Graph, node: Node) -> list[Kind]:
    """Return what ``node``, which reads one value that is not constant, does to it; weights are elsewhere."""
    entering, leaving = graph.shapes[node.inputs[0]], graph.shapes.get(node.output, ())
    if node.kind in PASSED or node.kind in LAST:
        return [Same()]
    if node.kind in SHAPED:
        return [reshaped(entering, leaving)]
    if node.kind not in READERS:
        raise UserError(f"no form here (supported are {KNOWN})")
    return READERS[node.kind](graph, node, entering, leaving)


def reshaped(entering: Shape, leaving: Shape) -> Kind:
    """Return what a change of shape is: nothing, or that of an image to features."""
    if as_image(entering) == as_image(leaving):
        return Same()
    if len(leaving) == 1 and np.prod(entering) == leaving[0]:
        return Flatten()
    raise UserError(f"a change of shape from {entering} to {leaving} has no form here: only flattening has")


def arithmetic(graph: Graph, node: Node) -> list[Kind]:
    """Return Add, Sub, Mul or Div of a value and a constant, which may come first."""
    swapped = node.inputs[0] in graph.constants
    value, other = node.inputs[::-1] if swapped else node.inputs
    numbers, one, zero = per_channel(graph.constants[other], graph.shapes[value]), np.ones(1), np.zeros(1)
    if node.kind == "Add":
        return [Affine(one, numbers)]
    if node.kind == "Sub":
        return [Affine(-one, numbers) if swapped else Affine(one, -numbers)]
    if node.kind == "Mul":
        return [Affine(numbers, zero)]
    if swapped or (numbers == 0).any():
        raise UserError("a division by what was computed, or by 0, has no form here")
    return [Affine(1 / numbers, zero)]


def _batch_norm(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
    if node.settings.get("training_mode", 0):
        raise UserError("it is in training mode: export the network in evaluation mode")
    names = ("scale", "bias", "mean", "variance")
    found = [graph.constant(n, f"its {what}") for n, what in zip(node.inputs[1:5], names, strict=True)]
    scale, bias, mean, variance = (np.ravel(array).astype(np.float64) for array in found)
    if len({array.size for array in (scale, bias, mean, variance)} | {entering[0]}) > 1:
        raise UserError(f"its constants are not one for each of {entering[0]} channels")
    epsilon = float(node.settings.get("epsilon", 1e-5))
    if not (variance + epsilon > 0).all():
        raise UserError("its variances must be positive")
    factor = scale / np.sqrt(variance + epsilon)
    return [Affine(factor, bias - factor * mean)]


def _relu(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Relu()]


def clip_ends(graph: Graph, node: Node) -> tuple[float, float | None]:
    """Return the ends of a Clip node, which must begin at 0; None: no upper one."""
    low, high = (node.settings.get(name) for name in ("min", "max"))
    ends = [low, high]
    for place in (1, 2):
        if len(node.inputs) > place and node.inputs[place]:
            given = graph.constant(node.inputs[place], "its ends")
            if given.size != 1:
                raise UserError(f"its ends must be one number each, not of shape {given.shape}")
            ends[place - 1] = given.item()
    if ends[0] is None or float(ends[0]) != 0:
        raise UserError(f"a clip must begin at 0, not at {ends[0]}")
    return 0.0, None if ends[1] is None or float(ends[1]) > 3e38 else float(ends[1])


def _clip(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
    return [Relu(clip_ends(graph, node)[1])]


def _integers(numbers: Any, axes: int, what: str, default: int) -> list[int]:
    found = list(numbers) if isinstance(numbers, list | tuple) else [default] * axes
    if len(found) != axes or any(n < 0 or n > 1 << 16 for n in found):
        raise UserError(f"{what} must be {axes} numbers, not {quoted(found)}")
    return [int(n) for n in found]


def window(node: Node, entering: Shape, kernel: list[int]) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return strides, dilations, and the padding before and behind of each axis of a window of ``kernel``."""
    axes = len(kernel)
    strides = _integers(node.settings.get("strides"), axes, "strides", 1)
    dilations = _integers(node.settings.get("dilations"), axes, "dilations", 1)
    if min(strides) < 1 or min(dilations) < 1 or min(kernel) < 1 or max(kernel) > 1 << 10:
        raise UserError(f"kernel, strides and dilations must be positive: {kernel}, {strides}, {dilations}")
    auto = node.settings.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", "", "VALID"):
        pads = _integers(None if auto == "VALID" else node.settings.get("pads"), 2 * axes, "pads", 0)
        return strides, dilations, pads[:axes], pads[axes:]
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise UserError(f"auto_pad {quoted(auto)} is not known")
    before, behind = [], []
    for size, k, s, d in zip(entering[1:], kernel, strides, dilations, strict=True):
        whole = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        less, more = whole // 2, whole - whole // 2
        before.append(less if auto == "SAME_UPPER" else more)
        behind.append(more if auto == "SAME_UPPER" else less)
    return strides, dilations, before, behind


def pair(numbers: list[int], outer: int) -> tuple[int, int]:
    """Return ``numbers`` of rows and columns, or of a signal, whose one row has ``outer``."""
    return (outer, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])


def convolved(node: Node, entering: Shape, weights: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the kernels ``weights`` of a Conv node with rows and columns, and the settings of :class:`Weighted`.

    Holes of a dilation become zeros; so does what padding has more on one side than on the other.
    """
    axes = weights.ndim - 2
    if axes not in (1, 2) or len(entering) != axes + 1:
        raise UserError(f"convolutions of signals and images are read, not with weights {weights.shape} of {entering}")
    kernel = _integers(node.settings.get("kernel_shape", list(weights.shape[2:])), axes, "kernel_shape", 1)
    if kernel != list(weights.shape[2:]):
        raise UserError(f"kernel_shape {kernel} is not that of its weights {weights.shape}")
    strides, dilations, before, behind = window(node, entering, kernel)
    size = [(k - 1) * d + 1 + abs(p - q) for k, d, p, q in zip(kernel, dilations, before, behind, strict=True)]
    if max(size) > 1 << 7:
        raise UserError(f"a window of {size} is too large")
    if size != kernel:
        spread = np.zeros((*weights.shape[:2], *size))
        places = [
            slice(max(0, q - p), max(0, q - p) + (k - 1) * d + 1, d)
            for k, d, p, q in zip(kernel, dilations, before, behind, strict=True)
        ]
        spread[(slice(None), slice(None), *places)] = weights
        weights = spread
    padding = [max(p, q) for p, q in zip(before, behind, strict=True)]
    groups = int(node.settings.get("group", 1))
    if groups < 1 or weights.shape[1] * groups != entering[0] or len(weights) % groups:
        raise UserError(f"weights {weights.shape} in {groups} groups do not fit {entering[0]} channels")
    lined = weights[:, :, None, :] if axes == 1 else weights
    return lined, {"stride": pair(strides, 1), "padding": pair(padding, 0), "groups": groups}


def is_sum(table: Weighted, entering: Shape) -> bool:
    """Return whether a convolution merely adds the cells of each channel."""
    return bool(
        table.weights.ndim == 4
        and table.weights.shape[:2] == (entering[0], 1)
        and table.groups == entering[0]
        and table.stride == table.weights.shape[2:] != (1, 1)
        and table.padding == (0, 0)
        and table.bias is None
        and (table.weights == 1).all()
        and (table.scale is None or (np.asarray(table.scale) == 1).all())
    )


def _pool(kind: str) -> Callable[[Graph, Node, Shape, Shape], list[Kind]]:
    def read(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
        axes = len(entering) - 1
        if axes not in (1, 2):
            raise UserError(f"pooling of signals and images is read, not of {entering}")
        kernel = _integers(node.settings.get("kernel_shape"), axes, "kernel_shape", 0)
        strides, dilations, before, behind = window(node, entering, kernel)
        if before != behind or dilations != [1] * axes:
            raise UserError("pooling must be padded alike on both sides, and not be dilated")
        sizes = zip(entering[1:], kernel, strides, before, strict=True)
        if tuple((n + 2 * p - k) // s + 1 for n, k, s, p in sizes) != tuple(leaving[1:]):
            raise UserError("pooling must leave windows out that do not fit: no ceil_mode")
        return [Pool(kind, pair(kernel, 1), pair(strides, 1), pair(before, 0))]

    return read


def _whole(kind: str) -> Callable[[Graph, Node, Shape, Shape], list[Kind]]:
    return lambda graph, node, entering, leaving: [Pool(kind)]


def _mean(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
    axes: Any = node.settings.get("axes")
    if axes is None and len(node.inputs) > 1 and node.inputs[1]:
        axes = graph.constant(node.inputs[1], "its axes").ravel().tolist()
    count = len(entering) + 1
    found = sorted(int(axis) % count for axis in axes) if axes else None
    if len(entering) < 2 or found != list(range(2, count)):
        raise UserError(f"a mean must be over rows and columns, axes 2 and 3, not over {axes} of an image {entering}")
    return [Pool("mean")] if node.settings.get("keepdims", 1) else [Pool("mean"), Flatten()]


def _transpose(graph: Graph, node: Node, entering: Shape, leaving: Shape) -> list[Kind]:
    order = list(node.settings.get("perm", list(range(len(entering) + 1))[::-1]))
    shape = (1, *entering)
    moved = [axis for axis in order if shape[axis] != 1]
    if order[0] == 0 and moved == sorted(moved) and as_image(entering) == as_image(leaving):
        return [Same()]
    raise UserError(NHWC if len(entering) > 1 else f"a transposition {order} of {entering} has no form here")


READERS: dict[str, Callable[[Graph, Node, Shape, Shape], list[Kind]]] = {
    "BatchNormalization": _batch_norm,
    "Relu": _relu,
    "Clip": _clip,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"),
    "GlobalAveragePool": _whole("mean"),
    "GlobalMaxPool": _whole("max"),
    "ReduceMean": _mean,
    "Transpose": _transpose,
}
