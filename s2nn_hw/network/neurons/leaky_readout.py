"""The leaky readout: golden step first, actions of the circuit below: ``m <- m - (m >> k) + z``; ``y`` = the last m.

``z = (a << F) + B``

a   accumulator, sum of one step      B   bias of a step      k   leak      F   fraction bits
m   membrane, 0 before the first step, in units of 2^-F       y   score
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.integrate import MAX_LEAK
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.program import Action, Program, constant
from s2nn_hw.network.neurons.readout import Readout, ReadoutUnit
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.planes import MAX_STEPS, Planes
from s2nn_hw.network.synapse import check_integer


@dataclass(frozen=True, eq=False)
class LeakyReadout(Neuron):
    """Scores of ``steps`` steps, the later the more they count; ``bias``: int32 ``(classes,)``, of each step, in units
    of ``2^-fraction`` of the one scale that all classes share."""

    bias: np.ndarray
    steps: int
    leak: int
    fraction: int = 0
    kind: ClassVar[str] = "leaky_readout"
    tables: ClassVar[tuple[str, ...]] = ("bias",)
    settings: ClassVar[dict[str, type]] = {"steps": int, "leak": int, "fraction": int}
    fires: ClassVar[bool] = False
    two_phase: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("steps", self.steps, 1, MAX_STEPS)
        check_integer("leak", self.leak, 1, MAX_LEAK)
        checked_scale(self.fraction)

    @property
    def step_count(self) -> int:
        """Steps of a frame."""
        return self.steps

    def check_source(self, planes: Planes) -> None:
        """Raise :class:`UserError` unless ``planes`` are the spikes of as many steps."""
        if planes != Planes(self.steps, "steps"):
            raise UserError(f"{self.kind} neurons of {self.steps} steps read the spikes of as many steps, not {planes}")

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the membranes before the first step: 0."""
        return per_channel(0 * self.bias, shape)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return membranes, also as scores, int64 ``(batch, classes)``, of one step."""
        membrane = state - (state >> self.leak) + (sums << self.fraction) + per_channel(self.bias, sums.shape)
        return membrane, membrane

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what accumulators start from: the bias."""
        return self.bias.astype(np.int64)

    def program(self, planes: Planes, low: np.ndarray, high: np.ndarray) -> Program:
        """Return the two actions between two steps: the leak, and the bias."""
        bias = self.offsets(low, high)
        leak, onward = Action(bias, bias, leak=self.leak), constant(bias + 1)
        return Program(bias, between=(leak, onward) if self.steps > 1 else (), shift=self.fraction)

    def latency(self, classes: int) -> int:
        """Return the cycles to the first offer, as of :class:`Readout`."""
        return Readout(self.bias).latency(classes)

    def unit(self, shape: UnitShape) -> ReadoutUnit:
        """Return the circuit, a :class:`ReadoutUnit`."""
        return Readout(self.bias).unit(shape)

    def connect(self, m: Module, unit: ReadoutUnit, sums: list[Value]) -> None:
        """Give ``sums`` to ``unit``."""
        Readout(self.bias).connect(m, unit, sums)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of the scores' register and their argmax."""
        return Readout(self.bias).cost(family, shape)
