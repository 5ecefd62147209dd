"""What accumulators can reach: interval arithmetic over every cycle of a frame, from the weights alone.

Within a pass any subset of the inputs may have been added, so the interval grows by the sum of the negative and of the
positive weights (of a sign's plane that is subtracted, their negatives); a doubling maps ``[low, high]`` to
``[2 low + fill, 2 high + fill]``, a complement before it to ``[~high, ~low]``; an action maps what spikes
(``0 .. high``) and what does not (``low .. -1``) apart, and a leak, which never falls where its argument rises, both
ends.
"""

from typing import Any, NamedTuple, Self

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


class Reached(NamedTuple):
    """Where accumulators are: ``now``; apart what is ``quiet`` and what is a ``spike``, as the last action looked at
    it; what was ``held``; and ``every`` place on the way."""

    now: Span
    quiet: Span
    spike: Span
    held: Span
    every: Span

    @classmethod
    def of(cls, span: Span, every: Span | None = None) -> Self:
        """Return that accumulators are in ``span``, and were in ``every`` place before."""
        return cls(span, span.spiking(False), span.spiking(True), span, every.joined(span) if every else span)

    def plus(self, span: Span) -> "Reached":
        """Return it with something of ``span`` added."""
        now = self.now.plus(*span)
        return Reached.of(now, self.every)

    def after(self, action: Action) -> "Reached":
        """Return it after ``action``."""
        quiet, spike = (self.quiet, self.spike) if action.late else (self.now.spiking(False), self.now.spiking(True))
        held = self.now if action.holds else self.held
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
        now = quiet.joined(spike)
        return Reached(now, quiet, spike, held, self.every.joined(now))

    def doubled(self, fill: np.ndarray, every: bool) -> "Reached":
        """Return it doubled, and ``fill`` added; ``every``: accumulators hold that, before more is added."""
        span = Span(2 * self.now.low + fill, 2 * self.now.high + fill)
        return Reached.of(span, self.every) if every else Reached(span, span, span, span, self.every)

    def complement(self) -> "Reached":
        """Return its complement, which no accumulator holds yet."""
        span = Span(~self.now.high, ~self.now.low)
        return Reached(span, span, span, span, self.every)

    def widths(self) -> list[int]:
        """Return the bits of signed accumulators that hold ``every`` place: of the last axis, over all others."""
        low, high = (end.reshape(-1, end.shape[-1]) for end in self.every)
        return [
            max(int(~a if a < 0 else a).bit_length(), int(b if b >= 0 else ~b).bit_length()) + 1
            for a, b in zip(low.min(axis=0), high.max(axis=0), strict=True)
        ]


def reach(params: Any) -> Reached:
    """Return where the accumulators of ``params``, ``(groups, lanes)``, are in the cycles of a frame."""
    negative, positive = (side << params.shift for side in params.pass_reach)
    start, fill = params.start()
    at = Reached.of(Span(start.copy(), start.copy()))
    for plane in range(params.planes):
        last = plane == params.planes - 1
        subtracts = params.signed and params.acting and plane == 0
        at = at.plus(Span(-positive, -negative) if subtracts else Span(negative, positive))
        for action in params.after if last else params.between:
            if not action.doubles:
                at = at.after(action)
        if params.radix and not last:
            if params.complements and plane == 0:
                at = at.complement()
            at = at.doubled(fill[plane], params.acting)
    return at
