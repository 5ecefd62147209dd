"""What an engine is asked by the planner: one shape of a layer's words, and the cycles that it would take with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.network.layer import Layer


@dataclass(frozen=True)
class Shape:
    """Words of ``width`` spikes a source, ``taps`` of the kernel at once, one group of lanes.

    ``depth``: words that may wait in queues; ``lut``: inputs of the device's look-up tables, ``levels`` of them between
    registers. ``stage``: of the layer on an engine that takes a word a cycle, None for engines that take all taps at
    once; ``values``: of every tensor by name, a few real frames.
    """

    layer: Layer
    width: int
    taps: int
    depth: int
    lut: int
    levels: int
    stage: Stage | None
    values: Mapping[str, np.ndarray]

    def choice(self, engine: str, **fields: Any) -> LayerPlan:
        """Return the plan of this shape on ``engine``."""
        return LayerPlan(self.layer.name, width=self.width, taps=self.taps, engine=engine, **fields)

    @property
    def probed(self) -> Stage:
        """The stage, where there is one."""
        if self.stage is None:
            raise ValueError(f"layer {self.layer.name}: engines that take all taps at once have no words yet")
        return self.stage

    @cached_property
    def words(self) -> int:
        """Words of a frame that one group of lanes takes."""
        stage = self.probed
        return sum(len(stage.positions) * stage.engine.planes * r.pass_words for r in stage.readers)

    @property
    def acting(self) -> int:
        """Cycles of the neurons' actions in a frame, of one group of lanes."""
        stage = self.probed
        return len(stage.positions) * stage.engine.action_cycles

    @cached_property
    def entering(self) -> int:
        """Words of a frame that enter the windows, of the source that has most."""
        return max(r.tensor.words for r in self.probed.readers)

    @cached_property
    def spikes(self) -> np.ndarray:
        """What the engine sees of the frames, ``(planes, frames, positions, splits, words, taps * width)``, 0 or 1."""
        stage = self.probed
        gathered = stage.words([self.values[r.source] for r in stage.readers])
        return np.stack([gathered >> k & 1 for k in range(stage.engine.planes)])
