"""What is known of a circuit of sequences without building it: layers, ports, cycles."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import data

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.recurrent.params import RecurrentParams
from s2nn_hw.cycles.ticks import TickTiming
from s2nn_hw.design import CYCLE_BITS, ResultFields
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import SequenceOutput

KEPT, KEPT_BITS = 2, 1 << 15  # so many sequences the host link keeps, one where they would take more bits


def sequences_kept(rows: int, bits: int) -> int:
    """Return how many sequences of up to so many ``rows`` of ``bits`` the host link keeps: 2 or 1."""
    return KEPT if KEPT * rows * bits <= KEPT_BITS else 1


@dataclass(frozen=True)
class SequenceDesign:
    """What is known of the circuit of ``network``, which reads sequences, under ``plan``.

    ``stages``: one :class:`.RecurrentParams` a layer; ``timing``: the exact cycle model. :class:`UserError` names a
    layer that has no circuit.
    """

    network: Network
    plan: Plan

    def __post_init__(self) -> None:
        if not self.network.input.sequences:
            raise UserError(f"network {self.network.name} reads single frames, no sequences")
        assert self.stages

    @cached_property
    def stages(self) -> tuple[RecurrentParams, ...]:
        """The layers."""
        choices = {choice.name: choice for choice in self.plan.layers}
        return tuple(RecurrentParams(self.network, layer, choices[layer.name]) for layer in self.network.layers)

    @property
    def timing(self) -> TickTiming:
        """The cycles."""
        return TickTiming(self.stages, ticks=self.network.input.ticks, beats=self.beats)

    @property
    def pixels_per_beat(self) -> int:
        """Values of a frame that enter at once: a chunk of its first reader."""
        width = next(stage.choice.width for stage in self.stages if INPUT in stage.layer.sources)
        return min(width, self.network.input.size)

    @property
    def pixels_per_group(self) -> int:
        """Values that share beats with no others: those of a frame."""
        return self.network.input.size

    @property
    def beats(self) -> int:
        """Beats of a frame."""
        return -(-self.network.input.size // self.pixels_per_beat)

    @property
    def beat_bits(self) -> int:
        """Bits of a beat: values, and whether the frame is its sequence's last."""
        return self.pixels_per_beat * self.network.input.bits + 1

    @property
    def score_width(self) -> int:
        """Bits of a score, signed."""
        last = self.stages[-1]
        return last.registers[(last.neuron.states or ("a",))[-1]].width

    @cached_property
    def result_layout(self) -> data.StructLayout:
        """The payload of a result: ``class``, ``scores`` and ``cycles``."""
        classes = len(self.network.classes)
        return data.StructLayout(
            {
                "class": max(1, (classes - 1).bit_length()),
                "scores": data.ArrayLayout(signed(self.score_width), classes),
                "cycles": CYCLE_BITS,
            }
        )

    @property
    def result_fields(self) -> ResultFields:
        """The places in ``result_layout``."""
        return ResultFields(*(field for _, field in self.result_layout))

    @property
    def beat_pixels(self) -> np.ndarray:
        """Value number in each place of each beat of a frame, int64 ``(beats, pixels_per_beat)``; -1 where ignored."""
        places = np.full(self.beats * self.pixels_per_beat, -1, np.int64)
        places[: self.network.input.size] = np.arange(self.network.input.size)
        return places.reshape(self.beats, self.pixels_per_beat)

    def ones(self, pixels: np.ndarray, output: SequenceOutput) -> list[np.ndarray]:
        """Return the ones that each layer scans in each tick, int64 ``(ticks,)`` each.

        ``pixels``: the frames as they enter, ``(frames, size)``; ``output``: of the golden model, traced.
        """
        values = {INPUT: np.repeat(pixels, self.network.input.ticks, axis=0), **output.spikes}
        starts = output.ticks[:-1]
        counts = {name: np.bitwise_count(value).sum(axis=1, dtype=np.int64) for name, value in values.items()}
        found = []
        for stage in self.stages:
            total = np.zeros(int(output.ticks[-1]), np.int64)
            for source in stage.sources:
                count = counts[source.name]
                if source.delay:
                    count = np.concatenate([[0], count[:-1]])
                    count[starts] = 0
                total += count
            if stage.holds:
                total[np.arange(len(total)) % self.network.input.ticks != 0] = 0
            found.append(total)
        return found
