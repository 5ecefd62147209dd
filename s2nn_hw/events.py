"""When every word passes, in compiled code: the recurrences behind ``timing``.

Parts exchange words over channels. The word ``n`` of a channel passes in the cycle

    ``x[n] = max(offer[n], ready[n] of each of its readers)``

``offer[n]``: from when its writer offers it; ``ready[n]``: from when a reader takes it. Each part computes its own
next offer or ready cycle from cycles that are known, by maxima of earlier ones plus constants, one line per condition
in the circuit; parts are worked in turn until none can go on. All are done then, or the circuit is in deadlock.
Every reader takes at most one word a cycle, which stands in its ``ready``, so ``offer`` need not say it.
"""

import numpy as np
from numba import njit

LONG_AGO = -(1 << 40)
MAX_BANKS = 64
MAX_AHEAD = 32

SOURCE, WINDOW, EVENT, PARALLEL, UNIT, READOUT, ORED, SINK = range(8)

# Columns of `parts`: kind, channel out, first port, and numbers that depend on the kind.
KIND, OUT, PORT = range(3)
FRAME, RESULT = 3, 4  # source: words of a frame, channel of the results
FRAME_IN, FRAME_OUT, DEPTH, OLDEST, NEEDS, CELLS, CELL_OUT = range(3, 10)  # window: words, words held, tables, cells
PASS, FRAME_PASSES, CELL_PASSES, CAPTURE, NEURONS, SLOTS = range(3, 9)  # engines: words, passes, cycles, part, cells
BANKS, QUEUE, AHEAD, PLANES, GROUPS, SPLITS, ONES = range(9, 16)  # event engine
CELL_WORDS, DELAY = 3, 4  # neurons: words of a cell, cycles from the capture to the first offer
ORED_WORDS = 3
# and its state: words taken and given; cycle of the last word taken and of the last read; cells whose words are free;
# word of the pass and passes so far; cells that have ended and where in `times` their cycles are, and those of frames;
# the ends of the last passes
TAKEN, GIVEN, LAST, ISSUED, FREED, WORD, PASSES, ENDED, DONE, CLOSED = range(16, 26)
MOVES = 26
COLUMNS = MOVES + MAX_AHEAD

# `channels`: where in `times` the offers are, words in all, first port that reads it, words offered
OFFERS, LENGTH, FIRST_PORT, OFFERED = range(4)
# `ports`, in the order of parts: channel, where in `times` the ready cycles are, words in all, words of a pass, words
# readied, the next port that reads the same channel (-1: none)
CHANNEL, READY, WORDS, PASS_WORDS, READIED, NEXT = range(6)
# `banks[part, bank]`: last spike, words queued, when each place of the queue was left
SCANNED, QUEUED, POPS = range(3)
# `times`: cycles, and the tables of windows; `ones`: those of all event engines


@njit(cache=True)
def passed(channel, n, channels, ports, times):
    """Return the cycle in which word ``n`` passes, or LONG_AGO if it is not known yet."""
    if channels[channel, OFFERED] <= n:
        return LONG_AGO
    cycle = times[channels[channel, OFFERS] + n]
    port = channels[channel, FIRST_PORT]
    while port >= 0:
        if ports[port, READIED] <= n:
            return LONG_AGO
        cycle = max(cycle, times[ports[port, READY] + n])
        port = ports[port, NEXT]
    return cycle


@njit(cache=True)
def offer(part, cycle, parts, channels, times):
    """The next word of ``part`` is offered from ``cycle`` on."""
    out = parts[part, OUT]
    times[channels[out, OFFERS] + parts[part, GIVEN]] = cycle
    parts[part, GIVEN] += 1
    channels[out, OFFERED] = parts[part, GIVEN]


@njit(cache=True)
def accept(port, cycle, ports, times):
    """The next word at ``port`` is taken from ``cycle`` on."""
    times[ports[port, READY] + ports[port, READIED]] = cycle
    ports[port, READIED] += 1


@njit(cache=True)
def turn(part, at, parts, ports):
    """Return ``(port, word)`` of word ``at`` of a pass: the sources' words of a pass follow each other."""
    port = parts[part, PORT]
    while at >= ports[port, PASS_WORDS]:
        at -= ports[port, PASS_WORDS]
        port += 1
    return port, at


@njit(cache=True)
def work_source(part, parts, channels, ports, times, under_way):
    n = parts[part, GIVEN]
    if n >= channels[parts[part, OUT], LENGTH]:
        return False
    cycle, frame = 0, n // parts[part, FRAME]
    if n % parts[part, FRAME] == 0 and frame >= under_way:
        result = passed(parts[part, RESULT], frame - under_way, channels, ports, times)
        if result == LONG_AGO:
            return False
        cycle = result + 1
    offer(part, cycle, parts, channels, times)
    return True


@njit(cache=True)
def write_window(part, parts, channels, ports, times):
    """The ring takes a word a cycle, while the oldest word that it keeps is less than its depth away."""
    port = parts[part, PORT]
    n, cycle = ports[port, READIED], 0
    if n >= ports[port, WORDS]:
        return False
    if n:
        before = passed(ports[port, CHANNEL], n - 1, channels, ports, times)
        if before == LONG_AGO:
            return False
        cycle = before + 1
    while True:
        cell = parts[part, FREED]
        oldest = times[parts[part, OLDEST] + cell % parts[part, CELLS]]
        held = cell // parts[part, CELLS] * parts[part, FRAME_IN] + oldest
        if n - held < parts[part, DEPTH]:
            break
        if parts[part, ENDED] <= cell:
            return False
        parts[part, FREED] = cell + 1
    if parts[part, FREED]:
        cycle = max(cycle, times[parts[part, DONE] + parts[part, FREED] - 1] + 1)
    accept(port, cycle, ports, times)
    return True


@njit(cache=True)
def read_window(part, parts, channels, ports, times):
    """A word is read when all that it needs is written and the two before it leave room; it is offered two later."""
    n, cycle = parts[part, GIVEN], max(parts[part, ISSUED] + 1, 0)
    if n >= channels[parts[part, OUT], LENGTH]:
        return False
    need = n // parts[part, FRAME_OUT] * parts[part, FRAME_IN] + times[parts[part, NEEDS] + n % parts[part, FRAME_OUT]]
    if need >= 0:
        written = passed(ports[parts[part, PORT], CHANNEL], need, channels, ports, times)
        if written == LONG_AGO:
            return False
        cycle = max(cycle, written + 1)
    if n >= 2:
        before = passed(parts[part, OUT], n - 2, channels, ports, times)
        if before == LONG_AGO:
            return False
        cycle = max(cycle, before)
    parts[part, ISSUED] = cycle
    offer(part, cycle + 2, parts, channels, times)
    if (n + 1) % parts[part, CELL_OUT] == 0:
        times[parts[part, DONE] + parts[part, ENDED]] = cycle
        parts[part, ENDED] += 1
    return True


@njit(cache=True)
def room_behind(part, parts, channels, ports, times):
    """Return from when the neurons have room for the cell that is summed, or LONG_AGO if that is not known yet."""
    cell, unit = parts[part, PASSES] // parts[part, CELL_PASSES], parts[part, NEURONS]
    if cell < parts[part, SLOTS]:
        return 0
    word = (cell - parts[part, SLOTS] + 1) * parts[unit, CELL_WORDS] - 1
    left = passed(parts[unit, OUT], word, channels, ports, times)
    return left if left == LONG_AGO else left + 1


@njit(cache=True)
def last_move(parts, part, back):
    """Return when the pass ``back`` before the present one ended."""
    return parts[part, MOVES + (parts[part, PASSES] - back) % MAX_AHEAD]


@njit(cache=True)
def take_word(part, parts, channels, ports, banks, times, ones):
    port, at = turn(part, parts[part, WORD], parts, ports)
    n = parts[part, PASSES] * ports[port, PASS_WORDS] + at
    if n >= ports[port, WORDS]:
        return False
    moved = False
    if ports[port, READIED] == n:
        cycle = parts[part, LAST] + 1
        if parts[part, KIND] == EVENT:
            cycle = max(cycle, last_move(parts, part, parts[part, AHEAD]) + 1)
            for bank in range(parts[part, BANKS]):
                cycle = max(cycle, banks[part, bank, POPS + banks[part, bank, QUEUED] % parts[part, QUEUE]] + 1)
        elif parts[part, WORD] == parts[part, PASS] - 1 and (parts[part, PASSES] + 1) % parts[part, CELL_PASSES] == 0:
            room = room_behind(part, parts, channels, ports, times)
            if room == LONG_AGO:
                return False
            cycle = max(cycle, room)
        accept(port, cycle, ports, times)
        moved = True
    taken = passed(ports[port, CHANNEL], n, channels, ports, times)
    if taken == LONG_AGO:
        return moved
    parts[part, LAST] = taken
    if parts[part, KIND] == EVENT:
        queue_word(part, taken, parts, banks, ones)
    parts[part, WORD] += 1
    return True


@njit(cache=True)
def queue_word(part, taken, parts, banks, ones):
    """A bank scans its non-zero words one after the other, those of a pass from when the pass before has ended."""
    number = parts[part, PASSES]
    plane, group = number % parts[part, PLANES], number // parts[part, PLANES] % parts[part, GROUPS]
    position = number // parts[part, PLANES] // parts[part, GROUPS]
    split = group * parts[part, SPLITS] // parts[part, GROUPS]
    place = (position * parts[part, SPLITS] + split) * parts[part, PLANES] + plane
    base = parts[part, ONES] + (place * parts[part, PASS] + parts[part, WORD]) * parts[part, BANKS]
    for bank in range(parts[part, BANKS]):
        spikes = ones[base + bank]
        if spikes:
            popped = max(max(taken + 1, banks[part, bank, SCANNED]), last_move(parts, part, 1))
            banks[part, bank, POPS + banks[part, bank, QUEUED] % parts[part, QUEUE]] = popped
            banks[part, bank, SCANNED] = popped + spikes
            banks[part, bank, QUEUED] += 1


@njit(cache=True)
def end_pass(part, parts, channels, ports, banks, times):
    """A pass ends when all banks have scanned it, at least one cycle after the last; that of a cell needs room."""
    number = parts[part, PASSES]
    end, final = parts[part, LAST], (number + 1) % parts[part, CELL_PASSES] == 0
    if parts[part, KIND] == EVENT:
        end = max(end, last_move(parts, part, 1)) + 1
        for bank in range(parts[part, BANKS]):
            end = max(end, banks[part, bank, SCANNED])
        if final:
            room = room_behind(part, parts, channels, ports, times)
            if room == LONG_AGO:
                return False
            end = max(end, room)
    parts[part, MOVES + number % MAX_AHEAD] = end
    if final:
        unit = parts[part, NEURONS]
        times[parts[unit, DONE] + parts[unit, ENDED]] = end + parts[part, CAPTURE]
        parts[unit, ENDED] += 1
    parts[part, PASSES] += 1
    parts[part, WORD] = 0
    if parts[part, PASSES] % parts[part, FRAME_PASSES] == 0:
        times[parts[part, CLOSED] + parts[part, PASSES] // parts[part, FRAME_PASSES] - 1] = end
    return True


@njit(cache=True)
def work_neurons(part, parts, channels, ports, times):
    cell = parts[part, GIVEN] // parts[part, CELL_WORDS]
    if parts[part, GIVEN] >= channels[parts[part, OUT], LENGTH] or cell >= parts[part, ENDED]:
        return False
    offer(part, times[parts[part, DONE] + cell] + parts[part, DELAY], parts, channels, times)
    return True


@njit(cache=True)
def work_ored(part, parts, channels, ports, times):
    """Words are taken one a cycle; the last of a group when the word before has left, which gives the next word."""
    port, at = turn(part, parts[part, TAKEN] % parts[part, ORED_WORDS], parts, ports)
    n = parts[part, TAKEN] // parts[part, ORED_WORDS] * ports[port, PASS_WORDS] + at
    if n >= ports[port, WORDS]:
        return False
    moved, last = False, (parts[part, TAKEN] + 1) % parts[part, ORED_WORDS] == 0
    if ports[port, READIED] == n:
        cycle = parts[part, LAST] + 1
        if last and parts[part, GIVEN]:
            before = passed(parts[part, OUT], parts[part, GIVEN] - 1, channels, ports, times)
            if before == LONG_AGO:
                return False
            cycle = max(cycle, before)
        accept(port, cycle, ports, times)
        moved = True
    taken = passed(ports[port, CHANNEL], n, channels, ports, times)
    if taken == LONG_AGO:
        return moved
    parts[part, LAST] = taken
    parts[part, TAKEN] += 1
    if last:
        offer(part, taken + 1, parts, channels, times)
    return True


@njit(cache=True)
def work(part, parts, channels, ports, banks, times, ones, under_way):
    """Let ``part`` do one thing; return whether it could."""
    kind = parts[part, KIND]
    if kind == SOURCE:
        return work_source(part, parts, channels, ports, times, under_way)
    if kind == WINDOW:
        written = write_window(part, parts, channels, ports, times)
        return read_window(part, parts, channels, ports, times) or written
    if kind in (EVENT, PARALLEL):
        if parts[part, WORD] == parts[part, PASS]:
            return end_pass(part, parts, channels, ports, banks, times)
        return take_word(part, parts, channels, ports, banks, times, ones)
    if kind in (UNIT, READOUT):
        return work_neurons(part, parts, channels, ports, times)
    if kind == ORED:
        return work_ored(part, parts, channels, ports, times)
    port = parts[part, PORT]
    if ports[port, READIED] >= ports[port, WORDS]:
        return False
    accept(port, 0, ports, times)
    return True


@njit(cache=True)
def run(parts, channels, ports, banks, times, ones, frames, under_way, results):
    """Work all parts for ``frames`` frames; return whether all results came (else: deadlock).

    At most ``under_way`` frames are in the circuit. Out: ``results`` ``(frames, 2)``, the first beat's cycle and the
    result's; part 0 is the source.
    """
    progress = True
    while progress:
        progress = False
        for part in range(parts.shape[0]):
            while work(part, parts, channels, ports, banks, times, ones, under_way):
                progress = True
    for frame in range(frames):
        results[frame, 0] = passed(parts[0, OUT], frame * parts[0, FRAME], channels, ports, times)
        results[frame, 1] = passed(parts[0, RESULT], frame, channels, ports, times)
        if min(results[frame, 0], results[frame, 1]) == LONG_AGO:
            return False
    return True



def start(parts):
    """Return ``banks`` and fill in the state of ``parts`` (its columns from TAKEN on) in which nothing has happened."""
    queue = max([1, *(row[QUEUE] for row in parts if row[KIND] == EVENT)])
    banks = np.full((len(parts), MAX_BANKS if queue > 1 else 1, POPS + queue), LONG_AGO, np.int64)
    banks[:, :, QUEUED] = 0
    parts[:, [TAKEN, GIVEN, FREED, WORD, PASSES, ENDED]] = 0
    parts[:, [LAST, ISSUED]] = -1
    parts[:, MOVES:] = LONG_AGO
    return banks
