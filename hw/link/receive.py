"""From received bytes to frames for the accelerator: unstuffing, checksum, judgement, frame buffer."""

from dataclasses import dataclass
from typing import Any, Protocol

from amaranth.build import Platform
from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc import Algorithm
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.layout import Layout
from s2nn_hw.hw.link.protocol import ErrorCode, Request

# one decoded byte, or the end of a packet; ``whole``: the end came at the end of a block
Token = data.StructLayout({"byte": 8, "end": 1, "whole": 1})
# what is to be told to the host besides results: an error code, or 0 for the identity
Answer = data.StructLayout({"code": 3, "sequence": 8})
ORIGIN_BYTES = protocol.CHECK_BYTES + 1  # by which a result says what it answers: checksum from its end on, then number


class Stage(enum.Enum, shape=3):  # type: ignore[call-arg]  # Amaranth's enumerations have a shape
    """Which byte of a packet comes next."""

    TYPE = 0
    SEQUENCE = 1
    PAYLOAD = 2
    CHECK = 3
    DONE = 4


SHORTEST_REQUEST = len(protocol.encode(protocol.identity_request(0)))


def slot_bits(window: int) -> int:
    """Return the bits that number the frames of ``window``, a power of two from 1 to 16."""
    if window not in (1, 2, 4, 8, 16):
        raise UserError(f"link: window must be 1, 2, 4, 8 or 16 frames, not {window!r}")
    return window.bit_length() - 1


class Unstuffer(wiring.Component):
    """COBS decoder.

    ``i``: bytes from the line.
    ``o``: tokens, in the same cycle, at most one for each byte.

    Empty packets (delimiters in a row) give no token. After a delimiter, wherever it stands, a packet begins. Bytes
    that give no token wait, too, while ``o`` is not ready: so none of their bits stands before ``i.ready``.
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(Token))})

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        left = Signal(8)  # bytes of the block still to come, and one
        first, full = Signal(init=1), Signal()  # no code of this packet yet; the block has no zero behind it
        byte, token = self.i.payload, self.o.payload
        code, delimiter = Signal(init=1), Signal()  # a code comes next: `left` is 1
        m.d.comb += [
            delimiter.eq(byte == protocol.DELIMITER),
            token.end.eq(delimiter),
            token.whole.eq(code),
            token.byte.eq(Mux(code, 0, byte)),
            self.o.valid.eq(self.i.valid & ~(first & (delimiter | code)) & (delimiter | ~code | ~full)),
            self.i.ready.eq(self.o.ready),
        ]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [first.eq(delimiter), left.eq(left - 1), code.eq(left == 2)]
            with m.If(delimiter):
                m.d.sync += [code.eq(1), full.eq(0)]
            with m.Elif(code):
                m.d.sync += [left.eq(byte), code.eq(byte == 1), full.eq(byte == protocol.FULL_BLOCK)]
        return m


@dataclass(frozen=True)
class TakenPacket:
    """The packet that is read.

    ``take``         a byte of it is taken
    ``sequence``     its number
    ``is_frame``     its type
    ``is_identity``
    ``room``         a slot was free as the header came
    ``left``         bytes of payload or checksum due behind the next
    ``stage``        what the next byte is
    ``judge``        high in the cycle after its end
    ``whole``        the end came at the end of a block
    ``extra``        there are bytes behind the checksum
    """

    take: Signal
    sequence: Signal
    is_frame: Signal
    is_identity: Signal
    room: Signal
    left: Signal
    stage: Signal
    judge: Signal
    whole: Signal
    extra: Signal


@dataclass(frozen=True)
class Slots:
    """Where frames are kept.

    ``writing``   the number of the slot that is filled next
    ``vacant``    no frame waits in it to be handed over
    ``handed``    counts what was handed over; its lower bits are the number of the slot that is next
    ``waiting``   a frame waits in that
    """

    writing: Value
    vacant: Value
    handed: Signal
    waiting: Value


class Content(Protocol):
    """What the payload of a frame's request is made into: circuits that :class:`PacketReader` adds to its own.

    ``answer``: the layout of what is to be told to the host besides results, as :data:`Answer`.
    ``beat``: the layout of a beat for the accelerator.
    ``bytes_ahead``: bytes of payload behind the first, where all requests have as many; else 0.
    ``hold``: no byte is taken now; None: they always are.
    ``code``: the :class:`ErrorCode` of a payload that is no frame, else 0; None: any payload is one.
    ``misfit_code``: what a packet with a right checksum is refused with that :meth:`misfit` finds.
    """

    answer: data.StructLayout
    beat: data.Layout
    bytes_ahead: int
    hold: Value | None
    code: Value | None
    misfit_code: ErrorCode

    def last(self, packet: TakenPacket) -> Value:
        """Return whether the payload byte at hand is the last."""
        ...

    def misfit(self, packet: TakenPacket) -> Value | None:
        """Return whether ``packet``, which has ended, says itself where it ends, and can't end there; None: it does
        not say that."""
        ...

    def keep(self, m: Module, packet: TakenPacket, slots: Slots, token: data.View, byte: Signal, o: Any) -> None:
        """Add what makes a frame of payload bytes, ``token`` where ``byte`` is high, and gives whole ones to the stream
        ``o``."""
        ...


def hand_over(m: Module, of: Layout, slots: Slots, read: Any, o: Any) -> None:
    """Give the frames in the slots to the stream ``o``, a beat a cycle, by the port ``read`` of a memory whose address
    is slot above beat."""
    beat_out = Signal((of.beats - 1).bit_length())
    m.d.comb += [
        read.addr.eq(Cat(beat_out, slots.handed[:-1])),
        read.en.eq(~o.valid | o.ready),
        o.payload.as_value().eq(read.data),
    ]
    with m.If(read.en):
        m.d.sync += o.valid.eq(slots.waiting)
        with m.If(slots.waiting):
            m.d.sync += beat_out.eq(beat_out + 1)
            with m.If(beat_out == of.beats - 1):
                m.d.sync += [beat_out.eq(0), slots.handed.eq(slots.handed + 1)]


class Beats:
    """Payloads that are the frame's beats, each in ``beat_bytes`` bytes."""

    answer = Answer
    hold = code = None
    misfit_code = ErrorCode.END

    def __init__(self, identity: Layout) -> None:
        self.identity, self.bytes_ahead = identity, identity.frame_bytes - 1
        self.beat = data.ArrayLayout(unsigned(identity.bits), identity.pixels_per_beat)

    def last(self, packet: TakenPacket) -> Value:
        """Return whether as many bytes came as a frame has."""
        return packet.left == 0

    def misfit(self, packet: TakenPacket) -> None:
        """All have one length."""

    def keep(self, m: Module, packet: TakenPacket, slots: Slots, token: data.View, byte: Signal, o: Any) -> None:
        """Add the frame memory: bytes gathered into beats and written."""
        of = self.identity
        width = of.pixels_per_beat * of.bits
        beat_bits = (of.beats - 1).bit_length()
        m.submodules.memory = memory = Memory(shape=width, depth=1 << len(slots.writing) + beat_bits, init=[])
        write, read = memory.write_port(), memory.read_port()
        beat_in = Signal(beat_bits)
        gathered = Signal(8 * (of.beat_bytes - 1))
        byte_in, whole = Signal(range(of.beat_bytes)), Signal()  # the next byte makes a beat whole
        word = Cat(gathered, token.byte)
        m.d.comb += [write.addr.eq(Cat(beat_in, slots.writing)), write.data.eq(word[:width]), write.en.eq(byte & whole)]
        m.d.sync += whole.eq(byte_in == of.beat_bytes - 1)
        with m.If(byte):
            m.d.sync += [gathered.eq(word[8:]), byte_in.eq(byte_in + 1)]
            with m.If(whole):
                m.d.sync += [byte_in.eq(0), beat_in.eq(beat_in + 1)]
        with m.If(packet.judge):
            m.d.sync += [byte_in.eq(0), beat_in.eq(0)]
        hand_over(m, of, slots, read, o)


class PacketReader(wiring.Component):
    """Judges packets; keeps frames until their checksum is right, then hands them over.

    ``i``: tokens.
    ``o``: beats for the accelerator, one per cycle as long as it takes them, frame by frame.
    ``answers``: refusals, and code 0 where the identity is asked for.
    ``number``: which byte of the request of the oldest frame without an answer is wanted (:data:`ORIGIN_BYTES`).
    ``origin``: that byte.
    ``finish``: for one cycle: that frame has its answer now.

    ``identity``: an :class:`~s2nn_hw.hw.link.protocol.Identity`, or what has its attributes for requests of another
    type. ``content``: what frames are made of, else :class:`Beats`.

    A frame is refused as BUSY when ``identity.window`` frames wait for their answers as its header comes. An
    answer waits in a queue deep enough that a request with a right checksum and the length it needs is never
    without one: the shortest request takes longer on the line than an ERROR reply, and the queue holds what comes
    in while the two longest replies go out. Line noise can't fill it: answers to damaged packets enter
    it only when it is empty. The identity, too, is refused as BUSY unless it is empty.
    """

    def __init__(self, identity: Layout, content: Content | None = None) -> None:
        self.identity, self._slot_bits = identity, slot_bits(identity.window)
        self.content = content or Beats(identity)
        super().__init__(
            {
                "i": In(stream.Signature(Token)),
                "o": Out(stream.Signature(self.content.beat)),
                "answers": Out(stream.Signature(self.content.answer)),
                "number": In(range(ORIGIN_BYTES)),
                "origin": Out(8),
                "finish": In(1),
            }
        )

    @property
    def queue_depth(self) -> int:
        """Answers that can wait: what arrives while a RESULT and an IDENTITY go out, one noise answer, and spares."""
        payloads = (self.identity.result_bytes, self.identity.FORMAT.size)
        line = sum(n + protocol.HEADER_BYTES + protocol.CHECK_BYTES + 2 + n // 254 for n in payloads)
        return 1 << (line // SHORTEST_REQUEST + 4 - 1).bit_length()

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        of, token = self.identity, self.i.payload
        slot_bits = self._slot_bits
        m.submodules.check = check = Algorithm(**protocol.CHECK)(data_width=1).create()
        m.submodules.queue = queue = Queue(width=self.content.answer.size, depth=self.queue_depth)

        # slots: [finished, handed) are in the accelerator, [handed, filled) wait for it, `filled` is being written
        filled, handed, finished = (Signal(slot_bits + 1, name=n) for n in ("filled", "handed", "finished"))
        sequence, is_frame, is_identity, room = Signal(8), Signal(), Signal(), Signal()
        # a slot is, as of the cycle before; ``room``: one was as the header came
        vacant, free = (filled ^ finished) != of.window, Signal()
        # bytes of payload or checksum due behind this one
        left = Signal(range(max(protocol.CHECK_BYTES, self.content.bytes_ahead + 1)))
        stage, judge, whole, extra = Signal(Stage), Signal(), Signal(), Signal()
        take, payload_byte = Signal(), Signal()
        # the checksum takes a bit a cycle: a byte is on the line for longer, and taken whole it would cost more LUTs
        bit, eighth, summing = Signal(3), Signal(), Signal()
        # what the next byte is for: settled long before it is taken, so it is looked at a cycle late, in registers
        to_buffer, to_origins = Signal(), Signal()
        hold = self.content.hold
        open_ = ~judge if hold is None else ~judge & ~hold
        m.d.comb += [
            self.i.ready.eq(open_ & (token.end | eighth)),
            summing.eq(self.i.valid & open_ & ~token.end),
            take.eq(summing & eighth),
            check.data.eq(token.byte.bit_select(bit, 1)),
            check.valid.eq(summing),
            check.start.eq(judge),
            payload_byte.eq(take & to_buffer),
        ]
        m.d.sync += [
            bit.eq(bit + summing),
            eighth.eq(Mux(summing, bit == 6, eighth)),
            judge.eq(self.i.valid & open_ & token.end),
            whole.eq(token.whole),
            free.eq(vacant),
            to_buffer.eq((stage == Stage.PAYLOAD) & is_frame & room),
            to_origins.eq(((stage == Stage.SEQUENCE) & vacant) | ((stage == Stage.CHECK) & room)),
        ]
        packet = TakenPacket(take, sequence, is_frame, is_identity, room, left, stage, judge, whole, extra)
        self._take(m, packet, free)
        accept = self._judge(m, packet, queue, check.match_detected)

        # where the frames in the slots are from
        m.submodules.origins = origins = Memory(shape=8, depth=of.window * ORIGIN_BYTES, init=[])
        note, recall = origins.write_port(), origins.read_port(domain="comb")
        numbered = stage == Stage.SEQUENCE
        m.d.comb += [
            note.addr.eq(Cat(filled[:slot_bits], Mux(numbered, ORIGIN_BYTES - 1, left[:2]))),
            note.data.eq(token.byte),
            note.en.eq(take & to_origins),
            recall.addr.eq(Cat(finished[:slot_bits], self.number)),
            self.origin.eq(recall.data),
        ]
        with m.If(accept):
            m.d.sync += filled.eq(filled + 1)
        m.d.sync += finished.eq(finished + self.finish)
        slots = Slots(filled[:slot_bits], (filled ^ handed) != of.window, handed, filled != handed)
        self.content.keep(m, packet, slots, token, payload_byte, self.o)
        return m

    def _take(self, m: Module, packet: TakenPacket, free: Signal) -> None:
        """Take the byte that is at hand: what it is for, and what the next one is; ``free``: there is a slot."""
        of, token = self.identity, self.i.payload
        with m.If(packet.take), m.Switch(packet.stage):
            with m.Case(Stage.TYPE):
                m.d.sync += [
                    packet.is_frame.eq(token.byte == of.request),
                    packet.is_identity.eq(token.byte == Request.IDENTITY),
                    packet.stage.eq(Stage.SEQUENCE),
                ]
            with m.Case(Stage.SEQUENCE):
                m.d.sync += [
                    packet.sequence.eq(token.byte),
                    packet.room.eq(free),
                    packet.left.eq(Mux(packet.is_frame, self.content.bytes_ahead, 0)),
                    packet.stage.eq(Stage.PAYLOAD),
                ]
            with m.Case(Stage.PAYLOAD):
                m.d.sync += packet.left.eq(packet.left - 1)
                with m.If(self.content.last(packet)):
                    m.d.sync += [packet.left.eq(protocol.CHECK_BYTES - 1), packet.stage.eq(Stage.CHECK)]
            with m.Case(Stage.CHECK):
                m.d.sync += packet.left.eq(packet.left - 1)
                with m.If(packet.left == 0):
                    m.d.sync += packet.stage.eq(Stage.DONE)
            with m.Case(Stage.DONE):
                m.d.sync += packet.extra.eq(1)

    def _judge(self, m: Module, packet: TakenPacket, queue: Queue, matches: Signal) -> Signal:
        """Add the judgement, one cycle after the end; return whether a frame is accepted.

        ``matches``: the checksum is right.
        """
        wrong, misfit = self.content.code, self.content.misfit(packet)
        code, sound, accept = Signal(self.content.answer["code"].width), Signal(), Signal()
        empty, matched = Signal(), Signal()  # the checksum, as of the end
        m.d.sync += matched.eq(matches)
        m.d.comb += [
            empty.eq(~queue.o.valid),
            sound.eq((packet.stage == Stage.DONE) & packet.whole & matched),
            accept.eq(packet.judge & sound & ~packet.extra & packet.is_frame & packet.room),
        ]
        answered: Value = sound
        with m.If(packet.stage != Stage.DONE):
            m.d.comb += code.eq(ErrorCode.SHORT)
        with m.Elif(packet.extra & (packet.is_frame | packet.is_identity)):
            m.d.comb += code.eq(ErrorCode.LONG)
        with m.Elif(~sound):
            m.d.comb += code.eq(ErrorCode.CHECKSUM)
        with m.Elif(packet.is_frame | (packet.is_identity & ~empty)):
            m.d.comb += code.eq(ErrorCode.BUSY)
        with m.Elif(~packet.is_identity):
            m.d.comb += code.eq(ErrorCode.UNKNOWN)
        if misfit is not None:
            refused = Signal()
            m.d.comb += refused.eq(packet.is_frame & packet.whole & matched & misfit)
            answered = sound | refused
            with m.If(refused):
                m.d.comb += [code.eq(self.content.misfit_code), accept.eq(0)]
            if wrong is not None:
                with m.Elif(sound & ~packet.extra & packet.is_frame & packet.room):
                    m.d.comb += [code.eq(wrong), accept.eq(packet.judge & (wrong == 0))]
        m.d.comb += [
            queue.i.payload.eq(Cat(code, packet.sequence)),
            queue.i.valid.eq(packet.judge & ~accept & (answered | empty)),
            self.answers.payload.as_value().eq(queue.o.payload),
            self.answers.valid.eq(queue.o.valid),
            queue.o.ready.eq(self.answers.ready),
        ]
        with m.If(packet.judge):
            m.d.sync += [packet.stage.eq(Stage.TYPE), packet.sequence.eq(0), packet.extra.eq(0)]
        return accept
