"""The graph that a recipe's layers describe: shapes followed from the input to the readout, every joint checked.

A value is ``(neurons,)`` or an image ``(rows, columns, channels)``. Each layer reads the one before unless ``from``
says otherwise; ``input`` is a name too. Layers without a name are called hidden1, conv1, pool1, or1 and so on, counted
by kind; the pool that ``pool`` puts behind a layer is called NAME_pool and is what the next layer reads.
"""

import math
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.reads import window_reads
from s2nn_hw.network.synapse import Pair, alike, both
from s2nn_hw.quantize.connection import Connection, Shape, swept
from s2nn_hw.quantize.data import sets, source
from s2nn_hw.quantize.settings import Layer, Neuron, Readout, Recipe
from s2nn_hw.quantize.spec import OWN, PLAIN, NeuronSpec, check_table, resolve

INPUT, READOUT = "input", "readout"
STEM = {"dense": "hidden", "conv": "conv", "maxpool": "pool", "or": "or"}
WANTED = {"dense": ("neurons", "bits"), "conv": ("channels", "kernel", "bits"), "maxpool": ("kernel",), "or": ("from",)}
NEURON = ("neuron", *OWN)
KNOWN = {
    "dense": ("neurons", "bits", "from", "fan_in", "window", *NEURON),
    "conv": (
        *NEURON,
        "channels",
        "kernel",
        "stride",
        "padding",
        "groups",
        "pool",
        "bits",
        "from",
        "shortcut",
        "shortcut_kind",
        "shortcut_bits",
    ),
    "maxpool": ("kernel", "stride", "padding", "from"),
    "or": ("from",),
}


@dataclass(frozen=True)
class Tap:
    """One table of synapses: ``outputs`` neurons or channels fed by the value of ``source``, which has ``shape``.

    ``kind``: "dense", "conv" (``kernel``, ``stride``, ``padding``, ``groups``), or "pooled": dense behind an average
    over squares of ``pool`` rows and columns. ``fan_in``: live inputs of each neuron (None: all), ``window``: side of
    the square that they are in; ``placed``: of neurons that are read, rows and columns of the image over which they are
    spread, and the side of their own squares; ``grouped``: each output counts the spikes of its share of the inputs.
    """

    source: str
    kind: str
    shape: Shape
    outputs: int
    bits: int
    kernel: Pair = 1
    stride: Pair = 1
    padding: Pair = 0
    groups: int = 1
    pool: tuple[int, int] = (1, 1)
    fan_in: int | None = None
    window: int | None = None
    placed: tuple[int, int, int] | None = None
    grouped: bool = False

    @property
    def connection(self) -> Connection:
        """How the weights read the source."""
        return Connection(self.kind, both(self.kernel), self.stride, self.padding, self.groups, self.pool)

    @property
    def weight_shape(self) -> Shape:
        """Shape of the weights as torch keeps them: ``(outputs, inputs)`` or ``(outputs, inputs, row, column)``."""
        return self.connection.weight_shape(self.shape, self.outputs)

    @property
    def fan_out(self) -> float:
        """Synapses that one spike drives, edges of the image apart."""
        if self.kind == "conv":
            return math.prod(both(self.kernel)) / math.prod(both(self.stride)) * self.outputs / self.groups
        return self.outputs

    def reads(self) -> npt.NDArray[np.int64]:
        """Return how many weights a spike of each value reads, int64 ``(values,)`` in raster order."""
        if self.kind != "conv":
            return np.full(math.prod(self.shape), self.outputs)
        side = both(self.kernel)
        grid = [np.arange(count) for count in swept(self.shape, side, self.stride, self.padding)]
        return window_reads(self.shape, side, self.stride, self.padding, grid) * (self.outputs // self.groups)


@dataclass(frozen=True)
class Node:
    """One layer: ``kind`` "fire" or "readout" with ``taps`` into one accumulator, or "maxpool", or "or" without.

    ``shape``: of what it gives. A max pool has ``kernel``, ``stride``, ``padding``. ``reads``: the planes of its
    sources, ``planes``: of what it gives, which ``spec`` says of its neurons. ``leak``: of a readout.
    """

    name: str
    kind: str
    shape: Shape
    sources: tuple[str, ...]
    taps: tuple[Tap, ...] = ()
    kernel: Pair = 1
    stride: Pair = 1
    padding: Pair = 0
    spec: NeuronSpec = PLAIN
    reads: Planes = PLAIN.planes
    leak: int | None = None

    @property
    def planes(self) -> Planes:
        """What leaves: of its neurons, or, where spikes are only joined, what it reads."""
        return self.spec.planes if self.taps else self.reads

    @property
    def stepwise(self) -> bool:
        """Whether its sums are those of each step, not of all planes."""
        return bool(self.taps) and self.kind != READOUT and not (self.spec.two_phase or self.reads.radix)

    @property
    def copies(self) -> int:
        """How often a tensor holds each value: once a step of neurons that integrate."""
        return 1 if self.planes.radix else self.planes.count


def nodes(recipe: Recipe) -> list[Node]:
    """Return the :class:`Node` list of ``recipe`` in order, the readout last; an error names the layer."""
    if recipe.over_time:
        raise UserError(f"recipe {recipe.name} is for sequences, and one for images is wanted here")
    shape = source.shape(recipe.data)
    shape = shape if len(shape) != 2 else (*shape, 1)
    shapes: dict[str, Shape] = {INPUT: shape}
    _check_pixels(recipe)
    planes = {INPUT: recipe.data.planes}
    found: list[Node] = []
    counts: dict[str, int] = {}
    last = INPUT
    for layer in recipe.layers:
        counts[layer.kind] = counts.get(layer.kind, 0) + 1
        name = layer.name if layer.name is not None else f"{STEM[layer.kind]}{counts[layer.kind]}"
        try:
            _check_keys(layer)
            for plain in _layer(layer, name, _sources(layer, last, shapes), shapes, found):
                _check_name(plain.name, shapes)
                node = replace(plain, reads=planes[plain.sources[0]], spec=_spec(recipe.neuron, layer))
                shapes[node.name], planes[node.name], last = node.shape, node.planes, node.name
                found.append(node)
        except UserError as error:
            raise UserError(f"layer {name}: {error}") from None
    try:
        readout = _readout(recipe.readout, last, shapes[last], len(source.classes(recipe.data)))
        found.append(replace(readout, reads=planes[last], leak=recipe.readout.leak))
    except UserError as error:
        raise UserError(f"layer {READOUT}: {error}") from None
    check_table(recipe.neuron, {node.spec.kind for node in found[:-1] if node.taps})
    read = {source for node in found for source in node.sources}
    for node in found[:-1]:
        if node.name not in read:
            raise UserError(f"layer {node.name}: no layer reads it")
    return found


def _check_pixels(recipe: Recipe) -> None:
    """Raise :class:`UserError` where a known set has not got the pixels that ``recipe`` wants."""
    if recipe.data.set is None:
        return
    info = sets.data_set(recipe.data.set)
    wanted, held = recipe.data, "signed" if info.signed else "not signed"
    if wanted.pixel_bits > info.bits:
        raise UserError(
            f"key 'data.pixel_bits' must be at most {info.bits}, the bits of {info.title}, not {wanted.pixel_bits}"
        )
    if wanted.signed != info.signed:
        raise UserError(
            f"key 'data.signed' must be {str(info.signed).lower()}, as the values of {info.title} are {held}"
        )


def _spec(table: Neuron, layer: Layer) -> NeuronSpec:
    """Return the neurons of ``layer``; of one that only joins spikes there are none, and nothing is asked."""
    return resolve(table, layer) if layer.kind in ("dense", "conv") else PLAIN


def _check_keys(layer: Layer) -> None:
    values = {"from" if key == "source" else key: value for key, value in vars(layer).items()}
    for key in WANTED[layer.kind]:
        if values[key] is None:
            raise UserError(f"key '{key}' is missing for kind '{layer.kind}'")
    for key, value in values.items():
        if value is not None and key not in ("name", "kind", *KNOWN[layer.kind]):
            raise UserError(f"key '{key}' has no meaning for kind '{layer.kind}'")


def _check_name(name: str, taken: Container[str]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
        raise UserError(
            f"the name must be at most 32 lower-case letters, digits and '_' that begin with a letter, "
            f"not {quoted(name)}"
        )
    if name in taken or name == READOUT:
        raise UserError(f"the name {name!r} is used twice or reserved")


def _sources(layer: Layer, last: str, shapes: Mapping[str, Shape]) -> tuple[str, ...]:
    given = last if layer.source is None else layer.source
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in (*names, *([layer.shortcut] if layer.shortcut is not None else [])):
        if name not in shapes:
            raise UserError(f"sources must be earlier layers ({', '.join(shapes)}), not {name!r}")
    if layer.kind == "or" and len(names) < 2:
        raise UserError(f"'from' must name two or more layers, not {list(names)}")
    if layer.kind != "or" and len(names) != 1:
        raise UserError(f"'from' must name one layer, not {list(names)}")
    return names


def _placed(source: str, before: Sequence[Node]) -> tuple[int, int, int] | None:
    """Return over which image the neurons of ``source`` are spread, and their squares, if they have such."""
    tap = next((node.taps[0] for node in before if node.name == source and node.taps), None)
    if tap is None or tap.window is None:
        return None
    rows, columns = tap.placed[:2] if tap.placed else tap.shape[:2]
    return rows, columns, tap.window


def _layer(
    layer: Layer, name: str, sources: tuple[str, ...], shapes: Mapping[str, Shape], before: Sequence[Node]
) -> list[Node]:
    """Return the nodes that ``layer`` stands for: one, or two where it has a ``pool``."""
    shape = shapes[sources[0]]
    if layer.kind == "dense":
        neurons, bits = _given(layer.neurons), _given(layer.bits)
        fan_in = _fan_in(layer.fan_in, shape, bits)
        placed = _placed(sources[0], before)
        if layer.window is not None and (not fan_in or not (placed or len(shape) == 3)):
            raise UserError(f"key 'window' wants an image or neurons that have one, here {shape}, and a 'fan_in'")
        if layer.window is not None and not placed and layer.window**2 * shape[2] < _given(fan_in):
            raise UserError(f"key 'window' wants a 'fan_in' that fits into it, not {fan_in}")
        tap = Tap(sources[0], "dense", shape, neurons, bits, fan_in=fan_in, window=layer.window, placed=placed)
        return [Node(name, "fire", (neurons,), sources, (tap,))]
    if layer.kind == "or":
        for other in sources:
            if shapes[other] != shape or other == INPUT:
                raise UserError(f"'or' wants spikes of one shape, {sources[0]} gives {shape}, {other} {shapes[other]}")
        return [Node(name, "or", shape, sources)]
    if len(shape) != 3:
        raise UserError(f"an image (rows, columns, channels) must enter, but {sources[0]} gives {shape}")
    if layer.kind == "maxpool":
        if sources[0] == INPUT:
            raise UserError("a max pool wants spikes, not the input's pixels")
        kernel = layer.kernel or 1  # which :func:`_check_keys` has asked for
        return [_pool(name, sources[0], shape, kernel, layer.stride or kernel, layer.padding or 0)]
    found = [_conv(layer, name, sources[0], shapes)]
    if layer.pool == 1:
        raise UserError("key 'pool' must be 2 or more, along an axis at least, not 1")
    if layer.pool is not None:
        found.append(_pool(f"{name}_pool", name, found[0].shape, layer.pool, layer.pool, 0))
    return found


def _given(value: int | None) -> int:
    """Return ``value``, a key that :func:`_check_keys` has asked for."""
    assert value is not None
    return value


def _conv(layer: Layer, name: str, source: str, shapes: Mapping[str, Shape]) -> Node:
    shape, stride = shapes[source], layer.stride or 1
    channels, bits, kernel = _given(layer.channels), _given(layer.bits), layer.kernel or 1
    rows, columns = both(kernel)
    padding = alike((rows // 2, columns // 2)) if layer.padding is None else layer.padding
    if isinstance(layer.groups, str) and layer.groups != "depthwise":
        raise UserError(f"key 'groups' must be an integer or \"depthwise\", not {layer.groups!r}")
    groups = shape[2] if isinstance(layer.groups, str) else layer.groups or 1
    if shape[2] % groups or channels % groups:
        raise UserError(
            f"groups must divide the {shape[2]} channels that enter and the {channels} that leave, {groups} does not"
        )
    main = Tap(source, "conv", shape, channels, bits, kernel, stride, padding, groups)
    result = (*_swept(shape, kernel, stride, padding), channels)
    if layer.shortcut is None:
        if layer.shortcut_kind is not None or layer.shortcut_bits is not None:
            raise UserError("'shortcut_kind' and 'shortcut_bits' want a 'shortcut'")
        return Node(name, "fire", result, (source,), (main,))
    if INPUT in (source, layer.shortcut):
        raise UserError("a layer that reads the input can't have a shortcut, nor can the input be one")
    side = _shortcut(layer, layer.shortcut, shapes[layer.shortcut], result)
    return Node(name, "fire", result, (source, layer.shortcut), (main, side))


def _shortcut(layer: Layer, source: str, shape: Shape, result: Shape) -> Tap:
    bits = layer.shortcut_bits or _given(layer.bits)
    if len(shape) == 3 and shape == result and layer.shortcut_kind != "conv":
        return Tap(source, "conv", shape, result[2], bits, groups=result[2])
    for stride in (*range(1, 8), *product(range(1, 8), repeat=2)):
        if len(shape) == 3 and _swept(shape, 1, stride, 0) == result[:2] and layer.shortcut_kind != "identity":
            return Tap(source, "conv", shape, result[2], bits, stride=stride)
    wanted = f"{result}" if layer.shortcut_kind == "identity" else f"{result[:2]} rows and columns, or a multiple"
    raise UserError(f"the shortcut wants {wanted}, but {source} gives {shape}")


def _pool(name: str, source: str, shape: Shape, size: Pair, stride: Pair, padding: Pair) -> Node:
    if any(around > side // 2 for around, side in zip(both(padding), both(size), strict=True)):
        raise UserError(f"padding must be at most half the pool of {size}, not {padding}")
    return Node(
        name, "maxpool", (*_swept(shape, size, stride, padding), shape[2]), (source,), (), size, stride, padding
    )


def _swept(shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> tuple[int, int]:
    return swept(shape, both(kernel), stride, padding)


def _fan_in(wanted: int | None, shape: Shape, bits: int) -> int | None:
    if wanted is not None and bits == 1:
        raise UserError("key 'fan_in' wants 'bits' of 2 or more: 1 bit has no weight 0")
    if wanted is not None and wanted > math.prod(shape):
        raise UserError(f"key 'fan_in' must be at most the {math.prod(shape)} inputs, not {wanted}")
    return wanted


def _readout(options: Readout, source: str, shape: Shape, classes: int) -> Node:
    if options.average == 1 or (options.average == "global" and len(shape) == 1):
        if options.groups and (source == INPUT or math.prod(shape) % classes):
            raise UserError(
                f"key 'groups' wants spikes, a multiple of the {classes} classes, but {source} gives "
                f"{math.prod(shape)} values"
            )
        if options.groups and (options.fan_in or options.bits < 2):
            raise UserError("key 'groups' wants 'bits' of 2 or more and no 'fan_in'")
        tap = Tap(
            source,
            "dense",
            shape,
            classes,
            options.bits,
            fan_in=_fan_in(options.fan_in, shape, options.bits),
            grouped=options.groups,
        )
        return Node(READOUT, READOUT, (classes,), (source,), (tap,))
    if options.groups or options.fan_in:
        raise UserError("keys 'groups' and 'fan_in' want no average")
    if isinstance(options.average, str) and options.average != "global":
        raise UserError(f"key 'average' must be an integer or \"global\", not {options.average!r}")
    size = options.average
    pool = (shape[0], shape[1]) if isinstance(size, str) else both(size)
    if len(shape) != 3 or shape[0] % pool[0] or shape[1] % pool[1]:
        raise UserError(f"an average of {pool[0]} x {pool[1]} must divide the image, but {source} gives {shape}")
    return Node(
        READOUT, READOUT, (classes,), (source,), (Tap(source, "pooled", shape, classes, options.bits, pool=pool),)
    )
