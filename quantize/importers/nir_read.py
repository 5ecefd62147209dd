"""A NIR graph as operations: what its nodes do in each step to the value that their edges bring.

Values have no axis of the batch: ``(features,)``, ``(channels, length)``, which is an image of one row, or
``(channels, rows, columns)``. An input of two axes that no Conv1d reads is an image of one channel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed
from s2nn_hw.network.neurons.tables import MAX_FRACTION
from s2nn_hw.network.synapse import weight_limit
from s2nn_hw.quantize.importers import nir_neurons
from s2nn_hw.quantize.importers.assemble import swept, unsupported
from s2nn_hw.quantize.importers.integer_weights import integers_of
from s2nn_hw.quantize.importers.nir_file import NirGraph
from s2nn_hw.quantize.importers.nir_neurons import NirOptions, per_channel
from s2nn_hw.quantize.importers.operations import (
    ENTERING,
    Affine,
    Flatten,
    Kind,
    Operation,
    Pool,
    Same,
    Shape,
    Spike,
    Sum,
    Weighted,
)

SUPPORTED = (
    "Input, Output, Linear, Affine, Conv1d, Conv2d, Flatten, SumPool2d, AvgPool2d, Scale, Threshold, IF, LIF, CubaLIF "
    "with tau_syn equal to dt, and graphs of them; I and LI in front of the output of sequences, --frames"
)


@dataclass(frozen=True)
class NirRead:
    """``operations`` of a graph, the value ``output`` with the scores, the ``shape`` that enters; ``values``: of each
    node the value that it gives; ``notes``: what was assumed or changed."""

    operations: tuple[Operation, ...]
    output: str
    shape: Shape
    values: dict[str, str]
    notes: tuple[str, ...]


@dataclass
class _Work:
    options: NirOptions
    found: list[Operation] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    constant: set[str] = field(default_factory=set)  # values that are the same in every step
    notes: list[str] = field(default_factory=list)


def read_graph(graph: NirGraph, options: NirOptions) -> NirRead:
    """Return what ``graph`` computes; :class:`UserError` names the nodes that have no form here."""
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    strange = [f"{name} ({kind})" for name, kind in kinds.items() if kind not in (*READERS, *nir_neurons.NEURONS)]
    if strange:
        raise unsupported([f"{name}: no form here" for name in strange], SUPPORTED)
    shape = _entering(graph, kinds)
    work = _Work(options)
    for name, node in graph.nodes.items():
        try:
            _node(work, graph, name, node, shape)
        except UserError as error:
            raise UserError(f"{name} ({kinds[name]}): {error}") from None
    ends = [name for name, kind in kinds.items() if kind == "Output" and not _after(graph, name)]
    if len(ends) != 1:
        raise UserError(f"the graph must have one Output node, not {len(ends)} ({listed(ends)})")
    return NirRead(tuple(work.found), work.values[ends[0]], shape, work.values, tuple(dict.fromkeys(work.notes)))


def _after(graph: NirGraph, name: str) -> list[str]:
    return [target for source, target in graph.edges if source == name]


def _entering(graph: NirGraph, kinds: dict[str, str]) -> Shape:
    first = [name for name, kind in kinds.items() if kind == "Input" and not graph.before(name)]
    if len(first) != 1:
        raise UserError(f"the graph must have one Input node, not {len(first)} ({listed(first)})")
    given = graph.nodes[first[0]].input_type.get("input")
    shape = tuple(int(n) for n in np.atleast_1d(given)) if given is not None else ()
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise UserError(
            f"{first[0]} (Input): the shape must be (features,), (channels, length) or (channels, rows, columns), "
            f"without steps and batch, not {shape}"
        )
    if len(shape) == 2:
        return (shape[0], 1, shape[1]) if "Conv1d" in kinds.values() else (1, *shape)
    return shape


def _node(work: _Work, graph: NirGraph, name: str, node: Any, shape: Shape) -> None:
    """Read ``node``; ``shape``: of what enters the graph."""
    sources = [work.values[source] for source in graph.before(name)]
    kind = type(node).__name__
    if not sources:
        if kind != "Input":
            raise UserError("no edge leads to it")
        work.values[name], work.shapes[ENTERING] = ENTERING, shape
        if not work.options.events:
            work.constant.add(ENTERING)
        return
    shapes = [work.shapes[source] for source in sources]
    if len(set(shapes)) > 1:
        raise UserError(f"what is added must have one shape, not {listed(sorted(set(shapes)))}")
    still = all(source in work.constant for source in sources)
    if kind in nir_neurons.NEURONS:
        fraction, own = _said(node, "s2nn_fraction"), work.options
        if own.fraction is None and fraction is not None and 0 <= fraction <= MAX_FRACTION:
            own = replace(own, fraction=fraction)
        kinds, leaving = nir_neurons.operations(node, shapes[0], own, work.notes), shapes[0]
        still = work.options.count == 1
    else:
        if kind == "Threshold" and not still and work.options.count > 1:
            raise UserError(
                "a threshold without a membrane, in each of several steps, has no form here: put IF there, or take "
                "--steps 1"
            )
        kinds, leaving = READERS[kind](node, shapes[0])
    if len(sources) > 1:
        kinds = [Sum(), *kinds]
    _add(work, name, kind, sources, kinds)
    work.shapes[work.values[name]] = leaving
    if still:
        work.constant.add(work.values[name])


def _add(work: _Work, name: str, kind: str, sources: list[str], kinds: list[Kind]) -> None:
    """Add ``kinds``, one behind the other; only the last has the node's name."""
    given = tuple(sources)
    for number, what in enumerate(kinds):
        own = name if number == len(kinds) - 1 else f"{name}/{number}"
        own = f"{own}/" if own == ENTERING else own
        work.found.append(Operation(own, f"{name} ({kind})", given, what))
        given = (own,)
    work.values[name] = given[0]


Read = Callable[[Any, Shape], tuple[list[Kind], Shape]]


def _same(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
    return [Same()], shape


def weighted(node: Any, weights: np.ndarray, bias: Any, **settings: Any) -> Weighted:
    """Return the table of ``weights`` of ``node``, as integers where they are integers times a scale."""
    bias = None if bias is None else np.asarray(bias, np.float64).ravel()
    if bias is not None and len(bias) != len(weights):
        raise UserError(f"the bias must be one number for each of {len(weights)}, not {len(bias)}")
    weights = np.asarray(weights, np.float64)
    said = _said(node, "s2nn_bits")
    limit = weight_limit(said) if said is not None and 1 <= said <= 8 else 0
    if (
        limit
        and (weights == np.rint(weights)).all()
        and np.abs(weights).max() <= limit
        and (limit > 1 or said != 1 or weights.all())
    ):
        return Weighted(weights, bias, said, np.ones(1), **settings)
    found = integers_of(weights)
    if found is None:
        return Weighted(weights, bias, **settings)
    levels, bits, scale = found
    return Weighted(levels, bias, bits, scale, **settings)


def _said(node: Any, key: str) -> int | None:
    """Return what a file of ours notes of ``node`` under ``key``."""
    said = node.metadata.get(key) if isinstance(node.metadata, dict) else None
    return int(said) if isinstance(said, int | np.integer) else None


def _linear(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
    weights = np.asarray(node.weight, np.float64)
    weights = weights.reshape(weights.shape[-2:]) if weights.size == np.prod(weights.shape[-2:]) else weights
    if weights.ndim != 2 or not weights.size:
        raise UserError(f"weights must be (out, in), not {weights.shape}")
    if shape != (weights.shape[1],):
        raise UserError(f"weights {weights.shape} do not fit what comes, {shape}; an image wants a Flatten node")
    return [weighted(node, weights, getattr(node, "bias", None))], (len(weights),)


def _pair(what: str, given: Any, axes: int, other: int) -> tuple[int, int]:
    """Return rows and columns of setting ``what``; of a signal (``axes`` 1) the rows are ``other``."""
    numbers = np.atleast_1d(np.asarray(given))
    if numbers.dtype.kind not in "iuf" or (numbers != np.rint(numbers)).any() or numbers.size not in (1, axes):
        raise UserError(f"{what} must be {'a whole number' if axes == 1 else 'two whole numbers'}, not {given!r}")
    whole = [int(n) for n in numbers.ravel()] * (axes if numbers.size == 1 else 1)
    return (other, whole[0]) if axes == 1 else (whole[0], whole[1])


def _convolution(axes: int) -> Read:
    def read(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
        weights = np.asarray(node.weight, np.float64)
        if weights.ndim != axes + 2 or not weights.size:
            raise UserError(f"weights must have {axes + 2} axes, not shape {weights.shape}")
        weights = weights[:, :, None] if axes == 1 else weights
        if len(shape) != 3:
            raise UserError(f"it reads an image, not {shape}")
        kernel = weights.shape[2:]
        stride = _pair("stride", node.stride, axes, 1)
        if any(n != 1 for n in _pair("dilation", node.dilation, axes, 1)):
            raise UserError("a dilation other than 1 has no form here")
        padding, groups = _padding(node.padding, kernel, stride, axes), int(node.groups)
        if min(stride) < 1 or min(padding) < 0 or groups < 1:
            raise UserError("stride and groups must be 1 or more, and padding not negative")
        table = weighted(node, weights, node.bias, stride=stride, padding=padding, groups=groups)
        if shape[0] != weights.shape[1] * table.groups:
            raise UserError(f"weights {weights.shape} in {table.groups} groups do not fit {shape[0]} channels")
        return [table], (len(weights), *swept(Pool("", kernel, table.stride, table.padding), shape))

    return read


def _padding(given: Any, kernel: tuple[int, ...], stride: tuple[int, int], axes: int) -> tuple[int, int]:
    if isinstance(given, str):
        if given == "valid":
            return 0, 0
        if given != "same" or stride != (1, 1) or any(n % 2 == 0 for n in kernel):
            raise UserError("padding 'same' wants a stride of 1 and odd kernels; else give its number")
        return kernel[0] // 2, kernel[1] // 2
    return _pair("padding", given, axes, 0)


def _pool(kind: str) -> Read:
    def read(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
        if len(shape) != 3:
            raise UserError(f"it reads an image, not {shape}")
        pool = Pool(kind, *(_pair(n, getattr(node, n), 2, 0) for n in ("kernel_size", "stride", "padding")))
        assert pool.kernel is not None
        assert pool.stride is not None
        if min(*pool.kernel, *pool.stride) < 1 or min(pool.padding) < 0:
            raise UserError("kernel and stride must be 1 or more, and padding not negative")
        return [pool], (shape[0], *swept(pool, shape))

    return read


def _flatten(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
    whole = (int(np.prod(shape)),)
    if len(shape) == 1:
        return [Same()], shape
    if int(node.start_dim) not in (0, 1) or int(node.end_dim) not in (-1, len(shape) - 1, len(shape)):
        raise UserError(f"only a whole image can be flattened, not axes {node.start_dim} to {node.end_dim} of {shape}")
    return [Flatten()], whole


def _scale(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
    return [Affine(per_channel("scale", node.scale, shape), np.zeros(1))], shape


def _threshold(node: Any, shape: Shape) -> tuple[list[Kind], Shape]:
    return [Spike(per_channel("threshold", node.threshold, shape), strict=True)], shape


READERS: dict[str, Read] = {
    "Input": _same,
    "Output": _same,
    "Linear": _linear,
    "Affine": _linear,
    "Conv1d": _convolution(1),
    "Conv2d": _convolution(2),
    "Flatten": _flatten,
    "SumPool2d": _pool("sum"),
    "AvgPool2d": _pool("mean"),
    "Scale": _scale,
    "Threshold": _threshold,
}
