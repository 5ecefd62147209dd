"""How engines take words and end passes, a part of :mod:`s2nn_hw.cycles.recurrences`, compiled."""

import numpy as np

from s2nn_hw.compiled import njit
from s2nn_hw.cycles.channels import accept, passed, turn
from s2nn_hw.cycles.state import (
    AHEAD,
    BANKS,
    BEHIND,
    BETWEEN,
    CAPTURE,
    CELL_PASSES,
    CELL_WORDS,
    CHANNEL,
    CLOSED,
    DONE,
    ENDED,
    FLOWING,
    FRAME_PASSES,
    GROUPS,
    KIND,
    MAX_AHEAD,
    NEURONS,
    NOBODY,
    ONES,
    OUT,
    PASS,
    PASS_WORDS,
    PASSES,
    PLANES,
    QUEUE,
    READIED,
    READY,
    SCANNED,
    SLOTS,
    SPLITS,
    UNKNOWN,
    WORD,
    WORD_CYCLES,
    WORDS,
    State,
)


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
    """A pass ends when all banks have scanned it, at least one cycle after the last; that of a cell needs room; then
    the neurons act."""
    number, room = s.parts[part, PASSES], NOBODY
    last_plane = (number + 1) % s.parts[part, PLANES] == 0
    acting = s.parts[part, BEHIND if last_plane else BETWEEN]
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
    if acting:  # the neurons' actions follow, and no word or spike of another pass comes before they are done
        for lane in range(s.times.shape[1]):
            s.moves[part, end, lane] += acting
            s.last[part, lane] += 0 if event else acting
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
