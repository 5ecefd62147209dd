"""Compression of a heap of weighted bits, by carry chains with tables in them: which operations, in which order.

A heap is a number of terms ``weight x bit`` whose sum is wanted. A chain of sign ``s`` and lowest position ``p``
absorbs, at each of its positions ``k``, one term of weight ``s 2^k`` as it is (the left operand: no LUT), one more of
weight ``s 2^p`` (carry in), and in each segment of ``t`` positions up to five terms of any sign (the right operand: a
table of ``t`` LUTs). It gives one term ``s 2^k`` for each bit of what the sum can reach. Which bits have a weight
does not matter here, so the state is a histogram over signs and classes (absolute weights).

Work goes level by level: a chain reads what was there when its level began, and the one that removes most bits for a
LUT comes first. Compiled; no state survives a call.
"""

import numpy as np

from s2nn_hw.circuit.unroll.chains import (
    CARRY,
    COLUMNS,
    KIND,
    LEFT,
    PLACE,
    ROW,
    SEGMENT,
    SIGN,
    SIZE,
    TERMS,
    WIDEST,
    Below,
    Classes,
    Work,
    bit_length,
    rows,
    segment,
)
from s2nn_hw.compiled import njit

PROMOTE, LEVEL, LOW = range(2, 5)  # kinds of operations besides those of chains
ROWS = 4096
MOST_LEVELS = 31
TOO_DEEP = 1_000_000  # LUTs for what would take more levels
PHASES = 6  # levels that have parameters of their own; later ones share the last


@njit()
def _room(classes: Classes, start: np.ndarray) -> Work:
    """Return arrays to work in."""
    table = (classes.inputs + 1, 1 << WIDEST)
    return Work(
        np.zeros_like(start),
        np.zeros(table),
        np.zeros(table, np.int64),
        np.zeros((classes.powers.size, 2)),
        np.zeros(COLUMNS, np.int64),
        np.zeros(COLUMNS, np.int64),
    )


@njit()
def _promote(classes: Classes, heap: np.ndarray, coming: np.ndarray, threshold: int, row: np.ndarray) -> int:
    """Move a lone term below all others up, or drop it; return the new threshold, or -1 in ``row`` if there is none.

    ``2 unit H + unit x >= T`` with integers H and x: only whether T is an odd number of units matters.
    """
    row[KIND] = -1
    lowest, count, where, sign, total = 1 << 30, 0, -1, 0, 0
    for c in range(classes.sizes.size):
        n = heap[0, c] + heap[1, c] + coming[0, c] + coming[1, c]
        total += n
        if n and classes.places[c] < lowest:
            lowest, count = classes.places[c], 0
        if n and classes.places[c] == lowest:
            count, where, sign = count + n, c, 0 if heap[0, c] + coming[0, c] else 1
    if count != 1 or total == 1 or where != classes.powers[lowest] or lowest + 1 >= classes.powers.size:
        return threshold
    unit = 1 << lowest
    units = -((-threshold) // unit)
    here = heap if heap[sign, where] else coming
    here[sign, where] -= 1
    if (units % 2 == 1) == (sign == 0):
        here[sign, classes.powers[lowest + 1]] += 1
    row[:] = 0
    row[KIND], row[SIGN], row[PLACE] = PROMOTE, sign, where
    return (units + units % 2) * unit


@njit()
def _low(classes: Classes, heap: np.ndarray, coming: np.ndarray, threshold: int, row: np.ndarray) -> tuple[int, int]:
    """Write a table of all terms below some position to ``row``; return ``(bits it removes, LUTs)``.

    It says what they and the threshold leave to the terms above: ``floor((low - threshold) / 2^place)``.
    """
    place, count = 0, 0
    for above in range(1, classes.powers.size):
        more = 0
        for c in range(classes.sizes.size):
            if classes.places[c] == above - 1:
                more += heap[0, c] + heap[1, c] + (coming[0, c] + coming[1, c]) * 100
        if count + more > classes.final:
            break
        place, count = above, count + more
    if count < 2:
        return 0, 0
    low, high, n = 0, 0, 0
    row[:] = 0
    for c in range(classes.sizes.size):
        if classes.places[c] < place:
            low -= classes.sizes[c] * heap[1, c]
            high += classes.sizes[c] * heap[0, c]
            for sign in range(2):
                for _ in range(heap[sign, c]):
                    row[TERMS + n] = -(c + 1) if sign else c + 1
                    n += 1
    size = bit_length(((high - threshold) >> place) - ((low - threshold) >> place))
    row[KIND], row[PLACE], row[SIZE] = LOW, place, size
    if place + size >= classes.powers.size:
        return 0, 0
    return count - size, size


@njit()
def _apply(classes: Classes, heap: np.ndarray, row: np.ndarray) -> int:
    """Take the terms that ``row`` uses from the heap; return what the offset of its table adds to the threshold."""
    sign, more = row[SIGN], 0
    for k in range(row[SIZE]):
        if row[LEFT] >> k & 1:
            heap[sign, classes.powers[row[PLACE] + k]] -= 1
    if row[CARRY]:
        heap[sign, classes.powers[row[PLACE]]] -= 1
    for n in range(TERMS, COLUMNS):
        c = abs(row[n]) - 1
        if c >= 0:
            term = 1 if row[n] < 0 else 0
            heap[term, c] -= 1
            if term != sign:
                more += classes.sizes[c] if sign == 0 else -classes.sizes[c]
                if n == TERMS and row[KIND] == ROW:  # left - right = left + not right + 1
                    more += (1 if sign == 0 else -1) << row[PLACE]
    return more


@njit()
def _open(classes: Classes, heap: np.ndarray, bound: np.ndarray) -> None:
    """Set the gain that a chain at each place and of each sign could have at most: 0 where none should begin."""
    bound[:] = 0.0
    for c in range(classes.sizes.size):
        if heap[0, c] + heap[1, c]:
            bound[classes.places[c]] = 1e9


@njit()
def _ripple(classes: Classes, heap: np.ndarray) -> tuple[int, int]:
    """Return ``(LUTs, levels)`` of adding what is left row by row to one positive bit at each place."""
    columns = np.zeros((2, classes.powers.size + 8), np.int64)
    for c in range(classes.sizes.size):
        for sign in range(2):
            for k in range(bit_length(classes.sizes[c])):
                columns[sign, k] += heap[sign, c] * (classes.sizes[c] >> k & 1)
    luts, levels = 0, 0
    while True:
        begun = False
        for k in range(columns.shape[1]):
            count = columns[0, k] + columns[1, k]
            begun |= count > 1 or columns[1, k] > 0
            if begun and count:
                left = min(columns[0, k], 1)
                right = min(count - left, 1)
                luts += right if classes.inputs > 1 else 1
                columns[1, k] -= min(columns[1, k], right) if columns[0, k] <= left else 0
                columns[0, k] = max(count - left - right - columns[1, k], 0) + 1
        if not begun:
            return luts, levels
        if levels == MOST_LEVELS:
            return luts + TOO_DEEP, levels
        levels += 1


@njit()
def _promote_all(
    classes: Classes, heap: np.ndarray, coming: np.ndarray, threshold: int, row: np.ndarray, out: np.ndarray, count: int
) -> tuple[int, int]:
    """Promote as long as a lone term is below all others; return the threshold and the count of operations."""
    while True:
        threshold = _promote(classes, heap, coming, threshold, row)
        if row[KIND] < 0:
            return threshold, count
        out[count] = row
        count += 1


@njit()
def _take_low(classes: Classes, heap: np.ndarray, coming: np.ndarray, threshold: int, row: np.ndarray) -> int:
    """Take what the table in ``row`` reads from the heap, add what it gives; return what the threshold is then."""
    low = 0
    for c in range(classes.sizes.size):
        if classes.places[c] < row[PLACE]:
            low -= classes.sizes[c] * heap[1, c]
            heap[:, c] = 0
    for k in range(row[SIZE]):
        coming[0, classes.powers[row[PLACE] + k]] += 1
    return -((low - threshold) >> row[PLACE]) << row[PLACE]


@njit()
def _best_chain(classes: Classes, heap: np.ndarray, price: np.ndarray, work: Work) -> tuple[float, int]:
    """Write the first operation of the best chain to ``work.row``; return ``(bits removed for a LUT, sum)``.

    Gains only fall within a level: the highest bound that holds when looked at again is the best chain.
    """
    top, total, bound = -1e9, 0, work.bound
    while True:
        at_place, at_sign, most = -1, 0, 0.0
        for place in range(classes.powers.size):
            for sign in range(2):
                if bound[place, sign] > most:
                    at_place, at_sign, most = place, sign, bound[place, sign]
        if at_place < 0 or most <= top:
            return top, total
        if classes.inputs > 1:
            below = Below(True, 0, at_place)
            gain, reached = segment(heap, classes, price, at_sign, at_place, below, work, work.trial)
        else:
            gain, reached = rows(heap, classes.powers, at_sign, at_place, work.trial)
        bound[at_place, at_sign] = gain
        if gain > top:
            top, total = gain, reached
            work.row[:] = work.trial


@njit()
def _grow(
    classes: Classes,
    heap: np.ndarray,
    price: np.ndarray,
    work: Work,
    total: int,
    least: float,
    out: np.ndarray,
    count: int,
) -> tuple[int, int, int, int]:
    """Build the chain that begins with ``work.row``, of ``total``, and segments above it that remove at least ``least``
    bits for a LUT; return what the threshold grows by, LUTs, sum and count of operations."""
    row, more = work.row, 0
    sign, first = row[SIGN], row[PLACE]
    luts = 1 if row[KIND] == ROW else 0  # the position of the carry out
    while True:
        out[count] = row
        more += _apply(classes, heap, row)
        luts, count = luts + row[SIZE], count + 1
        place = row[PLACE] + row[SIZE]
        if row[KIND] != SEGMENT or place >= classes.powers.size - 1 or count + 40 > ROWS:
            return more, luts, total, count
        below = Below(False, total, first)
        gain, reached = segment(heap, classes, price, sign, place, below, work, work.trial)
        if gain < least:
            return more, luts, total, count
        total = reached
        row[:] = work.trial


@njit()
def construct(
    classes: Classes,
    start: np.ndarray,
    threshold: int,
    fire: bool,
    price: np.ndarray,
    enough: np.ndarray,
    out: np.ndarray,
) -> tuple[float, int, int, int]:
    """Choose operations for one sum; return ``(LUTs, levels, rows, terms left)``; the rows are in ``out``.

    What is left of a sum that need not ``fire`` is added row by row, which is counted.

    ``start``: int ``(2, classes)``, terms of positive and negative weight; ``threshold``: what the sum must reach,
    if ``fire``; ``price``: of a term of each class, in bits; ``enough``: by level (:data:`PHASES`), bits that a LUT
    must remove, then the share of terms that a level leaves to later ones, which have raw operands for them.
    """
    heap, coming = start.copy(), np.zeros_like(start)
    work = _room(classes, start)
    row, bound = work.row, work.bound
    _open(classes, heap, bound)
    begun = heap.sum()
    count, luts, levels, done, stuck = 0, 0.0, 0, 0, False
    while True:
        if fire:
            threshold, count = _promote_all(classes, heap, coming, threshold, row, out, count)
        remaining = heap.sum() + coming.sum()
        if fire and remaining <= classes.final:
            return luts + 1, levels + (2 if coming.sum() else 1), count, remaining
        if fire:
            removed, cost = _low(classes, heap, coming, threshold, row)
            if removed > 0 and (removed >= 2 * cost or stuck):
                stuck = False
                threshold = _take_low(classes, heap, coming, threshold, row)
                out[count] = row
                luts, count, done = luts + cost, count + 1, done + 1
                continue
        top, total = _best_chain(classes, heap, price, work)
        phase = min(levels, PHASES - 1)
        waits = (top < enough[phase] or heap.sum() <= enough[PHASES + phase] * begun) and (done or coming.sum())
        if top <= 0 or waits or levels == MOST_LEVELS or count + 40 > ROWS:
            if coming.sum() == 0 and fire and not stuck:
                stuck = True
                continue
            heap += coming
            if coming.sum() == 0 or levels == MOST_LEVELS:
                more, deeper = _ripple(classes, heap)
                return luts + more, levels + deeper, count, remaining
            coming[:] = 0
            out[count] = 0
            out[count, KIND] = LEVEL
            count, levels, done = count + 1, levels + 1, 0
            _open(classes, heap, bound)
            begun = heap.sum()
            continue
        sign, first = row[SIGN], row[PLACE]
        more, cost, total, after = _grow(classes, heap, price, work, total, enough[phase], out, count)
        threshold, luts, done, count = threshold + more, luts + cost, done + after - count, after
        for k in range(bit_length(total)):
            coming[sign, classes.powers[first + k]] += 1
