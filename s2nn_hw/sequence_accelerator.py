"""A network of sequences as one Component: frames in, a result a sequence out."""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.circuit.names import neurons_of
from s2nn_hw.circuit.recurrent.engine import RecurrentEngine, vector_layout
from s2nn_hw.cycles.ticks import UNDER_WAY
from s2nn_hw.design import CYCLE_BITS
from s2nn_hw.network.layer import INPUT
from s2nn_hw.network.network import Network
from s2nn_hw.sequence_design import SequenceDesign


class SequenceAccelerator(wiring.Component):
    """``network``, which reads sequences, under ``plan``.

    ``i``: ``beats`` a frame: ``pixels``, ``pixels_per_beat`` values of ``network.input.bits`` bits, value 0 in the low
    bits; ``last``: the frame is its sequence's last one (it counts in a frame's last beat).
    ``o``: one beat a sequence, in order.
    ``o.payload.class``: the highest score's, ties to the lowest class.
    ``o.payload.scores``: signed, one a class.
    ``o.payload.cycles``: from the sequence's first beat taken to this result first offered.

    A sequence has at most ``network.input.frames`` frames: those of a longer one may overflow the states.
    ``design.timing`` gives the cycles exactly.
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        self.design = design = SequenceDesign(network, plan)
        self.network, self.plan, self.stages, self.timing = network, plan, design.stages, design.timing
        self.pixels_per_beat, self.pixels_per_group = design.pixels_per_beat, design.pixels_per_group
        self.beats = design.beats
        self.score_width, self.result_layout = design.score_width, design.result_layout
        self.engines = {
            stage.name: RecurrentEngine(stage, self.score_width if stage.is_readout else 0) for stage in self.stages
        }
        beat = data.StructLayout(
            {"pixels": data.ArrayLayout(unsigned(network.input.bits), self.pixels_per_beat), "last": 1}
        )
        super().__init__({"i": In(stream.Signature(beat)), "o": Out(stream.Signature(self.result_layout))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        for name, engine in self.engines.items():
            m.submodules[neurons_of(name)] = engine
        began, room = Signal(), Signal()
        self._fork(m, INPUT, self._frames(m, began, room))
        *hidden, last = self.stages
        for stage in hidden:
            self._fork(m, stage.name, self.engines[stage.name].o)
        self._answer(m, self.engines[last.name].o, began, room)
        return m

    def _frames(self, m: Module, began: Signal, room: Signal) -> Any:
        """Return the stream of frames, one vector a tick; ``began`` is high when a sequence's first beat is taken,
        which wants ``room`` for one more."""
        entering, ticks = self.network.input, self.network.input.ticks
        frame = Signal(entering.size * entering.bits)
        full, last, first, again = Signal(), Signal(), Signal(init=1), Signal()
        tick, final = Signal(range(max(2, ticks))), Signal(init=ticks == 1)
        index = Signal(range(max(2, self.beats)))
        taken = self.i.valid & self.i.ready
        m.d.comb += [self.i.ready.eq(~full & (~first | room)), began.eq(taken & first)]
        width = self.pixels_per_beat * entering.bits
        with m.If(taken):
            for k in range(self.beats):
                place = frame[k * width : (k + 1) * width]
                with m.If(index == k):
                    m.d.sync += place.eq(self.i.payload.pixels.as_value())
            ended = index == self.beats - 1
            m.d.sync += [
                index.eq(Mux(ended, 0, index + 1)),
                full.eq(ended),
                last.eq(self.i.payload.last),
                first.eq(ended & self.i.payload.last),
            ]
        out = stream.Signature(vector_layout(len(frame))).create()
        m.d.comb += [
            out.valid.eq(full),
            out.payload.bits.eq(frame),
            out.payload.last.eq(last & final),
            out.payload.again.eq(again),
        ]
        with m.If(out.valid & out.ready):
            m.d.sync += [full.eq(~final), again.eq(~final)]
            if ticks > 1:
                m.d.sync += [tick.eq(Mux(final, 0, tick + 1)), final.eq(tick == ticks - 2)]
        return out

    def _fork(self, m: Module, name: str, source: Any) -> None:
        """Give each vector of ``source``, tensor ``name``, to all that read it, at once."""
        ports = [
            getattr(self.engines[stage.name], f"i{k}")
            for stage in self.stages
            for k, one in enumerate(stage.sources)
            if one.name == name
        ]
        ready: Value = Cat(port.ready for port in ports).all()
        m.d.comb += source.ready.eq(ready)
        for port in ports:
            others = Cat(other.ready for other in ports if other is not port).all()
            m.d.comb += [port.payload.eq(source.payload), port.valid.eq(source.valid & others)]

    def _answer(self, m: Module, result: Any, began: Signal, room: Signal) -> None:
        """Give the ``result`` of a sequence, and the cycles since it ``began``; say whether there is ``room`` for one
        more."""
        now, elapsed = Signal(CYCLE_BITS), Signal(CYCLE_BITS)
        m.submodules.starts = starts = Queue(width=CYCLE_BITS, depth=UNDER_WAY)
        m.d.sync += now.eq(now + 1)
        m.d.comb += [
            room.eq(starts.i.ready),
            starts.i.payload.eq(now),
            starts.i.valid.eq(began),
            starts.o.ready.eq(result.valid & result.ready),
            self.o.valid.eq(result.valid),
            result.ready.eq(self.o.ready),
            self.o.payload["class"].eq(result.payload["class"]),
            self.o.payload.scores.eq(result.payload.scores),
            self.o.payload.cycles.eq(elapsed),
        ]
        with m.If(~result.valid):
            m.d.sync += elapsed.eq(now - starts.o.payload + 1)
