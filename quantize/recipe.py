"""The training recipe: a TOML file into the records of :mod:`.settings`, every key checked, errors naming the key."""

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import Field
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.synapse import alike
from s2nn_hw.quantize.data import own
from s2nn_hw.quantize.data.reading import Reading
from s2nn_hw.quantize.data.sequence_sets import check_left_out
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.limits import limits
from s2nn_hw.quantize.sequences.layers import check_network, check_no_sequences
from s2nn_hw.quantize.settings import Conversion, Data, Layer, Recipe, Sequence
from s2nn_hw.quantize.shapes import check_shapes
from s2nn_hw.quantize.spec import EVERY
from s2nn_hw.texts import read_toml

PAIR = tuple[int, int]
WORDS = {int: "an integer", float: "a number", str: "a text", bool: "true or false", tuple: "a list"}
# keys that are younger than their table, and the value with which they are not written
LATER: dict[str, dict[str, Any]] = {
    "data": {
        entry.name: entry.default for entry in dataclasses.fields(Data) if entry.name not in ("validation", "found")
    },
    "augment": {
        "shift_frames": 0,
        "shift_channels": 0,
        "mask_channels": 0,
        "tempo": 0.0,
        "warp_channels": 0.0,
        "channel_gain": 0.0,
        "noise_floor": 0.0,
    },
    "neuron": {"kind": "fire", "gain": None} | dict.fromkeys(EVERY),
    "readout": dict.fromkeys(("leak", "kind", "gain", "fraction")),
}


def load_recipe(path: Path | str) -> Recipe:
    """Return the :class:`Recipe` in the TOML file ``path``."""
    table = read_toml(path, what="recipe")
    table.setdefault("name", Path(path).stem)
    try:
        return from_dict(table, folder=Path(path).parent)
    except UserError as error:
        raise UserError(f"recipe {path}: {error}") from None


def from_dict(table: dict[str, Any], *, folder: Path | None = None) -> Recipe:
    """Return the :class:`Recipe` described by nested dicts (TOML or JSON); errors name the key.

    ``folder``: where the user's own data is looked for, and read to know its shape and classes; without it, as of a
    checkpoint, the table must say what was found in the data.
    """
    missing: list[str] = []
    _check_keys(Recipe, table, "", missing)
    if missing:
        raise UserError(
            f"key{'s' if len(missing) > 1 else ''} {listed(map(repr, missing))} "
            f"{'are' if len(missing) > 1 else 'is'} missing"
        )
    recipe: Recipe = _build(Recipe, table, "")
    recipe = dataclasses.replace(recipe, data=own.resolved(recipe.data, folder))
    if recipe.data.set is not None:
        check_left_out(recipe.data.set, recipe.data.left_out)
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
    if recipe.over_time:
        check_network(recipe)
        return recipe
    check_no_sequences(recipe)
    check_shapes(recipe, nodes(recipe))
    return recipe


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """Return ``recipe`` as nested JSON-able dicts, defaults filled in; :func:`from_dict` is the inverse."""
    names = {entry.name: _key(entry) for entry in dataclasses.fields(Layer)}
    layers = [
        {names[key]: value for key, value in dataclasses.asdict(layer).items() if value is not None}
        for layer in recipe.layers
    ]
    # as before there were such tables
    left_out = [] if recipe.as_trained_elsewhere else ["weights"]
    left_out += [] if recipe.conversion != Conversion() else ["conversion"]
    left_out += [] if recipe.sequence != Sequence() else ["sequence"]
    conversion = {key: value for key, value in dataclasses.asdict(recipe.conversion).items() if value is not None}
    table = dataclasses.asdict(recipe) | {"layers": layers, "conversion": conversion}
    for part, later in LATER.items():  # as before there were such keys
        table[part] = {k: v for k, v in table[part].items() if k not in later or v != later[k]}
    found = {key: value for key, value in table["data"].pop("found").items() if value is not None}
    table["data"] |= {"found": found} if found else {}
    return {key: value for key, value in table.items() if key not in left_out}


def _key(entry: Field[Any]) -> str:
    return limits(entry).key or entry.name


def _build(kind: type, table: Mapping[str, Any], where: str) -> Any:
    """Return the record of class ``kind`` that ``table`` describes; ``where``: what stands before its keys."""
    fields = {_key(f): f for f in dataclasses.fields(kind)}
    return kind(
        **{entry.name: _value(entry, table[name], where + name) for name, entry in fields.items() if name in table}
    )


def _check_keys(kind: type, table: Any, where: str, missing: list[str]) -> None:
    """Raise :class:`UserError` for a key of ``table`` that is not known; add those that lack to ``missing``."""
    if not isinstance(table, dict):
        raise UserError(f"key '{where.rstrip('.')}' must be a table, not {quoted(table)}")
    fields = {_key(f): f for f in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            known = ", ".join(name for name in fields if name != "found")  # which checkpoints alone have
            raise UserError(f"key {quoted(where + key)} is unknown; known: {known}")
    for name, entry in fields.items():
        if name not in table:
            missing += [where + name] if entry.default is dataclasses.MISSING else []
        elif isinstance(entry.type, type) and dataclasses.is_dataclass(entry.type):
            _check_keys(entry.type, table[name], f"{where}{name}.", missing)
        elif entry.type == tuple[Layer, ...] and isinstance(table[name], list | tuple):
            for number, item in enumerate(table[name]):
                _check_keys(Layer, item, f"{where}{name}[{number}].", missing)


def _value(entry: Field[Any], value: Any, key: str) -> Any:
    """Return the ``value`` of ``key`` as ``entry`` keeps it, checked: a record, several, or a plain value."""
    kind = entry.type
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise UserError(f"key '{key}' must be a list of tables, not {quoted(value)}")
        return tuple(_build(typing.get_args(kind)[0], item, f"{key}[{n}].") for n, item in enumerate(value))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _build(kind, value, key + ".")
    value = _typed(kind, value, key)
    if value is not None:
        _check_limits(entry, value, key)
    return value


def _typed(kind: Any, value: Any, key: str) -> Any:
    """Return ``value`` as one of the types of ``kind``: lists as tuples, integers as floats where those are wanted."""
    given = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    kinds = tuple(typing.get_origin(k) or k for k in given)
    if value is None and types.NoneType in kinds:
        return None
    if isinstance(value, list):
        value = tuple(value)
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise UserError(
            f"key '{key}' must be {' or '.join(WORDS[k] for k in kinds if k in WORDS)}, not {quoted(value)}"
        )
    if isinstance(value, tuple) and PAIR in given:
        return _pair(value, key)
    items = [typing.get_args(k)[0] for k in given if typing.get_origin(k) is tuple]
    return _list(value, items[0], key) if isinstance(value, tuple) else value


def _pair(value: tuple[Any, ...], key: str) -> Any:
    """Return ``value`` of rows and columns, as one number where both are the same."""
    if len(value) != 2 or any(type(item) is not int for item in value):
        raise UserError(f"key '{key}' must be an integer or [rows, columns], not {quoted(list(value))}")
    return alike((value[0], value[1]))


def _list(value: tuple[Any, ...], kind: type, key: str) -> tuple[Any, ...]:
    """Return the list ``value`` of items of ``kind``: texts, integers, or numbers."""
    wanted = (int, float) if kind is float else kind
    if not value or not all(isinstance(item, wanted) and not isinstance(item, bool) for item in value):
        what = {float: "numbers", int: "integers", str: "texts"}[kind]
        raise UserError(f"key '{key}' must be a list of {what}, not {quoted(value)}")
    return tuple(map(float, value)) if kind is float else value


def _check_limits(entry: Field[Any], value: Any, key: str) -> None:
    """Raise :class:`UserError` unless ``value``, or each number of a list, is what the limits of ``entry`` take."""
    taken = limits(entry)
    if taken.choices:
        for one in value if isinstance(value, tuple) else (value,):
            if one not in taken.choices:
                raise UserError(f"key '{key}' must be one of {', '.join(map(str, taken.choices))}, not {quoted(one)}")
        return
    for number in value if isinstance(value, tuple) else (value,):
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        assert taken.low is not None  # every number has both
        assert taken.high is not None
        if not taken.low <= number <= taken.high:
            raise UserError(f"key '{key}' must lie in {taken.low} .. {taken.high}, not {quoted(number)}")


def source_of(recipe: Recipe) -> dict[str, Any]:
    """Return what a network's provenance says of the ``recipe`` and its data: of the user's own no folder, but the
    digest of the content and how such files are read."""
    table = as_dict(recipe)
    if recipe.data.path is None:
        return {"data_set": recipe.data.set, "recipe": table}
    for key in ("path", "test"):
        if key in table["data"]:
            table["data"][key] = Path(table["data"][key]).name
    return {"data": Reading.of(recipe.data).to_json(), "recipe": table}
