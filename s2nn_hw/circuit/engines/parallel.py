"""The parallel engine: a word of P inputs for Q lanes every cycle, whatever the spikes.

``a[m] <- a[m] + sum over the word's inputs j of s_j W[m, j]``; a spike clears the register of the weights that it
does not add, so that nothing but registers lies between memory and adder tree, and a register follows every level.

With ``diagonal`` lanes (depthwise convolutions) lane m sees the inputs ``t * lanes + m`` alone.
Interval: ``planes * words`` cycles a frame, and the neurons' actions, unless the neurons hold it up.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring

from s2nn_hw.circuit.accumulation import Accumulation
from s2nn_hw.circuit.delay import delayed
from s2nn_hw.circuit.engines.accumulate import (
    FrameCount,
    RowIndex,
    Slot,
    accumulate,
    credit,
    engine_ports,
    signed_weight,
    tree_levels,
)
from s2nn_hw.circuit.engines.actions import acted
from s2nn_hw.circuit.engines.params import EngineParams, pack_rows
from s2nn_hw.circuit.engines.price import absorbs, accumulators
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, rom
from s2nn_hw.family.record import Family
from s2nn_hw.network.planes import MAX_STEPS

CONSTANT_TREE = 0.65  # of an adder tree's LUTs, for each weight that is no 0, where weights are constants
GATE_CYCLES = 3  # from a word to its gated weights: memory, the memory's own register, gated weights


@dataclass(frozen=True, eq=False, kw_only=True)
class ParallelParams(EngineParams):
    """One layer on the parallel engine; ``diagonal``: lane m sees only every ``lanes``-th input, from m on."""

    diagonal: bool = False

    kind: ClassVar[str] = "parallel"

    def __post_init__(self) -> None:
        self.check("parallel", (("width", 1, 1024), ("planes", 1, MAX_STEPS)))
        if self.diagonal and self.width % self.lanes:
            raise UserError(
                f"parallel engine: {self.width} inputs a word must be a multiple of the {self.lanes} lanes "
                "of a depthwise convolution"
            )

    @classmethod
    def of(cls, work: Accumulation) -> Self:
        """Return the engine of ``work``, diagonal for a depthwise convolution whose word has an input a lane."""
        synapse, tensor = work.job.layer.synapses[0], work.readers[0].tensor
        neurons, groups = work.job.neuron.size, work.job.choice.groups
        lanes = -(-neurons // groups)
        depthwise = synapse.slides and synapse.groups == synapse.channels_in == neurons
        diagonal = depthwise and not work.job.several and work.splits == groups and lanes == tensor.width
        return cls(bits=work.most_bits, **work.common, diagonal=diagonal)

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield the one that takes a word a cycle."""
        yield shape.choice(cls.kind), shape.words + shape.acting

    @property
    def inputs_of_lane(self) -> np.ndarray:
        """Inputs of a word that each lane adds, int ``(lanes, terms)``."""
        if self.diagonal:
            return np.arange(self.lanes)[:, None] + self.lanes * np.arange(self.width // self.lanes)
        return np.broadcast_to(np.arange(self.width), (self.lanes, self.width))

    @property
    def terms(self) -> int:
        """Inputs that a lane adds in one cycle."""
        return self.inputs_of_lane.shape[1]

    @property
    def rows(self) -> int:
        """Rows of the memory."""
        return self.groups * self.table_words

    @property
    def row_bits(self) -> int:
        """Bits of a row of the memory."""
        return self.lanes * self.terms * self.bits

    @property
    def memories(self) -> list[tuple[int, int, int]]:
        """``(count, rows, bits of a row)`` of the memories of weights."""
        return [(1, self.rows, self.row_bits)]

    @property
    def capture_cycles(self) -> int:
        """Cycles from a frame's last word to the one in which the accumulators hold its sums."""
        return GATE_CYCLES + tree_levels(self.terms) + (0 if self.acting else 1)

    def circuit(self) -> "ParallelEngine":
        """Return the :class:`ParallelEngine`."""
        return ParallelEngine(self)

    @property
    def constant_share(self) -> float:
        """Which share of a tree over constant weights is left: spikes are all that varies, zeros add nothing."""
        return CONSTANT_TREE * float((self.weights != 0).mean())

    @cached_property
    def columns(self) -> int | None:
        """How many different columns the memory has, constants apart; None where they hardly repeat.

        Equal columns are one in logic, with one register.
        """
        if not 1 < self.rows <= 64:
            return None
        lanes = np.arange(self.lanes)[:, None]
        rows = self.weights.transpose(0, 2, 1, 3)[:, :, lanes, self.inputs_of_lane].reshape(self.rows, -1)
        codes = ((rows < 0) if self.bits == 1 else rows.astype(np.int64) & ((1 << self.bits) - 1)).astype(np.uint64)
        planes = np.concatenate([codes >> np.uint64(b) & np.uint64(1) for b in range(self.bits)], axis=1)
        found = np.unique((planes << np.arange(self.rows, dtype=np.uint64)[:, None]).sum(axis=0, dtype=np.uint64))
        return int(((found != 0) & (found != (1 << self.rows) - 1)).sum())

    def memory_cost(self, family: Family) -> Cost:
        """Return the cost of the memory of weights."""
        if self.rows == 1:
            return Cost()
        columns = None if self.memory == "block" else self.columns  # block RAM keeps what is equal twice
        return rom(family, self.rows, self.row_bits, self.memory, columns=columns)

    def cost(self, family: Family, *, predicted: bool = False) -> Cost:
        """Return the cost of gated registers of weights, trees, accumulators."""
        gates = self.lanes * self.terms * self.bits * (self.constant_share / 2 if self.rows == 1 else 1)
        index = bits_for(self.groups * self.table_words)
        cost = self.memory_cost(family) + accumulators(
            family, self, self.terms, share=self.constant_share if self.rows == 1 else 1.0
        )
        late = self.capture_cycles * (2 + self.planes // 2)
        raw = self.row_bits * (1 - absorbs(family, self.memory_cost(family))) if self.rows > 1 else 0
        return cost + Cost(luts=family.layer + index, ffs=gates + raw + 2 * self.width + index + 9 + late)

    def row_contents(self) -> list[int]:
        """Return the memory's words as integers: weight k of lane m at bit ``(m * terms + k) * bits``."""
        lanes = np.arange(self.lanes)[:, None]
        mine = self.weights.transpose(0, 2, 1, 3)[:, :, lanes, self.inputs_of_lane]  # (groups, words, lanes, terms)
        return pack_rows(mine.reshape(self.rows, -1), self.bits)


class ParallelEngine(wiring.Component):
    """Words of spikes in, accumulators out; ports: :func:`engine_ports`."""

    def __init__(self, params: ParallelParams) -> None:
        self.params = params
        super().__init__(engine_ports(params))

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p = self.params
        index, taken = RowIndex(p), Signal()
        acting = Signal()
        advance = Signal() if p.actions else taken & index.pass_end
        count = FrameCount(m, p, advance)
        index.build(m, taken)
        full = index.pass_end & count.final
        room_behind = credit(m, p.slots, taken & full, self.release)
        room = room_behind | ~full
        if p.actions:  # no word is taken until they are done
            room = room & ~acting
        m.d.comb += [self.i.ready.eq(room), taken.eq(self.i.valid & self.i.ready)]
        action = acted(m, p, (taken & index.pass_end) | acting, count.frame_end, advance, acting) if p.actions else None
        begun = Signal(init=1)  # the next word is the first of its pass
        with m.If(taken):
            m.d.sync += begun.eq(index.pass_end)

        rom = memory.Memory(shape=p.row_bits, depth=p.rows, init=p.row_contents(), attrs=p.memory_attributes)
        m.submodules.rows = rom
        port = rom.read_port()
        # a single row must stay a constant
        m.d.comb += [port.addr.eq(index.index), port.en.eq(taken if p.rows > 1 else 1)]
        # block RAM is so late that its word reaches a register at best, on some devices that of the block itself
        raw = Signal(p.row_bits, reset_less=True) if p.rows > 1 else port.data
        if p.rows > 1:
            m.d.sync += raw.eq(port.data)
        # 1 where there is no spike: the reset of a weight's register, without an inverter in between
        blank = Signal(p.width, init=-1)
        m.d.sync += blank.eq(-1)
        with m.If(taken):
            m.d.sync += blank.eq(~self.i.payload)
        blank = delayed(m, blank, GATE_CYCLES - 2, "blank", init=-1)
        terms = []
        for lane, inputs in enumerate(p.inputs_of_lane.tolist()):
            row = []
            for k, number in enumerate(inputs):
                place = lane * p.terms + k
                weight = signed_weight(raw, place, p.bits, ~blank[number])
                gated = Signal(weight.shape(), name=f"weight{lane}_{k}", reset_less=True)
                m.d.sync += gated.eq(weight)
                with m.If(blank[number]):
                    m.d.sync += gated.eq(0)
                row.append(gated)
            terms.append(row)

        close = (advance if p.actions else taken & index.pass_end) & count.frame_end
        slot = Slot(taken & begun, count.plane, count.group, close, GATE_CYCLES, action)
        m.d.comb += self.capture.eq(accumulate(m, p, terms, self.accumulators, slot))
        return m
