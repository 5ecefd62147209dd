"""The device's end of the link in plain Python: what the circuit must answer, and what the host talks to in tests."""

from dataclasses import replace

import numpy as np

from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.protocol import ErrorCode, Packet, Reply, Request, Result
from s2nn_hw.hw.link.sequence_packets import COUNT_BYTES, SequencePackets
from s2nn_hw.hw.link.verdict import SelfTestPackets
from s2nn_hw.network.address_events import MARKER, EventFormat, Events, Unfit, output_values
from s2nn_hw.network.over_time import forward_sequences


class DeviceModel:
    """Answers one packet after the other, none of them BUSY; ``network`` computes the results.

    ``self_test``: a function ``command -> Verdict`` that answers in their place; ``events``: frames are events. Of a
    network of sequences requests are these.
    """

    def __init__(self, identity, network, cycles=3, self_test=None, events=False):
        self.identity, self.network, self.cycles = identity, network, cycles
        self.self_test = self_test
        self.packets = SelfTestPackets(identity) if self_test else identity
        if events:
            self.packets = EventPackets(identity, EventFormat.of_output(network))
        if network.input.sequences:
            self.packets = SequencePackets(identity, network.input.frames, network.input.ticks)

    def reply(self, data):
        """Return the reply to the piece ``data`` between two delimiters."""
        try:
            body, whole = protocol.unstuff(data), True
        except protocol.Damaged:
            body, whole = _unstuff_part(data), False
        kind, number = (*body, 0, 0)[:2] if len(body) > 1 else (body[0] if body else 0, 0)
        around = protocol.HEADER_BYTES + protocol.CHECK_BYTES
        if kind == self.packets.request == Request.EVENTS:
            return self._events(body, whole and protocol.checksum(body) == protocol.RESIDUE, number)
        sound = whole and protocol.checksum(body) == protocol.RESIDUE
        due = {self.packets.request: self.packets.frame_bytes}.get(kind, 1) + around
        if kind == self.packets.request == Request.SEQUENCE:
            count = int.from_bytes(body[2:4], "little")
            strange = len(body) >= 4 and not 1 <= count <= self.packets.frames
            due = COUNT_BYTES + (0 if strange else count * self.identity.frame_bytes) + around
            if strange and sound and len(body) >= due:
                return protocol.error_reply(ErrorCode.RANGE, number)
        if len(body) < due:
            return protocol.error_reply(ErrorCode.SHORT, number)
        if len(body) > due and kind in (self.packets.request, Request.IDENTITY):
            return protocol.error_reply(ErrorCode.LONG, number)
        if not sound:
            return protocol.error_reply(ErrorCode.CHECKSUM, number)
        if kind == Request.IDENTITY:
            return Packet(Reply.IDENTITY, number, self.packets.pack())
        if kind != self.packets.request:
            return protocol.error_reply(ErrorCode.UNKNOWN, number)
        payload, check = body[protocol.HEADER_BYTES : -protocol.CHECK_BYTES], body[-protocol.CHECK_BYTES :]
        if self.self_test:
            return Packet(Reply.SELF_TEST, number, self.packets.pack_verdict(self.self_test(payload[0]), check))
        return Packet(self.packets.reply, number, self.identity.pack_result(self.classify(payload), check))

    def _events(self, body, sound, number):
        """Return the reply to an EVENTS packet ``body``, ``sound`` if its checksum is right.

        Its end marker is looked for in all that came, the checksum too, as nothing else says where events end.
        """
        rest = body[protocol.HEADER_BYTES :]
        ends = [k for k in range(3, len(rest) + 1, 3) if rest[k - 3] == MARKER]
        over = len(rest) - ends[0] - protocol.CHECK_BYTES if ends else -1
        if over:
            damaged = ErrorCode.LONG if over > 0 else ErrorCode.SHORT
            return protocol.error_reply(ErrorCode.END if sound and len(rest) >= 3 else damaged, number)
        if not sound:
            return protocol.error_reply(ErrorCode.CHECKSUM, number)
        payload, check = rest[: ends[0]], body[-protocol.CHECK_BYTES :]
        try:
            pixels = self.packets.entering.decode(payload)
        except Unfit as error:
            return protocol.error_reply(error.fault, number)
        image = Events(self.packets.entering, pixels[None]).images(self.network.input)
        (spikes,) = output_values(self.network, image)
        result = replace(self.result(image), spikes=self.packets.leaving.encode(spikes))
        return Packet(Reply.EVENTS, number, self.packets.pack_result(result, check))

    def classify(self, payload):
        """Return the golden result of the payload of a FRAME or SEQUENCE."""
        entering = self.network.input
        if entering.sequences:
            frames = self.images(self.packets.unpack_frame(payload))
            out = forward_sequences(self.network, frames, [0, len(frames)])
            return Result(int(out.classes[0]), tuple(out.scores[0].tolist()), self.cycles)
        pixels = self.identity.unpack_frame(payload)
        if entering.events:
            image = np.stack(entering.planes.split(pixels)).astype(np.uint8).reshape(1, *entering.data_shape)
            return self.result(image)
        return self.result(self.images(pixels[None]))

    def images(self, pixels):
        """Return the images ``(count, *shape)`` of ``pixels`` ``(count, pixels)``."""
        entering = self.network.input
        if entering.of_bytes:
            return (pixels << (8 - entering.bits)).reshape(-1, *entering.shape)
        return entering.planes.numbers(pixels.astype(np.int32)).reshape(-1, *entering.shape)

    def result(self, image):
        """Return the golden result of an ``image`` ``(1, *shape)``."""
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
