"""What accumulators can reach: interval arithmetic over every cycle of a frame, from the weights alone.

Within a pass any subset of the inputs may have been added, so the interval grows by the sum of the negative and of the
positive weights; a doubling maps ``[low, high]`` to ``[2 low + fill, 2 high + fill]``; an action maps what spikes
(``0 .. high``) and what does not (``low .. -1``) apart, and a leak, which never falls where its argument rises, both
ends.
"""

from typing import Any, NamedTuple

import numpy as np

from s2nn_hw.network.neurons.program import Action

NONE = 1 << 40  # an interval that holds nothing has its low end here, its high end at the negative


class Span(NamedTuple):
    """An interval of each accumulator, int64 ``(groups, lanes)`` each end; nothing where ``low > high``."""

    low: np.ndarray
    high: np.ndarray

    def plus(self, low: np.ndarray, high: np.ndarray) -> "Span":
        """Return the span moved by ``low .. high``, empty where it was."""
        empty = self.low > self.high
        return Span(np.where(empty, NONE, self.low + low), np.where(empty, -NONE, self.high + high))

    def joined(self, other: "Span") -> "Span":
        """Return the least span that holds both."""
        return Span(np.minimum(self.low, other.low), np.maximum(self.high, other.high))

    def spiking(self, spikes: bool) -> "Span":
        """Return the part that is a spike, or that is none."""
        low = np.maximum(self.low, 0) if spikes else self.low
        high = self.high if spikes else np.minimum(self.high, -1)
        empty = low > high
        return Span(np.where(empty, NONE, low), np.where(empty, -NONE, high))

    def leaked(self, leak: int) -> "Span":
        """Return the span of ``a + ~(a >> leak)``."""
        empty = self.low > self.high
        low, high = (end + ~(end >> leak) for end in self)
        return Span(np.where(empty, NONE, low), np.where(empty, -NONE, high))


def reach(params: Any) -> Span:
    """Return what the accumulators of ``params`` hold in any cycle, int64 ``(groups, lanes)``."""
    negative, positive = (side << params.shift for side in params.pass_reach)
    start, fill = params.start()
    span = Span(start.copy(), start.copy())
    every = span
    for plane in range(params.planes):
        if plane and params.radix:
            span = Span(2 * span.low + fill[plane - 1], 2 * span.high + fill[plane - 1])
        span = span.plus(negative, positive)
        every = every.joined(span)
        span, visited = _acted(span, params.after if plane == params.planes - 1 else params.between)
        every = every.joined(visited)
    return every


def _acted(span: Span, actions: tuple[Action, ...]) -> tuple[Span, Span]:
    """Return ``span`` after ``actions``, and all that was reached on the way."""
    quiet, spike, held, every = span.spiking(False), span.spiking(True), span, span
    for action in actions:
        if not action.late:
            quiet, spike = span.spiking(False), span.spiking(True)
        if action.holds:
            held = span
        if action.leak:
            quiet, spike = quiet.leaked(action.leak), spike.leaked(action.leak)
        elif action.adds_held:
            quiet, spike = quiet.plus(*held), spike.plus(*held)
        else:
            quiet = quiet.plus(action.quiet, action.quiet)
            if action.restarts:
                gone = spike.low > spike.high
                spike = Span(np.where(gone, NONE, action.spike), np.where(gone, -NONE, action.spike))
            else:
                spike = spike.plus(action.spike, action.spike)
        span = quiet.joined(spike)
        every = every.joined(span)
    return span, every
