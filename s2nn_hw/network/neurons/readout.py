"""The readout, golden step first, circuit below: ``y = a + B``; class = argmax y, ties to the lowest.

a   accumulator      B   integer bias      y   score
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.collect import collected
from s2nn_hw.network.neurons.lanes import Lanes, Register, added, chosen, gated
from s2nn_hw.network.neurons.leaks import scaled
from s2nn_hw.network.neurons.neuron import Neuron, UnitShape
from s2nn_hw.network.neurons.tables import checked_table


@dataclass(frozen=True, eq=False)
class Readout(Neuron):
    """Scores without a spike; ``bias``: int32 ``(classes,)`` in units of the one scale that all classes share."""

    bias: np.ndarray
    kind: ClassVar[str] = "readout"
    tables: ClassVar[tuple[str, ...]] = ("bias",)
    fires: ClassVar[bool] = False
    actions: ClassVar[int] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", checked_table(self.bias, "bias"))

    @property
    def plain(self) -> bool:
        """Nothing else leaves."""
        return True

    def step(self, state: Any, sums: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return no state and scores, int64 ``(batch, classes)``, of int64 ``sums`` ``(batch, classes)``."""
        return None, sums + self.bias.astype(np.int64)

    def offsets(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Return what the circuit adds to the accumulators, int64 ``(classes,)``: the bias."""
        return self.bias.astype(np.int64)

    def latency(self, classes: int) -> int:
        """Return the cycles to the first offer: scores, and a comparison a register."""
        return 1 + (classes - 1).bit_length()

    def unit(self, shape: UnitShape) -> "ReadoutUnit":
        """Return the circuit, a :class:`ReadoutUnit`."""
        return ReadoutUnit(classes=shape.neurons, score_width=shape.score_width, lanes=shape.lanes, groups=shape.groups)

    def connect(self, m: Module, unit: "ReadoutUnit", sums: list[Value]) -> None:
        """Give ``sums`` to ``unit``."""
        m.d.comb += [unit.values[n].eq(total) for n, total in enumerate(sums)]

    def cost(self, family: Family, shape: UnitShape) -> Cost:
        """Return the cost of the scores' register and their argmax, a comparison per register."""
        classes, width = shape.neurons, shape.score_width
        levels = (classes - 1).bit_length()
        ffs, size = classes * width + max(1, levels) + 1, classes
        while size > 1:
            size = ceil(size / 2)
            ffs += size * (width + levels)
        cost = Cost(luts=family.argmax * (classes - 1) * width, ffs=ffs)
        if shape.groups > 1:
            cost += Cost(luts=shape.groups, ffs=shape.groups * shape.lanes * width)
        return cost

    def registers(self, low: np.ndarray, high: np.ndarray, ticks: int) -> dict[str, Register]:
        """Return the accumulator."""
        return {"a": Register.holding(*scaled(low, high, 0, self.bias), 0 * self.bias)}

    def circuit(self, m: Module, lanes: Lanes) -> list[Value]:
        """Return the scores of a tick."""
        for lane, total in enumerate(lanes.registers["a"]):
            cases = (lanes.begin, lanes.constants(self.bias, lane)), (~lanes.begin, lanes.terms[lane])
            m.d.sync += total.eq(added(m, gated(total, ~lanes.begin), chosen(*cases)))
        return [*lanes.registers["a"]]


class ReadoutUnit(wiring.Component):
    """Scores and their argmax, ties to the lowest class.

    ``values``: ``lanes`` scores, signed.
    ``capture``: ``values`` are taken in this cycle; no stream, see ``engine_ports``.
    ``o``: one beat a frame, offered ``1 + levels`` cycles after the last capture: a comparison per register.
    ``release``: high when the beat is taken.

    ``groups`` captures make all the scores (those past the last class are dropped).
    """

    def __init__(self, *, classes: int, score_width: int, lanes: int | None = None, groups: int = 1) -> None:
        self.classes, self.score_width = classes, score_width
        self.lanes, self.groups = lanes or classes, groups
        self.levels = (classes - 1).bit_length()
        scores = data.ArrayLayout(signed(score_width), classes)
        super().__init__(
            {
                "values": In(data.ArrayLayout(signed(score_width), self.lanes)),
                "capture": In(1),
                "o": Out(stream.Signature(data.StructLayout({"class": max(1, self.levels), "scores": scores}))),
                "release": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        scores = Signal(self.o.payload.scores.shape())
        whole, complete = collected(m, self.values.as_value(), self.capture, groups=self.groups)
        m.d.comb += [self.release.eq(self.o.valid & self.o.ready), self.o.payload.scores.eq(scores)]
        with m.If(complete):
            m.d.sync += scores.eq(whole)
        with m.If(self.release):
            m.d.sync += self.o.valid.eq(0)

        arrived = Signal(max(1, self.levels))
        m.d.sync += arrived.eq(Cat(complete, arrived))
        with m.If(arrived[-1] if self.levels else complete):
            m.d.sync += self.o.valid.eq(1)

        best = [(scores[k], C(k, max(1, self.levels))) for k in range(self.classes)]
        for level in range(self.levels):
            winners = []
            for k, ((left, here), (right, there)) in enumerate(zip(best[::2], best[1::2], strict=False)):
                value = Signal(signed(self.score_width), name=f"best{level}_{k}", reset_less=True)
                number = Signal(self.levels, name=f"class{level}_{k}", reset_less=True)
                wins = right > left
                m.d.sync += [value.eq(Mux(wins, right, left)), number.eq(Mux(wins, there, here))]
                winners.append((value, number))
            if len(best) % 2:
                # with a reset: a shift register in a look-up table would be late for the comparison behind it
                value = Signal(signed(self.score_width), name=f"best{level}_last")
                number = Signal(self.levels, name=f"class{level}_last")
                m.d.sync += [value.eq(best[-1][0]), number.eq(best[-1][1])]
                winners.append((value, number))
            best = winners
        m.d.comb += self.o.payload["class"].eq(best[0][1])
        return m
