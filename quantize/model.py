"""The float model of a recipe: made, fed with pixels, and measured."""

import math

import torch
from torch import Tensor

from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.neuron import Neuron, Surrogate
from s2nn_hw.quantize.settings import Recipe

EVALUATE_BATCH = 2000
EVALUATE_VALUES = 1 << 24  # of a layer, over the images evaluated at a time


def build(recipe: Recipe) -> SpikingNetwork:
    """Return the :class:`SpikingNetwork` of ``recipe``, freshly initialised from its seed."""
    torch.manual_seed(recipe.training.seed)
    neuron = recipe.neuron
    surrogate = Surrogate(neuron.surrogate, neuron.alpha, neuron.beta)
    return SpikingNetwork(nodes(recipe), Neuron(surrogate, neuron.threshold), quantised=recipe.training.fake_quantise)


def encode(images: Tensor, bits: int) -> Tensor:
    """Return the top ``bits`` bits of uint8 ``images`` ``(batch, ...)`` as float ``(batch, pixels)``."""
    return (images >> (8 - bits)).flatten(1).float()


def evaluate(model: SpikingNetwork, images: Tensor, labels: Tensor, bits: int) -> tuple[float, dict[str, float]]:
    """Return ``(accuracy, spikes)``: the fraction classified right, and mean spikes per image by layer name."""
    model.eval()
    right = 0
    spikes: dict[str, int] = {}
    batch = batch_size(model, EVALUATE_BATCH)
    with torch.inference_mode():
        for part, wanted in zip(images.split(batch), labels.split(batch), strict=True):
            scores, trace = model.trace(encode(part, bits))
            right += int((scores.argmax(dim=1) == wanted).sum())
            for name, values in trace.items():
                spikes[name] = spikes.get(name, 0) + int(values.sum())
    return right / len(images), {name: count / len(images) for name, count in spikes.items()}


def batch_size(model: SpikingNetwork, most: int) -> int:
    """Return how many images, at most ``most``, go through ``model`` at a time with memory to spare."""
    return max(1, min(most, EVALUATE_VALUES // max(math.prod(node.shape) for node in model.nodes)))
