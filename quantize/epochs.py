"""What all trainings do around an epoch: folder, progress, state after each, an end by Ctrl-C that goes on later."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.settings import Recipe
from s2nn_hw.quantize.training_state import Epoch, Model, save_state

Advance = Callable[[float], object]  # called with the share of an epoch that is over


@dataclass(frozen=True)
class Training:
    """A training under way: what is trained, how, the epochs that are over, and the file from which it goes on."""

    recipe: Recipe
    model: Model
    optimiser: torch.optim.Optimizer
    log: list[Epoch]
    state: Path


def run(training: Training, epoch: Callable[[int, Advance], Epoch], console: Console) -> None:
    """Run the epochs that the log lacks, ``epoch`` with the number of each from 0; write the state after each."""
    recipe, log, last = training.recipe, training.log, training.recipe.training.epochs
    with _bar(console) as bar:
        task = bar.add_task("", total=last, completed=len(log))
        for number in range(len(log), last):
            done = epoch(number, lambda share: bar.advance(task, share))
            log.append(done)
            save_state(training.state, recipe, training.model, training.optimiser, log)
            line = _line(done, last)
            bar.update(task, completed=number + 1, description=line)
            if not bar.console.is_terminal:
                bar.console.print(f"{line}  loss {done.loss:.4f}  {done.seconds:.1f} s")


@contextmanager
def stoppable(training: Training) -> Iterator[None]:
    """Make Ctrl-C a :class:`UserError` that says how the ``training`` goes on."""
    try:
        yield
    except KeyboardInterrupt:
        raise UserError(
            f"interrupted after epoch {len(training.log)} of {training.recipe.training.epochs}; the same command "
            "goes on from there, --fresh starts over"
        ) from None


def made_folder(folder: Path) -> None:
    """Make ``folder``, and those above it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(f"output {folder} must be a folder, but a file is in the way") from None


def checked_loss(loss: float, number: int) -> float:
    """Return the ``loss`` of epoch ``number``, counted from 0; :class:`UserError` where it is no number."""
    if not np.isfinite(loss):
        raise UserError(f"the loss of epoch {number + 1} is {loss}; lower key 'training.learning_rate'")
    return round(loss, 5)


def _line(epoch: Epoch, last: int) -> str:
    rates = " ".join(f"{100 * r:.0f}%" for r in epoch.activity.spike_rates)
    line = f"epoch {epoch.epoch}/{last}  accuracy {100 * epoch.accuracy:.2f}%  spike rates {rates}"
    return line if epoch.activity.luts is None else f"{line}  LUTs {epoch.activity.luts:,}"


def _bar(console: Console) -> Progress:
    return Progress(
        BarColumn(24),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
