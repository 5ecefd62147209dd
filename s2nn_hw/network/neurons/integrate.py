"""The integrate-and-fire neuron, leaky or not: golden step first, actions of the circuit below.

    ``m <- L(m) + z``   ``s = 1[m >= theta]``   ``m <- m - s R`` (soft)  or  ``m <- R where s`` (hard)

    L   ``m - (m >> k)``, or m without leak      z   ``(a << F) + b``, the same in every step behind a number
    a   accumulator, sum of one step      k   leak      F   fraction bits      b   bias of a step
    m   membrane, in units of 2^-F, v before the first step      theta   threshold      R   reset      s   spike

The order within a step is fixed: leak, integrate, compare, reset. The circuit keeps ``m - theta``: its sign is the
spike. theta, and R where it is subtracted, are multiples of 2^k, which makes ``L(m) - theta`` a shift of it and a
constant, ``(m - theta) - ((m - theta) >> k) - (theta >> k)``, and lets the reset come after the leak.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.fire import FireUnit, fire_cost, fire_unit, give_signs, reached
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.program import Action, Program, idle
from s2nn_hw.network.neurons.tables import check_multiples, checked_scale, checked_tables, per_channel
from s2nn_hw.network.planes import MAX_STEPS, STEPS, Planes
from s2nn_hw.network.synapse import check_integer

MAX_LEAK = 8
RESETS = ("soft", "hard")


@dataclass(frozen=True, eq=False)
class Integrate(Neuron):
    """``steps`` steps of a frame; all tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta; ``resets``: R, subtracted (``reset`` soft) or what the membrane is set to (hard);
    ``biases``: added in every step; ``starts``: of the membrane. ``leak``: k, 0 for none.
    """

    thresholds: np.ndarray
    resets: np.ndarray
    biases: np.ndarray
    starts: np.ndarray
    steps: int
    leak: int = 0
    fraction: int = 0
    reset: str = "soft"
    kind: ClassVar[str] = "integrate"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "resets", "biases", "starts")
    settings: ClassVar[dict[str, type]] = {"steps": int, "leak": int, "fraction": int, "reset": str}
    two_phase: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("steps", self.steps, 1, MAX_STEPS)
        check_integer("leak", self.leak, 0, MAX_LEAK)
        checked_scale(self.fraction)
        if self.reset not in RESETS:
            raise UserError(f"reset must be {' or '.join(RESETS)}, not {quoted(self.reset)}")
        check_multiples(self, ("thresholds", "resets") if self.reset == "soft" else ("thresholds",), self.leak)

    @property
    def plain(self) -> bool:
        """Whether it is the threshold neuron."""
        return self.steps == 1

    @property
    def step_count(self) -> int:
        """Steps of a frame."""
        return self.steps

    @property
    def planes(self) -> Planes:
        """A spike a step."""
        return Planes(self.steps, STEPS)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the membranes before the first step, int64 ``(batch, positions * neurons)``."""
        return per_channel(self.starts, shape)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return membranes and spikes, uint8, of one step with int64 ``sums`` ``(batch, positions * neurons)``."""
        membrane = self._leaked(state) + (sums << self.fraction) + per_channel(self.biases, sums.shape)
        spikes = membrane >= per_channel(self.thresholds, sums.shape)
        resets = per_channel(self.resets, sums.shape)
        after = resets if self.reset == "hard" else membrane - resets
        return np.where(spikes, after, membrane), spikes.view(np.uint8)

    def _leaked(self, membrane: np.ndarray) -> np.ndarray:
        """Return ``L(m)``."""
        return membrane - (membrane >> self.leak) if self.leak else membrane

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what accumulators start from where they see the sums of step 1: ``L(v) + b - theta``."""
        wide = {name: getattr(self, name).astype(np.int64) for name in self.tables}
        start = self._leaked(wide["starts"]) + wide["biases"] - wide["thresholds"]
        return reached(-start, self.fraction, low, high) if self.steps == 1 else start

    def program(self, planes: Planes, low: np.ndarray, high: np.ndarray) -> Program:
        """Return the actions between two steps: one, two with leak; behind a number, whose sum is held, one more."""
        start = self.offsets(low, high)
        if self.steps == 1:
            return Program(start)
        theta, bias = self.thresholds.astype(np.int64), self.biases.astype(np.int64)
        every = bias - (theta >> self.leak if self.leak else 0)
        again = self._leaked(self.resets.astype(np.int64)) + bias - theta  # of a hard reset
        if not planes.radix:
            return Program(start, between=self._after(every, again), shift=self.fraction)
        # what is held is the number's sum and the start value, so that is taken off again in each step
        first, further = (self._after(every - start, again - start, holds=holds) for holds in (True, False))
        onward = idle(self.size, adds_held=True)
        after = (*first, onward, *(*further, onward) * (self.steps - 2))
        return Program(start, after=after, shift=self.fraction)

    def _after(self, every: np.ndarray, again: np.ndarray, *, holds: bool = False) -> tuple[Action, ...]:
        """Return the actions that reset, leak and add ``every``; ``again``: what a hard reset makes of accumulators;
        the first of them ``holds`` the accumulator."""
        quiet, drop = every + (1 if self.leak else 0), self._leaked(self.resets.astype(np.int64))
        hard = self.reset == "hard"
        spike = again if hard else quiet - drop
        if not self.leak:
            return (Action(quiet, spike, emits=True, restarts=hard, holds=holds),)
        leak = Action(quiet, quiet, emits=True, leak=self.leak, holds=holds)
        return leak, Action(quiet, spike, restarts=hard, late=True)

    def unit(self, shape: UnitShape) -> FireUnit:
        """Return the circuit that collects the spikes of all steps."""
        return fire_unit(shape)

    def connect(self, m: Module, unit: FireUnit, sums: list[Value]) -> None:
        """Give the sign of each of ``sums`` to ``unit``."""
        give_signs(m, unit, sums)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of what collects the spikes."""
        return fire_cost(family, shape)
