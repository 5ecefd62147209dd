"""Training over sequences: as :mod:`s2nn_hw.quantize.train`, in two forms of one set of weights.

    rates   a clamped recurrent network, frame by frame (:mod:`.rates`)
    ticks   the integer network itself, tick by tick (:mod:`.exact`), from the share ``exact_from`` of the epochs on

Weights and biases are rounded in both. What is measured after each epoch is the integers.
"""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from s2nn_hw import __version__
from s2nn_hw.errors import counted
from s2nn_hw.files import write_json
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize import epochs
from s2nn_hw.quantize.checkpoint import save_checkpoint
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.data.augment_sequences import augment_sequences
from s2nn_hw.quantize.data.balance import balance, introduce
from s2nn_hw.quantize.epochs import Advance, checked_loss, made_folder, stoppable
from s2nn_hw.quantize.loss import make_optimiser, rate
from s2nn_hw.quantize.recipe import as_dict
from s2nn_hw.quantize.sequences.held import Held, going, pixels
from s2nn_hw.quantize.sequences.measure import activity, evaluate, reads
from s2nn_hw.quantize.sequences.model import SequenceNetwork, build
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.training_state import Epoch, Tested, resume


@dataclass(frozen=True)
class Parts:
    """Sequences that are trained on, looked at after each epoch, and tested in the end."""

    train: Held
    check: Held
    test: Held


@dataclass(frozen=True)
class Run(epochs.Training):
    """A training under way of ``parts``, the sequences."""

    model: SequenceNetwork
    parts: Parts


def train_sequences(recipe: Recipe, folder: Path, *, fresh: bool, console: Console) -> Path:
    """Train ``recipe``, which is for sequences, into ``folder``; see :func:`s2nn_hw.quantize.train.train`."""
    recipe = dataclasses.replace(recipe, sequence=dataclasses.replace(recipe.sequence, frames=most_frames(recipe)))
    checkpoint, state = folder / f"{recipe.name}.safetensors", folder / "state.pt"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = build(recipe).to(device)
    optimiser = make_optimiser(model, recipe.training)
    log = [] if fresh else resume(state, recipe, model, optimiser)
    if len(log) >= recipe.training.epochs and checkpoint.is_file():
        console.print(f"{checkpoint} is already trained, {counted(len(log), 'epoch')}; --fresh trains it again")
        return checkpoint
    run = Run(recipe, model, optimiser, log, state, split(recipe, device, console))
    made_folder(folder)
    introduce(recipe.data, folder / recipe.name, console, frames=recipe.sequence.frames)
    if fresh:
        state.unlink(missing_ok=True)
    with stoppable(run):
        epochs.run(run, lambda number, advance: _epoch(run, number, advance), console)
    result = _tested(run)
    save_checkpoint(checkpoint, model, recipe, result.to_json())
    write_json(folder / f"{recipe.name}.log.json", _log(run, result, device))
    return checkpoint


def split(recipe: Recipe, device: torch.device | None, console: Console) -> Parts:
    """Return the sequences of ``recipe``; without a part for validation the test's are looked at after each epoch. Of
    how many only the first frames count is said."""
    (training, check), test = source.sequences(recipe.data), source.sequences_of(recipe.data, "test")
    longest = most_frames(recipe)
    _say_cut("training", [part for part in (training, check) if part], longest, console)
    _say_cut("test", [test], longest, console)
    parts = [Held.of(part, longest, device) for part in (training, check or test, test)]
    return Parts(*parts)


def _say_cut(what: str, parts: Sequence[Sequences], most: int, console: Console) -> None:
    lengths = np.concatenate([part.lengths for part in parts])
    if count := int((lengths > most).sum()):
        whole = counted(len(lengths), f"{what} sequence")
        console.print(f"{count:,} of {whole} are cut to the {counted(most, 'frame')} that the network takes")


def most_frames(recipe: Recipe) -> int:
    """Return the frames of the longest sequence that the network of ``recipe`` takes."""
    if recipe.sequence.frames is not None:
        return recipe.sequence.frames
    return int(source.sequences_of(recipe.data, "train").lengths.max())


def train_epoch(
    model: SequenceNetwork,
    optimiser: torch.optim.Optimizer,
    held: Held,
    recipe: Recipe,
    epoch: int,
    *,
    advance: Advance | None = None,
) -> float:
    """Run one epoch in place; return the mean loss. ``advance`` is called with the share of it that each step is."""
    training = recipe.training
    generator = torch.Generator().manual_seed(training.seed * 100_003 + epoch)
    ticks = epoch / training.epochs >= recipe.sequence.exact_from
    batches = list(held.batches(training.batch, generator))
    total = torch.zeros((), device=held.labels.device)
    model.train()
    for step, batch in enumerate(batches):
        most = recipe.sequence.frames
        frames, lengths = augment_sequences(batch.frames, batch.lengths, recipe.augment, generator, most=most)
        for group in optimiser.param_groups:
            group["lr"] = rate(training, epoch + step / len(batches))
        logits, trace = model.trace(pixels(frames, recipe.data.pixel_bits), lengths, ticks=ticks)
        loss = functional.cross_entropy(logits, batch.labels, label_smoothing=training.label_smoothing)
        if recipe.penalty.weight:
            loss = loss + recipe.penalty.weight * _penalised(model, trace, lengths, recipe, ticks=ticks)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total = total + loss.detach()
        if advance:
            advance(1 / len(batches))
    return float(total) / len(batches)


def _penalised(
    model: SequenceNetwork, trace: dict[str, Tensor], lengths: Tensor, recipe: Recipe, *, ticks: bool
) -> Tensor:
    """Return the activity of a batch, 0 (none) to 1 (every neuron in every tick); a number is its share of the
    largest."""
    spec, costs = model.spec, reads(model.spec)
    whole, total = 0.0, torch.zeros((), device=lengths.device)
    for layer in spec.layers:
        values = trace[layer.name]
        inside = going(len(values), lengths * (spec.ticks if ticks else 1)).to(values.dtype)
        weight = costs[layer.name] if recipe.penalty.measure == "synaptic_operations" else 1
        mean = torch.einsum("tbn,tb->", values, inside) / inside.sum()
        total = total + weight * mean / (layer.given.peak if ticks else 1)
        whole += weight * layer.neurons
    return total / whole


def _epoch(run: Run, number: int, advance: Advance) -> Epoch:
    """Train epoch ``number``, counted from 0, and measure it."""
    start, training = time.perf_counter(), run.recipe.training
    loss = train_epoch(run.model, run.optimiser, run.parts.train, run.recipe, number, advance=advance)
    loss = checked_loss(loss, number)
    check = run.parts.check
    shown = check.chosen(torch.arange(min(len(check), training.check_images)))
    accuracy, found = evaluate(run.model, shown)
    seconds = round(time.perf_counter() - start, 2)
    mean = float(shown.lengths.double().mean())
    return Epoch(number + 1, loss, accuracy, activity(run.model.spec, found, mean), seconds)


def _tested(run: Run) -> Tested:
    """Return the result of the integers on the test."""
    test = run.parts.test
    accuracy, found = evaluate(run.model, test)
    mean = float(test.lengths.double().mean())
    return Tested(source.title(run.recipe.data), len(test), accuracy, activity(run.model.spec, found, mean))


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
