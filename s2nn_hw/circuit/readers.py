"""How the sources of a layer are read: which of them needs a window, and what that one keeps, repeats and reorders."""

from dataclasses import dataclass
from math import prod
from typing import Any

from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.stage import Reader, Tensor
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT, Layer
from s2nn_hw.network.synapse import Synapse


def buffers_of(choice: LayerPlan, layer: Layer) -> tuple[int, ...]:
    """Return the words that the window of each source of ``layer`` keeps, 0 for the default."""
    buffers = choice.buffers or (0,) * len(layer.sources)
    if len(buffers) != len(layer.sources):
        raise UserError(f"buffers must list {len(layer.sources)} depths, one per source, not {list(buffers)}")
    return buffers


def splits_of(synapse: Synapse, tensor: Tensor, groups: int, neurons: int) -> int:
    """Return into how many parts a pixel's words fall such that each group of lanes needs only one of them."""
    if not synapse.slides or synapse.groups == 1 or tensor.spare or neurons % groups:
        return 1
    inputs = synapse.channels_in // synapse.groups
    if inputs % tensor.width == 0:
        parts = synapse.groups
    elif tensor.width % inputs == 0:
        parts = tensor.pixel_words
    else:
        return 1
    return parts if groups % parts == 0 else 1


def whole_reader(
    synapse: Synapse, source: str, tensor: Tensor, *, several: bool, depth: int, pool: tuple[int, int] = (1, 1)
) -> Reader:
    """Return the reader of an engine that takes all taps at once, the planes of a value side by side.

    ``several``: sources add up; ``depth``: words kept; ``pool``: (rows, columns) of positions of a cell.
    """
    window, conv, planes = None, synapse.slides, tensor.planes.count
    shape: dict[str, Any] = {"width": tensor.width * planes, "spare": tensor.spare * planes, "depth": depth}
    if conv and (several or prod((*synapse.kernel, *synapse.strides, *pool)) > 1):
        window = WindowParams(
            rows=tensor.rows,
            columns=tensor.columns,
            words=tensor.pixel_words,
            kernel=synapse.kernel,
            stride=synapse.strides,
            padding=synapse.paddings,
            taps=prod(synapse.kernel),
            pool=pool,
            **shape,
        )
    elif several:
        window = WindowParams(rows=1, columns=1, words=tensor.words, **shape)
    return Reader(source, tensor, window, pixelwise=conv and not window)


@dataclass(frozen=True)
class Order:
    """In which order and how often windows are read: ``taps`` at once, ``pool`` (rows, columns) of positions of a cell,
    ``groups`` of neurons, each of which needs one of ``splits`` parts of a pixel's words; ``depth``: words kept."""

    taps: int
    pool: tuple[int, int]
    groups: int
    splits: int
    depth: int


def slot_reader(source: str, tensor: Tensor, depth: int) -> Reader:
    """Return the reader of an engine that takes spikes slot by slot: numbers wait in a window, which compares them."""
    bits = tensor.planes.count
    if tensor.slots or (bits == 1 and source != INPUT):
        return Reader(source, tensor, None)
    window = WindowParams(
        rows=1,
        columns=1,
        words=tensor.words,
        pixel_words=tensor.pixel_words,
        width=tensor.width,
        planes=(1 << bits) - 1,
        slot_bits=bits if bits > 1 else 0,
        spare=tensor.spare if source == INPUT else 0,
        depth=depth,
    )
    return Reader(source, tensor, window)


def ordered_reader(layer: Layer, synapse: Synapse, source: str, tensor: Tensor, order: Order) -> Reader:
    """Return the reader of an engine that takes a word at a time, in ``order``."""
    planes, several = tensor.planes.count, len(layer.sources) > 1
    common: dict[str, Any] = {
        "width": tensor.width,
        "planes": planes,
        "spare": tensor.spare if source == INPUT else 0,
        "groups": order.groups,
        "depth": order.depth,
    }
    if not synapse.slides:
        if order.groups == 1 and not several and planes == 1 and source != INPUT:
            return Reader(source, tensor, None)
        window = WindowParams(rows=1, columns=1, words=tensor.words, pixel_words=tensor.pixel_words, **common)
        return Reader(source, tensor, window)
    once = prod((*synapse.kernel, *synapse.strides, *order.pool)) == 1 and order.groups == 1
    if once and not several and planes == 1 and not (source == INPUT and tensor.spare):
        return Reader(source, tensor, None, pixelwise=True)
    window = WindowParams(
        rows=tensor.rows,
        columns=tensor.columns,
        words=tensor.pixel_words,
        kernel=synapse.kernel,
        stride=synapse.strides,
        padding=synapse.paddings,
        taps=min(order.taps, prod(synapse.kernel)),
        splits=order.splits,
        pool=order.pool,
        **common,
    )
    return Reader(source, tensor, window)
