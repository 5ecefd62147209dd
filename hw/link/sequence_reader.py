"""Sequences of frames as they come: kept whole until their checksum is right, then handed over frame by frame."""

from typing import Any

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

from s2nn_hw.hw.link.protocol import ErrorCode
from s2nn_hw.hw.link.receive import Slots, Stage, TakenPacket
from s2nn_hw.hw.link.sequence_packets import COUNT_BYTES, SequencePackets


class SequenceFrames:
    """Payloads that are sequences; a :class:`~s2nn_hw.hw.link.receive.Content` of a reader of packets.

    The memory has a row for each beat of the ``window`` longest sequences, without a gap between them. A packet whose
    number of frames can't be is read as if it had none. What a byte is for is settled in the cycles before the byte is
    taken, as its bits enter the checksum one by one.
    """

    answer = data.StructLayout({"code": 4, "sequence": 8})
    bytes_ahead = 0
    hold = code = None
    misfit_code = ErrorCode.RANGE

    def __init__(self, packets: SequencePackets) -> None:
        self.packets = packets
        pixels = data.ArrayLayout(unsigned(packets.bits), packets.pixels_per_beat)
        self.beat = data.StructLayout({"pixels": pixels, "last": 1})
        self._number = Signal(range(COUNT_BYTES + 1), name="number")  # bytes of the number of frames that came
        self._strange = Signal(name="strange")  # it can't be, if its last byte is the one at hand
        self._final = Signal(name="final")  # the byte at hand is the last of the frames
        self._none = Signal(name="none")  # the number can't be

    @property
    def rows(self) -> int:
        """Beats of the longest sequence."""
        return self.packets.frames * self.packets.beats

    def last(self, packet: TakenPacket) -> Value:
        """Return whether as many bytes came as the number of frames wants."""
        return ~packet.is_frame | self._final | ((self._number == COUNT_BYTES - 1) & self._strange)

    def misfit(self, packet: TakenPacket) -> Value:
        """Return whether the number of frames can't be, and a checksum's bytes follow it."""
        return self._none & (packet.stage == Stage.DONE)

    def keep(self, m: Module, packet: TakenPacket, slots: Slots, token: data.View, byte: Signal, o: Any) -> None:
        """Add the memory, what writes it and what reads whole sequences."""
        of, rows = self.packets, self.rows
        width, slot_rows = of.pixels_per_beat * of.bits, [n * rows for n in range(of.window)]
        m.submodules.memory = memory = Memory(shape=width, depth=of.window * rows, init=[])
        write, read = memory.write_port(), memory.read_port()
        row, whole = Signal(range(of.window * rows)), self._count(m, packet, token)
        gathered = Signal(8 * (of.beat_bytes - 1))
        word = Cat(gathered, token.byte)
        ends = Array(Signal.like(row, name=f"end{n}") for n in slot_rows)  # the row of each one's last beat
        writing = slots.writing if of.window > 1 else 0
        m.d.comb += [
            write.addr.eq(row),
            write.data.eq(word[:width]),
            write.en.eq(byte & whole & (self._number == COUNT_BYTES)),
        ]
        with m.If(byte):
            m.d.sync += gathered.eq(word[8:])
            with m.If(self._number != COUNT_BYTES):
                m.d.sync += row.eq(Array(slot_rows)[writing])
        with m.If(write.en):
            m.d.sync += [row.eq(row + 1), ends[writing].eq(row)]
        self._hand_over(m, slots, read, ends, o)

    def _count(self, m: Module, packet: TakenPacket, token: data.View) -> Signal:
        """Add what counts bytes, beats and frames; return whether the byte at hand makes a beat whole."""
        of = self.packets
        low, number = Signal(8), Signal(16)
        byte_in, beat_in, left = Signal(range(of.beat_bytes)), Signal(range(of.beats)), Signal(range(of.frames + 1))
        whole, closing, counted, taken = Signal(), Signal(), Signal(), Signal()  # ``closing``: of a frame's last beat
        m.d.comb += [
            number.eq(Cat(low, token.byte)),
            counted.eq(self._number == COUNT_BYTES),
            taken.eq(packet.take & packet.is_frame & (packet.stage == Stage.PAYLOAD)),
        ]
        m.d.sync += [
            self._strange.eq((number == 0) | (number > of.frames)),
            whole.eq(byte_in == of.beat_bytes - 1),
            closing.eq(beat_in == of.beats - 1),
            self._final.eq(counted & whole & closing & (left == 1)),
        ]
        with m.If(taken & ~counted):
            m.d.sync += [self._number.eq(self._number + 1), low.eq(token.byte), left.eq(number)]
            with m.If(self._number == COUNT_BYTES - 1):
                m.d.sync += self._none.eq(self._strange)
        with m.Elif(taken):
            m.d.sync += byte_in.eq(Mux(whole, 0, byte_in + 1))
            with m.If(whole):
                m.d.sync += beat_in.eq(Mux(closing, 0, beat_in + 1))
                with m.If(closing):
                    m.d.sync += left.eq(left - 1)
        with m.If(packet.judge):
            m.d.sync += [self._number.eq(0), self._none.eq(0), self._final.eq(0), byte_in.eq(0), beat_in.eq(0)]
        return whole

    def _hand_over(self, m: Module, slots: Slots, read: Any, ends: Array, o: Any) -> None:
        """Give whole sequences to the stream ``o``, a beat a cycle."""
        of, row, ended = self.packets, Signal.like(read.addr), Signal()
        slot = slots.handed[:-1] if of.window > 1 else 0
        following = [(n + 1) % of.window * self.rows for n in range(of.window)]
        m.d.comb += [
            ended.eq(row == ends[slot]),
            read.addr.eq(row),
            read.en.eq(~o.valid | o.ready),
            o.payload.pixels.as_value().eq(read.data),
        ]
        with m.If(read.en):
            m.d.sync += [o.valid.eq(slots.waiting), o.payload.last.eq(ended)]
            with m.If(slots.waiting):
                m.d.sync += row.eq(row + 1)
                with m.If(ended):
                    m.d.sync += [row.eq(Array(following)[slot]), slots.handed.eq(slots.handed + 1)]
