"""The whole network as one Component: pixels in, results out."""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .engines.event import EventEngine
from .errors import UserError
from .network import INPUT
from .neurons import FireUnit, ReadoutUnit
from .pixels import BitPlanes
from .plan import default_plan, layer_params
from .timing import Timing

CYCLE_BITS = 32


class Design:
    """What is known of the circuit of ``network`` under ``plan`` without building it.

    ``params``: one :class:`EventParams` a layer; ``timing``: the exact cycle model; ``pixels_per_beat``, ``beats``
    (a frame), ``score_width`` (bits, signed), ``result_layout``: the ports, see :class:`Accelerator`.
    """

    def __init__(self, network, plan=None):
        self.network, self.plan = network, plan or default_plan(network)
        previous = INPUT
        for layer in network.layers:
            if layer.sources != (previous,):
                raise UserError(
                    f"layer {layer.name}: the circuit takes a chain of layers, so its source must be {previous}, "
                    f"not {layer.sources[0]}"
                )
            previous = layer.name
        self.params = layer_params(network, self.plan)
        classes = len(network.classes)
        self.timing = Timing(self.params, classes=classes)
        self.pixels_per_beat, self.beats = self.params[0].width, self.params[0].words
        self.score_width = int(self.params[-1].accumulator_widths().max())
        self.result_layout = data.StructLayout({
            "class": max(1, (classes - 1).bit_length()),
            "scores": data.ArrayLayout(signed(self.score_width), classes),
            "cycles": CYCLE_BITS,
        })


class Accelerator(wiring.Component):
    """``network`` under ``plan`` (default: :func:`default_plan`).

    ``i``: beats of ``pixels_per_beat`` pixels of ``network.input.bits`` bits, pixel 0 in the low bits, raster
    order, ``beats`` a frame; pixels past the frame's end in its last beat are ignored.
    ``o``: one beat a frame, in order: ``class`` (ties to the lowest), ``scores`` (signed), ``cycles``: from the
    cycle in which the frame's first beat was taken to the one in which this result is first offered.

    ``timing.schedule(pixels)`` gives those cycles exactly, for frames alone and back to back.
    """

    def __init__(self, network, plan=None):
        self.design = design = Design(network, plan)
        self.network, self.plan, self.params, self.timing = network, design.plan, design.params, design.timing
        self.pixels_per_beat, self.beats = design.pixels_per_beat, design.beats
        self.score_width, self.result_layout = design.score_width, design.result_layout
        beat = data.ArrayLayout(unsigned(network.input.bits), self.pixels_per_beat)
        super().__init__({"i": In(stream.Signature(beat)), "o": Out(stream.Signature(self.result_layout))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.planes = planes = BitPlanes(
            pixels=self.network.input.size, planes=self.network.input.bits, width=self.pixels_per_beat
        )
        connect(m, flipped(self.i), planes.i)

        spikes, layers = planes.o, self.network.layers
        for k, (layer, params) in enumerate(zip(layers, self.params, strict=True)):
            # prefixes keep a layer's name from meeting another submodule's
            m.submodules[f"engine_{layer.name}"] = engine = EventEngine(params)
            connect(m, spikes, engine.i)
            sums = [engine.accumulators[f"n{n}"] for n in range(layer.synapses[0].neurons)]
            if k < len(layers) - 1:
                unit = FireUnit(neurons=len(sums), width=self.params[k + 1].width)
                m.d.comb += unit.fired.eq(Cat(total >= 0 for total in sums))
            else:
                unit = ReadoutUnit(classes=len(sums), score_width=self.score_width)
                m.d.comb += [unit.values[n].eq(total) for n, total in enumerate(sums)]
            m.submodules[f"neurons_{layer.name}"] = unit
            m.d.comb += [unit.capture.eq(engine.capture), engine.release.eq(unit.release)]
            spikes = unit.o

        # every frame's first cycle waits until its result is there; under way are at most two frames in the
        # buffer and, per layer, three queued, one being summed and one behind the accumulators
        now = Signal(CYCLE_BITS)
        elapsed = Signal(CYCLE_BITS)
        m.submodules.starts = starts = fifo.SyncFIFO(width=CYCLE_BITS, depth=5 * len(layers) + 4)
        m.d.comb += [
            starts.w_data.eq(now),
            starts.w_en.eq(planes.begin),
            starts.r_en.eq(spikes.valid & spikes.ready),
        ]
        m.d.sync += now.eq(now + 1)
        with m.If(~spikes.valid):
            m.d.sync += elapsed.eq(now + 1 - starts.r_data)
        m.d.comb += [
            self.o.valid.eq(spikes.valid),
            spikes.ready.eq(self.o.ready),
            self.o.payload["class"].eq(spikes.payload["class"]),
            self.o.payload.scores.eq(spikes.payload.scores),
            self.o.payload.cycles.eq(elapsed),
        ]
        return m
