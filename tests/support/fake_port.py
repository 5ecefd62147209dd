"""A serial port without a board: a pseudo terminal with a function behind it."""

import os
import pty
import select
import threading
import tty


class FakePort:
    """A pseudo terminal whose far end answers each piece between delimiters with ``answer(piece)`` bytes."""

    def __init__(self, answer):
        self.answer = answer
        self.near, self.far = pty.openpty()
        tty.setraw(self.near)
        tty.setraw(self.far)
        self.name = os.ttyname(self.far)
        self.stop_read, self.stop_write = os.pipe()
        self.thread = threading.Thread(target=self._serve)

    def _serve(self):
        rest = b""
        while True:
            ready, _, _ = select.select([self.near, self.stop_read], [], [])
            if self.stop_read in ready:
                return
            *pieces, rest = (rest + os.read(self.near, 4096)).split(b"\0")
            for piece in filter(None, pieces):
                os.write(self.near, self.answer(piece))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        os.write(self.stop_write, b"x")
        self.thread.join()
        for handle in (self.near, self.far, self.stop_read, self.stop_write):
            os.close(handle)
