"""Windows over a stream of pixels: a ring of words in memory, read tap by tap in the order that an engine wants.

An image enters in raster order, a pixel as ``words`` words of ``width`` values (the last one padded). It leaves as
``positions x groups x planes x steps x (words / splits)`` words of ``taps`` values of ``width`` spikes each:

    for each cell (row, column), for each position of the cell, for each group, for each plane (most significant
    first), for each step, for each word of the group's split:
        port t carries tap ``step * taps + t`` of the kernel (raster order; zeros past the last tap, outside the image)

    cell      the positions that a max pooling behind the neurons joins, else one
    group     the engine handles the output channels in so many passes, each of which sees the window again
    split     the pixel's words fall in so many parts and a group sees only its own (grouped convolutions)

A dense layer is the case of one pixel with all the words and a kernel of one tap.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from amaranth.hdl import C, Cat, Module, Mux, Shape, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.fifo import Queue
from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.mux import choose
from s2nn_hw.circuit.walk import Walk


class Window(wiring.Component):
    """The window of ``params``.

    ``i``: words of ``width`` values of ``value_bits`` bits, value 0 in the low bits, ``frame_words`` an image, no gap.
    ``o``: words of ``taps * width`` spikes, port 0 in the low bits.

    A word that can be read is offered three cycles after the read, one more than its writing: four cycles after it
    came. One word a cycle each way. The ring frees a word as soon as no cell from the present one on can need it.

    Whether a word can be read, and whether one is taken, is the sign of a register: of a difference that every word
    written and every word read moves (:class:`~s2nn_hw.circuit.walk.Walk` says how far). Nothing is subtracted or
    compared.
    """

    def __init__(self, params: WindowParams) -> None:
        self.params = p = params
        bits = p.width * p.value_bits
        super().__init__({"i": In(stream.Signature(bits)), "o": Out(stream.Signature(p.taps * p.width))})

    def elaborate(self, platform: Any) -> Module:
        """Build the circuit."""
        m = Module()
        p, modulus = self.params, 1 << self.params.address_bits
        m.submodules.walk = walk = Walk(p)
        attributes = {"ram_style": "block"} if p.wants_block else {}
        m.submodules.ring = ring = memory.Memory(shape=p.width * p.value_bits, depth=modulus, init=[], attrs=attributes)
        write, moves = ring.write_port(), walk.moves
        ahead = self._beyond(m, "ahead", p.reaches + 1, [move.reach for move in moves], walk, write.en)
        held = self._beyond(m, "held", p.written[1], [move.oldest for move in moves], walk, write.en)
        there = ~ahead[-1]
        if p.reaches.max() >= p.frame_words:  # past the image's end lies nothing to be waited for
            end = np.full_like(p.reaches, p.frame_words)
            there |= ~self._beyond(m, "image", end, [move.image for move in moves], walk, write.en)[-1]
        address = Signal(p.address_bits, init=int(p.origins[0] + p.tap_offsets[0][0]) % modulus)
        # two stages, each with a place: the memory's output; a register, as block RAM is too late to do more than
        # reach one. Then a queue, so that whether a word is read depends on four registers alone
        move, take, fetched, kept = Signal(), Signal(), Signal(), Signal()
        plane, last = _staged(m, walk.plane, (take, move), "plane"), _staged(m, walk.last, (take, move), "last")
        m.d.comb += [
            self.i.ready.eq(held[-1]),
            write.en.eq(self.i.valid & self.i.ready),
            write.data.eq(self.i.payload),
            take.eq(~fetched | move),
            walk.step.eq(take & there),
        ]
        with m.If(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(take):
            m.d.sync += fetched.eq(there)
        with m.If(move):
            m.d.sync += kept.eq(fetched)
        with m.If(walk.step):
            m.d.sync += address.eq(address + _registered(m, "address_move", [move.address for move in moves], walk))
        words: list[tuple[Value, Value, Value]] = []
        for port in range(p.taps):
            read = ring.read_port()
            offsets = [(row[port] - row[0]) % modulus for row in p.tap_offsets]
            m.d.comb += [read.addr.eq(address + choose(offsets, walk.tap)), read.en.eq(take)]
            inside = _staged(m, walk.inside(port), (take, move), f"inside{port}")
            words.append((_staged(m, read.data, (move,), f"word{port}"), inside, inside & ~last))
        m.d.comb += move.eq(~kept | self._leave(m, words, plane, kept))
        return m

    def _leave(self, m: Module, words: Sequence[tuple[Value, Value, Value]], plane: Value, kept: Value) -> Value:
        """Add the queue in which ``(word, inside, whole)`` of each port wait, if they are ``kept``; return its room.

        Of one plane it keeps words as they are: what is outside becomes zero where the head takes a word or the one
        that waits, in the same table. Of several the table before the queue chooses the plane and does that, too.
        """
        p = self.params
        spikes = Cat(self._spikes(word, plane, inside, whole) for word, inside, whole in words)
        waiting = Cat(Cat(word, inside, whole) for word, inside, whole in words) if p.planes == 1 else spikes
        m.submodules.leaving = leaving = Queue(width=len(waiting), depth=2)
        m.d.comb += [
            leaving.i.payload.eq(waiting),
            leaving.i.valid.eq(kept),
            self.o.valid.eq(leaving.o.valid),
            leaving.o.ready.eq(self.o.ready),
        ]
        if p.planes > 1:
            m.d.comb += self.o.payload.eq(leaving.o.payload)
            return leaving.i.ready
        fields = [leaving.coming[k * (p.width + 2) : (k + 1) * (p.width + 2)] for k in range(p.taps)]
        head = Signal(p.taps * p.width, reset_less=True)
        with m.If(leaving.free):
            m.d.sync += head.eq(Cat(self._spikes(f[: p.width], C(0, 1), f[p.width], f[p.width + 1]) for f in fields))
        m.d.comb += self.o.payload.eq(head)
        return leaving.i.ready

    def _spikes(self, word: Value, plane: Value, inside: Value, whole: Value) -> Value:
        """Return bit ``plane``, counted from the highest, of each value of ``word``, or whether it is a spike of that
        slot: zero unless ``inside``, those in spare places unless ``whole``."""
        p, spikes = self.params, []
        for k in range(p.width):
            value = word[k * p.value_bits : (k + 1) * p.value_bits]
            # a slot and its value are each other's complements
            spike = (value ^ plane).all() if p.slot_bits else choose(value[::-1], plane)
            spikes.append(spike & (inside if k < p.width - p.spare else whole))
        return Cat(spikes)

    def _beyond(
        self, m: Module, name: str, mark: np.ndarray, moves: Sequence[int], walk: Walk, written: Value
    ) -> Signal:
        """Return a register, signed: words written less ``mark``, a number of words by output word.

        ``moves``: by how much each move of ``walk`` raises ``mark``; ``written``: a word is. A single adder: of a
        register, which fits into its look-up tables together with the step, and ``written`` as carry.
        """
        least, most = self.params.written
        width = Shape.cast(range(min(-1, (least - mark).min()), max(0, (most - mark).max()) + 1)).width
        count = Signal(width, name=name, init=int(-mark.flat[0]) % (1 << width))
        lower = Mux(walk.step, _registered(m, f"{name}_move", [-move % (1 << width) for move in moves], walk), 0)
        m.d.sync += count.eq((Cat(1, count) + Cat(written, lower))[1:])
        return count


def _registered(m: Module, name: str, values: Sequence[int], walk: Walk) -> Signal:
    """Return a register: that of ``values``, by move of ``walk``, which the next step makes."""
    bits = max(1, max(values).bit_length())
    value = Signal(bits, name=name, init=values[walk.first])
    with m.If(walk.step):
        m.d.sync += value.eq(choose([C(v, bits) for v in values], walk.following))
    return value


def _staged(m: Module, value: Value, enables: Sequence[Value], name: str) -> Value:
    """Return ``value`` behind a register for each of ``enables``."""
    for k, enable in enumerate(enables):
        register = Signal(len(value), name=f"{name}_{k}", reset_less=True)
        with m.If(enable):
            m.d.sync += register.eq(value)
        value = register
    return value
