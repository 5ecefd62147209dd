"""The highest of the scores of a sequence, one after the other: results are rare, and a comparison a cycle is small."""

from typing import Any

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out


class SerialWinner(wiring.Component):
    """Scores and their argmax, ties to the lowest class.

    ``values``: ``lanes`` scores, signed, group after group; those past the last class are dropped.
    ``capture``: ``values`` are taken in this cycle.
    ``o``: one beat, offered ``classes + 1`` cycles after the last capture.
    ``release``: high when the beat is taken.
    """

    def __init__(self, *, classes: int, score_width: int, lanes: int, groups: int) -> None:
        self.classes, self.score_width, self.lanes, self.groups = classes, score_width, lanes, groups
        scores = data.ArrayLayout(signed(score_width), classes)
        number = max(1, (classes - 1).bit_length())
        super().__init__(
            {
                "values": In(data.ArrayLayout(signed(score_width), lanes)),
                "capture": In(1),
                "o": Out(stream.Signature(data.StructLayout({"class": number, "scores": scores}))),
                "release": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit: scores go round, and each is compared with the best so far in the first place."""
        m = Module()
        scores = [Signal(signed(self.score_width), name=f"score{k}", reset_less=True) for k in range(self.classes)]
        best, number = Signal(signed(self.score_width), reset_less=True), Signal(range(self.classes + 1))
        group, turning = Signal(range(max(2, self.groups))), Signal()
        winner = self.o.payload["class"]
        m.d.comb += self.release.eq(self.o.valid & self.o.ready)
        m.d.comb += [self.o.payload.scores[k].eq(score) for k, score in enumerate(scores)]
        with m.If(self.release):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.capture):
            m.d.sync += [group.eq(Mux(group == self.groups - 1, 0, group + 1)), turning.eq(group == self.groups - 1)]
        for k, score in enumerate(scores):
            with m.If(turning):
                m.d.sync += score.eq(scores[(k + 1) % self.classes])
            with m.Elif(self.capture & (group == k // self.lanes)):
                m.d.sync += score.eq(self.values[k % self.lanes])
        with m.If(turning):
            m.d.sync += number.eq(number + 1)
            with m.If((number == 0) | (scores[0] > best)):
                m.d.sync += [best.eq(scores[0]), winner.eq(number)]
            with m.If(number == self.classes - 1):
                m.d.sync += [turning.eq(0), number.eq(0), self.o.valid.eq(1)]
        return m
