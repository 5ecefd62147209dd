"""The device's end of the link in plain Python: what the circuit must answer, and what the host talks to in tests."""

from hw import protocol
from hw.protocol import ErrorCode, Packet, Reply, Request, Result


class DeviceModel:
    """Answers one packet after the other, none of them BUSY; ``network`` computes the results."""

    def __init__(self, identity, network, cycles=3):
        self.identity, self.network, self.cycles = identity, network, cycles

    def reply(self, data):
        """Return the reply to the piece ``data`` between two delimiters."""
        try:
            body, whole = protocol.unstuff(data), True
        except protocol.Damaged:
            body, whole = _unstuff_part(data), False
        kind, number = (*body, 0, 0)[:2] if len(body) > 1 else (body[0] if body else 0, 0)
        due = {Request.FRAME: self.identity.frame_bytes}.get(kind, 1) + 4
        if len(body) < due:
            return protocol.error_reply(ErrorCode.SHORT, number)
        if len(body) > due and kind in tuple(Request):
            return protocol.error_reply(ErrorCode.LONG, number)
        if not whole or protocol.checksum(body):
            return protocol.error_reply(ErrorCode.CHECKSUM, number)
        if kind == Request.IDENTITY:
            return Packet(Reply.IDENTITY, number, self.identity.pack())
        if kind != Request.FRAME:
            return protocol.error_reply(ErrorCode.UNKNOWN, number)
        return Packet(Reply.RESULT, number, self.identity.pack_result(self.classify(body[2:-2])))

    def classify(self, payload):
        """Return the golden result of a FRAME payload."""
        bits = self.network.input.bits
        image = (self.identity.unpack_frame(payload) << (8 - bits)).reshape(1, *self.network.input.shape)
        out = self.network.forward(image)
        return Result(int(out.classes[0]), tuple(out.scores[0].tolist()), self.cycles)


def _unstuff_part(data):
    """Return what a decoder has given out when ``data`` ends inside a block."""
    for cut in range(1, 256):
        try:
            return protocol.unstuff(data + b"\x01" * cut)[:-cut]
        except protocol.Damaged:
            continue
    return b""
