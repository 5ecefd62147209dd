"""The IP block: a network between two AXI4-Streams.

    s_axis --> Queue --> Framing ------> [AsyncFIFO] --> Narrow or Widen --> Accelerator
                            | verdicts                                            |
    m_axis <-- Replies <-- Queue                                                  |
                   ^------------------ Queue or AsyncFIFO <-----------------------+

Domains: ``bus`` (``aclk``, reset by ``aresetn``), ``link`` (``aclk``, reset whenever the streams are closed), ``core``
(``core_clk``, or ``aclk`` too).
"""

from typing import Any

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.wiring import In, Out, connect

from s2nn_hw.accelerator import Accelerator
from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.design import Design
from s2nn_hw.ip.framing import Framing
from s2nn_hw.ip.lite import Lite, lite_ports
from s2nn_hw.ip.registers import registers
from s2nn_hw.ip.replies import Replies
from s2nn_hw.ip.restart import Restart
from s2nn_hw.ip.shape import Options, Shape
from s2nn_hw.ip.widths import Narrow, Widen

CROSSING_DEPTH = 16  # of the queues between two clocks: some cycles of both more than a round trip


class Block(wiring.Component):
    """``network`` under ``plan``, with the ports of AXI4-Stream, as :class:`Options` say.

    ``aclk``: the clock of all ports, rising edge.
    ``aresetn``: active low, synchronous; one cycle is enough, and none is needed after power-up.
    ``s_axis_tdata``: a transfer of a frame (:mod:`~s2nn_hw.ip.shape`), the first pixels in the low bits.
    ``s_axis_tvalid``, ``s_axis_tready``: it passes in a cycle in which both are high.
    ``s_axis_tlast``: high with the last transfer of a frame.
    ``m_axis_tdata``: a transfer of a result, the first word in the low bits.
    ``m_axis_tvalid``, ``m_axis_tready``: it passes in a cycle in which both are high.
    ``m_axis_tlast``: high with the last transfer of a result.
    ``frame_error``: high for a cycle for each frame that is dropped: its ``tlast`` came too early or not in time.
    ``core_clk``: with ``core_mhz``: the clock of the circuit, whatever its phase and frequency.
    ``s_axi_...``: with ``axi_lite``: the registers (:mod:`~s2nn_hw.ip.registers`).

    Every good frame gives one result, in order; of others nothing is given. A frame alone takes the circuit's cycles
    and :data:`~s2nn_hw.ip.shape.LATENCY_CYCLES` more.
    """

    def __init__(self, accelerator: Accelerator, options: Options) -> None:
        self.accelerator, self.options = accelerator, options
        self.shape = shape = Shape(accelerator.design, options)
        ports: dict[str, Any] = {"aclk": In(1), "aresetn": In(1, init=1)}
        if options.core_mhz is not None:
            ports["core_clk"] = In(1)
        ports |= {
            "s_axis_tdata": In(8 * shape.input_bytes),
            "s_axis_tvalid": In(1),
            "s_axis_tready": Out(1),
            "s_axis_tlast": In(1),
            "m_axis_tdata": Out(8 * shape.output_bytes),
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "m_axis_tlast": Out(1),
            "frame_error": Out(1),
        }
        if options.axi_lite:
            ports |= {f"s_axi_{name}": port for name, port in lite_ports().items()}
        super().__init__(ports)

    @property
    def design(self) -> Design:
        """What is known of the circuit inside."""
        return self.shape.design

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        crossing = self.options.core_mhz is not None
        m.submodules.restarter = restart = Restart(crossing=crossing)
        self._domains(m, restart)
        framing = self._enter(m, restart)
        m.submodules.accelerator = DomainRenamer("core")(self.accelerator)
        self._beats(m, framing.o)
        verdicts = Queue(width=1, depth=self.design.frames_under_way + (2 * CROSSING_DEPTH if crossing else 3))
        m.submodules.verdicts = DomainRenamer("link")(verdicts)
        replies = Replies(self.shape)
        m.submodules.replies = DomainRenamer("link")(replies)
        connect(m, framing.verdict, verdicts.i)
        connect(m, verdicts.o, replies.verdict)
        self._results(m, replies)
        m.d.comb += [
            replies.stop.eq(restart.stop),
            restart.idle.eq(~replies.o.valid),
            self.m_axis_tdata.eq(replies.o.payload.data),
            self.m_axis_tlast.eq(replies.o.payload.last),
            self.m_axis_tvalid.eq(replies.o.valid & ~restart.closed),
            replies.o.ready.eq(self.m_axis_tready),
        ]
        m.d.bus += self.frame_error.eq(framing.short | framing.long)
        if self.options.axi_lite:
            busy = framing.i.valid | framing.inside | framing.filling | verdicts.o.valid | replies.o.valid
            self._registers(m, restart, framing, replies.sent, busy)
        return m

    def _domains(self, m: Module, restart: Restart) -> None:
        m.domains.bus = ClockDomain()
        m.domains.link = ClockDomain()
        m.domains.core = ClockDomain()
        m.d.comb += [
            ClockSignal("bus").eq(self.aclk),
            ClockSignal("link").eq(self.aclk),
            ClockSignal("core").eq(self.core_clk if self.options.core_mhz is not None else self.aclk),
            ResetSignal("bus").eq(~self.aresetn),
            ResetSignal("link").eq(restart.closed),
            ResetSignal("core").eq(restart.core_reset),
        ]

    def _enter(self, m: Module, restart: Restart) -> Framing:
        """Add the way from ``s_axis`` to whole frames; only bits that carry something are kept."""
        shape = self.shape
        width = 8 * shape.input_bytes if shape.transfers_per_beat > 1 else shape.beat_bits * shape.beats_per_transfer
        framing, queue = Framing(width=width, transfers=shape.transfers), Queue(width=width + 1, depth=2)
        m.submodules.framing = DomainRenamer("bus")(framing)
        m.submodules.entry = DomainRenamer("bus")(queue)
        kept: Any = self.s_axis_tdata
        if shape.transfers_per_beat == 1:
            starts = [8 * shape.beat_bytes * k for k in range(shape.beats_per_transfer)]
            kept = Cat(*(self.s_axis_tdata[start : start + shape.beat_bits] for start in starts))
        m.d.comb += [
            queue.i.payload.eq(Cat(kept, self.s_axis_tlast)),
            queue.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(queue.i.ready),
            framing.i.payload.eq(queue.o.payload),
            framing.i.valid.eq(queue.o.valid),
            queue.o.ready.eq(framing.i.ready),
            framing.open.eq(~restart.closed),
        ]
        return framing

    def _beats(self, m: Module, transfers: Any) -> None:
        """Add the way from transfers of whole frames to the circuit's beats."""
        shape, source = self.shape, transfers
        if self.options.core_mhz is not None:
            source = self._cross(m, "incoming", source, "link", "core")
        if shape.beats_per_transfer > 1:
            gear: Any = Narrow(width=shape.beat_bits, each=shape.beats_per_transfer, beats=self.design.beats)
        elif shape.transfers_per_beat > 1:
            gear = Widen(width=shape.beat_bits, part=8 * shape.input_bytes, each=shape.transfers_per_beat)
        else:
            self._join(m, source, self.accelerator.i)
            return
        m.submodules.gear = DomainRenamer("core")(gear)
        self._join(m, source, gear.i)
        self._join(m, gear.o, self.accelerator.i)

    def _results(self, m: Module, replies: Replies) -> None:
        """Add the way from the circuit's results to ``replies``."""
        given = self.accelerator.o
        chosen = stream.Signature(replies.layout).create()
        m.d.comb += [
            *(Cat(chosen.payload[part]).eq(Cat(given.payload[part])) for part in self.options.content),
            chosen.valid.eq(given.valid),
            given.ready.eq(chosen.ready),
        ]
        if self.options.core_mhz is not None:
            source = self._cross(m, "outgoing", chosen, "core", "link")
        else:
            queue = Queue(width=replies.layout.size, depth=2)
            m.submodules.outgoing = DomainRenamer("link")(queue)
            self._join(m, chosen, queue.i)
            source = queue.o
        self._join(m, source, replies.i)

    def _cross(self, m: Module, name: str, source: Any, writes: str, reads: str) -> Any:
        """Add a queue from domain ``writes`` to ``reads``; return the stream that leaves it."""
        width = len(Cat(source.payload))
        m.submodules[name] = fifo = AsyncFIFO(width=width, depth=CROSSING_DEPTH, w_domain=writes, r_domain=reads)
        output = stream.Signature(width).create()
        m.d.comb += [
            fifo.w_data.eq(source.payload),
            fifo.w_en.eq(source.valid),
            source.ready.eq(fifo.w_rdy),
            output.payload.eq(fifo.r_data),
            output.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(output.ready),
        ]
        return output

    def _join(self, m: Module, source: Any, sink: Any) -> None:
        """Connect streams of as many bits."""
        m.d.comb += [
            Cat(sink.payload).eq(Cat(source.payload)),
            sink.valid.eq(source.valid),
            source.ready.eq(sink.ready),
        ]

    def _registers(self, m: Module, restart: Restart, framing: Framing, sent: Any, busy: Any) -> None:
        """Add the registers."""
        lite = Lite(registers(self.shape))
        m.submodules.registers = DomainRenamer("bus")(lite)
        for name, port in lite_ports().items():
            own, inner = getattr(self, f"s_axi_{name}"), getattr(lite.bus, name)
            m.d.comb += inner.eq(own) if port.flow is In else own.eq(inner)
        good = Signal()
        m.d.comb += [
            good.eq(framing.verdict.valid & framing.verdict.ready & framing.verdict.payload),
            lite.frames.eq(good),
            lite.results.eq(sent),
            lite.short.eq(framing.short),
            lite.long.eq(framing.long),
            lite.busy.eq(busy),
            lite.restarting.eq(restart.closed | restart.stop),
            restart.wanted.eq(lite.restart),
        ]
