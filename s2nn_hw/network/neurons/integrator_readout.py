"""The readout that integrates over a sequence, leaky or not: ``m <- L(m) + z``; ``y`` = the m of the last tick.

``z = (a << F) + B``   ``L(m) = m - (m >> k)``, or m without leak: then ``y`` is the sum over the sequence

a   accumulator, of one tick      B   bias of a tick      k   leak      F   fraction bits
m   membrane, 0 at a sequence's start, in units of 2^-F       y   score
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen
from s2nn_hw.network.neurons.leaks import MOST_LEAK, gathered, leaked, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.synapse import check_integer


@dataclass(frozen=True, eq=False)
class IntegratorReadout(Neuron):
    """Scores over all ticks, with a leak the later the more they count; ``bias``: int32 ``(classes,)``, of each tick,
    in units of ``2^-fraction`` of the one scale that all classes share. ``leak``: k, 0 for none."""

    bias: np.ndarray
    leak: int
    fraction: int = 0
    kind: ClassVar[str] = "integrator_readout"
    tables: ClassVar[tuple[str, ...]] = ("bias",)
    settings: ClassVar[dict[str, type]] = {"leak": int, "fraction": int}
    fires: ClassVar[bool] = False
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("m",)
    actions: ClassVar[int] = 1

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("leak", self.leak, 0, MOST_LEAK)
        checked_scale(self.fraction)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return m, 0, int64 ``(batch, classes)``."""
        return (np.zeros(shape, np.int64),)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return m, also as scores, int64 ``(batch, classes)``, of one tick."""
        membrane = leaked(state[0], self.leak) + (sums << self.fraction) + per_channel(self.bias, sums.shape)
        return (membrane,), membrane

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of m."""
        return {"m": gathered(*scaled(low, high, self.fraction, self.bias), ticks, self.leak)}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return m."""
        return {"m": Register.holding(*self.state_bounds(low, high, ticks)["m"], 0 * self.bias)}

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the membranes: a leak before the spikes, the bias behind them."""
        (bias,) = lanes.acts
        for lane, membrane in enumerate(lanes.registers["m"]):
            cases = [(bias, lanes.constants(self.bias, lane)), (~(lanes.begin | bias), lanes.terms[lane])]
            if self.leak:
                cases.append((lanes.begin, ~(membrane >> self.leak)))
            m.d.sync += membrane.eq(added(m, membrane, chosen(*cases), lanes.begin if self.leak else 0))
        return [*lanes.registers["m"]]
