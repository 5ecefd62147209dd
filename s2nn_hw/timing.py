"""The exact cycle count: when each word, pass and result happens, for any frames, without a simulator.

Every time is a cycle number, the first cycle after reset being 0. A source that always has a beat and a sink that is
always ready are assumed; then all follows from the number of ones per pass, word and bank. The recurrences are
maxima of earlier times plus constants, one line per condition in the circuit (``events``, compiled by numba).

    event engine      a layer that is never held up takes ``sum over passes of max over banks of ones, at least 1``
    parallel engine   ``passes x words``
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from . import events
from .engines.event import EventParams
from .errors import ProofError
from .network import INPUT

GROUPS_SHIFT, SPLITS_SHIFT = 4, 24  # how `events.ones_row` packs planes, groups and splits


@dataclass(frozen=True)
class Schedule:
    """Cycle numbers, int64 ``(sequences, frames)`` each; ``closed`` has a leading axis for the stages.

    ``begun``: first beat taken; ``offered``: result offered (and taken); ``cycles``: the difference, which the
    circuit reports; ``closed``: the last slot of a layer's engine, so differences along frames are its interval
    (0 for a join, which has no engine).
    """

    begun: np.ndarray
    offered: np.ndarray
    closed: np.ndarray

    @property
    def cycles(self):
        return self.offered - self.begun


class Deadlock(ProofError):
    """The words of a frame can't all pass: a buffer in front of a join is too small."""


class Timing:
    """Cycles of an accelerator of ``stages`` (:class:`s2nn_hw.lower.Stage`) with ``classes`` classes."""

    def __init__(self, stages, *, classes, frames_under_way):
        self.stages, self.frames_under_way = stages, frames_under_way
        self.readout_levels = (classes - 1).bit_length()

    def ones(self, values):
        """Return the ones per stage, uint16 ``(frames, positions, splits, planes, words, banks)``.

        ``values``: integer values ``(frames, size)`` of every tensor by name. The parallel engine and joins, whose
        cycles do not depend on the data, get an array without elements.
        """
        return [stage_ones(stage, [values[r.source] for r in stage.readers]) for stage in self.stages]

    def lower_bounds(self, ones):
        """Return ``(frames, stages)``: no engine with these banks, lanes and words can have a shorter interval."""
        return np.stack([lower_bound(stage, n) for stage, n in zip(self.stages, ones, strict=True)], axis=1)

    def schedule(self, ones, *, length=1):
        """Return the :class:`Schedule` of ``ones`` (see :meth:`ones`), cut into sequences of ``length`` frames.

        Frames of a sequence follow each other as fast as they are taken; each sequence starts in an empty
        circuit. ``length`` 1 gives the latency of single frames. The number of frames must be a multiple.
        :class:`Deadlock` if the circuit would stop for ever.
        """
        frames = len(ones[0])
        if frames % length:
            raise ValueError(f"{frames} frames can't be cut into sequences of {length}")
        graph = _Graph(length)
        tensors = {r.source: r.tensor for stage in self.stages for r in stage.readers}
        result = graph.channel(1)
        source = graph.part(events.SOURCE, graph.channel(tensors[INPUT].words), a=tensors[INPUT].words, b=result)
        channels, parts = {INPUT: graph.parts[source][events.OUT]}, []
        for stage in self.stages:
            output = result if stage.is_readout else graph.channel(tensors[stage.output].words)
            channels[stage.output] = output
            sources = [graph.window(reader.window, channels[reader.source]) if reader.window
                       else channels[reader.source] for reader in stage.readers]
            parts.append(graph.stage(stage, sources, output, self.readout_levels))
        graph.sink(result)
        begun, offered, closed = graph.run(parts, ones, self.frames_under_way)
        return Schedule(begun, offered, closed)


def stage_ones(stage, values):
    """Return the ones of one stage, see :meth:`Timing.ones`; ``values``: of each of its sources."""
    if not isinstance(stage.engine, EventParams):
        return np.zeros((len(values[0]), 0), np.uint16)
    return stage.engine.ones(stage.words(values))


def lower_bound(stage, ones):
    """Return cycles, float64 ``(frames,)``, below which no frame can take in ``stage``'s engine.

    Event engine: ``max(active inputs / banks, words)``, an input counted once for each pass in which it is active;
    parallel engine and joins: their words.
    """
    words = sum(reader.frame_words for reader in stage.readers)
    if not isinstance(stage.engine, EventParams):
        return np.full(len(ones), float(words))
    passes = stage.engine.groups // ones.shape[2]
    active = ones.reshape(len(ones), -1).sum(axis=1, dtype=np.int64) * passes
    return np.maximum(active / stage.engine.banks, words)


def engine_alone(stage, ones, *, length=1):
    """Return the intervals, int64 ``(sequences, length - 1)``, of one stage's engine that nobody holds up.

    ``ones``: see :meth:`Timing.ones`, cut into sequences. A word is always offered and the neurons are always free, so
    what remains is the engine's own: from one frame's last slot to the next.
    """
    graph = _Graph(length)
    output = graph.channel(len(stage.positions) // stage.repeats)
    sources = []
    for reader in stage.readers:
        sources.append(graph.channel(reader.frame_words))
        graph.part(events.SOURCE, sources[-1], a=reader.frame_words, b=output)
    part = graph.stage(stage, sources, output, 0, words=1)
    graph.sink(output)
    _, _, closed = graph.run([part], [ones], length)
    return np.diff(closed[0], axis=1)


class _Graph:
    """The tables of :func:`events.run` for sequences of ``length`` frames."""

    def __init__(self, length):
        self.length = length
        self.parts, self.channels, self.ports, self.table = [], [], [], [0]

    def channel(self, frame_words):
        self.channels.append(frame_words * self.length)
        return len(self.channels) - 1

    def part(self, kind, out, *, sources=(), **numbers):
        """Add a part; ``sources``: ``(channel, words of a pass)`` of each; numbers ``a`` to ``k``: see ``events``."""
        row = [kind, out, len(self.ports), len(sources), *(numbers.get(name, 0) for name in "abcdefghjk")]
        self.ports += sources
        self.parts.append(row)
        return len(self.parts) - 1

    def window(self, params, source):
        """Add a window behind channel ``source``; return the channel of what leaves it."""
        words = len(params.positions) * params.groups * params.planes * params.pass_words
        cells = len(params.origins)
        oldest = len(self.table)
        self.table += params.oldest.tolist()
        needs = len(self.table)
        which = np.arange(params.groups) * params.splits // params.groups
        order = np.repeat(params.needs[:, :, which], params.planes, axis=2)
        self.table += order.reshape(-1).tolist()
        out = self.channel(words)
        self.part(events.WINDOW, out, sources=[(source, 1)], a=params.frame_words, b=words, c=params.depth, d=oldest,
                  e=cells, f=needs, g=words // cells)
        return out

    def stage(self, stage, sources, output, readout_levels, words=None):
        """Add engine and neurons (or the OR) behind the channels ``sources``; return the engine's part."""
        ports = [(c, reader.pass_words) for c, reader in zip(sources, stage.readers, strict=True)]
        engine = stage.engine
        if engine is None:
            return self.part(events.ORED, output, sources=ports, a=stage.pass_words)
        passes = engine.planes * engine.groups
        frame = len(stage.positions) * passes
        cells = len(stage.positions) // stage.repeats
        if words is None:
            words = 1 if stage.is_readout else self.channels[output] // self.length // cells
        unit = self.part(events.READOUT if stage.is_readout else events.UNIT, output, a=words, b=cells,
                         c=1 + (readout_levels if stage.is_readout else 0))
        numbers = dict(a=stage.pass_words, b=frame, c=passes * stage.repeats, f=engine.capture_cycles, g=unit, k=engine.slots)
        if isinstance(engine, EventParams):
            splits = max(r.window.splits if r.window else 1 for r in stage.readers)
            numbers |= dict(d=engine.banks, e=engine.depth, j=engine.ahead,
                            h=engine.planes | engine.groups << GROUPS_SHIFT | splits << SPLITS_SHIFT)
            return self.part(events.EVENT, output, sources=ports, **numbers)
        return self.part(events.PARALLEL, output, sources=ports, **numbers)

    def sink(self, channel):
        self.part(events.SINK, 0, sources=[(channel, 1)])

    def run(self, engines, ones, under_way):
        """Return ``begun``, ``offered`` and ``closed`` (of parts ``engines``) of all sequences in ``ones``."""
        parts = np.array(self.parts, np.int64)
        by_channel = [[q for q, (c, _) in enumerate(self.ports) if c == channel] for channel in
                      range(len(self.channels))]
        counts = [len(list_) for list_ in by_channel]
        channels = np.array([np.cumsum([0, *self.channels[:-1]]), self.channels, np.cumsum([0, *counts[:-1]]), counts]).T
        lengths = [self.channels[c] for c, _ in self.ports]
        ports = np.array([[c for c, _ in self.ports], np.cumsum([0, *lengths[:-1]]), lengths,
                          [n for _, n in self.ports]]).T
        readers = np.array([q for list_ in by_channel for q in list_], np.int64)
        sequences = len(ones[0]) // self.length
        results = np.zeros((sequences, self.length, 2), np.int64)
        closed = np.zeros((sequences, len(parts), self.length), np.int64)
        sizes = [prod(n.shape[1:]) * self.length for n in ones]
        ones_at = np.zeros(len(parts), np.int64)
        ones_at[engines] = np.cumsum([0, *sizes[:-1]])
        for k in range(sequences):
            rows = [n[k * self.length : (k + 1) * self.length].reshape(-1) for n in ones]
            done = events.run(parts, np.ascontiguousarray(channels), readers, np.ascontiguousarray(ports),
                              np.array(self.table, np.int64), np.concatenate(rows), ones_at, self.length, under_way,
                              results[k], closed[k])
            if not done:
                raise Deadlock("the circuit stops for ever: a buffer in front of a join holds too few words")
        return results[..., 0], results[..., 1], closed[:, engines].transpose(1, 0, 2)
