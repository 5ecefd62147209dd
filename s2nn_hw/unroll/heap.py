"""Compression of a heap of weighted bits into few, by carry chains with tables in them: choice of the operations.

A heap is a number of terms ``weight x bit`` whose sum is wanted. A chain of sign ``s`` and lowest position ``p``
absorbs, at each of its positions ``k``, one term of weight ``s 2^k`` (the raw operand: no LUT), one more of weight
``s 2^p`` (carry in) and in each segment of ``t`` positions up to five terms of any sign (a table of ``t`` LUTs), and
gives one term ``s 2^k`` for each bit of what the sum can reach. Which bits have a weight does not matter here, so the
state is a histogram over signs and classes (absolute weights).

Work goes level by level: a chain reads what was there when its level began. Compiled; no state survives a call.
"""

import numpy as np
from numba import njit

SEGMENT, PROMOTE, LEVEL, LOW = range(4)
KIND, SIGN, PLACE, SIZE, LEFT, CARRY, FIRST, CONTINUES = range(8)  # columns of an operation; then the table's terms
TERMS = 8
COLUMNS = TERMS + 6
WIDEST = 6  # positions of a segment
ROWS = 4096


@njit(cache=True)
def _bits(value):
    count = 0
    while value:
        value >>= 1
        count += 1
    return count


@njit(cache=True)
def _fill(heap, sizes, places, price, place, reach, take, best, chosen):
    """Choose the terms of a table below ``reach`` units of ``2^place``: write classes, return ``(price, sum)``."""
    most = chosen.size
    best[:, :reach] = -1.0
    best[0, 0] = 0.0
    items = 0
    for c in range(sizes.size):
        if places[c] < place or (sizes[c] >> place) >= reach:
            continue
        value = sizes[c] >> place
        for _ in range(min(heap[0, c] + heap[1, c], most, take.shape[0] - items)):
            take[items, :, :reach] = 0
            for k in range(most, 0, -1):
                for s in range(reach - 1, value - 1, -1):
                    before = best[k - 1, s - value]
                    if before >= 0 and before + price[c] > best[k, s]:
                        best[k, s] = before + price[c]
                        take[items, k, s] = c + 1
            items += 1
    highest, total, terms = 0.0, 0, 0
    for s in range(reach):
        for k in range(1, most + 1):
            if best[k, s] > highest + 1e-9:
                highest, total, terms = best[k, s], s, k
    chosen[:] = -1
    s, item = total, items - 1
    while terms > 0:
        while take[item, terms, s] == 0:
            item -= 1
        c = take[item, terms, s] - 1
        terms -= 1
        chosen[terms] = c
        s -= sizes[c] >> place
        item -= 1
    return highest, total


@njit(cache=True)
def _segment(heap, spare, sizes, places, powers, price, sign, place, begins, below, take, best, chosen, row):
    """Write the best segment at ``place`` to ``row``; return ``(bits removed for a LUT, sum it reaches)``.

    ``begins``: it is the lowest of its chain, with the carry in; ``below``: ``(sum, place)`` of the chain so far.
    """
    top, top_total = -1e9, 0
    for size in range(1, WIDEST):
        spare[:] = heap
        gain, total, left, carry = 0.0, below[0], 0, 0
        for k in range(size):
            if place + k < powers.size and spare[sign, powers[place + k]]:
                spare[sign, powers[place + k]] -= 1
                gain, total, left = gain + 1, total + (1 << (place + k - below[1])), left | 1 << k
        if begins and spare[sign, powers[place]]:
            spare[sign, powers[place]] -= 1
            gain, total, carry = gain + 1, total + 1, 1
        worth, reached = _fill(spare, sizes, places, price, place, 1 << size, take, best, chosen)
        if reached == 0:
            continue
        total += reached << (place - below[1])
        gain = (gain + worth - _bits(total) + _bits(below[0])) / size
        if gain > top:
            top, top_total = gain, total
            row[:] = 0
            row[KIND], row[SIGN], row[PLACE], row[SIZE] = SEGMENT, sign, place, size
            row[LEFT], row[CARRY], row[CONTINUES] = left, carry, 0 if begins else 1
            for n in range(chosen.size):
                if chosen[n] >= 0:
                    c = chosen[n]
                    other = 1 - sign if spare[1 - sign, c] else sign  # the raw operand has no use for the other sign
                    spare[other, c] -= 1
                    row[TERMS + n] = -(c + 1) if other else c + 1
    return top, top_total


@njit(cache=True)
def construct(sizes, places, powers, price, start, threshold, fire, inputs, final, enough, extend, out):
    """Choose operations for one sum; return ``(LUTs, levels, rows, rest)``, the rows in ``out``.

    ``sizes``, ``places``: absolute weight of each class, and its trailing zeros; ``powers``: class of ``2^k``;
    ``price``: of a term, in bits; ``start``: int ``(2, classes)``, terms of positive and negative weight;
    ``threshold``: the sum must reach (only if ``fire``); ``inputs``: of a table in a chain; ``final``: of the last
    table; ``enough``, ``extend``: bits that a LUT must remove at least. ``rest`` is the threshold left.
    """
    classes, reach = sizes.size, 1 << WIDEST
    heap, coming = start.copy(), np.zeros_like(start)
    spare, take = np.zeros_like(start), np.zeros((64, inputs + 1, reach), np.int16)
    best, chosen = np.zeros((inputs + 1, reach)), np.zeros(inputs, np.int64)
    row, trial = np.zeros(COLUMNS, np.int64), np.zeros(COLUMNS, np.int64)
    rows, luts, levels, done = 0, 0, 0, 0
    while True:
        # a lone term below all others decides only together with the threshold: it moves up or goes
        while fire:
            lowest, count, where, sign = 1 << 30, 0, -1, 0
            for c in range(classes):
                n = heap[0, c] + heap[1, c] + coming[0, c] + coming[1, c]
                if n and places[c] < lowest:
                    lowest, count = places[c], 0
                if n and places[c] == lowest:
                    count, where, sign = count + n, c, 0 if heap[0, c] + coming[0, c] else 1
            if count != 1 or (sizes[where] & (sizes[where] - 1)) != 0:
                break
            total = heap.sum() + coming.sum()
            if total == 1 or rows == ROWS or places[where] + 1 >= powers.size:
                break
            unit = 1 << lowest
            units = -((-threshold) // unit)  # 2 unit H + unit x >= T: only whether units of T are odd matters
            moves = (units % 2 == 1) == (sign == 0)
            threshold = (units + units % 2) * unit
            here = heap if heap[sign, where] else coming
            here[sign, where] -= 1
            up = powers[lowest + 1]
            if moves:
                here[sign, up] += 1
            out[rows, :] = 0
            out[rows, KIND], out[rows, SIGN], out[rows, PLACE], out[rows, FIRST] = PROMOTE, sign, where, -1
            if moves:
                out[rows, FIRST] = up
            rows += 1
        if fire and heap.sum() + coming.sum() <= final:
            return luts + 1, levels + 1, rows, threshold
        # all terms below a position, if few: one table says what they and the threshold leave to those above
        if fire:
            place, count = 0, 0
            for above in range(1, powers.size):
                more = 0
                for c in range(classes):
                    if places[c] == above - 1:
                        more += heap[0, c] + heap[1, c] + (coming[0, c] + coming[1, c]) * 100
                if count + more > final:
                    break
                place, count = above, count + more
            if count > 2:
                low, high, n = 0, 0, 0
                row[:] = 0
                for c in range(classes):
                    if places[c] < place:
                        low -= sizes[c] * heap[1, c]
                        high += sizes[c] * heap[0, c]
                least, most = (low - threshold) >> place, (high - threshold) >> place
                size = _bits(most - least)
                if count - size >= 2 * size and rows + 16 < ROWS and place + size < powers.size:
                    row[KIND], row[PLACE], row[SIZE] = LOW, place, size
                    for c in range(classes):
                        if places[c] < place:
                            for sign in range(2):
                                for _ in range(heap[sign, c]):
                                    row[TERMS + n] = -(c + 1) if sign else c + 1
                                    n += 1
                                heap[sign, c] = 0
                    for k in range(size):
                        coming[0, powers[place + k]] += 1
                    threshold = -least << place
                    out[rows] = row
                    luts, rows, done = luts + size, rows + 1, done + 1
                    continue
        # the best chain to begin
        top, total = -1e9, 0
        for place in range(powers.size):
            any_here = False
            for c in range(classes):
                any_here |= places[c] == place and heap[0, c] + heap[1, c] > 0
            for sign in range(2 if any_here else 0):
                gain, reached = _segment(heap, spare, sizes, places, powers, price, sign, place, True, (0, place), take,
                                         best, chosen, trial)
                if gain > top:
                    top, total = gain, reached
                    row[:] = trial
        if top <= 0 or (top < enough and (done or coming.sum())) or rows + 16 > ROWS or levels == 99:
            if coming.sum() == 0:
                return luts, levels, rows, threshold  # what is left is irreducible here
            heap += coming
            coming[:] = 0
            out[rows, :] = 0
            out[rows, KIND] = LEVEL
            rows, levels, done = rows + 1, levels + 1, 0
            continue
        # build it, and segments above it as long as they pay
        sign, first = row[SIGN], row[PLACE]
        while True:
            out[rows] = row
            for k in range(row[SIZE]):
                if row[LEFT] >> k & 1:
                    heap[sign, powers[row[PLACE] + k]] -= 1
            heap[sign, powers[first]] -= row[CARRY]
            for n in range(TERMS, COLUMNS):
                c = abs(row[n]) - 1
                if c >= 0:
                    term = 1 if row[n] < 0 else 0
                    heap[term, c] -= 1
                    if term != sign:  # the table is offset to stay positive
                        threshold += sizes[c] if sign == 0 else -sizes[c]
            luts, rows, done = luts + row[SIZE], rows + 1, done + 1
            place = row[PLACE] + row[SIZE]
            if place >= powers.size - 1 or rows + 16 > ROWS:
                break
            gain, reached = _segment(heap, spare, sizes, places, powers, price, sign, place, False, (total, first),
                                     take, best, chosen, trial)
            if gain < extend:
                break
            total = reached
            row[:] = trial
        for k in range(_bits(total)):
            coming[sign, powers[first + k]] += 1
