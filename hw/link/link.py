"""The device's end of the host link, without the UART: bytes in, bytes out, accelerator between."""

from typing import Any, Protocol, Self

from amaranth.build import Platform
from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.circuit.stage import Tensor
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.event_reader import SpikeFrames, token_depth
from s2nn_hw.hw.link.protocol import Computes, Identity
from s2nn_hw.hw.link.receive import PacketReader, Token, Unstuffer
from s2nn_hw.hw.link.respond import Responder, score_bytes
from s2nn_hw.hw.link.selftest import state_layout
from s2nn_hw.hw.link.sequence_packets import SequencePackets
from s2nn_hw.hw.link.sequence_reader import SequenceFrames
from s2nn_hw.hw.link.spike_list import SpikeList
from s2nn_hw.hw.link.verdict import Command, SelfTestPackets

WINDOW = 4


class Accelerates(Computes, Protocol):
    """An accelerator, or what stands for one."""

    beats: int
    o: Any


def identity_of(accelerator: Accelerates, *, clock_hz: int, window: int = WINDOW) -> Identity:
    """Return the :class:`Identity` of ``accelerator``; :class:`ValueError` if its attributes contradict each other."""
    identity = Identity.of(accelerator, window=window, clock_hz=clock_hz)
    if identity.beats != accelerator.beats:
        raise ValueError(
            f"the accelerator takes {accelerator.beats} beats a frame, not {identity.beats}: its "
            "pixels_per_group or pixels_per_beat is wrong"
        )
    return identity


class Link(wiring.Component):
    """Answers the packets of ``docs/protocol.md`` with the help of an accelerator outside.

    ``i``: bytes from the line.
    ``o``: bytes to the line.
    ``frames``: to the accelerator's ``i``: a beat per cycle, whole frames with a right checksum only.
    ``results``: from the accelerator's ``o``, in frame order.
    """

    def __init__(self, identity: Identity, result_layout: data.Layout) -> None:
        self.identity = identity
        self.reader = PacketReader(identity)
        self.responder = Responder(identity, result_layout)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "frames": Out(self.reader.o.signature),
                "results": In(stream.Signature(result_layout)),
            }
        )

    @classmethod
    def of(cls, accelerator: Accelerates, *, clock_hz: int, window: int = WINDOW) -> Self:
        """Return the link that fits ``accelerator``, a component with the attributes of :meth:`Identity.of`."""
        return cls(identity_of(accelerator, clock_hz=clock_hz, window=window), accelerator.o.payload.shape())

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        _packets(m, self)
        connect(m, self.reader.o, flipped(self.frames))
        connect(m, flipped(self.results), self.responder.results)
        return m


class EventLink(wiring.Component):
    """As :class:`Link`, of frames that come as events; a reply also has the first spikes of what the readout reads.

    ``i``: bytes from the line.
    ``o``: bytes to the line.
    ``frames``: to the accelerator's ``i``.
    ``results``: from the accelerator's ``o``.
    ``spikes``: from the accelerator's ``spikes``, always taken.
    """

    def __init__(self, packets: EventPackets, result_layout: data.Layout, leaving: Tensor) -> None:
        self.packets, self.identity = packets, packets.identity
        content = SpikeFrames(packets)
        self.reader = PacketReader(packets, content)
        self.responder = Responder(packets, result_layout, answer=content.answer, tail=packets.tail_bytes)
        self.list = SpikeList(leaving, packets.leaving, window=packets.window)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "frames": Out(self.reader.o.signature),
                "results": In(stream.Signature(result_layout)),
                "spikes": In(stream.Signature(self.list.width)),
            }
        )

    @classmethod
    def of(cls, accelerator: Any, *, clock_hz: int, window: int = WINDOW) -> Self:
        """Return the link that fits ``accelerator``, one with the stream ``spikes``, laid out as its ``leaving``."""
        identity_of(accelerator, clock_hz=clock_hz, window=window)
        packets = EventPackets.of(accelerator, window=window, clock_hz=clock_hz)
        return cls(packets, accelerator.o.payload.shape(), accelerator.leaving)

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        _packets(m, self, token_depth(self.packets.beats))
        m.submodules.spikes = spikes = self.list
        responder = self.responder
        connect(m, self.reader.o, flipped(self.frames))
        connect(m, flipped(self.spikes), spikes.i)
        m.d.comb += [
            responder.results.payload.eq(self.results.payload),
            responder.results.valid.eq(self.results.valid & spikes.whole),
            self.results.ready.eq(responder.results.ready),
            spikes.number.eq(responder.tail_number),
            responder.tail_byte.eq(spikes.byte),
            responder.tail_length.eq(spikes.length),
            spikes.finish.eq(responder.finish),
        ]
        return m


class SequenceLink(wiring.Component):
    """As :class:`Link`, of sequences: a request has all frames of one, and each a result.

    ``i``: bytes from the line.
    ``o``: bytes to the line.
    ``frames``: to the accelerator's ``i``: a beat per cycle, whole sequences with a right checksum only.
    ``results``: from the accelerator's ``o``, in the order of the sequences.
    """

    def __init__(self, packets: SequencePackets, result_layout: data.Layout) -> None:
        self.packets, self.identity = packets, packets.identity
        content = SequenceFrames(packets)
        self.reader = PacketReader(packets, content)
        self.responder = Responder(packets, result_layout, answer=content.answer)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "frames": Out(self.reader.o.signature),
                "results": In(stream.Signature(result_layout)),
            }
        )

    @classmethod
    def of(cls, accelerator: Accelerates, *, clock_hz: int, window: int) -> Self:
        """Return the link that fits ``accelerator``, whose network reads sequences, for ``window`` of them."""
        identity_of(accelerator, clock_hz=clock_hz, window=window)
        packets = SequencePackets.of(accelerator, window=window, clock_hz=clock_hz)
        return cls(packets, accelerator.o.payload.shape())

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        _packets(m, self)
        connect(m, self.reader.o, flipped(self.frames))
        connect(m, flipped(self.results), self.responder.results)
        return m


class SelfTestLink(wiring.Component):
    """Answers for a self-test: identity and verdict, frames are an unknown request.

    ``i``: bytes from the line.
    ``o``: bytes to the line.
    ``restart``: to that of :class:`~s2nn_hw.hw.link.selftest.SelfTest`.
    ``fault``: likewise.
    ``state``: from that of the self-test.

    A reply carries the state of the cycle in which its request is taken up; after a restart that is the old one, no
    longer running.
    """

    def __init__(self, identity: Identity, result_layout: data.Layout, *, vectors: int, rounds_log2: int) -> None:
        self.identity, self.vectors, self.rounds_log2 = identity, vectors, rounds_log2
        self.packets = packets = SelfTestPackets(identity)
        self.reader = PacketReader(packets)
        state = state_layout(result_layout, vectors)
        layout = data.StructLayout({"state": state, "fault": 1})
        self.responder = Responder(packets, layout, self._payload)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(8)),
                "restart": Out(1),
                "fault": Out(1),
                "state": In(state),
            }
        )

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        _packets(m, self)
        reader, reply = self.reader, self.responder.results
        # the state must not change while it is sent, as its bytes are read twice
        command = reader.o.payload[0]
        with m.FSM():
            with m.State("ASK"):
                m.d.comb += reader.o.ready.eq(1)
                with m.If(reader.o.valid):
                    restart = (command & Command.RESTART.value).any()
                    m.d.sync += self.restart.eq(restart)
                    with m.If(restart):
                        m.d.sync += self.fault.eq((command & Command.FAULT.value).any())
                    m.next = "OBEY"
            with m.State("OBEY"):
                m.d.sync += self.restart.eq(0)
                m.next = "LOOK"
            with m.State("LOOK"):
                now = reply.payload.state
                m.d.sync += [now.eq(self.state), reply.payload.fault.eq(self.fault), reply.valid.eq(1)]
                with m.If(~self.state.failed):
                    m.d.sync += [now.vector.eq(0), now.wanted.as_value().eq(0), now.came.as_value().eq(0)]
                m.next = "TELL"
            with m.State("TELL"), m.If(reply.ready):
                m.d.sync += reply.valid.eq(0)
                m.next = "ASK"
        return m

    def _payload(self, packets: SelfTestPackets, reply: data.View) -> Value:
        """Return the SELF_TEST payload as one value, in the order of ``SelfTestPackets.pack_verdict``."""
        state = reply.state

        def answer(of: data.View) -> Value:
            return Cat(of["class"], Const(0, 16 - len(of["class"])), score_bytes(packets, of.scores))

        flags = Cat(state.running, state.passed, state.failed, reply.fault, Const(0, 4))
        head = Cat(
            flags,
            Const(self.rounds_log2, 8),
            Const(self.vectors, 16),
            state.frames,
            Const(0, 64 - len(state.frames)),
            state.mismatches,
            state.round_cycles,
            state.span_cycles,
            state.latency_cycles,
            state.vector,
            Const(0, 16 - len(state.vector)),
        )
        return Cat(head, answer(state.wanted), answer(state.came))


def _packets(m: Module, link: "Link | EventLink | SequenceLink | SelfTestLink", tokens_depth: int = 2) -> None:
    """Add what all links have: packets in, answers out, all but what the reader hands on and the responder sends."""
    m.submodules.unstuffer = unstuffer = Unstuffer()
    m.submodules.reader = reader = link.reader
    m.submodules.responder = responder = link.responder
    # registers between what is read off the line and what judges it
    m.submodules.tokens = tokens = Queue(width=Token.size, depth=tokens_depth)
    connect(m, flipped(link.i), unstuffer.i)
    m.d.comb += [
        tokens.i.payload.eq(unstuffer.o.payload.as_value()),
        tokens.i.valid.eq(unstuffer.o.valid),
        unstuffer.o.ready.eq(tokens.i.ready),
        reader.i.payload.eq(tokens.o.payload),
        reader.i.valid.eq(tokens.o.valid),
        tokens.o.ready.eq(reader.i.ready),
    ]
    connect(m, reader.answers, responder.answers)
    connect(m, responder.o, flipped(link.o))
    m.d.comb += [
        reader.number.eq(responder.number),
        responder.origin.eq(reader.origin),
        reader.finish.eq(responder.finish),
    ]
