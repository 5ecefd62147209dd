"""Training of a network that is being converted: weights, biases and thresholds, from where they are.

The recipe's images, changes of them and label smoothing; AdamW with a cosine from the conversion's learning rate to 0,
no weight decay, gradients of norm 1 at most; products as in training (:mod:`s2nn_hw.quantize.precision`), accuracy is
measured in float32. Folded weights differ in size from layer to layer, so each parameter learns in units of where it
starts: weights of their root mean square, biases and thresholds of the threshold. Everything random in an epoch is
drawn from ``(seed, epoch)``.
"""

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes, write_bytes
from s2nn_hw.quantize.conversion.prepare import batches
from s2nn_hw.quantize.conversion.pretrain import Pictures
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.data.augment import augment
from s2nn_hw.quantize.model import encode
from s2nn_hw.quantize.precision import mixed
from s2nn_hw.quantize.settings import Recipe

BOLDER = 10.0  # learning rate of a threshold or leak, in units of where it starts, by that of weights
USUAL = 20.0  # learning rate of weights whose root mean square is 1/20, about that of a fresh layer of 400 inputs, is 1
LEAST = 0.02  # of a threshold, in units of where it starts


@dataclass(frozen=True)
class Trainer:
    """What trains: the recipe, training images and labels, epochs and learning rate, where trained parts are kept
    (None: nowhere), and where progress is shown; ``said``: whether each stage's accuracy is, too."""

    recipe: Recipe
    train: Pictures
    epochs: int
    learning_rate: float
    folder: Path | None
    console: Console
    said: bool = True

    def tune(self, net: Converted, what: str, key: Any) -> None:
        """Train the parameters of ``net`` that want a gradient, in place, unless the folder has the result.

        ``what``: its name for the user and in the folder; ``key``: JSON-able, all that decides what comes out.
        """
        if not self.epochs:
            return
        with torch.no_grad():
            start = [tensor.double().sum().item() for tensor in net.state_dict().values()]
        text = json.dumps([what, key, self.epochs, self.learning_rate, start])
        name = f"{what.replace(' ', '-').replace(',', '')}-{sha256(text.encode()).hexdigest()[:12]}.safetensors"
        path = None if self.folder is None else self.folder / name
        if path is not None and path.is_file():
            _restore(net, path)
            return
        try:
            self._epochs(net, what)
        except KeyboardInterrupt:
            raise UserError(f"interrupted while {what} was trained; the same command starts with that again") from None
        if path is not None:
            _keep(net, path)

    def _epochs(self, net: Converted, what: str) -> None:
        bold = [(unit.theta, LEAST * float(unit.theta.detach()), math.inf) for unit in net.hidden]
        bold += [(unit.kept, 0.5, 1.0) for unit in net.hidden if unit.rule.leaks]
        bold = [(number, low, high) for number, low, high in bold if number.requires_grad]
        groups = [{"params": [p], "share": share} for p, share in paces(net) if p.requires_grad]
        optimiser = torch.optim.AdamW(groups, lr=self.learning_rate, weight_decay=0.0)
        images, labels = self.train
        batch, seed, loss = self.recipe.training.batch, self.recipe.training.seed, math.nan
        steps = max(len(images) // batch, 1)
        columns = BarColumn(24), TextColumn("{task.description}"), TimeElapsedColumn(), TextColumn("left")
        with Progress(*columns, TimeRemainingColumn(), console=self.console) as bar:
            task = bar.add_task(what, total=self.epochs * steps)
            for epoch in range(self.epochs):
                draw, total = torch.Generator().manual_seed(seed * 100_003 + 70_000 + epoch), torch.zeros(())
                order = torch.randperm(len(images), generator=draw)[: steps * batch].tensor_split(steps)
                for step, chosen in enumerate(order):
                    share = (epoch + step / steps) / self.epochs
                    for group in optimiser.param_groups:
                        rate = self.learning_rate * (0.5 + 0.5 * math.cos(math.pi * share))
                        group["lr"] = rate * group["share"]
                    pixels = augment(images[chosen], self.recipe.augment, draw)
                    total = total + self._step(net, optimiser, pixels, labels[chosen])
                    with torch.no_grad():
                        for number, low, high in bold:
                            number.clamp_(low, high)
                    bar.advance(task)
                loss = float(total) / steps
                if not math.isfinite(loss):
                    raise UserError(f"the loss of {what} is {loss}; lower key 'conversion.learning_rate'")
                bar.update(task, description=f"{what}, epoch {epoch + 1}/{self.epochs}")
            if not self.console.is_terminal:
                self.console.print(f"{what}: {self.epochs} epochs, loss {loss:.4f}")

    def _step(self, net: Converted, optimiser: torch.optim.Optimizer, pixels: Tensor, labels: Tensor) -> Tensor:
        with mixed(self.recipe, pixels.device):
            scores = net(encode(pixels, self.recipe.data.pixel_bits))
        loss = functional.cross_entropy(scores, labels, label_smoothing=self.recipe.training.label_smoothing)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        return loss.detach()


def paces(net: Converted) -> list[tuple[nn.Parameter, float]]:
    """Return the parameters of ``net`` that are trained, and what the learning rate of each is multiplied by."""
    found: list[tuple[nn.Parameter, float]] = []
    with torch.no_grad():
        for unit in net.layers:
            found += [(table, USUAL * float(table.square().mean().sqrt())) for table in unit.weights]
            found += [(unit.bias, 1.0 if unit is net.layers[-1] else float(unit.theta))]
            if unit is not net.layers[-1]:
                found += [(unit.theta, BOLDER * float(unit.theta))]
                found += [(unit.kept, BOLDER)] if unit.rule.leaks else []
    return found


def accuracy(net: Converted, images: Tensor, labels: Tensor, bits: int) -> float:
    """Return the share of uint8 ``images`` that the float model ``net`` classifies right."""
    right, start = 0, 0
    with torch.inference_mode():
        for part in batches(net, images):
            right += int((net(encode(part, bits)).argmax(dim=1) == labels[start : start + len(part)]).sum())
            start += len(part)
    return right / len(images)


def _keep(net: Converted, path: Path) -> None:
    from safetensors.torch import save

    write_bytes(path, save({name: tensor.contiguous() for name, tensor in net.state_dict().items()}))


def _restore(net: Converted, path: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        net.load_state_dict(load(read_bytes(path, what="trained part")))
    except (RuntimeError, ValueError, SafetensorError):
        raise UserError(f"{path} does not hold this network; delete it") from None
