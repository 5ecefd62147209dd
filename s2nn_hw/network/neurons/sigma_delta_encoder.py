"""The input of a sigma-delta network: a first-order modulator, numbers into spikes at a rate.

    ``d <- clip((a << F) + b, 0, theta)``   ``v <- v + d``   ``s = 1[v >= theta]``   ``v <- v - s theta``

    a   accumulator, the same in all ticks of a frame      F   fraction bits      b   bias      theta   threshold
    d   drive, in units of 2^-F      v   integral, 0 at a sequence's start      s   spike, at the rate d / theta

Source: the input layer of arXiv 2407.13534, with integers. A lane keeps d for a frame and v for a sequence, and adds
once a tick; ``v - theta`` in place of v makes the spike its sign.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Module, Mux, Signal, Value

from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.leaks import exact, hull, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.quantized import check_widths
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel


@dataclass(frozen=True, eq=False)
class SigmaDeltaEncoder(Neuron):
    """A spike a tick at most; tables int32 ``(neurons,)``, in units of ``2^-fraction`` weights.

    ``thresholds``: theta, 1 or more, the drive of a spike in every tick; ``biases``: b.
    """

    thresholds: np.ndarray
    biases: np.ndarray
    fraction: int = 0
    kind: ClassVar[str] = "sigma_delta_encoder"
    tables: ClassVar[tuple[str, ...]] = ("thresholds", "biases")
    settings: ClassVar[dict[str, type]] = {"fraction": int}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("d", "v")
    actions: ClassVar[int] = 3
    holds_sums: ClassVar[bool] = True

    def __post_init__(self) -> None:
        checked_tables(self)
        checked_scale(self.fraction)
        check_widths(self.thresholds, 0, self.kind, self.kind)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return d and v, 0, int64 ``(batch, neurons)`` each."""
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return d and v, and spikes, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that shape."""
        theta = per_channel(self.thresholds, sums.shape)
        drive = np.clip((sums << self.fraction) + per_channel(self.biases, sums.shape), 0, theta)
        integral = state[1] + drive
        spikes = integral >= theta
        return (drive, np.where(spikes, integral - theta, integral)), spikes.view(np.uint8)

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of d, from its accumulator on, and of v: 0 to ``2 theta - 1`` before the spike is taken."""
        theta = exact(self.thresholds)
        return {
            "d": hull(scaled(low, high, self.fraction, self.biases), (0 * theta, theta)),
            "v": (0 * theta, 2 * theta - 1),
        }

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return d, less theta as long as it is summed, and v less theta."""
        theta = exact(self.thresholds)
        least, most = self.state_bounds(low, high, ticks)["d"]
        none = 0 * theta
        return {
            "d": Register.holding(least - theta, np.maximum(most - theta, theta), none),
            "v": Register.holding(-theta, theta - 1, -theta),
        }

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the spikes; d is summed in a frame's first tick alone."""
        clip, integrate, reset = lanes.acts
        spikes = []
        for lane, (d, v) in enumerate(zip(*lanes.registers.values(), strict=True)):
            theta = lanes.constants(self.thresholds, lane)
            begin = lanes.constants(self.biases.astype(np.int64) - self.thresholds, lane)
            fresh = lanes.fresh & lanes.begin
            full = lanes.fresh & clip  # d is less theta: above 0 it is too much
            kept = gated(d, ~(fresh | (full & ~d[-1]) | (integrate & d[-1])))
            m.d.sync += d.eq(added(m, kept, chosen((fresh, begin), (full, theta), (~lanes.begin, lanes.terms[lane]))))
            spike = Signal(name=f"spike{lane}")
            taken = gated(Mux(v[-1], C(0, 1), -theta).as_signed(), reset)
            m.d.sync += v.eq(added(m, v, chosen((integrate & ~d[-1], d), (~integrate, taken))))
            with m.If(reset):
                m.d.sync += spike.eq(~v[-1])
            spikes.append(spike)
        return spikes
