"""The float model of a recipe: made, fed with pixels, and measured."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from s2nn_hw.network.planes import Planes
from s2nn_hw.quantize.graph import INPUT, Node, nodes
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.levels import Levels
from s2nn_hw.quantize.neuron import Neuron, Surrogate
from s2nn_hw.quantize.products import raster
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.spec import FIRE
from s2nn_hw.quantize.steps import Steps

EVALUATE_BATCH = 2000
EVALUATE_VALUES = 1 << 24  # of a layer, over the images evaluated at a time


def build(recipe: Recipe) -> SpikingNetwork:
    """Return the :class:`SpikingNetwork` of ``recipe``, freshly initialised from its seed."""
    torch.manual_seed(recipe.training.seed)
    neuron = recipe.neuron
    surrogate = Surrogate(neuron.surrogate, neuron.alpha, neuron.beta)
    fire = Neuron(surrogate, neuron.threshold)

    def made(node: Node) -> nn.Module:
        if node.spec.levels:
            return Levels(node.spec)
        return fire if node.spec.kind == FIRE else Steps(node.spec, surrogate, stepwise=node.stepwise)

    return SpikingNetwork(nodes(recipe), made, quantised=recipe.training.fake_quantise)


def encode(images: Tensor, bits: int) -> Tensor:
    """Return the pixels of ``images`` ``(batch, ...)`` as float ``(batch, pixels)``: of uint8 the top ``bits`` bits, of
    wider and signed integers what they are."""
    return (images >> (8 - bits) if images.dtype == torch.uint8 else images).flatten(1).float()


def ones(planes: Planes, values: Tensor) -> Tensor:
    """Return how many planes of each of the ``values`` of :meth:`.SpikingNetwork.trace` are 1."""
    if not planes.radix or planes.count == 1:
        return values  # spikes, or how many
    whole = values.to(torch.int32)  # negative ones have the bits of two's complement
    return torch.stack([(whole >> plane) & 1 for plane in range(planes.count)]).sum(dim=0)


def evaluate(
    model: SpikingNetwork, images: Tensor, labels: Tensor, bits: int
) -> tuple[float, dict[str, npt.NDArray[np.float64]]]:
    """Return ``(accuracy, ones)``: the fraction classified right, and by name the mean ones per image of each value.

    Ones are those of all planes, the input's among them; ``(values,)`` in raster order.
    """
    model.eval()
    right = 0
    found: dict[str, Tensor] = {}
    batch = batch_size(model, EVALUATE_BATCH)
    with torch.inference_mode():
        for part, wanted in zip(images.split(batch), labels.split(batch), strict=True):
            pixels = encode(part, bits)
            scores, trace = model.trace(pixels)
            right += int((scores.argmax(dim=1) == wanted).sum())
            for name, values in ({INPUT: pixels} | trace).items():
                counts = raster(ones(model.planes[name], values)).sum(dim=0, dtype=torch.int64)
                found[name] = found[name] + counts if name in found else counts
    return right / len(images), {name: counts.cpu().numpy() / len(images) for name, counts in found.items()}


def batch_size(model: SpikingNetwork, most: int) -> int:
    """Return how many images, at most ``most``, go through ``model`` at a time with memory to spare."""
    return max(1, min(most, EVALUATE_VALUES // max(math.prod(node.shape) * node.copies for node in model.nodes)))
