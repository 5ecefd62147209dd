"""What a training leaves beside its checkpoint: the log of its epochs, and the state from which it goes on."""

import io
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_bytes
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.recipe import as_dict
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.sparse import predict_luts, sparse_synapses


@dataclass(frozen=True)
class Activity:
    """Spikes of a model, an image.

    names                 of the layers that spike, in order
    spikes, spike_rates   of each, and as a share of its neurons
    synaptic_operations   that spikes cause, edges of images apart; the pixels' come on top
    luts                  the estimate, None unless the recipe is sparse or has a budget
    """

    names: tuple[str, ...]
    spikes: tuple[float, ...]
    spike_rates: tuple[float, ...]
    synaptic_operations: float
    luts: int | None = None

    @classmethod
    def of(cls, model: SpikingNetwork, recipe: Recipe, spikes: Mapping[str, float]) -> Self:
        """Return the activity of ``model`` with mean ``spikes`` per image by layer name."""
        sizes = {node.name: math.prod(node.shape) for node in model.nodes}
        estimated = sparse_synapses(model) or recipe.area.lut_budget
        return cls(
            tuple(spikes),
            tuple(round(count, 3) for count in spikes.values()),
            tuple(round(count / sizes[name], 5) for name, count in spikes.items()),
            round(sum(spikes[name] * fan_out for name, _, fan_out in model.loads()), 1),
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

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Return the activity among the entries of ``table``."""
        entries = {entry.name: table[entry.name] for entry in fields(cls) if entry.name != "luts"}
        lists = {name: tuple(value) for name, value in entries.items() if isinstance(value, list)}
        return cls(**entries | lists, luts=table.get("luts"))


@dataclass(frozen=True)
class Epoch:
    """One epoch of the log: its number from 1, mean loss, accuracy on the images checked, activity, seconds."""

    epoch: int
    loss: float
    accuracy: float
    activity: Activity
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry of the log."""
        start = {"epoch": self.epoch, "loss": self.loss, "accuracy": self.accuracy}
        return start | self.activity.to_json() | {"seconds": self.seconds}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Return the epoch that ``table`` describes."""
        own = {entry.name: table[entry.name] for entry in fields(cls) if entry.name != "activity"}
        return cls(**own, activity=Activity.from_json(table))


@dataclass(frozen=True)
class Tested:
    """What a trained model did on so many test ``images`` of ``data_set``, its title: share that is right, activity."""

    data_set: str
    images: int
    accuracy: float
    activity: Activity

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able entry of the log and the checkpoint."""
        start = {"data_set": self.data_set, "images": self.images, "accuracy": self.accuracy}
        return start | self.activity.to_json()

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Return the result that ``table`` describes."""
        own = {entry.name: table[entry.name] for entry in fields(cls) if entry.name != "activity"}
        return cls(**own, activity=Activity.from_json(table))


def read_tested(log: Path) -> Tested:
    """Return the result on the test images in the file ``log`` that a training has left."""
    return Tested.from_json(json.loads(log.read_text(encoding="utf-8"))["test"])


@dataclass(frozen=True)
class SavedState:
    """What a training goes on from: ``recipe`` and ``log`` as JSON text, and torch's states."""

    recipe: str
    log: str
    model: dict[str, Any]
    optimiser: dict[str, Any]


def save_state(
    path: Path, recipe: Recipe, model: SpikingNetwork, optimiser: torch.optim.Optimizer, log: Sequence[Epoch]
) -> None:
    """Write to ``path`` all from which :func:`resume` goes on."""
    state = io.BytesIO()
    texts = json.dumps(as_dict(recipe)), json.dumps([epoch.to_json() for epoch in log])
    torch.save(vars(SavedState(*texts, model.state_dict(), optimiser.state_dict())), state)
    write_bytes(path, state.getvalue())  # torch's own writer hides why it fails


def resume(path: Path, recipe: Recipe, model: SpikingNetwork, optimiser: torch.optim.Optimizer) -> list[Epoch]:
    """Load the state in ``path``, if any, into ``model`` and ``optimiser``; return its log of epochs."""
    if not path.is_file():
        return []
    try:
        if path.read_bytes()[:2] != b"PK":
            raise ValueError("not a torch.save file")
        state = SavedState(**torch.load(path, map_location=model.readout.bias.device, weights_only=True))
        before = json.loads(state.recipe)
        log = [Epoch.from_json(epoch) for epoch in json.loads(state.log)]
        if before == json.loads(json.dumps(as_dict(recipe))):
            model.load_state_dict(state.model)
            optimiser.load_state_dict(state.optimiser)
            return log
    except (RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:80]
        raise UserError(f"training state {path} can't be read ({reason}); --fresh starts over") from None
    raise UserError(
        f"{path.parent} holds the state of another recipe, differing in {_difference(before, recipe)}; "
        "--fresh starts over, -o chooses another folder"
    )


def _difference(before: Mapping[str, Any], recipe: Recipe) -> str:
    after = as_dict(recipe)
    parts = [key for key in after if json.dumps(before.get(key)) != json.dumps(after[key])]
    return " and ".join(f"'{part}'" for part in parts) or "keys that are gone"
