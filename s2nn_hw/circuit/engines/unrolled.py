"""The unrolled engine: weights are constants in logic, a frame (or window) every cycle.

All bits of a pass enter at once: words before the last wait in registers. What follows is pure logic
(:mod:`s2nn_hw.circuit.unroll`), cut by registers every ``levels`` levels of look-up tables and adders, so that

    interval   words of a pass             latency   ``registers`` cycles from the last word to the spikes or scores
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, prod
from typing import Any, ClassVar

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.accumulation import slots_for
from s2nn_hw.circuit.argmax import Winner, winner_registers
from s2nn_hw.circuit.engines.accumulate import credit
from s2nn_hw.circuit.engines.params import EngineParams, Recurrence
from s2nn_hw.circuit.engines.wiring import Around, joined
from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.names import engine_of, ladder_of, neurons_of
from s2nn_hw.circuit.readers import buffers_of, whole_reader
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.circuit.unroll.cells import CellWords
from s2nn_hw.circuit.unroll.circuit import build, stages
from s2nn_hw.circuit.unroll.collapse import collapse, compose
from s2nn_hw.circuit.unroll.cost import cost, predict_luts
from s2nn_hw.circuit.unroll.ladder import Ladder, LadderParams
from s2nn_hw.circuit.unroll.logic import TABLE_INPUTS, Logic
from s2nn_hw.circuit.unroll.mapping import Mapped, Searched
from s2nn_hw.circuit.unroll.pipeline import FreePipeline, Pipeline, delayed
from s2nn_hw.circuit.unroll.sums import chain_of, program_of, weights_of
from s2nn_hw.circuit.unroll.words import SpikeWords
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, multiplexer, ram
from s2nn_hw.family.record import Family

CHAIN_LEVELS = {4: 1, 6: 2}  # of an adder, by inputs of a look-up table: where it is 2, tables stand before the carries
PIPELINE = 1  # LUTs of a pipeline's level: its room and its clock enable
PREDICTED_FFS = 1.3  # flip-flops a LUT, of logic that nobody has searched for yet
LEAST_CELLS = 2  # that are kept behind a pipeline
GUESSED_REGISTERS = 6  # of logic that nobody has searched for yet
REGISTER_WORTH = 1.05  # LUTs that a level of registers less may cost


@dataclass(frozen=True, eq=False, kw_only=True)
class UnrolledParams(EngineParams):
    """One layer whose weights are logic; ``weights`` int32 ``(1, neurons, words, bits of a word)``, planes expanded.

    ``fire``: spikes leave, else scores. ``levels``: between registers, a table one and an adder :data:`CHAIN_LEVELS`;
    ``lut``: inputs of the device's look-up tables, 4 or 6. ``inner``: the parameters of the layer in front, if that is
    fused into this one; then the words are its words. ``ladder``: what neurons of several planes do with their sums,
    which are lanes of their own, those of the first step first. ``repeats``: positions of which the spikes are ORed, a
    cell; ``words_out``: in which a cell leaves.
    """

    fire: bool
    words_out: int = 1
    ladder: LadderParams | None = None
    levels: int = 1
    lut: int = 6
    inner: "UnrolledParams | None" = None

    kind: ClassVar[str] = "unrolled"
    constant: ClassVar[bool] = True
    whole: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check("unrolled", (("levels", 1, 64),))
        if self.lut not in CHAIN_LEVELS:
            raise UserError(f"unrolled engine: lut must be one of {tuple(CHAIN_LEVELS)}, not {self.lut!r}")

    @classmethod
    def stage(cls, job: Job) -> Stage:
        """Return the stage of a layer whose weights are logic: all taps at once, the bits of a pixel side by side."""
        choice, layer = job.choice, job.layer
        pool = job.pool.synapses[0].kernel if job.pool else (1, 1)
        if choice.groups != 1 or choice.banks != 1:
            raise UserError(f"the unrolled engine has one group and one bank, not {choice.groups} and {choice.banks}")
        chain = chain_of(job)
        front = chain[0]
        several = len(front.sources) > 1
        readers = tuple(
            whole_reader(synapse, source, job.tensors[source], several=several, depth=depth, pool=pool)
            for synapse, source, depth in zip(
                front.synapses, front.sources, buffers_of(job.choices[front.name], front), strict=True
            )
        )
        engine, weights = None, weights_of(job.network, front, readers)
        for one in chain:
            neuron = one.own_neuron
            if engine:
                weights = one.synapses[0].weights[:, None].astype(np.int32)
            table, offsets, ladder = program_of(job.network, one, weights)
            if not (neuron.plain if ladder is None else one is layer and neuron.fires):
                raise UserError(f"the unrolled engine has no {neuron.kind} neurons here; take another engine")
            if ladder and job.pool:
                raise UserError(
                    f"max pooling {job.pool.name} can't be fused behind unrolled neurons that act on their sums; take "
                    "engine 'or' for it"
                )
            engine = cls(
                weights=table[None],
                bits=max(s.bits for s in one.synapses),
                inner=engine,
                levels=choice.levels,
                offsets=offsets[None],
                fire=neuron.fires and not ladder,
                lut=choice.lut,
                ladder=ladder,
                repeats=prod(pool) if one is layer else 1,
                words_out=job.tensors[job.output].pixel_words if neuron.fires and one is layer else 1,
            )
        return Stage(layer, job.output, readers, engine, job.neuron.size, prod(pool), fused=chain[:-1])

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield the one that takes a frame, window or pixel a cycle."""
        yield shape.choice(cls.kind, levels=shape.levels, lut=shape.lut), 1

    @property
    def table_words(self) -> int:
        """Words of weights: of the layer in front, if one is fused into this one."""
        return self.inner.table_words if self.inner else super().table_words

    @property
    def width(self) -> int:
        """Inputs a word: of the layer in front, if one is fused into this one."""
        return self.inner.width if self.inner else super().width

    @property
    def terms(self) -> int:
        """Bits that each neuron adds in one cycle."""
        return self.weights.shape[2] * self.weights.shape[3]

    @cached_property
    def logic(self) -> Logic:
        """The :class:`~s2nn_hw.circuit.unroll.logic.Logic` of all neurons, from the bits of a pass on, found once."""
        logic = self._mapped.logic
        return collapse(compose(self.inner.logic, logic), limit=TABLE_INPUTS) if self.inner else logic

    @cached_property
    def _mapped(self) -> Mapped:
        weights = np.ascontiguousarray(self.weights.reshape(self.lanes, -1), np.int64)
        offsets = np.ascontiguousarray(self.offsets.reshape(-1), np.int64)
        return _mapped(weights.tobytes(), offsets.tobytes(), self.lanes, self.fire, self.lut, self.levels)

    @property
    def chain(self) -> int:
        """Levels of an adder."""
        return CHAIN_LEVELS[self.lut]

    @cached_property
    def registers(self) -> int:
        """Levels of registers."""
        return max(1, stages(self.logic, self.levels, self.chain))

    @property
    def score_width(self) -> int:
        """Bits of each signed score that leaves."""
        return len(self.logic.outputs[0]) + self.unsigned

    @property
    def unsigned(self) -> bool:
        """Whether no score is negative, so that the sign of all is a constant."""
        return self._mapped.constant == 0

    @property
    def recurrence(self) -> Recurrence:
        """A pipeline; one that never waits but for room behind it where the spikes of a cell are collected."""
        return Recurrence(flows=not self.collects)

    @property
    def collects(self) -> bool:
        """Whether the spikes of several positions are collected behind the pipeline."""
        return self.repeats > 1

    @property
    def capture_cycles(self) -> int:
        """Cycles from the last word of a cell to its spikes, where they are collected."""
        return self.registers if self.collects else 0

    @cached_property
    def cells_kept(self) -> int:
        """Cells for which there is room behind the pipeline, so that a source at full speed never waits for it."""
        return max(LEAST_CELLS, slots_for(self, self.words_out))

    def held(self, readout: bool, classes: int) -> int:
        """Return the levels of registers of the logic and, behind a readout, of the argmax."""
        further = self.ladder.levels if self.ladder else 0
        return self.registers + (winner_registers(classes, self.levels) if readout else further)

    def behind(self, stage: Stage, classes: int) -> tuple[int, int]:
        """Return as many cells as registers, and as many cycles; where cells are collected, those kept, and a cycle."""
        if self.collects:
            return self.cells_kept, 1
        held = self.held(stage.is_readout, classes)
        return held, held

    def add(self, m: Module, stage: Stage, source: Any, around: Around) -> Any:
        """Add the engine and what cuts its spikes into words, or finds the highest of its scores."""
        m.submodules[engine_of(stage.name)] = engine = UnrolledEngine(self, free=around.free)
        joined(m, source, engine.i)
        if self.collects:
            cells = CellWords(neurons=stage.neurons, width=around.width, repeats=self.repeats, slots=self.cells_kept)
            m.submodules[neurons_of(stage.name)] = cells
            m.d.comb += [
                cells.strobe.eq(engine.o.valid),
                cells.spikes.eq(engine.o.payload),
                engine.release.eq(cells.release),
            ]
            return cells.o
        if stage.is_readout:
            unit = Winner(classes=stage.neurons, score_width=around.score_width, levels=self.levels, free=around.free)
        else:
            planes = stage.neuron.planes.count
            unit = SpikeWords(neurons=stage.neurons * planes, width=around.width * planes)
        m.submodules[neurons_of(stage.name)] = unit
        spikes = engine.o
        if self.ladder:
            ladder = Ladder(self.ladder, score_width=self.score_width, free=around.free)
            m.submodules[ladder_of(stage.name)] = ladder
            joined(m, engine.o, ladder.i)
            spikes = ladder.o
        joined(m, spikes, unit.i)
        return unit.o

    def cost(self, family: Family, *, predicted: bool = False) -> Cost:
        """Return the cost of the logic, or as ``predicted`` without the search for it."""
        held = (self.words - 1) * self.width + bits_for(self.words)
        if not predicted:
            found = cost(self.logic, family.name, levels=self.levels, chain=self.chain)
            cost_of_logic = Cost(luts=found.luts + PIPELINE * self.registers, ffs=found.ffs + held + self.registers)
            return cost_of_logic + (self.ladder.cost(family) if self.ladder else Cost())
        luts = 0.0
        one: UnrolledParams | None = self
        while one is not None:
            luts += float(predict_luts(one.weights.reshape(one.lanes, -1), f"lut{one.lut}").sum())
            one = one.inner
        predicted_cost = Cost(luts=luts, ffs=PREDICTED_FFS * luts + held)
        return predicted_cost + (self.ladder.cost(family) if self.ladder else Cost())

    def neurons_cost(
        self, family: Family, stage: Stage, *, width: int = 0, score_width: int = 0, queued: bool = False
    ) -> Cost:
        """Return the cost of the words, or of the argmax with a register a comparison but for ``levels``."""
        if not stage.is_readout:
            words = ceil(stage.neurons / width)
            cost = Cost(luts=width * multiplexer(family, words) if words > 1 else 0)
            return cost + self._cells_cost(family, stage.neurons, words) if self.collects else cost
        registers = winner_registers(stage.neurons, self.levels) - queued
        return winner_cost(family, stage.neurons, score_width, registers)

    def _cells_cost(self, family: Family, neurons: int, words: int) -> Cost:
        """Return the cost of what collects cells that leave in so many ``words``; the depth of the logic is guessed, as
        nobody may have searched for it yet."""
        slots = max(LEAST_CELLS, slots_for(self, words, capture_cycles=GUESSED_REGISTERS))
        kept = ram(family, slots - 1, neurons, registered=False)
        return kept + Cost(luts=2 * neurons + 8, ffs=2 * neurons + 10)

    def values(self, results: Sequence[Value]) -> Value:
        """Return what the bits ``results`` of :attr:`logic` stand for: spikes as one Value, or signed scores."""
        if self.fire:
            return Cat(results)
        if self._mapped.constant:  # unsigned sums above it, a power of two
            return Cat(Cat(bits[:-1], ~bits[-1]) for bits in results)
        return Cat(Cat(bits, C(0, 1)) for bits in results)


def winner_cost(family: Family, classes: int, width: int, registers: int) -> Cost:
    """Return the cost of the argmax behind a readout of ``classes`` scores of ``width`` bits."""
    return Cost(luts=family.winner * (classes - 1) * width, ffs=classes * width * (1 + registers) + registers)


@lru_cache(maxsize=64)
def _mapped(weights: bytes, offsets: bytes, neurons: int, fire: bool, lut: int, levels: int) -> Mapped:
    """Return the cheapest logic, or one with a register less for few LUTs more."""
    table, added = np.frombuffer(weights, np.int64).reshape(neurons, -1), np.frombuffer(offsets, np.int64)
    layer = Searched(table, added, fire=fire, family=f"lut{lut}")
    best = layer.mapped()
    family, chain = next(name for name, one in FAMILIES.items() if one.mapped_inputs == lut), CHAIN_LEVELS[lut]
    adders = max(1, levels // chain)  # of a stage
    shorter = best.logic.depth // adders * adders
    if 0 < shorter < best.logic.depth:
        other = layer.mapped(shorter)
        fits = stages(other.logic, levels, chain) < stages(best.logic, levels, chain)
        if fits and cost(other.logic, family).luts <= REGISTER_WORTH * cost(best.logic, family).luts:
            return other
    return best


class UnrolledEngine(wiring.Component):
    """The engine of ``params``.

    ``i``: words, ``params.words`` a pass, bit 0 first.
    ``o``: one beat a pass, the spikes, or the scores side by side.
    ``release``: where cells are collected, room for another one.

    ``free``: it never waits for ``o.ready`` (:class:`~s2nn_hw.circuit.unroll.pipeline.FreePipeline`); so does one whose
    cells are collected, which lets the last word of a cell in when there is room.
    """

    def __init__(self, params: UnrolledParams, *, free: bool = False) -> None:
        self.params, self.free = params, free or params.collects
        shape = params.lanes if params.fire else data.ArrayLayout(signed(params.score_width), params.lanes)
        ports = {"i": In(stream.Signature(params.width)), "o": Out(stream.Signature(shape))}
        if params.collects:
            ports |= {"release": In(1)}
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p = self.params
        ready = Signal()
        # a counter of one word never moves, but synthesis does not see that
        index = Signal(range(p.words)) if p.words > 1 else C(0, 1)
        last = index == p.words - 1 if p.words > 1 else C(1, 1)
        entering = self.i.valid & last
        if p.collects:
            entering &= (room := self._room(m, last))
        pipeline = (
            FreePipeline(m, p.registers, entering) if self.free else Pipeline(m, p.registers, entering, self.o.ready)
        )
        m.d.comb += [
            ready.eq(~last | (room if p.collects else pipeline.ready)),
            self.i.ready.eq(ready),
            self.o.valid.eq(pipeline.valid),
        ]
        if p.words > 1:
            with m.If(self.i.valid & ready):
                m.d.sync += index.eq(Mux(last, 0, index + 1))
        held = [Signal(p.width, name=f"word{k}", reset_less=True) for k in range(p.words - 1)]
        for k, word in enumerate(held):
            with m.If(self.i.valid & (index == k)):
                m.d.sync += word.eq(self.i.payload)
        count = stages(p.logic, p.levels, p.chain)  # 0 where no logic is needed
        results = build(
            m, p.logic, Cat(*held, self.i.payload), enables=pipeline.enables[:count], levels=p.levels, chain=p.chain
        )
        m.d.comb += Value.cast(self.o.payload).eq(delayed(m, p.values(results), pipeline.enables[count:], "result"))
        return m

    def _room(self, m: Module, last: Value) -> Value:
        """Count the positions of a cell; return whether the word that is ``last`` of one may enter: that of a cell's
        last position waits for room."""
        p = self.params
        ends, taken = Signal(init=p.repeats == 1), Signal()
        place = Signal(range(p.repeats))
        room = credit(m, p.cells_kept, taken & ends, self.release)
        m.d.comb += taken.eq(self.i.valid & last & (room | ~ends))
        with m.If(taken):
            m.d.sync += [place.eq(Mux(ends, 0, place + 1)), ends.eq(place == p.repeats - 2)]
        return room | ~ends
