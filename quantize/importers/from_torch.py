"""An ordinary module of torch in, an integer network out, compared with the module on the same inputs."""

from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.importers.imported import Wanted, compare, import_network
from s2nn_hw.quantize.importers.inputs import decoded, encoded
from s2nn_hw.quantize.importers.operations import Foreign
from s2nn_hw.quantize.importers.scaling import entering_of, pads, quantised
from s2nn_hw.quantize.importers.torch_steps import run
from s2nn_hw.quantize.importers.torch_trace import name_of, trace
from s2nn_hw.quantize.importers.translated import Translated


def from_torch(
    module: nn.Module,
    inputs: Tensor | np.ndarray,
    *,
    labels: Any = None,
    name: str | None = None,
    classes: tuple[str, ...] | list[str] | None = None,
    steps: int = 1,
    input_bits: int = 8,
    input_range: tuple[float, float] | None = None,
    bits: int = 8,
    activation_bits: int = 4,
    percentile: float = 99.9,
    ttfs: bool = False,
    console: Console | None = None,
) -> Translated:
    """Return ``module`` as an integer network, with what it agrees in on ``inputs``.

    inputs           floats ``(count, *shape)`` as the module takes them, some hundred to some thousand: scales and
                     thresholds are chosen on the first 2,000, the comparison is on all
    labels           ``(count,)``: accuracies are measured, too
    name, classes    of the network; default: the module's class, and numbers
    steps            how often the module runs on one input, its neurons keeping their state; scores are summed
    input_bits       of what enters, see ``input_range``: the numbers that its ends stand for (default: of ``inputs``)
    bits             of weights that are floats
    activation_bits  of what a ReLU becomes; ``percentile`` of activations: what the largest number stands for
    ttfs             numbers of 2 to 5 bits become times to the first spike

    :class:`UserError` lists every operation that has no form here with its path and what to do.
    """
    given = torch.as_tensor(inputs)
    if given.ndim < 2 or not len(given) or not given.is_floating_point():
        raise UserError(
            f"inputs must be floats (count, *shape) as the module takes them, not {given.dtype} {tuple(given.shape)}"
        )
    traced = trace(module, given[:2].to(_kind(module)), steps=steps)
    real = given.detach().cpu().numpy()
    shaped = real.reshape(len(real), *traced.image)
    entering, operations = quantised(traced.operations, traced.image)
    if entering is None:
        entering = entering_of(shaped, input_bits, padded=pads(operations), between=input_range)
    foreign = Foreign(name or name_of(module), entering, operations, traced.output, {"module": type(module).__name__})
    pixels = encoded(shaped, entering)
    wanted = Wanted(bits, activation_bits, percentile, tuple(classes) if classes else None, ttfs=ttfs)
    found = import_network(foreign, pixels, wanted, console=console)
    seen = decoded(pixels, entering).reshape(real.shape)
    names = {operation.name for operation in traced.operations}
    scores, values = run(traced.graph, traced.steps, seen, traced.output, names)
    agreement = compare(found, pixels, scores, values, labels)
    return Translated(found.network, agreement, found.notes, found)


def _kind(module: nn.Module) -> torch.dtype:
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
