"""What a self-test says over the link: the layout of its packets, and its verdict as data.

``docs/protocol.md`` describes the same for other languages. Nothing here needs Amaranth or a serial port.
"""

import struct
from dataclasses import asdict, dataclass
from enum import IntFlag
from typing import Any, ClassVar

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.described import Described
from s2nn_hw.hw.link.protocol import CHECK_BYTES, Damaged, ErrorCode, Identity, Packet, Reply, Request

MAX_VECTORS = 0xFFFF
FRAME_BITS = 48
COUNT_BITS = 32

Answered = tuple[int, tuple[int, ...]]  # class, scores


class Command(IntFlag):
    """The payload byte of a SELF_TEST request; 0 only asks."""

    RESTART = 1
    FAULT = 2  # with RESTART: the expectation of the last vector is wrong by one bit


class Flag(IntFlag):
    """The first payload byte of a SELF_TEST reply."""

    RUNNING = 1
    PASSED = 2
    FAILED = 4
    FAULT = 8


@dataclass(frozen=True)
class Mismatch:
    """The first result that was wrong: number of the ``vector``, and ``(class, scores)`` ``wanted`` and ``came``."""

    vector: int
    wanted: Answered
    came: Answered

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        answers = (("wanted", self.wanted), ("came", self.came))
        return {"vector": self.vector} | {
            name: {"class": index, "scores": list(scores)} for name, (index, scores) in answers
        }


@dataclass(frozen=True)
class Verdict:
    """The state of a self-test at one moment.

    ``running``: beats go in; ``passed``: at least one whole round, no mismatch; ``failed``: some mismatch since the
    start; ``fault``: one is injected. ``vectors``: frames of a round; ``rounds``: of the span; ``frames``,
    ``mismatches``: results compared and found wrong (a count that has its highest bit stays there).
    ``round_cycles``: from the first beat taken to the last result offered, first round; ``span_cycles``: between
    the last results of two rounds that are ``rounds`` apart, 0 before there are two; ``latency_cycles``: the largest
    that any result carried. ``first``: the first :class:`Mismatch`, or None.
    """

    running: bool
    passed: bool
    failed: bool
    fault: bool
    vectors: int
    rounds: int
    frames: int
    mismatches: int
    round_cycles: int
    span_cycles: int
    latency_cycles: int
    first: Mismatch | None = None

    @property
    def word(self) -> str:
        """``fail``, ``pass``, or ``no verdict`` before the first round is over."""
        return "fail" if self.failed else "pass" if self.passed else "no verdict"

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON-able data, with the exact rate as frames and cycles."""
        return {
            "format": "s2nn-selftest",
            "version": 1,
            "verdict": self.word,
            **asdict(self),
            "first": self.first.to_json() if self.first else None,
            "span_frames": self.vectors * self.rounds if self.span_cycles else 0,
        }


@dataclass(frozen=True)
class SelfTestPackets(Described):
    """The packets of a self-test of the accelerator that ``identity`` describes.

    A request is laid out as a frame of one pixel of 8 bits, the :class:`Command`; :meth:`pack_verdict` is the reply.
    """

    # flags, log2 of the rounds, vectors, frames, mismatches, cycles of round, span, latency, vector that failed
    STATE: ClassVar[struct.Struct] = struct.Struct("<BBHQIIIIH")
    FORMAT: ClassVar[struct.Struct] = Identity.FORMAT
    request: ClassVar[Request] = Request.SELF_TEST
    reply: ClassVar[Reply] = Reply.SELF_TEST
    beats: ClassVar[int] = 1
    beat_bytes: ClassVar[int] = 1
    frame_bytes: ClassVar[int] = 1
    pixels_per_beat: ClassVar[int] = 1
    bits: ClassVar[int] = 8

    @property
    def answer_bytes(self) -> int:
        """Bytes of one class and its scores."""
        return 2 + self.classes * self.score_bytes

    @property
    def result_bytes(self) -> int:
        """Payload bytes of the SELF_TEST reply."""
        return CHECK_BYTES + self.STATE.size + 2 * self.answer_bytes

    def pack(self) -> bytes:
        """Return the payload of the IDENTITY reply."""
        return self.identity.pack()

    def pack_verdict(self, verdict: Verdict, check: bytes) -> bytes:
        """Return the SELF_TEST payload of ``verdict`` for the request with this ``check``; class and scores are zero
        where nothing has failed."""
        flags = (
            (Flag.RUNNING if verdict.running else 0)
            | (Flag.PASSED if verdict.passed else 0)
            | (Flag.FAILED if verdict.failed else 0)
            | (Flag.FAULT if verdict.fault else 0)
        )
        nothing = 0, (0,) * self.classes
        first = verdict.first or Mismatch(0, nothing, nothing)
        state = self.STATE.pack(
            flags,
            verdict.rounds.bit_length() - 1,
            verdict.vectors,
            verdict.frames,
            verdict.mismatches,
            verdict.round_cycles,
            verdict.span_cycles,
            verdict.latency_cycles,
            first.vector,
        )
        return check + state + b"".join(self._pack_answer(*answer) for answer in (first.wanted, first.came))

    def unpack_verdict(self, payload: bytes) -> Verdict:
        """Return the :class:`Verdict` in ``payload``; :class:`~s2nn_hw.hw.link.protocol.Damaged` if it has another
        length."""
        if len(payload) != self.result_bytes:
            raise Damaged(ErrorCode.SHORT if len(payload) < self.result_bytes else ErrorCode.LONG)
        flags, log2, vectors, frames, mismatches, whole, span, latency, vector = self.STATE.unpack_from(
            payload, CHECK_BYTES
        )
        first = None
        if flags & Flag.FAILED:
            start = CHECK_BYTES + self.STATE.size
            wanted, came = (self._unpack_answer(payload, start + n * self.answer_bytes) for n in (0, 1))
            first = Mismatch(vector, wanted, came)
        return Verdict(
            bool(flags & Flag.RUNNING),
            bool(flags & Flag.PASSED),
            bool(flags & Flag.FAILED),
            bool(flags & Flag.FAULT),
            vectors,
            1 << (log2 & 31),
            frames,
            mismatches,
            whole,
            span,
            latency,
            first,
        )

    def _pack_answer(self, index: int, scores: tuple[int, ...]) -> bytes:
        return struct.pack("<H", index) + b"".join(
            int(s).to_bytes(self.score_bytes, "little", signed=True) for s in scores
        )

    def _unpack_answer(self, payload: bytes, at: int) -> Answered:
        (index,) = struct.unpack_from("<H", payload, at)
        starts = range(at + 2, at + self.answer_bytes, self.score_bytes)
        return index, tuple(int.from_bytes(payload[n : n + self.score_bytes], "little", signed=True) for n in starts)


def self_test_request(sequence: int, command: int = 0) -> Packet:
    """Return the SELF_TEST request that carries ``command``."""
    return Packet(Request.SELF_TEST, sequence, bytes((command,)))


def check_vectors(count: int, available: int) -> None:
    """Refuse a number of vectors that the circuit can't count or that ``available`` images don't give."""
    if not 2 <= count <= MAX_VECTORS:
        raise UserError(f"a self-test needs 2 to {MAX_VECTORS:,} vectors, not {count}")
    if count > available:
        raise UserError(f"a self-test of {count} vectors needs as many images, not {available}")
