"""A toy neuron with state: it fires where the sum reaches the threshold, but not in the frame after a spike.

``s[t] = 1[a[t] >= T] AND NOT s[t - 1]``
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value

from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.fire import Fire, FireUnit
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.tables import checked_table


@dataclass(frozen=True, eq=False)
class Refractory(Neuron):
    """A neuron that rests for a frame after each spike; ``thresholds``: int32 ``(neurons,)``."""

    thresholds: np.ndarray
    kind: ClassVar[str] = "refractory"
    tables: ClassVar[tuple[str, ...]] = ("thresholds",)
    stateful: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", checked_table(self.thresholds, "thresholds"))

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return no spikes."""
        return np.zeros(shape, np.uint8)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return the spikes, as state and as what leaves."""
        _, spikes = Fire(self.thresholds).step(None, sums)
        spikes = spikes & (1 - state)
        return spikes, spikes

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return ``-T``, as the threshold neuron does."""
        return Fire(self.thresholds).offsets(low, high)

    def unit(self, shape: UnitShape) -> FireUnit:
        """Return the threshold neuron's circuit."""
        if shape.groups * shape.repeats * shape.positions > 1:
            raise UserError("refractory neurons have one group and one position")
        return Fire(self.thresholds).unit(shape)

    def connect(self, m: Module, unit: FireUnit, sums: list[Value]) -> None:
        """Give ``unit`` the signs of those that did not fire before."""
        last = Signal(len(sums))
        m.d.comb += unit.fired.eq(Cat(total >= 0 for total in sums) & ~last)
        with m.If(unit.capture):
            m.d.sync += last.eq(unit.fired)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of the threshold neuron, and a flip-flop and a LUT more each."""
        return Fire(self.thresholds).cost(family, shape) + Cost(luts=shape.lanes, ffs=shape.lanes)
