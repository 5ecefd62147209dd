"""What one carry chain can absorb: the choice of its terms, compiled. See :mod:`s2nn_hw.circuit.unroll.compress`."""

from typing import NamedTuple

import numpy as np

from s2nn_hw.compiled import njit

SEGMENT, ROW = range(2)
# columns of an operation; then the terms of the table or row, class + 1, negative for terms of negative weight
KIND, SIGN, PLACE, SIZE, LEFT, CARRY, CONTINUES = range(7)
TERMS = 7
COLUMNS = TERMS + 20
LONGEST = COLUMNS - TERMS
WIDEST = 5  # positions of a segment


class Classes(NamedTuple):
    """Absolute weights that terms can have, ascending: ``sizes``; ``places``: trailing zeros of each; ``powers``: the
    class of ``2^k``. ``inputs``: of a table in a chain; ``final``: of one alone."""

    sizes: np.ndarray
    places: np.ndarray
    powers: np.ndarray
    inputs: int
    final: int


class Work(NamedTuple):
    """Arrays to work in: ``spare``, a heap; of tables ``best[terms, sum]``, the highest price, and ``made[terms,
    sum]``, the classes + 1 that it is made of, 8 bits each; ``bound`` of the gain of a chain by place and sign; ``row``
    and ``trial``, operations."""

    spare: np.ndarray
    best: np.ndarray
    made: np.ndarray
    bound: np.ndarray
    row: np.ndarray
    trial: np.ndarray


class Below(NamedTuple):
    """The chain under a segment: its sum and place; ``begins``: there is none yet, the segment has the carry in."""

    begins: bool
    total: int
    place: int


@njit()
def bit_length(value: int) -> int:
    """Return the number of bits of ``value``, which is not negative."""
    count = 0
    while value:
        value >>= 1
        count += 1
    return count


@njit()
def _fill(
    heap: np.ndarray, classes: Classes, price: np.ndarray, place: int, reach: int, work: Work
) -> tuple[float, int, int]:
    """Choose the terms of a table below ``reach`` units of ``2^place``: return ``(price, sum, terms)``.

    A knapsack over number of terms and sum.
    """
    most, best, made = classes.inputs, work.best, work.made
    best[:, :reach] = -1.0
    best[0, 0], made[0, 0] = 0.0, 0
    items = 0
    for c in range(classes.sizes.size):
        if classes.places[c] < place or (classes.sizes[c] >> place) >= reach:
            continue
        value, worth = classes.sizes[c] >> place, price[c]
        for _ in range(min(heap[0, c] + heap[1, c], most, (reach - 1) // value)):
            items += 1
            for k in range(min(most, items), 0, -1):
                for s in range(reach - 1, value - 1, -1):
                    before = best[k - 1, s - value]
                    if before >= 0 and before + worth > best[k, s]:
                        best[k, s] = before + worth
                        made[k, s] = made[k - 1, s - value] << 8 | (c + 1)
    highest, total, terms = 0.0, 0, 0
    for s in range(reach):
        for k in range(1, most + 1):
            if best[k, s] > highest + 1e-9:
                highest, total, terms = best[k, s], s, made[k, s]
    return highest, total, terms


@njit()
def _priciest(heap: np.ndarray, classes: Classes, price: np.ndarray, place: int, tops: np.ndarray) -> float:
    """Return the highest price that a table at ``place`` could have if sums did not matter."""
    tops[:] = 0.0
    for c in range(classes.sizes.size):
        if classes.places[c] < place:
            continue
        for _ in range(min(heap[0, c] + heap[1, c], classes.inputs)):
            k = 0
            for n in range(1, classes.inputs):
                if tops[n] < tops[k]:
                    k = n
            if tops[k] >= price[c]:
                break
            tops[k] = price[c]
    return tops[: classes.inputs].sum()


@njit()
def segment(
    heap: np.ndarray,
    classes: Classes,
    price: np.ndarray,
    sign: int,
    place: int,
    below: Below,
    work: Work,
    row: np.ndarray,
) -> tuple[float, int]:
    """Write the best segment at ``place``, above the chain ``below``, to ``row``; return ``(bits removed for a LUT, sum
    it reaches)``."""
    top, top_total, powers, spare = -1e9, 0, classes.powers, work.spare
    limit = _priciest(heap, classes, price, place, work.best[0])
    for turn in range(WIDEST):
        size = (3, 4, 2, 1, 5)[turn]
        if place + size >= powers.size:
            continue
        gain, total, left, carry = 0.0, below.total, 0, 0
        spare[:] = heap
        for k in range(size):
            c = powers[place + k]
            if spare[sign, c]:
                spare[sign, c] -= 1
                gain, total, left = gain + price[c], total + (1 << (place + k - below.place)), left | 1 << k
        if below.begins and spare[sign, powers[place]]:
            spare[sign, powers[place]] -= 1
            gain, total, carry = gain + price[powers[place]], total + 1, 1
        if (gain + min(limit, 3.0 * ((1 << size) - 1)) - size) / size <= top:
            continue
        worth, reached, terms = _fill(spare, classes, price, place, 1 << size, work)
        if reached == 0:
            continue
        total += reached << (place - below.place)
        gain = (gain + worth - bit_length(total) + bit_length(below.total)) / size
        if gain > top and below.place + bit_length(total) <= powers.size:
            top, top_total = gain, total
            row[:] = 0
            row[KIND], row[SIGN], row[PLACE], row[SIZE] = SEGMENT, sign, place, size
            row[LEFT], row[CARRY], row[CONTINUES] = left, carry, 0 if below.begins else 1
            n = TERMS
            while terms:
                c = (terms & 255) - 1
                other = 1 - sign if spare[1 - sign, c] else sign  # the left operand has no use for the other sign
                spare[other, c] -= 1
                row[n] = -(c + 1) if other else c + 1
                terms, n = terms >> 8, n + 1
    return top, top_total


@njit()
def rows(heap: np.ndarray, powers: np.ndarray, sign: int, place: int, row: np.ndarray) -> tuple[float, int]:
    """Write the best addition or subtraction of two rows of single bits at ``place`` to ``row``.

    Returns ``(bits removed for a LUT, sum it reaches)``. A position more than the operands have gives the carry out
    and makes the carry in of the adder above.
    """
    top, top_total = -1e9, 0
    for subtract in range(2):
        other = 1 - sign if subtract else sign
        size = 0
        while size < LONGEST and place + size + 1 < powers.size:
            c = powers[place + size]
            if heap[sign, c] == 0 or heap[other, c] < 2 - subtract:
                break
            size += 1
        if size == 0:
            continue
        carry = 0 if subtract else int(heap[sign, powers[place]] > 2)
        removed = size - 1 + carry
        gain = removed / (size + 1)
        if gain > top:
            top, top_total = gain, (1 << (size + 1)) - 2 + max(carry, subtract)
            row[:] = 0
            row[KIND], row[SIGN], row[PLACE], row[SIZE], row[CARRY] = ROW, sign, place, size, carry
            row[LEFT] = (1 << size) - 1
            for k in range(size):
                c = powers[place + k]
                row[TERMS + k] = -(c + 1) if other else c + 1
    return top, top_total
