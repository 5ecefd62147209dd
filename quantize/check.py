"""A converted network against its owner's model: on images with that model's outputs, and against guessing.

The float model that the recipe makes of the weights must give the owner's class nearly everywhere, else what the
recipe says of them (order, scale, mean, threshold) is not what they were trained with; the integer network may lose
what rounding takes.
"""

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_npy
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.quantize.data import sets
from s2nn_hw.quantize.train import batch_size, encode

LEAST_AGREEMENT = 0.99  # of the float model with its owner's
ROUNDED = 0.02  # of the images may change their class by rounding without a warning
LOSS = 0.05  # of accuracy, from the float model to integers
NEAR_CHANCE = 0.1  # of the way from guessing to perfect


def read_check(images, outputs, recipe):
    """Return the arrays of two ``.npy`` files: uint8 pictures, and the owner's scores or classes for them."""
    info = sets.data_set(recipe.data.set)
    pictures, given = np.array(read_npy(images)), np.array(read_npy(outputs, what="outputs"))
    if (
        pictures.dtype != np.uint8
        or pictures.shape[1:] not in (info.shape, (int(np.prod(info.shape)),))
        or not len(pictures)
    ):
        raise UserError(
            f"images {images} must be uint8 (count, {', '.join(map(str, info.shape))}), "
            f"not {pictures.dtype} {pictures.shape}"
        )
    count, classes = len(pictures), len(info.classes)
    if given.ndim == 1:
        return pictures, checked_labels(given, count, classes, f"outputs {outputs}")
    if given.shape != (count, classes) or given.dtype.kind not in "iuf" or not np.isfinite(given).all():
        raise UserError(
            f"outputs {outputs} must be {count} classes, or finite scores ({count}, {classes}), "
            f"not {given.dtype} {given.shape}"
        )
    return pictures, given.astype(np.float64)


def compare(checkpoint, network, images, outputs):
    """Return ``{"images", "float", "integer"}``: count, and shares of images with the class of the owner's ``outputs``.

    :class:`UserError` where the float model differs from its owner's: then the weights were read wrong.
    """
    model, bits = checkpoint.model.eval(), checkpoint.recipe.data.pixel_bits
    scores = []
    with torch.inference_mode():
        for part in torch.tensor(images).split(batch_size(model, 1000)):
            scores.append(model(encode(part, bits)))
    mine = torch.cat(scores).argmax(dim=1).numpy()
    result = {
        "images": len(images),
        "float": _agreement(mine, outputs),
        "integer": _agreement(network.forward(images).classes.numpy(), outputs),
    }
    if result["float"] < LEAST_AGREEMENT:
        raise UserError(
            f"the weights as the recipe reads them give the owner's class for {100 * result['float']:.1f} % of "
            f"{len(images):,} images, {100 * LEAST_AGREEMENT:.0f} % are wanted: look at keys 'weights.flatten', "
            "'weights.input_scale', 'weights.input_mean', 'weights.input_std', 'neuron.threshold' and "
            "'sets.pixel_bits' (docs/recipe.md)"
        )
    return result


def _agreement(classes, outputs):
    if outputs.ndim == 1:
        return round(float((classes == outputs).mean()), 6)
    best, chosen = outputs.max(axis=1), outputs[np.arange(len(outputs)), classes]
    return round(float((chosen >= best - 1e-5 * np.abs(outputs).max(axis=1)).mean()), 6)  # ties of the owner's


def warnings(report, labels, check=None):
    """Return what is to be said aloud of ``report``: accuracy near guessing, or lost on the way to integers."""
    said = []
    came, before = report["accuracy_integer"], report["accuracy_float"]
    guess = np.bincount(labels).max() / len(labels)
    if came < guess + NEAR_CHANCE * (1 - guess):
        why = "of weights trained elsewhere look at the recipe's [weights] and 'neuron.threshold', and at --check"
        if check and check["integer"] >= LEAST_AGREEMENT:
            why = (
                "the owner's classes come out all the same, so the labels of the recipe's data set are not what the "
                "owner trained for"
            )
        said.append(f"accuracy {100 * came:.2f} % is near that of guessing, {100 * guess:.2f} %: {why}")
    if before - came > LOSS:
        said.append(
            f"integers lose {100 * (before - came):.2f} points of the float model's {100 * before:.2f} %: more "
            "--bits, or training with fake_quantise, keep them"
        )
    if check and check["float"] - check["integer"] > ROUNDED:
        said.append(
            f"integers give the owner's class for {100 * check['integer']:.2f} % of the images checked, the "
            f"float model for {100 * check['float']:.2f} %"
        )
    return said
