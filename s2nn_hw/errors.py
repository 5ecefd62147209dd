"""The exceptions that all stages share: what a user can mend, and a proof that failed; and how messages quote."""

import re
import reprlib
from collections.abc import Iterable

MOST_QUOTED = 60  # characters of a value in a message
MOST_NAMED = 8  # names of a list in a message
MOST_SAID = 1000  # characters of an error
# what moves a terminal's cursor or turns its text around, and what can't be written as UTF-8
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class UserError(Exception):
    """Bad input: the message is one line that says what was wanted, what came and what to do.

    The command line prints it after ``error:`` and exits with status 2.
    """


class ProofError(Exception):
    """A comparison with the golden model failed, or could not be finished; the command line exits with status 1."""


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 3, MOST_QUOTED, MOST_QUOTED, 24


def quoted(value: object) -> str:
    """Return ``repr(value)`` for a message: escaped, and cut where it is long or deep, whatever a file holds."""
    text = _Short().repr(value)
    return text if len(text) <= 2 * MOST_QUOTED else f"{text[:MOST_QUOTED]}...{text[-MOST_QUOTED // 2 :]}"


def counted(count: int, noun: str) -> str:
    """Return ``count`` and ``noun``, with an s unless it is one: 1 bit, 2 bits, 10,000 images."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(names: Iterable[object]) -> str:
    """Return ``names`` with commas for a message, the first few if there are many."""
    texts = [str(name) for name in names]
    short = [text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..." for text in texts[:MOST_NAMED]]
    return ", ".join(short) + (f" and {len(texts) - MOST_NAMED} more" if len(texts) > MOST_NAMED else "")


def readable(text: str) -> str:
    """Return ``text`` with escapes in place of control characters and lone surrogates, tabs and line ends aside."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def one_line(message: object) -> str:
    """Return ``message`` on one line, :func:`readable`, cut in its middle if it is long."""
    line = readable(" ".join(str(message).split()))
    return line if len(line) <= MOST_SAID else f"{line[: MOST_SAID // 2]} ... {line[-MOST_SAID // 2 :]}"
