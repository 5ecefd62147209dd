"""How words pass the channels of :mod:`s2nn_hw.cycles.recurrences`, compiled."""

import numpy as np

from s2nn_hw.compiled import njit
from s2nn_hw.cycles.state import (
    CHANNEL,
    FIRST_PORT,
    GIVEN,
    NEXT,
    NOBODY,
    OFFERED,
    OFFERS,
    OUT,
    PASS_WORDS,
    PASSED,
    PORT,
    READIED,
    READY,
    UNKNOWN,
    State,
)


@njit(nogil=True)
def settle(channels: np.ndarray, ports: np.ndarray, times: np.ndarray, channel: int) -> None:
    """Let all words of ``channel`` pass whose offer and ready cycles are known."""
    limit = channels[channel, OFFERED]
    first = channels[channel, FIRST_PORT]
    port = first
    while port != NOBODY:
        limit = min(limit, ports[port, READIED])
        port = ports[port, NEXT]
    lanes = times.shape[1]
    for n in range(channels[channel, PASSED], limit):
        row, port = channels[channel, OFFERS] + n, first
        while port != NOBODY:
            ready = ports[port, READY] + n
            for lane in range(lanes):
                times[row, lane] = max(times[row, lane], times[ready, lane])
            port = ports[port, NEXT]
        channels[channel, PASSED] = n + 1


@njit(nogil=True, inline="always")
def passed(s: State, channel: int, n: int) -> int:
    """Return the row of ``times`` with the cycles in which word ``n`` passes, UNKNOWN as long as they are not known."""
    return s.channels[channel, OFFERS] + n if n < s.channels[channel, PASSED] else UNKNOWN


@njit(nogil=True, inline="always")
def offer(s: State, part: int) -> None:
    """The next word of ``part`` is offered; its cycles stand in their row."""
    out = s.parts[part, OUT]
    s.parts[part, GIVEN] += 1
    s.channels[out, OFFERED] = s.parts[part, GIVEN]
    settle(s.channels, s.ports, s.times, out)


@njit(nogil=True, inline="always")
def accept(s: State, port: int) -> None:
    """The next word at ``port`` is taken; from when on stands in its row."""
    s.ports[port, READIED] += 1
    settle(s.channels, s.ports, s.times, s.ports[port, CHANNEL])


@njit(nogil=True, inline="always")
def turn(s: State, part: int, at: int) -> tuple[int, int]:
    """Return ``(port, word)`` of word ``at`` of a pass: the sources' words of a pass follow each other."""
    port = s.parts[part, PORT]
    while at >= s.ports[port, PASS_WORDS]:
        at -= s.ports[port, PASS_WORDS]
        port += 1
    return port, at
