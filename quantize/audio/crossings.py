"""Level crossings: events where a channel has risen or fallen by a step, instead of its value in every frame.

Each channel keeps a reference, 0 before the first frame. In every tick

    up      value - reference >= step        then the reference rises by the step
    down    reference - value >= step        then it falls by the step

so a channel has at most one event a tick, and a value that jumps by several steps is caught up with in later ticks. A
frame is held for ``ticks`` of them. So a frame at the level of the one before it costs nothing.
"""

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import MAX_FRAMES, Frames, Sequences

BITS = 2  # an event's planes: up in the upper bit, down in the lower


class LevelCrossings:
    """The coder on a stream of frames, ``channels`` wide, uint8; events come out tick by tick."""

    def __init__(self, channels: int, step: int, ticks: int = 1) -> None:
        if not 1 <= step <= 255 or not 1 <= ticks <= 64:
            raise UserError(f"level crossings want a step of 1 to 255 and 1 to 64 ticks, not {step} and {ticks}")
        self.step, self.ticks = step, ticks
        self._references = np.zeros(channels, np.int64)

    def push(self, frames: Frames) -> Frames:
        """Return the events of ``frames`` ``(count, channels)``: uint8 ``(count * ticks, channels)``, 2 is up, 1 is
        down, 0 is none."""
        events = np.zeros((len(frames), self.ticks, frames.shape[1]), np.uint8)
        for frame, ticks in zip(frames.astype(np.int64), events, strict=True):
            for tick in ticks:
                away = frame - self._references
                up, down = away >= self.step, away <= -self.step
                self._references += self.step * (up.astype(np.int64) - down)
                tick[:] = 2 * up + down
        return events.reshape(-1, frames.shape[1])


def level_crossings(sequences: Sequences, step: int, ticks: int = 1) -> Sequences:
    """Return the events of ``sequences``: two planes, up and down, in values of two bits; ``ticks`` for each frame."""
    longest = int(sequences.lengths.max()) * ticks
    if longest > MAX_FRAMES:
        raise UserError(f"{sequences.name}: {ticks} ticks a frame make {longest:,} ticks; the limit is {MAX_FRAMES:,}")
    parts = [
        LevelCrossings(sequences.channels, step, ticks).push(sequences[number]) for number in range(len(sequences))
    ]
    return Sequences.of(
        parts,
        labels=sequences.labels,
        groups=sequences.groups,
        bits=BITS,
        classes=sequences.classes,
        name=sequences.name,
    )


def planes(events: Frames) -> Frames:
    """Return events, uint8 ``(ticks, channels)`` of two bits, as bits ``(ticks, 2 * channels)``: all ups, all downs."""
    return np.concatenate([events >> 1, events & 1], axis=-1)
