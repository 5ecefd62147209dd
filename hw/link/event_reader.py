"""Frames of events as they come: each spike is put in its place among the beats, and what is wrong is found on the way.

The memory of frames has whole beats, as the accelerator reads one a cycle. A slot of it that is to be written is all
zeros before, so a value that is not zero has spiked already: the memory itself knows what comes twice.
"""

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data
from amaranth.lib.memory import Memory

from s2nn_hw.hw.link.event_packets import EventPackets
from s2nn_hw.hw.link.places import Places
from s2nn_hw.hw.link.protocol import ErrorCode
from s2nn_hw.hw.link.receive import Slots, Stage, TakenPacket, hand_over
from s2nn_hw.hw.link.uart import MIN_CLOCKS_PER_BIT
from s2nn_hw.network.address_events import MARKER

LEAST_BYTE_CYCLES = 10 * MIN_CLOCKS_PER_BIT  # from one byte on the line to the next


def token_depth(beats: int) -> int:
    """Return how many tokens must find a place while a slot of ``beats`` is cleared, two at least."""
    return 2 + beats // LEAST_BYTE_CYCLES


class SpikeFrames:
    """Payloads that are events; a :class:`~s2nn_hw.hw.link.receive.Content` of a reader of packets.

    A slot is cleared, a beat a cycle, when it is the next to be written and empty; the first event waits for that. An
    event is put in its place while the next comes, in two cycles behind those of :class:`Places`.
    """

    answer = data.StructLayout({"code": 4, "sequence": 8})
    bytes_ahead = 0
    misfit_code = ErrorCode.END

    def __init__(self, packets: EventPackets) -> None:
        self.packets = packets
        self.beat = data.ArrayLayout(unsigned(packets.bits), packets.pixels_per_beat)
        self.hold, self.code, self._opened = Signal(name="hold"), Signal(4, name="fault"), Signal(name="opened")
        self._byte, self._slot, self._low = Signal(range(3)), Signal(8), Signal(8)  # of an event: which, those before

    def last(self, packet: TakenPacket) -> Any:
        """Return whether the byte at hand is the last of an end marker."""
        return ~packet.is_frame | ((self._byte == 2) & (self._slot == MARKER))

    def misfit(self, packet: TakenPacket) -> Any:
        """Return whether there was an event, and no end marker in front of the checksum."""
        return self._opened & ((packet.stage != Stage.DONE) | packet.extra)

    def keep(self, m: Module, packet: TakenPacket, slots: Slots, token: data.View, byte: Signal, o: Any) -> None:
        """Add memory, what writes it and what reads whole frames."""
        of = self.packets
        width, beat_bits = of.pixels_per_beat * of.bits, (of.beats - 1).bit_length()
        m.submodules.memory = memory = Memory(shape=width, depth=1 << len(slots.writing) + beat_bits, init=[])
        m.submodules.places = places = Places(of, group=of.identity.group)
        write, look = memory.write_port(), memory.read_port()
        clean, clearing, cleared = Signal(), Signal(), Signal(beat_bits)
        begun, found, value = Signal(), Signal(), Signal(of.bits)
        start, writes = Signal(), Signal()
        shift = [Mux(places.lane == lane, value, 0) for lane in range(of.pixels_per_beat)]
        held = [look.data.word_select(lane, of.bits) for lane in range(of.pixels_per_beat)]
        taken = Cat((places.lane == lane) & spiked.any() for lane, spiked in enumerate(held)).any()
        m.d.comb += [
            start.eq(self._event(m, packet, token) & packet.room & (self.code == 0)),
            places.start.eq(start),
            places.address.eq(Cat(self._low, token.byte)),
            clearing.eq(~clean & slots.vacant),
            self.hold.eq(begun | found | (~clean & packet.is_frame & packet.room & (packet.stage == Stage.PAYLOAD))),
            look.addr.eq(Cat(places.beat, slots.writing)),
            look.en.eq(1),
            writes.eq(found & ~taken),
            write.addr.eq(Cat(Mux(clearing, cleared, places.beat), slots.writing)),
            write.data.eq(Mux(clearing, 0, look.data | Cat(shift))),
            write.en.eq(clearing | writes),
        ]
        m.d.sync += found.eq(begun & ~places.busy)
        with m.If(start):
            m.d.sync += [begun.eq(1), value.eq(~self._slot)]
        with m.Elif(~places.busy):
            m.d.sync += begun.eq(0)
        with m.If(found & taken):
            m.d.sync += self.code.eq(ErrorCode.TWICE)
        with m.If(clearing):
            m.d.sync += [cleared.eq(cleared + 1), clean.eq(cleared == of.beats - 1)]
        with m.If(packet.judge & packet.is_frame & packet.room):
            m.d.sync += [cleared.eq(0), clean.eq(0)]
        hand_over(m, of, slots, memory.read_port(), o)

    def _event(self, m: Module, packet: TakenPacket, token: data.View) -> Any:
        """Add what takes events apart; return whether a whole one is at hand, its address in range and order."""
        form = self.packets.entering
        low, latest, count, complete, marker = self._low, Signal(8), Signal(16), Signal(), Signal()
        number, good = Cat(low, token.byte), Signal()
        m.d.comb += [
            complete.eq(packet.take & packet.is_frame & (packet.stage == Stage.PAYLOAD) & (self._byte == 2)),
            marker.eq(self._slot == MARKER),
        ]
        with m.If(packet.take & (packet.stage == Stage.PAYLOAD)):
            m.d.sync += [self._byte.eq(Mux(self._byte == 2, 0, self._byte + 1)), low.eq(token.byte)]
            with m.If(self._byte == 0):
                m.d.sync += self._slot.eq(token.byte)
        with m.If(complete):
            m.d.sync += self._opened.eq(1)
            with m.If(marker & (self.code == 0) & (number != count)):
                m.d.sync += self.code.eq(ErrorCode.END)
            with m.If(~marker):
                m.d.sync += [count.eq(count + 1), latest.eq(self._slot)]
                with m.If(self.code != 0):
                    pass
                with m.Elif((self._slot >= form.slots) | (number >= form.addresses)):
                    m.d.sync += self.code.eq(ErrorCode.RANGE)
                with m.Elif(self._slot < latest):
                    m.d.sync += self.code.eq(ErrorCode.ORDER)
                with m.Else():
                    m.d.comb += good.eq(1)
        with m.If(packet.judge):
            m.d.sync += [self._byte.eq(0), latest.eq(0), count.eq(0), self.code.eq(0), self._opened.eq(0)]
        return good
