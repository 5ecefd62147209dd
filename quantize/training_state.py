"""What a training leaves beside its checkpoint: the log of its epochs, and the state from which it goes on."""

import io
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        return cls(
            tuple(table["names"]),
            tuple(table["spikes"]),
            tuple(table["spike_rates"]),
            table["synaptic_operations"],
            table.get("luts"),
        )


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
        activity = Activity.from_json(table)
        return cls(table["epoch"], table["loss"], table["accuracy"], activity, table["seconds"])


def save_state(
    path: Path, recipe: Recipe, model: SpikingNetwork, optimiser: torch.optim.Optimizer, log: Sequence[Epoch]
) -> None:
    """Write to ``path`` all from which :func:`resume` goes on."""
    state = io.BytesIO()
    torch.save(
        {
            "recipe": json.dumps(as_dict(recipe)),
            "log": json.dumps([epoch.to_json() for epoch in log]),
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
        },
        state,
    )
    write_bytes(path, state.getvalue())  # torch's own writer hides why it fails


def resume(path: Path, recipe: Recipe, model: SpikingNetwork, optimiser: torch.optim.Optimizer) -> list[Epoch]:
    """Load the state in ``path``, if any, into ``model`` and ``optimiser``; return its log of epochs."""
    if not path.is_file():
        return []
    try:
        if path.read_bytes()[:2] != b"PK":
            raise ValueError("not a torch.save file")
        state = torch.load(path, map_location=model.readout.bias.device, weights_only=True)
        before = json.loads(state["recipe"])
        log = [Epoch.from_json(epoch) for epoch in json.loads(state["log"])]
        if before == json.loads(json.dumps(as_dict(recipe))):
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
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
