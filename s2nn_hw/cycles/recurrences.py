"""When every word passes, in compiled code: the recurrences behind ``timing``.

Parts exchange words over channels. The word ``n`` of a channel passes in the cycle

    ``x[n] = max(offer[n], ready[n] of each of its readers)``

``offer[n]``: from when its writer offers it; ``ready[n]``: from when a reader takes it. Each part computes its own
next offer or ready cycle from cycles that are known, by maxima of earlier ones plus constants, one line per condition
in the circuit; parts are worked in turn until none can go on. All are done then, or the circuit is in deadlock.
Every reader takes at most one word a cycle, which stands in its ``ready``, so ``offer`` need not say it.

Which word is worked when depends on the circuit alone, only the cycles depend on the data. So many independent
sequences of frames, the ``lanes``, go through the same steps together, and every array of cycles ends in their axis.
Functions are inlined because handing a :class:`State` over costs more than a word's work.
"""

import numpy as np

from s2nn_hw.compiled import njit
from s2nn_hw.cycles.state import (
    AHEAD,
    BANKS,
    CAPTURE,
    CELL_OUT,
    CELL_PASSES,
    CELL_WORDS,
    CELLS,
    CHANNEL,
    CLOSED,
    DELAY,
    DEPTH,
    DONE,
    ENDED,
    FIRST_PORT,
    FLOWING,
    FRAME,
    FRAME_IN,
    FRAME_OUT,
    FRAME_PASSES,
    FREED,
    GIVEN,
    GROUPS,
    KIND,
    LENGTH,
    MAX_AHEAD,
    NEEDS,
    NEURONS,
    NEXT,
    NOBODY,
    OFFERED,
    OFFERS,
    OLDEST,
    ONES,
    ORED,
    ORED_WORDS,
    OUT,
    PASS,
    PASS_WORDS,
    PASSED,
    PASSES,
    PLANES,
    PORT,
    QUEUE,
    READIED,
    READOUT,
    READY,
    RESULT,
    SCANNED,
    SLOTS,
    SOURCE,
    SPLITS,
    START,
    SUMMED,
    TAKEN,
    UNIT,
    UNKNOWN,
    WINDOW,
    WORD,
    WORD_CYCLES,
    WORDS,
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


@njit(nogil=True, inline="always")
def work_source(s: State, part: int, under_way: int) -> bool:
    """A word is offered at once; the first of a frame when the result ``under_way`` frames before has come."""
    n, out = s.parts[part, GIVEN], s.parts[part, OUT]
    if n >= s.channels[out, LENGTH]:
        return False
    row, result = s.channels[out, OFFERS] + n, NOBODY
    frame = n // s.parts[part, FRAME]
    if n % s.parts[part, FRAME] == 0 and frame >= under_way:
        result = passed(s, s.parts[part, RESULT], frame - under_way)
        if result == UNKNOWN:
            return False
    for lane in range(s.times.shape[1]):
        s.times[row, lane] = s.times[result, lane] + 1 if result != NOBODY else s.parts[part, START]
    offer(s, part)
    return True


@njit(nogil=True, inline="always")
def write_window(s: State, part: int) -> bool:
    """The ring takes a word a cycle, while the oldest word that it keeps is less than its depth away."""
    port = s.parts[part, PORT]
    n, before = s.ports[port, READIED], NOBODY
    if n >= s.ports[port, WORDS]:
        return False
    if n:
        before = passed(s, s.ports[port, CHANNEL], n - 1)
        if before == UNKNOWN:
            return False
    while True:
        cell = s.parts[part, FREED]
        oldest = s.tables[s.parts[part, OLDEST] + cell % s.parts[part, CELLS]]
        held = cell // s.parts[part, CELLS] * s.parts[part, FRAME_IN] + oldest
        if n - held < s.parts[part, DEPTH]:
            break
        if s.parts[part, ENDED] <= cell:
            return False
        s.parts[part, FREED] = cell + 1
    freed = s.parts[part, DONE] + s.parts[part, FREED] - 1 if s.parts[part, FREED] else NOBODY
    row = s.ports[port, READY] + n
    for lane in range(s.times.shape[1]):
        cycle = s.times[before, lane] + 1 if before != NOBODY else 0
        if freed != NOBODY:
            cycle = max(cycle, s.times[freed, lane] + 1)
        s.times[row, lane] = cycle
    accept(s, port)
    return True


@njit(nogil=True, inline="always")
def read_window(s: State, part: int) -> bool:
    """A word is read when what it needs is written and the fourth before it has left; it is offered three later."""
    n, out = s.parts[part, GIVEN], s.parts[part, OUT]
    if n >= s.channels[out, LENGTH]:
        return False
    frame = s.parts[part, FRAME_OUT]
    need = n // frame * s.parts[part, FRAME_IN] + s.tables[s.parts[part, NEEDS] + n % frame]
    written = passed(s, s.ports[s.parts[part, PORT], CHANNEL], need) if need >= 0 else NOBODY
    before = passed(s, out, n - 4) if n >= 4 else NOBODY
    if written == UNKNOWN or before == UNKNOWN:
        return False
    row, ended = s.channels[out, OFFERS] + n, (n + 1) % s.parts[part, CELL_OUT] == 0
    for lane in range(s.times.shape[1]):
        cycle = s.last[part, lane] + 1
        if written != NOBODY:
            cycle = max(cycle, s.times[written, lane] + 1)
        if before != NOBODY:
            cycle = max(cycle, s.times[before, lane] + 1)
        s.last[part, lane] = cycle
        s.times[row, lane] = cycle + 3
    if ended:
        row = s.parts[part, DONE] + s.parts[part, ENDED]
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.last[part, lane]
        s.parts[part, ENDED] += 1
    offer(s, part)
    return True


@njit(nogil=True, inline="always")
def room_behind(s: State, part: int) -> int:
    """Return the row of the word after which the neurons have room for the cell that is summed (NOBODY: from the
    start on, UNKNOWN: not known yet)."""
    cell, unit = s.parts[part, PASSES] // s.parts[part, CELL_PASSES], s.parts[part, NEURONS]
    if cell < s.parts[part, SLOTS]:
        return NOBODY
    return passed(s, s.parts[unit, OUT], (cell - s.parts[part, SLOTS] + 1) * s.parts[unit, CELL_WORDS] - 1)


@njit(nogil=True, inline="always")
def take_word(s: State, part: int) -> bool:
    """A word is taken when the one before has passed; the last of a cell when there is room behind the engine."""
    port, at = turn(s, part, s.parts[part, WORD])
    n = s.parts[part, PASSES] * s.ports[port, PASS_WORDS] + at
    if n >= s.ports[port, WORDS]:
        return False
    moved, event = False, s.parts[part, KIND] == SCANNED
    late = 0 if s.parts[part, KIND] == FLOWING else 1  # a pipeline moves in the cycle in which its end is taken
    if s.ports[port, READIED] == n:
        room = NOBODY
        if not event and s.parts[part, WORD] == s.parts[part, PASS] - 1:
            if (s.parts[part, PASSES] + 1) % s.parts[part, CELL_PASSES] == 0:
                room = room_behind(s, part)
            if room == UNKNOWN:
                return False
        row, step = s.ports[port, READY] + n, 1 if event else s.parts[part, WORD_CYCLES]
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.last[part, lane] + step
            if room != NOBODY:
                s.times[row, lane] = max(s.times[row, lane], s.times[room, lane] + late)
        if event:
            await_queues(s, part, row)
        accept(s, port)
        moved = True
    taken = passed(s, s.ports[port, CHANNEL], n)
    if taken == UNKNOWN:
        return moved
    for lane in range(s.times.shape[1]):
        s.last[part, lane] = s.times[taken, lane]
    if event:
        queue_word(s, part)
    s.parts[part, WORD] += 1
    return True


@njit(nogil=True, inline="always")
def await_queues(s: State, part: int, row: int) -> None:
    """A word is taken when the pass AHEAD before has ended and each bank's queue has a place."""
    ahead = (s.parts[part, PASSES] - s.parts[part, AHEAD]) % MAX_AHEAD
    for lane in range(s.times.shape[1]):
        s.times[row, lane] = max(s.times[row, lane], s.moves[part, ahead, lane] + 1)
    for bank in range(s.parts[part, BANKS]):
        for lane in range(s.times.shape[1]):
            left = s.pops[part, bank, s.place[part, bank, lane], lane] + 1
            s.times[row, lane] = max(s.times[row, lane], left)


@njit(nogil=True, inline="always")
def queue_word(s: State, part: int) -> None:
    """A bank scans its non-zero words one after the other, those of a pass from when the pass before has ended."""
    number = s.parts[part, PASSES]
    plane, group = number % s.parts[part, PLANES], number // s.parts[part, PLANES] % s.parts[part, GROUPS]
    position = number // s.parts[part, PLANES] // s.parts[part, GROUPS]
    split = group * s.parts[part, SPLITS] // s.parts[part, GROUPS]
    place = (position * s.parts[part, SPLITS] + split) * s.parts[part, PLANES] + plane
    base = s.parts[part, ONES] + (place * s.parts[part, PASS] + s.parts[part, WORD]) * s.parts[part, BANKS]
    before, places = (number - 1) % MAX_AHEAD, s.parts[part, QUEUE]
    for bank in range(s.parts[part, BANKS]):
        for lane in range(s.times.shape[1]):
            spikes = np.int32(s.ones[base + bank, lane])
            if spikes:
                popped = max(s.last[part, lane] + 1, s.scanned[part, bank, lane])
                popped = max(popped, s.moves[part, before, lane])
                s.scanned[part, bank, lane] = popped + spikes
                at = s.place[part, bank, lane]
                s.pops[part, bank, at, lane] = popped
                s.place[part, bank, lane] = at + 1 if at + 1 < places else 0


@njit(nogil=True, inline="always")
def end_pass(s: State, part: int) -> bool:
    """A pass ends when all banks have scanned it, at least one cycle after the last; that of a cell needs room."""
    number, room = s.parts[part, PASSES], NOBODY
    final, event = (number + 1) % s.parts[part, CELL_PASSES] == 0, s.parts[part, KIND] == SCANNED
    if event and final:
        room = room_behind(s, part)
        if room == UNKNOWN:
            return False
    end, before = number % MAX_AHEAD, (number - 1) % MAX_AHEAD
    for lane in range(s.times.shape[1]):
        s.moves[part, end, lane] = s.last[part, lane]
    if event:
        for lane in range(s.times.shape[1]):
            s.moves[part, end, lane] = max(s.last[part, lane], s.moves[part, before, lane]) + 1
        for bank in range(s.parts[part, BANKS]):
            for lane in range(s.times.shape[1]):
                s.moves[part, end, lane] = max(s.moves[part, end, lane], s.scanned[part, bank, lane])
    if room != NOBODY:
        for lane in range(s.times.shape[1]):
            s.moves[part, end, lane] = max(s.moves[part, end, lane], s.times[room, lane] + 1)
    if final:
        unit = s.parts[part, NEURONS]
        row = s.parts[unit, DONE] + s.parts[unit, ENDED]
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.moves[part, end, lane] + s.parts[part, CAPTURE]
        s.parts[unit, ENDED] += 1
    s.parts[part, PASSES] += 1
    s.parts[part, WORD] = 0
    if s.parts[part, PASSES] % s.parts[part, FRAME_PASSES] == 0:
        row = s.parts[part, CLOSED] + s.parts[part, PASSES] // s.parts[part, FRAME_PASSES] - 1
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.moves[part, end, lane]
    return True


@njit(nogil=True, inline="always")
def work_neurons(s: State, part: int) -> bool:
    """The words of a cell are offered from when the neurons have it."""
    n, out = s.parts[part, GIVEN], s.parts[part, OUT]
    cell = n // s.parts[part, CELL_WORDS]
    if n >= s.channels[out, LENGTH] or cell >= s.parts[part, ENDED]:
        return False
    row, done = s.channels[out, OFFERS] + n, s.parts[part, DONE] + cell
    for lane in range(s.times.shape[1]):
        s.times[row, lane] = s.times[done, lane] + s.parts[part, DELAY]
    offer(s, part)
    return True


@njit(nogil=True, inline="always")
def work_ored(s: State, part: int) -> bool:
    """Words are taken one a cycle; the last of a group when the word before has left, which gives the next word."""
    words = s.parts[part, ORED_WORDS]
    port, at = turn(s, part, s.parts[part, TAKEN] % words)
    n = s.parts[part, TAKEN] // words * s.ports[port, PASS_WORDS] + at
    if n >= s.ports[port, WORDS]:
        return False
    moved, final, out = False, (s.parts[part, TAKEN] + 1) % words == 0, s.parts[part, OUT]
    if s.ports[port, READIED] == n:
        before = passed(s, out, s.parts[part, GIVEN] - 1) if final and s.parts[part, GIVEN] else NOBODY
        if before == UNKNOWN:
            return False
        row = s.ports[port, READY] + n
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.last[part, lane] + 1
            if before != NOBODY:
                s.times[row, lane] = max(s.times[row, lane], s.times[before, lane])
        accept(s, port)
        moved = True
    taken = passed(s, s.ports[port, CHANNEL], n)
    if taken == UNKNOWN:
        return moved
    for lane in range(s.times.shape[1]):
        s.last[part, lane] = s.times[taken, lane]
    s.parts[part, TAKEN] += 1
    if final:
        row = s.channels[out, OFFERS] + s.parts[part, GIVEN]
        for lane in range(s.times.shape[1]):
            s.times[row, lane] = s.times[taken, lane] + 1
        offer(s, part)
    return True


@njit(nogil=True, inline="always")
def work(s: State, part: int, under_way: int) -> bool:
    """Let ``part`` do one thing; return whether it could."""
    kind = s.parts[part, KIND]
    if kind == SOURCE:
        return work_source(s, part, under_way)
    if kind == WINDOW:
        written = write_window(s, part)
        return read_window(s, part) or written
    if kind in (SCANNED, SUMMED, FLOWING):
        return end_pass(s, part) if s.parts[part, WORD] == s.parts[part, PASS] else take_word(s, part)
    if kind in (UNIT, READOUT):
        return work_neurons(s, part)
    if kind == ORED:
        return work_ored(s, part)
    port = s.parts[part, PORT]
    if s.ports[port, READIED] >= s.ports[port, WORDS]:
        return False
    s.times[s.ports[port, READY] + s.ports[port, READIED]] = 0
    accept(s, port)
    return True


@njit(nogil=True)
def run(s: State, under_way: int) -> bool:
    """Work all parts until none can go on; return whether all results came (else: deadlock).

    At most ``under_way`` frames are in the circuit; part 0 is the source.
    """
    progress = True
    while progress:
        progress = False
        for part in range(s.parts.shape[0]):
            while work(s, part, under_way):
                progress = True
    result = s.channels[s.parts[0, RESULT]]
    return result[PASSED] == result[LENGTH]
