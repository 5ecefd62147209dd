"""What a training step adds to the loss, and how fast it learns."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.sequences.model import SequenceNetwork
from s2nn_hw.quantize.settings import Recipe, Training
from s2nn_hw.quantize.sparse import soft_luts, sparse_synapses


class _Total(torch.autograd.Function):
    """The sum of all spikes. Its gradient is written out, because adding an expanded one to another is slow."""

    @staticmethod
    def forward(ctx: Any, spikes: Tensor) -> Tensor:
        ctx.save_for_backward(spikes)
        return spikes.sum().float()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (spikes,) = ctx.saved_tensors
        return torch.empty_like(spikes).fill_(gradient)


def activity(model: SpikingNetwork, trace: Mapping[str, Tensor], measure: str) -> Tensor:
    """Return the penalised activity of a batch's spikes ``trace``, 0 (none) to 1 (every neuron every time).

    A number counts as its share of the largest one.
    """
    loads = [(name, size, fan_out if measure == "synaptic_operations" else 1) for name, size, fan_out in model.loads()]
    peaks = {name: planes.peak if planes.radix else 1 for name, planes in model.planes.items()}
    cost = sum(weight / peaks[name] * _Total.apply(trace[name]) / len(trace[name]) for name, _, weight in loads)
    return cost / sum(size * weight for _, size, weight in loads)


def excess(model: SpikingNetwork, recipe: Recipe) -> Tensor:
    """Return by what share of ``recipe``'s LUT budget the estimate for ``model`` is beyond it, 0 if it is not."""
    return functional.relu(soft_luts(model, recipe.data.pixel_bits) / recipe.area.lut_budget - 1)


def rate(training: Training, progress: float) -> float:
    """Return the learning rate at ``progress`` epochs (a fraction of an epoch counts)."""
    if progress < training.warmup_epochs:
        return training.learning_rate * progress / training.warmup_epochs
    share = (progress - training.warmup_epochs) / max(training.epochs - training.warmup_epochs, 1e-9)
    factor = {"cosine": 0.5 + 0.5 * np.cos(np.pi * share), "linear": 1 - share, "constant": 1.0}[training.schedule]
    return training.learning_rate * float(max(factor, 0.0))


def make_optimiser(model: SpikingNetwork | SequenceNetwork, training: Training) -> torch.optim.Optimizer:
    """Return the optimiser; weight decay applies to weight matrices only."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if training.optimiser == "sgd":
        return torch.optim.SGD(groups, lr=training.learning_rate, momentum=0.9)
    sparse = isinstance(model, SpikingNetwork) and sparse_synapses(model)
    kind = torch.optim.AdamW if training.optimiser == "adamw" else torch.optim.Adam
    # most weights of a sparse model are not live, and passing over them would take longer than the rest of a step
    return kind(groups, lr=training.learning_rate, fused=True if sparse else None)
