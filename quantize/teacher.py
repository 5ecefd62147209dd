"""A float teacher for distillation: a wide ReLU network, trained in the same run on the same augmented images."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes, write_bytes
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.graph import nodes
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.precision import mixed
from s2nn_hw.quantize.settings import Layer, Neuron, Recipe
from s2nn_hw.quantize.settings import Teacher as Options
from s2nn_hw.quantize.spec import OWN

DROPOUT = 0.3


class Teacher(nn.Module):
    """uint8 images ``(batch, rows, columns)``, all eight bits, to scores ``(batch, classes)``."""

    def __init__(self, inputs: int, neurons: int, layers: int, classes: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for _ in range(layers):
            parts += [nn.Linear(inputs, neurons), nn.BatchNorm1d(neurons), nn.ReLU(), nn.Dropout(DROPOUT)]
            inputs = neurons
        self.stack = nn.Sequential(*parts, nn.Linear(inputs, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores."""
        return self.stack(images.flatten(1).float() / 255)


class GraphTeacher(nn.Module):
    """The graph of ``recipe`` with float weights, ReLU in place of spikes and ``width`` times as many channels."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        wide = tuple(_widened(layer, recipe.teacher.width) for layer in recipe.layers)
        readout = dataclasses.replace(recipe.readout, leak=None)
        plain = dataclasses.replace(recipe, layers=wide, neuron=Neuron(), readout=readout)
        self.graph = SpikingNetwork(nodes(plain), lambda node: nn.ReLU(), quantised=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores."""
        return self.graph(images.flatten(1).float() / 255)


def _widened(layer: Layer, width: int) -> Layer:
    channels, neurons = (count and count * width for count in (layer.channels, layer.neurons))
    plain: dict[str, Any] = dict.fromkeys(("neuron", *OWN))
    return dataclasses.replace(layer, channels=channels, neurons=neurons, **plain)


def distil(loss: Tensor, scores: Tensor, hints: Tensor, options: Options) -> Tensor:
    """Return ``loss`` mixed with the cross entropy against the teacher's softened scores ``hints``.

    ``(1 - weight) loss + weight t^2 CE(softmax(hints / t), scores / t)``, ``t`` the temperature of ``options``.
    """
    heat = options.temperature
    soft = functional.cross_entropy(scores / heat, functional.softmax(hints / heat, dim=1)) * heat * heat
    return (1 - options.weight) * loss + options.weight * soft


def make_teacher(
    recipe: Recipe, images: Tensor, labels: Tensor, path: Path, *, fresh: bool, console: Console
) -> Callable[[Tensor], Tensor]:
    """Return a function from uint8 images to the teacher's scores; trained unless ``path`` holds it already."""
    from safetensors import SafetensorError
    from safetensors.torch import load, save

    options = recipe.teacher
    torch.manual_seed(recipe.training.seed)
    if all(layer.kind == "dense" for layer in recipe.layers):
        model: Teacher | GraphTeacher = Teacher(
            images[0].numel(), options.neurons, options.layers, int(labels.max()) + 1
        )
    else:
        model = GraphTeacher(recipe)
    model.to(images.device)
    if path.is_file() and not fresh:
        try:
            model.load_state_dict(load(read_bytes(path, what="teacher")))
        except (RuntimeError, ValueError, SafetensorError):
            raise UserError(f"{path} does not hold this recipe's teacher; --fresh starts over") from None
    else:
        _train(model, recipe, images, labels, mixed(recipe, images.device), console)
        write_bytes(path, save(model.state_dict()))
    model.eval()

    def hints(pixels: Tensor) -> Tensor:
        with torch.no_grad(), mixed(recipe, pixels.device):
            return model(pixels).float()

    return hints


def _train(
    model: nn.Module, recipe: Recipe, images: Tensor, labels: Tensor, precision: torch.autocast, console: Console
) -> None:
    from rich.progress import track

    options, batch = recipe.teacher, recipe.training.batch
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=1e-2)
    steps = max(len(images) // batch, 1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * options.epochs)
    for epoch in track(range(options.epochs), description="teacher", console=console):
        generator = torch.Generator().manual_seed(recipe.training.seed * 100_003 + 50_000 + epoch)
        for chosen in torch.randperm(len(images), generator=generator)[: steps * batch].tensor_split(steps):
            chosen = chosen.to(images.device)
            pixels = augment(images[chosen], recipe.augment, generator)
            with precision:
                scores = model(pixels)
            loss = functional.cross_entropy(scores.float(), labels[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
