"""Many requests through a line that may lose, damage, repeat and delay what it carries: every result once, or an end.

A result names its request by number and checksum, and the checksum is about number and image: whenever it comes, it
can't be taken for another image's. So a frame is sent again as it was, and whichever answer comes first counts.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.line import BITS_PER_BYTE, POLL_SECONDS, Line
from s2nn_hw.hw.link.packets import Packets
from s2nn_hw.hw.link.protocol import SEQUENCES, Damaged, ErrorCode, Packet, Result, encode

RETRIES = 50
STALL_PATIENCES = 10
SOONEST_SECONDS, SOONEST_FACTOR = 0.1, 8  # a wait for an answer is that many times the mean so far, and not shorter
LIMIT_SECONDS, LIMIT_FACTOR = 60, 50
MOST_UNDER_WAY = SEQUENCES // 2  # a window smaller than the space of numbers

Requests = npt.NDArray[Any] | list[npt.NDArray[Any]]


@dataclass
class Flight:
    """A request without an answer: number of the ``image``, ``check`` that its answer must name, bytes on the ``wire``.

    ``first``, ``latest``: places of its first and latest sending in the order of all; ``sent``: when the latest was;
    ``failures``: sendings that had no result; ``again``: why it must be sent again, or None.
    """

    image: int
    check: bytes
    wire: bytes
    first: int
    latest: int = 0
    failures: int = 0
    sent: float = 0.0
    again: str | None = None


class Transfer:
    """Sends ``pixels`` over ``line`` to the device of ``identity`` and collects its results.

    ``pixels``: what each request is made of: ``(pixels,)`` of an image, ``(frames, pixels)`` of a sequence. ``read``: a
    function that returns the packets that have come, after a short wait at most. ``timeout``: seconds to wait for an
    answer beyond its time on the line, less once it is known how soon answers come; ``retries``: how often one request
    is sent again; ``limit``: seconds for all, None takes :data:`LIMIT_FACTOR` times what the line needs and a minute.
    :class:`UserError` names the port and what went wrong last if a request failed too often, no result came for ten
    times ``timeout``, or the time is over.
    """

    def __init__(
        self,
        line: Line,
        read: Callable[[], list[Packet]],
        identity: Packets,
        pixels: Requests,
        *,
        timeout: float,
        retries: int = RETRIES,
        limit: float | None = None,
    ) -> None:
        self.line, self.read, self.of, self.pixels, self.retries = line, read, identity, pixels, retries
        self.frame_seconds = BITS_PER_BYTE * (identity.frame_bytes + identity.result_bytes) * 1.1 / line.baud
        self.patience = timeout + (identity.window + 1) * self.frame_seconds
        self.limit = LIMIT_SECONDS + LIMIT_FACTOR * len(pixels) * self.frame_seconds if limit is None else limit
        self.window = min(identity.window, MOST_UNDER_WAY)
        self.results: dict[int, Result] = {}  # by image
        self.done = self.repeats = 0
        self._flying: dict[int, Flight] = {}  # by sequence number
        self._begun = self._sendings = self._sequence = 0
        self._start = self._moved = self._pause = line.now()
        self._waited, self._answered = 0.0, 0  # seconds until the answers to frames that were sent once, and how many
        self._trouble = "no answer"

    def run(self, progress: Callable[[int, int], None] | None = None) -> list[Result]:
        """Return the list of results; ``progress(done, repeats)`` is called on the way."""
        while self.done < len(self.pixels):
            self._send()
            for packet in self.read():
                self._take(packet)
            self._check_the_time()
            if progress:
                progress(self.done, self.repeats)
        return [self.results[image] for image in range(len(self.pixels))]

    def _send(self) -> None:
        """Send what is to be sent again, then new frames, as many as may be under way."""
        if self.line.now() < self._pause:
            return
        for flight in self._flying.values():
            if flight.again:
                self.repeats += 1
                self._launch(flight)
        while len(self._flying) < self.window and self._begun < len(self.pixels):
            number = self._free_number()
            request = Packet(self.of.request, number, self.of.pack_frame(self.pixels[self._begun]))
            flight = self._flying[number] = Flight(self._begun, request.check, encode(request), self._sendings)
            self._begun += 1
            self._launch(flight)

    def _free_number(self) -> int:
        """Return the next sequence number that no frame without an answer has."""
        while True:
            self._sequence = (self._sequence + 1) % SEQUENCES
            if self._sequence not in self._flying:
                return self._sequence

    def _launch(self, flight: Flight) -> None:
        self.line.write(flight.wire)
        flight.latest, flight.again, flight.sent = self._sendings, None, self.line.now()
        self._sendings += 1

    def _take(self, packet: Packet) -> None:
        """Do what ``packet`` asks for; what belongs to no frame under way is left alone."""
        flight = self._flying.get(packet.sequence)
        if flight is None:
            return
        if packet.error == ErrorCode.UNKNOWN:
            raise UserError(
                f"{self.line.name} takes no {self.of.noun}s: it holds a self-test, which `s2nn-hw selftest` asks"
            )
        if packet.error == ErrorCode.BUSY:  # nobody's failure: the device is behind
            self._pause = self.line.now() + max(self.frame_seconds, POLL_SECONDS)
            self._trouble = flight.again = "the answer BUSY"
        elif packet.error is not None:
            self._fail(flight, f"the answer {getattr(packet.error, 'name', packet.error)}")
        elif packet.type == self.of.reply and packet.answered[1] == flight.check:
            self._finish(packet, flight)

    def _finish(self, packet: Packet, flight: Flight) -> None:
        try:
            self.results[flight.image] = self.of.unpack_result(packet.payload)
        except Damaged:
            raise UserError(f"{self.line.name}: a result does not fit the device's own identity") from None
        del self._flying[packet.sequence]
        self.done += 1
        self._moved = self.line.now()
        if flight.first == flight.latest:
            self._waited += self._moved - flight.sent
            self._answered += 1
        # results come in the order of their frames: what was sent before this one's first time has lost its own
        for other in self._flying.values():
            if other.latest < flight.first and not other.again:
                self._fail(other, "no answer")

    def _fail(self, flight: Flight, why: str) -> None:
        """Note that the latest sending of ``flight`` was in vain."""
        self._trouble = flight.again = why
        flight.failures += 1
        if flight.failures > self.retries:
            raise UserError(
                f"{self.line.name}: {self.of.noun} {flight.image} failed {flight.failures} times, last because of "
                f"{why}; check cable and baud rate"
            )

    def _check_the_time(self) -> None:
        now = self.line.now()
        wait = self.patience
        if self._answered:
            wait = min(wait, max(SOONEST_SECONDS, SOONEST_FACTOR * self._waited / self._answered))
        for flight in self._flying.values():
            if now > flight.sent + wait and not flight.again:
                self._fail(flight, f"no answer within {wait:.1f} s")
        if self.done == len(self.pixels):
            return
        done = f"{self.done:,} of {len(self.pixels):,} {self.of.noun}s have their results"
        stall = STALL_PATIENCES * self.patience
        if now - self._moved > stall:
            raise UserError(
                f"{self.line.name}: no result came for {stall:.1f} s, last because of {self._trouble}; "
                f"{done}; check board, cable and baud rate"
            )
        if now - self._start > self.limit:
            raise UserError(
                f"{self.line.name}: the time of {self.limit:.0f} s is over; {done}, {self.repeats:,} "
                "requests were sent again; check cable and baud rate, or give more with --time-limit"
            )
