"""The adaptive spiking neuron of a low-pass recurrent network, with four states, as its authors have it.

    ``u <- u - (u >> k) + (a << F)``                        the current, low-passed
    ``p <- max(p - (p >> k) + (u >> k) + b, 0)``            what a ReLU lets through, low-passed again
    ``v <- v - (v >> k) + p - f``   ``s = 1[v > 0]``   ``v <- 0 where s``       the difference to what spikes said
    ``f <- f - (f >> k) + ((G << F) where s)``              what spikes said: their low pass

    a   accumulator, spikes of the layer before and, of its own, those of the tick before      s   spike
    k   leak      F   fraction bits      b   bias, each tick, in units of 2^-F      G   gain, the step of f, in weights

Each line takes the states as the line before left them, f that of the tick before. Source: arXiv 2407.13534
(sigma-delta low-pass RNN), with integers. All states are 0 at a sequence's start. One adder does it in ``spikes + 9``
additions a tick; four registers a lane. :class:`~s2nn_hw.network.neurons.sigma_delta.SigmaDelta` does the same with
two.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Module, Signal, Value, signed

from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated, leak
from s2nn_hw.network.neurons.leaks import MOST_LEAK, exact, gathered, hull, leaked, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.sigma_delta import MAX_GAIN
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel
from s2nn_hw.network.synapse import check_integer


@dataclass(frozen=True, eq=False)
class Adaptive(Neuron):
    """A spike a tick at most; ``biases``: int32 ``(neurons,)``, b in units of ``2^-fraction`` weights.

    ``leak``: k, 1 to 8; ``gain``: G, in weights.
    """

    biases: np.ndarray
    leak: int
    gain: int
    fraction: int = 0
    kind: ClassVar[str] = "adaptive"
    tables: ClassVar[tuple[str, ...]] = ("biases",)
    settings: ClassVar[dict[str, type]] = {"leak": int, "gain": int, "fraction": int}
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("u", "p", "v", "f")
    actions: ClassVar[int] = 5

    def __post_init__(self) -> None:
        checked_tables(self)
        check_integer("leak", self.leak, 1, MOST_LEAK)
        check_integer("gain", self.gain, 1, MAX_GAIN)
        checked_scale(self.fraction)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return u, p, v and f, 0, int64 ``(batch, neurons)`` each."""
        return tuple(np.zeros(shape, np.int64) for _ in self.states)

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return u, p, v and f, and spikes, uint8 ``(batch, neurons)``, of one tick with int64 ``sums`` of that
        shape."""
        current, passed, error, said = (leaked(value, self.leak) for value in state)
        current = current + (sums << self.fraction)
        passed = np.maximum(passed + (current >> self.leak) + per_channel(self.biases, sums.shape), 0)
        error = error + passed - state[3]
        spikes = error > 0
        said = said + spikes * (int(self.gain) << self.fraction)
        return (current, passed, np.where(spikes, 0, error), said), spikes.view(np.uint8)

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of u; of p before what is negative goes; of v, which is 0 at most behind a spike; of f."""
        current = gathered(*scaled(low, high, self.fraction), ticks, self.leak)
        bias, none = exact(self.biases), 0 * exact(self.biases)
        least, most = (side >> self.leak for side in current)
        least, most = np.minimum(least, np.minimum(least + bias, 0)), np.maximum(most, np.maximum(most + bias, 0))
        passed = least, gathered(none, most, ticks, self.leak)[1]
        said = gathered(none, none + (int(self.gain) << self.fraction), ticks, self.leak)
        error = gathered(-said[1], none, ticks, self.leak)
        return {"u": current, "p": passed, "v": hull(error, (none, passed[1])), "f": said}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return u, p, v and f, as they are."""
        bounds, none = self.state_bounds(low, high, ticks), 0 * exact(self.biases)
        return {name: Register.holding(*ends, none) for name, ends in bounds.items()}

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the spikes; u, p and v leak at once, f when v has taken it."""
        current, bias, error, said, reset = lanes.acts
        gain = int(self.gain) << self.fraction
        spikes = []
        for lane, (u, p, v, f) in enumerate(zip(*lanes.registers.values(), strict=True)):
            leak(m, u, self.leak, lanes.begin, lanes.terms[lane])
            passed = gated(p, ~p[-1])
            held = gated(p, ~(error & p[-1]))
            addend = chosen(
                (lanes.begin, ~(p >> self.leak)), (current, u >> self.leak), (bias, lanes.constants(self.biases, lane))
            )
            m.d.sync += p.eq(added(m, held, addend, lanes.begin))
            spike = Signal(name=f"spike{lane}")
            now = ~v[-1] & v.any()
            addend = chosen((lanes.begin, ~(v >> self.leak)), (error, passed), (said, ~f))
            m.d.sync += v.eq(added(m, gated(v, ~(reset & now)), addend, lanes.begin | said))
            spoken = gated(C(gain, signed(gain.bit_length() + 1)), now)
            m.d.sync += f.eq(added(m, f, chosen((said, ~(f >> self.leak)), (reset, spoken)), said))
            with m.If(reset):
                m.d.sync += spike.eq(now)
            spikes.append(spike)
        return spikes
