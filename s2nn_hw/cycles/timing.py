"""The exact cycle count: when each word, pass and result happens, for any frames, without a simulator.

Every time is a cycle number, that in which the first beat is offered being 0. Before it the circuit was idle for
:attr:`Timing.settle` cycles, in which it did ahead what needs no pixel: taps in the padding of the next frame. A source
that always has a beat and a sink that is always ready are assumed; then all follows from the number of ones per pass,
word and bank. The recurrences are maxima of earlier times plus constants, one line per condition in the circuit
(``events``, compiled by numba).

    event engine      a layer that is never held up takes ``sum over passes of max over banks of ones, at least 1``
    parallel engine   ``passes x words``; both: and a cycle for each of the neurons' actions
    unrolled engine   the words of its passes; with one word, a frame or window every cycle
"""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import NamedTuple

import numpy as np

from s2nn_hw.circuit.accumulation import MAX_SLOTS
from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.cycles import recurrences, state
from s2nn_hw.errors import ProofError
from s2nn_hw.network.layer import INPUT

SETTLED = 16  # cycles from the last word that needs no pixel until it has passed
LANES = 32  # sequences that are worked through together
LANE_BYTES = 1 << 29  # of their cycles
PART = 32  # frames whose ones are counted at once: more do not fit a cache


@dataclass(frozen=True)
class Schedule:
    """Cycle numbers, int64 ``(sequences, frames)`` each; ``opened`` and ``closed`` have a leading axis for the stages.

    ``begun``: first beat taken; ``offered``: result offered (and taken); ``cycles``: the difference, which the
    circuit reports; ``opened``: a layer takes its first word, 0 if that was before the first beat; ``closed``: the
    last slot of its engine, so differences along frames are its interval (of a join: when its last word leaves).
    ``settle``: as of :class:`Timing`.
    """

    begun: np.ndarray
    offered: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    settle: int = 0

    @property
    def cycles(self) -> np.ndarray:
        """From the first beat to the result."""
        return self.offered - self.begun

    @property
    def drain(self) -> int:
        """Cycles that the circuit may work on after the last result of a sequence: rows that no result needs, and what
        can be done ahead for the next frame."""
        return int((self.closed.max(axis=0) - self.offered)[:, -1].max().clip(min=0)) + self.settle


class Deadlock(ProofError):
    """The words of a frame can't all pass: a buffer in front of a join is too small."""


class Timing:
    """Cycles of an accelerator of ``stages`` (:class:`s2nn_hw.circuit.stage.Stage`) with ``classes`` classes."""

    def __init__(self, stages: Sequence[Stage], *, classes: int, frames_under_way: int) -> None:
        self.stages, self.frames_under_way = stages, frames_under_way
        self.classes = classes

    @cached_property
    def settle(self) -> int:
        """Cycles after which a circuit without input has done what it can: words of its windows that need no pixel."""
        ahead = sum(reader.window.words_ahead for stage in self.stages for reader in stage.readers if reader.window)
        return ahead + SETTLED if ahead else 0

    def ones(self, values: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return the ones per stage, uint16 ``(frames, positions, splits, planes, words, banks)``.

        ``values``: integer values ``(frames, size)`` of every tensor by name. The parallel engine and joins, whose
        cycles do not depend on the data, get an array without elements.
        """
        count = len(values[INPUT])

        def part(start: int) -> list[np.ndarray]:
            mine = {name: x[start : start + PART] for name, x in values.items()}
            return [stage_ones(stage, [mine[r.source] for r in stage.readers]) for stage in self.stages]

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            parts = list(pool.map(part, range(0, count, PART) if count else [0]))
        return [np.concatenate(tables) for tables in zip(*parts, strict=True)]

    def lower_bounds(self, ones: Sequence[np.ndarray]) -> np.ndarray:
        """Return ``(frames, stages)``: no engine with these banks, lanes and words can have a shorter interval."""
        return np.stack([lower_bound(stage, n) for stage, n in zip(self.stages, ones, strict=True)], axis=1)

    def schedule(self, ones: Sequence[np.ndarray], *, length: int = 1) -> Schedule:
        """Return the :class:`Schedule` of ``ones`` (see :meth:`ones`), cut into sequences of ``length`` frames.

        Frames of a sequence follow each other as fast as they are taken; each sequence starts in an idle
        circuit. ``length`` 1 gives the latency of single frames. The number of frames must be a multiple.
        :class:`Deadlock` if the circuit would stop for ever.
        """
        frames = len(ones[0])
        if frames % length:
            raise ValueError(f"{frames} frames can't be cut into sequences of {length}")
        graph = _Graph(length)
        tensors = {r.source: r.tensor for stage in self.stages for r in stage.readers}
        result = graph.channel(1)
        channels = {INPUT: graph.channel(tensors[INPUT].words)}
        parts: list[int] = []
        graph.part(state.SOURCE, channels[INPUT], [], tensors[INPUT].words, result, self.settle)
        for stage in self.stages:
            output = result if stage.is_readout else graph.channel(tensors[stage.output].words)
            channels[stage.output] = output
            sources = [
                graph.window(reader.window, channels[reader.source]) if reader.window else channels[reader.source]
                for reader in stage.readers
            ]
            parts.append(graph.stage(stage, sources, output, classes=self.classes))
        graph.sink(result)
        times = graph.run(parts, ones, self.frames_under_way)
        begun, offered, opened, closed = (cycles - self.settle for cycles in times)
        return Schedule(begun, offered, opened.clip(min=0), closed, self.settle)


def stage_ones(stage: Stage, values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the ones of one stage, see :meth:`Timing.ones`; ``values``: of each of its sources."""
    if stage.engine is None or not stage.engine.counts_spikes:
        return np.zeros((len(values[0]), 0), np.uint16)
    return stage.engine.ones(stage.words(values))


def lower_bound(stage: Stage, ones: np.ndarray) -> np.ndarray:
    """Return cycles, float64 ``(frames,)``, below which no frame can take in ``stage``'s engine.

    Event engine: the most of ``active inputs / banks`` over the sources, with the neurons' actions, and of ``words``,
    an input counted once for each pass in which it is active; parallel engine and joins: their words, with actions.
    The interval from the end of a frame to that of the next may be less, by what the scanner did ahead while slots of
    the first one were in the queue.
    """
    words = sum(reader.frame_words for reader in stage.readers)
    if not stage.engine:
        return np.full(len(ones), float(words))
    return stage.engine.lower_bound(words, ones, len(stage.positions))


def engine_alone(stage: Stage, ones: np.ndarray, *, length: int = 1) -> np.ndarray:
    """Return the intervals, int64 ``(sequences, length - 1)``, of one stage's engine that nobody holds up.

    ``ones``: see :meth:`Timing.ones`, cut into sequences. A word is always offered and the neurons are always free, so
    what remains is the engine's own: from one frame's last slot to the next.
    """
    if stage.engine:
        stage = replace(stage, engine=replace(stage.engine, slots=MAX_SLOTS))
    graph = _Graph(length)
    output = graph.channel(len(stage.positions) // stage.repeats)
    sources = []
    for reader in stage.readers:
        sources.append(graph.channel(reader.frame_words))
        graph.part(state.SOURCE, sources[-1], [], reader.frame_words, output)
    part = graph.stage(stage, sources, output, words=1)
    graph.sink(output)
    *_, closed = graph.run([part], [ones], length)
    return np.diff(closed[0], axis=1)


class _Circuit(NamedTuple):
    """The structure as arrays: ``rows`` of cycles that it needs, ``banks`` and words in a ``queue`` at most."""

    parts: np.ndarray
    channels: np.ndarray
    ports: np.ndarray
    rows: int
    banks: int
    queue: int


class _Graph:
    """The tables of :func:`recurrences.run` for sequences of ``length`` frames."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.parts: list[list[int]] = []
        self.channels: list[int] = []
        self.ports: list[tuple[int, int]] = []
        self.sources: list[list[tuple[int, int]]] = []
        self.table, self.cells = [0], 1

    def channel(self, frame_words: int) -> int:
        """Add a channel of ``frame_words`` a frame; return its number."""
        self.channels.append(frame_words * self.length)
        return len(self.channels) - 1

    def part(self, kind: int, out: int, sources: list[tuple[int, int]], *numbers: int) -> int:
        """Add a part; ``sources``: ``(channel, words of a pass)`` of each; ``numbers``: the columns of its kind."""
        row = [kind, out, len(self.ports), *numbers]
        self.ports += sources
        self.sources.append(sources)
        self.parts.append(row + [0] * (state.COLUMNS - len(row)))
        return len(self.parts) - 1

    def window(self, params: WindowParams, source: int) -> int:
        """Add a window behind channel ``source``; return the channel of what leaves it."""
        words = len(params.positions) * params.groups * params.planes * params.pass_words
        cells = len(params.origins)
        oldest = len(self.table)
        self.table += params.oldest.tolist()
        needs = len(self.table)
        self.table += params.leaving.tolist()
        out = self.channel(words)
        self.part(
            state.WINDOW,
            out,
            [(source, 1)],
            params.frame_words,
            words,
            params.depth,
            oldest,
            needs,
            cells,
            words // cells,
        )
        self.cells = max(self.cells, cells * self.length)
        return out

    def stage(
        self, stage: Stage, sources: Sequence[int], output: int, *, classes: int = 1, words: int | None = None
    ) -> int:
        """Add engine and neurons (or the OR) behind the channels ``sources``; return the engine's part.

        ``classes``: among which a readout chooses; ``words`` of a cell, if not those of the channel ``output``.
        """
        ports = [(c, reader.pass_words) for c, reader in zip(sources, stage.readers, strict=True)]
        engine = stage.engine
        if engine is None:
            return self.part(state.ORED, output, ports, stage.pass_words)
        passes = engine.planes * engine.groups
        frame = len(stage.positions) * passes
        cells = len(stage.positions) // stage.repeats
        self.cells = max(self.cells, cells * self.length)
        if words is None:
            words = 1 if stage.is_readout else self.channels[output] // self.length // cells
        seen = engine.recurrence
        slots, delay = engine.behind(stage, classes)
        unit = self.part(state.READOUT if stage.is_readout else state.UNIT, output, [], words, delay)
        numbers = [stage.pass_words, frame, passes * stage.repeats, engine.capture_cycles, unit, slots]
        numbers += [engine.planes, len(engine.between), len(engine.after)]
        if seen.banks:
            splits = max(r.window.splits if r.window else 1 for r in stage.readers)
            numbers += [seen.banks, seen.queue, seen.ahead, engine.groups, splits]
            return self.part(state.SCANNED, output, ports, *numbers)
        kind = state.FLOWING if seen.flows else state.SUMMED
        return self.part(kind, output, ports, *numbers, seen.word_cycles)

    def sink(self, channel: int) -> None:
        """Add what takes the words of ``channel`` at once."""
        self.part(state.SINK, 0, [(channel, 1)])

    def run(
        self, engines: Sequence[int], ones: Sequence[np.ndarray], under_way: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return ``begun``, ``offered``, ``opened``, ``closed`` (of parts ``engines``) of all sequences in ``ones``."""
        sequences = len(ones[0]) // self.length
        circuit = self._circuit(engines, ones)
        threads = os.cpu_count() or 1
        lanes = max(1, min(LANES, LANE_BYTES // (4 * circuit.rows), -(-sequences // threads)))
        starts = range(0, sequences, lanes)
        found = np.zeros((2 + 2 * len(engines), sequences, self.length), np.int64)

        def part(start: int) -> None:
            rows = [n[start * self.length : (start + lanes) * self.length] for n in ones]
            found[:, start : start + lanes] = self._part(circuit, engines, rows, under_way)

        if len(starts) == 1:
            part(0)
        else:
            with ThreadPoolExecutor(min(len(starts), threads)) as pool:
                list(pool.map(part, starts))
        return found[0], found[1], found[2 : 2 + len(engines)], found[2 + len(engines) :]

    def _circuit(self, engines: Sequence[int], ones: Sequence[np.ndarray]) -> _Circuit:
        """Return the structure as arrays, and how many ``rows`` of cycles it needs."""
        parts, used = np.array(self.parts, np.int64), 0
        channels = np.zeros((len(self.channels), 5), np.int64)
        ports = np.zeros((len(self.ports), 6), np.int64)
        channels[:, state.LENGTH], channels[:, state.FIRST_PORT] = self.channels, state.NOBODY
        for number, (channel, pass_words) in enumerate(self.ports):
            ports[number] = channel, 0, self.channels[channel], pass_words, 0, channels[channel, state.FIRST_PORT]
            channels[channel, state.FIRST_PORT] = number
        for table, column, sizes in (
            (channels, state.OFFERS, channels[:, state.LENGTH]),
            (ports, state.READY, ports[:, state.WORDS]),
            (parts, state.DONE, np.full(len(parts), self.cells)),
            (parts, state.CLOSED, np.full(len(parts), self.length)),
        ):
            table[:, column] = used + np.cumsum(sizes) - sizes
            used += int(sizes.sum())
        sizes = np.array([prod(n.shape[1:]) * self.length for n in ones])
        parts[engines, state.ONES] = np.where(parts[engines, state.KIND] == state.SCANNED, np.cumsum(sizes) - sizes, 0)
        event = parts[parts[:, state.KIND] == state.SCANNED]
        banks, queue = (max([1, *event[:, column]]) for column in (state.BANKS, state.QUEUE))
        return _Circuit(parts, channels, ports, used, banks, queue)

    def _part(
        self, circuit: _Circuit, engines: Sequence[int], ones: Sequence[np.ndarray], under_way: int
    ) -> np.ndarray:
        """Do the work of :meth:`run` for as many sequences as there are lanes."""
        lanes, count = len(ones[0]) // self.length, len(self.parts)
        parts, channels, ports = circuit.parts.copy(), circuit.channels.copy(), circuit.ports.copy()

        def cycles(*shape: int, start: int = state.LONG_AGO) -> np.ndarray:
            return np.full((*shape, lanes), start, np.int32)

        times = np.empty((circuit.rows, lanes), np.int32)
        at_work = state.State(
            parts,
            channels,
            ports,
            np.array(self.table, np.int64),
            times,
            last=cycles(count, start=-1),
            moves=cycles(count, state.MAX_AHEAD),
            scanned=cycles(count, circuit.banks),
            place=cycles(count, circuit.banks, start=0),
            pops=cycles(count, circuit.banks, circuit.queue),
            # one layout, so that it is compiled once
            ones=np.ascontiguousarray(np.concatenate([n.reshape(lanes, -1) for n in ones], axis=1).T),
        )
        if not recurrences.run(at_work, under_way):
            raise Deadlock("the circuit stops for ever: a buffer in front of a join holds too few words")

        def words(channel: int, last: bool = False) -> np.ndarray:
            each = self.channels[channel] // self.length
            return times[channels[channel, state.OFFERS] + each * np.arange(self.length) + (each - 1) * last]

        opened = [np.min([words(channel) for channel, _ in self.sources[part]], axis=0) for part in engines]
        ends = parts[:, state.CLOSED, None] + np.arange(self.length)
        closed = [
            words(parts[part, state.OUT], last=True) if parts[part, state.KIND] == state.ORED else times[ends[part]]
            for part in engines
        ]
        found = [words(parts[0, state.OUT]), words(parts[0, state.RESULT]), *opened, *closed]
        if found[1].max() >= state.TOO_LATE:
            raise ValueError("a sequence takes more cycles than can be counted; cut it into shorter ones")
        return np.stack(found).transpose(0, 2, 1)
