"""What an engine is: the contract that circuit, cycles, cost, planner and reports ask it by; what all of them compute.

An engine is one file of this folder and its line in :data:`s2nn_hw.circuit.engines.ENGINES`: a subclass of
:class:`EngineParams`, made from a layer and its plan (:meth:`~EngineParams.stage`), which gives its circuit, its
cycles, its cost, its candidates for the planner and its description.

A frame of an engine is one accumulation: ``planes`` passes of ``words`` words of ``width`` spikes, the first plane
first, at whose end the sums of ``lanes`` neurons stand in the accumulators. The ``groups`` of a position follow each
other, then the ``repeats`` positions of a pooling cell; then the neurons behind must have room. ``between`` the planes
and ``after`` the last the neurons act on the accumulators (:mod:`s2nn_hw.network.neurons.program`), a cycle an action;
then a doubling is an action, too, and the last one gives the accumulators their start value back.

The offset (``-T`` or the bias) is not added: the accumulators start from it. The k planes of a number (``radix``, most
significant first) double the start value k-1 times, so they start from ``offset >> (k-1)`` and the bits shifted out
come back, one at each doubling, as the lowest bit. The planes of steps add up as they are.

The first plane of a signed number counts negatively. Accumulators add it as any other, from the complement of their
start value on, and the first doubling takes their complement: ``~(~s + a) = s - a``. That is a function of the two
flags that say what an accumulator starts from, so it takes no input of a look-up table and no cycle. Where neurons act
on the accumulators, doubling is an action, and the terms of the first plane are subtracted instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from amaranth.hdl import Module

from s2nn_hw.circuit.accumulation import Accumulation, accumulating_stage
from s2nn_hw.circuit.engines.reach import reach
from s2nn_hw.circuit.engines.wiring import Around, add_accumulating, unit_shape
from s2nn_hw.circuit.job import Job
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.circuit.tables import Cells
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import rom
from s2nn_hw.family.record import Family
from s2nn_hw.network.neurons.program import Action

MEMORIES = ("auto", "block", "distributed")
BLOCK_DEPTH = 2048
SPARE_BLOCKS = 4  # of block RAM, that a memory may take for a higher clock


@dataclass(frozen=True)
class Recurrence:
    """How the exact cycle model sees an engine (:mod:`s2nn_hw.cycles.recurrences`).

    ``word_cycles``: from a word to the next. ``flows``: a pipeline, whose results leave as a stream; else sums stand
    in accumulators and are captured. ``banks``: of an engine that spends a cycle on each spike, each with a queue of
    ``queue`` words, the input ``ahead`` passes before the scan at most; 0 where words alone decide.
    """

    word_cycles: int = 1
    flows: bool = False
    banks: int = 0
    queue: int = 0
    ahead: int = 0


@dataclass(frozen=True, eq=False, kw_only=True)
class EngineParams:
    """An engine, and the work of one.

    ``weights``: int ``(groups, lanes, words, width)`` in stream order, 0 where no input is; ``bits``: of a weight as
    stored; ``offsets``: int ``(groups, lanes)``, added to the sum; ``planes``: of an input value, ``radix``: bits of a
    number, ``signed``: of two or more, the first of them the sign; ``between``, ``after``: the neurons' actions,
    constants ``(groups, lanes)``; ``shift``: fraction bits below the sums; ``repeats``: positions of a max pooling
    cell; ``cells``: of each source, whose words follow each other in a pass as their rows do in ``weights`` (none: one
    source, a row a word); ``memory``: where the weights lie, ``block`` RAM, ``distributed`` (LUTs), or ``auto`` (the
    synthesis tool decides by size); ``slots``: cells for which the neurons have room.

    Of the class: ``kind``: its name in plans; ``constant``: weights are constants in logic, those that are 0 do not
    exist; ``counts_spikes``: its cycles depend on the data; ``whole``: it takes all taps at once, and has no groups;
    ``literal``: it gives values as spikes in their slots to such engines, and takes them so.
    """

    weights: np.ndarray
    bits: int
    offsets: np.ndarray
    planes: int = 1
    radix: bool = True
    signed: bool = False
    between: tuple[Action, ...] = ()
    after: tuple[Action, ...] = ()
    shift: int = 0
    repeats: int = 1
    cells: tuple[Cells, ...] = ()
    memory: str = "auto"
    slots: int = 1

    kind: ClassVar[str]
    constant: ClassVar[bool] = False
    counts_spikes: ClassVar[bool] = False
    whole: ClassVar[bool] = False
    literal: ClassVar[bool] = False

    @classmethod
    def stage(cls, job: Job) -> Stage:
        """Return the stage of a layer on this engine; :class:`UserError` where that can't be."""
        return accumulating_stage(cls, job)

    @classmethod
    def of(cls, work: Accumulation) -> Self:
        """Return the engine that does ``work``."""
        return cls(bits=work.most_bits, **work.common)

    @classmethod
    def further_taps(cls, taps: int) -> int:
        """Return the taps of further sources, if the first has ``taps``."""
        return taps

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield ``(plan, cycles a frame)`` of one group of lanes, for the planner; ``shape``: see
        :class:`s2nn_hw.plan.candidates.Shape`. No circuit of the plan may take fewer cycles; of engines that are
        :attr:`whole` words alone count. None by default: only plans that name the engine have it."""
        return iter(())

    @property
    def terms(self) -> int:
        """Inputs that a lane adds in one cycle, all sources together."""
        raise NotImplementedError

    @property
    def ways(self) -> int:
        """Inputs that a lane adds in one cycle, of the first source."""
        return self.terms

    @property
    def memories(self) -> list[tuple[int, int, int]]:
        """``(count, rows, bits of a row)`` of the memories of weights."""
        return []

    @property
    def capture_cycles(self) -> int:
        """Cycles from a frame's last word (or slot) to the one in which the accumulators hold its sums."""
        return 0

    @property
    def recurrence(self) -> Recurrence:
        """How the cycle model sees it."""
        return Recurrence()

    def held(self, readout: bool, classes: int) -> int:
        """Return the levels of registers between its words and what leaves behind it, of a pipeline; else 0."""
        return 0

    def behind(self, stage: Stage, classes: int) -> tuple[int, int]:
        """Return for how many cells there is room behind it, and the cycles from the capture to the first offer."""
        return self.slots, stage.neuron.latency(classes)

    def ones(self, words: np.ndarray) -> np.ndarray:
        """Return what its cycles depend on of integer ``words`` ``(..., words, width)``, uint16 ``(..., planes, words,
        banks)``."""
        raise NotImplementedError

    def lower_bound(self, words: int, ones: np.ndarray, positions: int = 1) -> np.ndarray:
        """Return cycles, float64 ``(frames,)``, below which no frame of ``words`` words and ``positions`` can take."""
        acting = positions * self.groups * self.action_cycles
        return np.full(len(ones), float(words * self.recurrence.word_cycles + acting))

    def describe(self) -> dict[str, int]:
        """Return what the interface's description says of it besides what it says of all, JSON-able."""
        return {}

    def circuit(self) -> Any:
        """Return its Component, with the ports of :func:`~s2nn_hw.circuit.engines.accumulate.engine_ports`."""
        raise NotImplementedError

    def add(self, m: Module, stage: Stage, source: Any, around: Around) -> Any:
        """Add engine and neurons of ``stage`` behind the stream ``source``; return the stream of words, or of results,
        that leaves."""
        return add_accumulating(m, stage, source, around)

    def cost(self, family: Family, *, predicted: bool = False) -> Cost:
        """Return its cost, an estimate; ``predicted``: that of logic without the search for it."""
        raise NotImplementedError

    def neurons_cost(
        self, family: Family, stage: Stage, *, width: int = 0, score_width: int = 0, queued: bool = False
    ) -> Cost:
        """Return the cost of what stands behind it: neurons that give words of ``width``, or scores of
        ``score_width``; ``queued``: into a queue of results, which saves a pipeline its last register."""
        return stage.neuron.cost(family, unit_shape(stage, width=width, score_width=score_width))

    def weight_reads(self, positions: int, ones: np.ndarray) -> list[tuple[float, int]]:
        """Return ``(bits read a frame, bits of it)`` of each memory of weights, mean over the frames of ``ones``."""
        passes = positions * self.groups * self.planes * self.words
        return [(passes * width, rows * width) for _, rows, width in self.memories]

    def memory_cost(self, family: Family) -> Cost:
        """Return the cost of the memories of weights."""
        memories = [(rows, width, count) for count, rows, width in self.memories if rows > 1]
        return sum((rom(family, rows, width, self.memory) * count for rows, width, count in memories), Cost())

    def check(self, engine: str, limits: tuple[tuple[str, int, int], ...]) -> None:
        """Check the fields in ``limits``, ``(name, low, high)``; errors begin with the name of the ``engine``."""
        for name, low, high in limits:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise UserError(f"{engine} engine: {name} must be an integer from {low} to {high}, not {value!r}")
        if self.memory not in MEMORIES:
            raise UserError(f"{engine} engine: memory must be one of {', '.join(MEMORIES)}, not {self.memory!r}")

    @property
    def groups(self) -> int:
        """Passes of a position, each for its share of the neurons."""
        return self.weights.shape[0]

    @property
    def lanes(self) -> int:
        """Neurons at once."""
        return self.weights.shape[1]

    @property
    def table_words(self) -> int:
        """Words of weights of one group."""
        return self.weights.shape[2]

    @property
    def width(self) -> int:
        """Inputs a word."""
        return self.weights.shape[3]

    @property
    def parts(self) -> tuple[Cells, ...]:
        """The :class:`Cells` of each source."""
        return self.cells or (Cells(self.table_words),)

    @property
    def pooled(self) -> bool:
        """Whether words share rows of weights."""
        return any(part.pooled for part in self.parts)

    @property
    def words(self) -> int:
        """Words of one pass of one group."""
        return sum(part.frame_words for part in self.parts)

    @property
    def word_rows(self) -> np.ndarray:
        """The row of ``weights`` that each word of a pass uses, int64 ``(words,)``."""
        begins = np.cumsum([0, *(part.rows for part in self.parts)])
        return np.concatenate([begin + part.table_words() for begin, part in zip(begins, self.parts, strict=False)])

    @property
    def memory_attributes(self) -> dict[str, str]:
        """Attributes by which synthesis tools place the memory of weights."""
        if self.memory == "auto":
            return {}
        style = "block" if self.memory == "block" else "logic"  # yosys knows no distributed read-only memory
        return {"ram_style": style, "rom_style": style}

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """Return ``start``, int64 ``(groups, lanes)``, from which accumulators begin, and ``fill``, the bits to shift
        in, ``(planes-1, ...)``."""
        offsets = self.offsets.astype(np.int64)
        if not self.radix:
            return offsets, np.zeros((0, *offsets.shape), np.int64)
        fill = [(offsets >> (self.planes - 1 - step)) & 1 for step in range(1, self.planes)]
        start = offsets >> (self.planes - 1)
        begin = ~start if self.complements else start
        return begin, np.array(fill, np.int64).reshape(self.planes - 1, *offsets.shape)

    @cached_property
    def pass_reach(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the most negative and the most positive sum of one pass, int64 ``(groups, lanes)`` each."""
        uses = np.bincount(self.word_rows) if self.pooled else 1
        sides = np.minimum(self.weights, 0), np.maximum(self.weights, 0)
        low, high = ((uses * side.sum(axis=3, dtype=np.int64)).sum(axis=2) for side in sides)
        return low, high

    @property
    def score_width(self) -> int:
        """Bits of each signed score of a readout."""
        return int(self.accumulator_widths().max())

    def accumulator_widths(self) -> np.ndarray:
        """Return the bits of each signed accumulator, int64 ``(lanes,)``, from interval arithmetic over every cycle
        (:mod:`s2nn_hw.circuit.engines.reach`)."""
        return self._widths

    @cached_property
    def _widths(self) -> np.ndarray:
        return np.array(reach(self).widths())

    def with_memory(self, memory: str) -> Self:
        """Return the engine with its weights in ``memory``; the widths of its sums are not found again."""
        made = replace(self, memory=memory)
        made.__dict__["_widths"] = self._widths
        return made

    @property
    def acting(self) -> bool:
        """Whether neurons act on the accumulators, at the end of a frame at least."""
        return bool(self.after)

    @property
    def complements(self) -> bool:
        """Whether accumulators hold the complement of their sum until the first doubling."""
        return self.signed and not self.acting

    @property
    def actions(self) -> list[Action]:
        """The different actions, in the order in which they come up."""
        return list(dict.fromkeys((*self.between, *self.after)))

    @property
    def action_cycles(self) -> int:
        """Cycles of actions in the passes of a group at a position."""
        return len(self.between) * (self.planes - 1) + len(self.after)

    @property
    def cell_cycles(self) -> int:
        """Cycles that a cell takes at least: its passes with no spike, and the neurons' actions."""
        return (
            self.repeats * self.groups * (self.planes * self.words * self.recurrence.word_cycles + self.action_cycles)
        )

    def planes_of(self, values: np.ndarray) -> np.ndarray:
        """Return the planes of integer ``values``, stacked as a new first axis, the first first."""
        return np.stack([(values >> plane) & 1 for plane in reversed(range(self.planes))])


def memory_columns(rows: int, width: int) -> list[int]:
    """Return the widths of the memories that ``rows`` of ``width`` bits are kept in, side by side.

    More rows than a block RAM of 18 Kbit has at a useful width (2,048 of 8 bits) go into narrower ones, each as deep as
    a block: where synthesis puts blocks below each other, a multiplexer stands between them and the register. But not
    if that takes four blocks and an eighth more than the bits fill: block RAM is what runs out first.
    """
    block, depth = 8 * BLOCK_DEPTH, 1 << (rows - 1).bit_length()
    each = max(1, block // depth)
    columns = [min(each, width - at) for at in range(0, width, each)]
    blocks, least = len(columns) * max(1, depth // block), -(-rows * width // (9 * BLOCK_DEPTH))
    if rows <= BLOCK_DEPTH or blocks - least > max(SPARE_BLOCKS, least // 8):
        return [width]
    return columns


def pack_rows(codes: np.ndarray, bits: int) -> list[int]:
    """Return integers, one per row of ``codes`` ``(rows, values)``: value k in two's complement at bit ``k * bits``."""
    codes = codes.astype(np.int64)
    codes = (codes < 0).astype(np.int64) if bits == 1 else codes & ((1 << bits) - 1)
    planes = np.stack([(codes >> b & 1).astype(np.uint8) for b in range(bits)], axis=-1)
    packed = np.packbits(planes.reshape(len(codes), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]
