"""Training: a recipe in, a safetensors checkpoint and a JSON log out; stops and resumes at epoch boundaries.

Everything random in an epoch is drawn from ``(seed, epoch)``, so a resumed run takes the same path as an
uninterrupted one. The last epoch's weights are the result; test images never choose anything.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from s2nn_hw import __version__
from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import write_json
from s2nn_hw.quantize import epochs
from s2nn_hw.quantize.checkpoint import save_checkpoint
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.data.balance import balance, introduce
from s2nn_hw.quantize.epochs import Advance, checked_loss, made_folder, stoppable
from s2nn_hw.quantize.layers import SpikingNetwork
from s2nn_hw.quantize.loss import activity, excess, make_optimiser, rate
from s2nn_hw.quantize.model import batch_size, build, encode, evaluate
from s2nn_hw.quantize.precision import mixed
from s2nn_hw.quantize.recipe import as_dict
from s2nn_hw.quantize.sequences.training import train_sequences
from s2nn_hw.quantize.settings import Conversion, Recipe
from s2nn_hw.quantize.sparse import choose, measure_inputs, sparse_synapses
from s2nn_hw.quantize.spec import fires
from s2nn_hw.quantize.teacher import distil, make_teacher
from s2nn_hw.quantize.training_state import Activity, Epoch, Tested, resume
from s2nn_hw.terminal import terminal

Pictures = tuple[Tensor, Tensor]  # uint8 images and int64 labels
Teacher = Callable[[Tensor], Tensor]  # from uint8 images to scores


@dataclass(frozen=True)
class Parts:
    """Images and labels that are trained on, checked after each epoch, and tested in the end."""

    train: Pictures
    check: Pictures
    test: Pictures


@dataclass(frozen=True)
class Run(epochs.Training):
    """A training under way of ``parts``, the images."""

    model: SpikingNetwork
    parts: Parts


def train_epoch(
    model: SpikingNetwork,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    recipe: Recipe,
    epoch: int,
    *,
    teacher: Teacher | None = None,
    advance: Advance | None = None,
) -> float:
    """Run one epoch in place; return the mean loss. ``images`` uint8 ``(count, rows, columns[, channels])``.

    ``teacher`` maps uint8 images to scores; ``advance`` is called with the share of the epoch that each step is.
    """
    training = recipe.training
    generator = torch.Generator().manual_seed(training.seed * 100_003 + epoch)
    order = torch.randperm(len(images), generator=generator)
    steps = max(len(order) // training.batch, 1)
    model.train()
    model.round_from(epoch / training.epochs)
    total = torch.zeros((), device=images.device)
    for step, chosen in enumerate(order[: steps * training.batch].tensor_split(steps)):
        if step % recipe.sparse.every == 0:
            choose(model, recipe.sparse, (epoch + step / steps) / training.epochs)
        chosen = chosen.to(images.device)
        pixels = augment(images[chosen], recipe.augment, generator)
        wanted = labels[chosen]
        for group in optimiser.param_groups:
            group["lr"] = rate(training, epoch + step / steps)
        with mixed(recipe, images.device):
            scores, trace = model.trace(encode(pixels, recipe.data.pixel_bits))
        loss = functional.cross_entropy(scores, wanted, label_smoothing=training.label_smoothing)
        if teacher is not None:
            loss = distil(loss, scores, teacher(pixels), recipe.teacher)
        if recipe.penalty.weight:
            loss = loss + recipe.penalty.weight * activity(model, trace, recipe.penalty.measure)
        if recipe.area.weight and (epoch + step / steps) / training.epochs >= recipe.sparse.reach:
            loss = loss + recipe.area.weight * excess(model, recipe)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total = total + loss.detach()  # a number only at the end: on a GPU nothing waits for it here
        if advance:
            advance(1 / steps)
    return float(total) / steps


def settle(model: SpikingNetwork, images: Tensor, recipe: Recipe) -> None:
    """Measure every batch norm's mean and variance anew: averages over one pass of augmented training images.

    Training leaves running averages over the last few batches, whose noise moves thresholds of coarse layers.
    """
    generator = torch.Generator().manual_seed(recipe.training.seed * 100_003 + recipe.training.epochs)
    model.round_from(-1)  # the statistics are the float network's
    for layer in model.fires:
        layer.norm.reset_running_stats()
        layer.norm.momentum = None  # a plain average
    model.train()
    with torch.no_grad():
        for part in images.split(batch_size(model, max(recipe.training.batch, 1000))):
            if len(part) > 1:
                model(encode(augment(part, recipe.augment, generator), recipe.data.pixel_bits))


def train(recipe: Recipe, folder: Path | str, *, fresh: bool = False, console: Console | None = None) -> Path:
    """Train ``recipe`` into ``folder``; return the path of the checkpoint ``NAME.safetensors``.

    Also writes ``NAME.log.json`` (recipe, and loss, accuracy and spikes of each epoch), of the user's own data
    ``NAME.test.npz`` (raw values, labels and names of the test), and, after each epoch, ``state.pt``, from which the
    same call goes on unless ``fresh``. Ctrl-C is a :class:`UserError` that says so.
    """
    console, folder = console or terminal(), Path(folder)
    if recipe.over_time:
        return train_sequences(recipe, folder, fresh=fresh, console=console)
    checkpoint, state = folder / f"{recipe.name}.safetensors", folder / "state.pt"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(recipe).to(device)
    _check(recipe)
    optimiser = make_optimiser(model, recipe.training)
    log = [] if fresh else resume(state, recipe, model, optimiser)
    if len(log) >= recipe.training.epochs and checkpoint.is_file():
        console.print(f"{checkpoint} is already trained, {counted(len(log), 'epoch')}; --fresh trains it again")
        return checkpoint
    run = Run(recipe, model, optimiser, log, state, _split(recipe, device))
    made_folder(folder)
    introduce(recipe.data, folder / recipe.name, console)
    if sparse_synapses(model):
        measure_inputs(model, encode(run.parts.train[0], recipe.data.pixel_bits))
        choose(model, recipe.sparse, len(log) / recipe.training.epochs)
    if fresh:
        state.unlink(missing_ok=True)
    with stoppable(run):
        _epochs(run, console)
    choose(model, recipe.sparse, 1.0)
    settle(model, run.parts.train[0], recipe)
    result = _tested(run)
    save_checkpoint(checkpoint, model, recipe, result.to_json())
    write_json(folder / f"{recipe.name}.log.json", _log(run, result, device))
    return checkpoint


def _check(recipe: Recipe) -> None:
    """Raise :class:`UserError` where ``recipe`` has keys that training can't take."""
    if recipe.as_trained_elsewhere:
        raise UserError("key 'weights' is for weights trained elsewhere, `s2nn-hw quantize --recipe`; leave it out")
    if recipe.conversion != Conversion():
        raise UserError("key 'conversion' is for `s2nn-hw convert`, which trains ReLU; leave it out to train spikes")
    if recipe.area.lut_budget and any(layer.kind != "dense" for layer in recipe.layers):
        raise UserError("key 'area.lut_budget' wants dense layers only")
    if recipe.area.lut_budget and not fires(recipe):
        raise UserError("key 'area.lut_budget' wants neurons of kind 'fire' only")


def _tested(run: Run) -> Tested:
    """Return the result on the test images."""
    recipe, (images, labels) = run.recipe, run.parts.test
    accuracy, spikes = evaluate(run.model, images, labels, recipe.data.pixel_bits)
    found = Activity.of(run.model, recipe, spikes)
    return Tested(source.title(recipe.data), len(images), accuracy, found)


def _log(run: Run, result: Tested, device: torch.device) -> dict[str, Any]:
    own = run.recipe.data.path is not None
    return {
        "tool": f"s2nn-hw {__version__}",
        "torch": torch.__version__,
        "device": device.type,
        "recipe": as_dict(run.recipe),
        **({"classes": balance(run.recipe.data).to_json()} if own else {}),
        "test": result.to_json(),
        "epochs": [epoch.to_json() for epoch in run.log],
    }


def _split(recipe: Recipe, device: torch.device) -> Parts:
    """Return the images on ``device``; some of those for training are held out where the recipe says so."""

    def place(images: np.ndarray, labels: np.ndarray) -> Pictures:
        return torch.tensor(images, device=device), torch.tensor(labels, device=device).long()

    images, labels = place(*source.load(recipe.data, "train"))
    test, held = place(*source.load(recipe.data, "test")), recipe.data.validation
    if not held:
        return Parts((images, labels), test, test)
    return Parts((images[:-held], labels[:-held]), (images[-held:], labels[-held:]), test)


def _epochs(run: Run, console: Console) -> None:
    """Run the epochs that the log lacks, the teacher's before them; write the state after each."""
    recipe, teacher = run.recipe, None
    if recipe.teacher.weight:
        path = run.state.with_name("teacher.safetensors")
        teacher = make_teacher(recipe, *run.parts.train, path, fresh=not run.log, console=console)
    epochs.run(run, lambda number, advance: _epoch(run, number, teacher, advance), console)


def _epoch(run: Run, number: int, teacher: Teacher | None, advance: Advance) -> Epoch:
    """Train epoch ``number``, counted from 0, and measure it."""
    recipe, model, start = run.recipe, run.model, time.perf_counter()
    loss = train_epoch(model, run.optimiser, *run.parts.train, recipe, number, teacher=teacher, advance=advance)
    loss = checked_loss(loss, number)
    images, labels = (part[: recipe.training.check_images] for part in run.parts.check)
    accuracy, spikes = evaluate(model, images, labels, recipe.data.pixel_bits)
    found = Activity.of(model, recipe, spikes)
    return Epoch(number + 1, loss, accuracy, found, round(time.perf_counter() - start, 2))
