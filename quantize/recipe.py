"""The training recipe: a TOML file into frozen dataclasses, every key checked, errors naming the key."""

import dataclasses
import math
import re
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes
from s2nn_hw.network import INPUT_BITS

from .data import SETS
from .neuron import SURROGATES


def _within(default=dataclasses.MISSING, low=None, high=None, choices=None):
    return field(default=default, metadata={"low": low, "high": high, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class Data:
    """``pixel_bits``: the top bits of each pixel that the network sees; ``validation``: training images held out."""

    set: str = _within(choices=tuple(SETS))
    pixel_bits: int = _within(choices=INPUT_BITS)
    validation: int = _within(0, 0, 30_000)


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes of each training image, uniform in ``-value .. value``; ``scale`` and ``shear`` are fractions."""

    shift_pixels: float = _within(0.0, 0, 8)
    rotate_degrees: float = _within(0.0, 0, 90)
    scale: float = _within(0.0, 0, 0.5)
    shear: float = _within(0.0, 0, 0.5)
    elastic_pixels: float = _within(0.0, 0, 8)
    flip: bool = _within(False)
    clean: float = _within(0.0, 0, 1)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One hidden layer: how many neurons, how many bits per weight."""

    neurons: int = _within(low=1, high=1 << 16)
    bits: int = _within(low=1, high=8)


@dataclass(frozen=True, kw_only=True)
class Readout:
    bits: int = _within(low=1, high=8)


@dataclass(frozen=True, kw_only=True)
class Neuron:
    """Surrogate gradient and threshold; see :mod:`quantize.neuron`. ``alpha`` left out means the surrogate's own."""

    surrogate: str = _within("s2nn", choices=tuple(SURROGATES))
    alpha: float | None = _within(None, 1e-3, 1e3)
    beta: float = _within(1.0, 1e-3, 1e3)
    threshold: float = _within(1.0, 1e-3, 1e3)


@dataclass(frozen=True, kw_only=True)
class Training:
    """``schedule`` runs from ``learning_rate`` to 0; ``fake_quantise = false`` trains float weights."""

    epochs: int = _within(low=1, high=100_000)
    batch: int = _within(256, 2, 1 << 16)
    optimiser: str = _within("adamw", choices=("adam", "adamw", "sgd"))
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    schedule: str = _within("cosine", choices=("cosine", "linear", "constant"))
    warmup_epochs: float = _within(0.0, 0, 1e5)
    weight_decay: float = _within(0.0, 0, 1e3)
    label_smoothing: float = _within(0.0, 0, 0.9)
    fake_quantise: bool = _within(True)
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
    """A float ReLU network trained first in the same run; its soft labels take the share ``weight`` of the loss."""

    neurons: int = _within(1024, 1, 1 << 16)
    layers: int = _within(2, 1, 8)
    epochs: int = _within(20, 1, 100_000)
    learning_rate: float = _within(1e-3, 1e-8, 1e3)
    weight: float = _within(0.0, 0, 1)
    temperature: float = _within(2.0, 0.1, 100)


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

    @property
    def bits(self):
        """Weight bits of each layer, the readout last."""
        return [layer.bits for layer in self.layers] + [self.readout.bits]

    @property
    def sizes(self):
        return [layer.neurons for layer in self.layers]


def load_recipe(path):
    """Return the :class:`Recipe` in the TOML file ``path``."""
    try:
        table = tomllib.loads(read_bytes(path, what="recipe", limit=1 << 20).decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"recipe {path} is not a text file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"recipe {path} is not TOML: {error}") from None
    table.setdefault("name", Path(path).stem)
    try:
        return from_dict(table)
    except UserError as error:
        raise UserError(f"recipe {path}: {error}") from None


def from_dict(table):
    """Return the :class:`Recipe` described by nested dicts (TOML or JSON); errors name the key."""
    recipe = _build(Recipe, table, "")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", recipe.name):
        raise UserError(f"key 'name' must be letters, digits, '.', '_' or '-', at most 64, not {recipe.name!r}")
    if not recipe.layers:
        raise UserError("key 'layers' must hold at least one hidden layer")
    return recipe


def as_dict(recipe):
    """Return ``recipe`` as nested JSON-able dicts, defaults filled in; :func:`from_dict` is the inverse."""
    table = dataclasses.asdict(recipe)
    table["layers"] = list(table["layers"])
    return table


def _build(kind, table, where):
    if not isinstance(table, dict):
        raise UserError(f"key '{where.rstrip('.')}' must be a table, not {table!r}")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            raise UserError(f"key '{where}{key}' is unknown; known: {', '.join(fields)}")
    values = {}
    for name, entry in fields.items():
        if name in table:
            values[name] = _value(entry, table[name], where + name)
        elif entry.default is dataclasses.MISSING:
            raise UserError(f"key '{where}{name}' is missing")
    return kind(**values)


def _value(entry, value, key):
    kind = entry.type
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise UserError(f"key '{key}' must be a list of tables, not {value!r}")
        return tuple(_build(typing.get_args(kind)[0], item, f"{key}[{n}].") for n, item in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, key + ".")
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = typing.get_args(kind)[0]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        wanted = {int: "an integer", float: "a number", str: "a text", bool: "true or false"}[kind]
        raise UserError(f"key '{key}' must be {wanted}, not {value!r}")
    limits = entry.metadata
    if limits.get("choices") and value not in limits["choices"]:
        raise UserError(f"key '{key}' must be one of {', '.join(map(str, limits['choices']))}, not {value!r}")
    if kind in (int, float) and not limits.get("choices"):
        low, high = limits.get("low"), limits.get("high")
        if not math.isfinite(value) or not low <= value <= high:
            raise UserError(f"key '{key}' must lie in {low} .. {high}, not {value!r}")
    return value
