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

from s2nn_hw.compiled import njit
from s2nn_hw.cycles.channels import accept, offer, passed, turn
from s2nn_hw.cycles.passes import end_pass, take_word
from s2nn_hw.cycles.state import (
    CELL_OUT,
    CELL_WORDS,
    CELLS,
    CHANNEL,
    DELAY,
    DEPTH,
    DONE,
    ENDED,
    FLOWING,
    FRAME,
    FRAME_IN,
    FRAME_OUT,
    FREED,
    GIVEN,
    KIND,
    LENGTH,
    NEEDS,
    NOBODY,
    OFFERS,
    OLDEST,
    ORED,
    ORED_WORDS,
    OUT,
    PASS,
    PASS_WORDS,
    PASSED,
    PORT,
    READIED,
    READOUT,
    READY,
    RESULT,
    SCANNED,
    SOURCE,
    START,
    SUMMED,
    TAKEN,
    UNIT,
    UNKNOWN,
    WINDOW,
    WORD,
    WORDS,
    State,
)


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
