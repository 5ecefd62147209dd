"""A line with a device model at its far end and a clock, all simulated: nothing waits, and each fault is drawn by seed.

It stands where the host has its serial port (:class:`s2nn_hw.hw.link.line.SerialLine`).
"""

import heapq
import random
from itertools import count

from s2nn_hw.hw.link import protocol
from s2nn_hw.hw.link.protocol import ErrorCode, Packet

KINDS = ("loss", "duplication", "delay", "reordering", "damage")
POLL_SECONDS = 0.02
LONG, SHORT = 2.0, 0.03  # seconds: longer than the host waits, and as long as some packets take


class Faults:
    """What a line does to packets: each of ``kinds`` happens to the share ``rate`` of them, drawn by ``seed``.

    Calling it with the bytes of a packet, delimiter included, returns the list of ``(seconds later, bytes)`` that come.
    """

    def __init__(self, kinds, rate, seed):
        self.kinds, self.rate, self.random = kinds, rate, random.Random(seed)
        self.count = 0

    def __call__(self, wire):
        came = [(0.0, wire)]
        for kind in self.kinds:
            if self.random.random() < self.rate:
                self.count += 1
                came = [new for late, data in came for new in getattr(self, kind)(late, data)]
        return came

    def loss(self, late, data):
        return []

    def duplication(self, late, data):
        return [(late, data), (late + self.random.choice((0, SHORT, LONG)) * self.random.random(), data)]

    def delay(self, late, data):
        return [(late + LONG * self.random.random(), data)]

    def reordering(self, late, data):
        return [(late + SHORT * self.random.random(), data)]

    def damage(self, late, data):
        """Wrong bits, bytes of noise, a byte more or less, a packet that ends early or goes on into the next."""
        data, source = bytearray(data), self.random
        at = source.randrange(len(data))
        kind = source.randrange(6)
        if kind == 0:
            for _ in range(source.randint(1, 3)):
                data[source.randrange(len(data))] ^= 1 << source.randrange(8)
        elif kind == 1:
            size = source.randint(1, len(data))
            data[at : at + size] = source.randbytes(size)
        elif kind == 2:
            del data[at : at + source.randint(1, 3)]
        elif kind == 3:
            data[at:at] = source.randbytes(source.randint(1, 3))
        elif kind == 4:
            data[at:] = b"\0"
        else:
            del data[-1]
        return [(late, bytes(data))]


def perfect(wire):
    """The line without a fault."""
    return [(0.0, wire)]


class LossyLine:
    """``model`` (:class:`~device_model.DeviceModel`) at the end of a line at ``baud``; the host's end has its methods.

    ``there``, ``back``: functions as :class:`Faults`, of what the host sends and of what the device sends.
    ``frame_seconds``: what a frame takes in the accelerator. As in the circuit a frame is BUSY while a window of others
    has no answer, and refusals overtake results.
    """

    name = "simulated line"

    def __init__(self, model, *, there=perfect, back=perfect, baud=1_000_000, frame_seconds=1e-5):
        self.model, self.there, self.back, self.baud, self.frame_seconds = model, there, back, baud, frame_seconds
        self.time, self.closed = 0.0, False
        self.frames = 0  # that the device took
        self._events, self._order = [], count()
        self._send_free = self._reply_free = self._ready = 0.0
        self._rest, self._refusals, self._results, self._sending = b"", [], [], False
        self._open = 0  # frames in the device without an answer
        self._came = bytearray()

    def now(self):
        return self.time

    def close(self):
        self.closed = True

    def write(self, data):
        """Put ``data`` on the line behind what is there; each packet has its own fate."""
        for wire in data.split(b"\0")[:-1]:
            wire += b"\0"
            self._send_free = max(self.time, self._send_free) + self._seconds(wire)
            for late, bytes_ in self.there(wire):
                self._at(self._send_free + late, self._arrive, bytes_)

    def read(self):
        """Let time pass until bytes have come, for a short while at most; return them."""
        until = self.time + POLL_SECONDS
        while not self._came and self._events and self._events[0][0] <= until:
            self.time, _, action, data = heapq.heappop(self._events)
            action(data)
        if not self._came:
            self.time = until
        came = bytes(self._came)
        self._came.clear()
        return came

    def _seconds(self, wire):
        return 10 * len(wire) / self.baud

    def _at(self, time, action, data):
        heapq.heappush(self._events, (time, next(self._order), action, data))

    def _arrive(self, data):
        """At the device: answer each packet that is complete."""
        *pieces, self._rest = (self._rest + data).split(b"\0")
        for piece in filter(None, pieces):
            reply = self.model.reply(piece)
            if reply.type != self.model.packets.reply:
                self._refusals.append(reply)
            elif self._open >= self.model.identity.window:
                self._refusals.append(protocol.error_reply(ErrorCode.BUSY, reply.sequence))
            else:
                self._open += 1
                self.frames += 1
                self._ready = max(self.time, self._ready) + self.frame_seconds
                self._at(self._ready, self._results.append, reply)
                self._at(self._ready, self._reply, None)
        self._reply(None)

    def _reply(self, _):
        """At the device: begin the next reply if the line is free."""
        if self._sending or not (self._refusals or self._results):
            return
        packet: Packet = (self._refusals or self._results).pop(0)
        wire = protocol.encode(packet)
        self._sending = True
        self._at(self.time + self._seconds(wire), self._sent, packet.type == self.model.packets.reply)
        for late, data in self.back(wire):
            self._at(self.time + self._seconds(wire) + late, self._came.extend, data)

    def _sent(self, was_result):
        self._sending = False
        self._open -= was_result
        self._reply(None)
