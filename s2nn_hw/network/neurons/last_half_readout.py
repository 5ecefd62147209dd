"""The readout of a sequence's last half: ``y = sum over t = floor(T / 2) + 1 .. T of z(t)``, ``z = (a << F) + B``.

a   accumulator, of one tick      B   bias of a tick      F   fraction bits      T   ticks of the sequence
t   tick, from 1      y   score: ``ceil(T / 2)`` ticks are in it, of an odd T the middle one too

T is known at the end alone, so the sum of the last half of the ticks so far is kept: in every tick z is added, in every
second one the oldest z goes. A circuit keeps them in a queue of ``ceil(T / 2)`` words at most, all classes a word, and
has one more addition in every second tick. Every tick's bias is in the scores: so sequences of all lengths have the
classes of the mean.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory

from s2nn_hw.network.neurons.lanes import APART, Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.leaks import gathered, scaled
from s2nn_hw.network.neurons.neuron import Bounds, Neuron
from s2nn_hw.network.neurons.tables import checked_scale, checked_tables, per_channel


@dataclass(frozen=True, eq=False)
class LastHalfReadout(Neuron):
    """Sums over the last half of the ticks; ``bias``: int32 ``(classes,)``, of each tick, in units of ``2^-fraction``
    of the one scale that all classes share."""

    bias: np.ndarray
    fraction: int = 0
    kind: ClassVar[str] = "last_half_readout"
    tables: ClassVar[tuple[str, ...]] = ("bias",)
    settings: ClassVar[dict[str, type]] = {"fraction": int}
    fires: ClassVar[bool] = False
    stateful: ClassVar[bool] = True
    states: ClassVar[tuple[str, ...]] = ("y",)
    actions: ClassVar[int] = 2

    def __post_init__(self) -> None:
        checked_tables(self)
        checked_scale(self.fraction)

    def start(self, shape: tuple[int, ...]) -> Any:
        """Return the sums, 0, int64 ``(batch, classes)``, the number of ticks, and the z of those summed, oldest
        first."""
        return np.zeros(shape, np.int64), 0, deque[np.ndarray]()

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return the state, and the sums as scores, int64 ``(batch, classes)``, behind one tick more."""
        total, ticks, queue = state
        now = (sums << self.fraction) + per_channel(self.bias, sums.shape)
        queue.append(now)
        total = total + now
        if ticks % 2:  # of the sequences that are over the queue still has rows, behind these
            total = total - queue.popleft()[: len(sums)]
        return (total, ticks + 1, queue), total

    def state_bounds(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Bounds]:
        """Return the range of the sum, before the oldest is taken off."""
        return {"y": gathered(*scaled(low, high, self.fraction, self.bias), ticks // 2 + 1, 0)}

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return the sum, and the z of a tick."""
        sums, one = self.state_bounds(low, high, ticks)["y"], self.state_bounds(low, high, 0)["y"]
        return {"y": Register.holding(*sums, 0 * self.bias), "z": Register.holding(*one, 0 * self.bias)}

    def memories(
        self, registers: dict[str, Register], lanes: int, groups: int, ticks: int
    ) -> tuple[tuple[int, int], ...]:
        """Return (words, bits) of the queue of all that is in the sum of the longest sequence."""
        return ((groups * (ticks // 2 + 1), lanes * registers["z"].width),)

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the sums. In a tick's first action z is added and queued, in its second the oldest goes."""
        add, drop = lanes.acts
        count = lanes.memories[0][0]
        m.submodules.queue = queue = memory.Memory(shape=lanes.memories[0][1], depth=count, init=[], attrs=APART)
        write, read = queue.write_port(), queue.read_port()
        newest, oldest, odd = Signal(range(count)), Signal(range(count)), Signal()
        drops, begins = drop & odd, lanes.begin & (lanes.group == 0)
        m.d.comb += [write.addr.eq(newest), write.en.eq(add), read.addr.eq(oldest)]
        m.d.comb += write.data.eq(Cat(lanes.registers["z"]))
        with m.If(add):
            m.d.sync += newest.eq(Mux(newest == count - 1, 0, newest + 1))
        with m.If(drops):
            m.d.sync += oldest.eq(Mux(oldest == count - 1, 0, oldest + 1))
        with m.If(begins):
            m.d.sync += [odd.eq(~lanes.first & ~odd), oldest.eq(Mux(lanes.first, newest, oldest))]
        for lane, (y, z) in enumerate(zip(*lanes.registers.values(), strict=True)):
            old = read.data[lane * len(z) : (lane + 1) * len(z)].as_signed()
            m.d.sync += y.eq(added(m, y, chosen((add, z), (drops, ~old)), drops))
            cases = (lanes.begin, lanes.constants(self.bias, lane)), (~lanes.begin, lanes.terms[lane])
            m.d.sync += z.eq(added(m, gated(z, ~lanes.begin), chosen(*cases)))
        return [*lanes.registers["y"]]
