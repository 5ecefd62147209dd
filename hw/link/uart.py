"""UART, 8 data bits, no parity, 1 stop bit, least significant bit first; the idle line is high."""

from amaranth.build import Platform
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from s2nn_hw.errors import UserError

MIN_CLOCKS_PER_BIT = 4
MAX_RATE_ERROR = 0.02


def clocks_per_bit(clock_hz: int, baud: int) -> int:
    """Return the integer clocks per bit; :class:`UserError` if there are too few or rounding costs over 2 %."""
    if baud < 1 or clock_hz < 1:
        raise UserError(f"clock and baud rate must be positive, not {clock_hz} Hz and {baud}")
    clocks = max(1, round(clock_hz / baud))
    error = abs(clock_hz / clocks - baud) / baud
    if clocks < MIN_CLOCKS_PER_BIT:
        least = MIN_CLOCKS_PER_BIT * baud
        raise UserError(f"{baud} baud needs a clock of at least {least} Hz, not {clock_hz} Hz; choose a lower rate")
    if error > MAX_RATE_ERROR:
        raise UserError(
            f"{baud} baud from {clock_hz} Hz is off by {error:.1%} with {clocks} clocks per bit; "
            f"at most {MAX_RATE_ERROR:.0%} works, choose another rate"
        )
    return clocks


class UartReceiver(wiring.Component):
    """Bytes from the line.

    ``rx``: the pin, synchronised here.
    ``o``: bytes in order of arrival, 1 clock after the middle of the stop bit.

    A byte without a stop bit is dropped, and so is one that comes before the last was taken (a taker that is
    always ready loses none). After a missing stop bit the line must go high before the next start counts.
    """

    def __init__(self, clocks: int) -> None:
        self.clocks = clocks
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        timer = Signal(range(self.clocks))
        bits = Signal(8)  # the first to come ends in bit 0
        count = Signal(range(8))
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        tick = Signal()
        m.d.comb += tick.eq(timer == 0)
        m.d.sync += timer.eq(timer - 1)
        with m.If(tick):
            m.d.sync += timer.eq(self.clocks - 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += timer.eq(self.clocks // 2 - 1)
                with m.If(~line):
                    m.next = "START"
            with m.State("START"), m.If(tick):
                m.d.sync += count.eq(7)
                with m.If(line):  # a spike on the line, no start bit
                    m.next = "IDLE"
                with m.Else():
                    m.next = "BITS"
            with m.State("BITS"), m.If(tick):
                m.d.sync += [bits.eq(Cat(bits[1:], line)), count.eq(count - 1)]
                with m.If(count == 0):
                    m.next = "STOP"
            with m.State("STOP"), m.If(tick):
                with m.If(line):
                    with m.If(~self.o.valid | self.o.ready):
                        m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(bits)]
                    m.next = "IDLE"
                with m.Else():
                    m.next = "BREAK"
            with m.State("BREAK"), m.If(line):
                m.next = "IDLE"
        return m


class UartTransmitter(wiring.Component):
    """Bytes to the line.

    ``i``: bytes, each for ``10 * clocks`` cycles; the next may follow without a gap.
    ``tx``: the pin, from a flip-flop.
    """

    def __init__(self, clocks: int) -> None:
        self.clocks = clocks
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        timer, zero = Signal(range(self.clocks)), Signal(init=1)  # and whether the timer is at zero, a register too
        bits = Signal(9, init=0x1FF)  # still to come, then the idle line; bit 0 is next
        count, none = Signal(range(10)), Signal(init=1)  # bits to come behind the one on the line; whether none is
        m.d.comb += self.i.ready.eq(none & zero)
        m.d.sync += [timer.eq(timer - 1), zero.eq(timer == 1)]
        with m.If(zero):
            m.d.sync += [timer.eq(0), zero.eq(1)]
            with m.If(~none):
                m.d.sync += [
                    timer.eq(self.clocks - 1),
                    zero.eq(0),
                    Cat(self.tx, bits).eq(Cat(bits, 1)),
                    count.eq(count - 1),
                    none.eq(count == 1),
                ]
            with m.Elif(self.i.valid):
                m.d.sync += [
                    timer.eq(self.clocks - 1),
                    zero.eq(0),
                    self.tx.eq(0),
                    bits.eq(Cat(self.i.payload, 1)),
                    count.eq(9),
                    none.eq(0),
                ]
        return m
