"""From the words of a layer's values to the list of its first spikes, in the order of their slots, as bytes."""

from amaranth.build import Platform
from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.stage import Tensor
from s2nn_hw.hw.link.receive import slot_bits
from s2nn_hw.network.address_events import MARKER, EventFormat


class SpikeList(wiring.Component):
    """Keeps the words of ``window`` frames; makes the list of the oldest, as :meth:`.EventFormat.encode` has it.

    ``i``: words of ``tensor``, always taken: at most ``window`` frames may be without ``finish``.
    ``whole``: the list of the oldest frame is there.
    ``length``: its bytes.
    ``number``: which byte is wanted.
    ``byte``: that byte, a cycle later.
    ``finish``: for one cycle: the list is done with.

    Each slot looks at each value: a list takes ``slots * (2 * words + values)`` cycles, three for each spike, and some.
    """

    def __init__(self, tensor: Tensor, form: EventFormat, *, window: int) -> None:
        self.tensor, self.form, self.window = tensor, form, window
        self.width = tensor.width * tensor.planes.count
        super().__init__(
            {
                "i": In(stream.Signature(self.width)),
                "whole": Out(1),
                "length": Out(range(form.most_bytes + 1)),
                "number": In(range(form.most_bytes)),
                "byte": Out(8),
                "finish": In(1),
            }
        )

    def elaborate(self, platform: Platform | None) -> Module:
        """Return the circuit."""
        m = Module()
        tensor, bits, word_bits = self.tensor, self.tensor.planes.count, (self.tensor.words - 1).bit_length()
        frames = slot_bits(self.window)
        m.submodules.words = words = Memory(shape=self.width, depth=1 << word_bits + frames, init=[])
        m.submodules.list = listed = Memory(shape=8, depth=self.form.most_bytes, init=[])
        write, read, put, get = words.write_port(), words.read_port(), listed.write_port(), listed.read_port()
        filled, made = Signal(frames + 1), Signal(frames + 1)
        word_in = Signal(word_bits)
        m.d.comb += [
            self.i.ready.eq(1),
            write.addr.eq(Cat(word_in, filled[:frames])),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid),
        ]
        with m.If(self.i.valid):
            m.d.sync += word_in.eq(word_in + 1)
            with m.If(word_in == tensor.words - 1):
                m.d.sync += [word_in.eq(0), filled.eq(filled + 1)]

        slot, word, part = Signal(8), Signal(word_bits), Signal(range(tensor.pixel_words))
        lane, rest = Signal(range(tensor.width)), Signal(self.width)
        address, count = Signal(16), Signal(16)
        event, place, ending = Signal(24), Signal(range(3)), Signal()  # which byte of it goes into the list
        m.d.comb += [
            read.addr.eq(Cat(word, made[:frames])),
            put.addr.eq(self.length),
            put.data.eq(event.word_select(place, 8)),
            get.addr.eq(self.number),
            self.byte.eq(get.data),
        ]
        last_part, last_lane, last_word = part == tensor.pixel_words - 1, Signal(), word == tensor.words - 1
        m.d.comb += last_lane.eq(lane == Mux(last_part, tensor.width - tensor.spare, tensor.width) - 1)

        def onward() -> None:
            """Go to the next value."""
            m.d.sync += [rest.eq(rest >> bits), lane.eq(lane + 1), address.eq(address + 1)]
            m.next = "LOOK"
            with m.If(last_lane):
                m.d.sync += [word.eq(word + 1), part.eq(Mux(last_part, 0, part + 1))]
                m.next = "READ"
                with m.If(last_word):
                    m.d.sync += [word.eq(0), address.eq(0), slot.eq(slot + 1)]
                    with m.If(slot == self.form.slots - 1):
                        m.next = "END"

        with m.FSM():
            with m.State("WAIT"):
                m.d.sync += [word.eq(0), address.eq(0), slot.eq(0), count.eq(0), ending.eq(0), self.length.eq(0)]
                with m.If(made != filled):
                    m.next = "READ"
            with m.State("READ"):
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += [rest.eq(read.data), lane.eq(0)]
                m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += [event.eq(Cat(slot, address)), place.eq(0)]
                with m.If(rest[:bits] == ~slot[:bits]):  # the value is T - slot
                    m.d.sync += count.eq(count + 1)
                    m.next = "PUT"
                with m.Else():
                    onward()
            with m.State("END"):
                m.d.sync += [event.eq(Cat(Const(MARKER, 8), count)), place.eq(0), ending.eq(1)]
                m.next = "PUT"
            with m.State("PUT"):
                m.d.comb += put.en.eq(1)
                m.d.sync += [place.eq(place + 1), self.length.eq(self.length + 1)]
                with m.If(place == 2):
                    with m.If(ending):
                        m.next = "WHOLE"
                    with m.Else():
                        onward()
            with m.State("WHOLE"):
                m.d.comb += self.whole.eq(1)
                with m.If(self.finish):
                    m.d.sync += made.eq(made + 1)
                    m.next = "WAIT"
        return m
