"""The serial port under the host's end of the link: bytes out, bytes in, and the clock that they go by."""

import contextlib
import errno
import fcntl
import termios
import time
from pathlib import Path
from typing import Protocol

import serial

from s2nn_hw.errors import UserError

POLL_SECONDS = 0.02
CHUNK_BYTES = 4096  # written at a time, so that one limit in seconds fits frames of any length
WRITE_SECONDS = 10
BITS_PER_BYTE = 10
TAKEN = (errno.EAGAIN, errno.EBUSY)


class Line(Protocol):
    """What packets go over: a serial port, or what tests put in its place, with a clock of its own."""

    name: str
    baud: int

    def close(self) -> None:
        """Release it."""

    def write(self, data: bytes) -> None:
        """Send ``data``."""

    def read(self) -> bytes:
        """Return the bytes that have come, after a short wait at most."""

    def now(self) -> float:
        """Return the seconds of a clock that only goes forward."""


class SerialLine:
    """The serial port ``port`` at ``baud``, taken for this program alone until :meth:`close`.

    Every failure is a :class:`UserError` that names the port.
    """

    def __init__(self, port: Path | str, baud: int) -> None:
        self.name, self.baud = str(port), baud
        try:
            seconds = WRITE_SECONDS + 2 * CHUNK_BYTES * BITS_PER_BYTE / max(1, baud)
            self._serial = serial.Serial(self.name, baud, timeout=POLL_SECONDS, write_timeout=seconds, exclusive=True)
            # the lock keeps out programs that look for one, this all others
            fcntl.ioctl(self._serial.fileno(), termios.TIOCEXCL)
        except (serial.SerialException, OSError, ValueError, OverflowError) as error:
            if getattr(error, "errno", None) in TAKEN:
                raise UserError(f"serial port {self.name} is in use by another program; end that one first") from None
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"serial port {self.name} can't be opened at {baud} baud: {reason}") from None

    def close(self) -> None:
        """Release the port."""
        with contextlib.suppress(OSError, serial.SerialException):
            fcntl.ioctl(self._serial.fileno(), termios.TIOCNXCL)
        self._serial.close()

    def write(self, data: bytes) -> None:
        """Send ``data``."""
        try:
            for at in range(0, len(data), CHUNK_BYTES):
                self._serial.write(data[at : at + CHUNK_BYTES])
        except (serial.SerialException, OSError) as error:
            raise UserError(f"serial port {self.name} failed while writing: {error}") from None

    def read(self) -> bytes:
        """Return the bytes that have come, after a short wait at most."""
        try:
            return self._serial.read(max(1, self._serial.in_waiting))
        except (serial.SerialException, OSError) as error:
            raise UserError(f"serial port {self.name} failed while reading: {error}") from None

    def now(self) -> float:
        """Return the seconds of a clock that only goes forward."""
        return time.monotonic()
