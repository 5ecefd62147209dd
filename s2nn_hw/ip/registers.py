"""The register map: one list from which the circuit, the data sheet and the IP-XACT description are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2nn_hw.ip.shape import CONTENT, Shape

MAGIC = int.from_bytes(b"S2NN", "little")
MAP_VERSION = 1
ADDRESS_BITS = 12  # 4 KiB, the least that a bus gives away
CODES = {"radix": 0, "steps": 1}


@dataclass(frozen=True)
class Field:
    """Bits of a register: ``low`` the lowest, ``width``, what it ``means``."""

    name: str
    low: int
    width: int
    means: str


@dataclass(frozen=True)
class Register:
    """A register of 32 bits at byte ``offset``.

    ``value``: what is read, if that never changes; else None and the circuit has it. ``written``: writes do something.
    """

    name: str
    offset: int
    means: str
    value: int | None = None
    written: bool = False
    fields: tuple[Field, ...] = ()

    @property
    def access(self) -> str:
        """``read-only`` or, where reads give 0, ``write-only``."""
        return "write-only" if self.written else "read-only"

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        entry = {"name": self.name, "offset": self.offset, "access": self.access, "description": self.means}
        entry |= {} if self.value is None else {"value": self.value}
        fields = [{"name": f.name, "bit": f.low, "width": f.width, "description": f.means} for f in self.fields]
        return entry | ({"fields": fields} if fields else {})


def registers(shape: Shape) -> list[Register]:
    """Return the registers of the block of ``shape``, by offset."""
    given = shape.design.network.input
    axes = [*given.shape, 0, 0][:3]
    content = sum((part in shape.options.content) << k for k, part in enumerate(CONTENT))
    pixel = given.bits | CODES[given.code] << 8 | bool(getattr(given, "signed", False)) << 16
    digest = bytes.fromhex(shape.design.network.digest)
    rows: Sequence[Register] = (
        Register("MAGIC", 0x00, "the bytes S, 2, N, N from the lowest on", MAGIC),
        Register("VERSION", 0x04, "version of this register map", MAP_VERSION),
        Register("CONTROL", 0x08, "each bit written as 1 does once what it says", None, True, CONTROL),
        Register("STATUS", 0x0C, "what the block is doing, and errors since the last CLEAR", None, False, STATUS),
        Register("FRAMES", 0x10, "good frames taken, modulo 2^32"),
        Register("RESULTS", 0x14, "results given whole, modulo 2^32"),
        Register("SHORT_FRAMES", 0x18, "frames dropped because tlast came too early, modulo 2^32"),
        Register("LONG_FRAMES", 0x1C, "frames dropped because the last transfer had no tlast, modulo 2^32"),
        *(
            Register(f"SHAPE{k}", 0x20 + 4 * k, f"axis {k} of the input; 0: there is none", n)
            for k, n in enumerate(axes)
        ),
        Register("PIXEL", 0x2C, "what a pixel is", pixel, False, PIXEL),
        Register("FRAME_TRANSFERS", 0x30, "transfers of a frame", shape.transfers),
        Register("INPUT_BYTES", 0x34, "bytes of a transfer of s_axis", shape.input_bytes),
        Register("CLASSES", 0x38, "classes of the network", len(shape.design.network.classes)),
        Register("RESULT_TRANSFERS", 0x3C, "transfers of a result", shape.result_transfers),
        Register("OUTPUT_BYTES", 0x40, "bytes of a transfer of m_axis", shape.output_bytes),
        Register("CONTENT", 0x44, "what a result has", content, False, HAS),
        *(
            Register(
                f"DIGEST{k}",
                0x60 + 4 * k,
                f"bytes {4 * k} to {4 * k + 3} of the network's SHA-256, the first lowest",
                int.from_bytes(digest[4 * k : 4 * k + 4], "little"),
            )
            for k in range(8)
        ),
    )
    return list(rows)


CONTROL = (
    Field("RESTART", 0, 1, "after the result under way on m_axis drops all frames inside, and what is left of one"),
    Field("CLEAR", 1, 1, "sets the counters and the errors in STATUS to 0"),
)
STATUS = (
    Field("BUSY", 0, 1, "a frame has begun whose result has not left"),
    Field("SHORT", 1, 1, "a frame was too short"),
    Field("LONG", 2, 1, "a frame was too long"),
    Field("RESTARTING", 3, 1, "reset or RESTART is under way; no frame is taken"),
)
PIXEL = (
    Field("BITS", 0, 8, "bits of a pixel"),
    Field("STEPS", 8, 1, "they are the spikes of so many steps, not a number"),
    Field("SIGNED", 16, 1, "the number is signed"),
)
HAS = tuple(Field(part.upper(), k, 1, f"it has its {part}") for k, part in enumerate(CONTENT))
