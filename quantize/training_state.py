"""What a training leaves beside its checkpoint: the log of its epochs, and the state from which it goes on."""

import io
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import msgspec
import numpy as np
import torch

from s2nn_hw.errors import UserError, one_line, quoted
from s2nn_hw.files import write_bytes
from s2nn_hw.quantize.graph import INPUT
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.recipe import as_dict
from s2nn_hw.quantize.sequences.model import SequenceNetwork
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.sparse import predict_luts, sparse_synapses
from s2nn_hw.quantize.spec import fires
from s2nn_hw.records import Amount, Count, convert
from s2nn_hw.texts import parse_json, read_json

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Model = SpikingNetwork | SequenceNetwork
Kind = TypeVar("Kind")
LIMIT = 1 << 26  # bytes of a log


@dataclass(frozen=True)
class Activity:
    """Spikes of a model, an image.

    names                 of the layers that spike, in order
    spikes, spike_rates   of each (ones of all planes), and their share of its values x planes
    synaptic_operations   weights read by ones of all planes, those of the pixels among them
    luts                  the estimate, None unless the recipe is sparse or has a budget
    """

    names: tuple[str, ...]
    spikes: tuple[Amount, ...]
    spike_rates: tuple[Amount, ...]
    synaptic_operations: Amount
    luts: Count | None = None

    @classmethod
    def of(cls, model: SpikingNetwork, recipe: Recipe, ones: Mapping[str, np.ndarray]) -> Self:
        """Return the activity of ``model`` with mean ``ones`` per image and value, as :func:`.model.evaluate`'s."""
        spikes = {name: float(values.sum()) for name, values in ones.items() if name != INPUT}
        rates = [model.planes[name].rate(count, len(ones[name])) for name, count in spikes.items()]
        estimated = (sparse_synapses(model) or recipe.area.lut_budget) and fires(recipe)
        return cls(
            tuple(spikes),
            tuple(round(count, 3) for count in spikes.values()),
            tuple(round(rate, 5) for rate in rates),
            round(sum(float(ones[tap.source] @ tap.reads()) for tap in model.taps), 1),
            round(predict_luts(model, recipe.data.pixel_bits)) if estimated else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entries of an epoch or a test."""
        entries = {
            "names": list(self.names),
            "spikes": list(self.spikes),
            "spike_rates": list(self.spike_rates),
            "synaptic_operations": self.synaptic_operations,
        }
        return entries if self.luts is None else entries | {"luts": self.luts}


@dataclass(frozen=True)
class Epoch:
    """One epoch of the log: its number from 1, mean loss, accuracy on the images checked, activity, seconds."""

    epoch: Count
    loss: Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
    accuracy: Share
    activity: Activity
    seconds: Amount

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry of the log."""
        start = {"epoch": self.epoch, "loss": self.loss, "accuracy": self.accuracy}
        return start | self.activity.to_json() | {"seconds": self.seconds}

    @classmethod
    def from_json(cls, table: Any, where: str) -> Self:
        """Return the epoch that ``table`` describes; :class:`UserError`, from ``where`` on, names the bad field."""
        return _with_activity(cls, table, where)


@dataclass(frozen=True)
class Tested:
    """What a trained model did on so many test ``images`` of ``data_set``, its title: share that is right, activity."""

    data_set: str
    images: Count
    accuracy: Share
    activity: Activity

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry of the log and the checkpoint."""
        start = {"data_set": self.data_set, "images": self.images, "accuracy": self.accuracy}
        return start | self.activity.to_json()

    @classmethod
    def from_json(cls, table: Any, where: str) -> Self:
        """Return the result that ``table`` describes; :class:`UserError`, from ``where`` on, names the bad field."""
        return _with_activity(cls, table, where)


def read_tested(log: Path) -> Tested:
    """Return the result on the test images in the file ``log`` that a training has left."""
    data = read_json(log, what="log", limit=LIMIT)
    return Tested.from_json(data.get("test") if isinstance(data, dict) else None, f"log {log}: test")


def _with_activity(kind: type[Kind], table: Any, where: str) -> Kind:
    """Return ``table`` as ``kind``, whose activity's entries are among its own."""
    if not isinstance(table, dict):
        raise UserError(f"{where} must be an object, not {quoted(table)}")
    convert(table, Activity, where)
    return convert(table | {"activity": table}, kind, where)


@dataclass(frozen=True)
class SavedState:
    """What a training goes on from: ``recipe`` and ``log`` as JSON text, and torch's states."""

    recipe: str
    log: str
    model: dict[str, Any]
    optimiser: dict[str, Any]

    @classmethod
    def of(cls, data: Any) -> Self:
        """Return the state in ``data``, as torch gave it; :class:`UserError` for fields that are none of its own."""
        kinds = {"recipe": str, "log": str, "model": dict, "optimiser": dict}
        if not isinstance(data, dict) or set(data) != set(kinds):
            raise UserError(f"it must have {', '.join(kinds)}")
        for name, kind in kinds.items():
            if not isinstance(data[name], kind):
                raise UserError(f"field {name} must be {'text' if kind is str else 'a table'}")
        return cls(**data)


def save_state(
    path: Path, recipe: Recipe, model: Model, optimiser: torch.optim.Optimizer, log: Sequence[Epoch]
) -> None:
    """Write to ``path`` all from which :func:`resume` goes on."""
    state = io.BytesIO()
    texts = json.dumps(as_dict(recipe)), json.dumps([epoch.to_json() for epoch in log])
    torch.save(vars(SavedState(*texts, model.state_dict(), optimiser.state_dict())), state)
    write_bytes(path, state.getvalue())  # torch's own writer hides why it fails


def resume(path: Path, recipe: Recipe, model: Model, optimiser: torch.optim.Optimizer) -> list[Epoch]:
    """Load the state in ``path``, if any, into ``model`` and ``optimiser``; return its log of epochs."""
    if not path.is_file():
        return []
    try:
        if path.read_bytes()[:2] != b"PK":
            raise ValueError("not a torch.save file")
        state = SavedState.of(torch.load(path, map_location=model.readout.bias.device, weights_only=True))
        before = parse_json(state.recipe, "recipe")
        if not isinstance(before, dict):
            raise UserError(f"recipe must be an object, not {quoted(before)}")
        if json.dumps(before) == json.dumps(as_dict(recipe)):
            log = _epochs(state.log, model, recipe)
            _check_model(state.model, model.state_dict())
            _check_optimiser(state.optimiser, optimiser)
            model.load_state_dict(state.model)
            optimiser.load_state_dict(state.optimiser)
            return log
    except (RuntimeError, EOFError, OSError, LookupError, TypeError, ValueError, UserError) as error:
        reason = one_line(error)[:120]
        raise UserError(f"training state {path} can't be read ({reason}); --fresh starts over") from None
    except (AttributeError, AssertionError, ArithmeticError, pickle.UnpicklingError) as error:  # of torch's own reader
        reason = one_line(error)[:120]
        raise UserError(f"training state {path} can't be read ({reason}); --fresh starts over") from None
    raise UserError(
        f"{path.parent} holds the state of another recipe, differing in {_difference(before, recipe)}; "
        "--fresh starts over, -o chooses another folder"
    )


def _epochs(text: str, model: Model, recipe: Recipe) -> list[Epoch]:
    """Return the epochs in the JSON ``text``: as many as there may be, in order, each of the model's layers."""
    tables = parse_json(text, "log")
    if not isinstance(tables, list) or not 1 <= len(tables) <= recipe.training.epochs:
        raise UserError(f"log must be a list of 1 to {recipe.training.epochs} epochs")
    log = [Epoch.from_json(table, f"log[{number}]") for number, table in enumerate(tables)]
    for number, epoch in enumerate(log):
        done = epoch.activity
        if epoch.epoch != number + 1:
            raise UserError(f"log[{number}]: field epoch must be {number + 1}, not {epoch.epoch}")
        if not len(done.names) == len(done.spikes) == len(done.spike_rates) or done.names != log[0].activity.names:
            raise UserError(f"log[{number}]: names, spikes and spike_rates must be of the same layers")
        if not set(done.names) <= set(model.names):
            raise UserError(f"log[{number}]: field names must be layers of the model")
    return log


def _check_model(saved: Mapping[Any, Any], own: Mapping[str, torch.Tensor]) -> None:
    """Raise :class:`UserError` unless ``saved`` has finite tensors of the names, shapes and types of ``own``."""
    if set(saved) != set(own):
        raise UserError("field model must have the tensors of the recipe's model")
    for name, tensor in own.items():
        _check_tensor(saved[name], tensor.shape, tensor.dtype, f"model.{name}")


def _check_tensor(saved: Any, shape: torch.Size, kind: torch.dtype, name: str) -> None:
    if not isinstance(saved, torch.Tensor) or (saved.shape, saved.dtype) != (shape, kind):
        raise UserError(f"field {name} must be a tensor of {tuple(shape)} and {kind}")
    if not bool(saved.isfinite().all()):
        raise UserError(f"field {name} must be finite")


def _check_optimiser(saved: Mapping[Any, Any], optimiser: torch.optim.Optimizer) -> None:
    """Raise :class:`UserError` unless ``saved`` is a state of an optimiser of these groups and parameters."""
    own, groups = optimiser.state_dict()["param_groups"], saved.get("param_groups")
    state = saved.get("state")
    if set(saved) != {"state", "param_groups"} or not isinstance(state, dict) or not isinstance(groups, list):
        raise UserError("field optimiser must have a table state and a list param_groups")
    if len(groups) != len(own):
        raise UserError(f"field optimiser.param_groups must have {len(own)} groups")
    for number, (group, wanted) in enumerate(zip(groups, own, strict=True)):
        where = f"field optimiser.param_groups[{number}]"
        if not isinstance(group, dict) or not set(wanted) <= set(group) <= {*wanted, "initial_lr"}:
            raise UserError(f"{where} must have {', '.join(wanted)}")
        for name, value in group.items():
            rate = name in ("lr", "initial_lr")  # it changes from epoch to epoch
            good = type(value) is float and 0 <= value < math.inf if rate else repr(value) == repr(wanted[name])
            if not good:
                raise UserError(f"{where}.{name} must be {'a rate' if rate else quoted(wanted[name])}")
    shapes = dict(enumerate(p for group in optimiser.param_groups for p in group["params"]))
    for key, entries in state.items():
        if type(key) is not int or key not in shapes or not isinstance(entries, dict):
            raise UserError(f"field optimiser.state must be tables of the parameters 0 to {len(shapes) - 1}")
        for name, value in entries.items():
            if value is not None:
                single = isinstance(value, torch.Tensor) and value.ndim == 0
                shape = torch.Size() if single else shapes[key].shape
                _check_tensor(value, shape, torch.float32, f"optimiser.state[{key}].{quoted(name)}")


def _difference(before: Mapping[str, Any], recipe: Recipe) -> str:
    after = as_dict(recipe)
    parts = [key for key in after if json.dumps(before.get(key)) != json.dumps(after[key])]
    return " and ".join(f"'{part}'" for part in parts) or "keys that are gone"
