"""Address events: a frame of first spikes as events (slot, address) in the order of their slots, and as bytes.

    event        slot (1 byte), address (2 bytes, low one first)
    end marker   0xFF, then how many events there were, modulo 2^16, in the same 3 bytes

A value q of K bits is a spike in slot ``T - q``, ``T = 2^K - 1``; 0 is silent. The address is the value's place in
raster order (row, column, channel). :class:`Fault` has what can be wrong; circuits (``hw/link/event_reader.py``) find
the same. ``docs/events.md`` describes packets and files.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, counted
from s2nn_hw.files import MAX_ARRAY_BYTES, checked_place, read_bytes, write_bytes
from s2nn_hw.network.first_spikes import PIXEL_BITS, timed
from s2nn_hw.network.layer import BYTE, INPUT, Input
from s2nn_hw.network.network import Network

MARKER = 0xFF  # where a slot would stand: the end of a frame
EVENT_BYTES = 3
COUNTS = 1 << 16  # the end marker counts modulo that
MOST_ADDRESSES, MOST_SLOTS = 1 << 16, 255
SUFFIX = ".events"
Bytes = npt.NDArray[np.uint8]


class Fault(IntEnum):
    """What is wrong with a frame: the first thing that is, but END comes before all where there is no end marker.

    END    no end marker, something behind it, or another number in it than there were events
    ORDER  a slot before that of the event before
    RANGE  a slot or an address that is none
    TWICE  a second spike of one address
    """

    END = 6
    ORDER = 7
    RANGE = 8
    TWICE = 9


WORDS = {
    Fault.END: "it has no end marker, more behind it, or one that counts other events",
    Fault.ORDER: "its slot lies before that of the event before",
    Fault.RANGE: "its slot or its address is out of range",
    Fault.TWICE: "its address has spiked before",
}


class Unfit(ValueError):
    """Bytes that are no frame: ``fault``, found at event ``number`` of it, from 0."""

    def __init__(self, fault: Fault, number: int) -> None:
        super().__init__(f"event {number}: {WORDS[fault]}")
        self.fault, self.number = fault, number


@dataclass(frozen=True)
class EventFormat:
    """Frames of ``addresses`` values (1 to 65,536) whose first spikes fall in ``slots`` slots, T (1 to 255)."""

    addresses: int
    slots: int

    def __post_init__(self) -> None:
        if not 1 <= self.addresses <= MOST_ADDRESSES:
            raise UserError(f"events have addresses of 1 to {MOST_ADDRESSES:,} values, not {self.addresses!r}")
        if not 1 <= self.slots <= MOST_SLOTS:
            raise UserError(f"events fall in 1 to {MOST_SLOTS} slots, not {self.slots!r}")

    @classmethod
    def of_input(cls, entering: Input) -> Self:
        """Return that of what ``entering`` takes; :class:`UserError` unless it is unsigned pixels of up to 8 bits."""
        planes = entering.planes
        if not planes.radix or planes.signed or planes.count > PIXEL_BITS:
            wanted = f"unsigned pixels of 1 to {PIXEL_BITS} bits"
            raise UserError(f"address events are spikes of {wanted}; the network takes {planes}")
        return cls(entering.size, planes.peak)

    @classmethod
    def of_output(cls, network: Network) -> Self:
        """Return that of what the readout of ``network`` reads; :class:`UserError` unless these are first spikes."""
        source = output_source(network)
        return cls(int(np.prod(network.shapes[source])), timed(network)[source])

    @property
    def most_bytes(self) -> int:
        """Bytes of a frame in which all spike."""
        return EVENT_BYTES * (self.addresses + 1)

    def encode(self, values: Any) -> bytes:
        """Return the frame of ``values`` ``(addresses,)``, integers 0 .. slots, addresses of a slot ascending."""
        values = np.asarray(values)
        addresses = np.flatnonzero(values)
        slots = self.slots - values[addresses].astype(np.int64)
        order = np.argsort(slots, kind="stable")
        table = np.empty((len(order) + 1, EVENT_BYTES), np.uint8)
        table[:-1, 0], table[-1, 0] = slots[order], MARKER
        numbers = np.append(addresses[order], len(order))
        table[:, 1], table[:, 2] = numbers & 0xFF, numbers >> 8 & 0xFF
        return table.tobytes()

    def decode(self, frame: bytes) -> Bytes:
        """Return the values, uint8 ``(addresses,)``, of one ``frame``, end marker included; :class:`Unfit`."""
        whole = np.frombuffer(frame, np.uint8, len(frame) // EVENT_BYTES * EVENT_BYTES).reshape(-1, EVENT_BYTES)
        markers = np.flatnonzero(whole[:, 0] == MARKER)
        if not len(markers) or EVENT_BYTES * (markers[0] + 1) != len(frame):
            raise Unfit(Fault.END, len(whole))
        slots, numbers = whole[:, 0].astype(np.int64), whole[:, 1].astype(np.int64) | whole[:, 2].astype(np.int64) << 8
        slots, addresses, count = slots[:-1], numbers[:-1], len(whole) - 1
        wrong = {
            Fault.RANGE: (slots >= self.slots) | (addresses >= self.addresses),
            Fault.ORDER: np.diff(slots, prepend=0) < 0,
            Fault.TWICE: _seen_before(addresses),
        }
        number, fault = min((int(np.argmax(here)), place) for place, here in enumerate(_ended(wrong.values())))
        if number < count:
            raise Unfit(tuple(wrong)[fault], number)
        if numbers[-1] != count % COUNTS:
            raise Unfit(Fault.END, count)
        values = np.zeros(self.addresses, np.uint8)
        values[addresses] = self.slots - slots
        return values

    def events(self, frame: bytes) -> tuple[tuple[int, int], ...]:
        """Return the events ``(slot, address)`` of a ``frame`` that :meth:`decode` takes."""
        return tuple((slot, low | high << 8) for slot, low, high in struct.iter_unpack("<BBB", frame[:-EVENT_BYTES]))


def _seen_before(addresses: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    again = np.ones(len(addresses), bool)
    again[np.unique(addresses, return_index=True)[1]] = False
    return again


def _ended(tables: Any) -> list[npt.NDArray[np.bool_]]:
    """Return ``tables``, each with a True behind its last, where the search for one ends."""
    return [np.append(table, True) for table in tables]


def checked_events(path: Path | str) -> Path:
    """Return :func:`~s2nn_hw.files.checked_place` of ``path``, which must be that of an event file."""
    if Path(path).suffix != SUFFIX:
        raise UserError(f"output {path} must end in {SUFFIX}")
    return checked_place(path)


def output_source(network: Network) -> str:
    """Return the name of what the readout of ``network`` reads: of neurons, or of what is pooled of them."""
    sources = network.layers[-1].sources
    slots = timed(network)
    if len(sources) > 1 or sources[0] == INPUT or sources[0] not in slots:
        raise UserError(
            f"network {network.name}: its readout must read one layer of ttfs neurons for their first spikes to leave "
            f"as events, not {', '.join(sources)}"
        )
    return sources[0]


def output_values(network: Network, images: Any) -> Bytes:
    """Return the values that the readout of ``network`` reads of ``images``, uint8 ``(count, addresses)``."""
    source = output_source(network)
    values: Bytes = network.forward(images, trace="spikes").spikes[source]
    return values.reshape(len(values), -1).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Events:
    """Frames of one :class:`EventFormat`: ``values`` uint8 ``(count, addresses)``, 0 .. slots; what a file has."""

    format: EventFormat
    values: Bytes

    HEADER: ClassVar[struct.Struct] = struct.Struct("<8sBBHI")  # magic, version, slots, 0, addresses
    MAGIC: ClassVar[bytes] = b"s2nn-aer"
    VERSION: ClassVar[int] = 1

    @classmethod
    def of(cls, entering: Input, images: Any) -> Self:
        """Return the events of ``images`` ``(count, *shape)`` as a network with the input ``entering`` takes them."""
        return cls(EventFormat.of_input(entering), entering.encode(images).astype(np.uint8))

    def images(self, entering: Input | None = None) -> npt.NDArray[Any]:
        """Return images ``(count, *shape)`` of which ``entering`` makes these values; None: ``(count, addresses)`` of
        bytes, whose top bits they are."""
        if entering is None:
            entering = Input((self.format.addresses,), self.format.slots.bit_length())
        wanted = EventFormat.of_input(entering)
        if wanted != self.format:
            raise UserError(
                f"the network takes events of {wanted.addresses:,} addresses in {wanted.slots} slots, these have "
                f"{self.format.addresses:,} in {self.format.slots}"
            )
        shaped = self.values.reshape(-1, *entering.shape)
        return entering.scaling.raw(shaped) if entering.scaling else shaped << (BYTE - entering.bits)

    @property
    def times(self) -> Bytes:
        """The slots of the spikes, like ``values``; T where there is none."""
        return self.format.slots - self.values

    def write(self, path: Path | str) -> None:
        """Write them to file ``path``, whole or not at all."""
        head = self.HEADER.pack(self.MAGIC, self.VERSION, self.format.slots, 0, self.format.addresses)
        write_bytes(path, head + b"".join(map(self.format.encode, self.values)))

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Return those of file ``path``, at least one frame; :class:`UserError` names the first frame that is none."""
        data = read_bytes(path, what="events")
        if data[: len(cls.MAGIC)] != cls.MAGIC or len(data) < cls.HEADER.size:
            raise UserError(f"events {path} is not an event file; write one with s2nn-hw events")
        _, version, slots, zero, addresses = cls.HEADER.unpack_from(data)
        if version != cls.VERSION:
            raise UserError(f"events {path} has format version {version}, this tool reads {cls.VERSION}")
        if zero:
            raise UserError(f"events {path}: bytes 10 and 11 must be 0, not {zero}; docs/events.md has the format")
        try:
            form = EventFormat(addresses, slots)
        except UserError as error:
            raise UserError(f"events {path}: {error}") from None
        body = np.frombuffer(data, np.uint8, offset=cls.HEADER.size)
        starts = body[: len(body) // EVENT_BYTES * EVENT_BYTES : EVENT_BYTES]
        ends = EVENT_BYTES * (np.flatnonzero(starts == MARKER) + 1)
        if not len(body) or not len(ends) or ends[-1] != len(body):
            whole = counted(len(ends), "whole frame")
            raise UserError(f"events {path}: {whole}, then one without end; docs/events.md has the format")
        if len(ends) * addresses > MAX_ARRAY_BYTES:
            raise UserError(f"events {path}: {len(ends):,} frames of {addresses:,} are over {MAX_ARRAY_BYTES:,} bytes")
        values = np.empty((len(ends), addresses), np.uint8)
        for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
            try:
                values[number] = form.decode(body[start:end].tobytes())
            except Unfit as error:
                raise UserError(f"events {path}: frame {number}, {error}") from None
        return cls(form, values)
