"""Float checkpoints: the file of a training, or weights of another program with a recipe for them.

What another program trained is brought into the form of :mod:`s2nn_hw.quantize.layers`, in float64:

    flatten       columns of dense weights behind an image are put into the order row, column, channel
    input         the owner's model saw ``x = (q scale / (2^k - 1) - mean) / std`` where ours sees the pixel ``q``, so
                  ``sum w x = sum w' q - offset`` with ``w' = w scale / (2^k - 1) / std``, ``offset = sum w mean / std``
    bias          of a linear layer or convolution, and ``-offset``: subtracted from the batch norm's running mean
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from s2nn_hw import __version__
from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import write_bytes
from s2nn_hw.quantize.graph import INPUT, Tap
from s2nn_hw.quantize.layers import Groups, SpikingNetwork, Synapse
from s2nn_hw.quantize.model import build
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.settings import Recipe, Weights
from s2nn_hw.quantize.state_file import State, read_state, without_prefix
from s2nn_hw.texts import parse_json

KEY = "s2nn-checkpoint"  # of the metadata
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
COUNTER, BIAS = "num_batches_tracked", ("linear.bias", "shortcut.bias")
ORDERS = {"row-column-channel": "channel last", "channel-row-column": "channel first, as torch flattens"}


@dataclass(frozen=True)
class Checkpoint:
    """A float ``model`` in evaluation mode, its ``recipe``, and the ``test`` result that the file claims.

    ``foreign``: whether the file does not say which recipe it is of, so that all its meaning is the given recipe's;
    ``plain``: then the layers that it has no batch norm of.
    """

    model: SpikingNetwork
    recipe: Recipe
    test: dict[str, Any]
    foreign: bool = False
    plain: tuple[str, ...] = ()


def read_checkpoint(path: Path | str, recipe: Recipe | None = None) -> Checkpoint:
    """Return the :class:`Checkpoint` in file ``path``, of safetensors or ``torch.save``; nothing in it is run.

    ``recipe`` replaces the one in the file's metadata, for weights trained elsewhere. Which tensors are wanted,
    docs/recipe.md says; one error lists all that is missing, of another shape or left over.
    """
    state = read_state(path)
    try:
        return _parse(state, recipe)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def save_checkpoint(path: Path, model: nn.Module, recipe: Recipe, result: Mapping[str, Any]) -> None:
    """Write ``model``'s tensors to ``path``, atomically; the metadata holds the recipe and test ``result``."""
    from safetensors.torch import save

    tensors = {n: t.detach().cpu().contiguous() for n, t in model.state_dict().items() if t.is_floating_point()}
    note = {"version": 1, "tool": f"s2nn-hw {__version__}", "recipe": as_dict(recipe), "test": dict(result)}
    write_bytes(path, save(tensors, metadata={KEY: json.dumps(note)}))


def meaning(checkpoint: Checkpoint) -> str:
    """Return a line that says how weights of another program were read."""
    recipe, options, most = checkpoint.recipe, checkpoint.recipe.weights, checkpoint.recipe.data.planes.most
    scale = most if options.input_scale is None else options.input_scale
    less = f", less mean {options.input_mean}, over {options.input_std}" if options.changes_input else ""
    return (
        f"weights of another program, read for pixels {-scale if recipe.data.signed else 0:g} .. {scale:g}{less}; "
        f"spikes at {recipe.neuron.threshold:g} and above; flattened {options.flatten or 'row-column-channel'}: keys "
        "'weights' and 'neuron.threshold'"
        + (f"; without a batch norm: layers {', '.join(checkpoint.plain)}" if checkpoint.plain else "")
    )


def _parse(state: State, recipe: Recipe | None) -> Checkpoint:
    note = note_of(state)
    foreign = not isinstance(note, dict) or "recipe" not in note
    if recipe is None:
        if foreign:
            kind = "tensors of torch.save" if state.metadata is None else "safetensors"
            raise UserError(f"{kind}, but without the '{KEY}' metadata of `s2nn-hw train`; give --recipe")
        recipe = from_dict(note["recipe"])
    if recipe.over_time:
        raise UserError("it is of a network over sequences, and images are wanted here")
    model = build(recipe)
    names = without_prefix(state.tensors, _known(model))
    tensors = {name: state.tensors[key] for name, key in names.items()}
    plain = _without_norm(model, tensors) if foreign else {}
    tensors |= {name: tensor for added in plain.values() for name, tensor in added.items()}
    names |= {name: name for name in tensors if name not in names}
    wanted, biases = _checked(model, tensors, names)
    tensors = {name: tensors[name].double() for name in (*wanted, *biases)}
    _translate(model, recipe, tensors, foreign)
    for name in biases:
        tensors[name.rsplit(".", 2)[0] + ".norm.running_mean"] -= tensors.pop(name)
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=False)
    test = note.get("test") if isinstance(note, dict) else None
    return Checkpoint(model.eval(), recipe, test if isinstance(test, dict) else {}, foreign, tuple(plain))


def note_of(state: State) -> Any:
    """Return the note of `s2nn-hw train`, or None."""
    note = (state.metadata or {}).get(KEY)
    return parse_json(note, f"metadata '{KEY}'") if isinstance(note, str) else None


def _known(model: SpikingNetwork) -> list[str]:
    return [*model.state_dict(), *_biases(model)]


def _biases(model: SpikingNetwork) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the biases that layers of ``model`` may have, by name."""
    return {
        f"hidden.{k}.{end}": (layer.linear.weight.shape[0],)
        for k, layer in enumerate(model.fires)
        for end in BIAS[: len(layer.synapses)]
    }


def _without_norm(model: SpikingNetwork, tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return, by layer of which ``tensors`` have nothing of a norm, the tensors of one that changes nothing."""
    found = {}
    nodes = [node.name for node in model.nodes if node.kind == "fire"]
    for k, (name, layer) in enumerate(zip(nodes, model.fires, strict=True)):
        own = f"hidden.{k}.norm."
        if not any(tensor.startswith(own) for tensor in tensors):
            zeros, ones = (torch.full((layer.norm.num_features,), float(n), dtype=torch.float64) for n in (0, 1))
            one = {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": ones - layer.norm.eps}
            found[name] = {own + part: tensor.clone() for part, tensor in one.items()}
    return found


def _checked(
    model: SpikingNetwork, tensors: Mapping[str, Tensor], names: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return the names of the tensors that ``model`` wants, and those of biases; an error lists all that is wrong.

    ``names``: names in the file by ours.
    """
    state = model.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in state.items() if tensor.is_floating_point()}
    biases = _biases(model)
    said = []
    missing = [f"'{name}' {shape}" for name, shape in wanted.items() if name not in tensors]
    if missing:
        said.append(f"missing: {listed(missing)}")
    wrong, bad, spare = [], [], []
    for name, tensor in tensors.items():
        shape = wanted.get(name, biases.get(name))
        if shape is None:
            if not (name.endswith(COUNTER) and name in state):
                spare.append(name)
        elif tensor.dtype not in FLOATS or tuple(tensor.shape) != shape:
            wrong.append(f"'{name}' must be float {shape}, not {_kind(tensor)} {tuple(tensor.shape)}")
        else:
            bad += [f"'{name}' {what}" for what in _faults(name, tensor)]
    said += (wrong + bad)[:4]
    if spare:
        said.append(f"belonging to no layer of the recipe: {listed(quoted(names[name]) for name in spare)}")
    if said:
        raise UserError("tensors " + "; ".join(said))
    return list(wanted), [name for name in biases if name in tensors]


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _faults(name: str, tensor: Tensor) -> list[str]:
    """Return what is wrong with the values of the ``tensor`` called ``name``: nothing, or one thing."""
    if not tensor.isfinite().all():
        return ["holds values that are not finite"]
    if name.endswith("running_var") and tensor.min() < 0:
        return ["is a variance and must not be negative"]
    return ["must be positive"] if name.endswith("clip") and tensor <= 0 else []


def _translate(model: SpikingNetwork, recipe: Recipe, tensors: dict[str, Tensor], foreign: bool) -> None:
    """Bring float64 ``tensors`` of another program into our order and input, see the module; in place."""
    options = recipe.weights
    prefixes = [*(f"hidden.{k}" for k in range(len(model.fires))), "readout"]
    for prefix, layer in zip(prefixes, model.layers, strict=True):
        for part, synapse in zip(("linear", "shortcut"), layer.synapses, strict=False):
            name, tap = f"{prefix}.{part}.weight", synapse.tap
            if name not in tensors:  # a readout of groups
                continue
            if _flattened(tap):
                if foreign and options.flatten is None:
                    raise UserError(
                        f"tensor '{name}' reads an image of {tap.shape}, so key 'weights.flatten' of the "
                        f"recipe must say in which order it was flattened: {' or '.join(ORDERS)}"
                    )
                if options.flatten == "channel-row-column":
                    tensors[name] = _channel_last(tensors[name], tap)
            if tap.source == INPUT and options.changes_input:
                tensors[name], offset = _scaled(tensors[name], synapse, options, recipe.data.planes.most)
                tensors[f"{prefix}.norm.running_mean"] += offset


def _flattened(tap: Tap) -> bool:
    """Return whether ``tap`` reads an image whose flattening has more than one order: channels and positions."""
    return tap.kind != "conv" and len(tap.shape) == 3 and tap.shape[2] > 1 and (tap.weight_shape[1] > tap.shape[2])


def _channel_last(weight: Tensor, tap: Tap) -> Tensor:
    """Return ``weight`` ``(neurons, channel row column)`` with its columns in the order row, column, channel."""
    rows, columns, channels = tap.shape[0] // tap.pool[0], tap.shape[1] // tap.pool[1], tap.shape[2]
    return weight.reshape(-1, channels, rows, columns).permute(0, 2, 3, 1).reshape(weight.shape)


def _scaled(weight: Tensor, synapse: Synapse | Groups, options: Weights, most: int) -> tuple[Tensor, Tensor]:
    """Return ``(w', offset)``: weights for pixels of magnitude ``most``, and what the owner's mean takes from sums."""
    tap = synapse.tap
    channels = tap.shape[-1]
    mean, std = (
        torch.tensor(_each(value, channels, key), dtype=torch.float64)
        for key, value in (("input_mean", options.input_mean), ("input_std", options.input_std))
    )
    factor = (most if options.input_scale is None else options.input_scale) / most / std
    if synapse.quantised and factor.unique().numel() > 1:
        raise UserError("key 'weights.input_std' must be one number for all channels where weights were quantised")
    if tap.kind != "conv":
        times = weight.shape[1] // channels
        return weight * factor.repeat(times), (weight * (mean / std).repeat(times)).sum(dim=1)
    if tap.padding and bool((mean != 0).any()):
        raise UserError(
            "key 'weights.input_mean' must be 0 for a convolution with padding: the 0 outside the image "
            "is not the darkest pixel then; train without padding there or without a mean"
        )
    outputs = torch.arange(tap.outputs) // (tap.outputs // tap.groups)
    seen = outputs[:, None] * weight.shape[1] + torch.arange(weight.shape[1])  # channels of each output's group
    offset = (weight * (mean / std)[seen][:, :, None, None]).sum(dim=(1, 2, 3))
    return weight * factor[seen][:, :, None, None], offset


def _each(value: float | tuple[float, ...], channels: int, key: str) -> list[float]:
    values = list(value) if isinstance(value, tuple) else [value] * channels
    if len(values) != channels:
        raise UserError(f"key 'weights.{key}' must be one number or {channels}, one a channel, not {len(values)}")
    return values
