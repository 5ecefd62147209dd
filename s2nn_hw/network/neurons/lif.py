"""The integrate-and-fire neuron whose membrane lasts for a sequence, leaky or not; recurrent where it reads itself.

    ``m <- L(m) + (a << F) + b``   ``s = 1[m >= theta]``   ``m <- m - s R`` (soft)  or  ``m <- R where s`` (hard)

    L   ``m - (m >> k)``, or m without leak      a   accumulator, of one tick      F   fraction bits      k   leak
    m   membrane, in units of 2^-F, 0 at a sequence's start      b   bias      theta   threshold      R   reset
    s   spike

The equation of :class:`~s2nn_hw.network.neurons.integrate.Integrate`, whose steps are a frame's own; as there, theta,
and R where it is subtracted, are multiples of 2^k, so that a circuit can keep ``m - theta``, whose sign is the spike.
It starts a sequence from -theta then. One adder: leak, spikes, bias and reset, ``spikes + 2`` additions a tick.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Module, Signal, Value

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.neurons.integrate import RESETS
from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.leaks import MOST_LEAK, exact, gathered, leaked, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.tables import check_multiples, checked_scale, checked_tables, per_channel
from s2nn_hw.network.synapse import check_integer


@dataclass(frozen=True, eq=False)
class Lif(Neuron):
    """A spike a tick at most; all tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta; ``resets``: R, 0 or more and subtracted (``reset`` soft), or what the membrane is set to
    (hard); ``biases``: added in every tick. ``leak``: k, 0 for none.
    """

    thresholds: np.ndarray
    resets: np.ndarray
    biases: np.ndarray
    leak: int = 0
    fraction: int = 0
    reset: str = "soft"
    kind: ClassVar[str] = "lif"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "resets", "biases")
    settings: ClassVar[dict[str, type]] = {"leak": int, "fraction": int, "reset": str}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("m",)
    actions: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("leak", self.leak, 0, MOST_LEAK)
        checked_scale(self.fraction)
        if self.reset not in RESETS:
            raise UserError(f"reset must be {' or '.join(RESETS)}, not {quoted(self.reset)}")
        check_multiples(self, ("thresholds", "resets") if self.soft else ("thresholds",), self.leak)
        if self.soft and self.resets.min() < 0:
            where = int(self.resets.argmin())
            raise UserError(f"resets that are subtracted must be 0 or more, not {self.resets[where]} (channel {where})")

    @property
    def soft(self) -> bool:
        """Whether the reset is subtracted."""
        return self.reset == "soft"

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return m, 0, int64 ``(batch, neurons)``."""
        return (np.zeros(shape, np.int64),)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return m, and spikes, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that shape."""
        membrane = leaked(state[0], self.leak) + (sums << self.fraction) + per_channel(self.biases, sums.shape)
        spikes = membrane >= per_channel(self.thresholds, sums.shape)
        resets = per_channel(self.resets, sums.shape)
        return (np.where(spikes, membrane - resets if self.soft else resets, membrane),), spikes.view(np.uint8)

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of m, before the reset and behind it.

        m lies between ``base + T z`` of both ends of z, T ticks or the 2^k that a leak forgets in; base is what a reset
        leaves, ``theta - R`` at least or R. Where no tick adds more than a reset takes, m rests below theta.
        """
        theta, resets = exact(self.thresholds), exact(self.resets)
        added = scaled(low, high, self.fraction, self.biases)
        least, most = gathered(*added, ticks, self.leak)
        left = theta - resets if self.soft else resets
        most = most if self.soft else most + np.maximum(resets, 0)
        settles = added[1] <= resets if self.soft else resets < theta
        rests = np.where(settles, np.minimum(most, np.maximum(theta - 1, 0)), most)
        adding = np.minimum(most, leaked(rests, self.leak) + added[1])
        return {"m": (np.minimum(left, 0) + least, np.maximum(rests, adding))}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return m less theta."""
        theta, (least, most) = exact(self.thresholds), self.state_bounds(low, high, ticks)["m"]
        if not self.soft:
            least, most = np.minimum(least, exact(self.resets)), np.maximum(most, exact(self.resets))
        return {"m": Register.holding(least - theta, most - theta, -theta)}

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the spikes. A leak takes ``m - theta >> k``, and then the rest: b, and theta's own part."""
        constant, reset = lanes.acts
        wide = {name: getattr(self, name).astype(np.int64) for name in self.tables}
        rest = wide["biases"] - (wide["thresholds"] >> self.leak if self.leak else 0)
        leaves = -wide["resets"] if self.soft else wide["resets"] - wide["thresholds"]
        begin: Value = lanes.begin if self.leak else C(0, 1)
        spikes = []
        for lane, (membrane,) in enumerate(zip(*lanes.registers.values(), strict=True)):
            spike, now = Signal(name=f"spike{lane}"), reset & ~membrane[-1]
            cases = (constant, lanes.constants(rest, lane)), (now, lanes.constants(leaves, lane))
            addend = chosen(*cases, (begin, ~(membrane >> self.leak)), (~(begin | constant | now), lanes.terms[lane]))
            m.d.sync += membrane.eq(added(m, membrane if self.soft else gated(membrane, ~now), addend, begin))
            with m.If(reset):
                m.d.sync += spike.eq(~membrane[-1])
            spikes.append(spike)
        return spikes
