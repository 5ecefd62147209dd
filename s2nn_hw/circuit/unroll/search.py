"""Search for the cheapest compression of a sum: the greedy choice of :mod:`heap` under varied prices, compiled."""

from typing import NamedTuple

import numpy as np

from s2nn_hw.circuit.unroll.chains import COLUMNS, Classes
from s2nn_hw.circuit.unroll.compress import PHASES, ROWS, construct
from s2nn_hw.compiled import njit

FAILED = 1e6  # LUTs of a compression that leaves terms over
# what each part of the search begins with: bits that a LUT must remove, in usual ones; shares left by two levels
BEGIN = ((1.0, 0.25, 0.1), (0.95, 0.5, 0.3), (0.8, 0.0, 0.0))
WEIGHTS = (0.2, 1.0, 3.0)  # LUTs that a level is worth in each part of the search


class Found(NamedTuple):
    """By number of levels: the fewest ``luts``, and the ``prices`` and ``enoughs`` with which they were reached."""

    luts: np.ndarray
    prices: np.ndarray
    enoughs: np.ndarray


@njit()
def _random(state: np.ndarray) -> float:
    """Return a number from 0 to 1 and change ``state``: xorshift, so that no other generator is touched."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return (x >> np.uint64(11)) / 9007199254740992.0


@njit()
def _fresh(classes: Classes, state: np.ndarray, price: np.ndarray, enough: np.ndarray, begin: int) -> None:
    """Set parameters: the usual ones numbered ``begin``, or varied ones if that is -1."""
    usual = 1.3 if classes.inputs > 1 else 0.45
    for c in range(classes.sizes.size):
        plain = classes.sizes[c] & (classes.sizes[c] - 1) == 0
        price[c] = 1.0 if plain else 1.7 if begin >= 0 else 1.2 + 0.9 * _random(state)
    level = usual * (BEGIN[begin][0] if begin >= 0 else 0.75 + 0.4 * _random(state))
    for k in range(PHASES):
        enough[k], enough[PHASES + k] = level, 0.0
    if begin >= 0:
        enough[PHASES], enough[PHASES + 1] = BEGIN[begin][1], BEGIN[begin][2]
    elif _random(state) < 0.7:
        enough[PHASES] = 0.7 * _random(state)
        enough[PHASES + 1] = enough[PHASES] * _random(state)


@njit()
def _vary(classes: Classes, state: np.ndarray, price: np.ndarray, enough: np.ndarray) -> None:
    """Change one or two parameters."""
    for _ in range(1 + int(2 * _random(state))):
        kind = _random(state)
        if kind < 0.35:
            k = int(PHASES * _random(state))
            enough[k] *= 0.7 + 0.6 * _random(state)
        elif kind < 0.6:
            k = PHASES + int(4 * _random(state) ** 2)
            enough[k] = max(0.0, enough[k] + 0.3 * _random(state) - 0.15)
        else:
            c = int(classes.sizes.size * _random(state))
            plain = classes.sizes[c] & (classes.sizes[c] - 1) == 0
            price[c] = 0.9 + 0.2 * _random(state) if plain else 1.0 + 1.2 * _random(state)


@njit()
def climb(classes: Classes, start: np.ndarray, threshold: int, fire: bool, moves: int, seed: int, found: Found) -> None:
    """Try ``moves`` sets of parameters; keep the best for each number of levels.

    ``found`` is what is known and is bettered. Parts of the moves climb with different worth of a level, so that
    shallow and cheap results both are found.
    """
    state = np.array([np.uint64(seed * 2654435769 + 88172645463325252)], np.uint64)
    for _ in range(8):
        _random(state)
    count = classes.sizes.size
    out = np.zeros((ROWS, COLUMNS), np.int64)
    price, enough = np.zeros(count), np.zeros(2 * PHASES)
    best_price, best_enough = np.zeros(count), np.zeros(2 * PHASES)
    for part in range(3):
        steps = moves // 3 + (part < moves % 3)
        weight, best = WEIGHTS[part], 1e18
        for step in range(steps):
            if step * 4 < steps:
                _fresh(classes, state, price, enough, part if step == 0 else -1)
            else:
                price[:], enough[:] = best_price, best_enough
                _vary(classes, state, price, enough)
            cost, levels, _, left = construct(classes, start, threshold, fire, price, enough, out)
            if fire and left > classes.final:
                cost += FAILED
            if cost + weight * levels <= best:
                best = cost + weight * levels
                best_price[:], best_enough[:] = price, enough
            at = min(levels, found.luts.size - 1)
            if cost < found.luts[at]:
                found.luts[at] = cost
                found.prices[at], found.enoughs[at] = price, enough
