"""Where a pixel lies among the beats: its number divided, a bit a cycle, as there is no multiplier to spare."""

from amaranth.build import Platform
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.hw.link.layout import Layout


class Places(wiring.Component):
    """Finds the beat and the lane of a pixel, as :attr:`.Identity.beat_pixels` has them.

    ``start``: for a cycle: ``address`` is one of a pixel; not while ``busy``.
    ``address``: the pixel's number.
    ``busy``: the place is not known yet; low in the cycle of ``start``.
    ``beat``: its beat, until the next start.
    ``lane``: its place in the beat.

    With ``group`` pixels a group and ``pixels_per_beat`` a beat: ``address = group * g + c``, beat ``beats of a group *
    g + c // pixels_per_beat``, lane ``c % pixels_per_beat``. A division takes a cycle for each bit of the address, by a
    power of two none; where a group's last beat is filled up each further beat of it one more.
    """

    def __init__(self, of: Layout, *, group: int) -> None:
        lanes, pixels = of.pixels_per_beat, of.beats * of.pixels_per_beat
        flat = group % lanes == 0 or of.beats == -(-group // lanes)  # no group but the last one ends within a beat
        self.divisor, self.step = (lanes, 1) if flat else (group, -(-group // lanes))
        self.lanes, self.pixels, self.filled = lanes, pixels, not flat and group > lanes
        super().__init__(
            {
                "start": In(1),
                "address": In(range(pixels)),
                "busy": Out(1),
                "beat": Out(range(of.beats)),
                "lane": Out(range(lanes)),
            }
        )

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        if self.step == 1 and self.divisor & (self.divisor - 1) == 0:
            with m.If(self.start):
                low = self.divisor.bit_length() - 1
                m.d.sync += [self.lane.eq(self.address[:low]), self.beat.eq(self.address[low:])]
            return m
        bits = max(1, (self.pixels - 1).bit_length())
        rest, number = Signal(range(2 * max(self.divisor, self.lanes))), Signal(bits)
        left, beat = Signal(range(bits + 1)), Signal.like(self.beat)
        shifted, fits = Signal.like(rest), Signal()
        m.d.comb += [
            shifted.eq((rest << 1) | number[-1]),
            fits.eq(shifted >= self.divisor),
            self.beat.eq(beat),
            self.lane.eq(rest),
            self.busy.eq(left != 0),
        ]
        with m.If(self.start):
            m.d.sync += [number.eq(self.address), rest.eq(0), beat.eq(0), left.eq(bits)]
        with m.Elif(left != 0):
            m.d.sync += [
                number.eq(number << 1),
                rest.eq(Mux(fits, shifted - self.divisor, shifted)),
                beat.eq((beat << 1) + Mux(fits, self.step, 0)),
                left.eq(left - 1),
            ]
        if self.filled:
            with m.Elif(rest >= self.lanes):
                m.d.sync += [rest.eq(rest - self.lanes), beat.eq(beat + 1)]
            m.d.comb += self.busy.eq((left != 0) | (rest >= self.lanes))
        return m
