"""From results and refusals to bytes on the line: one reply at a time, stuffed without a packet buffer."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc import Algorithm
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.mux import choose
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.protocol import Reply
from s2nn_hw.hw.link.receive import ORIGIN_BYTES, Answer


def result_payload(identity, result):
    """Return the stream payload ``result`` as one value, in the order of ``Identity.pack_result``."""
    index = result["class"]
    return Cat(index, Const(0, 16 - len(index)), result.cycles, score_bytes(identity, result.scores))


def score_bytes(identity, scores):
    """Return ``scores`` as one value, each sign-extended to whole bytes."""
    spare = 8 * identity.score_bytes - identity.score_width
    return Cat(Cat(scores[n], scores[n][-1].replicate(spare)) for n in range(identity.classes))


class Responder(wiring.Component):
    """Sends replies: waiting ``answers`` first, then ``results``.

    ``results``: the accelerator's output, held until its last byte is sent; ``finish`` is high in the cycle in which it
    is done. Byte ``number`` of the request that it answers is read at ``origin``, as of
    :class:`~s2nn_hw.hw.link.receive.PacketReader`. ``o``: bytes for the line, delimiters included.
    ``payload``: a function ``(identity, result) -> value`` whose bytes, low ones first, follow the request's checksum
    in the payload of the reply of type ``identity.reply``; ``identity`` may be another record with these attributes.

    The bytes of a reply are read by index from where they already are. A block is passed twice: once in
    search of the zero that ends it (twelve cycles a byte; the checksum takes a bit in each of eight), once to send it.
    """

    def __init__(self, identity, result_layout, payload=result_payload):
        self.identity, self._payload = identity, payload
        super().__init__(
            {
                "answers": In(stream.Signature(Answer)),
                "results": In(stream.Signature(result_layout)),
                "number": Out(range(ORIGIN_BYTES)),
                "origin": In(8),
                "finish": Out(1),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        of = self.identity
        m.submodules.check = check = Algorithm(**protocol.CHECK)(data_width=1).create()
        kind, sequence = Signal(8), Signal(8)
        is_error = kind[6]
        is_result = kind[0] & ~is_error
        ends = [protocol.HEADER_BYTES + n for n in (0, of.FORMAT.size, of.result_bytes)]
        index = Signal(range(max(ends) + protocol.CHECK_BYTES + 1))
        base = Signal.like(index)
        code = Signal(8, init=1)  # COBS code of the block: its bytes + 1
        zero = Signal()  # the block ends with a zero, not with the packet or at its full length
        last = Signal()  # nothing follows the block
        byte, body, end = Signal(8), Signal(), Signal()  # what stands at `index`, three cycles later
        counts, halt = Signal(), Signal()  # a cycle after that: the checksum takes the byte; the block ends before it
        bit = Signal(3)  # of the byte, which the checksum takes next
        finish = Signal()

        # each adder alone between its register and a multiplexer
        idle, step, rewind, settle, grow, shrink = (
            Signal(name=n) for n in ("idle", "step", "rewind", "settle", "grow", "shrink")
        )
        stepped, onward, full, bare = Signal.like(index), Signal.like(index), Signal(), Signal()
        m.d.comb += [onward.eq(index + 1), stepped.eq(Mux(step, onward, index))]
        m.d.sync += [
            index.eq(Mux(rewind, base, stepped)),
            full.eq(code == protocol.FULL_BLOCK),
            bare.eq(code == 1),
            finish.eq(0),
            counts.eq(body & ~full),
            halt.eq(end | full | (byte == 0)),
        ]
        with m.If(grow):
            m.d.sync += code.eq(code + 1)
        with m.If(shrink):
            m.d.sync += code.eq(code - 1)
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
                    m.d.sync += kind.eq(of.reply)
                    m.next = "LOOK"
            for state, following in pairwise(("LOOK", "FIND", "CHOOSE", "WEIGH", "EXAMINE")):
                with m.State(state):
                    m.next = following
            with m.State("EXAMINE"):
                m.d.comb += check.valid.eq(counts)
                m.d.sync += [bit.eq(bit + counts), zero.eq(~end & ~full), last.eq(end & ~full)]
                with m.If(~counts | (bit == 7)):
                    with m.If(halt):
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
                m.next = "FETCH_FIND"
                with m.If(bare):
                    m.d.comb += [step.eq(zero), settle.eq(1)]
                    m.next = "LOOK"
                    with m.If(last):
                        m.next = "DELIMITER"
                with m.Else():
                    m.d.comb += shrink.eq(1)
            for state, following in pairwise(("FETCH_FIND", "FETCH_CHOOSE", "SEND")):
                with m.State(state):
                    m.next = following
            with m.State("SEND"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(byte)]
                with m.If(self.o.ready):
                    m.d.comb += step.eq(1)
                    m.next = "FETCH"
            with m.State("DELIMITER"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(protocol.DELIMITER)]
                with m.If(self.o.ready):
                    m.d.sync += finish.eq(is_result)
                    m.next = "FINISH"
            with m.State("FINISH"):
                m.next = "IDLE"
        m.d.comb += [self.finish.eq(finish), self.results.ready.eq(finish), check.data.eq(byte.bit_select(bit, 1))]

        # what stands at the index, in three steps: found, chosen among what is sent, and between that and the checksum
        ahead, found, known = Signal.like(index), Signal(8), Signal(8)  # `ahead`: bytes up to the packet's end
        at_kind, at_origin, at_sequence = Signal(), Signal(), Signal()
        sent, closing, checksum, at_end = Signal(8), Signal(), Signal(8), Signal()
        result = self._payload(of, self.results.payload)
        unused = [0] * (protocol.HEADER_BYTES + protocol.CHECK_BYTES)
        results = unused + [result[k : k + 8] for k in range(0, len(result), 8)]
        identity = unused[: protocol.HEADER_BYTES] + list(of.pack())
        size = Mux(is_error, ends[0], Mux(is_result, ends[2], ends[1])) + protocol.CHECK_BYTES
        m.d.sync += [
            ahead.eq(size - index),
            self.number.eq(ORIGIN_BYTES - index),
            at_kind.eq(index == 0),
            at_sequence.eq(index == 1),
            at_origin.eq(is_result & (index <= ORIGIN_BYTES)),
            found.eq(choose(results, index)),
            known.eq(choose(identity, index)),
        ]
        crc = [check.crc.word_select(n, 8) for n in range(protocol.CHECK_BYTES)]
        m.d.sync += [
            closing.eq(ahead <= protocol.CHECK_BYTES),
            at_end.eq(ahead == 0),
            checksum.eq(choose([crc[-n % protocol.CHECK_BYTES] for n in range(protocol.CHECK_BYTES)], ahead)),
            sent.eq(
                Mux(
                    at_kind, kind, Mux(at_origin, self.origin, Mux(at_sequence, sequence, Mux(is_result, found, known)))
                )
            ),
            byte.eq(Mux(closing, checksum, sent)),
            end.eq(at_end),
            body.eq(~closing),
        ]
        return m
