"""The whole network as one Component: pixels in, results out."""

from typing import Any

from amaranth.hdl import C, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.engines.accumulate import credit
from s2nn_hw.circuit.engines.wiring import Around, joined
from s2nn_hw.circuit.fifo import MemoryQueue, Queue
from s2nn_hw.circuit.join import Fork, Merge, OrWords
from s2nn_hw.circuit.names import fork_of, merge_of, or_of, window_of
from s2nn_hw.circuit.stage import Stage, Tensor
from s2nn_hw.circuit.windows import Window
from s2nn_hw.design import CYCLE_BITS, TAG_BITS, Design
from s2nn_hw.family import GENERAL
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import default_plan


class Accelerator(wiring.Component):
    """``network`` under ``plan`` (default: :func:`default_plan` for :data:`GENERAL`).

    ``i``: ``beats`` a frame, of ``pixels_per_beat`` pixels of ``network.input.bits`` bits, pixel 0 in the low bits.
    ``o``: one beat a frame, in order.
    ``o.payload.class``: the highest score's, ties to the lowest class.
    ``o.payload.scores``: signed, one a class.
    ``o.payload.cycles``: from the frame's first beat taken to this result first offered.
    ``spikes``: where asked for: the words that the readout reads, as :attr:`leaving` lays them out. Where
    they are not taken at once everything waits; a streaming accelerator's must be.

    Pixels come in raster order; before a convolution each image position begins a new beat. Places without a pixel are
    ignored (``Design.beat_pixels`` has the map).

    ``timing.schedule(timing.ones(values))`` gives those cycles exactly, for frames alone and back to back; ``values``:
    :func:`~s2nn_hw.network.trace.layer_inputs` of network and images, its second part. A streaming accelerator
    (``Design.streaming``) counts modulo 2^16: no frame is longer under way unless its result is refused.
    """

    def __init__(self, network: Network, plan: Plan | None = None, *, spikes: bool = False) -> None:
        self._MustUse__used = True  # what is refused below is no circuit that Amaranth need miss
        self.design = design = Design(network, plan or default_plan(network, GENERAL))
        self.network, self.plan, self.stages, self.timing = network, design.plan, design.stages, design.timing
        self.pixels_per_beat, self.beats = design.pixels_per_beat, design.beats
        self.pixels_per_group, self.beat_pixels = design.pixels_per_group, design.beat_pixels
        self.score_width, self.result_layout = design.score_width, design.result_layout
        beat = data.ArrayLayout(unsigned(network.input.bits), self.pixels_per_beat)
        ports = {"i": In(stream.Signature(beat)), "o": Out(stream.Signature(self.result_layout))}
        self._told = design.read_last if spikes else None
        if spikes:
            ports["spikes"] = Out(stream.Signature(self.leaving.width * self.leaving.planes.count))
        super().__init__(ports)
        self._MustUse__used = False

    @property
    def leaving(self) -> Tensor:
        """How what the readout reads is streamed."""
        return self.design.tensors[self.design.read_last]

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        entry = stream.Signature(self.pixels_per_beat * self.network.input.bits).create()
        gate = Signal(init=1)
        now = Signal(TAG_BITS if self.design.streaming else CYCLE_BITS)
        before = Signal.like(now, init=-1)  # a cycle less, so that a difference that counts both ends is one adder
        m.d.sync += [now.eq(now + 1), before.eq(now)]
        m.d.comb += [
            entry.payload.eq(self.i.payload.as_value()),
            entry.valid.eq(self.i.valid & gate),
            self.i.ready.eq(entry.ready & gate),
        ]
        branches = self._fork(m, INPUT, entry)
        for stage in self.stages:
            source = self._read(m, stage, branches)
            output = source
            if stage.engine:
                width = 0 if stage.is_readout else self.design.tensors[stage.output].width
                around = Around(width, self.score_width, self.design.streaming)
                output = stage.engine.add(m, stage, source, around)
            if stage.is_readout:
                result = output
            else:
                branches |= self._fork(m, stage.output, output)
        if self.design.streaming:
            result = self._collect(m, now, before, gate, result)
        else:
            self._count(m, now, before, gate, result)
        m.d.comb += [
            self.o.valid.eq(result.valid),
            result.ready.eq(self.o.ready),
            self.o.payload["class"].eq(result.payload["class"]),
            self.o.payload.scores.eq(result.payload.scores),
        ]
        return m

    def _collect(self, m: Module, now: Signal, before: Signal, gate: Signal, result: Any) -> Any:
        """Nothing waits on the way: a frame enters only when there is a place for its result. Returns the results."""
        places, bits = self.design.frames_under_way, self.score_width - self.stages[-1].engine.unsigned
        scores, number = result.payload.scores, result.payload["class"]
        kept = Cat(number, *(Value.cast(score)[:bits] for score in scores))
        m.submodules.results = results = MemoryQueue(width=len(kept), depth=places)
        m.submodules.starts = starts = MemoryQueue(width=TAG_BITS, depth=places)
        out = stream.Signature(result.payload.shape()).create()
        entering, leaving = self.i.valid & self.i.ready, out.valid & out.ready
        offered = Signal(TAG_BITS)  # the cycle before the result was offered first
        with m.If(~out.valid | out.ready):
            m.d.sync += offered.eq(now)
        head = results.o.payload[len(number) :]
        m.d.comb += [
            gate.eq(credit(m, places, entering, leaving)),
            starts.i.valid.eq(entering),
            starts.i.payload.eq(before),
            starts.o.ready.eq(leaving),
            result.ready.eq(1),
            results.i.valid.eq(result.valid),
            results.i.payload.eq(kept),
            results.o.ready.eq(out.ready),
            out.valid.eq(results.o.valid),
            out.payload["class"].eq(results.o.payload[: len(number)]),
            # what has no bit for a sign is not negative
            *(
                Value.cast(score).eq(Cat(head.word_select(k, bits), C(0, 1)))
                for k, score in enumerate(out.payload.scores)
            ),
            self.o.payload.cycles.eq((offered - starts.o.payload)[:TAG_BITS]),
        ]
        return out

    def _count(self, m: Module, now: Signal, before: Signal, gate: Signal, result: Any) -> None:
        """Every frame's first cycle waits until its result is there; a frame enters only when there is a place."""
        index, first, last = Signal(range(max(2, self.beats))), Signal(init=1), Signal(init=self.beats == 1)
        elapsed, taken = Signal(CYCLE_BITS), Signal()
        m.d.comb += taken.eq(self.i.valid & self.i.ready)
        with m.If(taken):
            m.d.sync += [index.eq(Mux(last, 0, index + 1)), first.eq(last)]
            if self.beats > 1:
                m.d.sync += last.eq(index == self.beats - 2)
        m.submodules.starts = starts = Queue(width=CYCLE_BITS, depth=self.design.frames_under_way)
        m.d.comb += [
            gate.eq(starts.i.ready | ~first),
            starts.i.payload.eq(before),
            starts.i.valid.eq(taken & first),
            starts.o.ready.eq(result.valid & result.ready),
            self.o.payload.cycles.eq(elapsed),
        ]
        with m.If(~result.valid):
            m.d.sync += elapsed.eq(now - starts.o.payload)

    def _fork(self, m: Module, name: str, source: Any) -> dict[tuple[str, int], Any]:
        """Return the streams of tensor ``name`` by (reading stage, number of its source)."""
        readers = [
            (stage.name, k) for stage in self.stages for k, reader in enumerate(stage.readers) if reader.source == name
        ]
        told = name == self._told
        if len(readers) + told == 1:
            return {readers[0]: source}
        fork = Fork(width=len(source.payload), branches=len(readers) + told)
        m.submodules[fork_of(name)] = fork
        joined(m, source, fork.i)
        if told:
            joined(m, getattr(fork, f"o{len(readers)}"), self.spikes)
        return {reader: getattr(fork, f"o{k}") for k, reader in enumerate(readers)}

    def _read(self, m: Module, stage: Stage, branches: dict[tuple[str, int], Any]) -> Any:
        """Return the stream of words that ``stage``'s engine takes: windows, merged, or ORed for a join."""
        streams = []
        for k, reader in enumerate(stage.readers):
            source = branches[stage.name, k]
            if reader.window is None:
                streams.append(source)
                continue
            window = Window(reader.window)
            m.submodules[window_of(stage.name, k)] = window
            joined(m, source, window.i)
            streams.append(window.o)
        if len(streams) > 1:
            merge = Merge(width=max(len(s.payload) for s in streams), counts=[r.pass_words for r in stage.readers])
            m.submodules[merge_of(stage.name)] = merge
            for k, source in enumerate(streams):
                port = getattr(merge, f"i{k}")
                m.d.comb += [port.payload.eq(source.payload), port.valid.eq(source.valid), source.ready.eq(port.ready)]
            streams = [merge.o]
        if stage.engine is None:
            tensor = stage.readers[0].tensor
            m.submodules[or_of(stage.name)] = join = OrWords(
                width=tensor.width, words=stage.pass_words, taps=stage.or_taps, planes=tensor.planes
            )
            (source,) = streams
            joined(m, source, join.i)
            return join.o
        return streams[0]
