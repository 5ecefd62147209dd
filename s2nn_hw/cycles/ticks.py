"""The cycles of a circuit of sequences: when each tick of each layer begins, and when results are offered.

    start[l, t] = max(free[l, t - 1], 1 + taken of each source's vector of the tick)
    done[l, t]  = start[l, t] + groups (n + actions + 2) - actions             all sources are scanned
    taken[l, t] = max(done[l, t] + actions + 2, done[r, t or t - 1] + 1 of all its readers r)
    free[l, t]  = taken[l, t] + 1

n are the ones of all that a layer reads in a tick. A reader takes a vector when it has scanned the one before: that of
a loop belongs to the tick after. A readout is free at ``done + actions + 2``, in a sequence's last tick in
the cycle behind its result, which is offered ``classes + 1`` cycles behind ``done + actions + 1``. A frame enters in so
many cycles as it has beats, and is offered in the next one; the next enters when its last tick is taken. A layer that
alone reads the input takes a frame in the cycle in which it is scanned. A sequence enters when the one
:data:`UNDER_WAY` before has its result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from s2nn_hw.compiled import njit
from s2nn_hw.network.layer import INPUT

UNDER_WAY = 2  # sequences


@dataclass(frozen=True)
class TickSchedule:
    """Cycles, int64, the first beat of all being taken in cycle 0.

    ``begun``, ``offered`` ``(sequences,)``: when a sequence's first beat is taken and its result is offered first;
    ``starts`` ``(layers, ticks)``; ``busy`` ``(layers,)``: cycles in which a layer has a tick.
    """

    begun: np.ndarray
    offered: np.ndarray
    starts: np.ndarray
    busy: np.ndarray

    @property
    def cycles(self) -> np.ndarray:
        """What the circuit counts of each sequence, int64 ``(sequences,)``."""
        return self.offered - self.begun


@dataclass(frozen=True)
class TickTiming:
    """The cycle model of ``stages`` (:class:`~s2nn_hw.circuit.recurrent.params.RecurrentParams`), whose frames have
    ``beats`` beats and are held for ``ticks`` ticks."""

    stages: Sequence[Any]
    ticks: int
    beats: int

    def schedule(self, ones: Sequence[np.ndarray], ends: np.ndarray) -> TickSchedule:
        """Return when it happens if sequences follow each other without a gap and no result is refused.

        ``ones``: of each layer in each tick, int64 ``(ticks,)``; ``ends``: int64 ``(sequences + 1,)``, the tick with
        which each begins, and the end.
        """
        numbers = {stage.name: k for k, stage in enumerate(self.stages)} | {INPUT: -1}
        edges = [
            (numbers[source.name], k, source.direct) for k, stage in enumerate(self.stages) for source in stage.sources
        ]
        fixed = [(s.groups, s.neuron.actions) for s in self.stages]
        classes = self.stages[-1].neuron.size
        return TickSchedule(
            *_schedule(
                np.array(ones, np.int64).reshape(len(self.stages), -1),
                np.asarray(ends, np.int64),
                np.array(edges, np.int64),
                np.array(fixed, np.int64),
                np.array([self.ticks, self.beats, 1 + classes], np.int64),
            )
        )

    def alone(self, ones: Sequence[np.ndarray], ends: np.ndarray) -> np.ndarray:
        """Return the cycles of each sequence that is sent when the circuit is idle, int64 ``(sequences,)``."""
        return np.array(
            [
                self.schedule([one[a:b] for one in ones], np.array([0, b - a])).cycles[0]
                for a, b in pairwise(ends.tolist())
            ],
            np.int64,
        )


@njit(nogil=True)
def _schedule(
    ones: np.ndarray, ends: np.ndarray, edges: np.ndarray, fixed: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    layers, total = ones.shape
    ticks, beats, answer = times
    begun, offered = np.zeros(len(ends) - 1, np.int64), np.zeros(len(ends) - 1, np.int64)
    starts, busy = np.zeros((layers, total), np.int64), np.zeros(layers, np.int64)
    done = np.full(layers, -1, np.int64)  # of each layer's latest tick
    free = np.zeros(layers, np.int64)
    taken = np.full(layers + 1, -1, np.int64)  # of the vector of each tensor's latest tick; the last is the input's
    sequence, entered, direct = 0, 0, edges[:, 2].any()
    for tick in range(total):
        if tick == ends[sequence]:
            if sequence >= UNDER_WAY:
                entered = max(entered, offered[sequence - UNDER_WAY] + 1)
            begun[sequence] = entered
        if tick % ticks == 0:
            entered += beats
        offer = entered
        if not direct:
            taken[-1] = _taken(edges, done, -1, offer)
            entered = taken[-1] + 1
        for layer in range(layers):
            groups, actions = fixed[layer]
            start = _start(edges, taken, layer, free[layer], offer)
            starts[layer, tick] = start
            done[layer] = start + groups * (ones[layer, tick] + actions + 2) - actions
            if direct and _reads_input(edges, layer):
                entered = done[layer] + 1
            free[layer] = done[layer] + actions + 2
            if layer < layers - 1:
                taken[layer] = _taken(edges, done, layer, free[layer])
                free[layer] = taken[layer] + 1
            elif tick + 1 == ends[sequence + 1]:
                offered[sequence] = free[layer] - 1 + answer
                free[layer] = offered[sequence] + 1
                sequence += 1
            busy[layer] += free[layer] - start
    return begun, offered, starts, busy


@njit(nogil=True)
def _start(edges: np.ndarray, taken: np.ndarray, layer: int, free: int, offer: int) -> int:
    """Return when the tick of ``layer`` begins; of a loop still the vector of the tick before has been taken."""
    start = free
    for k in range(len(edges)):
        if edges[k, 1] == layer:
            start = max(start, offer if edges[k, 2] else taken[edges[k, 0]] + 1)
    return start


@njit(nogil=True)
def _taken(edges: np.ndarray, done: np.ndarray, tensor: int, offer: int) -> int:
    """Return when the vector of ``tensor`` is taken by all its readers."""
    passed = offer
    for k in range(len(edges)):
        if edges[k, 0] == tensor:
            passed = max(passed, done[edges[k, 1]] + 1)
    return passed


@njit(nogil=True)
def _reads_input(edges: np.ndarray, layer: int) -> bool:
    return bool(((edges[:, 1] == layer) & (edges[:, 2] == 1)).any())
