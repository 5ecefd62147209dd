"""From results and refusals to bytes on the line: one reply at a time, stuffed without a packet buffer."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import Algorithm, Processor
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.mux import choose
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.layout import Layout
from s2nn_hw.hw.link.protocol import Reply
from s2nn_hw.hw.link.receive import ORIGIN_BYTES, Answer


def result_payload(identity: Layout, result: data.View) -> Value:
    """Return the stream payload ``result`` as one value, in the order of ``Identity.pack_result``."""
    index = result["class"]
    return Cat(index, Const(0, 16 - len(index)), result.cycles, score_bytes(identity, result.scores))


def score_bytes(identity: Layout, scores: data.View) -> Value:
    """Return ``scores`` as one value, each sign-extended to whole bytes."""
    spare = 8 * identity.score_bytes - identity.score_width
    return Cat(Cat(scores[n], scores[n][-1].replicate(spare)) for n in range(identity.classes))


@dataclass(frozen=True)
class _Reply:
    """The reply on its way: checksum, type, number, what type it is, the index, and what stands there."""

    check: Processor
    kind: Signal
    sequence: Signal
    is_error: Value
    is_result: Value
    index: Signal
    byte: Signal
    body: Signal
    end: Signal


@dataclass(frozen=True)
class _Block:
    """The COBS block that is searched or sent: its code, what ends it, and what the states do with code and index."""

    code: Signal
    zero: Signal
    last: Signal
    counts: Signal
    halt: Signal
    bit: Signal
    finish: Signal
    idle: Signal
    step: Signal
    rewind: Signal
    settle: Signal
    grow: Signal
    shrink: Signal
    full: Signal
    bare: Signal


class Responder(wiring.Component):
    """Sends replies: waiting ``answers`` first, then ``results``.

    ``answers``: refusals and identities to send, from :class:`~s2nn_hw.hw.link.receive.PacketReader`.
    ``results``: the accelerator's output, held until its last byte is sent.
    ``number``: which byte of the request that a result answers is wanted.
    ``origin``: that byte.
    ``finish``: high in the cycle in which a result is done.
    ``o``: bytes for the line, delimiters included.

    ``payload``: a function ``(identity, result) -> value`` whose bytes, low ones first, follow the request's checksum
    in the payload of the reply of type ``identity.reply``; ``identity`` may be another record with these attributes.
    ``tail``: so many bytes may follow them, or None; then there are

    ``tail_length``: how many do.
    ``tail_number``: which of them is wanted.
    ``tail_byte``: that byte, a cycle later.

    The bytes of a reply are read by index from where they already are. A block is passed twice: once in
    search of the zero that ends it (twelve cycles a byte; the checksum takes a bit in each of eight), once to send it.
    """

    def __init__(
        self,
        identity: Layout,
        result_layout: data.Layout,
        payload: Callable[[Any, data.View], Value] = result_payload,
        *,
        answer: data.StructLayout = Answer,
        tail: int | None = None,
    ) -> None:
        self.identity, self._payload, self._tail = identity, payload, tail
        # where the checksum begins: of an error, the identity, a result without its tail
        own = identity.result_bytes - (tail or 0)
        self._ends = [protocol.HEADER_BYTES + n for n in (0, identity.FORMAT.size, own)]
        more = {"tail_length": In(range((tail or 0) + 1)), "tail_number": Out(range(tail or 0)), "tail_byte": In(8)}
        super().__init__(
            {
                "answers": In(stream.Signature(answer)),
                "results": In(stream.Signature(result_layout)),
                "number": Out(range(ORIGIN_BYTES)),
                "origin": In(8),
                "finish": Out(1),
                "o": Out(stream.Signature(8)),
            }
            | (more if tail else {})
        )

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules.check = check = Algorithm(**protocol.CHECK)(data_width=1).create()
        kind, sequence = Signal(8), Signal(8)
        is_error = kind[6]
        is_result = kind[0] & ~is_error
        index = Signal(range(max(self._ends[1], self._ends[2] + (self._tail or 0)) + protocol.CHECK_BYTES + 1))
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

        reply = _Reply(check, kind, sequence, is_error, is_result, index, byte, body, end)
        block = _Block(
            code, zero, last, counts, halt, bit, finish, idle, step, rewind, settle, grow, shrink, full, bare
        )
        with m.FSM():
            self._search(m, reply, block)
            self._send(m, reply, block)
        m.d.comb += [self.finish.eq(finish), self.results.ready.eq(finish), check.data.eq(byte.bit_select(bit, 1))]
        self._look_up(m, reply)
        return m

    def _search(self, m: Module, reply: _Reply, block: _Block) -> None:
        """Add the states up to where a block's code is known."""
        with m.State("IDLE"):
            m.d.comb += [block.idle.eq(1), reply.check.start.eq(1), self.answers.ready.eq(1)]
            m.d.sync += block.code.eq(1)
            with m.If(self.answers.valid):
                error = self.answers.payload.code
                m.d.sync += [
                    reply.kind.eq(Mux(error == 0, Reply.IDENTITY, Reply.ERROR | error)),
                    reply.sequence.eq(self.answers.payload.sequence),
                ]
                m.next = "LOOK"
            with m.Elif(self.results.valid):
                m.d.sync += reply.kind.eq(self.identity.reply)
                m.next = "LOOK"
        for state, following in pairwise(("LOOK", "FIND", "CHOOSE", "WEIGH", "EXAMINE")):
            with m.State(state):
                m.next = following
        with m.State("EXAMINE"):
            m.d.comb += reply.check.valid.eq(block.counts)
            m.d.sync += [
                block.bit.eq(block.bit + block.counts),
                block.zero.eq(~reply.end & ~block.full),
                block.last.eq(reply.end & ~block.full),
            ]
            with m.If(~block.counts | (block.bit == 7)):
                with m.If(block.halt):
                    m.next = "CODE"
                with m.Else():
                    m.d.comb += [block.step.eq(1), block.grow.eq(1)]
                    m.next = "LOOK"

    def _send(self, m: Module, reply: _Reply, block: _Block) -> None:
        """Add the states in which a block goes out."""
        with m.State("CODE"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(block.code)]
            m.d.comb += block.rewind.eq(1)
            with m.If(self.o.ready):
                m.next = "FETCH"
        with m.State("FETCH"):
            m.next = "FETCH_FIND"
            with m.If(block.bare):
                m.d.comb += [block.step.eq(block.zero), block.settle.eq(1)]
                m.next = "LOOK"
                with m.If(block.last):
                    m.next = "DELIMITER"
            with m.Else():
                m.d.comb += block.shrink.eq(1)
        for state, following in pairwise(("FETCH_FIND", "FETCH_CHOOSE", "SEND")):
            with m.State(state):
                m.next = following
        with m.State("SEND"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(reply.byte)]
            with m.If(self.o.ready):
                m.d.comb += block.step.eq(1)
                m.next = "FETCH"
        with m.State("DELIMITER"):
            m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(protocol.DELIMITER)]
            with m.If(self.o.ready):
                m.d.sync += block.finish.eq(reply.is_result)
                m.next = "FINISH"
        with m.State("FINISH"):
            m.next = "IDLE"

    def _look_up(self, m: Module, reply: _Reply) -> None:
        """Drive ``byte``, ``body`` and ``end`` of ``reply`` with what stands at its index."""
        of, check = self.identity, reply.check
        # what stands at the index, in three steps: found, chosen among what is sent, and between that and the checksum
        ahead, found, known = (Signal.like(reply.index), Signal(8), Signal(8))  # `ahead`: bytes up to the packet's end
        at_kind, at_origin, at_sequence = Signal(), Signal(), Signal()
        sent, closing, checksum, at_end = Signal(8), Signal(), Signal(8), Signal()
        payload = self._payload(of, self.results.payload)
        result = Signal(len(payload))  # sliced as an expression, all of it would stand in each of its bytes
        m.d.comb += result.eq(payload)
        unused = [0] * (protocol.HEADER_BYTES + protocol.CHECK_BYTES)
        results = unused + [result[k : k + 8] for k in range(0, len(result), 8)]
        identity = unused[: protocol.HEADER_BYTES] + list(of.pack())
        size = (
            Mux(reply.is_error, self._ends[0], Mux(reply.is_result, self._result_end(), self._ends[1]))
            + protocol.CHECK_BYTES
        )
        m.d.sync += [
            ahead.eq(size - reply.index),
            self.number.eq(ORIGIN_BYTES - reply.index),
            at_kind.eq(reply.index == 0),
            at_sequence.eq(reply.index == 1),
            at_origin.eq(reply.is_result & (reply.index <= ORIGIN_BYTES)),
            found.eq(choose(results, reply.index)),
            known.eq(choose(identity, reply.index)),
        ]
        chosen: Value = found
        if self._tail:
            in_tail = Signal()
            m.d.comb += self.tail_number.eq(reply.index - self._ends[2])
            m.d.sync += in_tail.eq(reply.index >= self._ends[2])
            chosen = Mux(in_tail, self.tail_byte, found)
        crc = [check.crc.word_select(n, 8) for n in range(protocol.CHECK_BYTES)]
        m.d.sync += [
            closing.eq(ahead <= protocol.CHECK_BYTES),
            at_end.eq(ahead == 0),
            checksum.eq(choose([crc[-n % protocol.CHECK_BYTES] for n in range(protocol.CHECK_BYTES)], ahead)),
            sent.eq(
                Mux(
                    at_kind,
                    reply.kind,
                    Mux(at_origin, self.origin, Mux(at_sequence, reply.sequence, Mux(reply.is_result, chosen, known))),
                )
            ),
            reply.byte.eq(Mux(closing, checksum, sent)),
            reply.end.eq(at_end),
            reply.body.eq(~closing),
        ]

    def _result_end(self) -> Value | int:
        """Return the number of bytes in front of a result's checksum."""
        return self._ends[2] + self.tail_length if self._tail else self._ends[2]
