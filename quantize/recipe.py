"""The training recipe: a TOML file into frozen dataclasses, every key checked, errors naming the key."""

import dataclasses
import re
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.layer import INPUT_BITS
from s2nn_hw.quantize.data.sets import SETS
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.neuron import SURROGATES
from s2nn_hw.quantize.shapes import check_shapes
from s2nn_hw.texts import read_toml

KERNELS = (1, 2, 3, 4, 5, 6, 7)


def _within(default=dataclasses.MISSING, low=None, high=None, choices=None, key=None):
    return field(default=default, metadata={"low": low, "high": high, "choices": choices, "key": key})


@dataclass(frozen=True, kw_only=True)
class Data:
    """``pixel_bits``: the top bits of each pixel that the network sees; ``validation``: training images held out."""

    set: str = _within(choices=tuple(SETS))
    pixel_bits: int = _within(choices=INPUT_BITS)
    validation: int = _within(0, 0, 30_000)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of each training image, uniform in ``-value .. value``; ``scale`` and ``shear`` are fractions.

    ``crop_pixels`` shifts by whole pixels, up to so many each way; ``cutout_pixels`` blackens a square of that side.
    """

    shift_pixels: float = _within(0.0, 0, 8)
    rotate_degrees: float = _within(0.0, 0, 90)
    scale: float = _within(0.0, 0, 0.5)
    shear: float = _within(0.0, 0, 0.5)
    elastic_pixels: float = _within(0.0, 0, 8)
    flip: bool = _within(False)
    crop_pixels: int = _within(0, 0, 16)
    cutout_pixels: int = _within(0, 0, 32)
    clean: float = _within(0.0, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer of the graph; :mod:`s2nn_hw.quantize.graph` says what each kind wants and checks it.

    ``dense``: ``neurons``, ``bits``, ``fan_in`` (live inputs of each neuron, see :class:`Sparse`) and with it
    ``window`` (side of the square of the image that they are in). ``conv``: ``channels``, ``kernel``, ``stride``,
    ``padding`` (default half the kernel), ``groups`` (a number or "depthwise"), ``bits``, ``pool`` (a max pool of that
    size behind it). ``maxpool``: ``kernel``, ``stride`` (default the kernel), ``padding``. ``or``: two or more sources
    in ``from``. ``shortcut`` on a ``conv`` names a layer whose spikes are added into the same accumulators by a 1 x 1
    convolution of
    ``shortcut_bits`` (default ``bits``): one weight per channel where the shapes agree (unless ``shortcut_kind`` is
    "conv"), else all to all with the stride that fits.
    """

    name: str | None = _within(None)
    kind: str = _within("dense", choices=("dense", "conv", "maxpool", "or"))
    source: str | tuple | None = _within(None, key="from")
    neurons: int | None = _within(None, 1, 1 << 16)
    channels: int | None = _within(None, 1, 1 << 16)
    kernel: int | None = _within(None, choices=KERNELS)
    stride: int | None = _within(None, choices=KERNELS)
    padding: int | None = _within(None, 0, 6)
    groups: int | str | None = _within(None, 1, 1 << 16)
    pool: int | None = _within(None, 2, 7)
    bits: int | None = _within(None, 1, 8)
    fan_in: int | None = _within(None, 1, 1 << 16)
    window: int | None = _within(None, 1, 1 << 8)
    shortcut: str | None = _within(None)
    shortcut_kind: str | None = _within(None, choices=("identity", "conv"))
    shortcut_bits: int | None = _within(None, 1, 8)


@dataclass(frozen=True, kw_only=True)
class Readout:
    """``average``: side of the squares of the last image that are averaged first (1: none), or "global".

    ``groups``: nothing is trained, each class counts the spikes of its own equal share of the last layer's neurons.
    ``fan_in``: live inputs of each class, as in :class:`Layer`.
    """

    bits: int = _within(low=1, high=8)
    average: int | str = _within(1, 1, 1 << 8)
    groups: bool = _within(False)
    fan_in: int | None = _within(None, 1, 1 << 16)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Surrogate gradient and threshold; see :mod:`s2nn_hw.quantize.neuron`. ``alpha`` left out means the surrogate's
    own."""

    surrogate: str = _within("s2nn", choices=tuple(SURROGATES))
    alpha: float | None = _within(None, 1e-3, 1e3)
    beta: float = _within(1.0, 1e-3, 1e3)
    threshold: float = _within(1.0, -1e3, 1e3)


@dataclass(frozen=True, kw_only=True)
class Training:
    """``schedule`` runs from ``learning_rate`` to 0; ``fake_quantise = false`` trains float weights.

    ``precision`` of a step's products: "auto" is bfloat16 for convolutions where the processor is quick at it.
    ``check_images``: on how many images accuracy is measured after each epoch; the final figure is on all.
    """

    epochs: int = _within(low=1, high=100_000)
    batch: int = _within(256, 2, 1 << 16)
    optimiser: str = _within("adamw", choices=("adam", "adamw", "sgd"))
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    schedule: str = _within("cosine", choices=("cosine", "linear", "constant"))
    warmup_epochs: float = _within(0.0, 0, 1e5)
    weight_decay: float = _within(0.0, 0, 1e3)
    label_smoothing: float = _within(0.0, 0, 0.9)
    fake_quantise: bool = _within(True)
    precision: str = _within("auto", choices=("auto", "float32", "bfloat16"))
    check_images: int = _within(60_000, 1, 60_000)
    seed: int = _within(0, 0, 2**31)


@dataclass(frozen=True, kw_only=True)
class Penalty:
    """``weight`` times the ``measure`` of activity per image, as a fraction of every neuron spiking every time.

    ``synaptic_operations`` counts each spike by its fan-out; ``spikes`` counts it once, as the event engine's
    cycles do.
    """

    measure: str = _within("synaptic_operations", choices=("synaptic_operations", "spikes"))
    weight: float = _within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A float ReLU network trained first in the same run; its soft labels take the share ``weight`` of the loss.

    For dense recipes it has ``layers`` layers of ``neurons``; else it is the recipe's own graph, ``width`` times
    as many channels.
    """

    neurons: int = _within(1024, 1, 1 << 16)
    layers: int = _within(2, 1, 8)
    epochs: int = _within(20, 1, 100_000)
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    weight: float = _within(0.0, 0, 1)
    temperature: float = _within(2.0, 0.1, 100)
    width: int = _within(1, 1, 16)


@dataclass(frozen=True, kw_only=True)
class Sparse:
    """How layers with ``fan_in`` choose their connections; see :mod:`s2nn_hw.quantize.sparse`.

    All are live at first. From there to the share ``reach`` of the epochs the number falls to ``fan_in``; to the share
    ``fix`` the choice is made anew every ``every`` steps, then it stays.
    """

    reach: float = _within(0.35, 0, 1)
    fix: float = _within(0.5, 0, 1)
    every: int = _within(20, 1, 10_000)


@dataclass(frozen=True, kw_only=True)
class Area:
    """``weight`` times the estimated LUTs beyond ``lut_budget``, as a share of it, in the loss; 0 LUTs: no budget.

    It acts from the share ``reach`` of :class:`Sparse` on, when the neurons have no more inputs than they may keep.
    """

    lut_budget: int = _within(0, 0, 1 << 24)
    weight: float = _within(0.0, 0, 1e6)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What weights trained elsewhere mean (``quantize --recipe``); training takes none of it.

    ``flatten``: order in which an image was flattened before a dense layer. The owner's model saw
    ``(q input_scale / (2^k - 1) - input_mean) / input_std`` for the pixel ``q``, so ``input_scale`` is what the
    brightest pixel was (None: ``2^k - 1``, the pixels as they are); mean and std: one number, or one a channel.
    """

    flatten: str | None = _within(None, choices=("row-column-channel", "channel-row-column"))
    input_scale: float | None = _within(None, 1e-6, 1e6)
    input_mean: float | tuple = _within(0.0, -1e6, 1e6)
    input_std: float | tuple = _within(1.0, 1e-6, 1e6)

    @property
    def changes_input(self):
        return (self.input_scale, self.input_mean, self.input_std) != (None, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that decides a training run. ``text`` is not kept: :func:`as_dict` gives the JSON-able whole."""

    name: str
    data: Data
    layers: tuple[Layer, ...]
    readout: Readout
    training: Training
    augment: Augment = Augment()
    neuron: Neuron = Neuron()
    penalty: Penalty = Penalty()
    teacher: Teacher = Teacher()
    sparse: Sparse = Sparse()
    area: Area = Area()
    weights: Weights = Weights()

    @property
    def as_trained_elsewhere(self):
        return self.weights != Weights()

    @property
    def bits(self):
        """Weight bits of each layer with weights, the readout last."""
        return [layer.bits for layer in self.layers if layer.kind in ("dense", "conv")] + [self.readout.bits]


def load_recipe(path):
    """Return the :class:`Recipe` in the TOML file ``path``."""
    table = read_toml(path, what="recipe")
    table.setdefault("name", Path(path).stem)
    try:
        return from_dict(table)
    except UserError as error:
        raise UserError(f"recipe {path}: {error}") from None


def from_dict(table):
    """Return the :class:`Recipe` described by nested dicts (TOML or JSON); errors name the key."""
    missing = []
    _check_keys(Recipe, table, "", missing)
    if missing:
        raise UserError(
            f"key{'s' if len(missing) > 1 else ''} {listed(map(repr, missing))} "
            f"{'are' if len(missing) > 1 else 'is'} missing"
        )
    recipe = _build(Recipe, table, "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", recipe.name):
        raise UserError(
            f"key 'name' must be at most 64 letters, digits, '.', '_' and '-' that begin with a letter or "
            f"digit, not {quoted(recipe.name)}"
        )
    if not recipe.layers:
        raise UserError("key 'layers' must hold at least one hidden layer")
    if recipe.sparse.fix < recipe.sparse.reach:
        raise UserError(
            f"key 'sparse.fix' must be at least 'sparse.reach', {recipe.sparse.reach}, not {recipe.sparse.fix}"
        )
    if recipe.area.weight and not recipe.area.lut_budget:
        raise UserError("key 'area.weight' wants 'area.lut_budget'")
    check_shapes(recipe, nodes(recipe))
    return recipe


def as_dict(recipe):
    """Return ``recipe`` as nested JSON-able dicts, defaults filled in; :func:`from_dict` is the inverse."""
    table = dataclasses.asdict(recipe)
    names = {entry.name: _key(entry) for entry in dataclasses.fields(Layer)}
    table["layers"] = [
        {names[key]: value for key, value in layer.items() if value is not None} for layer in table["layers"]
    ]
    if not recipe.as_trained_elsewhere:
        del table["weights"]  # as before there was such a table
    return table


def _key(entry):
    return entry.metadata.get("key") or entry.name


def _build(kind, table, where):
    fields = {_key(f): f for f in dataclasses.fields(kind)}
    return kind(
        **{entry.name: _value(entry, table[name], where + name) for name, entry in fields.items() if name in table}
    )


def _check_keys(kind, table, where, missing):
    """Raise :class:`UserError` for a key of ``table`` that is not known; add those that lack to ``missing``."""
    if not isinstance(table, dict):
        raise UserError(f"key '{where.rstrip('.')}' must be a table, not {quoted(table)}")
    fields = {_key(f): f for f in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            raise UserError(f"key {quoted(where + key)} is unknown; known: {', '.join(fields)}")
    for name, entry in fields.items():
        if name not in table:
            missing += [where + name] if entry.default is dataclasses.MISSING else []
        elif dataclasses.is_dataclass(entry.type):
            _check_keys(entry.type, table[name], f"{where}{name}.", missing)
        elif entry.type == tuple[Layer, ...] and isinstance(table[name], list | tuple):
            for number, item in enumerate(table[name]):
                _check_keys(Layer, item, f"{where}{name}[{number}].", missing)


def _value(entry, value, key):
    kind = entry.type
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise UserError(f"key '{key}' must be a list of tables, not {quoted(value)}")
        return tuple(_build(typing.get_args(kind)[0], item, f"{key}[{n}].") for n, item in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, key + ".")
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if value is None and types.NoneType in kinds:
        return None
    if isinstance(value, list):
        value = tuple(value)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        words = {int: "an integer", float: "a number", str: "a text", bool: "true or false", tuple: "a list"}
        raise UserError(
            f"key '{key}' must be {' or '.join(words[k] for k in kinds if k in words)}, not {quoted(value)}"
        )
    limits = entry.metadata
    if limits.get("choices") and value not in limits["choices"]:
        raise UserError(f"key '{key}' must be one of {', '.join(map(str, limits['choices']))}, not {quoted(value)}")
    numbers = value if isinstance(value, tuple) else (value,)
    if isinstance(value, tuple):
        wanted = int | float if float in kinds else str
        if not value or not all(isinstance(item, wanted) and not isinstance(item, bool) for item in value):
            raise UserError(
                f"key '{key}' must be a list of {'numbers' if float in kinds else 'texts'}, not {quoted(value)}"
            )
        value = tuple(map(float, value)) if float in kinds else value
    for number in numbers if not limits.get("choices") else ():
        low, high = limits.get("low"), limits.get("high")
        if isinstance(number, int | float) and not isinstance(number, bool) and not low <= number <= high:
            raise UserError(f"key '{key}' must lie in {low} .. {high}, not {quoted(number)}")
    return value
