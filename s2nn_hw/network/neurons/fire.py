"""The threshold neuron, golden step first, circuit below: ``s = 1[a >= T]``.

a   accumulator      T   integer threshold      s   spike
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, multiplexer, ram
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.collect import collected
from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.tables import checked_table, per_channel


@dataclass(frozen=True, eq=False)
class Fire(Neuron):
    """A spike where the accumulator reaches the threshold; ``thresholds``: int32 ``(neurons,)``, one a channel."""

    thresholds: np.ndarray
    kind: ClassVar[str] = "fire"
    tables: ClassVar[tuple[str, ...]] = ("thresholds",)
    actions: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", checked_table(self.thresholds, "thresholds"))

    @property
    def plain(self) -> bool:
        """Nothing else leaves."""
        return True

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return no state and spikes, uint8, of int64 ``sums`` ``(batch, positions * neurons)``."""
        return None, (sums >= per_channel(self.thresholds, sums.shape)).view(np.uint8)

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what the circuit adds to accumulators in ``low .. high``, int64 ``(neurons,)``: ``-T``.

        A threshold out of reach is pulled to the nearest value with the same outcome, always or never, so
        that it can't widen the accumulator. The spike is then ``accumulator + offset >= 0``.
        """
        return reached(self.thresholds.astype(np.int64), 0, low, high)

    def unit(self, shape: UnitShape) -> "FireUnit":
        """Return the circuit, a :class:`FireUnit`."""
        return fire_unit(shape)

    def connect(self, m: Module, unit: "FireUnit", sums: list[Value]) -> None:
        """Give the sign of each of ``sums`` to ``unit``."""
        give_signs(m, unit, sums)

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of a :class:`FireUnit`."""
        return fire_cost(family, shape)

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return the accumulator."""
        least, most = self.offsets(low, high) + low, self.offsets(low, high) + high
        return {"a": Register.holding(least, most, 0 * low)}

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the spikes of a tick."""
        offsets = self.offsets(*lanes.sums)
        for lane, total in enumerate(lanes.registers["a"]):
            cases = (lanes.begin, lanes.constants(offsets, lane)), (~lanes.begin, lanes.terms[lane])
            m.d.sync += total.eq(added(m, gated(total, ~lanes.begin), chosen(*cases)))
        return [~total[-1] for total in lanes.registers["a"]]


def reached(thresholds: np.ndarray, fraction: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return, int64 ``(neurons,)``, the offset whose sum with an accumulator in ``low .. high`` is negative below its
    threshold (in units of ``2^-fraction``), and not from there on; out of reach as near as it may be."""
    whole = -(-thresholds >> fraction)  # rounded up: accumulators are integers
    return -np.clip(whole, low, high + 1)


def fire_unit(shape: UnitShape) -> "FireUnit":
    """Return the :class:`FireUnit` of ``shape``."""
    return FireUnit(
        neurons=shape.neurons,
        width=shape.width,
        lanes=shape.lanes,
        groups=shape.groups,
        repeats=shape.repeats,
        slots=shape.slots,
        planes=shape.planes,
    )


def give_signs(m: Module, unit: "FireUnit", sums: list[Value]) -> None:
    """Give the sign of each of ``sums`` to ``unit``."""
    m.d.comb += unit.fired.eq(Cat(total >= 0 for total in sums))


def fire_cost(family: Family, shape: UnitShape) -> Cost:
    """Return the cost of a :class:`FireUnit`: planes, groups and cells collected, room for cells, cut into words."""
    words, planes = ceil(shape.neurons / shape.width), shape.planes
    cut = planes * shape.width * multiplexer(family, words)
    cost = Cost(luts=family.fire * shape.lanes + cut, ffs=bits_for(words) + 2)
    if planes > 1:
        cost += Cost(luts=2 * bits_for(planes), ffs=shape.lanes * (planes - 1) + bits_for(planes))
    if shape.groups * shape.repeats > 1:
        held = shape.lanes * shape.groups * planes
        joined = shape.lanes * (1 + multiplexer(family, shape.groups)) if shape.repeats > 1 else 0
        counters = bits_for(shape.groups) + bits_for(shape.repeats)
        cost += Cost(luts=joined + shape.groups / 2 + 6, ffs=held + counters)
    if shape.slots > 1:
        queue = ram(family, shape.slots, shape.neurons * planes, registered=False)
        return cost + queue + Cost(luts=10, ffs=3 * bits_for(shape.slots))
    return cost + Cost(ffs=shape.neurons * planes + 1)


class FireUnit(wiring.Component):
    """The sign bit of each accumulator is the spike; spikes are collected and sent as words of ``width`` values.

    ``fired``: ``lanes`` spikes.
    ``capture``: ``fired`` is taken in this cycle; no stream, see ``engine_ports``.
    ``o``: after each cell ``ceil(neurons / width)`` words, value 0 in the low bits, unused bits of the last word 0.
    ``release``: high in the cycle in which the last word is taken.

    ``planes`` captures make a value, the first in its highest bit, ``groups`` such the ``neurons`` of a position,
    ``repeats`` positions a cell, whose spikes are ORed (max pooling). The first word is offered one cycle after its
    cell's last capture. ``slots`` cells have room.

    ``seen``, ``seen_count``: the last values and how many have come so far, for simulation alone;
    nothing reads them, so synthesis leaves them out.
    """

    def __init__(
        self,
        *,
        neurons: int,
        width: int,
        lanes: int | None = None,
        groups: int = 1,
        repeats: int = 1,
        slots: int = 1,
        planes: int = 1,
    ) -> None:
        self.groups, self.repeats, self.slots, self.planes = groups, repeats, slots, planes
        self.lanes = lanes or neurons
        self.neurons, self.width = neurons * planes, width * planes  # in bits
        self.words = -(-neurons // width)
        super().__init__(
            {"fired": In(self.lanes), "capture": In(1), "o": Out(stream.Signature(self.width)), "release": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        values, capture = self._values(m)
        whole, complete = collected(m, values, capture, groups=self.groups, repeats=self.repeats)
        whole = whole[: self.neurons]  # without spare lanes
        free, stored, load, direct = Signal(), Signal(), Signal(), Signal()
        index, index_last, last = Signal(range(max(2, self.words))), Signal(init=self.words == 1), Signal()
        keep, drop = Signal(), Signal()  # spikes of which words are left to send come into the store, and leave it
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            load.eq(free & stored),
            direct.eq(free & ~stored & complete),
            keep.eq(complete & ~direct if self.words == 1 else complete),
            drop.eq(load & index_last),
            self.release.eq(self.o.valid & self.o.ready & last),
        ]
        spikes = self._store(m, whole, keep, drop, stored)
        padded = Cat(spikes, C(0, self.words * self.width - self.neurons))
        words = Array(padded[k * self.width : (k + 1) * self.width] for k in range(self.words))
        with m.If(free):  # the first word goes out at once when nothing is in its way
            m.d.sync += [
                self.o.valid.eq(stored | complete),
                last.eq(Mux(stored, index_last, self.words == 1)),
                self.o.payload.eq(Mux(stored, words[index], whole[: self.width])),
            ]
        if self.words > 1:
            with m.If(load):
                m.d.sync += [index.eq(Mux(index_last, 0, index + 1)), index_last.eq(index == self.words - 2)]
            with m.If(direct):
                m.d.sync += [index.eq(1), index_last.eq(self.words == 2)]
        seen = Signal(self.lanes * self.planes)
        seen_count = Signal(24)
        with m.If(capture):
            m.d.sync += [seen.eq(values), seen_count.eq(seen_count + 1)]
        return m

    def _values(self, m: Module) -> tuple[Value, Value]:
        """Return the values of the lanes side by side and when they are there: at the capture of their last plane."""
        if self.planes == 1:
            return self.fired, self.capture
        before = [Signal(self.lanes, name=f"plane{k}", reset_less=True) for k in range(self.planes - 1)]
        plane, last = Signal(range(self.planes)), Signal()
        with m.If(self.capture):
            m.d.sync += [plane.eq(Mux(last, 0, plane + 1)), last.eq(plane == self.planes - 2)]
            for earlier, later in zip(before, [*before[1:], self.fired], strict=True):
                m.d.sync += earlier.eq(later)
        spikes = [*before, self.fired]  # the oldest first
        return Cat(spikes[k][n] for n in range(self.lanes) for k in reversed(range(self.planes))), self.capture & last

    def _store(self, m: Module, whole: Value, keep: Signal, drop: Signal, stored: Signal) -> Value:
        """Add the place for ``slots`` cells, a register or a queue; return the spikes of the oldest.

        What is kept is their complement, which is the sign bit of an accumulator as it stands in its register: the
        inverter in between would be a look-up table for each neuron. Behind the place it is part of the next table.
        """
        if self.slots > 1:
            m.submodules.queue = queue = fifo.SyncFIFO(width=self.neurons, depth=self.slots)
            m.d.comb += [queue.w_data.eq(~whole), queue.w_en.eq(keep), queue.r_en.eq(drop), stored.eq(queue.r_rdy)]
            return ~queue.r_data
        silent, held = Signal(self.neurons, reset_less=True), Signal()
        m.d.comb += stored.eq(held)
        with m.If(drop):
            m.d.sync += held.eq(0)
        with m.If(keep):
            m.d.sync += [silent.eq(~whole), held.eq(1)]
        return ~silent
