"""What is known of a circuit without building it: stages, ports, cycles."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import signed
from amaranth.lib import data

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.lower import lower
from s2nn_hw.cycles.timing import Timing
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network

CYCLE_BITS = 32
TAG_BITS = 16  # of the cycle count where it rides along with the frames


@dataclass(frozen=True)
class ResultFields:
    """Where a result has the ``number`` of the class, the ``scores`` and the ``cycles``: ``offset`` and ``width``."""

    number: data.Field
    scores: data.Field
    cycles: data.Field


class Design:
    """What is known of the circuit of ``network`` under ``plan`` without building it.

    ``stages``: one :class:`~s2nn_hw.circuit.stage.Stage` a layer (a fused pooling has none); ``timing``: the exact
    cycle model; ``pixels_per_beat``, ``beats`` (a frame), ``frames_under_way`` (at most), ``score_width`` (bits,
    signed), ``result_layout``: the ports, see :class:`Accelerator`; ``streaming``: whether it takes a frame every
    cycle.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.network, self.plan = network, plan
        self.stages = lower(network, self.plan)
        self.tensors = {reader.source: reader.tensor for stage in self.stages for reader in stage.readers}
        classes = len(network.classes)
        registers = sum(s.engine.held(s.is_readout, classes) for s in self.stages if s.engine)
        # a frame a cycle: nothing is ever collected, cut into words or kept in a window
        self.streaming = all(
            stage.engine
            and stage.engine.recurrence.flows
            and len(stage.readers) == 1
            and stage.readers[0].window is None
            and stage.readers[0].frame_words == 1
            for stage in self.stages
        )
        self.frames_under_way = registers + 1 if self.streaming else len(self.stages) + 3 + registers
        self.timing = Timing(self.stages, classes=classes, frames_under_way=self.frames_under_way)
        self.input = self.tensors[INPUT]
        self.pixels_per_beat, self.beats = self.input.width, self.input.words
        self.score_width = self.stages[-1].engine.score_width
        self.result_layout = data.StructLayout(
            {
                "class": max(1, (classes - 1).bit_length()),
                "scores": data.ArrayLayout(signed(self.score_width), classes),
                "cycles": CYCLE_BITS,
            }
        )

    @property
    def beat_bits(self) -> int:
        """Bits of a beat."""
        return self.pixels_per_beat * self.network.input.bits

    @property
    def result_fields(self) -> ResultFields:
        """The places in ``result_layout``."""
        return ResultFields(*(field for _, field in self.result_layout))

    @property
    def read_last(self) -> str:
        """The name of the tensor that the readout reads; :class:`UserError` if it reads several, or its stage another:
        a plan may fuse the layer in front into it."""
        layer, stage = self.network.layers[-1], self.stages[-1]
        (source,) = {reader.source for reader in stage.readers} if len(stage.readers) == 1 else {""}
        if layer.sources != (source,):
            raise UserError(
                f"layer {layer.name} must read one other, and not be fused with it, for the spikes in front to leave; "
                f"it reads {', '.join(layer.sources)}{', fused' if stage.fused else ''}"
            )
        return source

    @property
    def pixels_per_group(self) -> int:
        """Pixels after which a new beat begins: the channels of an image position, or all of a frame."""
        return self.input.channels

    @property
    def beat_pixels(self) -> np.ndarray:
        """Pixel number in each place of each beat of a frame, int64 ``(beats, pixels_per_beat)``; -1 where ignored."""

        return self.input.stream(np.arange(1, self.network.input.size + 1)[None])[0] - 1
