"""Sequences of frames through a network: the golden model of layers with state, tick by tick.

A sequence is 1 to ``input.frames`` frames; each is held for ``input.ticks`` ticks. All states are 0 and nothing has
spiked at its start; its scores are those of its last tick. Sequences lie one behind the other:

    frames    ``(total, *shape)``, of all sequences
    offsets   int64 ``(count + 1,)``: sequence k has frames ``offsets[k] .. offsets[k + 1] - 1``

Sequences are computed side by side, as each alone would be.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, counted, quoted
from s2nn_hw.network.layer import BYTE
from s2nn_hw.network.network import BATCH_VALUES, Network
from s2nn_hw.network.sequences import Sequences

MOST_AT_ONCE = 2048  # sequences
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SequenceOutput:
    """What :func:`forward_sequences` returns, numpy arrays.

    ``classes`` int64 ``(count,)``; ``scores`` int64 ``(count, classes)``; ``ticks`` int64 ``(count + 1,)``: sequence k
    has ticks ``ticks[k] .. ticks[k + 1] - 1`` of what is kept, by layer: ``spikes`` ``(ticks, neurons)``, uint8 (int32
    from 9 planes on), and ``states``, by their names, int64 ``(ticks, neurons)``, as they are behind the tick.
    """

    classes: Numbers
    scores: Numbers
    ticks: Numbers
    spikes: dict[str, np.ndarray] = field(default_factory=dict)
    states: dict[str, dict[str, Numbers]] = field(default_factory=dict)


def checked_offsets(offsets: Any, total: int, most: int) -> Numbers:
    """Return ``offsets`` as int64 ``(count + 1,)``; :class:`UserError` unless they part ``total`` frames into sequences
    of 1 to ``most``."""
    offsets = np.asarray(offsets)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) < 2:
        raise UserError(
            "offsets must be integers (count + 1,), where each sequence begins and, last, how many frames there are, "
            f"not {offsets.dtype} of shape {quoted(offsets.shape)}"
        )
    if offsets[0] != 0 or offsets[-1] != total or offsets.min() < 0 or offsets.max() > total:
        raise UserError(
            f"offsets must rise from 0 to {total:,}, as many frames as there are, not {offsets[0]} to {offsets[-1]} "
            f"within {offsets.min()} .. {offsets.max()}"
        )
    found = offsets.astype(np.int64)
    lengths = np.diff(found)
    wrong = np.flatnonzero((lengths < 1) | (lengths > most))
    if len(wrong):
        where = int(wrong[0])
        length = int(lengths[where])
        came = "no frames" if length < 1 else counted(length, "frame")
        raise UserError(f"sequence {where:,} has {came}; 1 to {most:,} are wanted")
    return found


def forward_file(network: Network, sequences: Sequences) -> SequenceOutput:
    """Run the golden model on ``sequences`` of a file; errors name it.

    Values of fewer bits than 8 are the top ones of an image's.
    """
    frames = sequences.as_bytes if network.input.of_bytes else sequences.frames
    try:
        return forward_sequences(network, frames, sequences.offsets)
    except UserError as error:
        raise UserError(f"{sequences.name}: {error}") from None


def forward_sequences(
    network: Network, frames: Any, offsets: Any, *, trace: bool = False, states: bool = False, batch: int | None = None
) -> SequenceOutput:
    """Run the golden model on sequences; return :class:`SequenceOutput`.

    ``frames``, ``offsets``: see above; frames as :meth:`.Input.encode` takes images. ``trace`` keeps the spikes of
    every tick and layer, ``states`` the states. ``batch``: sequences at a time, default by the size of the largest
    layer; the results do not depend on it. :class:`UserError` where the network takes single frames.
    """
    if not network.input.sequences:
        raise UserError(f"network {network.name} reads single frames, no sequences: its input has no ticks")
    pixels = network.encode(frames)
    offsets = checked_offsets(offsets, len(pixels), network.input.frames)
    count, ticks = len(offsets) - 1, offsets * network.input.ticks
    output = SequenceOutput(np.zeros(count, np.int64), np.zeros((count, len(network.classes)), np.int64), ticks)
    for layer in network.layers:
        shape = (int(ticks[-1]), network.size(layer.name))
        if trace and not layer.is_readout:
            wide = network.planes[layer.name].count > BYTE
            output.spikes[layer.name] = np.zeros(shape, np.int32 if wide else np.uint8)
        if states and layer.neuron and layer.neuron.states:
            output.states[layer.name] = {name: np.zeros(shape, np.int64) for name in layer.neuron.states}
    order = np.argsort(-np.diff(offsets), kind="stable")
    most = max(1, min(MOST_AT_ONCE, BATCH_VALUES // max(network.size(name) for name in network.shapes)))
    share = batch or most
    for first in range(0, count, share):
        _run(network, pixels, offsets, order[first : first + share], output)
    output.classes[:] = output.scores.argmax(axis=1)  # the lowest of equals
    return output


def _run(network: Network, pixels: np.ndarray, offsets: Numbers, chosen: Numbers, output: SequenceOutput) -> None:
    """Run the ``chosen`` sequences, longest first, side by side; put scores and what is kept into ``output``."""
    starts, lengths, ticks = offsets[chosen], np.diff(offsets)[chosen], network.input.ticks
    memory = network.start(len(chosen))
    for frame in range(int(lengths[0])):
        going = int((lengths > frame).sum())
        memory = network.kept(memory, going)
        places = starts[:going] + frame
        now = pixels[places]
        for tick in range(ticks):
            came = network.step(now, "spikes" if output.spikes else False, memory, again=tick > 0)
            rows = places * ticks + tick
            for name, kept in output.spikes.items():
                kept[rows] = came.spikes[name]
            for name, tables in output.states.items():
                for table, values in zip(tables.values(), memory.states[name], strict=False):
                    table[rows] = values
        output.scores[chosen[:going]] = came.scores  # those that go on are written again
