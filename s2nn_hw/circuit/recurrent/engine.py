"""A layer of a network of sequences: vectors of its sources in, a tick's spikes out; states stay.

A tick of a group, in cycles from its ``launch`` on:

    launch        the scan of all sources begins; states are read, where groups share lanes
    1             registers are loaded
    2             ``begin`` of :mod:`s2nn_hw.network.neurons.lanes`; the first spike is found
    2 .. n + 1    a spike a cycle is found, the row of its weights read; the cycle behind it they are added
    n + 2         the scan is done; of the last group, the sources may send the next vectors from the next cycle on
    n + 3 ..      ``acts``; in the last one the next group is launched, in the cycle behind it what leaves is kept
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from s2nn_hw.circuit.mux import choose
from s2nn_hw.circuit.recurrent.params import RecurrentParams, Source
from s2nn_hw.circuit.recurrent.scan import Scanner
from s2nn_hw.circuit.recurrent.winner import SerialWinner
from s2nn_hw.network.neurons.lanes import APART, Lanes, bits_of


def vector_layout(bits: int) -> data.StructLayout:
    """Return the payload of a tick: ``bits``, value 0 in the low ones; ``last``: it is its sequence's last tick;
    ``again``: it is the frame of the tick before."""
    return data.StructLayout({"bits": bits, "last": 1, "again": 1})


def by_group(table: np.ndarray, lane: int, *, lanes: int, group: Value) -> Value:
    """Return the value of ``table`` ``(neurons,)`` of the neuron of ``group`` in ``lane``, signed, 0 past the last."""
    values = [int(value) for value in table[lane::lanes]]
    width = bits_of(min([*values, 0]), max([*values, 0]))
    spare = -(-len(table) // lanes) - len(values)
    return choose([C(value, signed(width)) for value in [*values, *[0] * spare]], group).as_signed()


class RecurrentEngine(wiring.Component):
    """The engine and the neurons of a layer.

    ``i0``, ``i1``, ...: streams of :func:`vector_layout`, one a source.
    ``o``: the same of the layer, or, of a readout, class and scores, one beat a sequence.
    ``seen``, ``seen_count``: what the neurons of a tick gave, and, counted, when: for who looks into the circuit.

    ``score_width``: bits of a score. ``registers`` by name, one a lane, hold the states of group ``kept`` when ``keep``
    is high, in each tick once.
    """

    def __init__(self, params: RecurrentParams, score_width: int = 0) -> None:
        self.params = p = params
        self.unit = None
        self.registers = {
            name: [Signal(signed(r.width), name=f"{name}{k}", reset_less=True) for k in range(p.lanes)]
            for name, r in p.registers.items()
        }
        self.keep, self.kept = Signal(), Signal(range(max(2, p.groups)))
        ports: dict[str, Any] = {f"i{k}": In(stream.Signature(vector_layout(s.bits))) for k, s in enumerate(p.sources)}
        if p.is_readout:
            self.unit = SerialWinner(classes=p.neuron.size, score_width=score_width, lanes=p.lanes, groups=p.groups)
            ports["o"] = Out(stream.Signature(self.unit.o.payload.shape()))
        else:
            self.value_bits = p.neuron.planes.count
            self.size = p.neuron.size * self.value_bits
            ports |= {
                "o": Out(stream.Signature(vector_layout(self.size))),
                "seen": Out(self.size),
                "seen_count": Out(8),
            }
        super().__init__(ports)

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p = self.params
        start, release = Signal(), Signal()
        buffers = [self._buffer(m, k, source, release) for k, source in enumerate(p.sources)]
        tick = [k for k, source in enumerate(p.sources) if not source.loops]
        last, again = buffers[tick[0]][1], Cat(buffers[k][2] for k in tick).all()
        first, busy = Signal(init=1), Signal()
        m.d.comb += start.eq(~busy & Cat(full for _, _, _, full in buffers).all())
        with m.If(start):
            m.d.sync += busy.eq(1)

        scans: Value = ~again if p.holds else C(1, 1)
        acts, launch, load, begin, keep = Signal(p.neuron.actions), Signal(), Signal(), Signal(), self.keep
        groups = self._groups(m, acts[-1])
        m.d.comb += launch.eq(start | (acts[-1] & ~groups.last))
        m.submodules.scanner = scanner = Scanner(count=len(p.chunk_rows), width=p.choice.width)
        m.d.comb += [
            scanner.start.eq(launch),
            scanner.bits.eq(Mux(scans, Cat(bits for bits, _, _, _ in buffers), 0)),
            release.eq(scanner.done & groups.last),
        ]
        m.d.sync += [load.eq(launch), begin.eq(load), acts.eq(Cat(scanner.done, acts)), keep.eq(acts[-1])]
        tick_last, fresh = Signal(), Signal()
        with m.If(start):
            m.d.sync += [tick_last.eq(last), fresh.eq(scans)]
        terms = self._terms(m, scanner, launch, start)
        constants = partial(by_group, lanes=p.lanes, group=groups.now)
        lanes = Lanes(self.registers, terms, begin, list(acts), first, fresh, groups.now, constants, p.sums, p.memories)
        left = p.neuron.circuit(m, lanes)
        self._load(m, groups, load, first)  # behind it, so that a load overrides what neurons do
        over = keep & groups.kept_last
        with m.If(over):
            m.d.sync += first.eq(tick_last)
        if self.unit:
            values = [self.unit.values[k].eq(value) for k, value in enumerate(left)]
            m.d.comb += [*values, self.unit.capture.eq(keep & tick_last)]
            m.submodules.unit = self.unit
            connect(m, self.unit.o, flipped(self.o))
            with m.If((over & ~tick_last) | self.unit.release):
                m.d.sync += busy.eq(0)
        else:
            self._give(m, left, keep, groups)
            m.d.comb += self.o.payload.last.eq(tick_last)
            with m.If(over):
                m.d.sync += [self.o.valid.eq(1), self.seen_count.eq(self.seen_count + 1)]
            with m.If(self.o.valid & self.o.ready):
                m.d.sync += [self.o.valid.eq(0), busy.eq(0)]
        return m

    def _buffer(self, m: Module, number: int, source: Source, release: Value) -> tuple[Value, Value, Value, Value]:
        """Return bits, last, again and full of source ``number``: one vector waits there until its scans are done.

        Of a loop zeros wait there at first, and again behind the last tick of a sequence. Of a delayed source in front
        that of the tick waits too, as the one before is scanned. Where a source is direct it is not taken before.
        """
        port = getattr(self, f"i{number}")
        if source.direct:
            m.d.comb += port.ready.eq(release)
            kept = Signal(source.bits, name=f"bits{number}")
            m.d.comb += kept.eq(port.payload.bits)
            return self._chunked(kept, source), port.payload.last, port.payload.again, port.valid
        bits, full = Signal(source.bits, name=f"bits{number}"), Signal(name=f"full{number}", init=source.loops)
        last, again = Signal(name=f"last{number}"), Signal(name=f"again{number}")
        m.d.comb += port.ready.eq(~full)
        with m.If(release):
            m.d.sync += full.eq(0)
        with m.If(port.valid & port.ready):
            came = port.payload.bits
            m.d.sync += [
                full.eq(1),
                bits.eq(Mux(port.payload.last, 0, came) if source.loops else came),
                last.eq(port.payload.last),
                again.eq(port.payload.again),
            ]
        if source.delay and not source.loops:
            before = Signal(source.bits, name=f"before{number}")
            with m.If(release):
                m.d.sync += before.eq(Mux(last, 0, bits))
            bits = before
        return self._chunked(bits, source), last, again, full

    def _chunked(self, bits: Signal, source: Source) -> Value:
        """Return ``bits`` plane by plane, the lowest first, each in whole chunks."""
        count, spare = source.planes.count, source.chunks * source.width - source.size
        return Cat(Cat([bits[k * count + plane] for k in range(source.size)], C(0, spare)) for plane in range(count))

    def _groups(self, m: Module, end: Value) -> "Groups":
        """Return the groups; ``end`` is high in a group's last cycle."""
        count = self.params.groups
        if count == 1:
            return Groups(C(0, 1), C(0, 1), C(1, 1), self.kept, C(1, 1))
        group, last, coming = Signal(range(count)), Signal(), Signal(range(count))
        kept, kept_last = self.kept, Signal()
        m.d.comb += [last.eq(group == count - 1), coming.eq(Mux(end, Mux(last, 0, group + 1), group))]
        m.d.sync += [group.eq(coming), kept.eq(group), kept_last.eq(last)]
        return Groups(group, coming, last, kept, kept_last)

    def _terms(self, m: Module, scanner: Scanner, launch: Value, start: Value) -> list[Value]:
        """Return what is added, one a lane: the weights of what the scanner found a cycle ago."""
        p = self.params
        chunk_rows = p.group_rows // p.choice.width
        row: Value = choose(p.chunk_rows, scanner.chunk)
        if p.groups > 1:
            base = Signal(range(p.groups * chunk_rows))
            with m.If(launch):
                m.d.sync += base.eq(Mux(start, 0, base + chunk_rows))
            row = base + row
        digits = (p.choice.width - 1).bit_length()
        depth = len(p.rows)
        m.submodules.weights = rom = memory.Memory(
            shape=p.lanes * p.bits, depth=depth, init=self._contents(), attrs=self._attributes()
        )
        read, valid = rom.read_port(), Signal()
        m.d.comb += read.addr.eq(Cat(scanner.place[:digits], row))
        m.d.sync += valid.eq(scanner.valid)
        weights = sorted(set(p.chunk_weights), key=lambda w: (abs(w), w))
        which = Signal(range(max(2, len(weights))))
        m.d.sync += which.eq(choose([weights.index(w) for w in p.chunk_weights], scanner.chunk))
        most = max(abs(w) for w in weights).bit_length() - 1
        wide = p.bits + most + (1 if min(weights) < 0 else 0)
        terms = []
        for lane in range(p.lanes):
            weight = read.data[lane * p.bits : (lane + 1) * p.bits].as_signed()
            ways: list[Value] = []
            for counted in weights:
                way = Signal(signed(wide), name=f"way{lane}_{len(ways)}")
                scaled = Cat(C(0, abs(counted).bit_length() - 1), weight).as_signed()
                m.d.comb += way.eq(-scaled if counted < 0 else scaled)
                ways.append(way)
            term = Signal(signed(wide + p.shift), name=f"term{lane}")
            m.d.comb += term[p.shift :].eq(Mux(valid, choose(ways, which), 0))
            terms.append(term)
        return terms

    def _contents(self) -> list[int]:
        """Return the rows of weights as integers, lane 0 in the low bits."""
        p = self.params
        fields = p.rows.astype(np.int64) & ((1 << p.bits) - 1)
        return [sum(int(value) << (k * p.bits) for k, value in enumerate(row)) for row in fields]

    def _attributes(self) -> dict[str, str]:
        memory_kind = self.params.choice.memory
        if memory_kind == "auto":
            return {}
        style = {"block": "block", "distributed": "logic"}[memory_kind]
        return {"ram_style": style, "rom_style": style}

    def _load(self, m: Module, groups: "Groups", load: Value, first: Value) -> None:
        """Give registers their start in a sequence's first tick and, where groups share lanes, what they had in the
        tick before: from a memory, a word a group."""
        p = self.params
        flat = [(name, lane, signal) for name in p.neuron.states for lane, signal in enumerate(self.registers[name])]
        before: Value | None = None
        if p.groups > 1 and flat:
            m.submodules.states = states = memory.Memory(
                shape=p.state_bits * p.lanes, depth=p.groups, init=[], attrs=APART
            )
            write, read = states.write_port(), states.read_port()
            m.d.comb += [
                write.addr.eq(groups.kept),
                write.en.eq(self.keep),
                write.data.eq(Cat(signal for _, _, signal in flat)),
                read.addr.eq(groups.coming),
            ]
            before = read.data
        at = 0
        for name, lane, signal in flat:
            start = by_group(p.registers[name].start, lane, lanes=p.lanes, group=groups.now)
            with m.If(load & first):
                m.d.sync += signal.eq(start)
            if before is not None:
                with m.If(load & ~first):
                    m.d.sync += signal.eq(before[at : at + len(signal)])
            at += len(signal)

    def _give(self, m: Module, left: Sequence[Value], keep: Value, groups: "Groups") -> None:
        """Keep what the neurons of a group give, ``left``, in its place of the vector that leaves."""
        p = self.params
        given = Signal(self.size)
        m.d.comb += [self.o.payload.bits.eq(given), self.seen.eq(given)]
        together = Cat(left)
        for group in range(p.groups):
            low = group * p.lanes * self.value_bits
            high = min(self.size, low + len(together))
            with m.If(keep & (groups.kept == group)):
                m.d.sync += given[low:high].eq(together)


@dataclass(frozen=True)
class Groups:
    """The number of the group ``now``, of the one ``coming`` in the next cycle, whether it is the ``last``, and both as
    they were a cycle ago, when what a group leaves is ``kept``."""

    now: Value
    coming: Value
    last: Value
    kept: Value
    kept_last: Value
