"""Packets of a device that is described by its identity and something beside it: what all such have of the identity."""

from dataclasses import dataclass

from s2nn_hw.hw.link.protocol import Identity


@dataclass(frozen=True)
class Described:
    """The attributes of ``identity`` that reader and responder of packets, and the host, need."""

    identity: Identity

    @property
    def window(self) -> int:
        """Requests that may wait for their answers."""
        return self.identity.window

    @property
    def bits(self) -> int:
        """Bits of a pixel."""
        return self.identity.bits

    @property
    def pixels_per_beat(self) -> int:
        """Pixels of a beat of the circuit."""
        return self.identity.pixels_per_beat

    @property
    def beats(self) -> int:
        """Beats of a frame in the circuit."""
        return self.identity.beats

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat."""
        return self.identity.beat_bytes

    @property
    def classes(self) -> int:
        """How many there are."""
        return self.identity.classes

    @property
    def score_width(self) -> int:
        """Bits of a signed score."""
        return self.identity.score_width

    @property
    def score_bytes(self) -> int:
        """Bytes of one on the line."""
        return self.identity.score_bytes
