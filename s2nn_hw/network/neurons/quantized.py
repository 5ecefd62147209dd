"""The quantised activation of two phases, all planes first: golden step first, actions of the circuit below.

    ``m = (a << F) + v``, then in each of P steps   ``s = 1[m >= theta_p]``   ``m <- m - s theta_p``

    radix   ``theta_p = theta 2^(P-1-p)``: the spikes are the bits of ``clip(floor(m / theta), 0, 2^P - 1)``
    steps   ``theta_p = theta``: as many spikes as ``clip(floor(m / theta), 0, P)``, those first

    a   accumulator, sum of all planes      theta   threshold, 1 or more      F   fraction bits
    m   membrane, in units of 2^-F, from v  s       spike                     p   plane, 0 first

The first is the ReLU of a network with P-bit activations, the second the integrate-and-fire neuron that waits for its
input (the clip-floor of Deng and Gu, arXiv 2103.00476, and of QCFS).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.fire import FireUnit, fire_cost, fire_unit, give_signs, reached
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.program import Action, Program
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.planes import RADIX, Planes, given_planes

MAX_LEVEL = 1 << 30


def check_widths(thresholds: np.ndarray, doublings: int, kind: str, what: str) -> None:
    """Raise :class:`UserError` where ``thresholds`` of ``kind`` neurons are below 1, or too large for so many
    ``doublings``, as ``what`` is given wants them."""
    if thresholds.min() < 1:
        where = int(thresholds.argmin())
        raise UserError(f"thresholds of {kind} neurons must be 1 or more, not {thresholds[where]} (channel {where})")
    if int(thresholds.max()) << doublings > MAX_LEVEL:
        where = int(thresholds.argmax())
        raise UserError(
            f"thresholds of {what} must be {MAX_LEVEL >> doublings} or less, not {thresholds[where]} (channel {where})"
        )


@dataclass(frozen=True, eq=False)
class Quantized(Neuron):
    """``steps`` planes of ``code``; tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta, the width of a level; ``starts``: v, half of theta to round.
    """

    thresholds: np.ndarray
    starts: np.ndarray
    steps: int
    code: str = RADIX
    fraction: int = 0
    kind: ClassVar[str] = "quantized"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "starts")
    settings: ClassVar[dict[str, type]] = {"steps": int, "code": str, "fraction": int}

    def __post_init__(self) -> None:
        checked_tables(self)
        given_planes(self.steps, self.code)
        checked_scale(self.fraction)
        check_widths(self.thresholds, self.steps - 1 if self.code == RADIX else 0, self.kind, str(self.planes))

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
        """The bits of the value, or its spikes."""
        return Planes(self.steps, self.code)

    def levels(self) -> list[np.ndarray]:
        """Return the threshold of each plane, int64 ``(neurons,)``."""
        doubled = [self.steps - 1 - p if self.code == RADIX else 0 for p in range(self.steps)]
        return [self.thresholds.astype(np.int64) << n for n in doubled]

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the number of the step and the membranes, int64 ``(batch, positions * neurons)``."""
        return 0, per_channel(self.starts, shape)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return number and membranes, and spikes, uint8, of one step with ``sums`` (0 but in the first)."""
        number, membrane = state
        threshold = per_channel(self.levels()[number], sums.shape)
        membrane = membrane + (sums << self.fraction)
        spikes = membrane >= threshold
        return (number + 1, np.where(spikes, membrane - threshold, membrane)), spikes.view(np.uint8)

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what accumulators start from: v less the first threshold."""
        start = self.starts.astype(np.int64) - self.levels()[0]
        return reached(-start, self.fraction, low, high) if self.steps == 1 else start

    def program(self, planes: Planes, low: np.ndarray, high: np.ndarray) -> Program:
        """Return the actions behind the last plane, one fewer than planes leave.

        From ``m - theta_p`` to ``m' - theta_(p+1)``: with a spike the next threshold goes, without one this one comes
        back.
        """
        start, levels = self.offsets(low, high), self.levels()
        if self.steps == 1:
            return Program(start)
        after = tuple(Action(this - following, -following, emits=True) for this, following in pairwise(levels))
        return Program(start, after=after, shift=self.fraction)

    def unit(self, shape: UnitShape) -> FireUnit:
        """Return the circuit that collects the planes."""
        return fire_unit(shape)

    def connect(self, m: Module, unit: FireUnit, sums: list[Value]) -> None:
        """Give the sign of each of ``sums`` to ``unit``."""
        give_signs(m, unit, sums)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of what collects the planes."""
        return fire_cost(family, shape)
