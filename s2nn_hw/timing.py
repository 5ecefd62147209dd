"""The exact cycle count: when each word, slot and result happens, for any frames, without a simulator.

Every time is a cycle number, the first cycle after reset being 0. A source that always has a beat and a sink
that is always ready are assumed; then all follows from the number of ones per pass, word and bank. The
recurrences are maxima of earlier times plus constants, one line per condition in the circuit, and are worked
for many independent sequences of frames at once (numpy, one array element a sequence).

    taken    a word passes from one part to the next       seen    one cycle later
    moved    the banks go on to the next pass              closed  the frame's closing slot is issued

Interval of a layer that is never held up: ``sum over passes of max over banks of ones, at least 1, + 1``.
"""

from dataclasses import dataclass

import numpy as np

from .engines.event import PASSES_AHEAD

LONG_AGO = -(1 << 40)


class BufferTiming:
    """``pixels.BitPlanes`` for ``count`` sequences: ``words`` beats a frame in, ``planes`` passes of them out."""

    def __init__(self, words, planes, count):
        self.words, self.planes = words, planes
        self.beat = np.full(count, -1, np.int64)  # the last beat was taken
        self.moved_on = np.full(count, LONG_AGO, np.int64)  # the last word went from the memory to the output
        self.left = np.full(count, LONG_AGO, np.int64)  # the last word was taken from the output
        self.read_out = [np.full(count, LONG_AGO, np.int64)] * 2  # the last read of the two frames before

    def enter(self):
        """Take one frame of beats as early as possible; return the cycles, ``(words, count)``."""
        cycles = []
        for word in range(self.words):
            free = self.read_out[0] + 1 if word == 0 else self.beat
            self.beat = np.maximum(self.beat + 1, free)
            cycles.append(self.beat)
        return cycles

    def leave(self, beats, take):
        """Pass the frame's words on, ``take(pass, word, offered) -> taken``."""
        for plane in range(self.planes):
            for word in range(self.words):
                there = beats[word] + 1
                read = np.where(there <= self.moved_on, self.moved_on, np.maximum(there, self.left))
                self.moved_on = np.maximum(read + 1, self.left)
                self.left = take(plane, word, self.moved_on + 1)
        self.read_out = [self.read_out[1], read]


class EngineTiming:
    """``engines.event.EventEngine`` and the neurons behind it, for ``count`` sequences."""

    def __init__(self, params, count):
        self.params = params
        banks = range(params.banks)
        self.taken = np.full(count, -1, np.int64)
        self.pops = [np.full((params.depth, count), LONG_AGO, np.int64) for _ in banks]  # ring: last `depth` words
        self.queued = np.zeros((params.banks, count), np.int64)  # words ever queued
        self.scanned = [np.full(count, LONG_AGO, np.int64) for _ in banks]  # the last one of the last word
        self.moves = [np.full(count, LONG_AGO, np.int64)] * (PASSES_AHEAD + 1)
        self.closed = np.full(count, LONG_AGO, np.int64)
        self.released = np.full(count, LONG_AGO, np.int64)
        self.lane = np.arange(count)

    def word(self, ones, offered):
        """Offer a word with ``ones`` ``(count, banks)`` at cycle ``offered``; return when it is taken."""
        depth = self.params.depth
        taken = np.maximum(np.maximum(offered, self.taken + 1), self.moves[-PASSES_AHEAD] + 1)
        slots = [self.queued[bank] % depth for bank in range(self.params.banks)]
        for bank, slot in enumerate(slots):
            taken = np.maximum(taken, self.pops[bank][slot, self.lane] + 1)
        for bank, slot in enumerate(slots):
            count = ones[:, bank]
            some = count > 0
            popped = np.maximum(np.maximum(taken + 1, self.scanned[bank]), self.moves[-1])
            begun = np.maximum(popped, self.closed) + 1
            self.pops[bank][slot[some], self.lane[some]] = popped[some]
            self.scanned[bank] = np.where(some, begun + count - 1, self.scanned[bank])
            self.queued[bank] += some
        self.taken = taken
        return taken

    def end_pass(self):
        """All words of a pass were taken: note when the banks move on."""
        moved = np.maximum(self.taken + 1, np.maximum(self.moves[-1], self.closed) + 1)
        for scanned in self.scanned:
            moved = np.maximum(moved, scanned)
        self.moves = [*self.moves[1:], moved]

    def close(self):
        """All passes of a frame are over: return the cycle from which the neurons hold it."""
        self.closed = np.maximum(self.moves[-1], self.released) + 1
        return self.closed + self.params.depth_cycles


@dataclass(frozen=True)
class Schedule:
    """Cycle numbers, int64 ``(sequences, frames)`` each; ``closed`` has a leading axis for the layers.

    ``begun``: first beat taken; ``offered``: result offered (and taken); ``cycles``: the difference, which the
    circuit reports; ``closed``: the layer's closing slot, so differences along frames are its interval.
    """

    begun: np.ndarray
    offered: np.ndarray
    closed: np.ndarray

    @property
    def cycles(self):
        return self.offered - self.begun


class Timing:
    """Cycles of an accelerator with layers ``params`` (:class:`EventParams`) and ``classes`` classes."""

    def __init__(self, params, *, classes):
        self.params = params
        self.readout_levels = (classes - 1).bit_length()

    def ones(self, inputs):
        """Return the ones per layer, each ``(frames, passes, words, banks)``, of each layer's integer inputs."""
        return [params.ones(values) for params, values in zip(self.params, inputs, strict=True)]

    def lower_bounds(self, ones):
        """Return ``(frames, layers)``: no engine with these banks and words can have a shorter interval.

        ``max(active inputs / banks, words of all passes)``, active inputs counted per bit plane.
        """
        return np.stack(
            [
                np.maximum(n.sum(axis=(1, 2, 3)) / p.banks, p.words * p.planes)
                for p, n in zip(self.params, ones, strict=True)
            ],
            axis=1,
        )

    def schedule(self, ones, *, length=1):
        """Return the :class:`Schedule` of ``ones`` (see :meth:`ones`), cut into sequences of ``length`` frames.

        Frames of a sequence follow each other as fast as they are taken; each sequence starts in an empty
        circuit. ``length`` 1 gives the latency of single frames. The number of frames must be a multiple.
        """
        frames = len(ones[0])
        if frames % length:
            raise ValueError(f"{frames} frames can't be cut into sequences of {length}")
        count = frames // length
        parts = [n.reshape(count, length, *n.shape[1:]) for n in ones]
        first = self.params[0]
        buffer = BufferTiming(first.words, first.planes, count)
        engines = [EngineTiming(params, count) for params in self.params]
        begun, offered, closed = [], [], []
        for frame in range(length):
            beats = buffer.enter()

            def take(plane, word, cycle, frame=frame):
                taken = engines[0].word(parts[0][:, frame, plane, word], cycle)
                if word == first.words - 1:
                    engines[0].end_pass()
                return taken

            buffer.leave(beats, take)
            ready = engines[0].close()
            for engine, before, table in zip(engines[1:], engines, parts[1:], strict=False):
                taken = ready - 1
                for word in range(engine.params.words):
                    taken = engine.word(table[:, frame, 0, word], np.maximum(ready, taken + 1))
                engine.end_pass()
                before.released = taken
                ready = engine.close()
            result = ready + self.readout_levels
            engines[-1].released = result
            begun.append(beats[0])
            offered.append(result)
            closed.append([engine.closed for engine in engines])
        return Schedule(np.stack(begun, axis=1), np.stack(offered, axis=1), np.array(closed).transpose(1, 2, 0))


def engine_alone(params, ones):
    """Return the intervals, int64 ``(sequences, frames - 1)``, of one engine that nobody holds up.

    ``ones``: ``(sequences, frames, passes, words, banks)``, see :meth:`EventParams.ones`. A word is always offered
    and the neurons are always free, so what remains is the engine's own: from one frame's closing slot to the next.
    """
    engine, closed = EngineTiming(params, len(ones)), []
    for frame in range(ones.shape[1]):
        for plane in range(params.planes):
            for word in range(params.words):
                engine.word(ones[:, frame, plane, word], engine.taken + 1)
            engine.end_pass()
        engine.close()
        closed.append(engine.closed)
    return np.diff(np.stack(closed, axis=1), axis=1)
