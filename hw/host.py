"""The host's end of the link: a serial port, identity check, frames in flight, retries."""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
import serial

from s2nn_hw.errors import UserError
from s2nn_hw.network import Input

from .protocol import (
    DELIMITER,
    Damaged,
    ErrorCode,
    Identity,
    Reply,
    Splitter,
    digest_of,
    encode,
    frame_request,
    identity_request,
)
from .verdict import SelfTestPackets, self_test_request

BITS_PER_BYTE = 10
POLL_SECONDS = 0.02
QUIET_POLLS = 4


@dataclass(frozen=True)
class Answers:
    """Per image: ``classes`` int64 ``(count,)``, ``scores`` int64 ``(count, classes)``, ``cycles`` int64 ``(count,)``.

    ``seconds``: wall time for all of them; ``repeats``: frames that were sent again.
    """

    classes: np.ndarray
    scores: np.ndarray
    cycles: np.ndarray
    seconds: float
    repeats: int


class Device:
    """The board at serial ``port``; a context manager.

    ``network``: what it must hold, checked by digest; None takes the board's word for what it is, and images may
    then have any shape of as many pixels.
    ``timeout``: seconds to wait for an answer beyond the time it needs on the line; ``retries``: how often a
    frame is sent again before giving up. Every failure is a :class:`UserError` that names the port.
    """

    def __init__(self, port, baud, network=None, *, timeout=1.0, retries=5):
        self.name, self.baud, self.network = str(port), baud, network
        self.timeout, self.retries = timeout, retries
        self._sequence = 0
        self._splitter = Splitter()
        try:
            self._serial = serial.Serial(self.name, baud, timeout=POLL_SECONDS, write_timeout=10 + timeout)
        except (serial.SerialException, OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"serial port {self.name} can't be opened at {baud} baud: {reason}") from None
        try:
            self.identity = self._ask_identity()
            self._check_identity()
            self._drain()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Release the port."""
        self._serial.close()

    def _write(self, data):
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise UserError(f"serial port {self.name} failed while writing: {error}") from None

    def _read(self):
        """Return the packets that have come, after at most a short wait."""
        try:
            return self._splitter.feed(self._serial.read(max(1, self._serial.in_waiting)))
        except (serial.SerialException, OSError) as error:
            raise UserError(f"serial port {self.name} failed while reading: {error}") from None

    def _next_sequence(self):
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    def _ask(self, request, reply):
        """Send ``request(sequence)``, three times at most; return the packet of type ``reply`` that answers it.

        Or the refusal that calls it unknown; None if neither comes in time.
        """
        for _ in range(3):
            number = self._next_sequence()
            # the delimiters end whatever was left on the line
            self._write(bytes((DELIMITER, DELIMITER)) + encode(request(number)))
            deadline = time.monotonic() + self.timeout
            while time.monotonic() < deadline:
                for packet in self._read():
                    if packet.sequence == number and (packet.type == reply or packet.error == ErrorCode.UNKNOWN):
                        return packet
        return None

    def _ask_identity(self):
        packet = self._ask(identity_request, Reply.IDENTITY)
        if packet is not None and packet.error is None:
            return Identity.unpack(packet.payload)
        came = self._splitter.bytes
        if not came:
            raise UserError(f"{self.name} answers nothing: is the board configured, and is this its UART port?")
        raise UserError(f"{self.name} answers {came} bytes, but no identity packet among them: another device, or "
                        f"another baud rate than {self.baud}")

    def _check_identity(self):
        found, network = self.identity, self.network
        if network is None:
            return
        if found.digest != digest_of(network):
            raise UserError(f"{self.name} holds another network: digest {found.digest.hex()}, while {network.name} has "
                            f"{digest_of(network).hex()}; load the bitstream built from this file")
        wanted = (network.input.size, network.input.bits, len(network.classes))
        if (found.pixels, found.bits, found.classes) != wanted:
            raise UserError(f"{self.name} reports pixels, bits, classes {found.pixels, found.bits, found.classes}, "
                            f"the network has {wanted}")

    def self_test(self, command=0):
        """Return the :class:`~hw.verdict.Verdict` of the self-test on the board, after it got ``command``.

        :class:`UserError` if the board holds none.
        """
        packets = SelfTestPackets(self.identity)
        packet = self._ask(lambda number: self_test_request(number, command), Reply.SELF_TEST)
        if packet is None:
            raise UserError(f"{self.name} does not answer for its self-test within {self.timeout:g} s; check cable and "
                            "baud rate")
        if packet.error is not None:
            raise UserError(f"{self.name} holds an accelerator, but no self-test; build one with "
                            "`s2nn-hw bitstream --self-test`")
        try:
            return packets.unpack_verdict(packet.payload)
        except Damaged:
            raise UserError(f"{self.name}: the self-test's verdict does not fit the device's own identity") from None

    def encode(self, images):
        """Return the pixels ``(count, pixels)`` that go to the board, of uint8 ``images`` ``(count, ...)``."""
        if self.network is not None:
            return self.network.encode(images)
        images = np.asarray(images)
        flat = images.reshape(len(images), int(np.prod(images.shape[1:]))) if images.ndim > 1 else images
        return Input((self.identity.pixels,), self.identity.bits).encode(flat)

    @property
    def classes(self):
        """Names of the classes, or their numbers where only the board is known."""
        return tuple(map(str, range(self.identity.classes))) if self.network is None else self.network.classes

    def _drain(self):
        """Wait until the line is quiet: results that another host asked for must not be taken for ours."""
        deadline, quiet = time.monotonic() + self.timeout, 0
        while quiet < QUIET_POLLS and time.monotonic() < deadline:
            before = self._splitter.bytes
            self._read()
            quiet = quiet + 1 if self._splitter.bytes == before else 0

    def classify(self, images, *, progress=None):
        """Return the :class:`Answers` of uint8 ``images`` ``(count, *shape)``; ``progress(done)`` is called on the way.

        Up to ``identity.window`` frames are on their way at a time. A frame that is refused or not answered in time
        is sent again under a new sequence number, so an answer that comes late is never taken for another image's.
        """
        pixels = self.encode(images)
        count, of = len(pixels), self.identity
        line = BITS_PER_BYTE * (of.frame_bytes + of.result_bytes) * 1.1 / self.baud
        patience = self.timeout + (of.window + 1) * line
        results, tries = [None] * count, [0] * count
        waiting, flying = deque(range(count)), {}  # images to send; sequence -> (image, deadline)
        done = repeats = 0
        pause, start = 0.0, time.monotonic()

        def again(image, why):
            nonlocal repeats
            tries[image] += 1
            repeats += 1
            if tries[image] > self.retries:
                raise UserError(f"{self.name}: image {image} failed {tries[image]} times, last because of {why}; "
                                "check cable and baud rate")
            waiting.appendleft(image)

        while done < count:
            while waiting and len(flying) < of.window and time.monotonic() >= pause:
                image, number = waiting.popleft(), self._next_sequence()
                self._write(encode(frame_request(number, of.pack_frame(pixels[image]))))
                flying[number] = image, time.monotonic() + patience
            for packet in self._read():
                if packet.sequence not in flying:
                    continue
                if packet.error == ErrorCode.UNKNOWN:
                    raise UserError(f"{self.name} takes no images: it holds a self-test, which `s2nn-hw selftest` asks")
                if packet.error is not None:
                    image, _ = flying.pop(packet.sequence)
                    if packet.error == ErrorCode.BUSY:
                        pause = time.monotonic() + max(line, POLL_SECONDS)
                    again(image, f"the answer {getattr(packet.error, 'name', packet.error)}")
                elif packet.type == Reply.RESULT:
                    image, _ = flying.pop(packet.sequence)
                    done += 1
                    try:
                        results[image] = of.unpack_result(packet.payload)
                    except Damaged:
                        raise UserError(f"{self.name}: a result does not fit the device's own identity") from None
            now = time.monotonic()
            for number, (image, deadline) in list(flying.items()):
                if now > deadline:
                    del flying[number]
                    again(image, f"no answer within {patience:.1f} s")
            if progress:
                progress(done)
        return Answers(
            np.array([r.index for r in results], np.int64),
            np.array([r.scores for r in results], np.int64).reshape(count, of.classes),
            np.array([r.cycles for r in results], np.int64),
            time.monotonic() - start,
            repeats,
        )


def run(images, port, output=None, *, baud, network=None):
    """Classify the images in file ``images`` on the board; print a table; write class, scores, cycles to ``output``.

    ``network``: the ``.s2nn`` file that the board must hold; None takes what is there.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from s2nn_hw.files import read_npy, write_npz
    from s2nn_hw.store import load

    pixels = read_npy(images)
    if network is not None:
        network = load(network)
        network.encode(pixels)  # shape and type are judged before the board is asked
    if output is not None and (output.suffix != ".npz" or not output.parent.is_dir()):
        raise UserError(f"output {output} must end in .npz and lie in a folder that exists")
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Device(port, baud, network) as device:
        device.encode(pixels)
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("images", total=len(pixels))
            answers = device.classify(pixels, progress=lambda done: bar.update(task, completed=done))
        classes, identity = device.classes, device.identity
    if output is not None:
        write_npz(output, **{"class": answers.classes, "scores": answers.scores, "cycles": answers.cycles})
    for table in tables(classes, answers, identity.clock_hz):
        console.print(table)
    if network is None:
        digest = identity.digest.hex()
        console.print(f"the board's network has digest {digest}; --network NAME.s2nn checks it", soft_wrap=True)
    if output is not None:
        console.print(f"class, scores and cycles are in {output}", soft_wrap=True)


def tables(classes, answers, clock_hz):
    """Return what `run` prints: images by class; cycles, time and rate."""
    from rich.table import Table

    counts = Table(title="Images by class")
    counts.add_column("class")
    counts.add_column("images", justify="right")
    for index, name in enumerate(classes):
        counts.add_row(name, str(int((answers.classes == index).sum())))
    figures = Table(title=f"On the board, {clock_hz / 1e6:g} MHz")
    for column in ("", "min", "mean", "max"):
        figures.add_column(column, justify="right" if column else "left")
    if len(answers.cycles):
        cycles = (answers.cycles.min(), answers.cycles.mean(), answers.cycles.max())
        figures.add_row("cycles", *(f"{c:,.6g}" for c in cycles))
        figures.add_row("microseconds", *(f"{c * 1e6 / clock_hz:,.1f}" for c in cycles))
        figures.add_row("frames/s over the link", "", f"{len(answers.cycles) / max(answers.seconds, 1e-9):,.1f}", "")
        figures.add_row("frames sent again", "", str(answers.repeats), "")
    return counts, figures
