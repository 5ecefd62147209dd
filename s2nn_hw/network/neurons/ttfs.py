"""Time to first spike: at most one spike a neuron, whose value is when. Golden step first, slots one by one below.

    ``q = clip(floor(((a << F) + v) / theta), 0, T)``     a spike in slot ``T - q``, 0 first; none where ``q = 0``

The same a slot at a time, as neurons of neuromorphic chips have it (:meth:`Ttfs.simulate`):

    input phase    in each slot   ``A <- A + sum of the weights of its spikes``, at its end   ``P <- P + A``
    output phase   ``P <- (P << F) + v - T theta``, then in each slot a spike where ``P >= 0``, after which the neuron
                   stops, else   ``P <- P + theta``:   the threshold falls from ``T theta`` to theta

    a   accumulator, sum of all slots   A   slope       theta   threshold, 1 or more   F   fraction bits
    v   start                           P   potential   T       slots, 2^K - 1         q   value

A spike in slot t of a source of T' slots is added in the T' - t slots that are left, so ``P = a``, and q is a ReLU: the
mapping of Stanojevic and others (arXiv 2306.08744). As T = 2^K - 1, q fills K bits, and circuits can carry it as a
number: the spikes of :class:`~s2nn_hw.network.neurons.quantized.Quantized` of code radix.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Module, Value

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.fire import FireUnit
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.program import Program
from s2nn_hw.network.neurons.quantized import Quantized, check_widths
from s2nn_hw.network.neurons.ramp import Ramp
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.planes import RADIX, Planes

SLOTS = (3, 7, 15, 31)  # 2^K - 1, K from 2 to 5


def slot_planes(slots: Any) -> Planes:
    """Return the K planes of a value of ``slots`` = 2^K - 1; :class:`UserError` where there are no such."""
    if type(slots) is not int or slots not in SLOTS:
        raise UserError(f"slots of ttfs neurons must be one of {', '.join(map(str, SLOTS))}, not {quoted(slots)}")
    return Planes(slots.bit_length(), RADIX)


@dataclass(frozen=True, eq=False)
class Ttfs(Neuron):
    """One spike in ``slots`` slots, or none; tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta, the width of a level; ``starts``: v, half of theta to round. ``number``: the neurons that
    give the same values, as the bits of a number.
    """

    thresholds: np.ndarray
    starts: np.ndarray
    slots: int
    fraction: int = 0
    number: Quantized = field(init=False, repr=False)
    kind: ClassVar[str] = "ttfs"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "starts")
    settings: ClassVar[dict[str, type]] = {"slots": int, "fraction": int}

    def __post_init__(self) -> None:
        checked_tables(self)
        planes = slot_planes(self.slots)
        checked_scale(self.fraction)
        check_widths(self.thresholds, planes.count - 1, self.kind, f"{self.slots} slots")
        number = Quantized(self.thresholds, self.starts, planes.count, planes.code, self.fraction)
        object.__setattr__(self, "number", number)

    @property
    def first_spike_slots(self) -> int:
        """T."""
        return self.slots

    @property
    def ramp(self) -> Ramp:
        """The threshold that falls from T theta to theta."""
        theta = self.thresholds.astype(np.int64)
        return Ramp(self.starts.astype(np.int64) - self.slots * theta, theta, self.slots, self.fraction)

    @property
    def step_count(self) -> int:
        """Bits of a value."""
        return self.number.step_count

    @property
    def planes(self) -> Planes:
        """The bits of the value."""
        return self.number.planes

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the number of the bit and the membranes, int64 ``(batch, positions * neurons)``."""
        return self.number.start(shape)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return state and spikes, uint8, of one bit with ``sums`` (0 but in the first)."""
        return self.number.step(state, sums)

    def simulate(self, arriving: np.ndarray) -> np.ndarray:
        """Return when neurons spike, uint8 ``(batch, positions * neurons)``: slot 0 to T - 1, or T where they don't.

        ``arriving``: int64 ``(slots of the source, batch, positions * neurons)``, the sum of the weights of the spikes
        of each slot. Slot by slot; :meth:`step` has the closed form's integers.
        """
        slope = np.zeros(arriving.shape[1:], np.int64)
        potential = np.zeros_like(slope)
        for sums in arriving:
            slope = slope + sums
            potential = potential + slope
        theta = per_channel(self.thresholds, slope.shape)
        potential = (potential << self.fraction) + per_channel(self.starts, slope.shape) - self.slots * theta
        first = np.full(slope.shape, self.slots, np.uint8)
        for slot in range(self.slots):
            waiting = first == self.slots
            first[waiting & (potential >= 0)] = slot
            potential = np.where(first == self.slots, potential + theta, potential)
        return first

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what accumulators start from: v less the first bit's threshold."""
        return self.number.offsets(low, high)

    def program(self, planes: Planes, low: np.ndarray, high: np.ndarray) -> Program:
        """Return the actions behind the last plane, those of :attr:`number`."""
        return self.number.program(planes, low, high)

    def unit(self, shape: UnitShape) -> FireUnit:
        """Return the circuit that collects the bits."""
        return self.number.unit(shape)

    def connect(self, m: Module, unit: FireUnit, sums: list[Value]) -> None:
        """Give the sign of each of ``sums`` to ``unit``."""
        self.number.connect(m, unit, sums)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of what collects the bits."""
        return self.number.cost(family, shape)
