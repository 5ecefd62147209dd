"""The highest of many scores at once: a tournament whose rounds have two or four contestants."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from amaranth.hdl import C, Cat, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.mux import choose
from s2nn_hw.circuit.unroll.pipeline import FreePipeline, Pipeline, delayed


class Winner(wiring.Component):
    """The highest of the scores, ties to the lowest class; a register after each round of the tournament.

    ``i``: scores, signed.
    ``o``: ``class`` and the scores, ``registers`` cycles later.

    ``levels``: of logic between registers, which says how many contestants a round has (:func:`contestants`). With
    ``free`` it never waits, and ``o`` comes without the last register.
    """

    def __init__(self, *, classes: int, score_width: int, levels: int = 1, free: bool = False) -> None:
        self.classes, self.score_width, self.levels, self.free = classes, score_width, levels, free
        self.registers = winner_registers(classes, levels) - free
        scores = data.ArrayLayout(signed(score_width), classes)
        number = max(1, (classes - 1).bit_length())
        ports = {
            "i": In(stream.Signature(scores)),
            "o": Out(stream.Signature(data.StructLayout({"class": number, "scores": scores}))),
        }
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        pipeline = (
            FreePipeline(m, self.registers, self.i.valid)
            if self.free
            else Pipeline(m, self.registers, self.i.valid, self.o.ready)
        )
        enables, size = pipeline.enables, contestants(self.levels)
        # without signs: with its highest bit turned round a score compares as a number from zero on
        best = [(Cat(value[:-1], ~value[-1]), C(0, 0)) for value in map(Value.cast, self.i.payload)]
        for level in range(winner_registers(self.classes, self.levels)):
            best = [
                _best(m, f"{level}_{k}", best[at : at + size], size) for k, at in enumerate(range(0, len(best), size))
            ]
            if level < self.registers:
                best = [
                    tuple(
                        delayed(m, part, enables[level : level + 1], f"{name}{level}_{k}_")
                        for part, name in zip(pair, ("best", "class"), strict=True)
                    )
                    for k, pair in enumerate(best)
                ]
        m.d.comb += [
            self.i.ready.eq(pipeline.ready),
            self.o.valid.eq(pipeline.valid),
            self.o.payload["class"].eq(best[0][1]),
            self.o.payload.scores.as_value().eq(delayed(m, self.i.payload.as_value(), enables, "scores")),
        ]
        return m


def _best(m: Module, name: str, group: Sequence[tuple[Value, Value]], size: int) -> tuple[Value, Value]:
    """Return the highest of a ``group`` of ``(score, number of its class so far)``, and its longer number.

    All pairs are compared at once, so what follows is one table of the comparisons and one multiplexer.
    """
    scores, numbers = zip(*group, strict=True)
    above = {}  # whether a later one is above an earlier one
    for i, j in combinations(range(len(group)), 2):
        above[i, j] = Signal(name=f"above{name}_{i}{j}")
        m.d.comb += above[i, j].eq(_greater(scores[j], scores[i])[0])
    place = Signal(range(size), name=f"place{name}")
    for j in range(1, len(group)):
        beaten = [~above[j, k] for k in range(j + 1, len(group))]
        with m.If(Cat([above[i, j] for i in range(j)], beaten).all()):
            m.d.comb += place.eq(j)
    value, number = choose(list(scores), place), choose(list(numbers), place)
    return value, Cat(number, place)


def _greater(a: Value, b: Value) -> tuple[Value, Value]:
    """Return whether ``a > b`` and whether they are equal, without a carry chain: half by half, in few levels."""
    if len(a) == 1:
        return a & ~b, ~(a ^ b)
    half = len(a) // 2
    (low, low_equal), (high, high_equal) = _greater(a[:half], b[:half]), _greater(a[half:], b[half:])
    return high | (high_equal & low), high_equal & low_equal


def contestants(levels: int) -> int:
    """Return how many scores a round compares: four want three levels of comparisons, a table and a multiplexer."""
    return 4 if levels > 4 else 2


def winner_registers(classes: int, levels: int) -> int:
    """Return the levels of registers of a :class:`Winner`: its rounds, one at least."""
    size, rounds = contestants(levels), 1
    while size**rounds < classes:
        rounds += 1
    return rounds
