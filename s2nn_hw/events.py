"""When every word passes, in compiled code: the recurrences behind ``timing``.

Parts exchange words over channels. The word ``n`` of a channel passes in the cycle

    ``x[n] = max(offer[n], ready of each of its readers[n])``

``offer[n]``: from when its writer offers it; ``ready[n]``: from when a reader takes it. Each part computes its own
next offer or ready cycle from cycles that are known, by maxima of earlier ones plus constants, one line per condition
in the circuit; parts are worked in turn until none can go on. All are done then, or the circuit is in deadlock.

Every reader takes at most one word a cycle, which stands in its ``ready``, so ``offer`` need not say it.

Tables (int64): ``parts[p]`` holds kind and numbers of a part, see the constants; ``channels[c]`` (first word in
``offer``, words, first in ``readers``, how many there); ``readers`` port numbers by channel; ``ports[q]`` (channel,
first word in ``ready``, words, words of a pass) of each reader.
"""

import numpy as np
from numba import njit

LONG_AGO = -(1 << 40)
SOURCE, WINDOW, EVENT, PARALLEL, UNIT, READOUT, ORED, SINK = range(8)

# columns of `parts`
KIND, OUT, PORTS, PORT_COUNT, A, B, C, D, E, F, G, H, J, K = range(14)
MAX_BANKS = 64
MAX_AHEAD = 16


@njit(cache=True)
def passed(channel, n, channels, readers, ports, offer, offered, ready, readied):
    """Return the cycle in which word ``n`` passes, or LONG_AGO if it is not known yet."""
    if offered[channel] <= n:
        return LONG_AGO
    cycle = offer[channels[channel, 0] + n]
    for k in range(channels[channel, 2], channels[channel, 2] + channels[channel, 3]):
        port = readers[k]
        if readied[port] <= n:
            return LONG_AGO
        cycle = max(cycle, ready[ports[port, 1] + n])
    return cycle


@njit(cache=True)
def run(parts, channels, readers, ports, table, ones, ones_at, frames, under_way, results, closed):
    """Work all parts for ``frames`` frames of one sequence; return whether all words passed (else: deadlock).

    ``table``: int64, constants of windows; ``ones``: uint16, those of each event
    engine in a row, frame after frame, from ``ones_at[part]`` on. Out: ``results`` ``(frames, 2)``, the first beat's
    cycle and the result's; ``closed`` ``(parts, frames)``, the cycle of an engine's last slot of each frame.
    """
    count = parts.shape[0]
    offer = np.zeros(int(np.sum(channels[:, 1])), np.int64)
    ready = np.zeros(int(np.sum(ports[:, 2])), np.int64)
    offered = np.zeros(channels.shape[0], np.int64)
    readied = np.zeros(ports.shape[0], np.int64)
    # state of each part: words taken, words given, and what its kind needs
    taken_words = np.zeros(count, np.int64)
    given_words = np.zeros(count, np.int64)
    posted = np.zeros(count, np.int64)
    last_taken = np.full(count, -1, np.int64)
    issued = np.full(count, LONG_AGO, np.int64)
    freed = np.zeros(count, np.int64)
    moves = np.full((count, MAX_AHEAD), LONG_AGO, np.int64)  # ring: the last passes of each engine
    scanned = np.full((count, MAX_BANKS), LONG_AGO, np.int64)
    queued = np.zeros((count, MAX_BANKS), np.int64)
    deepest = 1
    for part in range(count):
        if parts[part, KIND] == EVENT:
            deepest = max(deepest, parts[part, E])
    pops = np.full((count, MAX_BANKS, deepest), LONG_AGO, np.int64)
    in_pass = np.zeros(count, np.int64)
    passes = np.zeros(count, np.int64)
    most_cells = 1
    for part in range(count):
        if parts[part, KIND] == WINDOW:
            most_cells = max(most_cells, parts[part, E] * frames)
        if parts[part, KIND] == UNIT or parts[part, KIND] == READOUT:
            most_cells = max(most_cells, parts[part, B] * frames)
    done = np.zeros((count, most_cells), np.int64)
    done_count = np.zeros(count, np.int64)

    progress = True
    while progress:
        progress = False
        for part in range(count):
            kind = parts[part, KIND]
            out, port = parts[part, OUT], parts[part, PORTS]
            while True:
                moved = False
                if kind == SOURCE:
                    # A: beats of a frame, B: channel of results
                    n = given_words[part]
                    if n < channels[out, 1]:
                        cycle = 0
                        known = True
                        frame = n // parts[part, A]
                        if known and n % parts[part, A] == 0 and frame >= under_way:
                            result = passed(parts[part, B], frame - under_way, channels, readers, ports, offer, offered, ready,
                                            readied)
                            known = result != LONG_AGO
                            cycle = max(cycle, result + 1)
                        if known:
                            offer[channels[out, 0] + n] = cycle
                            offered[out] = n + 1
                            given_words[part] = n + 1
                            moved = True

                elif kind == WINDOW:
                    # A: words of a frame in, B: out, C: depth, D: where `oldest` is in the table, E: cells,
                    # F: where `needs` is, G: words of a cell out
                    source = ports[port, 0]
                    n = posted[part]
                    if n < ports[port, 2]:
                        cycle = 0
                        known = True
                        if n:
                            before = passed(source, n - 1, channels, readers, ports, offer, offered, ready, readied)
                            known = before != LONG_AGO
                            cycle = before + 1
                        cells = parts[part, E]
                        while known:
                            cell = freed[part]
                            held = cell // cells * parts[part, A] + table[parts[part, D] + cell % cells]
                            if n - held < parts[part, C]:
                                break
                            if done_count[part] <= cell:
                                known = False
                            else:
                                freed[part] = cell + 1
                        if known:
                            if freed[part]:
                                cycle = max(cycle, done[part, freed[part] - 1] + 1)
                            ready[ports[port, 1] + n] = cycle
                            readied[port] = n + 1
                            posted[part] = n + 1
                            moved = True
                    n = given_words[part]
                    if n < channels[out, 1]:
                        cycle = issued[part] + 1
                        known = True
                        need = n // parts[part, B] * parts[part, A] + table[parts[part, F] + n % parts[part, B]]
                        if need >= 0:
                            written = passed(source, need, channels, readers, ports, offer, offered, ready, readied)
                            known = written != LONG_AGO
                            cycle = max(cycle, written + 1)
                        if known and n >= 2:
                            early = passed(out, n - 2, channels, readers, ports, offer, offered, ready, readied)
                            known = early != LONG_AGO
                            cycle = max(cycle, early)
                        if known:
                            cycle = max(cycle, 0)
                            issued[part] = cycle
                            if (n + 1) % parts[part, G] == 0:
                                done[part, done_count[part]] = cycle
                                done_count[part] += 1
                            offer[channels[out, 0] + n] = cycle + 2
                            offered[out] = n + 1
                            given_words[part] = n + 1
                            moved = True

                elif kind == EVENT or kind == PARALLEL:
                    # A: words of a pass, B: passes of a frame, C: of a cell, D: banks, E: depth,
                    # F: capture cycles, G: part of the neurons, H: see `ones_row`, J: passes that the words may run ahead,
                    # K: cells for which the neurons have room
                    if in_pass[part] < parts[part, A]:
                        # which source: its words of a pass come after those of the sources before
                        at, which = in_pass[part], 0
                        while at >= ports[port + which, 3]:
                            at -= ports[port + which, 3]
                            which += 1
                        mine = port + which
                        n = passes[part] * ports[mine, 3] + at
                        full = ((passes[part] + 1) % parts[part, C] == 0) and in_pass[part] == parts[part, A] - 1
                        known = n < ports[mine, 2]
                        if known and readied[mine] == n:
                            cycle = last_taken[part] + 1
                            if kind == EVENT:
                                cycle = max(cycle, moves[part, (passes[part] - parts[part, J]) % MAX_AHEAD] + 1)
                                for bank in range(parts[part, D]):
                                    slot = queued[part, bank] % parts[part, E]
                                    cycle = max(cycle, pops[part, bank, slot] + 1)
                            elif full:
                                room = release(parts[part, G], passes[part] // parts[part, C], parts[part, K], parts,
                                               channels, readers, ports, offer, offered, ready, readied)
                                known = room != LONG_AGO
                                cycle = max(cycle, room + 1)
                            if known:
                                ready[ports[mine, 1] + n] = cycle
                                readied[mine] = n + 1
                                moved = True
                        if known and readied[mine] > n:
                            taken = passed(ports[mine, 0], n, channels, readers, ports, offer, offered, ready, readied)
                            if taken != LONG_AGO:
                                last_taken[part] = taken
                                if kind == EVENT:
                                    base = ones_at[part] + (ones_row(passes[part], parts, part) * parts[part, A]
                                                            + in_pass[part]) * parts[part, D]
                                    for bank in range(parts[part, D]):
                                        spikes = ones[base + bank]
                                        if spikes:
                                            popped = max(max(taken + 1, scanned[part, bank]),
                                                         moves[part, (passes[part] - 1) % MAX_AHEAD])
                                            pops[part, bank, queued[part, bank] % parts[part, E]] = popped
                                            scanned[part, bank] = popped + spikes
                                            queued[part, bank] += 1
                                in_pass[part] += 1
                                moved = True
                    if in_pass[part] == parts[part, A]:
                        known = True
                        final = (passes[part] + 1) % parts[part, C] == 0
                        cell = passes[part] // parts[part, C]
                        end = last_taken[part]
                        if kind == EVENT:
                            end = max(last_taken[part], moves[part, (passes[part] - 1) % MAX_AHEAD]) + 1
                            for bank in range(parts[part, D]):
                                end = max(end, scanned[part, bank])
                            if final:
                                room = release(parts[part, G], cell, parts[part, K], parts, channels, readers, ports,
                                               offer, offered, ready, readied)
                                known = room != LONG_AGO
                                end = max(end, room + 1)
                        if known:
                            moves[part, passes[part] % MAX_AHEAD] = end
                            if final:
                                done[parts[part, G], cell] = end + parts[part, F]
                                done_count[parts[part, G]] = cell + 1
                            passes[part] += 1
                            in_pass[part] = 0
                            if passes[part] % parts[part, B] == 0:
                                closed[part, passes[part] // parts[part, B] - 1] = end
                            moved = True

                elif kind == UNIT or kind == READOUT:
                    # A: words of a cell, B: cells of a frame, C: cycles from the capture to the first offer
                    n = given_words[part]
                    cell = n // parts[part, A]
                    if n < channels[out, 1] and cell < done_count[part]:
                        offer[channels[out, 0] + n] = done[part, cell] + parts[part, C]
                        offered[out] = n + 1
                        given_words[part] = n + 1
                        moved = True

                elif kind == ORED:
                    # A: words ORed
                    at, which = taken_words[part] % parts[part, A], 0
                    while at >= ports[port + which, 3]:
                        at -= ports[port + which, 3]
                        which += 1
                    mine = port + which
                    n = taken_words[part] // parts[part, A] * ports[mine, 3] + at
                    known = n < ports[mine, 2]
                    last = (taken_words[part] + 1) % parts[part, A] == 0
                    if known and readied[mine] == n:
                        cycle = last_taken[part] + 1
                        if last and given_words[part]:
                            before = passed(out, given_words[part] - 1, channels, readers, ports, offer, offered, ready, readied)
                            known = before != LONG_AGO
                            cycle = max(cycle, before)
                        if known:
                            ready[ports[mine, 1] + n] = cycle
                            readied[mine] = n + 1
                            moved = True
                    if known and readied[mine] > n:
                        taken = passed(ports[mine, 0], n, channels, readers, ports, offer, offered, ready, readied)
                        if taken != LONG_AGO:
                            last_taken[part] = taken
                            taken_words[part] += 1
                            if last:
                                offer[channels[out, 0] + given_words[part]] = taken + 1
                                given_words[part] += 1
                                offered[out] = given_words[part]
                            moved = True

                elif kind == SINK:
                    if posted[part] < ports[port, 2]:
                        ready[ports[port, 1] + posted[part]] = 0
                        posted[part] += 1
                        readied[port] = posted[part]
                        moved = True

                if not moved:
                    break
                progress = True

    first, last = parts[0, OUT], parts[0, B]
    for frame in range(frames):
        begun = passed(first, frame * parts[0, A], channels, readers, ports, offer, offered, ready, readied)
        ended = passed(last, frame, channels, readers, ports, offer, offered, ready, readied)
        if begun == LONG_AGO or ended == LONG_AGO:
            return False
        results[frame, 0] = begun
        results[frame, 1] = ended
    return True


@njit(cache=True)
def release(unit, cell, slots, parts, channels, readers, ports, offer, offered, ready, readied):
    """Return when the neurons of ``unit`` have given the last word of ``slots`` cells before; LONG_AGO: not known."""
    if cell < slots:
        return LONG_AGO + 1
    return passed(parts[unit, OUT], (cell - slots + 1) * parts[unit, A] - 1, channels, readers, ports, offer, offered, ready, readied)


@njit(cache=True)
def ones_row(number, parts, part):
    """Return the row of the ones table that pass ``number`` of an event engine uses.

    H packs groups, splits and planes; the table holds position, split and plane, the passes position, group, plane.
    """
    planes = parts[part, H] % 16
    groups = parts[part, H] // 16 % (1 << 20)
    splits = parts[part, H] // (16 << 20)
    plane = number % planes
    group = number // planes % groups
    position = number // planes // groups
    return (position * splits + group * splits // groups) * planes + plane
