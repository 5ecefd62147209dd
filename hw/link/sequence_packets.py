"""How sequences of frames are laid out on the link, and what a device that takes them says of itself.

``docs/protocol.md`` describes the same for other languages. Nothing here needs Amaranth or a serial port.
"""

import struct
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.described import Described
from s2nn_hw.hw.link.protocol import Computes, Damaged, ErrorCode, Identity, Reply, Request, Result
from s2nn_hw.network.layer import MAX_TICKS
from s2nn_hw.sequence_design import sequences_kept

COUNT_BYTES = 2  # of the number of frames


def window_of(design: Computes) -> int:
    """Return how many sequences a device of ``design`` keeps, of as many frames as may be: 2 or 1."""
    identity = Identity.of(design, window=1, clock_hz=1)
    rows = identity.beats * design.network.input.frames
    return sequences_kept(rows, identity.pixels_per_beat * identity.bits)


@dataclass(frozen=True)
class SequencePackets(Described):
    """The packets of the device that ``identity`` describes where a request is a sequence of 1 to ``frames`` frames,
    each held for ``ticks`` ticks.

    ``identity`` is about one frame, but for its ``window``, which counts sequences.
    """

    frames: int
    ticks: int

    MORE: ClassVar[struct.Struct] = struct.Struct("<HB")  # frames and ticks, the most as 0
    FORMAT: ClassVar[struct.Struct] = struct.Struct(Identity.FORMAT.format + MORE.format[1:])
    request: ClassVar[Request] = Request.SEQUENCE
    reply: ClassVar[Reply] = Reply.SEQUENCE
    noun: ClassVar[str] = "sequence"

    def __post_init__(self) -> None:
        for name, most in (("frames", (1 << 16) - 1), ("ticks", MAX_TICKS)):
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise UserError(f"link: {name} must lie in 1 .. {most}, not {value!r}")

    @classmethod
    def of(cls, design: Computes, *, window: int, clock_hz: int) -> Self:
        """Return those of ``design``, whose network reads sequences."""
        entering = design.network.input
        return cls(Identity.of(design, window=window, clock_hz=clock_hz), entering.frames, entering.ticks)

    @property
    def frame_bytes(self) -> int:
        """Most payload bytes of a request."""
        return COUNT_BYTES + self.frames * self.identity.frame_bytes

    @property
    def result_bytes(self) -> int:
        """Payload bytes of a reply."""
        return self.identity.result_bytes

    def pack(self) -> bytes:
        """Return the payload of the IDENTITY reply."""
        return self.identity.pack() + self.MORE.pack(self.frames, self.ticks % MAX_TICKS)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Return those of the identity in ``payload``; :class:`~s2nn_hw.errors.UserError` if they can't be."""
        identity = Identity.unpack(payload[: Identity.FORMAT.size])
        frames, ticks = cls.MORE.unpack(payload[Identity.FORMAT.size :])
        return cls(identity, frames, ticks or MAX_TICKS)

    def pack_frame(self, pixels: npt.NDArray[Any]) -> bytes:
        """Return the payload of the request with the frames ``pixels`` ``(frames, pixels)``."""
        count = len(pixels).to_bytes(COUNT_BYTES, "little")
        return count + b"".join(self.identity.pack_frame(frame) for frame in pixels)

    def unpack_frame(self, payload: bytes) -> npt.NDArray[Any]:
        """Return the frames ``(frames, pixels)``: the inverse of :meth:`pack_frame`.

        :class:`~s2nn_hw.hw.link.protocol.Damaged` where their number can't be, or ``payload`` has not as many bytes.
        """
        if len(payload) < COUNT_BYTES:
            raise Damaged(ErrorCode.SHORT)
        count, size = int.from_bytes(payload[:COUNT_BYTES], "little"), self.identity.frame_bytes
        if not 1 <= count <= self.frames:
            raise Damaged(ErrorCode.RANGE)
        due = COUNT_BYTES + count * size
        if len(payload) != due:
            raise Damaged(ErrorCode.SHORT if len(payload) < due else ErrorCode.LONG)
        starts = range(COUNT_BYTES, due, size)
        return np.stack([self.identity.unpack_frame(payload[start : start + size]) for start in starts])

    def pack_result(self, result: Result, check: bytes) -> bytes:
        """Return the reply's payload: that of a RESULT."""
        return self.identity.pack_result(result, check)

    def unpack_result(self, payload: bytes) -> Result:
        """Return the :class:`Result` in ``payload``; :class:`Damaged` if it can't be."""
        return self.identity.unpack_result(payload)
