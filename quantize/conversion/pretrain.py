"""The ReLU network that is converted: the graph of a recipe with ReLU for neurons, trained here or read from a file.

    ``x = max(0, batch_norm(sum W x))``,  float weights, the pixels 0 .. 2^k-1 of the recipe

It is kept as a checkpoint of that recipe with float weights, in which the result on the test images says what it is.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.files import write_json
from s2nn_hw.quantize.checkpoint import Checkpoint, read_checkpoint, save_checkpoint
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.data.balance import introduce
from s2nn_hw.quantize.epochs import made_folder
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.loss import make_optimiser
from s2nn_hw.quantize.model import build, evaluate
from s2nn_hw.quantize.recipe import as_dict, from_dict
from s2nn_hw.quantize.settings import Conversion, Neuron, Penalty, Recipe, Sparse, Teacher
from s2nn_hw.quantize.spec import OWN
from s2nn_hw.quantize.train import settle, train_epoch
from s2nn_hw.quantize.training_state import Activity, Epoch, resume, save_state

RELU = "relu"  # what a checkpoint's result says of its neurons
Pictures = tuple[Tensor, Tensor]  # uint8 images and int64 labels


def relu_recipe(recipe: Recipe) -> Recipe:
    """Return ``recipe`` as that of a ReLU network: float weights, no neurons of its own, no price of spikes or teacher.

    :class:`UserError` names the key of what it can't have.
    """
    for where, entry in ((f"layers[{n}]", layer) for n, layer in enumerate(recipe.layers)):
        if entry.fan_in:
            raise UserError(f"key '{where}.fan_in' is for spikes that are trained; a ReLU network has all its weights")
    if recipe.readout.fan_in or recipe.area.weight:
        raise UserError("keys 'readout.fan_in' and 'area' are for spikes that are trained, not for ReLU")
    plain: dict[str, Any] = dict.fromkeys(("neuron", *OWN))
    return dataclasses.replace(
        recipe,
        layers=tuple(dataclasses.replace(layer, **plain) for layer in recipe.layers),
        readout=dataclasses.replace(recipe.readout, leak=None),
        neuron=Neuron(),
        training=dataclasses.replace(recipe.training, fake_quantise=False),
        penalty=Penalty(),
        teacher=Teacher(),
        sparse=Sparse(),
        conversion=Conversion(),
    )


def relu_model(recipe: Recipe) -> SpikingNetwork:
    """Return the ReLU network of ``recipe``, freshly initialised from its seed."""
    return with_relu(build(relu_recipe(recipe)))


def with_relu(model: SpikingNetwork) -> SpikingNetwork:
    """Return ``model`` with ReLU in place of its neurons."""
    for layer in model.fires:
        layer.neuron = nn.ReLU()
    return model


def train_relu(recipe: Recipe, folder: Path, *, fresh: bool = False, console: Console) -> Path:
    """Train the ReLU network of ``recipe`` into ``folder``; return the path of ``NAME.safetensors``.

    Stops and goes on as :func:`s2nn_hw.quantize.train.train` does, from ``state.pt``, unless ``fresh``.
    """
    if recipe.as_trained_elsewhere:
        raise UserError("key 'weights' is for weights trained elsewhere: give their checkpoint, and this as --recipe")
    recipe = relu_recipe(recipe)
    checkpoint, state = folder / f"{recipe.name}.safetensors", folder / "state.pt"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = relu_model(recipe).to(device)
    optimiser = make_optimiser(model, recipe.training)
    log = [] if fresh else resume(state, recipe, model, optimiser)
    if len(log) >= recipe.training.epochs and checkpoint.is_file():
        console.print(f"{checkpoint} is already trained, {len(log)} epochs; --fresh trains it again")
        return checkpoint
    made_folder(folder)
    introduce(recipe.data, folder / recipe.name, console)
    train, test = (pictures(recipe, split, device) for split in ("train", "test"))
    held, check = recipe.data.validation, test
    if held:
        train, check = (train[0][:-held], train[1][:-held]), (train[0][-held:], train[1][-held:])
    try:
        _epochs(recipe, model, optimiser, log, (train, check), state, console)
    except KeyboardInterrupt:
        raise UserError(
            f"interrupted after epoch {len(log)} of {recipe.training.epochs}; the same command goes on from there, "
            "--fresh starts over"
        ) from None
    settle(model, train[0], recipe)
    accuracy = evaluate(model, *test, recipe.data.pixel_bits)[0]
    result = {"neurons": RELU, "data_set": source.title(recipe.data), "images": len(test[0]), "accuracy": accuracy}
    save_checkpoint(checkpoint, model, recipe, result)
    epochs = [{"epoch": e.epoch, "loss": e.loss, "accuracy": e.accuracy, "seconds": e.seconds} for e in log]
    write_json(folder / f"{recipe.name}.log.json", {"recipe": as_dict(recipe), "test": result, "epochs": epochs})
    return checkpoint


def read_relu(path: Path, recipe: Recipe | None = None) -> Checkpoint:
    """Return the ReLU network in the checkpoint ``path``; ``recipe``: of one that another program has trained."""
    found = read_checkpoint(path, None if recipe is None else relu_recipe(recipe))
    if not found.foreign and found.test.get("neurons") != RELU:
        raise UserError(
            f"checkpoint {path} was trained with spikes, and convert takes a ReLU network: give the recipe, which "
            "trains one, or quantize this one"
        )
    with_relu(found.model)
    return dataclasses.replace(found, recipe=from_dict(as_dict(found.recipe)))


def pictures(recipe: Recipe, split: str, device: torch.device | None = None) -> Pictures:
    """Return the uint8 images and int64 labels of ``split`` ("train" or "test") of the recipe's data set."""
    images, labels = source.load(recipe.data, split)
    return torch.tensor(images, device=device), torch.tensor(labels.astype(np.int64), device=device)


def _epochs(
    recipe: Recipe,
    model: SpikingNetwork,
    optimiser: torch.optim.Optimizer,
    log: list[Epoch],
    parts: tuple[Pictures, Pictures],
    state: Path,
    console: Console,
) -> None:
    """Run the epochs that ``log`` lacks; ``parts``: what is trained on, and what is looked at after each epoch."""
    last, nothing = recipe.training.epochs, Activity((), (), (), 0.0)
    columns = BarColumn(24), TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("left")
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("ReLU", total=last, completed=len(log))
        for number in range(len(log), last):
            start = time.perf_counter()
            loss = train_epoch(
                model, optimiser, *parts[0], recipe, number, advance=lambda share: bar.advance(task, share)
            )
            if not np.isfinite(loss):
                raise UserError(f"the loss of epoch {number + 1} is {loss}; lower key 'training.learning_rate'")
            shown = [part[: recipe.training.check_images] for part in parts[1]]
            accuracy = evaluate(model, shown[0], shown[1], recipe.data.pixel_bits)[0]
            seconds = round(time.perf_counter() - start, 2)
            log.append(Epoch(number + 1, round(loss, 5), accuracy, nothing, seconds))
            save_state(state, recipe, model, optimiser, log)
            line = f"ReLU, epoch {number + 1}/{last}  accuracy {100 * accuracy:.2f}%"
            bar.update(task, completed=number + 1, description=line)
            if not console.is_terminal:
                console.print(f"{line}  loss {loss:.4f}  {seconds:.1f} s")
