"""The quantizer: a float checkpoint into integer tables with the same spikes.

A hidden neuron of the float model spikes when ``gamma (scale a - mean) / std + beta >= u_th``, where ``a`` is the
integer accumulator and ``std = sqrt(var + eps)``. Solved for ``a``:

    gamma > 0     ``a >= T``,   ``T = ceil(theta / scale)``,   ``theta = mean + (u_th - beta) std / gamma``
    gamma < 0     the row of weights is negated, ``T = ceil(-theta / scale)``
    gamma = 0     always (``beta >= u_th``) or never

``T`` is then pulled into the reachable ``low .. high + 1`` of its row, which changes no spike. ``a`` is an
integer, so the ceiling loses nothing. Tie: where ``theta / scale`` is an integer to within float32 rounding, the
float32 model may fall on either side of its own threshold; the integer network spikes (``>=``).

Weights trained with fake quantisation are taken as they are. Others, or others bits than trained, are rounded:
for each neuron a clip is searched that gives the least squared error of the accumulator on calibration images,
and the mean error that is left moves into the threshold.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.files import is_pickle, read_bytes
from s2nn_hw.network import Input, Layer, Network
from s2nn_hw.neurons import Fire, Readout
from s2nn_hw.synapses import Dense, weight_limit

from . import data
from .recipe import from_dict
from .train import KEY, build, encode

CLIPS = np.linspace(0.15, 1.0, 35)  # shares of the largest |w| that the clip search tries
MAX_THRESHOLD = 2**30


@dataclass(frozen=True)
class Checkpoint:
    """A float ``model`` in evaluation mode, its ``recipe``, and the ``test`` result that the file claims."""

    model: object
    recipe: object
    test: dict


def read_checkpoint(path, recipe=None):
    """Return the :class:`Checkpoint` in the safetensors file ``path``; nothing is unpickled.

    ``recipe`` replaces the one in the file's metadata, for weights trained elsewhere. Tensors wanted, float32,
    for each hidden layer i: ``hidden.i.linear.weight`` ``(neurons, inputs)`` and ``hidden.i.norm.weight``,
    ``.bias``, ``.running_mean``, ``.running_var`` ``(neurons,)``; ``readout.linear.weight``, ``readout.bias``;
    and, with fake quantisation, the scalar ``clip`` beside each linear weight.
    """
    content = read_bytes(path, what="checkpoint")
    try:
        return _parse(content, recipe)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _parse(content, recipe):
    from safetensors import SafetensorError
    from safetensors.torch import load as unpack

    if is_pickle(content):
        raise UserError("this is a pickle or torch.save file, which can run code when opened; write the tensors "
                        "with safetensors.torch.save_file instead")
    try:
        tensors = unpack(content)
        length = int.from_bytes(content[:8], "little")
        note = json.loads(json.loads(content[8 : 8 + length]).get("__metadata__", {}).get(KEY, "null"))
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        raise UserError(f"not a readable safetensors checkpoint, truncated or altered ({error})") from None
    if recipe is None:
        if not isinstance(note, dict) or "recipe" not in note:
            raise UserError(f"safetensors, but without the '{KEY}' metadata of `s2nn-hw train`; give --recipe")
        recipe = from_dict(note["recipe"])
    model = build(recipe)
    wanted = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    for name, tensor in wanted.items():
        if name not in tensors:
            raise UserError(f"tensor '{name}' is missing")
        came = tensors[name]
        if came.shape != tensor.shape or not came.is_floating_point():
            raise UserError(f"tensor '{name}' must be float {tuple(tensor.shape)}, not {came.dtype} "
                            f"{tuple(came.shape)}")
        if not came.isfinite().all():
            raise UserError(f"tensor '{name}' holds values that are not finite")
        if name.endswith("running_var") and came.min() < 0:
            raise UserError(f"tensor '{name}' is a variance and must not be negative")
        if name.endswith("clip") and came <= 0:
            raise UserError(f"tensor '{name}' must be positive")
    spare = set(tensors) - set(wanted)
    if spare:
        raise UserError(f"tensor '{min(spare)}' belongs to no layer of the recipe")
    model.load_state_dict({name: tensors[name].float() for name in wanted}, strict=False)
    test = note.get("test") if isinstance(note, dict) else None
    return Checkpoint(model.eval(), recipe, test if isinstance(test, dict) else {})


def convert(checkpoint, *, bits=None, calibration=None):
    """Return the integer :class:`Network` of ``checkpoint``.

    ``bits``: weight bits of each layer, the readout last (default: the recipe's). ``calibration``: uint8 images
    ``(count, rows, columns)``, wanted only where :func:`needs_calibration`.
    """
    recipe, model = checkpoint.recipe, checkpoint.model
    info, bits = data.data_set(recipe.data.set), list(bits or recipe.bits)
    if len(bits) != len(recipe.bits):
        raise UserError(f"bits must name {len(recipe.bits)} layers, not {len(bits)}")
    inputs = Input(info.shape, recipe.data.pixel_bits)
    if calibration is None and needs_calibration(checkpoint, bits):
        raise UserError("weights that were not trained at these bits need calibration images")
    layers, peak = [], inputs.peak
    x = y = encode(torch.tensor(calibration), inputs.bits).double() if calibration is not None else None
    with torch.no_grad():
        for index, hidden in enumerate(model.hidden):
            levels, scale, shift = quantised(hidden.linear, bits[index], x, y)
            try:
                weights, thresholds = fold(hidden, levels, scale, shift, peak)
                layer = Layer(f"hidden{index + 1}", Dense(weights, bits[index]), Fire(thresholds))
            except UserError as error:
                raise UserError(f"layer hidden{index + 1}: {error}") from None
            if x is not None:
                x = hidden(x.float()).double()
                y = layer.neuron.step(layer.synapses[0].accumulate(y, peak)).double()
            layers.append(layer)
            peak = 1
        levels, scale, shift = quantised(model.readout.linear, bits[-1], x, y)
        bias = (model.readout.bias.double() - shift) / scale.double()[0]
        if bias.abs().max() > MAX_THRESHOLD:
            raise UserError("layer readout: the bias is too large for the scale of the weights")
        layers.append(Layer("readout", Dense(levels.numpy().astype(np.int8), bits[-1]),
                            Readout(bias.round().numpy().astype(np.int32))))
    return Network(recipe.name, inputs, tuple(layers), info.classes)


def needs_calibration(checkpoint, bits=None):
    """Return whether any layer of ``checkpoint`` must be rounded anew for weight ``bits`` of each layer."""
    linears = [layer.linear for layer in [*checkpoint.model.hidden, checkpoint.model.readout]]
    return any(not _taken_as_is(linear, b) for linear, b in zip(linears, bits or checkpoint.recipe.bits, strict=True))


def _taken_as_is(linear, bits):
    return linear.quantised and bits >= linear.bits


def quantised(linear, bits, x=None, y=None):
    """Return ``(levels, scale, shift)`` of ``linear`` at ``bits``: integers, ``(neurons or 1, 1)``, ``(neurons,)``.

    ``x``: the float model's inputs on calibration images ``(images, inputs)``; ``y``: the integer network's.
    ``shift`` is the mean of the quantised product on ``y`` less that of the float product on ``x``.
    """
    if _taken_as_is(linear, bits):
        levels, scale = linear.levels()
        return levels, scale, torch.zeros(len(levels), dtype=torch.float64)
    weight = linear.weight
    if linear.quantised:
        levels, scale = linear.levels()
        weight = levels * scale
    weight = weight.double()
    levels, scale = clip_search(weight, bits, y, shared=linear.shared)
    return levels, scale, (levels * scale) @ y.mean(dim=0) - weight @ x.mean(dim=0)


def clip_search(weight, bits, inputs, *, shared=False):
    """Return ``(levels, scale)``, float64: the clip of least squared accumulator error, per neuron unless ``shared``.

    ``weight`` ``(neurons, inputs)``; ``inputs`` ``(images, inputs)``. For each clip tried the best scale of the
    levels that it gives follows in closed form. The error is about the mean: a constant part is the threshold's.
    """
    centred = inputs - inputs.mean(dim=0)
    # a little of the identity keeps pixels that no calibration image lights from being rounded freely
    moments = centred.T @ centred / len(inputs) + 1e-4 * torch.eye(inputs.shape[1], dtype=torch.float64)
    limit, best = weight_limit(bits), None
    whole = weight.abs().amax(dim=None if shared else 1).reshape(-1, 1)
    whole = torch.where(whole > 0, whole, torch.ones_like(whole))
    for clip in CLIPS if bits > 1 else CLIPS[-1:]:
        if bits > 1:
            levels = (weight / (whole * clip / limit)).round().clamp(-limit, limit)
        else:
            levels = torch.where(weight >= 0, 1.0, -1.0).double()
        pushed = levels @ moments
        top, bottom = (pushed * weight).sum(dim=1, keepdim=True), (pushed * levels).sum(dim=1, keepdim=True)
        if shared:
            top, bottom = top.sum(dim=0, keepdim=True), bottom.sum(dim=0, keepdim=True)
        scale = torch.where((top > 0) & (bottom > 0), top / bottom, whole * clip / limit)
        gap = levels * scale - weight
        error = ((gap @ moments) * gap).sum(dim=1, keepdim=True)
        error = error.sum(dim=0, keepdim=True) if shared else error
        if best is None:
            best = levels, scale, error
        else:
            better = error < best[2]
            best = tuple(torch.where(better, new, old) for new, old in zip((levels, scale, error), best, strict=True))
    return best[0], best[1]


def fold(hidden, levels, scale, shift, peak):
    """Return ``(weights int8 (neurons, inputs), thresholds int32 (neurons,))`` of a hidden layer.

    ``levels`` integers ``(neurons, inputs)``, ``scale`` ``(neurons, 1)``, ``shift`` ``(neurons,)`` added to
    the mean, ``peak`` the largest input value. Float64 throughout.
    """
    norm, u_th = hidden.norm, hidden.neuron.threshold
    gamma, beta = norm.weight.double(), norm.bias.double()
    std = (norm.running_var.double() + norm.eps).sqrt()
    theta = norm.running_mean.double() + shift + (u_th - beta) * std / torch.where(gamma == 0, 1.0, gamma)
    turned = gamma < 0
    weights = torch.where(turned[:, None], -levels, levels).numpy().astype(np.int8)
    reach = (torch.where(turned, -theta, theta) / scale.double()[:, 0]).ceil().numpy()
    low, high = Dense(weights, 8).bounds(peak)
    constant = np.where(beta.numpy() >= u_th, low, high + 1)
    thresholds = np.where(gamma.numpy() == 0, constant, np.clip(reach, low, high + 1))
    if np.abs(thresholds).max() > MAX_THRESHOLD:
        raise UserError(f"accumulators reach beyond {MAX_THRESHOLD}, the largest threshold")
    return weights, thresholds.astype(np.int32)
