"""A recipe's layers over time: which keys each kind of neuron takes, their defaults, and the checks.

    sigma_delta_encoder   numbers into spikes at their rate; reads the input
    sigma_delta           spikes at the rate of a low-passed sum
    adaptive              the same with four states
    lif                   integrate and fire
    low_pass              numbers of ``planes`` bits in place of spikes

Each layer is dense, reads the one before and, ``recurrent``, itself. ``gain`` is 8 for spikes and 8 times 2^bits for
numbers of so many bits, if it is not said.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed
from s2nn_hw.network.layer import INPUT, Input
from s2nn_hw.network.layer import Layer as NetworkLayer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.leaks import MOST_LEAK
from s2nn_hw.network.neurons.low_pass import MAX_LEAK
from s2nn_hw.network.planes import Planes
from s2nn_hw.network.sequences import MAX_BITS
from s2nn_hw.network.synapses import Dense
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.data.sequence_sets import SEQUENCES
from s2nn_hw.quantize.sequences.spec import (
    ADAPTIVE,
    ENCODER,
    INTEGRATOR,
    LAST,
    LAST_HALF,
    LIF,
    LOW_PASS,
    MAX,
    SIGMA_DELTA,
    LayerSpec,
    ReadoutSpec,
    SequenceSpec,
)
from s2nn_hw.quantize.settings import (
    OVER_TIME,
    Area,
    Augment,
    Conversion,
    Layer,
    Neuron,
    Readout,
    Recipe,
    Sparse,
    Teacher,
    Weights,
)
from s2nn_hw.quantize.settings import Sequence as SequenceTable

GAIN = 8  # full sums of values that are all at their peak, as many as that are on
FRACTION = 2
DEFAULTS: dict[str, dict[str, Any]] = {
    ENCODER: {"fraction": 0},
    SIGMA_DELTA: {"leak": 5, "fraction": FRACTION, "recurrent": False},
    ADAPTIVE: {"leak": 5, "fraction": FRACTION, "recurrent": False},
    LIF: {"leak": 3, "fraction": FRACTION, "reset": "soft", "recurrent": False},
    LOW_PASS: {"leak": 2, "fraction": FRACTION, "planes": 4, "recurrent": False},
}
LEAKS = {SIGMA_DELTA: (1, MOST_LEAK), ADAPTIVE: (1, MOST_LEAK), LIF: (0, MOST_LEAK), LOW_PASS: (0, MAX_LEAK)}
ALWAYS = ("name", "kind", "neurons", "bits", "neuron", "gain")
TABLES = {"teacher": Teacher(), "sparse": Sparse(), "area": Area(), "weights": Weights(), "conversion": Conversion()}
READOUT = "readout"
Tables = tuple[npt.NDArray[np.int8], npt.NDArray[np.int8], npt.NDArray[np.int32]]
IN_TIME = (  # of [augment]
    "shift_frames",
    "shift_channels",
    "mask_channels",
    "tempo",
    "warp_channels",
    "channel_gain",
    "noise_floor",
)


def check_no_sequences(recipe: Recipe) -> None:
    """Raise :class:`UserError` for a key of sequences in ``recipe``, which has none."""
    what = f"is for sequences: {listed(SEQUENCES)}, or your own"
    for name in IN_TIME:
        if getattr(recipe.augment, name):
            raise UserError(f"key 'augment.{name}' {what}")
    if recipe.sequence != SequenceTable():
        raise UserError(f"key 'sequence' {what}")
    for table, keys in (("neuron", ("gain",)), ("readout", ("kind", "gain", "fraction"))):
        for key in keys:
            if getattr(getattr(recipe, table), key) is not None:
                raise UserError(f"key '{table}.{key}' {what}")
    if recipe.neuron.kind in OVER_TIME:
        raise UserError(f"key 'neuron.kind' = '{recipe.neuron.kind}' {what}")
    for number, layer in enumerate(recipe.layers):
        if layer.neuron in OVER_TIME:
            raise UserError(f"key 'layers[{number}].neuron' = '{layer.neuron}' {what}")
        for key in ("gain", "fraction", "recurrent"):
            if getattr(layer, key) is not None:
                raise UserError(f"key 'layers[{number}].{key}' {what}")


def check_network(recipe: Recipe) -> None:
    """Raise :class:`UserError` for what does not go together in ``recipe``, which is for sequences."""
    for name, default in TABLES.items():
        if getattr(recipe, name) != default:
            raise UserError(f"key '{name}' is not for sequences")
    for key, value in vars(recipe.augment).items():
        if key not in ("clean", *IN_TIME) and value != getattr(Augment(), key):
            raise UserError(f"key 'augment.{key}' is for images; sequences take {', '.join(IN_TIME)}, clean")
    if not recipe.training.fake_quantise:
        raise UserError("key 'training.fake_quantise' must be true for sequences: their weights are trained rounded")
    if recipe.data.pixel_bits > MAX_BITS:
        raise UserError(f"key 'data.pixel_bits' of sequences must be at most {MAX_BITS}, not {recipe.data.pixel_bits}")
    if recipe.data.signed:
        raise UserError("key 'data.signed' of sequences must be false: their values are bytes")
    spec = spec_of(recipe)
    kinds = {layer.kind for layer in spec.layers}
    if recipe.sequence.exact_from and LIF in kinds:
        raise UserError("key 'sequence.exact_from' must be 0 with lif neurons: they are trained by their spikes alone")
    if recipe.sequence.ticks > 1 and kinds == {LOW_PASS}:
        raise UserError("key 'sequence.ticks' must be 1 where all neurons are low_pass: numbers need no ticks")
    if LOW_PASS in kinds and len(kinds) > 1:
        raise UserError(f"neurons of kind low_pass give numbers; they can't stand with {listed(kinds - {LOW_PASS})}")
    empty(spec, recipe)


def spec_of(recipe: Recipe) -> SequenceSpec:
    """Return the layers of ``recipe``; errors name the layer and the key."""
    planes, inputs, layers = recipe.data.planes, source.shape(recipe.data)[0], list[LayerSpec]()
    for number, layer in enumerate(recipe.layers):
        name = layer.name or f"hidden{number + 1}"
        try:
            layers.append(_layer(layer, recipe.neuron, name, inputs, planes, first=not number))
            layers[-1].integer(np.zeros(layers[-1].neurons, np.int32))
        except UserError as error:
            raise UserError(f"layer {name}: {error}") from None
        inputs, planes = layers[-1].neurons, layers[-1].given
    _check_table(recipe.neuron, {layer.kind for layer in layers})
    try:
        readout = _readout(recipe.readout, inputs, planes, len(source.classes(recipe.data)))
    except UserError as error:
        raise UserError(f"layer readout: {error}") from None
    return SequenceSpec(tuple(layers), readout, recipe.sequence.ticks, recipe.data.pixel_bits)


def empty(spec: SequenceSpec, recipe: Recipe) -> Network:
    """Return the integer network of ``recipe`` with ones for weights, for sequences of a frame."""
    tables = [
        (
            np.ones((one.neurons, one.inputs), np.int8),
            np.ones((one.neurons, one.neurons), np.int8),
            np.zeros(one.neurons, np.int32),
        )
        for one in spec.rows
    ]
    return integers(spec, recipe, tables, 1)


def integers(spec: SequenceSpec, recipe: Recipe, tables: Sequence[Tables], frames: int) -> Network:
    """Return the integer network of ``recipe``, for sequences of up to so many ``frames``.

    ``tables``: of each layer, the readout last, int8 weights, int8 recurrent weights (not looked at of a layer that is
    not recurrent) and int32 biases.
    """
    layers = list[NetworkLayer]()
    for layer, (weights, own, biases) in zip(spec.layers, tables, strict=False):
        used = (weights, own) if layer.recurrent else (weights,)
        synapses = tuple(Dense(table, layer.bits) for table in used)
        before = layers[-1].name if layers else INPUT
        sources = (before, layer.name) if layer.recurrent else (before,)
        try:
            layers.append(
                NetworkLayer(layer.name, synapses, layer.integer(biases), sources, tuple(range(len(sources))))
            )
        except UserError as error:
            raise UserError(f"layer {layer.name}: {error}") from None
    weights, _, biases = tables[-1]
    last = Dense(weights, spec.readout.bits)
    layers.append(NetworkLayer(READOUT, (last,), spec.readout.integer(biases), (layers[-1].name,)))
    return Network(recipe.name, entering(recipe, frames), tuple(layers), source.classes(recipe.data))


def entering(recipe: Recipe, frames: int) -> Input:
    """Return what enters the network of ``recipe``, sequences of up to so many ``frames``."""
    return dataclasses.replace(source.recorded(recipe.data), ticks=recipe.sequence.ticks, frames=frames)


def _layer(layer: Layer, table: Neuron, name: str, inputs: int, planes: Planes, *, first: bool) -> LayerSpec:
    kind = layer.neuron or table.kind
    if kind not in DEFAULTS:
        raise UserError(f"key 'neuron' of sequences must be one of {', '.join(DEFAULTS)}, not {kind}")
    if layer.kind != "dense":
        raise UserError(f"key 'kind' of sequences must be dense, not {layer.kind}")
    said = {("from" if key == "source" else key): value for key, value in vars(layer).items() if value is not None}
    for key in said:
        if key not in (*ALWAYS, *DEFAULTS[kind]):
            raise UserError(f"key '{key}' has no meaning for {kind} neurons of sequences")
    for key in ("neurons", "bits"):
        if key not in said:
            raise UserError(f"key '{key}' is missing")
    if kind == ENCODER and not first:
        raise UserError("neurons of kind sigma_delta_encoder read the input, so only the first layer can have them")
    if first and said.get("recurrent"):
        raise UserError(
            "the first layer reads the input, and so nothing of its own: put a layer that is not recurrent, such as of "
            "sigma_delta_encoder neurons, in front of it"
        )
    keys = {key: said.get(key, default) for key, default in _defaults(kind, table).items()}
    low, high = LEAKS.get(kind, (0, 0))
    if not low <= keys.get("leak", 0) <= high:
        raise UserError(f"key 'leak' of {kind} neurons must lie in {low} .. {high}, not {keys['leak']}")
    if keys.get("recurrent") and planes.count != keys.get("planes", 1):
        raise UserError(
            f"a recurrent layer gives what it reads, but {planes} enter and {Planes(keys.get('planes', 1))} leave; put "
            "a layer that is not recurrent in front of it"
        )
    gain = said.get("gain", table.gain) or _gain(planes)
    common = {"inputs": inputs, "neurons": said["neurons"], "bits": said["bits"], "peak": planes.peak, "gain": gain}
    return LayerSpec(name=name, kind=kind, **common, **keys)


def _defaults(kind: str, table: Neuron) -> dict[str, Any]:
    """Return the keys of ``kind`` with what ``table`` says of them, else their defaults."""
    common = {key: getattr(table, key, None) for key in DEFAULTS[kind]}
    return {key: default if common[key] is None else common[key] for key, default in DEFAULTS[kind].items()}


def _gain(planes: Planes) -> int:
    return GAIN if planes.count == 1 else GAIN << planes.count


def _check_table(table: Neuron, kinds: set[str]) -> None:
    """Raise :class:`UserError` for a key of ``table`` that none of the ``kinds`` takes."""
    taken = {"kind", "surrogate", "alpha", "beta", "gain"}.union(*(DEFAULTS[kind] for kind in kinds))
    for key, value in vars(table).items():
        if key not in taken and value != getattr(Neuron(), key):
            raise UserError(f"key 'neuron.{key}' has no meaning for {listed(sorted(kinds))} neurons of sequences")
    if table.kind not in (*kinds, Neuron().kind):
        raise UserError(f"key 'neuron.kind' is {table.kind}, but no layer has such neurons")


def _readout(table: Readout, inputs: int, planes: Planes, classes: int) -> ReadoutSpec:
    kind = table.kind or LAST_HALF
    for key in ("average", "groups", "fan_in"):
        if getattr(table, key) != getattr(Readout(bits=1), key):
            raise UserError(f"key '{key}' has no meaning for sequences")
    if table.leak is not None and kind not in (INTEGRATOR, MAX):
        raise UserError(f"key 'leak' is for readouts of kind integrator and max, not {kind}")
    if table.fraction is not None and kind == LAST:
        raise UserError("key 'fraction' has no meaning for readouts of kind last")
    fraction = 0 if kind == LAST else FRACTION if table.fraction is None else table.fraction
    return ReadoutSpec(
        kind=kind,
        inputs=inputs,
        neurons=classes,
        bits=table.bits,
        peak=planes.peak,
        gain=table.gain or _gain(planes),
        leak=table.leak or 0,
        fraction=fraction,
    )
