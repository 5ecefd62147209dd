"""A converted network against its owner's model: on images with that model's outputs, and against guessing.

The float model that the recipe makes of the weights must give the owner's class nearly everywhere, else what the
recipe says of them (order, scale, mean, threshold) is not what they were trained with; the integer network may lose
what rounding takes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_npy
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.network import Network
from s2nn_hw.quantize.checkpoint import Checkpoint
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.model import batch_size, encode
from s2nn_hw.quantize.settings import Recipe

LEAST_AGREEMENT = 0.99  # of the float model with its owner's
ROUNDED = 0.02  # of the images may change their class by rounding without a warning
LOSS = 0.05  # of accuracy, from the float model to integers
NEAR_CHANCE = 0.1  # of the way from guessing to perfect


@dataclass(frozen=True)
class Check:
    """How many images were checked, and of which share of them the owner's class came.

    float_share     from the float model
    integer_share   from the integer network
    """

    images: int
    float_share: float
    integer_share: float

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the quantizer's report."""
        return {"images": self.images, "float": self.float_share, "integer": self.integer_share}


def read_check(images: Path | str, outputs: Path | str, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """Return the arrays of two ``.npy`` files: pictures, uint8 codes of what is raw in the file, and the owner's scores
    or classes for them."""
    shape, names = source.shape(recipe.data), source.classes(recipe.data)
    pictures, given = np.array(read_npy(images)), np.array(read_npy(outputs, what="outputs"))
    scaled = source.scaling(recipe.data) is not None
    if (
        (pictures.dtype.kind not in "biuf" if scaled else pictures.dtype != np.uint8)
        or pictures.shape[1:] not in (shape, (int(np.prod(shape)),))
        or not len(pictures)
    ):
        raise UserError(
            f"images {images} must be {'numbers' if scaled else 'uint8'} (count, {', '.join(map(str, shape))}), "
            f"not {pictures.dtype} {pictures.shape}"
        )
    pictures = source.codes(recipe.data, pictures.reshape(-1, *shape)).reshape(pictures.shape)
    count, classes = len(pictures), len(names)
    if given.ndim == 1:
        return pictures, checked_labels(given, count, classes, f"outputs {outputs}")
    if given.shape != (count, classes) or given.dtype.kind not in "iuf" or not np.isfinite(given).all():
        raise UserError(
            f"outputs {outputs} must be {count} classes, or finite scores ({count}, {classes}), "
            f"not {given.dtype} {given.shape}"
        )
    return pictures, given.astype(np.float64)


def compare(checkpoint: Checkpoint, network: Network, images: np.ndarray, outputs: np.ndarray) -> Check:
    """Return the :class:`Check` of uint8 ``images`` against the owner's ``outputs``, scores or classes.

    :class:`UserError` where the float model differs from its owner's: then the weights were read wrong.
    """
    model, bits = checkpoint.model.eval(), checkpoint.recipe.data.pixel_bits
    scores = []
    with torch.inference_mode():
        for part in torch.tensor(images).split(batch_size(model, 1000)):
            scores.append(model(encode(part, bits)))
    mine = torch.cat(scores).argmax(dim=1).numpy()
    theirs = network.forward(images).classes
    result = Check(len(images), _agreement(mine, outputs), _agreement(theirs, outputs))
    if result.float_share < LEAST_AGREEMENT:
        raise UserError(
            f"the weights as the recipe reads them give the owner's class for {100 * result.float_share:.1f} % of "
            f"{len(images):,} images, {100 * LEAST_AGREEMENT:.0f} % are wanted: look at keys 'weights.flatten', "
            "'weights.input_scale', 'weights.input_mean', 'weights.input_std', 'neuron.threshold' and "
            "'data.pixel_bits' (docs/recipe.md)"
        )
    return result


def _agreement(classes: np.ndarray, outputs: np.ndarray) -> float:
    if outputs.ndim == 1:
        return round(float((classes == outputs).mean()), 6)
    best, chosen = outputs.max(axis=1), outputs[np.arange(len(outputs)), classes]
    return round(float((chosen >= best - 1e-5 * np.abs(outputs).max(axis=1)).mean()), 6)  # ties of the owner's


def warnings(before: float, came: float, labels: np.ndarray, check: Check | None = None) -> list[str]:
    """Return what is to be said aloud: accuracy near guessing, or lost on the way to integers.

    ``before``: the float model's accuracy, ``came``: the integer network's.
    """
    said = []
    guess = np.bincount(labels).max() / len(labels)
    if came < guess + NEAR_CHANCE * (1 - guess):
        why = "of weights trained elsewhere look at the recipe's [weights] and 'neuron.threshold', and at --check"
        if check and check.integer_share >= LEAST_AGREEMENT:
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
    if check and round(check.float_share - check.integer_share, 6) > ROUNDED:
        said.append(
            f"integers give the owner's class for {100 * check.integer_share:.2f} % of the images checked, the "
            f"float model for {100 * check.float_share:.2f} %: more --bits keep more of them"
        )
    return said
