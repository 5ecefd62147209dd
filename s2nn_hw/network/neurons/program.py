"""What a neuron does with the accumulator after a plane of spikes: actions, a cycle each, of one adder.

    ``a <- base + addend``

    base     the accumulator, or none where a spike ``restarts`` it
    addend   a constant, one where the accumulator's sign is a spike and one where it is not; ``~(a >> leak)``; what an
             earlier action ``holds``; or the accumulator itself, which ``doubles`` it

A spike is ``a >= 0``. After the last action it is looked at once more, for the spike that leaves last.
"""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Action:
    """One cycle; ``quiet``, ``spike``: int64 ``(neurons,)``, what is added without and with a spike.

    ``emits``: the spike leaves. ``leak``: ``~(a >> leak)`` is added instead, 0: not. ``adds_held``: what was held is
    added instead. ``holds``: the accumulator is held before. ``restarts``: a spike sets the accumulator to ``spike``.
    ``late``: the spike is that of the action before, which was a leak. Circuits alone have two more: one that
    ``doubles``, with a bit of the start value to fill up, and one that ``ends`` a frame: the start value comes back.
    """

    quiet: np.ndarray
    spike: np.ndarray
    emits: bool = False
    leak: int = 0
    adds_held: bool = False
    holds: bool = False
    restarts: bool = False
    late: bool = False
    doubles: bool = False
    ends: bool = False

    def shared_out(self, groups: int, lanes: int) -> "Action":
        """Return the action with constants ``(groups, lanes)``, 0 in spare lanes."""
        spare = groups * lanes - len(self.quiet)
        quiet, spike = (np.pad(table, (0, spare)).reshape(groups, lanes) for table in (self.quiet, self.spike))
        return replace(self, quiet=quiet, spike=spike)


@dataclass(frozen=True, eq=False)
class Program:
    """The actions of a frame's planes: ``between`` two planes and ``after`` the last.

    ``start``: int64 ``(neurons,)``, what is added to the sums: accumulators start there. ``shift``: fraction bits of
    the accumulator below the sums. Spikes that leave: those of the actions that emit, and one more.
    """

    start: np.ndarray
    between: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    shift: int = 0


def idle(size: int, **more: bool) -> Action:
    """Return the action of ``size`` neurons that adds nothing of its own."""
    return constant(np.zeros(size, np.int64), **more)


def constant(value: np.ndarray, **more: bool) -> Action:
    """Return the action that adds ``value`` with and without a spike."""
    return Action(value, value, **more)
