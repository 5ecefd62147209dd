"""What reader and responder of packets need of the requests and replies that they are for."""

import struct
from typing import ClassVar, Protocol

from s2nn_hw.hw.link.protocol import Reply, Request


class Layout(Protocol):
    """How requests of one type and their replies are laid out: what reader and responder of packets need.

    ``FORMAT``: of the IDENTITY reply; ``request``, ``reply``: the types.
    """

    FORMAT: ClassVar[struct.Struct]
    request: ClassVar[Request]
    reply: ClassVar[Reply]

    @property
    def window(self) -> int:
        """Requests that may wait for their answers."""

    @property
    def bits(self) -> int:
        """Bits of a pixel."""

    @property
    def pixels_per_beat(self) -> int:
        """Pixels of a beat."""

    @property
    def beats(self) -> int:
        """Beats of a request."""

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""

    @property
    def frame_bytes(self) -> int:
        """Payload bytes of a request."""

    @property
    def classes(self) -> int:
        """How many classes there are."""

    @property
    def score_width(self) -> int:
        """Bits of a signed score."""

    @property
    def score_bytes(self) -> int:
        """Bytes of a score on the line."""

    @property
    def result_bytes(self) -> int:
        """Payload bytes of a reply."""

    def pack(self) -> bytes:
        """Return the payload of the IDENTITY reply."""
        ...
