"""The unrolled engine: weights are constants in logic, a frame (or window) every cycle.

All bits of a pass enter at once: words before the last wait in registers. What follows is pure logic
(:mod:`s2nn_hw.circuit.unroll`), cut by registers every ``levels`` levels of look-up tables and adders, so that

    interval   words of a pass             latency   ``registers`` cycles from the last word to the spikes or scores
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.engines.params import EngineParams
from s2nn_hw.circuit.unroll.circuit import build, stages
from s2nn_hw.circuit.unroll.collapse import collapse, compose
from s2nn_hw.circuit.unroll.cost import cost
from s2nn_hw.circuit.unroll.logic import TABLE_INPUTS
from s2nn_hw.circuit.unroll.mapping import map_layer
from s2nn_hw.circuit.unroll.pipeline import FreePipeline, Pipeline, delayed
from s2nn_hw.errors import UserError

CHAIN_LEVELS = {4: 1, 6: 2}  # of an adder, by inputs of a look-up table: where it is 2, tables stand before the carries
REGISTER_WORTH = 1.05  # LUTs that a level of registers less may cost


@dataclass(frozen=True, eq=False, kw_only=True)
class UnrolledParams(EngineParams):
    """One layer whose weights are logic; ``weights`` int32 ``(1, neurons, words, bits of a word)``, planes expanded.

    ``fire``: spikes leave, else scores. ``levels``: between registers, a table one and an adder :data:`CHAIN_LEVELS`;
    ``lut``: inputs of the device's look-up tables, 4 or 6. ``inner``: the parameters of the layer in front, if that is
    fused into this one; then the words are its words.
    """

    fire: bool
    levels: int = 1
    lut: int = 6
    inner: object = None

    kind = "unrolled"
    capture_cycles = 0
    memories = ()

    def __post_init__(self):
        self.check("unrolled", (("levels", 1, 64),))
        if self.lut not in CHAIN_LEVELS:
            raise UserError(f"unrolled engine: lut must be one of {tuple(CHAIN_LEVELS)}, not {self.lut!r}")

    @property
    def table_words(self):
        return self.inner.table_words if self.inner else super().table_words

    @property
    def width(self):
        return self.inner.width if self.inner else super().width

    @property
    def terms(self):
        """Bits that each neuron adds in one cycle."""
        return self.weights.shape[2] * self.weights.shape[3]

    @cached_property
    def logic(self):
        """The :class:`~s2nn_hw.circuit.unroll.logic.Logic` of all neurons, from the bits of a pass on, found once."""
        logic = self._mapped.logic
        return collapse(compose(self.inner.logic, logic), limit=TABLE_INPUTS) if self.inner else logic

    @cached_property
    def _mapped(self):
        weights = np.ascontiguousarray(self.weights.reshape(self.lanes, -1), np.int64)
        offsets = np.ascontiguousarray(self.offsets.reshape(-1), np.int64)
        return _mapped(weights.tobytes(), offsets.tobytes(), self.lanes, self.fire, self.lut, self.levels)

    @property
    def chain(self):
        """Levels of an adder."""
        return CHAIN_LEVELS[self.lut]

    @cached_property
    def registers(self):
        """Levels of registers."""
        return max(1, stages(self.logic, self.levels, self.chain))

    @property
    def score_width(self):
        """Bits of each signed score that leaves."""
        return len(self.logic.outputs[0]) + (self._mapped.constant == 0)

    def values(self, results):
        """Return what the bits ``results`` of :attr:`logic` stand for: spikes as one Value, or signed scores."""
        if self.fire:
            return Cat(results)
        if self._mapped.constant:  # unsigned sums above it, a power of two
            return Cat(Cat(bits[:-1], ~bits[-1]) for bits in results)
        return Cat(Cat(bits, C(0, 1)) for bits in results)


@lru_cache(maxsize=64)
def _mapped(weights, offsets, neurons, fire, lut, levels):
    """Return the cheapest logic, or one with a register less for few LUTs more."""
    table, offsets = np.frombuffer(weights, np.int64).reshape(neurons, -1), np.frombuffer(offsets, np.int64)
    best = map_layer(table, offsets, fire=fire, family=f"lut{lut}")
    family, chain = "xc7" if lut == 6 else "ecp5", CHAIN_LEVELS[lut]
    adders = max(1, levels // chain)  # of a stage
    shorter = best.logic.depth // adders * adders
    if 0 < shorter < best.logic.depth:
        other = map_layer(table, offsets, fire=fire, family=f"lut{lut}", depth=shorter)
        fits = stages(other.logic, levels, chain) < stages(best.logic, levels, chain)
        if fits and cost(other.logic, family).luts <= REGISTER_WORTH * cost(best.logic, family).luts:
            return other
    return best


class UnrolledEngine(wiring.Component):
    """The engine of ``params``.

    ``i``: words, ``params.words`` a pass, bit 0 first. ``o``: one beat a pass, the spikes, or the scores side by side.
    ``tag``, ``tag_out`` (``tag_bits`` > 0): what comes with a pass's last word leaves with its result. ``free``: it
    never waits for ``o.ready`` (:class:`~s2nn_hw.circuit.unroll.pipeline.FreePipeline`).
    """

    def __init__(self, params, *, tag_bits=0, free=False):
        self.params, self.tag_bits, self.free = params, tag_bits, free
        shape = params.lanes if params.fire else data.ArrayLayout(signed(params.score_width), params.lanes)
        ports = {"i": In(stream.Signature(params.width)), "o": Out(stream.Signature(shape))}
        if tag_bits:
            ports |= {"tag": In(tag_bits), "tag_out": Out(tag_bits)}
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        p = self.params
        ready = Signal()
        # a counter of one word never moves, but synthesis does not see that
        index = Signal(range(p.words)) if p.words > 1 else C(0, 1)
        last = index == p.words - 1 if p.words > 1 else C(1, 1)
        entering = self.i.valid & last
        pipeline = (
            FreePipeline(m, p.registers, entering) if self.free else Pipeline(m, p.registers, entering, self.o.ready)
        )
        m.d.comb += [ready.eq(~last | pipeline.ready), self.i.ready.eq(ready), self.o.valid.eq(pipeline.valid)]
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
        if self.tag_bits:
            m.d.comb += self.tag_out.eq(delayed(m, self.tag, pipeline.enables, "tag"))
        return m


class SpikeWords(wiring.Component):
    """Spikes of one position at a time in, words of ``width`` out, spike 0 in bit 0, unused bits of the last word 0.

    ``seen``, ``seen_count``: as :class:`~s2nn_hw.network.neurons.fire.FireUnit`'s.
    """

    def __init__(self, *, neurons, width):
        self.neurons, self.width, self.words = neurons, width, -(-neurons // width)
        super().__init__({"i": In(stream.Signature(neurons)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.valid.eq(self.i.valid)
        if self.words == 1:
            m.d.comb += [self.o.payload.eq(self.i.payload), self.i.ready.eq(self.o.ready)]
        else:
            self._cut(m)
        seen = Signal(self.neurons)
        seen_count = Signal(24)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [seen.eq(self.i.payload), seen_count.eq(seen_count + 1)]
        return m

    def _cut(self, m):
        """Send the words of a position one after the other."""
        index = Signal(range(self.words))
        last = index == self.words - 1
        m.d.comb += self.i.ready.eq(self.o.ready & last)
        with m.Switch(index):
            for k in range(self.words):
                with m.Case(k):
                    m.d.comb += self.o.payload.eq(self.i.payload[k * self.width : (k + 1) * self.width])
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += index.eq(Mux(last, 0, index + 1))
