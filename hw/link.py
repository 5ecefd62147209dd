"""The device's end of the host link, without the UART: bytes in, bytes out, accelerator between."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .protocol import Identity
from .receive import PacketReader, Unstuffer
from .respond import Responder

WINDOW = 4


class Link(wiring.Component):
    """Answers the packets of ``docs/protocol.md`` with the help of an accelerator outside.

    ``i``, ``o``: bytes from and to the line. Beside them ``frames`` goes to the accelerator's ``i`` (a beat per
    cycle, whole frames with a right checksum only) and ``results`` comes from its ``o``, results in frame order.
    """

    def __init__(self, identity, result_layout):
        self.identity = identity
        self.reader = PacketReader(identity)
        self.responder = Responder(identity, result_layout)
        super().__init__({
            "i": In(stream.Signature(8)),
            "o": Out(stream.Signature(8)),
            "frames": Out(self.reader.o.signature),
            "results": In(stream.Signature(result_layout)),
        })

    @classmethod
    def of(cls, accelerator, *, clock_hz, window=WINDOW):
        """Return the link that fits ``accelerator``, a component with the attributes of :meth:`Identity.of`."""
        identity = Identity.of(accelerator, window=window, clock_hz=clock_hz)
        if identity.beats != accelerator.beats:
            raise ValueError(f"the accelerator takes {accelerator.beats} beats a frame, not {identity.beats}: its "
                             "pixels_per_group or pixels_per_beat is wrong")
        return cls(identity, accelerator.o.payload.shape())

    def elaborate(self, platform):
        m = Module()
        m.submodules.unstuffer = unstuffer = Unstuffer()
        m.submodules.reader = reader = self.reader
        m.submodules.responder = responder = self.responder
        connect(m, flipped(self.i), unstuffer.i)
        connect(m, unstuffer.o, reader.i)
        connect(m, reader.o, flipped(self.frames))
        connect(m, reader.answers, responder.answers)
        connect(m, flipped(self.results), responder.results)
        connect(m, responder.o, flipped(self.o))
        m.d.comb += [responder.sequence.eq(reader.oldest), reader.finish.eq(responder.finish)]
        return m
