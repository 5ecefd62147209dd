"""The event engine: every active input costs one cycle and adds its row of weights to all lanes.

``a[m] <- a[m] + sum over banks r of W[row_r, m]``, and between the bit planes of pixels ``a[m] <- 2 a[m] + ...``

    word    ``width`` spikes, ``taps`` segments of them; a segment is shared out among ``banks / taps`` banks:
            input j of segment t lies in bank ``t * (banks / taps) + j % (banks / taps)``
    row     a bank's memory holds one row of all lanes per word and input of its own
    source  a layer may add up several sources, whose words follow each other in a pass; each has its own banks, and
            weights of its own number of bits
    slot    one cycle of the row pipeline: a row per bank, or zeros, which the register behind the memory gives

Each bank scans its own share of a pass, ahead of the others if it can; a pass ends when all have come to its end.
Interval: ``sum over passes of max over banks of ones, at least 1``, and the neurons' actions, unless words or the
neurons hold it up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
from amaranth.hdl import Cat, Module, Signal, Value
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
from s2nn_hw.circuit.engines.params import EngineParams, Recurrence, memory_columns, pack_rows
from s2nn_hw.circuit.engines.price import absorbs, accumulators
from s2nn_hw.circuit.engines.scan import Scanner
from s2nn_hw.circuit.engines.sections import Section, Tags
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, ram, rom
from s2nn_hw.family.record import Family
from s2nn_hw.network.planes import MAX_STEPS

MIN_DEPTH = 2
ROW_CYCLES = 4  # from a slot to its weights: row number, memory, the memory's own register, weights


@dataclass(frozen=True, eq=False, kw_only=True)
class EventParams(EngineParams):
    """One layer on the event engine.

    ``banks``: rows a cycle; ``taps``: segments of a word, each with its own banks; ``depth``: words that wait in each
    bank's queue; ``tag_bits``: the input may run ``2^tag_bits - 1`` passes ahead of the scan. Inputs a bank has of a
    word must be a power of two. ``shortcuts``: (inputs of a word, bits) of each further source; it has one bank.
    """

    banks: int = 1
    taps: int = 1
    depth: int = 8
    tag_bits: int = 2
    shortcuts: tuple[tuple[int, int], ...] = ()

    kind: ClassVar[str] = "event"
    counts_spikes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check(
            self.kind,
            (
                ("banks", 1, 64),
                ("width", 1, 1024),
                ("depth", MIN_DEPTH, 1024),
                ("planes", 1, MAX_STEPS),
                ("tag_bits", 1, 5),
            ),
        )
        for section in self.sections:
            share = section.share
            if section.banks % section.taps or section.width % section.banks or share & (share - 1):
                raise UserError(
                    f"{self.kind} engine: width must be a power of two times the banks, and banks a multiple of the "
                    f"taps, not {section.width} inputs a word, {section.banks} banks and {section.taps} taps"
                )

    @classmethod
    def of(cls, work: Accumulation) -> Self:
        """Return the engine of ``work``: the first source has the banks of the plan, each other one."""
        (first, *others), choice = work.readers, work.job.choice
        return cls(
            **work.common,
            bits=work.bits[0],
            banks=choice.banks,
            taps=first.window.taps if first.window else 1,
            depth=choice.depth,
            shortcuts=tuple((r.tensor.width, b) for r, b in zip(others, work.bits[1:], strict=True)),
            tag_bits=5 if len(first.positions) > 1 else 2,
        )

    @classmethod
    def further_taps(cls, taps: int) -> int:
        """Return 1: a further source has one bank, so one tap."""
        return 1

    @classmethod
    def candidates(cls, shape: Any) -> Iterator[tuple[Any, float]]:
        """Yield 1, 2, ... banks a tap: a pass takes as many cycles as the fullest bank has ones, on the frames seen.

        Further sources have a bank each, which scan beside those of the first.
        """
        if shape.taps > prod(shape.layer.synapses[0].kernel):
            return  # further sources have one tap here
        ends = np.cumsum([reader.pass_words for reader in shape.probed.readers])
        first, *further = np.split(shape.spikes, ends[:-1], axis=-2)
        beside = [part.sum(axis=(-2, -1), dtype=np.uint16) for part in further]
        yield from cls.banked(shape, first, shape.words, shape.acting, beside)

    @classmethod
    def banked(
        cls, shape: Any, spikes: np.ndarray, words: int, acting: int = 0, beside: Sequence[np.ndarray] = ()
    ) -> Iterator[tuple[Any, float]]:
        """Yield what :meth:`candidates` do for ``spikes`` ``(planes, ...)`` of the first source, so many ``words`` of
        all, cycles ``acting`` between them, and the ones of each pass ``beside`` them, an array a further source."""
        taps = shape.taps
        segment = spikes.shape[-1] // taps
        split = spikes.reshape(*spikes.shape[:-1], taps, segment).sum(axis=-3, dtype=np.uint16)
        for each in (1, 2, 4, 8):
            if segment % each or (segment // each) & (segment // each - 1) or taps * each > 64 or segment // each > 64:
                continue
            ones = split.reshape(*split.shape[:-1], segment // each, each).sum(axis=-2)
            # (planes, frames, positions, splits)
            slots = np.max([np.ones_like(ones[..., 0, 0]), ones.max(axis=(-2, -1)), *beside], axis=0)
            mean = slots.sum(axis=(0, 2, 3)).mean() / slots.shape[3]
            choice = shape.choice(cls.kind, banks=taps * each, depth=shape.depth)
            yield choice, max(mean + acting, words)

    @property
    def sections(self) -> list[Section]:
        """The :class:`Section` of each source."""
        found, begin, row = [], 0, 0
        banks = [(self.width, self.taps, self.banks, self.bits), *((w, 1, 1, b) for w, b in self.shortcuts)]
        for cells, numbers in zip(self.parts, banks, strict=True):
            found.append(Section(cells, begin, row, *numbers))
            begin, row = begin + cells.frame_words, row + cells.rows
        return found

    @property
    def terms(self) -> int:
        """Banks of all sources."""
        return self.banks + len(self.shortcuts)

    @property
    def ways(self) -> int:
        """Banks of the first source."""
        return self.banks

    @property
    def ahead(self) -> int:
        """Passes that the input may run ahead of the scan: what the tags can tell apart."""
        return 2**self.tag_bits - 1

    @property
    def memories(self) -> list[tuple[int, int, int]]:
        """``(count, rows, bits of a row)`` of the memories of weights, by source."""
        return [(s.banks, self.groups * s.rows * s.share, self.lanes * s.bits) for s in self.sections]

    @property
    def capture_cycles(self) -> int:
        """Cycles from a frame's last slot to the one in which the accumulators hold its sums."""
        return ROW_CYCLES + tree_levels(self.terms) + (0 if self.acting else 1)

    @property
    def recurrence(self) -> Recurrence:
        """A cycle a spike and bank."""
        return Recurrence(banks=self.terms, queue=self.depth, ahead=self.ahead)

    def lower_bound(self, words: int, ones: np.ndarray, positions: int = 1) -> np.ndarray:
        """Return the most of ``active inputs / banks`` over the sources, and the neurons' actions, and of ``words``.

        An input counts once for each pass in which it is active. The interval from the end of a frame to that of the
        next may be less, by what the scanner did ahead while slots of the first one were in the queue.
        """
        bound, acting = np.full(len(ones), float(words)), positions * self.groups * self.action_cycles
        passes, first = self.groups // ones.shape[2], 0
        active = ones.reshape(len(ones), -1, ones.shape[-1]).sum(axis=1, dtype=np.int64) * passes
        for section in self.sections:
            mine = active[:, first : first + section.banks].sum(axis=1) / section.banks
            bound = np.maximum(bound, mine + acting)
            first += section.banks
        return bound

    def describe(self) -> dict[str, int]:
        """Return taps, banks and queues."""
        return {"taps": self.taps, "banks": self.banks, "queue_words": self.depth, "passes_ahead": self.ahead}

    def circuit(self) -> "EventEngine":
        """Return the :class:`EventEngine`."""
        return EventEngine(self)

    def weight_reads(self, positions: int, ones: np.ndarray) -> list[tuple[float, int]]:
        """Return ``(bits read a frame, bits of a bank)`` of each source: a row a spike."""
        found, first = [], 0
        passes = self.groups // ones.shape[2]
        for section, (_, rows, width) in zip(self.sections, self.memories, strict=True):
            read = float(ones[..., first : first + section.banks].sum()) if ones.shape[-1] > 1 else float(ones.sum())
            found.append((read / len(ones) * passes * width, rows * width))
            first += section.banks
        return found

    def memory_cost(self, family: Family) -> Cost:
        """Return the cost of the banks' memories, each in columns (:func:`memory_columns`)."""
        return sum(
            (
                rom(family, rows, part, self.memory) * count
                for (count, rows, width), section in zip(self.memories, self.sections, strict=True)
                if rows > 1
                for part in memory_columns(rows, width)
            ),
            Cost(),
        )

    def cost(self, family: Family, *, predicted: bool = False) -> Cost:
        """Return the cost of queues, scanners, rows, trees, accumulators."""
        cost = self.memory_cost(family) + self.sums_cost(family)
        for section, (_, rows, width) in zip(self.sections, self.memories, strict=True):
            index = bits_for(self.groups * section.rows)
            queue = ram(family, self.depth, section.share + index + self.tag_bits, registered=False)
            row, pointer = index + bits_for(section.share), bits_for(self.depth)
            sign = 3 if section.bits == 1 else 0
            scanner = Cost(
                luts=family.scan * section.share + 6, ffs=2 * section.share + index + row + 3 * pointer + 2 + sign
            )
            head = Cost(luts=(section.share + index) / 2, ffs=section.share + index + self.tag_bits + 4)
            stored = rom(family, rows, width, self.memory)
            gated = Cost(ffs=width * (2 - absorbs(family, stored)))
            cost += (queue + head + scanner + gated) * section.banks
        index = bits_for(self.groups * self.table_words)
        control = index * (2 if self.pooled or self.planes > 1 else 1) + bits_for(self.groups) + bits_for(self.repeats)
        return cost + Cost(
            luts=family.layer + control, ffs=index + 9 + control + self.capture_cycles * (2 + self.planes // 2)
        )

    def sums_cost(self, family: Family) -> Cost:
        """Return the cost of trees and accumulators."""
        return accumulators(family, self, self.terms)

    def row_contents(self) -> list[list[int]]:
        """Return, per bank of every source, its rows as integers: lane m's weight at bit ``m * bits``."""
        banks = []
        for section in self.sections:
            words = self.weights[:, :, section.row : section.row + section.rows]
            for bank in range(section.banks):
                mine = words[..., section.lanes_of_bank(bank)]  # (groups, lanes, words, share)
                banks.append(pack_rows(mine.transpose(0, 2, 3, 1).reshape(-1, self.lanes), section.bits))
        return banks

    def ones(self, words: np.ndarray) -> np.ndarray:
        """Return the ones, uint16 ``(..., planes, words, banks)``, of integer ``words`` ``(..., words, width)``."""
        counts = np.zeros((*words.shape[:-2], self.planes, words.shape[-2], self.terms), np.uint16)
        first = 0
        for section in self.sections:
            end = section.begin + section.words
            mine = words[..., section.begin : end, :]
            mine = mine[..., [section.lanes_of_bank(bank) for bank in range(section.banks)]]
            found = np.moveaxis(self.planes_of(mine).sum(axis=-1, dtype=np.uint16), 0, -3)
            counts[..., section.begin : end, first : first + section.banks] = found
            first += section.banks
        return counts


class EventEngine(wiring.Component):
    """Words of spikes in, accumulators out (ports: :func:`engine_ports`). Cycles: see ``timing``."""

    def __init__(self, params: EventParams) -> None:
        self.params: Any = params
        super().__init__(engine_ports(params))

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        scanners, slot, _ = self._scanned(m)
        m.d.comb += self.capture.eq(accumulate(m, self.params, self._weights(m, scanners), self.accumulators, slot))
        return m

    def _scanned(self, m: Module) -> tuple[list[Scanner], Slot, Signal]:
        """Add what finds the spikes; return the banks' scanners, their slot, and whether it ends its pass."""
        p = self.params
        tags, room = Tags(p.tag_bits), Signal()
        taken, index = self.i.valid & room, RowIndex(p)
        scanners = self._scanners(m, taken, index, tags)
        some = self._taken(m, taken, room, index.pass_end, scanners, tags)

        # slots: all banks scan the same pass; the last one of a cell waits for room behind the accumulators
        first = Signal(init=1)
        advance = tags.advance
        count = FrameCount(m, p, advance)
        room_behind = credit(m, p.slots, advance & count.final, self.release)
        idle = Cat(s.idle for s in scanners).all()
        ended, action = idle & some & (room_behind | ~count.final), None
        if p.actions:
            action = acted(m, p, ended, count.frame_end, advance, Signal(name="acting"))
        else:
            m.d.comb += advance.eq(ended)
        m.d.sync += first.eq(advance)
        with m.If(advance):
            m.d.sync += [tags.current.eq(tags.following), tags.following.eq(tags.after), tags.after.eq(tags.after + 1)]

        slot = Slot(first, count.plane, count.group, advance & count.frame_end, ROW_CYCLES, action)
        return scanners, slot, advance

    def _scanners(self, m: Module, taken: Value, index: RowIndex, tags: Tags) -> list[Scanner]:
        """Number the words, give each bank of every source its share; return the banks' scanners."""
        p, scanners = self.params, list[Scanner]()
        for section, (mine, number) in zip(p.sections, index.build(m, taken, p.sections), strict=True):
            for bank in range(section.banks):
                scanner = Scanner(section.share, len(number), p.depth, p.tag_bits)
                m.submodules[f"scan{len(scanners)}"] = scanner
                bits = Cat(self.i.payload[k] for k in section.lanes_of_bank(bank))
                m.d.comb += [
                    scanner.i.payload.bits.eq(bits),
                    scanner.i.payload.index.eq(number),
                    scanner.i.payload.tag.eq(tags.incoming),
                    scanner.i.valid.eq(taken & mine & bits.any()),
                    scanner.current.eq(tags.current),
                    scanner.following.eq(tags.following),
                    scanner.after.eq(tags.after),
                    scanner.advance.eq(tags.advance),
                ]
                scanners.append(scanner)
        return scanners

    def _taken(
        self, m: Module, taken: Value, room: Signal, pass_end: Value, scanners: Sequence[Scanner], tags: Tags
    ) -> Signal:
        """Count the passes that have come in and are not scanned yet; return whether there are any.

        There is ``room`` for a word while these are not as many as the tags can tell apart.
        """
        p, advance = self.params, tags.advance
        ahead, some, full, entered = Signal(p.tag_bits), Signal(), Signal(), Signal()
        m.d.comb += [
            room.eq(Cat(s.i.ready for s in scanners).all() & ~full),
            self.i.ready.eq(room),
            entered.eq(taken & pass_end),
        ]
        m.d.sync += [
            ahead.eq(ahead + entered - advance),
            some.eq(entered | (some & ~(advance & (ahead == 1)))),
            full.eq(~advance & (full | (entered & (ahead == p.ahead - 1)))),
        ]
        with m.If(entered):
            m.d.sync += tags.incoming.eq(tags.incoming + 1)
        return some

    def _weights(self, m: Module, scanners: Sequence[Scanner]) -> list[list[Value]]:
        """Add what reads a row a bank, number, memory, the memory's register; return the weights, a list a lane."""
        p = self.params
        terms: list[list[Value]] = [[] for _ in range(p.lanes)]
        weights_of = [section.bits for section in p.sections for _ in range(section.banks)]
        for bank, (scanner, bits, contents) in enumerate(zip(scanners, weights_of, p.row_contents(), strict=True)):
            width, rows = p.lanes * bits, len(contents)
            weights = Signal(width, name=f"weights{bank}", reset_less=True)
            number = Signal(range(max(2, rows)), name=f"row{bank}")
            # a memory that is read without need would take most of an idle circuit's power
            wanted = delayed(m, scanner.active, 1, f"wanted{bank}")
            # the reset of the weights, as a register of its own: no inverter in between
            blank = delayed(m, ~wanted, ROW_CYCLES - 2, f"blank{bank}", init=1)
            # block RAM is so late that its word reaches a register at best, on some devices that of the block itself
            raw = Signal(width, name=f"raw{bank}", reset_less=True)
            data = self._rows(m, bank, contents, width, number, wanted)
            m.d.sync += [number.eq(scanner.row), raw.eq(data), weights.eq(raw)]
            with m.If(blank):
                m.d.sync += weights.eq(0)
            active = delayed(m, ~blank, 1, f"active{bank}") if bits == 1 else None
            for lane in range(p.lanes):
                terms[lane].append(signed_weight(weights, lane, bits, active))
        return terms

    def _rows(self, m: Module, bank: int, contents: Sequence[int], width: int, number: Signal, wanted: Value) -> Value:
        """Add the memory of a bank's rows; return the row ``number`` of the cycle before, if it was ``wanted``."""
        columns, at = [], 0
        for k, bits in enumerate(memory_columns(len(contents), width)):
            init = [row >> at & ((1 << bits) - 1) for row in contents]
            rom = memory.Memory(shape=bits, depth=len(contents), init=init, attrs=self.params.memory_attributes)
            m.submodules[f"rows{bank}_{k}" if k else f"rows{bank}"] = rom
            port = rom.read_port()
            m.d.comb += [port.addr.eq(number), port.en.eq(wanted)]
            columns.append(port.data)
            at += bits
        return Cat(columns)
