"""Checkpoints of networks over sequences: the file of a training, read and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError, listed
from s2nn_hw.quantize.checkpoint import FLOATS, note_of
from s2nn_hw.quantize.recipe import from_dict
from s2nn_hw.quantize.sequences.model import SequenceNetwork, build
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.state_file import State, read_state


@dataclass(frozen=True)
class SequenceCheckpoint:
    """A ``model`` in evaluation mode, its ``recipe``, and the ``test`` result that the file claims."""

    model: SequenceNetwork
    recipe: Recipe
    test: dict[str, Any]


def read_over_time(path: Path | str) -> SequenceCheckpoint | None:
    """Return the checkpoint in file ``path``, None where it is not of a network over sequences; nothing in it is run.

    :class:`UserError` lists tensors that are missing, of another shape, or left over.
    """
    state = read_state(path)
    try:
        note = note_of(state)
        if not isinstance(note, dict) or not isinstance(note.get("recipe"), dict):
            return None
        recipe = from_dict(note["recipe"])
        if not recipe.over_time:
            return None
        test = note.get("test")
        return SequenceCheckpoint(_model(recipe, state), recipe, test if isinstance(test, dict) else {})
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _model(recipe: Recipe, state: State) -> SequenceNetwork:
    model = build(recipe)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    said = [f"'{name}' {shape} is missing" for name, shape in wanted.items() if name not in state.tensors]
    for name, tensor in state.tensors.items():
        if name not in wanted:
            said.append(f"'{name}' belongs to no layer of the recipe")
        elif tensor.dtype not in FLOATS or tuple(tensor.shape) != wanted[name]:
            said.append(f"'{name}' must be float {wanted[name]}, not {tensor.dtype} {tuple(tensor.shape)}")
        elif not tensor.isfinite().all():
            said.append(f"'{name}' holds values that are not finite")
    if said:
        raise UserError(f"tensors {listed(said)}")
    model.load_state_dict({name: tensor.float() for name, tensor in state.tensors.items()})
    return model.eval()
