"""The registers behind AXI4-Lite."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.ip.registers import ADDRESS_BITS, CONTROL, Register

OKAY, SLVERR = 0, 2
USED_BITS = 7  # of the address; what lies above holds nothing


def lite_ports() -> dict[str, Any]:
    """Return the ports of an AXI4-Lite subordinate, 32 bits of data, by name without prefix."""
    return {
        "awaddr": In(ADDRESS_BITS),
        "awprot": In(3),
        "awvalid": In(1),
        "awready": Out(1),
        "wdata": In(32),
        "wstrb": In(4),
        "wvalid": In(1),
        "wready": Out(1),
        "bresp": Out(2),
        "bvalid": Out(1),
        "bready": In(1),
        "araddr": In(ADDRESS_BITS),
        "arprot": In(3),
        "arvalid": In(1),
        "arready": Out(1),
        "rdata": Out(32),
        "rresp": Out(2),
        "rvalid": Out(1),
        "rready": In(1),
    }


class Lite(wiring.Component):
    """Counters, status and constants of ``rows``; one access at a time, its answer the cycle after.

    ``bus``: AXI4-Lite. ``awprot`` and ``arprot`` are not looked at. Reads of what is no register, and writes to
    what can't be written, answer SLVERR and do nothing. Bytes without ``wstrb`` are not written.
    ``frames``, ``results``, ``short``, ``long``: high in a cycle in which one is counted.
    ``busy``: for STATUS.
    ``restarting``: for STATUS.
    ``restart``: high for a cycle when asked for.

    awaddr, awprot, awvalid, awready, wdata, wstrb, wvalid, wready, bresp, bvalid, bready, araddr, arprot, arvalid,
    ``arready``, ``rdata``, ``rresp``, ``rvalid``, ``rready``: of the bus.
    """

    def __init__(self, rows: list[Register]) -> None:
        self.rows = rows
        events = {name: In(1) for name in ("frames", "results", "short", "long", "busy", "restarting")}
        super().__init__({"bus": Out(wiring.Signature(lite_ports())), **events, "restart": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        clear = self._write(m)
        counts = {}
        for name, event in (
            ("FRAMES", self.frames),
            ("RESULTS", self.results),
            ("SHORT_FRAMES", self.short),
            ("LONG_FRAMES", self.long),
        ):
            counts[name] = count = Signal(32, name=name.lower())
            with m.If(clear):
                m.d.sync += count.eq(0)
            with m.Elif(event):
                m.d.sync += count.eq(count + 1)
        was_short, was_long = Signal(), Signal()
        for flag, event in ((was_short, self.short), (was_long, self.long)):
            with m.If(clear):
                m.d.sync += flag.eq(0)
            with m.Elif(event):
                m.d.sync += flag.eq(1)
        self._read(m, counts | {"STATUS": Cat(self.busy, was_short, was_long, self.restarting), "CONTROL": 0})
        return m

    def _write(self, m: Module) -> Signal:
        """Add writes; return a signal that is high in a cycle in which counters are to be cleared."""
        bus, taken, known, clear = self.bus, Signal(), Signal(), Signal()
        restart, cleared = CONTROL
        (control,) = (row for row in self.rows if row.written)
        m.d.comb += [
            taken.eq(bus.awvalid & bus.wvalid & ~bus.bvalid),
            bus.awready.eq(taken),
            bus.wready.eq(taken),
            known.eq(bus.awaddr[2:] == control.offset >> 2),
            self.restart.eq(taken & known & bus.wstrb[0] & bus.wdata[restart.low]),
            clear.eq(taken & known & bus.wstrb[0] & bus.wdata[cleared.low]),
        ]
        with m.If(taken):
            m.d.sync += [bus.bvalid.eq(1), bus.bresp.eq(Mux(known, OKAY, SLVERR))]
        with m.Elif(bus.bready):
            m.d.sync += bus.bvalid.eq(0)
        return clear

    def _read(self, m: Module, live: dict[str, Any]) -> None:
        """Add reads of constants and of what is ``live``."""
        bus, taken = self.bus, Signal()
        m.d.comb += [taken.eq(bus.arvalid & ~bus.rvalid), bus.arready.eq(taken)]
        with m.If(taken):
            m.d.sync += [bus.rvalid.eq(1), bus.rresp.eq(SLVERR), bus.rdata.eq(0)]
            with m.If(bus.araddr[USED_BITS:] == 0), m.Switch(bus.araddr[2:USED_BITS]):
                for row in self.rows:
                    with m.Case(row.offset >> 2):
                        value = row.value if row.value is not None else live[row.name]
                        m.d.sync += [bus.rdata.eq(value), bus.rresp.eq(OKAY)]
        with m.Elif(bus.rready):
            m.d.sync += bus.rvalid.eq(0)
