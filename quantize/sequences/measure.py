"""A network over sequences measured: accuracy, and the ones of every layer in a sequence."""

from collections.abc import Mapping

import torch
from torch import Tensor

from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.planes import Planes
from s2nn_hw.quantize.model import ones
from s2nn_hw.quantize.sequences.held import Held, going, pixels
from s2nn_hw.quantize.sequences.model import SequenceNetwork
from s2nn_hw.quantize.sequences.spec import SequenceSpec
from s2nn_hw.quantize.training_state import Activity

EVALUATE_VALUES = 1 << 25  # of a layer over the ticks of the sequences evaluated at a time


def evaluate(model: SequenceNetwork, held: Held, *, ticks: bool = True) -> tuple[float, dict[str, float]]:
    """Return the share of ``held`` that is classified right and, by layer, the mean ones of a sequence.

    ``ticks``: of the integers tick by tick; else of rates, whose ones are spikes to be expected (of numbers none). Ones
    are those of all planes; of the input they are those of each frame, once.
    """
    spec, right, found = model.spec, 0, dict[str, float]()
    model.eval()
    with torch.inference_mode():
        for part in held.batches(batch_size(spec, held)):
            frames = pixels(part.frames, spec.pixel_bits)
            logits, trace = model.trace(frames, part.lengths, ticks=ticks)
            right += int((logits.argmax(dim=1) == part.labels).sum())
            _count(found, INPUT, ones(Planes(spec.pixel_bits), frames.transpose(0, 1)), part.lengths)
            for layer in spec.layers:
                values = trace[layer.name]
                if ticks:
                    _count(found, layer.name, ones(layer.given, values), part.lengths * spec.ticks)
                else:
                    _count(found, layer.name, values * spec.ticks, part.lengths)
    return right / len(held), {name: count / len(held) for name, count in found.items()}


def batch_size(spec: SequenceSpec, held: Held) -> int:
    """Return how many sequences go through at a time with memory to spare."""
    values = held.frames.shape[1] * spec.ticks * max(layer.neurons for layer in spec.layers)
    return max(1, min(500, EVALUATE_VALUES // values))


def _count(found: dict[str, float], name: str, values: Tensor, lengths: Tensor) -> None:
    inside = going(len(values), lengths)
    found[name] = found.get(name, 0.0) + float((values.sum(dim=2) * inside).sum(dtype=torch.float64))


def activity(spec: SequenceSpec, found: Mapping[str, float], frames: float) -> Activity:
    """Return the activity of a sequence of so many ``frames``, the mean, with ones ``found`` by :func:`evaluate`.

    Rates are shares of all neurons, planes and ticks.
    """
    rates = [
        found[layer.name] / (frames * spec.ticks * layer.neurons * layer.given.count if frames else 1)
        for layer in spec.layers
    ]
    return Activity(
        tuple(layer.name for layer in spec.layers),
        tuple(round(found[layer.name], 3) for layer in spec.layers),
        tuple(round(rate, 5) for rate in rates),
        round(sum(reads(spec)[name] * count for name, count in found.items()), 1),
    )


def reads(spec: SequenceSpec) -> dict[str, int]:
    """Return how many weights a one of the input, and of each layer, reads."""
    behind = [*(layer.neurons for layer in spec.layers), spec.readout.neurons]
    found = {INPUT: behind[0]}
    for layer, after in zip(spec.layers, behind[1:], strict=True):
        found[layer.name] = after + (layer.neurons if layer.recurrent else 0)
    return found
