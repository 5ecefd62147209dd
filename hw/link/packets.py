"""Which packets a device takes, by what it says of itself."""

from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.protocol import Identity
from s2nn_hw.hw.link.sequence_packets import SequencePackets

Packets = Identity | EventPackets | SequencePackets
KINDS = (Identity, EventPackets, SequencePackets)


def packets_of(payload: bytes) -> Packets:
    """Return what the device whose IDENTITY reply has ``payload`` says that its packets are, known by the length.

    :class:`~s2nn_hw.errors.UserError` if it is none of this version.
    """
    for kind in (EventPackets, SequencePackets):
        if len(payload) == kind.FORMAT.size:
            return kind.unpack(payload)
    return Identity.unpack(payload)
