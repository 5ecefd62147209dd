"""From results and refusals to bytes on the line: one reply at a time, stuffed without a packet buffer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import Algorithm
from amaranth.lib.wiring import In, Out

from . import protocol
from .protocol import Reply
from .receive import Answer


def result_payload(identity, result):
    """Return the RESULT payload of the stream payload ``result`` as one value, as ``Identity.pack_result`` does."""
    index = result["class"]
    return Cat(index, Const(0, 16 - len(index)), result.cycles, score_bytes(identity, result.scores))


def score_bytes(identity, scores):
    """Return ``scores`` as one value, each sign-extended to whole bytes."""
    spare = 8 * identity.score_bytes - identity.score_width
    return Cat(Cat(scores[n], scores[n][-1].replicate(spare)) for n in range(identity.classes))


class Responder(wiring.Component):
    """Sends replies: waiting ``answers`` first, then ``results``.

    ``results``: the accelerator's output, held until its last byte is sent; ``sequence`` goes with it, and
    ``finish`` is high in the cycle in which it is done. ``o``: bytes for the line, delimiters included.
    ``payload``: a function ``(identity, result) -> value`` whose bytes, low ones first, are the payload of the reply
    of type ``identity.reply``; ``identity`` may be another record with these attributes.

    The bytes of a reply are read by index from where they already are. A block is passed twice: once in
    search of the zero that ends it (two cycles a byte; the checksum takes the byte along), once to send it.
    """

    def __init__(self, identity, result_layout, payload=result_payload):
        self.identity, self._payload = identity, payload
        super().__init__({
            "answers": In(stream.Signature(Answer)),
            "results": In(stream.Signature(result_layout)),
            "sequence": In(8),
            "finish": Out(1),
            "o": Out(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        of = self.identity
        m.submodules.check = check = Algorithm(**protocol.CHECK)(data_width=8).create()
        kind, sequence = Signal(8), Signal(8)
        is_error, is_result = kind[6], kind[0]
        ends = [protocol.HEADER_BYTES + n for n in (0, of.FORMAT.size, of.result_bytes)]
        index = Signal(range(max(ends) + 3))
        base = Signal.like(index)
        code = Signal(8, init=1)  # COBS code of the block: its bytes + 1
        zero = Signal()  # the block ends with a zero, not with the packet or at its full length
        last = Signal()  # nothing follows the block
        byte, body, end = Signal(8), Signal(), Signal()  # what stands at `index`, a cycle later

        # one adder each for index and code
        idle, step, rewind, settle, grow, shrink = (
            Signal(name=n) for n in ("idle", "step", "rewind", "settle", "grow", "shrink"))
        stepped = Signal.like(index)
        m.d.comb += stepped.eq(index + step)
        m.d.sync += [index.eq(Mux(rewind, base, stepped)), code.eq(code + Cat(grow | shrink, shrink.replicate(7)))]
        with m.If(settle):
            m.d.sync += base.eq(stepped)
        with m.If(idle):
            m.d.sync += [index.eq(0), base.eq(0)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [idle.eq(1), check.start.eq(1), self.answers.ready.eq(1)]
                m.d.sync += code.eq(1)
                with m.If(self.answers.valid):
                    error = self.answers.payload.code
                    m.d.sync += [
                        kind.eq(Mux(error == 0, Reply.IDENTITY, Reply.ERROR | error)),
                        sequence.eq(self.answers.payload.sequence),
                    ]
                    m.next = "LOOK"
                with m.Elif(self.results.valid):
                    m.d.sync += [kind.eq(of.reply), sequence.eq(self.sequence)]
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "EXAMINE"
            with m.State("EXAMINE"):
                full = code == protocol.FULL_BLOCK
                stop = end | full | (byte == 0)
                m.d.comb += check.valid.eq(body & ~full)
                m.d.sync += [zero.eq(~end & ~full), last.eq(end & ~full)]
                with m.If(stop):
                    m.next = "CODE"
                with m.Else():
                    m.d.comb += [step.eq(1), grow.eq(1)]
                    m.next = "LOOK"
            with m.State("CODE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(code)]
                m.d.comb += rewind.eq(1)
                with m.If(self.o.ready):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "SEND"
                with m.If(code == 1):
                    m.d.comb += [step.eq(zero), settle.eq(1)]
                    m.next = "LOOK"
                    with m.If(last):
                        m.next = "DELIMITER"
                with m.Else():
                    m.d.comb += shrink.eq(1)
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
                with m.If(self.o.ready):
                    m.d.comb += step.eq(1)
                    m.next = "FETCH"
            with m.State("DELIMITER"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(protocol.DELIMITER)]
                with m.If(self.o.ready):
                    m.d.comb += self.finish.eq(is_result & ~is_error)
                    m.next = "IDLE"
        m.d.comb += [self.results.ready.eq(self.finish), check.data.eq(byte)]

        high, low, beyond = (index == Mux(is_error, ends[0] + n, Mux(is_result, ends[2] + n, ends[1] + n))
                             for n in range(3))
        identity = Const(int.from_bytes(of.pack(), "little"), 8 * of.FORMAT.size)
        unused = Const(0, 8 * protocol.HEADER_BYTES)
        plain = Mux(is_result, Cat(unused, self._payload(of, self.results.payload)).word_select(index, 8),
                    Cat(unused, identity).word_select(index, 8))
        with m.If(high):
            m.d.sync += byte.eq(check.crc[8:])
        with m.Elif(low):
            m.d.sync += byte.eq(check.crc[:8])
        with m.Elif(index < protocol.HEADER_BYTES):
            m.d.sync += byte.eq(Mux(index[0], sequence, kind))
        with m.Else():
            m.d.sync += byte.eq(plain)
        m.d.sync += [end.eq(beyond), body.eq(~(high | low | beyond))]
        return m
