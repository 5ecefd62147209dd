"""The readout of the largest membrane over time: ``m <- L(m) + z``; ``y`` = the largest m of all ticks.

``z = (a << F) + B``   ``L(m) = m - (m >> k)``, or m without leak

a   accumulator, of one tick      B   bias of a tick      k   leak      F   fraction bits
m   membrane, 0 at a sequence's start, in units of 2^-F       y   score; the 0 before the first tick is none

A circuit has a register more a class, and compares once a tick.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.network.neurons.integrator_readout import IntegratorReadout
from s2nn_hw.network.neurons.lanes import Lanes, Register
from s2nn_hw.network.neurons.neuron import Bounds, Neuron


@dataclass(frozen=True, eq=False)
class MaxReadout(Neuron):
    """Largest membranes; ``bias``: int32 ``(classes,)``, of each tick, in units of ``2^-fraction`` of the one scale
    that all classes share. ``leak``: k, 0 for none."""

    bias: np.ndarray
    leak: int
    fraction: int = 0
    kind: ClassVar[str] = "max_readout"
    tables: ClassVar[tuple[str, ...]] = ("bias",)
    settings: ClassVar[dict[str, type]] = {"leak": int, "fraction": int}
    fires: ClassVar[bool] = False
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("m", "most")
    actions: ClassVar[int] = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", self._membrane.bias)

    @property
    def _membrane(self) -> IntegratorReadout:
        """The readout of the membranes themselves."""
        return IntegratorReadout(self.bias, self.leak, self.fraction)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return m, 0, and what is below every membrane, int64 ``(batch, classes)`` each."""
        return *self._membrane.start(shape), np.full(shape, np.iinfo(np.int64).min)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return m and the largest so far, the latter also as scores, int64 ``(batch, classes)``, of one tick."""
        (membrane,), _ = self._membrane.step(state[:1], sums)
        most = np.maximum(state[1], membrane)
        return (membrane, most), most

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of m, which is that of the largest."""
        bounds = self._membrane.state_bounds(low, high, ticks)
        return {"m": bounds["m"], "most": bounds["m"]}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return m and the largest."""
        return dict.fromkeys(self.states, self._membrane.registers(low, high, ticks)["m"])

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the largest membranes, of the first tick those themselves."""
        *acts, compare = lanes.acts
        self._membrane.circuit(m, replace(lanes, acts=acts))
        for membrane, most in zip(*lanes.registers.values(), strict=True):
            with m.If(compare & (lanes.first | (membrane > most))):
                m.d.sync += most.eq(membrane)
        return [*lanes.registers["most"]]
