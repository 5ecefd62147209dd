"""Reset of all that holds frames: by ``aresetn``, or asked for while transfers are under way.

The bus side closes its streams and holds the circuit in reset until the other clock has seen it, then until that clock
has seen the end of it: whatever the two clocks are, both sides are in reset together for several cycles of each.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

HELD_CYCLES = 8


class Restart(wiring.Component):
    """Starts everything anew after power-up, after ``aresetn``, and when ``wanted``.

    ``wanted``: high for a cycle or more: at the next ``idle`` cycle.
    ``idle``: no result is in the middle of its packet or offered.
    ``stop``: a restart waits; no further result may be offered.
    ``closed``: streams are shut, what holds frames is in reset; a register of domain ``bus``.
    ``core_reset``: reset of domain ``core``, a register of it.

    ``crossing``: ``core`` has a clock of its own.
    """

    def __init__(self, *, crossing: bool) -> None:
        self.crossing = crossing
        super().__init__(
            {"wanted": In(1), "idle": In(1), "stop": Out(1), "closed": Out(1, init=1), "core_reset": Out(1, init=1)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        hold, seen = Signal(init=1), Signal(init=1)
        left = Signal(range(HELD_CYCLES), init=HELD_CYCLES - 1)
        if self.crossing:
            asked, recent = Signal(init=1), Signal(4, init=-1, reset_less=True)
            held = Signal(init=1, reset_less=True)
            m.submodules.hold_cdc = FFSynchronizer(hold, asked, o_domain="core", init=1)
            m.submodules.seen_cdc = FFSynchronizer(held, seen, o_domain="bus", init=1)
            # cores forget within a cycle, pointers that cross need some more
            m.d.core += [recent.eq(Cat(asked, recent)), held.eq(asked | recent.any())]
            m.d.comb += self.core_reset.eq(held)
        else:
            m.d.bus += seen.eq(hold)
            m.d.comb += self.core_reset.eq(seen)
        with m.If(self.wanted):
            m.d.bus += self.stop.eq(1)
        with m.If(hold):
            with m.If(left != 0):
                m.d.bus += left.eq(left - 1)
            with m.Elif(seen):
                m.d.bus += hold.eq(0)
        with m.Elif(self.closed):
            m.d.bus += self.closed.eq(seen)
        with m.Elif(self.stop & self.idle):
            m.d.bus += [self.closed.eq(1), hold.eq(1), left.eq(HELD_CYCLES - 1), self.stop.eq(0)]
        return m
