"""What a neuron does with the accumulator after a plane of spikes: slots, a cycle each, of one adder.

    ``a <- base + addend``

    base     the accumulator, or what it started from where a spike ``restarts`` it
    addend   a constant, one where the accumulator's sign is a spike and one where it is not; ``~(a >> leak)``; or what
             an earlier slot ``holds``

A spike is ``a >= 0``. After the last slot it is looked at once more, for the spike that leaves last.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Slot:
    """One cycle; ``quiet``, ``spike``: int64 ``(neurons,)``, what is added without and with a spike.

    ``emits``: the spike leaves. ``leak``: ``~(a >> leak)`` is added instead, 0: not. ``adds_held``: what was held is
    added instead. ``holds``: the accumulator is held before. ``restarts``: a spike sets the accumulator to its start
    value. ``late``: the spike is that of the slot before, which left its sign.
    """

    quiet: np.ndarray
    spike: np.ndarray
    emits: bool = False
    leak: int = 0
    adds_held: bool = False
    holds: bool = False
    restarts: bool = False
    late: bool = False


@dataclass(frozen=True, eq=False)
class Program:
    """The slots of a frame's planes: ``between`` two planes and ``behind`` the last.

    ``start``: int64 ``(neurons,)``, what is added to the sums: accumulators start there. ``shift``: fraction bits of
    the accumulator below the sums. ``planes``: spikes that leave, those of the slots that emit and one more.
    """

    start: np.ndarray
    between: tuple[Slot, ...] = ()
    behind: tuple[Slot, ...] = ()
    shift: int = 0

    @property
    def plain(self) -> bool:
        """Whether sums are only looked at when all are there."""
        return not (self.between or self.behind or self.shift)

    def cycles(self, planes: int) -> int:
        """Return the slots of a frame of ``planes`` planes."""
        return len(self.between) * (planes - 1) + len(self.behind)


def constant(value: np.ndarray, **more: bool) -> Slot:
    """Return the slot that adds ``value`` with and without a spike."""
    return Slot(value, value, **more)
