"""The sigma-delta neuron of a low-pass recurrent network, two states: spikes at the rate of a clamped, smoothed sum.

    ``u <- u - (u >> k) + (a << F)``
    ``v <- clip(v + (u >> k) + b, 0, 2 theta - 1)``   ``s = 1[v >= theta]``   ``v <- v - s theta``   ``theta = G << F``

    a   accumulator, spikes of the layer before and, of its own, those of the tick before      k   leak
    u   current, low-passed, in units of 2^-F      v   integral of the rate, same unit      b   bias, each tick
    G   gain: the current in weights at which every tick has a spike      F   fraction bits      s   spike

It stands for ``h <- alpha h + (1 - alpha) clamp(W x + U h + b, 0, G)`` of arXiv 2407.13534, alpha = (1 - 2^-k)^n with n
ticks a frame, where a rate of 1 is the clamp. Both states are 0 at a sequence's start.

One adder does it in ``spikes + 4`` additions a tick: the leak of u, its spikes, ``u >> k`` to v, b to v with both ends
of the clip, and the reset.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Module, Mux, Signal, Value, signed

from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated, leak
from s2nn_hw.network.neurons.leaks import MOST_LEAK, exact, gathered, hull, leaked, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.synapse import check_integer

MAX_GAIN = 1 << 16


@dataclass(frozen=True, eq=False)
class SigmaDelta(Neuron):
    """A spike a tick at most; ``biases``: int32 ``(neurons,)``, b in units of ``2^-fraction`` weights.

    ``leak``: k, 1 to 8; ``gain``: G, in weights.
    """

    biases: np.ndarray
    leak: int
    gain: int
    fraction: int = 0
    kind: ClassVar[str] = "sigma_delta"
    tables: ClassVar[tuple[str, ...]] = ("biases",)
    settings: ClassVar[dict[str, type]] = {"leak": int, "gain": int, "fraction": int}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("u", "v")
    actions: ClassVar[int] = 3

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("leak", self.leak, 1, MOST_LEAK)
        check_integer("gain", self.gain, 1, MAX_GAIN)
        checked_scale(self.fraction)

    @property
    def threshold(self) -> int:
        """theta."""
        return int(self.gain) << self.fraction

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return u and v, 0, int64 ``(batch, neurons)`` each."""
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return u and v, and spikes, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that shape."""
        current = leaked(state[0], self.leak) + (sums << self.fraction)
        rate = state[1] + (current >> self.leak) + per_channel(self.biases, sums.shape)
        integral = np.clip(rate, 0, 2 * self.threshold - 1)
        spikes = integral >= self.threshold
        return (current, integral - spikes * self.threshold), spikes.view(np.uint8)

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of u, and of v before it is clipped."""
        least, most = current = gathered(*scaled(low, high, self.fraction), ticks, self.leak)
        bias = exact(self.biases)
        added = hull((least >> self.leak, most >> self.leak), ((least >> self.leak) + bias, (most >> self.leak) + bias))
        kept = 0 * bias, 0 * bias + self.threshold - 1
        return {"u": current, "v": hull(kept, (kept[0] + added[0], kept[1] + added[1]))}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return u, and v less theta."""
        bounds, theta, none = self.state_bounds(low, high, ticks), self.threshold, 0 * exact(self.biases)
        (least, most), integral = bounds["u"], bounds["v"]
        return {
            "u": Register.holding(least, most, none),
            "v": Register.holding(integral[0] - theta, integral[1], none - theta),
        }

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the spikes; b is added to v while spikes are added to u."""
        theta = C(self.threshold, signed(self.threshold.bit_length() + 1))
        less = C(-self.threshold, signed(self.threshold.bit_length() + 1))
        current, reset, clip = lanes.acts
        spikes = []
        for lane, (u, v) in enumerate(zip(*lanes.registers.values(), strict=True)):
            leak(m, u, self.leak, lanes.begin, lanes.terms[lane])
            spike = Signal(name=f"spike{lane}")
            # less theta or, to see whether v is below 0, without the one that is taken off in this register
            turned = Mux(v[-1], theta, less).as_signed()
            kept = gated(v, ~(clip & (spike ^ v[-1])))
            last = Mux(spike, gated(C(-1, signed(2)), ~v[-1]), less).as_signed()
            addend = chosen(
                (lanes.begin, lanes.constants(self.biases, lane)),
                (current, u >> self.leak),
                (reset, turned),
                (clip, last),
            )
            m.d.sync += v.eq(added(m, kept, addend))
            with m.If(reset):
                m.d.sync += spike.eq(~v[-1])
            spikes.append(spike)
        return spikes
