"""How frames of events and their answers are laid out on the link, and what a device that takes them says of itself.

``docs/protocol.md`` describes the same for other languages. Nothing here needs Amaranth or a serial port.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy.typing as npt

from s2nn_hw.hw.link.described import Described
from s2nn_hw.hw.link.protocol import Computes, Damaged, ErrorCode, Identity, Reply, Request, Result
from s2nn_hw.network.address_events import EventFormat, Unfit


@dataclass(frozen=True)
class EventPackets(Described):
    """The packets of the device that ``identity`` describes where frames come as events, and answers have them, too.

    ``entering``, ``leaving``: the formats of frames in requests and in replies.
    """

    leaving: EventFormat

    MORE: ClassVar[struct.Struct] = struct.Struct("<IB")  # addresses and slots of what leaves
    FORMAT: ClassVar[struct.Struct] = struct.Struct(Identity.FORMAT.format + MORE.format[1:])
    request: ClassVar[Request] = Request.EVENTS
    reply: ClassVar[Reply] = Reply.EVENTS
    noun: ClassVar[str] = "image"

    @classmethod
    def of(cls, design: Computes, *, window: int, clock_hz: int) -> Self:
        """Return those of ``design``; :class:`~s2nn_hw.errors.UserError` where its network gives or takes no events."""
        EventFormat.of_input(design.network.input)
        leaving = EventFormat.of_output(design.network)
        return cls(Identity.of(design, window=window, clock_hz=clock_hz), leaving)

    @property
    def entering(self) -> EventFormat:
        """The format of the frames in requests."""
        return EventFormat(self.identity.pixels, (1 << self.identity.bits) - 1)

    @property
    def frame_bytes(self) -> int:
        """Most payload bytes of a request."""
        return self.entering.most_bytes

    @property
    def tail_bytes(self) -> int:
        """Most bytes of a reply's events."""
        return self.leaving.most_bytes

    @property
    def result_bytes(self) -> int:
        """Most payload bytes of a reply."""
        return self.identity.result_bytes + self.tail_bytes

    def pack(self) -> bytes:
        """Return the payload of the IDENTITY reply."""
        return self.identity.pack() + self.MORE.pack(self.leaving.addresses, self.leaving.slots)

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        """Return those of the identity in ``payload``; :class:`~s2nn_hw.errors.UserError` if they can't be."""
        identity = Identity.unpack(payload[: Identity.FORMAT.size])
        return cls(identity, EventFormat(*cls.MORE.unpack(payload[Identity.FORMAT.size :])))

    def pack_frame(self, pixels: npt.NDArray[Any]) -> bytes:
        """Return the payload of the request with ``pixels`` ``(pixels,)``."""
        return self.entering.encode(pixels)

    def pack_result(self, result: Result, check: bytes) -> bytes:
        """Return the reply's payload: that of a RESULT, then its events."""
        return self.identity.pack_result(result, check) + result.spikes

    def unpack_result(self, payload: bytes) -> Result:
        """Return the :class:`Result` in ``payload``; :class:`Damaged` if it, or its events, can't be."""
        own = self.identity.result_bytes
        if len(payload) < own:
            raise Damaged(ErrorCode.SHORT)
        result, spikes = self.identity.unpack_result(payload[:own]), payload[own:]
        try:
            self.leaving.decode(spikes)
        except Unfit as error:
            raise Damaged(ErrorCode(error.fault)) from None
        return replace(result, spikes=spikes)
