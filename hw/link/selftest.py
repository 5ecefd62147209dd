"""The self-test: test vectors on the chip go through an accelerator at full rate, every result compared exactly.

A serial link feeds some thousand frames a second, an accelerator may take one every clock. So frames and their golden
results lie in memory beside it, go round and round without a gap, and only the verdict goes over the link.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from amaranth.build import Platform
from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from s2nn_hw.emit import pack_beats
from s2nn_hw.errors import UserError
from s2nn_hw.hw.link.verdict import COUNT_BITS, FRAME_BITS, check_vectors
from s2nn_hw.network.network import Network

DEFAULT_VECTORS = 64
ROUNDS_LOG2 = 4
CHUNK_BITS = 16  # compared in one level of logic or two, so that the comparison does not set the clock
MAX_ROUNDS_UNDER_WAY = 255


@dataclass(frozen=True)
class Vectors:
    """Frames with their golden results: ``pixels`` ``(frames, pixels)`` of as many bits as the network's input (uint8,
    int32 beyond 8), ``classes`` int64 ``(frames,)``, ``scores`` int64 ``(frames, classes)``. :class:`UserError` if they
    don't agree."""

    pixels: npt.NDArray[Any]
    classes: npt.NDArray[np.int64]
    scores: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        count = len(self.pixels)
        check_vectors(count, count)
        if self.classes.shape != (count,) or self.scores.ndim != 2 or len(self.scores) != count:
            raise UserError(
                f"a self-test of {count} vectors needs as many classes and rows of scores, not "
                f"{self.classes.shape} and {self.scores.shape}"
            )

    @classmethod
    def of(cls, network: Network, images: np.ndarray, count: int | None = None) -> Self:
        """Return the first ``count`` of ``images`` ``(frames, *shape)``, results from the golden model.

        ``count``: None takes :data:`DEFAULT_VECTORS`.
        """
        count = DEFAULT_VECTORS if count is None else count
        check_vectors(count, len(images))
        images = np.asarray(images[:count])
        pixels, golden = network.encode(images), network.forward(images)
        return cls(pixels, golden.classes, golden.scores)


def answer_layout(result_layout: data.Layout) -> data.StructLayout:
    """Return the layout of what is compared: the result without its cycles."""
    return data.StructLayout({name: result_layout[name].shape for name in ("class", "scores")})


def state_layout(result_layout: data.Layout, vectors: int) -> data.StructLayout:
    """Return the layout of :class:`SelfTest`'s ``state``: the fields of :class:`s2nn_hw.hw.link.verdict.Verdict`."""
    answer = answer_layout(result_layout)
    return data.StructLayout(
        {
            "running": 1,
            "passed": 1,
            "failed": 1,
            "frames": FRAME_BITS,
            "mismatches": COUNT_BITS,
            "round_cycles": COUNT_BITS,
            "span_cycles": COUNT_BITS,
            "latency_cycles": COUNT_BITS,
            "vector": range(vectors),
            "wanted": answer,
            "came": answer,
        }
    )


class SelfTest(wiring.Component):
    """Feeds ``accelerator`` (streams ``i`` and ``o`` as of :class:`~s2nn_hw.accelerator.Accelerator`) with ``vectors``.

    ``restart``: high for a cycle: the round is finished, results are waited for, all starts anew as after reset.
    ``fault``: while high, the lowest bit of the last vector's first score is expected wrong: one mismatch a round.
    ``state``: what :class:`s2nn_hw.hw.link.verdict.Verdict` has, of one cycle, three after the result it is about.
    ``state.running``: low from ``restart`` until all starts anew.
    ``state.wanted``, ``state.came``: mean something once ``state.failed`` is high.
    ``moving``: high in cycles in which a result comes.

    A beat is offered in every cycle from the second after reset on, round after round, and results are always taken.
    Class and all scores of each result are compared with the golden ones, in the order of the frames; ``cycles`` are
    not, as they depend on the frames before. There are no streams here, as nothing goes in or out but the verdict.

    A counter that has reached its highest bit stays there. The span of ``span_cycles`` is ``2 ** rounds_log2`` rounds.
    """

    def __init__(self, accelerator: Any, vectors: Vectors, *, rounds_log2: int = ROUNDS_LOG2) -> None:
        self.accelerator, self.vectors, self.rounds_log2 = accelerator, vectors, rounds_log2
        self._layout = accelerator.o.payload.shape()
        super().__init__(
            {"restart": In(1), "fault": In(1), "state": Out(state_layout(self._layout, self.count)), "moving": Out(1)}
        )

    @property
    def count(self) -> int:
        """Frames of a round."""
        return len(self.vectors.pixels)

    def beats(self) -> list[int]:
        """Return the contents of the frame memory: a beat a word, as integers; places without a pixel are zero."""
        return [beat for frame in self.vectors.pixels for beat in pack_beats(self.accelerator, frame)]

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        m.submodules.accelerator = self.accelerator
        drain, clear = Signal(), Signal()  # a restart waits until no frame is under way; none is
        with m.If(self.restart):
            m.d.sync += drain.eq(1)
        with m.Elif(clear):
            m.d.sync += drain.eq(0)
        started, fed, idle = self._feed(m, drain)
        found, wrong, last = self._compare(m, clear)
        self._count(m, clear, started, found, wrong, last)
        under_way = Signal(range(MAX_ROUNDS_UNDER_WAY + 1))  # rounds fed whose last result has not come
        fed_before = Signal()  # `fed` hangs on the accelerator's ready; what it counts is under way for longer
        m.d.sync += [fed_before.eq(fed), under_way.eq(under_way + fed_before - (found & last))]
        m.d.comb += [
            clear.eq(drain & idle & (under_way == 0)),
            self.state.running.eq(started & ~drain),
            self.moving.eq(found),
        ]
        with m.If(clear):
            m.d.sync += started.eq(0)
        return m

    def _feed(self, m: Module, hold: Signal) -> tuple[Signal, Signal, Signal]:
        """Add the frame memory, read a beat a cycle; with ``hold`` no new round begins.

        Returns ``started`` (since the first beat was taken), ``fed`` (a round's last beat is read), ``idle`` (held, all
        beats taken).
        """
        target, words = self.accelerator.i, self.beats()
        width = self.accelerator.pixels_per_beat * self.accelerator.network.input.bits
        m.submodules.frames = memory = Memory(shape=width, depth=len(words), init=words)
        read = memory.read_port()
        position, started = Signal(range(len(words))), Signal()
        give, fed, idle, last, there = (Signal(name=n) for n in ("give", "fed", "idle", "last_beat", "there"))
        free = ~target.valid | target.ready
        m.d.comb += [
            read.addr.eq(position),
            read.en.eq(~there | free),
            last.eq(position == len(words) - 1),
            give.eq(~hold | (position != 0)),
            fed.eq(read.en & give & last),
            idle.eq(hold & (position == 0) & ~there & ~target.valid),
        ]
        with m.If(free):  # a register, as a block RAM's output comes late in the cycle
            m.d.sync += [target.valid.eq(there), target.payload.as_value().eq(read.data)]
        with m.If(read.en):
            m.d.sync += there.eq(give)
            with m.If(give):
                m.d.sync += position.eq(Mux(last, 0, position + 1))
        with m.If(target.valid & target.ready):
            m.d.sync += started.eq(1)
        return started, fed, idle

    def _compare(self, m: Module, clear: Signal) -> tuple[Signal, Signal, Signal]:
        """Add the memory of golden results and the comparison, in three stages: reading, ``a`` and ``b``.

        Returns, all of stage ``b``: ``found`` (a result is judged), ``wrong`` (it is another one than wanted), ``last``
        (it is the round's last). What stage ``b`` holds is kept from the first wrong one on.
        """
        source, state, layout = self.accelerator.o, self.state, answer_layout(self._layout)
        answers = [
            {"class": int(index), "scores": [int(s) for s in scores]}
            for index, scores in zip(self.vectors.classes, self.vectors.scores, strict=True)
        ]
        m.submodules.answers = memory = Memory(shape=layout, depth=self.count, init=answers)
        read = memory.read_port()
        position, last = Signal(range(self.count)), Signal()
        m.d.comb += [source.ready.eq(1), read.addr.eq(position), last.eq(position == self.count - 1)]
        with m.If(source.valid):
            m.d.sync += position.eq(Mux(last, 0, position + 1))

        stage = data.StructLayout(
            {"found": 1, "last": 1, "vector": range(self.count), "came": layout, "cycles": len(source.payload.cycles)}
        )
        reading, a = Signal(stage), Signal(stage)
        m.d.sync += [
            reading.found.eq(source.valid),
            reading.last.eq(last),
            reading.vector.eq(position),
            reading.came["class"].eq(source.payload["class"]),
            reading.came.scores.eq(source.payload.scores),
            reading.cycles.eq(source.payload.cycles),
            a.eq(reading),
        ]
        flip = (self.fault & reading.last) << layout["scores"].offset
        wanted = Signal(layout.size)
        m.d.sync += wanted.eq(read.data.as_value() ^ flip)

        size = layout.size
        b_found, b_last, wrong, failed = Signal(), Signal(), Signal(), Signal()
        differ = Signal(-(-size // CHUNK_BITS))
        unequal = wanted ^ a.came.as_value()
        m.d.sync += [
            b_found.eq(a.found),
            b_last.eq(a.last),
            differ.eq(Cat(unequal[at : at + CHUNK_BITS].any() for at in range(0, size, CHUNK_BITS))),
        ]
        m.d.comb += [wrong.eq(b_found & differ.any()), state.failed.eq(failed)]
        b_vector, b_wanted, b_came = Signal.like(position), Signal(layout), Signal(layout)
        with m.If(~failed & ~wrong):
            m.d.sync += [b_vector.eq(a.vector), b_wanted.eq(wanted), b_came.eq(a.came)]
        m.d.comb += [state.vector.eq(b_vector), state.wanted.eq(b_wanted), state.came.eq(b_came)]
        m.d.sync += failed.eq((failed | wrong) & ~clear)

        longest = Signal.like(a.cycles)
        with m.If(clear):
            m.d.sync += longest.eq(0)
        with m.Elif(a.found & (a.cycles > longest)):
            m.d.sync += longest.eq(a.cycles)
        m.d.comb += state.latency_cycles.eq(longest)
        return b_found, wrong, b_last

    def _count(self, m: Module, clear: Signal, started: Signal, found: Signal, wrong: Signal, last: Signal) -> None:
        """Add the counters; ``found``, ``wrong`` and ``last`` come three cycles after the result.

        So does ``begun`` after the first beat, but for the one cycle that ``since`` is behind.
        """
        state = self.state
        frames, mismatches = Signal(FRAME_BITS), Signal(COUNT_BITS)
        since, of_round, of_span = (Signal(COUNT_BITS, name=n) for n in ("since", "of_round", "of_span"))
        rounds, whole, begun, began = Signal(self.rounds_log2), Signal(), Signal(), Signal()
        m.d.sync += [
            began.eq(started),
            begun.eq(began),
            frames.eq(frames + (found & ~frames[-1])),
            mismatches.eq(mismatches + (wrong & ~mismatches[-1])),
            since.eq(since + (begun & ~since[-1])),
        ]
        with m.If(found & last):
            m.d.sync += [rounds.eq(rounds + 1), whole.eq(1)]
            with m.If(~whole):
                m.d.sync += of_round.eq(since)
            with m.If(rounds == 0):
                m.d.sync += since.eq(1)
                with m.If(whole):
                    m.d.sync += of_span.eq(since)
        with m.If(clear):
            m.d.sync += [s.eq(0) for s in (began, begun, frames, mismatches, since, of_round, of_span, rounds, whole)]
        m.d.comb += [
            state.frames.eq(frames),
            state.mismatches.eq(mismatches),
            state.round_cycles.eq(of_round),
            state.span_cycles.eq(of_span),
            state.passed.eq(whole & ~state.failed),
        ]
