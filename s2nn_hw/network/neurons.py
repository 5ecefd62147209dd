"""What happens to the sum: the threshold neuron and the readout, golden step first, circuit below.

Fire:     ``s = 1[a >= T]``          a   accumulator      T   integer threshold      s   spike
Readout:  ``y = a + B``              B   integer bias     y   score; class = argmax y, ties to the lowest
"""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Array, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.errors import UserError


def _checked_table(table, what):
    if not isinstance(table, np.ndarray) or table.dtype != np.int32:
        raise UserError(f"{what} must be an int32 array, not {getattr(table, 'dtype', type(table).__name__)}")
    if table.ndim != 1 or not len(table):
        raise UserError(f"{what} must have shape (neurons,), at least 1, not {table.shape}")
    limit = 2**30
    if int(table.min()) < -limit or int(table.max()) > limit:
        raise UserError(f"{what} must lie in -2^30 .. 2^30, not {table.min()} .. {table.max()}")
    frozen = table.copy()
    frozen.setflags(write=False)
    return frozen


@dataclass(frozen=True, eq=False)
class Fire:
    """A spike where the accumulator reaches the threshold; ``thresholds``: int32 ``(neurons,)``, one a channel."""

    thresholds: np.ndarray
    kind = "fire"
    table_name = "thresholds"

    def __post_init__(self):
        object.__setattr__(self, "thresholds", _checked_table(self.thresholds, "thresholds"))

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


@dataclass(frozen=True, eq=False)
class Readout:
    """Scores without a spike; ``bias``: int32 ``(classes,)`` in units of the one scale that all classes share."""

    bias: np.ndarray
    kind = "readout"
    table_name = "bias"

    def __post_init__(self):
        object.__setattr__(self, "bias", _checked_table(self.bias, "bias"))

    @property
    def table(self):
        return self.bias

    @property
    def size(self):
        return len(self.bias)

    def step(self, accumulators):
        """Return scores, int64 ``(batch, classes)``, of int64 ``accumulators`` ``(batch, classes)``."""
        import torch

        return accumulators + torch.tensor(self.bias, dtype=torch.int64)

    def offsets(self, low, high):
        """Return what the circuit adds to the accumulators, int64 ``(classes,)``: the bias."""
        return self.bias.astype(np.int64)


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


def collected(m, value, capture, *, groups, repeats=1):
    """Return ``(whole, complete)``: the ``value`` of ``groups`` captures side by side, ``repeats`` such rows ORed.

    ``complete`` is high in the cycle of the last capture.
    """
    if groups * repeats == 1:
        return value, capture
    size = len(value)
    held = Signal(size * groups, reset_less=True)
    group = Signal(range(groups + 1))
    repeat = Signal(range(repeats + 1))
    last_group, last_repeat = group == groups - 1, repeat == repeats - 1
    slices = [held[k * size : (k + 1) * size] for k in range(groups)]
    joined = Signal(size)
    m.d.comb += joined.eq(value | Mux(repeat == 0, 0, Array(slices)[group]) if repeats > 1 else value)
    with m.If(capture):
        m.d.sync += group.eq(Mux(last_group, 0, group + 1))
        with m.If(last_group):
            m.d.sync += repeat.eq(Mux(last_repeat, 0, repeat + 1))
        for k, part in enumerate(slices):
            with m.If(group == k):
                m.d.sync += part.eq(joined)
    return Cat(*slices[:-1], joined), capture & last_group & last_repeat


class ReadoutUnit(wiring.Component):
    """Scores and their argmax, ties to the lowest class.

    ``values``, ``capture``: ``lanes`` scores, taken in a cycle in which ``capture`` is high; ``groups`` of them make
    all the scores (those past the last class are dropped). ``o``: one beat a frame, offered ``1 + levels`` cycles
    after the last capture: a comparison per register. ``release``: high when the beat is taken.
    """

    def __init__(self, *, classes, score_width, lanes=None, groups=1):
        self.classes, self.score_width = classes, score_width
        self.lanes, self.groups = lanes or classes, groups
        self.levels = (classes - 1).bit_length()
        scores = data.ArrayLayout(signed(score_width), classes)
        super().__init__(
            {
                "values": In(data.ArrayLayout(signed(score_width), self.lanes)),
                "capture": In(1),
                "o": Out(stream.Signature(data.StructLayout({"class": max(1, self.levels), "scores": scores}))),
                "release": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        scores = Signal(self.o.payload.scores.shape())
        whole, complete = collected(m, self.values.as_value(), self.capture, groups=self.groups)
        m.d.comb += [self.release.eq(self.o.valid & self.o.ready), self.o.payload.scores.eq(scores)]
        with m.If(complete):
            m.d.sync += scores.eq(whole)
        with m.If(self.release):
            m.d.sync += self.o.valid.eq(0)

        arrived = Signal(max(1, self.levels))
        m.d.sync += arrived.eq(Cat(complete, arrived))
        with m.If(arrived[-1] if self.levels else complete):
            m.d.sync += self.o.valid.eq(1)

        best = [(scores[k], C(k, max(1, self.levels))) for k in range(self.classes)]
        for level in range(self.levels):
            winners = []
            for k, ((left, here), (right, there)) in enumerate(zip(best[::2], best[1::2], strict=False)):
                value = Signal(signed(self.score_width), name=f"best{level}_{k}", reset_less=True)
                number = Signal(self.levels, name=f"class{level}_{k}", reset_less=True)
                wins = right > left
                m.d.sync += [value.eq(Mux(wins, right, left)), number.eq(Mux(wins, there, here))]
                winners.append((value, number))
            if len(best) % 2:
                # with a reset: a shift register in a look-up table would be late for the comparison behind it
                value = Signal(signed(self.score_width), name=f"best{level}_last")
                number = Signal(self.levels, name=f"class{level}_last")
                m.d.sync += [value.eq(best[-1][0]), number.eq(best[-1][1])]
                winners.append((value, number))
            best = winners
        m.d.comb += self.o.payload["class"].eq(best[0][1])
        return m
