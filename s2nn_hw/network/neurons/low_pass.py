"""The graded low-pass neuron: a number of 8 bits follows a clamped sum, and leaves as K bits; no ticks are needed.

    ``y = clip(((a << F) + b) >> r, 0, 255)``   ``h <- h + ((y - h) >> k)``   out: ``h >> (8 - K)``   (>> floors)

    a   accumulator, numbers of the layer before and, of its own, those of the tick before      F   fraction bits
    b   bias, in units of 2^-F weights      r   shift of the sum: what 1 of y is      k   leak, 0: none, h = y
    h   state, 0 .. 255, 0 at a sequence's start      K   bits that leave, most significant first

The recurrent network of arXiv 2407.13534 without spikes, ``h <- alpha h + (1 - alpha) clamp(W x + U h + b)`` with alpha
= 1 - 2^-k. One adder: sums, bias, ``y - h``, and its shift to h; 8 bits of state a lane.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Value

from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.leaks import exact, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.planes import RADIX, Planes
from s2nn_hw.network.synapse import check_integer

STATE_BITS = 8
FULL = (1 << STATE_BITS) - 1
MAX_SHIFT = 16
MAX_LEAK = 6  # from 8 on, h would never rise


@dataclass(frozen=True, eq=False)
class LowPass(Neuron):
    """Numbers of ``bits`` bits; ``biases``: int32 ``(neurons,)``, b in units of ``2^-fraction`` weights.

    ``leak``: k, 0 to 6; ``shift``: r, 0 to 16.
    """

    biases: np.ndarray
    bits: int
    leak: int
    shift: int = 0
    fraction: int = 0
    kind: ClassVar[str] = "low_pass"
    tables: ClassVar[tuple[str, ...]] = ("biases",)
    settings: ClassVar[dict[str, type]] = {"bits": int, "leak": int, "shift": int, "fraction": int}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("h",)
    actions: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("bits", self.bits, 1, STATE_BITS)
        check_integer("leak", self.leak, 0, MAX_LEAK)
        check_integer("shift", self.shift, 0, MAX_SHIFT)
        checked_scale(self.fraction)

    @property
    def planes(self) -> Planes:
        """The upper bits of h."""
        return Planes(self.bits, RADIX)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return h, 0, int64 ``(batch, neurons)``."""
        return (np.zeros(shape, np.int64),)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return h, and its upper bits, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that shape."""
        wanted = np.clip(((sums << self.fraction) + per_channel(self.biases, sums.shape)) >> self.shift, 0, FULL)
        held = state[0] + ((wanted - state[0]) >> self.leak)
        return (held,), (held >> (STATE_BITS - self.bits)).astype(np.uint8)

    def frame(self, state: Any, sums: list[np.ndarray]) -> tuple[Any, np.ndarray]:
        """Return h after a tick, and what leaves: a number at once, not a spike a step."""
        return self.step(state, sums[0])

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of h, and of the accumulator."""
        none = 0 * exact(self.biases)
        return {"h": (none, none + FULL), "a": scaled(low, high, self.fraction, self.biases)}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return h, and the accumulator, in which y - h stands in the end."""
        bounds, none = self.state_bounds(low, high, ticks), 0 * exact(self.biases)
        least, most = bounds["a"]
        return {
            "h": Register.holding(none, none + FULL, none),
            "a": Register.holding(np.minimum(least, -FULL), np.maximum(most, FULL), none),
        }

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the upper bits of h."""
        clip, follow = lanes.acts
        left = []
        for lane, (h, a) in enumerate(zip(*lanes.registers.values(), strict=True)):
            shifted = a >> self.shift
            over = shifted[STATE_BITS:-1].any() if len(shifted) > STATE_BITS + 1 else C(0, 1)
            byte = Cat(shifted[min(k, len(shifted) - 1)] for k in range(STATE_BITS))
            wanted = Cat((Cat(bit | over for bit in byte) & ~a[-1].replicate(STATE_BITS)), C(0, 1)).as_signed()
            bias = lanes.constants(self.biases, lane)
            kept = Mux(clip, wanted, gated(a, ~lanes.begin)).as_signed()
            addend = chosen((lanes.begin, bias), (clip, ~h), (~(lanes.begin | clip), lanes.terms[lane]))
            m.d.sync += a.eq(added(m, kept, addend, clip))
            with m.If(follow):
                m.d.sync += h.eq(added(m, h, a >> self.leak))
            left.append(h[STATE_BITS - self.bits : STATE_BITS])
        return left
