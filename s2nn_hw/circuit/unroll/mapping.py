"""Constant weights to logic: for each neuron a heap of weighted spikes, compressed by chains and tables."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np

from s2nn_hw.circuit.unroll.chains import COLUMNS, Classes
from s2nn_hw.circuit.unroll.compress import MOST_LEVELS, PHASES, ROWS, construct
from s2nn_hw.circuit.unroll.logic import ONE, TABLE_INPUTS, ZERO, Logic
from s2nn_hw.circuit.unroll.pack import pack
from s2nn_hw.circuit.unroll.search import FAILED, Found, climb
from s2nn_hw.circuit.unroll.terms import Builder, Terms, sums
from s2nn_hw.errors import UserError


class Mapping(NamedTuple):
    """``alone``, ``inside``: inputs of a table alone and in a chain; ``odd``: the largest odd factor of a term."""

    alone: int
    inside: int
    odd: int


MAPPINGS = {"lut6": Mapping(6, 5, 15), "lut4": Mapping(4, 1, 1)}
LARGEST = 1 << 24  # of a sum
EFFORT = 2_000_000  # synapses times moves of a layer: some 15 s of one core
LEVEL_WORTH = 1.015  # a level more must save so much
MOVES = (16, 600)  # at least and at most, of a neuron


@dataclass(frozen=True, eq=False)
class Mapped:
    """``logic``, and ``constant``: how much its unsigned results are above the sums; 0 for neurons that fire."""

    logic: Logic
    constant: int = 0


def map_layer(
    weights: np.ndarray,
    offsets: np.ndarray,
    *,
    fire: bool,
    family: str = "lut6",
    seconds: float = 120.0,
    seed: int = 0,
    depth: int | None = None,
    moves: int | None = None,
) -> Mapped:
    """Return the :class:`Mapped` logic of a layer of constant integer weights.

    ``weights``: int ``(neurons, inputs)`` over input bits; ``offsets``: int ``(neurons,)``. With ``fire`` each result
    is the bit ``weights @ x + offset >= 0``; without, the unsigned ``weights @ x + offset + constant``, of one width.
    ``family``: ``lut6`` or ``lut4``. ``depth``: levels that the logic should not exceed; if it can't be kept, or is
    None, levels are weighed against LUTs (:data:`LEVEL_WORTH`). ``moves``: of the search for each neuron;
    by default so many that 100,000 synapses take some 20 s. The result depends on ``seed`` and ``moves``, unless
    ``seconds`` are over: then the neurons that are left get three moves. :class:`UserError` for unfit arguments.
    """
    return Searched(weights, offsets, fire=fire, family=family, seconds=seconds, seed=seed, moves=moves).mapped(depth)


class Searched:
    """A layer whose neurons were searched for, once; arguments as of :func:`map_layer`. Its logic may then be made for
    several depths."""

    def __init__(
        self,
        weights: np.ndarray,
        offsets: np.ndarray,
        *,
        fire: bool,
        family: str = "lut6",
        seconds: float = 120.0,
        seed: int = 0,
        moves: int | None = None,
    ) -> None:
        weights, offsets = np.asarray(weights), np.asarray(offsets)
        if weights.ndim != 2 or offsets.shape != weights.shape[:1]:
            raise UserError(
                f"a layer wants weights (neurons, inputs) and offsets (neurons,), not {weights.shape} and "
                f"{offsets.shape}"
            )
        if family not in MAPPINGS:
            raise UserError(f"family must be one of {', '.join(MAPPINGS)}, not {family!r}")
        weights, offsets = weights.astype(np.int64), offsets.astype(np.int64)
        if np.abs(weights).sum(axis=1).max(initial=0) > LARGEST:
            raise UserError(f"sums beyond {LARGEST:,} are not mapped")
        self.weights, self.offsets, self.fire, self.family = weights, offsets, fire, family
        self.constant, self.width = 0, 1
        if not fire:
            low = int((np.minimum(weights, 0).sum(axis=1) + offsets).min(initial=0))
            high = int((np.maximum(weights, 0).sum(axis=1) + offsets).max(initial=0))
            self.width = max(1, max(~low, high).bit_length())
            self.constant = 1 << self.width if low < 0 else 0  # a signed value is the unsigned one, top bit inverted
            self.width += low < 0
        if moves is None:
            moves = int(np.clip(EFFORT // max(1, int(np.count_nonzero(weights))), *MOVES))
        end = time.monotonic() + seconds
        alike: dict[object, list[Neuron]] = {}  # neurons with the same weights, at whatever inputs, are one search
        for neuron in self._neurons(Builder(weights.shape[1])).values():
            alike.setdefault(neuron.likeness(), []).append(neuron)
        self.found: dict[object, Found | None] = {}
        for number, (likeness, members) in enumerate(alike.items()):
            members[0].search(moves * min(len(members), 10) if time.monotonic() < end else 3, seed + number)
            self.found[likeness] = members[0].found

    def _neurons(self, builder: Builder) -> "dict[tuple[bytes, int], Neuron]":
        """Return the neurons that differ, by weights and offset, to be made by ``builder``."""
        return {
            (row.tobytes(), offset): Neuron(builder, row, offset + self.constant, self.fire, self.width, self.family)
            for row, offset in zip(self.weights, self.offsets.tolist(), strict=True)
        }

    def mapped(self, depth: int | None = None) -> Mapped:
        """Return the logic, of at most ``depth`` levels where that can be."""
        builder = Builder(self.weights.shape[1])
        neurons = self._neurons(builder)
        for neuron in neurons.values():
            neuron.found = self.found[neuron.likeness()]
        limit = choose_depth(list(neurons.values()), depth)
        made = {key: neuron.make(limit) for key, neuron in neurons.items()}
        rows = zip(self.weights, self.offsets.tolist(), strict=True)
        outputs = tuple(made[row.tobytes(), offset] for row, offset in rows)
        return Mapped(pack(Logic(builder.inputs, tuple(builder.nodes), outputs), self.family), self.constant)


def choose_depth(neurons: Sequence["Neuron"], depth: int | None) -> int:
    """Return the levels that each of ``neurons`` may have: at most ``depth``, else those of the least weighted cost."""
    found = [neuron.found.luts for neuron in neurons if neuron.found is not None]
    if not found:
        return MOST_LEVELS
    total = np.minimum.accumulate(found, axis=1).sum(axis=0)
    if depth is None:
        return int(np.argmin(total * LEVEL_WORTH ** np.arange(len(total))))
    possible = np.flatnonzero(total < FAILED)
    return int(max(depth, possible[0])) if len(possible) else len(total) - 1


class Neuron:
    """One neuron: what the search ``found`` for each number of levels, None where none was needed."""

    def __init__(self, builder: Builder, row: np.ndarray, offset: int, fire: bool, width: int, family: str) -> None:
        self.fire, self.width = fire, width
        self.final, inside, odd = MAPPINGS[family]
        if fire and (factor := gcd(*row.tolist())) > 1:
            row, offset = row // factor, offset // factor
        self.row, self.offset, self.builder = row, offset, builder
        self.found: Found | None = None
        self.live = np.flatnonzero(row)
        low, high = int(np.minimum(row, 0).sum()) + offset, int(np.maximum(row, 0).sum()) + offset
        self.known: int | None = None
        if fire and (low >= 0 or high < 0):
            self.known = ONE if low >= 0 else ZERO
        # four LUTs of four inputs and the multiplexers beside them hold six inputs, less than any sum of them
        self.small = len(self.live) <= (TABLE_INPUTS if fire else self.final)
        self.searched = self.known is None and not self.small
        if self.searched:
            self.terms = Terms(builder, row, odd)
            sizes = np.array(self.terms.sizes, np.int64)
            places = np.array([(size & -size).bit_length() - 1 for size in self.terms.sizes], np.int64)
            powers = np.flatnonzero(sizes & (sizes - 1) == 0)
            self.classes = Classes(sizes, places, powers, inside, self.final)
            self.start = self.terms.histogram()

    def likeness(self) -> tuple[tuple[int, ...], bytes, int] | None:
        """Return what decides the search."""
        if not self.searched:
            return None
        return tuple(self.terms.sizes), self.start.tobytes(), self.offset if self.fire else 0

    def search(self, moves: int, seed: int) -> None:
        """Look for operations with ``moves`` sets of parameters."""
        if not self.searched:
            return
        luts = np.full(MOST_LEVELS + 2, 1e18)
        self.found = Found(luts, np.zeros((len(luts), len(self.classes.sizes))), np.zeros((len(luts), 2 * PHASES)))
        climb(self.classes, self.start, -self.offset, self.fire, moves, seed, self.found)

    def _searched(self) -> Found:
        """What :meth:`search` found, which comes before :meth:`make`."""
        if self.found is None:
            raise ValueError("a neuron is searched for before it is made")
        return self.found

    def make(self, limit: int) -> tuple[int, ...]:
        """Make the neuron of the fewest LUTs among those of at most ``limit`` levels; return its bits."""
        if self.known is not None:
            return (self.known,)
        if self.small:
            values = sums(self.row[self.live]) + self.offset
            if self.fire:
                return (self.builder.table(self.live.tolist(), values >= 0),)
            return tuple(self.builder.table(self.live.tolist(), values >> k & 1) for k in range(self.width))
        found = self._searched()
        reached = np.flatnonzero(found.luts < 1e18)
        allowed = reached[reached <= limit]
        levels = min(allowed, key=lambda d: (found.luts[d], d)) if len(allowed) else reached[0]
        operations = np.zeros((ROWS, COLUMNS), np.int64)
        price, enough = found.prices[levels], found.enoughs[levels]
        count = construct(self.classes, self.start, -self.offset, self.fire, price, enough, operations)[2]
        threshold = self.terms.follow(operations[:count].tolist(), -self.offset)
        if not self.fire:
            return self.terms.ripple(-threshold, self.width)
        weights, bits = self.terms.bits()
        if len(bits) <= self.final:
            return (self.builder.table(bits, sums(weights) >= threshold),)
        low, high = sum(w for w in weights if w < 0), sum(w for w in weights if w > 0)
        width = max(high - threshold, threshold - 1 - low).bit_length() + 1
        return (self.builder.table([self.terms.ripple(-threshold, width)[-1]], [1, 0]),)
