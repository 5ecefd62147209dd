"""A small accelerator for one-layer networks, with the interface of the real one, for tests of the link."""

import numpy as np
from amaranth.hdl import Array, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.network.layer import Input, Layer
from s2nn_hw.network.network import Network
from s2nn_hw.network.neurons.readout import Readout
from s2nn_hw.network.synapses import Dense


def tiny_network(pixels=12, bits=2, classes=3, seed=0, channels=None):
    """Return a network of one readout layer with random weights; ``channels``: the input is a row of such positions."""
    random = np.random.default_rng(seed)
    weights = random.integers(-7, 8, (classes, pixels)).astype(np.int8)
    bias = random.integers(-40, 40, classes).astype(np.int32)
    shape = (pixels,) if channels is None else (1, pixels // channels, channels)
    return Network(
        "tiny",
        Input(shape, bits),
        (Layer("readout", Dense(weights, 4), Readout(bias)),),
        tuple(f"class {n}" for n in range(classes)),
    )


class StandIn(wiring.Component):
    """Computes the readout a beat per cycle, then waits ``delay`` cycles; ``cycles`` counts from the first beat.

    ``group``: so many pixels start a new beat (None: all of the frame). Lanes past their end are ignored.
    """

    def __init__(self, network, *, pixels_per_beat=5, group=None, delay=0):
        self.network, self.pixels_per_beat, self.delay = network, pixels_per_beat, delay
        self.pixels_per_group = group or network.input.size
        self.lanes = [
            [first + at + lane if at + lane < self.pixels_per_group else None for lane in range(pixels_per_beat)]
            for first in range(0, network.input.size, self.pixels_per_group)
            for at in range(0, self.pixels_per_group, pixels_per_beat)
        ]
        low, high = network.layers[0].synapses[0].bounds(network.input.peak)
        bias = network.layers[0].neuron.bias
        self.score_width = 1 + max(int(np.abs(b + bias).max()) for b in (low, high)).bit_length()
        self.beats = len(self.lanes)
        classes = len(network.classes)
        super().__init__(
            {
                "i": In(stream.Signature(data.ArrayLayout(unsigned(network.input.bits), pixels_per_beat))),
                "o": Out(
                    stream.Signature(
                        data.StructLayout(
                            {
                                "class": unsigned(max(1, (classes - 1).bit_length())),
                                "scores": data.ArrayLayout(signed(self.score_width), classes),
                                "cycles": unsigned(32),
                            }
                        )
                    )
                ),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layer = self.network.layers[0]
        beat, wait = Signal(range(max(2, self.beats))), Signal(range(self.delay + 1))
        cycles = Signal(32)
        scores = self.o.payload.scores
        m.d.sync += cycles.eq(cycles + 1)
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    with m.If(beat == 0):
                        m.d.sync += cycles.eq(1)
                    m.d.sync += beat.eq(beat + 1)
                    for number, bias in enumerate(layer.neuron.bias):
                        total = Mux(beat == 0, int(bias), scores[number])
                        row = [*layer.synapses[0].weights[number].tolist(), 0]
                        for lane in range(self.pixels_per_beat):
                            weights = Array(row[-1 if here[lane] is None else here[lane]] for here in self.lanes)
                            total = total + weights[beat] * self.i.payload[lane]
                        m.d.sync += scores[number].eq(total)
                    with m.If(beat == self.beats - 1):
                        m.d.sync += [beat.eq(0), wait.eq(self.delay)]
                        m.next = "WAIT"
            with m.State("WAIT"):
                best, index = scores[0], 0
                for number in range(1, len(self.network.classes)):
                    # named signals: as expressions they would double at every step
                    next_best, next_index = Signal(signed(self.score_width)), Signal(8)
                    better = scores[number] > best
                    m.d.comb += [
                        next_best.eq(Mux(better, scores[number], best)),
                        next_index.eq(Mux(better, number, index)),
                    ]
                    best, index = next_best, next_index
                m.d.sync += [self.o.payload["class"].eq(index), wait.eq(wait - 1), self.o.payload.cycles.eq(cycles)]
                with m.If(wait == 0):
                    m.d.sync += self.o.valid.eq(1)
                    m.next = "GIVE"
            with m.State("GIVE"), m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
                m.next = "TAKE"
        return m
