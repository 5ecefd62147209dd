"""A toy engine: the parallel one, which rests for a cycle after each word."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from s2nn_hw.circuit.engines.accumulate import engine_ports
from s2nn_hw.circuit.engines.parallel import ParallelEngine, ParallelParams
from s2nn_hw.circuit.engines.params import Recurrence


@dataclass(frozen=True, eq=False, kw_only=True)
class LazyParams(ParallelParams):
    """A word every other cycle."""

    kind: ClassVar[str] = "lazy"

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield the one there is."""
        yield shape.choice(cls.kind), 2 * shape.words

    @property
    def recurrence(self) -> Recurrence:
        """Two cycles a word."""
        return Recurrence(word_cycles=2)

    def circuit(self) -> "LazyEngine":
        """Return the :class:`LazyEngine`."""
        return LazyEngine(self)


class LazyEngine(wiring.Component):
    """The parallel engine behind a gate that shuts for a cycle after each word."""

    def __init__(self, params: LazyParams) -> None:
        self.params = params
        super().__init__(engine_ports(params))

    def elaborate(self, platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules.engine = engine = ParallelEngine(self.params)
        rests = Signal()
        m.d.comb += [
            engine.i.payload.eq(self.i.payload),
            engine.i.valid.eq(self.i.valid & ~rests),
            self.i.ready.eq(engine.i.ready & ~rests),
            engine.release.eq(self.release),
            self.capture.eq(engine.capture),
            self.accumulators.eq(engine.accumulators),
        ]
        m.d.sync += rests.eq(self.i.valid & self.i.ready)
        return m
