"""From results and refusals to bytes on the line: one reply at a time, stuffed without a packet buffer."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import Algorithm
from amaranth.lib.wiring import In, Out

from . import protocol
from .protocol import Reply
from .receive import Answer


class Responder(wiring.Component):
    """Sends replies: waiting ``answers`` first, then ``results``.

    ``results``: the accelerator's output, held until its last byte is sent; ``sequence`` goes with it, and
    ``finish`` is high in the cycle in which it is done. ``o``: bytes for the line, delimiters included.

    The bytes of a reply are read by index from where they already are. A block is passed twice: once in
    search of the zero that ends it (two cycles a byte; the checksum takes the byte along), once to send it.
    """

    def __init__(self, identity, result_layout):
        self.identity = identity
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
        first_check = Mux(is_error, ends[0], Mux(is_result, ends[2], ends[1]))

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [check.start.eq(1), self.answers.ready.eq(1)]
                m.d.sync += [index.eq(0), base.eq(0), code.eq(1)]
                with m.If(self.answers.valid):
                    error = self.answers.payload.code
                    m.d.sync += [
                        kind.eq(Mux(error == 0, Reply.IDENTITY, Reply.ERROR | error)),
                        sequence.eq(self.answers.payload.sequence),
                    ]
                    m.next = "LOOK"
                with m.Elif(self.results.valid):
                    m.d.sync += [kind.eq(Reply.RESULT), sequence.eq(self.sequence)]
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
                    m.d.sync += [index.eq(index + 1), code.eq(code + 1)]
                    m.next = "LOOK"
            with m.State("CODE"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(code)]
                m.d.sync += index.eq(base)
                with m.If(self.o.ready):
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.d.sync += code.eq(code - 1)
                m.next = "SEND"
                with m.If(code == 1):
                    m.d.sync += [code.eq(1), index.eq(index + zero), base.eq(index + zero)]
                    m.next = "LOOK"
                    with m.If(last):
                        m.next = "DELIMITER"
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
                with m.If(self.o.ready):
                    m.d.sync += index.eq(index + 1)
                    m.next = "FETCH"
            with m.State("DELIMITER"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(protocol.DELIMITER)]
                with m.If(self.o.ready):
                    m.d.comb += self.finish.eq(is_result & ~is_error)
                    m.next = "IDLE"
        m.d.comb += [self.results.ready.eq(self.finish), check.data.eq(byte)]

        high, low = Signal(), Signal()
        m.d.comb += [high.eq(index == first_check), low.eq(index == first_check + 1)]
        identity = int.from_bytes(of.pack(), "little")
        header = Cat(kind, sequence)
        from_result = Cat(header, self._result_bits()).word_select(index, 8)
        from_identity = Cat(header, Const(identity, 8 * of.FORMAT.size)).word_select(index, 8)
        plain = Mux(is_result, from_result, from_identity)
        m.d.sync += [
            byte.eq(Mux(high, check.crc[8:], Mux(low, check.crc[:8], plain))),
            body.eq(index < first_check),
            end.eq(index == first_check + 2),
        ]
        return m

    def _result_bits(self):
        """Return the RESULT payload as one value, in the order of ``Identity.pack_result``."""
        of, result = self.identity, self.results.payload
        index = result["class"]
        scores = []
        for number in range(of.classes):
            score = result.scores[number]
            spare = 8 * of.score_bytes - of.score_width
            scores.append(Cat(score, score[-1].replicate(spare)))
        return Cat(index, Const(0, 16 - len(index)), result.cycles, *scores)
