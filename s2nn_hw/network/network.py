"""The integer network: frozen, checked on construction, its own golden model.

A :class:`Network` is the contract between the four stages. ``forward`` defines what every circuit must
compute, bit for bit. ``docs/format.md`` describes the file.
"""

import hashlib
import json
import math
import re
import unicodedata
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.layer import INPUT, Input, Layer
from s2nn_hw.network.neurons.neuron import Bounds
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.shapes import check_delayed, checked_planes, checked_shape
from s2nn_hw.network.states import check_states

MAX_LAYERS = 1 << 10
MAX_CLASS_NAME = 64
BATCH_VALUES = 1 << 24  # values of one layer in one batch of the golden model


@dataclass
class Memory:
    """What a frame, or a tick, leaves to the next: ``states`` of the neurons, ``values`` and ``sums``, by layer."""

    states: dict[str, Any]
    values: dict[str, np.ndarray]
    sums: dict[str, list[np.ndarray]]


@dataclass(frozen=True)
class Output:
    """What ``forward`` returns, numpy arrays, batch first.

    ``classes`` int64 ``(batch,)``; ``scores`` int64 ``(batch, classes)``; with ``trace=True`` also, by layer
    name, ``spikes`` ``(batch, neurons)``, uint8 (int32 from 9 planes on: :class:`~s2nn_hw.network.planes.Planes` says
    what their bits are), and ``accumulators`` int64 ``(batch, neurons)`` (thresholds and bias not applied), of neurons
    that see the sums of each step ``(batch, steps, neurons)``.
    """

    classes: np.ndarray
    scores: np.ndarray
    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    accumulators: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Layers in topological order; the last is the readout and the only one without spikes.

    ``shapes`` and ``planes`` of the tensors, by name, followed from the input on (without that of the scores).
    """

    name: str
    input: Input
    layers: tuple[Layer, ...]
    classes: tuple[str, ...]
    provenance: dict[str, Any] = field(default_factory=dict, compare=False)
    shapes: dict[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)
    planes: dict[str, Planes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.name):
            raise UserError(
                f"network name must be at most 64 letters, digits, '.', '_' and '-' that begin with a "
                f"letter or digit, not {quoted(self.name)}"
            )
        object.__setattr__(self, "classes", tuple(self.classes))
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise UserError(
                f"network {self.name}: at least one layer is needed, and at most {MAX_LAYERS:,}, "
                f"not {len(self.layers):,}"
            )
        names = [layer.name for layer in self.layers]
        shapes, previous = {INPUT: self.input.shape}, INPUT
        layers: list[Layer] = []
        used: set[str] = set()
        for layer in self.layers:
            if layer.name in shapes:
                why = "stands for the image" if layer.name == INPUT else "is used twice"
                raise UserError(f"layer {layer.name}: the name {why}")
            if not layer.sources:
                layer = Layer(layer.name, layer.synapses, layer.neuron, (previous,), layer.delays)
            shapes[layer.name] = checked_shape(layer, shapes, names)
            last = layer.name == self.layers[-1].name
            if last != layer.is_readout:
                raise UserError(f"layer {layer.name}: the last layer, and only that one, must be a readout")
            used.update(layer.sources)
            previous = layer.name
            layers.append(layer)
        planes = {INPUT: self.input.planes} | {x.name: x.neuron.planes for x in layers if x.neuron and x.neuron.fires}
        for layer in layers:
            check_delayed(layer, shapes)
            planes.update(checked_planes(layer, planes))
        object.__setattr__(self, "planes", planes)
        object.__setattr__(self, "layers", tuple(layers))
        object.__setattr__(self, "shapes", shapes)
        for layer in layers:
            if layer.neuron and layer.neuron.states:
                check_states(layer, self.input, shapes[layer.name], partial(self.state_bounds, layer))
        unused = [name for name in [INPUT, *names[:-1]] if name not in used]
        if unused:
            raise UserError(f"layer {unused[0]}: nothing reads it; every layer but the readout must be a source")
        if len(shapes[previous]) != 1:
            raise UserError(
                f"layer {previous}: the readout must give one score per class, not an image; a convolution "
                "of one position is the same as dense"
            )
        wanted = shapes[previous][0]
        if len(self.classes) != wanted or len(set(self.classes)) != len(self.classes):
            raise UserError(
                f"network {self.name}: {wanted} different class names wanted, {len(self.classes)} came, "
                f"{len(set(self.classes))} of them different: {listed(map(quoted, self.classes))}"
            )
        for name in self.classes:
            _check_class(name)

    def layer(self, name: str) -> Layer:
        """Return the layer called ``name``."""
        return next(layer for layer in self.layers if layer.name == name)

    def readers(self, name: str) -> list[Layer]:
        """Return the layers that read ``name`` (a layer or :data:`INPUT`), in order, once per source."""
        return [layer for layer in self.layers for source in layer.sources if source == name]

    def size(self, name: str) -> int:
        """Return how many values a frame of ``name`` (a layer or :data:`INPUT`) has."""
        return math.prod(self.shapes[name])

    def read(self, layer: Layer) -> Planes:
        """Return the planes of what ``layer`` reads, the same of all its sources."""
        return self.planes[layer.sources[0]]

    def stepwise(self, layer: Layer) -> bool:
        """Return whether the neurons of ``layer`` see the sums of each step, not only those of all its planes."""
        return bool(layer.neuron) and not layer.own_neuron.two_phase and not self.read(layer).radix

    def peak(self, layer: Layer) -> int:
        """Return the largest value that counts in one sum of ``layer``: of its planes, or 1 in the sum of a step."""
        return 1 if self.stepwise(layer) else self.read(layer).peak

    def low(self, layer: Layer) -> int:
        """Return the least value that counts in one sum of ``layer``."""
        return 0 if self.stepwise(layer) else self.read(layer).low

    def sum_range(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable sums of a frame, tick or step, all sources
        together."""
        ranges = [synapse.bounds(self.peak(layer), self.low(layer)) for synapse in layer.synapses]
        low, high = (np.sum(sides, axis=0) for sides in zip(*ranges, strict=True))
        return low, high

    def bounds(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(low, high)``, int64 ``(neurons,)``: the reachable accumulator range, all sources together."""
        return layer.own_neuron.bounds(*self.sum_range(layer))

    def state_bounds(self, layer: Layer) -> dict[str, Bounds]:
        """Return what the states of neurons that last for a sequence can reach in the longest one, see
        :meth:`.Neuron.state_bounds`; none of all others."""
        return layer.own_neuron.state_bounds(*self.sum_range(layer), self.input.most_ticks)

    @property
    def synapse_count(self) -> int:
        """Weights stored, those of a kernel counted once."""
        return sum(s.weights.size for layer in self.layers if layer.accumulates for s in layer.synapses)

    def encode(self, images: Any) -> np.ndarray:
        """Return the pixels that enter, see :meth:`Input.encode`."""
        return self.input.encode(images)

    def forward(self, images: Any, *, trace: bool | str = False, batch: int | None = None) -> Output:
        """Run the golden model on ``images`` ``(count, *shape)``; return :class:`Output`.

        ``images``: as :meth:`Input.encode` takes them. ``trace``: True keeps spikes and accumulators of every layer,
        ``"spikes"`` the spikes alone (accumulators of images are large). ``batch``: images at a time, default by the
        size of the largest layer. Exact integer arithmetic (:mod:`s2nn_hw.network.products`); ties go to the lowest
        class. Where frames depend on those before (:attr:`sequential`), the images are one sequence from reset on.
        :class:`UserError` where the network's file says that frames come as sequences
        (:func:`~s2nn_hw.network.over_time.forward_sequences`).
        """
        if self.input.sequences:
            raise UserError(
                f"network {self.name} reads sequences of up to {self.input.frames:,} frames, not single images: give "
                "frames and offsets to forward_sequences, or a .npz file of them to `s2nn-hw golden`"
            )
        pixels = self.encode(images)
        steps = max(layer.neuron.step_count if layer.neuron else 1 for layer in self.layers)
        most = max(1, min(2048, BATCH_VALUES // (steps * max(self.size(name) for name in self.shapes))))
        share = 1 if self.sequential else batch or most
        memory = self.start() if self.sequential else None
        parts = [self.step(pixels[k : k + share], trace, memory) for k in range(0, len(pixels), share)]
        if not parts:
            return Output(np.zeros(0, np.int64), np.zeros((0, len(self.classes)), np.int64))
        return Output(
            np.concatenate([p.classes for p in parts]),
            np.concatenate([p.scores for p in parts]),
            {n: np.concatenate([p.spikes[n] for p in parts]) for n in parts[0].spikes},
            {n: np.concatenate([p.accumulators[n] for p in parts]) for n in parts[0].accumulators},
        )

    @property
    def sequential(self) -> bool:
        """Whether frames depend on those before: they come as sequences, a neuron has state, or a source a delay."""
        return self.input.sequences or any(
            any(layer.delays) or (layer.neuron and layer.neuron.stateful) for layer in self.layers
        )

    def start(self, count: int = 1) -> Memory:
        """Return the memory before the first frame of ``count`` sequences: neurons at rest, no spikes."""
        shapes = {layer.name: (count, self.size(layer.name)) for layer in self.layers}
        states = {x.name: x.neuron.start(shapes[x.name]) for x in self.layers if x.neuron}
        return Memory(states, {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}, {})

    def kept(self, memory: Memory, count: int) -> Memory:
        """Return the ``memory`` of the first ``count`` sequences, the others being over."""
        states = {x.name: x.neuron.kept(memory.states[x.name], count) for x in self.layers if x.neuron}
        return Memory(states, {name: values[:count] for name, values in memory.values.items()}, {})

    def step(self, pixels: np.ndarray, trace: bool | str, memory: Memory | None, *, again: bool = False) -> Output:
        """Return the :class:`Output` of a batch of ``pixels``; ``memory`` of the frame before, or None, is brought up
        to date. ``again``: the frame is the one before, held on."""
        memory = memory or Memory({}, {}, {})
        values, spikes, accumulators = {INPUT: pixels}, dict[str, np.ndarray](), dict[str, np.ndarray]()
        same = {INPUT} if again else set()
        for layer in self.layers:
            name, shapes = layer.name, [self.shapes[source] for source in layer.sources]
            sources: list[np.ndarray] = [
                (memory.values if delay else values)[source]
                for source, delay in zip(layer.sources, layer.lags, strict=True)
            ]
            unchanged = same.issuperset(layer.sources) and not any(layer.delays)
            if layer.neuron:
                if not unchanged:
                    memory.sums[name] = self._sums(layer, sources)
                totals = memory.sums[name]
                memory.states[name], values[name] = layer.neuron.frame(memory.states.get(name), totals)
                if trace is True:
                    accumulators[name] = np.stack(totals, axis=1) if self.stepwise(layer) else totals[0]
            else:
                values[name] = layer.synapses[0].join(sources, shapes[0], self.read(layer))
            if unchanged and not (layer.neuron and layer.neuron.stateful):
                same.add(name)
            if trace and not layer.is_readout:
                spikes[name] = values[name]
        memory.values.update(values)
        scores = values[self.layers[-1].name]
        return Output(scores.argmax(axis=1).astype(np.int64), scores, spikes, accumulators)  # the lowest of equals

    def _sums(self, layer: Layer, sources: list[np.ndarray]) -> list[np.ndarray]:
        """Return the sums of ``layer``, int64 ``(batch, positions * neurons)``: of each step, or one of all its
        planes."""
        planes, most = self.read(layer), max(self.peak(layer), -self.low(layer))
        seen = [planes.split(x) if self.stepwise(layer) else [planes.numbers(x)] for x in sources]
        shapes = [self.shapes[source] for source in layer.sources]
        sums = []
        for now in zip(*seen, strict=True):
            came = [s.accumulate(x, shape, most) for s, x, shape in zip(layer.synapses, now, shapes, strict=True)]
            sums.append(reduce(np.add, came))
        return sums

    @property
    def format_version(self) -> int:
        """The version of the file format that has all of it."""
        if self.input.sequences:
            return 7
        if any(x.neuron and x.neuron.first_spike_slots for x in self.layers):
            return 6
        entering, settings = self.input, [s.settings for layer in self.layers for s in layer.synapses]
        if entering.scaling or entering.signed or not (entering.events or entering.bits in (1, 2, 4, 8)):
            return 5
        if any(isinstance(one.get(name), list) for one in settings for name in ("size", "stride", "padding")):
            return 5
        if self.input.events or any(x.neuron and x.neuron.kind not in ("fire", "readout") for x in self.layers):
            return 4
        if any(synapse.kind == "orpool" for layer in self.layers for synapse in layer.synapses):
            return 4
        plain = all(synapse.kind == "dense" for layer in self.layers for synapse in layer.synapses)
        return 1 if plain and all(len(layer.sources) == 1 for layer in self.layers) else 2

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able header that ``save`` writes, without provenance and digest."""
        entering = {"shape": list(self.input.shape), "bits": self.input.bits}
        entering |= {"code": self.input.code} if self.input.events else {}
        entering |= {"signed": True} if self.input.signed else {}
        entering |= {"ticks": self.input.ticks, "frames": self.input.frames} if self.input.sequences else {}
        scaling = self.input.scaling.tables if self.input.scaling else {}
        return {
            "format": "s2nn",
            "version": self.format_version,
            "name": self.name,
            "input": entering | {name: f"{INPUT}.{name}" for name in scaling},
            "layers": [self._describe_layer(layer) for layer in self.layers],
            "classes": list(self.classes),
        }

    def _describe_layer(self, layer: Layer) -> dict[str, Any]:
        entries = []
        for name, synapse in zip(_weight_names(layer), layer.synapses, strict=True):
            table = {"bits": synapse.bits, "weights": name} if layer.accumulates else {}
            entries.append({"kind": synapse.kind, **table, **synapse.settings})
        entry: dict[str, Any] = {"name": layer.name, "sources": list(layer.sources)}
        entry |= {"synapse": entries[0]} if len(entries) == 1 else {"synapses": entries}
        if any(layer.delays):
            entry["delays"] = list(layer.delays)
        if layer.neuron:
            tables = {table: f"{layer.name}.{table}" for table in layer.neuron.tables}
            settings = {name: getattr(layer.neuron, name) for name in layer.neuron.settings}
            entry["neuron"] = {"kind": layer.neuron.kind, **settings, **tables}
        return entry

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the tables by tensor name, in file order: integers, but for the scaling of what enters."""
        scaling = self.input.scaling.tables if self.input.scaling else {}
        tables: dict[str, np.ndarray] = {f"{INPUT}.{name}": table for name, table in scaling.items()}
        for layer in self.layers:
            if layer.neuron:
                tables |= {n: s.weights for n, s in zip(_weight_names(layer), layer.synapses, strict=True)}
                tables |= {f"{layer.name}.{table}": getattr(layer.neuron, table) for table in layer.neuron.tables}
        return tables

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of header and tables: what decides the circuit's function; provenance is left out."""
        state = hashlib.sha256(json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode())
        for name, table in self.tensors().items():
            state.update(f"{name}:{table.dtype}:{table.shape}:".encode())
            state.update(np.ascontiguousarray(table.astype(table.dtype.newbyteorder("<"))).tobytes())
        return state.hexdigest()


def _weight_names(layer: Layer) -> list[str]:
    return [f"{layer.name}.weights{k or ''}" for k in range(len(layer.synapses))]


def _check_class(name: str) -> None:
    """Raise :class:`UserError` unless ``name`` of a class can stand on a line and in a file."""
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= MAX_CLASS_NAME
        or name != name.strip(" ")
        or any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in name)
    ):
        raise UserError(
            f"class names must be 1 to {MAX_CLASS_NAME} characters on one line, without control or format "
            f"characters and without spaces around them, not {quoted(name)}"
        )
