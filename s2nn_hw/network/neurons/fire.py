"""The threshold neuron, golden step first, circuit below: ``s = 1[a >= T]``.

a   accumulator      T   integer threshold      s   spike
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.network.neurons.collect import collected
from s2nn_hw.network.neurons.tables import checked_table


@dataclass(frozen=True, eq=False)
class Fire:
    """A spike where the accumulator reaches the threshold; ``thresholds``: int32 ``(neurons,)``, one a channel."""

    thresholds: np.ndarray
    kind = "fire"
    table_name = "thresholds"

    def __post_init__(self):
        object.__setattr__(self, "thresholds", checked_table(self.thresholds, "thresholds"))

    @property
    def table(self):
        return self.thresholds

    @property
    def size(self):
        return len(self.thresholds)

    def step(self, accumulators):
        """Return spikes, uint8 ``(batch, positions * neurons)``, of int64 ``accumulators`` of the same shape."""
        import torch

        positions = accumulators.reshape(len(accumulators), -1, self.size)
        spikes = positions >= torch.tensor(self.thresholds, dtype=torch.int64)
        return spikes.reshape(accumulators.shape).to(torch.uint8)

    def offsets(self, low, high):
        """Return what the circuit adds to accumulators in ``low .. high``, int64 ``(neurons,)``: ``-T``.

        A threshold out of reach is pulled to the nearest value with the same outcome, always or never, so
        that it can't widen the accumulator. The spike is then ``accumulator + offset >= 0``.
        """
        return -np.clip(self.thresholds.astype(np.int64), low, high + 1)


class FireUnit(wiring.Component):
    """The sign bit of each accumulator is the spike; spikes are collected and sent as words of ``width``.

    ``fired``, ``capture``: ``lanes`` spikes, taken in a cycle in which ``capture`` is high. ``groups`` of them make the
    ``neurons`` of a position, ``repeats`` positions a cell, whose spikes are ORed (max pooling). ``o``: after each
    cell ``ceil(neurons / width)`` words, the first offered one cycle later, spike 0 in bit 0, unused bits of the last
    word 0. ``release``: high in the cycle in which the last word is taken; ``slots`` cells have room. The inputs are
    no stream, see ``EventEngine``.

    ``seen``, ``seen_count``: the last ``fired`` and the captures so far, for simulation alone;
    nothing reads them, so synthesis leaves them out.
    """

    def __init__(self, *, neurons, width, lanes=None, groups=1, repeats=1, slots=1):
        self.neurons, self.width, self.groups, self.repeats, self.slots = neurons, width, groups, repeats, slots
        self.lanes = lanes or neurons
        self.words = -(-neurons // width)
        super().__init__(
            {"fired": In(self.lanes), "capture": In(1), "o": Out(stream.Signature(width)), "release": Out(1)}
        )

    def elaborate(self, platform):
        m = Module()
        whole, complete = collected(m, self.fired, self.capture, groups=self.groups, repeats=self.repeats)
        whole = whole[: self.neurons]  # without spare lanes
        free, stored, load, direct = Signal(), Signal(), Signal(), Signal()
        index, index_last, last = Signal(range(max(2, self.words))), Signal(init=self.words == 1), Signal()
        keep, drop = Signal(), Signal()  # spikes of which words are left to send come into the store, and leave it
        m.d.comb += [
            free.eq(~self.o.valid | self.o.ready),
            load.eq(free & stored),
            direct.eq(free & ~stored & complete),
            keep.eq(complete & ~direct if self.words == 1 else complete),
            drop.eq(load & index_last),
            self.release.eq(self.o.valid & self.o.ready & last),
        ]
        spikes = self._store(m, whole, keep, drop, stored)
        padded = Cat(spikes, C(0, self.words * self.width - self.neurons))
        words = Array(padded[k * self.width : (k + 1) * self.width] for k in range(self.words))
        with m.If(free):  # the first word goes out at once when nothing is in its way
            m.d.sync += [
                self.o.valid.eq(stored | complete),
                last.eq(Mux(stored, index_last, self.words == 1)),
                self.o.payload.eq(Mux(stored, words[index], whole[: self.width])),
            ]
        if self.words > 1:
            with m.If(load):
                m.d.sync += [index.eq(Mux(index_last, 0, index + 1)), index_last.eq(index == self.words - 2)]
            with m.If(direct):
                m.d.sync += [index.eq(1), index_last.eq(self.words == 2)]
        seen = Signal(self.lanes)
        seen_count = Signal(24)
        with m.If(self.capture):
            m.d.sync += [seen.eq(self.fired), seen_count.eq(seen_count + 1)]
        return m

    def _store(self, m, whole, keep, drop, stored):
        """Add the place for ``slots`` cells, a register or a queue; return the spikes of the oldest."""
        if self.slots > 1:
            m.submodules.queue = queue = fifo.SyncFIFO(width=self.neurons, depth=self.slots)
            m.d.comb += [queue.w_data.eq(whole), queue.w_en.eq(keep), queue.r_en.eq(drop), stored.eq(queue.r_rdy)]
            return queue.r_data
        spikes, held = Signal(self.neurons), Signal()
        m.d.comb += stored.eq(held)
        with m.If(drop):
            m.d.sync += held.eq(0)
        with m.If(keep):
            m.d.sync += [spikes.eq(whole), held.eq(1)]
        return spikes
