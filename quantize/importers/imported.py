"""A foreign network as integers: its operations put together, rounded or converted, and compared with its owner's.

spikes, levels   rounded by the quantizer; weights that are integers stay as they are
ReLU             converted to numbers of K bits (:mod:`s2nn_hw.quantize.conversion`), thresholds from activations
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from rich.console import Console

from s2nn_hw import __version__
from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.first_spikes import to_first_spikes
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.network.planes import MAX_RADIX
from s2nn_hw.network.synapse import check_integer
from s2nn_hw.quantize.conversion.firing import LEVELS, Rule
from s2nn_hw.quantize.conversion.integers import converted_graph
from s2nn_hw.quantize.conversion.prepare import prepare
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.convert import convert, needs_calibration
from s2nn_hw.quantize.float_graph import FloatGraph
from s2nn_hw.quantize.float_neurons import FloatRelu
from s2nn_hw.quantize.importers.assemble import Assembled, assemble
from s2nn_hw.quantize.importers.exact import Respond, Unfit, exact
from s2nn_hw.quantize.importers.inputs import as_images, raw, scaling_of
from s2nn_hw.quantize.importers.losses import Loss, loss
from s2nn_hw.quantize.importers.operations import Entering, Foreign
from s2nn_hw.quantize.importers.split import split
from s2nn_hw.quantize.importers.values import Given

CALIBRATION_IMAGES = 2000


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a foreign network.

    bits         1 to 8 of weights that are floats
    levels       bits K of an activation that ReLU is converted to
    percentile   of activations, that the largest level stands for; 100: the largest
    classes      names; default: numbers
    ttfs         whether numbers are times to the first spike
    split        spikes in place of levels where levels of one width are not the owner's, see :mod:`.split`
    """

    bits: int = 8
    levels: int = 4
    percentile: float = 99.9
    classes: tuple[str, ...] | None = None
    split: bool = False
    ttfs: bool = False

    def __post_init__(self) -> None:
        check_integer("bits", self.bits, 1, 8)
        check_integer("activation bits", self.levels, 1, MAX_RADIX)
        if not 50 <= self.percentile <= 100:
            raise UserError(f"percentile must lie in 50 .. 100, not {quoted(self.percentile)}")


@dataclass(frozen=True)
class Agreement:
    """The integer network and its owner's program on the same inputs, those that the integers stand for.

    images        how many
    same_class    of them
    ties          inputs of another class whose score is the same: in floats it is not by what they are rounded
    different     by layer: values that are not the owner's, and values in all; none of ReLU
    losses        by layer, what a ReLU loses as it becomes numbers
    owner, ours   shares that are classified right, where labels were given
    """

    images: int
    same_class: int
    different: dict[str, tuple[int, int]]
    owner: float | None = None
    ours: float | None = None
    ties: int = 0
    losses: tuple[Loss, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [f"{self.same_class:,} of {self.images:,} inputs have the owner's class"]
        if self.ties:
            parts.append(f"{self.ties:,} of the others are ties of integers, which floats round apart")
        if self.different:
            wrong, total = (sum(column) for column in zip(*self.different.values(), strict=True))
            parts.append(f"{wrong:,} of {total:,} hidden values differ")
        if self.owner is not None and self.ours is not None:
            parts.append(f"accuracy {100 * self.ours:.2f} %, the owner's {100 * self.owner:.2f} %")
        return "; ".join(parts)


@dataclass(frozen=True)
class Imported:
    """The integer ``network``, what it was made of, how inputs enter it, and ``notes`` of what was changed.

    ``graph``: what became integers, with levels in place of ReLU; ``unfit``: where levels are not the owner's;
    ``many``: how many spikes stand for a value, of tensors where it is not one.
    """

    network: Network
    assembled: Assembled
    entering: Entering
    notes: tuple[str, ...]
    graph: FloatGraph
    unfit: tuple[Unfit, ...] = ()
    many: Mapping[str, int] = field(default_factory=dict)


def import_network(
    foreign: Foreign,
    pixels: np.ndarray | None,
    wanted: Wanted | None = None,
    *,
    respond: Callable[[Assembled], Mapping[str, Respond]] | None = None,
    console: Console | None = None,
) -> Imported:
    """Return ``foreign`` as integers; ``pixels``: :func:`encoded` inputs that weights and thresholds are chosen on.

    They are not wanted where all weights are integers and no neuron is a ReLU. ``respond``: what gives the owner's own
    arithmetic behind the sums of layers, see :mod:`.exact`.
    """
    wanted = wanted or Wanted()
    assembled = assemble(foreign, wanted.classes, bits=wanted.bits)
    graph, notes = assembled.graph, list(assembled.notes)
    relu = [layer.name for layer in graph.layers if isinstance(layer.neuron, FloatRelu)]
    if relu and any(layer.neuron is not None and layer.name not in relu for layer in graph.weighted[:-1]):
        raise UserError(f"layer {relu[0]}: ReLU beside neurons that spike or have levels; give all the same kind")
    if pixels is None and (relu or needs_calibration(graph)):
        raise UserError("inputs are wanted, to choose the scales of weights and thresholds on: some hundred of them")
    if relu:
        assert pixels is not None
        graph = _converted(graph, pixels, wanted, console)
        notes.append(f"ReLU became numbers of {wanted.levels} bits: layers {', '.join(relu)}")
    chosen = None if pixels is None else as_images(pixels[:CALIBRATION_IMAGES], foreign.entering)
    network = convert(graph, calibration=chosen if needs_calibration(graph) else None)
    network, unfit = (network, []) if relu else exact(network, graph, respond(assembled) if respond else None)
    many: dict[str, int] = {}
    if wanted.split and unfit:
        network, many = split(network, {off.layer: off.sums for off in unfit})
        notes += [f"layer {off.layer}: {len(off.sums)} spikes in place of as many levels" for off in unfit]
        unfit = []
    notes += map(str, unfit)
    network = to_first_spikes(network) if wanted.ttfs else network
    if foreign.entering.narrow:
        low, peak = foreign.entering.ends
        notes.append(f"inputs beyond {low} .. {peak} steps are cut a step later than the owner cuts them: give none")
    if not foreign.entering.plain:
        network = replace(network, input=replace(network.input, scaling=scaling_of(foreign.entering)))
    elif foreign.entering.raw is not None:
        network = replace(network, input=replace(network.input, scaling=foreign.entering.raw))
    provenance = {"tool": f"s2nn-hw {__version__}", **graph.provenance, "notes": notes}
    return Imported(
        replace(network, provenance=provenance), assembled, foreign.entering, tuple(notes), graph, tuple(unfit), many
    )


def _converted(graph: FloatGraph, pixels: np.ndarray, wanted: Wanted, console: Console | None) -> FloatGraph:
    net = Converted(graph)
    prepare(net, torch.tensor(pixels).float(), percentile=wanted.percentile, console=console)
    net.use(Rule(LEVELS, 2**wanted.levels - 1))
    return converted_graph(net)


def compare(
    found: Imported,
    pixels: np.ndarray,
    scores: np.ndarray,
    values: Mapping[str, np.ndarray] | None = None,
    labels: Any = None,
) -> Agreement:
    """Return how the integers agree with ``scores`` ``(count, classes)`` and ``values`` of the owner's program.

    ``values``: by name of the operation, ``(count, *shape)``, or ``(count, steps, *shape)`` of neurons with steps.
    ``labels``: integers ``(count,)`` from 0.
    """
    truth = None if labels is None else checked_labels(labels, len(pixels), len(found.network.classes))
    out = found.network.forward(raw(pixels, found.entering), trace="spikes")
    classes, theirs = np.asarray(out.classes), scores.argmax(axis=1)
    relu = any(isinstance(layer.neuron, FloatRelu) for layer in found.assembled.graph.layers)
    different: dict[str, tuple[int, int]] = {}
    losses: dict[str, Loss] = {}
    for name, value in found.assembled.given.items():
        if values is None or name not in values or value.name not in out.spikes or not value.whole:
            continue
        if not value.unit.all():  # the owner has made all numbers of a channel the same
            continue
        numbers = np.asarray(out.spikes[value.name]).astype(np.int64)
        planes = found.network.planes[value.name]
        if relu:
            real = _raster(np.asarray(values[name], np.float64), value)
            lost = loss(found.graph, value.name, real, np.asarray(planes.numbers(numbers)))
            losses.update({} if lost is None else {value.name: lost})
            continue
        wanted = _integers(np.asarray(values[name], np.float64), value)
        if wanted.ndim == 3:  # spikes of each step
            numbers = np.stack([np.asarray(s) for s in planes.split(numbers)], axis=1)
        else:
            numbers = np.asarray(planes.numbers(numbers))
            numbers = numbers.reshape(len(numbers), -1, found.many.get(value.name, 1)).sum(axis=2)
        different[value.name] = (int((numbers != wanted).sum()), numbers.size)
    whole, places = np.asarray(out.scores), np.arange(len(classes))
    ties = int(((classes != theirs) & (whole[places, classes] == whole[places, theirs])).sum())
    owner, own = (None if truth is None else float((x == truth).mean()) for x in (theirs, classes))
    same = int((classes == theirs).sum())
    return Agreement(len(pixels), same, different, owner, own, ties, tuple(losses.values()))


def _integers(values: np.ndarray, given: Given) -> np.ndarray:
    """Return the integers of the owner's ``values`` in raster order, ``(count[, steps], values)``."""
    shape, values = (-1, 1, 1) if len(given.image) == 3 else (-1,), _with_row(values, given)
    whole = (values - given.offset.reshape(shape)) / given.unit.reshape(shape)
    return np.rint(_raster(whole, given)).astype(np.int64)


def _raster(values: np.ndarray, given: Given) -> np.ndarray:
    """Return ``values`` in the owner's order in raster order, ``(count[, steps], values)``."""
    values = _with_row(values, given)
    lead = values.ndim - len(given.image)
    moved = np.moveaxis(values, -3, -1) if len(given.image) == 3 else values
    return moved.reshape(*values.shape[:lead], -1)


def _with_row(values: np.ndarray, given: Given) -> np.ndarray:
    """Return ``values``, those of a signal ``(count[, steps], channels, length)`` as images of one row."""
    lead = 1 if values[0].size == np.prod(given.image) else 2
    return values.reshape(*values.shape[:lead], *given.image)
