"""The ones of a vector of bits, one a cycle, without a cycle for what is zero."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.mux import choose


class Scanner(wiring.Component):
    """Scans ``count`` chunks of ``width`` bits, a power of two.

    ``start``: high in a cycle, the scan begins: the first one is given two cycles later, and the others behind it.
    ``bits``: the vector, which must stay until ``done``.
    ``valid``, ``chunk``, ``place``: a one is at ``place`` of ``chunk``.
    ``done``: high in the cycle behind the last one, two cycles after ``start`` if there is none.
    """

    def __init__(self, *, count: int, width: int) -> None:
        self.count, self.width = count, width
        super().__init__(
            {
                "start": In(1),
                "bits": In(count * width),
                "valid": Out(1),
                "chunk": Out(range(max(2, count))),
                "place": Out(range(max(2, width))),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        chunks = [self.bits[k * self.width : (k + 1) * self.width] for k in range(self.count)]
        waiting, now = Signal(self.count), Signal(self.width)
        running, loaded = Signal(), Signal()
        rest = Signal(self.width)
        number, lowest = Signal.like(self.chunk), Signal(self.count)
        found, only = first_one(waiting)
        m.d.comb += [
            rest.eq(now & (now - 1)),
            number.eq(found),
            lowest.eq(only),
            self.valid.eq(now.any()),
            self.place.eq(first_one(now)[0]),
            self.done.eq(running & loaded & ~now.any()),
        ]
        m.d.sync += loaded.eq(running)
        with m.If(rest.any()):
            m.d.sync += now.eq(rest)
        with m.Else():
            m.d.sync += [
                now.eq(Mux(waiting.any(), choose(chunks, number), 0)),
                self.chunk.eq(number),
                waiting.eq(waiting & ~lowest),
            ]
        with m.If(self.done):
            m.d.sync += [running.eq(0), loaded.eq(0)]
        with m.If(self.start):
            m.d.sync += [waiting.eq(Cat(chunk.any() for chunk in chunks)), now.eq(0), running.eq(1), loaded.eq(0)]
        return m


def first_one(bits: Value) -> tuple[Value, Value]:
    """Return the number of the lowest one of ``bits``, and that one alone; of none any number, and nothing."""
    if len(bits) == 1:
        return C(0, 1), bits
    half = 1 << ((len(bits) - 1).bit_length() - 1)
    (low, low_only), (high, high_only) = first_one(bits[:half]), first_one(bits[half:])
    below = bits[:half].any()
    digits = (half - 1).bit_length()
    high = Cat(high, C(0, max(0, digits - len(high))))
    number = Cat(Mux(below, low[:digits], high[:digits]), ~below) if digits else ~below
    return number, Cat(low_only, Mux(below, C(0, len(high_only)), high_only))
