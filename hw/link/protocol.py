"""Packets of the host link: framing, checksum, types and layouts, the one source for circuit and host.

``docs/protocol.md`` describes the same for other languages. Nothing here needs Amaranth or a serial port.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.network.address_events import Fault
from s2nn_hw.network.network import Network

VERSION = 3
DELIMITER = 0
HEADER_BYTES = 2
SEQUENCES = 256  # sequence numbers there are
CHECK_BYTES = 4
RESIDUE = 0x2144DF1C  # checksum of whatever ends with its own checksum
FULL_BLOCK = 0xFF  # COBS code of a block of 254 bytes without a zero behind it
DIGEST_BYTES = 16
# parameters of the checksum by the names of the catalogues (CRC-32/ISO-HDLC, that of Ethernet and zlib); low byte first
CHECK = {
    "crc_width": 32,
    "polynomial": 0x04C11DB7,
    "initial_crc": 0xFFFFFFFF,
    "reflect_input": True,
    "reflect_output": True,
    "xor_output": 0xFFFFFFFF,
}


class Request(IntEnum):
    """Types from host to device; every request has at least one payload byte."""

    FRAME = 0x01
    IDENTITY = 0x02
    SELF_TEST = 0x03
    EVENTS = 0x05
    SEQUENCE = 0x07


class Reply(IntEnum):
    """Types from device to host; the low bits of ``ERROR`` carry the :class:`ErrorCode`, it has no payload.

    Replies that name their request are odd.
    """

    RESULT = 0x81
    IDENTITY = 0x82
    SELF_TEST = 0x83
    EVENTS = 0x85
    SEQUENCE = 0x87
    ERROR = 0xE0


class ErrorCode(IntEnum):
    """Why a request was refused; the last four: what is wrong with a frame of events, RANGE of a sequence, too."""

    CHECKSUM = 1
    SHORT = 2
    LONG = 3
    UNKNOWN = 4
    BUSY = 5
    END = Fault.END
    ORDER = Fault.ORDER
    RANGE = Fault.RANGE
    TWICE = Fault.TWICE


class Damaged(ValueError):
    """Bytes between two delimiters that are no packet; the argument is the :class:`ErrorCode`."""


@dataclass(frozen=True)
class Packet:
    """``type`` and ``sequence``, its number, 0 .. 255, ``payload`` bytes."""

    type: int
    sequence: int
    payload: bytes = b""

    @property
    def body(self) -> bytes:
        """The bytes that the checksum is about."""
        return bytes((self.type, self.sequence)) + self.payload

    @property
    def check(self) -> bytes:
        """The checksum as it goes over the line; in a RESULT or SELF_TEST reply it names the request answered."""
        return checksum(self.body).to_bytes(CHECK_BYTES, "little")

    @property
    def answered(self) -> tuple[int, bytes]:
        """``(sequence, check)`` of the request that this RESULT or SELF_TEST reply answers."""
        return self.sequence, self.payload[:CHECK_BYTES]

    @property
    def error(self) -> int | None:
        """The :class:`ErrorCode` of an ERROR reply, a plain number if it is not known, None for other packets."""
        if self.type & 0xF0 != Reply.ERROR:
            return None
        code = self.type & 0x0F
        return ErrorCode(code) if code in tuple(ErrorCode) else code


def checksum(data: bytes) -> int:
    """Return the 32-bit checksum of ``data``: CRC with the parameters in :data:`CHECK`."""
    return zlib.crc32(data)


def stuff(data: bytes) -> bytes:
    """Return ``data`` without zero bytes (COBS); a block of 254 at the very end is closed by one more code, 0x01."""
    out, start = bytearray(), 0
    while True:
        stop = data.find(0, start, start + FULL_BLOCK - 1)
        full = stop < 0 and len(data) - start >= FULL_BLOCK - 1
        stop = start + FULL_BLOCK - 1 if full else len(data) if stop < 0 else stop
        out.append(stop - start + 1)
        out += data[start:stop]
        if not full and stop == len(data):
            return bytes(out)
        start = stop if full else stop + 1


def unstuff(data: bytes) -> bytes:
    """Return what :func:`stuff` had packed; :class:`Damaged` if ``data`` ends inside a block."""
    out, position = bytearray(), 0
    while position < len(data):
        code = data[position]
        block = data[position + 1 : position + code]
        if code == 0 or len(block) != code - 1:
            raise Damaged(ErrorCode.CHECKSUM)
        out += block
        position += code
        if code != FULL_BLOCK and position < len(data):
            out.append(0)
    return bytes(out)


def encode(packet: Packet) -> bytes:
    """Return the bytes on the wire, closing delimiter included."""
    return stuff(packet.body + packet.check) + bytes((DELIMITER,))


def decode(data: bytes) -> Packet:
    """Return the :class:`Packet` in ``data`` (no delimiters); :class:`Damaged` if it is none."""
    body = unstuff(data)
    if len(body) < HEADER_BYTES + CHECK_BYTES:
        raise Damaged(ErrorCode.SHORT)
    if checksum(body) != RESIDUE:
        raise Damaged(ErrorCode.CHECKSUM)
    return Packet(body[0], body[1], body[HEADER_BYTES:-CHECK_BYTES])


class Splitter:
    """Cuts a byte stream into packets.

    ``bytes`` counts what came, ``whole`` the packets, ``damaged`` the pieces that were none; ``rejected`` has those of
    the latest call.
    """

    def __init__(self, limit: int = 1 << 20) -> None:
        self.bytes = self.whole = self.damaged = 0
        self.rejected: list[bytes] = []
        self._rest, self._limit = b"", limit

    def feed(self, data: bytes) -> list[Packet]:
        """Return the list of :class:`Packet` that ``data`` completes."""
        self.bytes += len(data)
        *pieces, self._rest = (self._rest + data).split(bytes((DELIMITER,)))
        packets: list[Packet] = []
        self.rejected = []
        for piece in filter(None, pieces):
            try:
                packets.append(decode(piece))
            except Damaged:
                self.rejected.append(piece)
        if len(self._rest) > self._limit:  # no delimiter for so long: not this protocol
            self.rejected.append(self._rest)
            self._rest = b""
        self.whole += len(packets)
        self.damaged += len(self.rejected)
        return packets


class Computes(Protocol):
    """What a device computes: an accelerator, or a design that says what one would do."""

    network: Network

    @property
    def pixels_per_group(self) -> int:
        """Pixels after which a new beat begins."""

    @property
    def pixels_per_beat(self) -> int:
        """Pixels of a beat."""

    @property
    def score_width(self) -> int:
        """Bits of a signed score."""


@dataclass(frozen=True)
class Result:
    """One frame's answer: class index, integer scores in class order, clock cycles; ``spikes``: of a device that gives
    events, the first spikes of what the readout reads, as bytes (:mod:`~s2nn_hw.network.address_events`)."""

    index: int
    scores: tuple[int, ...]
    cycles: int
    spikes: bytes = b""


@dataclass(frozen=True)
class Identity:
    """What a device computes and how its packets are laid out.

    ``digest``: first 16 bytes of the network's SHA-256; ``pixels`` of ``bits`` bits per frame, cut into groups of
    ``group``, and each group into beats of ``pixels_per_beat``, the last of a group filled up (a group is all of
    the frame, or the channels of one position of the image); ``score_width``: bits of a signed score; ``window``:
    frames that may wait for their answers without a BUSY; ``clock_hz``: what one cycle means. :meth:`pack` is the
    payload of the IDENTITY reply. ``request``, ``reply``: the types whose packets are laid out here; ``noun``: what
    messages call what is in a request.
    """

    digest: bytes
    pixels: int
    group: int
    pixels_per_beat: int
    bits: int
    classes: int
    score_width: int
    window: int
    clock_hz: int
    version: int = VERSION

    FORMAT: ClassVar[struct.Struct] = struct.Struct(f"<B{DIGEST_BYTES}sIIHBHBBI")
    request: ClassVar[Request] = Request.FRAME
    reply: ClassVar[Reply] = Reply.RESULT
    noun: ClassVar[str] = "image"

    def __post_init__(self) -> None:
        limits = {
            "pixels": 32,
            "group": 32,
            "pixels_per_beat": 16,
            "bits": 8,
            "classes": 16,
            "score_width": 8,
            "window": 8,
            "clock_hz": 32,
            "version": 8,
        }
        for name, width in limits.items():
            value = getattr(self, name)
            if not 1 <= value < 1 << width:
                raise UserError(f"link: {name} must lie in 1 .. {(1 << width) - 1}, not {value!r}")
        if self.pixels % self.group:
            raise UserError(f"link: {self.pixels} pixels can't be cut into groups of {self.group}")
        if len(self.digest) != DIGEST_BYTES:
            raise UserError(f"link: digest must have {DIGEST_BYTES} bytes, not {len(self.digest)}")

    @classmethod
    def of(cls, design: Computes, *, window: int, clock_hz: int) -> Self:
        """Return the identity of ``design`` (its ``network``, ``pixels_per_...`` and ``score_width``)."""
        network = design.network
        return cls(
            digest_of(network),
            network.input.size,
            design.pixels_per_group,
            design.pixels_per_beat,
            network.input.bits,
            len(network.classes),
            design.score_width,
            window,
            clock_hz,
        )

    @property
    def beats(self) -> int:
        """Beats of a frame."""
        return self.pixels // self.group * -(-self.group // self.pixels_per_beat)

    @cached_property
    def beat_pixels(self) -> npt.NDArray[np.int64]:
        """Which pixel is where: int array ``(beats, pixels_per_beat)``, lowest bits first, -1 in lanes to ignore."""
        number = np.arange(self.pixels).reshape(-1, self.group)
        fill = -self.group % self.pixels_per_beat
        return np.pad(number, ((0, 0), (0, fill)), constant_values=-1).reshape(self.beats, self.pixels_per_beat)

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat on the line."""
        return -(-self.pixels_per_beat * self.bits // 8)

    @property
    def frame_bytes(self) -> int:
        """Payload bytes of a FRAME request."""
        return self.beats * self.beat_bytes

    @property
    def score_bytes(self) -> int:
        """Bytes of a score on the line."""
        return -(-self.score_width // 8)

    @property
    def result_bytes(self) -> int:
        """Payload bytes of a RESULT reply."""
        return CHECK_BYTES + 2 + 4 + self.classes * self.score_bytes

    def pack(self) -> bytes:
        """Return the payload of the IDENTITY reply."""
        return self.FORMAT.pack(
            self.version,
            self.digest,
            self.pixels,
            self.group,
            self.pixels_per_beat,
            self.bits,
            self.classes,
            self.score_width,
            self.window,
            self.clock_hz,
        )

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Return the identity in ``payload``; :class:`UserError` if it is not one this protocol version knows."""
        if payload and payload[0] != VERSION:
            raise UserError(
                f"the device speaks protocol version {payload[0]}, this tool version {VERSION}; "
                "build the bitstream anew"
            )
        if len(payload) != cls.FORMAT.size:
            raise UserError(f"the device's identity has {len(payload)} bytes, not {cls.FORMAT.size}")
        version, digest, pixels, group, lanes, bits, classes, width, window, clock_hz = cls.FORMAT.unpack(payload)
        return cls(digest, pixels, group, lanes, bits, classes, width, window, clock_hz, version)

    def pack_frame(self, pixels: npt.NDArray[Any]) -> bytes:
        """Return the FRAME payload of one image: integer ``pixels`` ``(pixels,)``, values below ``2^bits``."""
        flat = np.append(pixels, 0).astype(np.int64)[self.beat_pixels].reshape(-1)  # -1 is the appended zero
        bits = np.zeros((self.beats, self.beat_bytes * 8), np.uint8)
        planes = (flat[:, None] >> np.arange(self.bits) & 1).astype(np.uint8)  # (pixel, bit)
        bits[:, : self.pixels_per_beat * self.bits] = planes.reshape(self.beats, -1)
        return np.packbits(bits, axis=1, bitorder="little").tobytes()

    def unpack_frame(self, payload: bytes) -> npt.NDArray[Any]:
        """Return the pixels ``(pixels,)``, uint8, int32 from 9 bits on: the inverse of :meth:`pack_frame`."""
        data = np.frombuffer(payload, np.uint8).reshape(self.beats, self.beat_bytes)
        bits = np.unpackbits(data, axis=1, bitorder="little")[:, : self.pixels_per_beat * self.bits]
        flat = bits.reshape(-1, self.bits).astype(np.int64) @ (1 << np.arange(self.bits))
        kind = np.uint8 if self.bits <= 8 else np.int32
        return flat.astype(kind)[self.beat_pixels.reshape(-1) >= 0]

    def pack_result(self, result: Result, check: bytes) -> bytes:
        """Return the RESULT payload of ``result`` for the request with this ``check``, then class, cycles, scores."""
        scores = b"".join(int(s).to_bytes(self.score_bytes, "little", signed=True) for s in result.scores)
        return check + struct.pack("<HI", result.index, result.cycles) + scores

    def unpack_result(self, payload: bytes) -> Result:
        """Return the :class:`Result` in ``payload``; :class:`Damaged` if its length or class is out of range."""
        if len(payload) != self.result_bytes:
            raise Damaged(ErrorCode.SHORT if len(payload) < self.result_bytes else ErrorCode.LONG)
        index, cycles = struct.unpack_from("<HI", payload, CHECK_BYTES)
        if index >= self.classes:
            raise Damaged(ErrorCode.CHECKSUM)
        scores = (payload[at : at + self.score_bytes] for at in range(CHECK_BYTES + 6, len(payload), self.score_bytes))
        return Result(index, tuple(int.from_bytes(s, "little", signed=True) for s in scores), cycles)


def digest_of(network: Network) -> bytes:
    """Return the bytes of the network's digest that travel in the IDENTITY reply."""
    return bytes.fromhex(network.digest)[:DIGEST_BYTES]


def frame_request(sequence: int, payload: bytes) -> Packet:
    """Return the FRAME request with ``payload`` from :meth:`Identity.pack_frame`."""
    return Packet(Request.FRAME, sequence, payload)


def identity_request(sequence: int) -> Packet:
    """Return the IDENTITY request; its payload is the protocol version that the host speaks."""
    return Packet(Request.IDENTITY, sequence, bytes((VERSION,)))


def error_reply(code: int, sequence: int) -> Packet:
    """Return the ERROR reply with ``code``."""
    return Packet(Reply.ERROR | code, sequence)
