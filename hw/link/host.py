"""The host's end of the link: identity check, images or sequences in and results out."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError
from s2nn_hw.hw.link import older_protocols
from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.line import Line, SerialLine
from s2nn_hw.hw.link.packets import KINDS, Packets, packets_of
from s2nn_hw.hw.link.protocol import (
    DELIMITER,
    SEQUENCES,
    VERSION,
    Damaged,
    ErrorCode,
    Identity,
    Packet,
    Reply,
    Result,
    Splitter,
    digest_of,
    encode,
    identity_request,
)
from s2nn_hw.hw.link.sequence_packets import SequencePackets
from s2nn_hw.hw.link.transfer import RETRIES, Requests, Transfer
from s2nn_hw.hw.link.verdict import SelfTestPackets, Verdict, self_test_request
from s2nn_hw.network.address_events import EventFormat, Events
from s2nn_hw.network.layer import BYTE, INPUT_BITS, Input
from s2nn_hw.network.network import Network
from s2nn_hw.network.over_time import checked_offsets
from s2nn_hw.network.planes import STEPS
from s2nn_hw.network.sequences import Sequences

QUIET_POLLS = 4
ASKS, ASK_OLDER_FROM = 20, 2
# bytes between the delimiters of a reply
IDENTITY_PIECES = [len(encode(identity_request(1))) - 2 + of.FORMAT.size for of in KINDS]


@dataclass(frozen=True)
class Answers:
    """Per image or sequence: ``classes`` int64 ``(count,)``, ``scores`` int64 ``(count, classes)``, ``cycles`` int64
    ``(count,)``.

    ``seconds``: wall time for all of them; ``repeats``: requests that were sent again. ``spikes``: of a device that
    gives events: those of what the readout reads, else None.
    """

    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int64]
    cycles: npt.NDArray[np.int64]
    seconds: float
    repeats: int
    spikes: Events | None = None


def open_device(
    port: Path | str, baud: int, network: Network | None = None, *, timeout: float = 1.0, retries: int = RETRIES
) -> "Device":
    """Return the :class:`Device` behind serial ``port``; the rest as of that."""
    return Device(SerialLine(port, baud), network, timeout=timeout, retries=retries)


class Device:
    """The board at the far end of ``line`` (a :class:`~s2nn_hw.hw.link.line.SerialLine`), closed with it; a context
    manager.

    ``network``: what it must hold, checked by digest; None takes the board's word for what it is, and images may
    then have any shape of as many pixels.
    ``timeout``: seconds to wait for an answer beyond the time it needs on the line; ``retries``: how often a
    frame is sent again before giving up. Every failure is a :class:`UserError` that names the port.
    """

    def __init__(
        self, line: Line, network: Network | None = None, *, timeout: float = 1.0, retries: int = RETRIES
    ) -> None:
        self.line, self.network, self.timeout, self.retries = line, network, timeout, retries
        self._sequence = 0
        self._splitter, self._nearly = Splitter(), False
        try:
            self.packets = self._ask_identity()
            self._check_identity()
            self._drain()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The port's."""
        return self.line.name

    @property
    def identity(self) -> Identity:
        """What the device says of itself, events and sequences aside."""
        return self.packets if isinstance(self.packets, Identity) else self.packets.identity

    @property
    def leaving(self) -> EventFormat | None:
        """The format of the events that come with a result; None: frames and results are none."""
        return self.packets.leaving if isinstance(self.packets, EventPackets) else None

    def close(self) -> None:
        """Release the port."""
        self.line.close()

    def _read(self) -> list[Packet]:
        """Return the packets that have come, after at most a short wait."""
        return self._splitter.feed(self.line.read())

    def _ask(
        self,
        request: Callable[[int], Packet],
        answers: Callable[[Packet, dict[int, Packet]], bool],
        also: Callable[[int], bytes] = lambda number: b"",
    ) -> Packet | None:
        """Send ``request(number)``, :data:`ASKS` times at most; return the first packet that is a reply to one of them.

        ``answers(packet, sent)``: whether it is, ``sent`` being the requests by number. ``also(ask)``: bytes that are
        sent along. None if nothing comes in time.
        """
        sent: dict[int, Packet] = {}
        for ask in range(ASKS):
            self._sequence = (self._sequence + 1) % SEQUENCES
            asked = sent[self._sequence] = request(self._sequence)
            # the delimiters end whatever was left on the line
            self.line.write(bytes((DELIMITER, DELIMITER)) + encode(asked) + also(ask))
            deadline = self.line.now() + self.timeout / 4
            while self.line.now() < deadline:
                for packet in self._read():
                    known = packet.sequence in sent
                    if known and (packet.error == ErrorCode.UNKNOWN or answers(packet, sent)):
                        return packet
                self._refuse_older()
        return None

    def _ask_identity(self) -> Packets:
        packet = self._ask(
            identity_request,
            lambda packet, sent: packet.type == Reply.IDENTITY,
            lambda ask: older_protocols.identity_request() if ask >= ASK_OLDER_FROM else b"",
        )
        if packet is not None and packet.error is None:
            return packets_of(packet.payload)
        seen = self._splitter
        if not seen.bytes:
            raise UserError(f"{self.name} answers nothing: is the board configured, and is this its UART port?")
        if seen.whole or self._nearly:
            raise UserError(
                f"{self.name} answers, but its identity did not come through in {ASKS} tries: "
                f"{seen.damaged} of {seen.damaged + seen.whole} packets were damaged on the way; check "
                "cable and ground"
            )
        raise UserError(
            f"{self.name} answers {seen.bytes} bytes, but no identity packet among them: another device, "
            f"or another baud rate than {self.line.baud}"
        )

    def _refuse_older(self) -> None:
        """Refuse a device of an older version; note answers of an identity's length that were damaged."""
        for piece in self._splitter.rejected:
            version = older_protocols.version_of(piece)
            if version is not None:
                raise UserError(
                    f"{self.name}: the device speaks protocol version {version}, this tool version "
                    f"{VERSION}; build the bitstream anew"
                )
            self._nearly |= len(piece) in IDENTITY_PIECES and piece[1] == Reply.IDENTITY

    def _check_identity(self) -> None:
        found, network = self.identity, self.network
        if network is None:
            return
        if found.digest != digest_of(network):
            raise UserError(
                f"{self.name} holds another network: digest {found.digest.hex()}, while {network.name} has "
                f"{digest_of(network).hex()}; load the bitstream built from this file"
            )
        wanted = (network.input.size, network.input.bits, len(network.classes))
        if (found.pixels, found.bits, found.classes) != wanted:
            raise UserError(
                f"{self.name} reports pixels, bits, classes {found.pixels, found.bits, found.classes}, "
                f"the network has {wanted}"
            )

    def self_test(self, command: int = 0) -> Verdict:
        """Return the :class:`~s2nn_hw.hw.link.verdict.Verdict` of the self-test on the board, after it got ``command``.

        :class:`UserError` if the board holds none.
        """
        packets = SelfTestPackets(self.identity)
        packet = self._ask(lambda number: self_test_request(number, command), _is_verdict_of)
        if packet is None:
            raise UserError(f"{self.name} does not answer for its self-test in {ASKS} tries; check cable and baud rate")
        if packet.error is not None:
            raise UserError(
                f"{self.name} holds an accelerator, but no self-test; build one with `s2nn-hw bitstream --self-test`"
            )
        try:
            return packets.unpack_verdict(packet.payload)
        except Damaged:
            raise UserError(f"{self.name}: the self-test's verdict does not fit the device's own identity") from None

    def encode(self, images: np.ndarray) -> npt.NDArray[Any]:
        """Return the pixels ``(count, pixels)`` that go to the board, of ``images`` ``(count, ...)``: uint8, of more
        than 8 bits or steps and of signed pixels int32.

        A board alone does not say whether its pixels are signed: what the network's do not decide the images do.
        """
        if isinstance(self.packets, SequencePackets):
            raise UserError(f"{self.name} takes sequences of up to {self.packets.frames:,} frames, no single images")
        if self.network is not None:
            return self.network.encode(images)
        images = np.asarray(images)
        flat = images.reshape(len(images), int(np.prod(images.shape[1:]))) if images.ndim > 1 else images
        pixels, bits = self.identity.pixels, self.identity.bits
        # so many values of 0 and 1 are events, step by step
        if images.ndim > 1 and bits > 1 and flat.shape[1] == bits * pixels and images.max(initial=0) <= 1:
            return Input((pixels,), bits, STEPS).encode(flat.reshape(len(flat), bits, pixels))
        if bits not in INPUT_BITS:
            raise UserError(
                f"{self.name} takes events of {pixels:,} pixels in {bits} steps: {bits * pixels:,} values a frame "
                f"wanted, images of shape {images.shape} came"
            )
        negative = images.dtype.kind == "i" and (bits <= BYTE or bool((images < 0).any()))
        return Input((pixels,), bits, signed=negative).encode(flat)

    def encode_sequences(self, given: Sequences) -> list[npt.NDArray[Any]]:
        """Return what goes to the board, of each sequence ``(frames, pixels)``, as of :meth:`encode`.

        A board alone is taken to want bytes where it has 8 bits or fewer.
        """
        if not isinstance(self.packets, SequencePackets):
            raise UserError(f"{self.name} takes single images, no sequences")
        of, own = self.packets, self.identity
        alone = Input((own.pixels,), own.bits, ticks=of.ticks, frames=of.frames)
        entering = alone if self.network is None else self.network.input
        try:
            values = entering.encode(given.as_bytes if entering.of_bytes else given.frames)
            offsets = checked_offsets(given.offsets, len(values), of.frames)
        except UserError as error:
            raise UserError(f"{given.name}: {error}") from None
        return [values[start:end] for start, end in pairwise(offsets.tolist())]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, or their numbers where only the board is known."""
        return tuple(map(str, range(self.identity.classes))) if self.network is None else self.network.classes

    def _drain(self) -> None:
        """Wait until the line is quiet: what another host asked for must be out of the way."""
        deadline, quiet = self.line.now() + self.timeout, 0
        while quiet < QUIET_POLLS and self.line.now() < deadline:
            before = self._splitter.bytes
            self._read()
            quiet = quiet + 1 if self._splitter.bytes == before else 0

    def classify(
        self, images: np.ndarray, *, progress: Callable[[int, int], None] | None = None, limit: float | None = None
    ) -> Answers:
        """Return the :class:`Answers` of ``images`` ``(count, *shape)``; ``progress(done, repeats)`` is called.

        ``limit``: seconds for all of them, None as of :class:`~s2nn_hw.hw.link.transfer.Transfer`, which see for the
        rest.
        """
        return self._transfer(self.encode(images), progress, limit)

    def classify_sequences(
        self, given: Sequences, *, progress: Callable[[int, int], None] | None = None, limit: float | None = None
    ) -> Answers:
        """Return the :class:`Answers` of the sequences ``given``; the rest as of :meth:`classify`."""
        return self._transfer(self.encode_sequences(given), progress, limit)

    def _transfer(
        self, requests: Requests, progress: Callable[[int, int], None] | None, limit: float | None
    ) -> Answers:
        """Send what each of ``requests`` is made of; return the answers."""
        start = self.line.now()
        transfer = Transfer(
            self.line, self._read, self.packets, requests, timeout=self.timeout, retries=self.retries, limit=limit
        )
        results = transfer.run(progress)
        return Answers(
            np.array([r.index for r in results], np.int64),
            np.array([r.scores for r in results], np.int64).reshape(len(requests), self.identity.classes),
            np.array([r.cycles for r in results], np.int64),
            self.line.now() - start,
            transfer.repeats,
            self._spikes(results),
        )

    def _spikes(self, results: list[Result]) -> Events | None:
        """Return the events that came with ``results``."""
        if self.leaving is None:
            return None
        values = np.zeros((len(results), self.leaving.addresses), np.uint8)
        for number, result in enumerate(results):
            values[number] = self.leaving.decode(result.spikes)
        return Events(self.leaving, values)


def _is_verdict_of(packet: Packet, sent: dict[int, Packet]) -> bool:
    """Return whether ``packet`` answers one of the SELF_TEST requests in ``sent``."""
    number, check = packet.answered
    return packet.type == Reply.SELF_TEST and check == sent[number].check
