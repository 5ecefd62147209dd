"""What is asked of an IP block, and how frames and results lie in the transfers of its streams.

A frame is ``beats`` beats of the circuit (:class:`~s2nn_hw.accelerator.Accelerator`), each in ``beat_bytes`` bytes, its
bits from bit 0 on, the bits above them padding. These bytes, the first beat first, are cut into transfers of
``input_bytes`` bytes, byte 0 in bits 7..0 of ``s_axis_tdata``.

A result is ``words``, 32 bits each, cut into transfers of ``output_bytes`` bytes in the same way; words past the end
of the last transfer are 0.
"""

import math
from dataclasses import dataclass

import numpy as np

from s2nn_hw.design import Design
from s2nn_hw.emit import pack_beats
from s2nn_hw.errors import UserError, counted, listed, quoted
from s2nn_hw.family import FAMILIES
from s2nn_hw.verilog.identifiers import check_name

WORD_BYTES = 4
CONTENT = ("class", "cycles", "scores")  # of a result, in this order
CLOCK_MHZ = (1.0, 2000.0)
# the input's register, the results' queue, the output's register; and both ends are counted
LATENCY_CYCLES = 4
BENCH_NAME = "s2nn_axis_bench"
MOST_BYTES = 1 << 13  # of a transfer; a beat has at most 4,096 values


@dataclass(frozen=True)
class Options:
    """What is asked for.

    name:          of the top module
    clock_mhz:     ``aclk``
    core_mhz:      ``core_clk``, a clock of the circuit's own; None: it runs from ``aclk``
    input_bytes:   of ``s_axis_tdata``; None: a beat a transfer
    output_bytes:  of ``m_axis_tdata``; None: 4, or a whole result where a frame can come every cycle
    content:       which of :data:`CONTENT` a result has
    axi_lite:      whether there are registers
    family:        the device family of the estimate
    """

    name: str
    clock_mhz: float = 100.0
    core_mhz: float | None = None
    input_bytes: int | None = None
    output_bytes: int | None = None
    content: tuple[str, ...] = CONTENT
    axi_lite: bool = False
    family: str = "xc7"

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.name.lower() == BENCH_NAME:
            raise UserError(f"name {self.name!r} is that of the bench beside the block; choose another")
        low, high = CLOCK_MHZ
        for what, clock in (("--clock", self.clock_mhz), ("--core-clock", self.core_mhz)):
            if clock is not None and not low <= clock <= high:
                raise UserError(f"{what} must be {low:g} to {high:g} MHz, not {clock:g}")
        for what, count in (("--input-bytes", self.input_bytes), ("--output-bytes", self.output_bytes)):
            if count is not None and not 1 <= count <= MOST_BYTES:
                raise UserError(f"{what} must be 1 to {MOST_BYTES:,}, not {count:,}")
        if not self.content or set(self.content) - set(CONTENT) or len(set(self.content)) != len(self.content):
            raise UserError(
                f"--result must be some of {', '.join(CONTENT)}, each once, not {listed(map(quoted, self.content))}"
            )
        if self.family not in FAMILIES:
            raise UserError(f"--family must be one of {', '.join(FAMILIES)}, not {quoted(self.family)}")
        object.__setattr__(self, "content", tuple(part for part in CONTENT if part in self.content))


@dataclass(frozen=True)
class Shape:
    """How frames and results of ``design`` lie in transfers under ``options``; see the module's docstring."""

    design: Design
    options: Options

    def __post_init__(self) -> None:
        if self.input_bytes % self.beat_bytes and self.beat_bytes % self.input_bytes:
            raise UserError(
                f"--input-bytes must divide or be a multiple of the {counted(self.beat_bytes, 'byte')} of a beat of "
                f"network {self.design.network.name}, not {self.input_bytes}"
            )
        if self.output_bytes % WORD_BYTES:
            raise UserError(f"--output-bytes must be a multiple of {WORD_BYTES}, not {self.output_bytes}")
        if "scores" in self.options.content and self.design.score_width > 8 * WORD_BYTES:
            raise UserError(
                f"scores of network {self.design.network.name} have {self.design.score_width} bits and a word of a "
                f"result {8 * WORD_BYTES}; leave them out (--result class,cycles)"
            )

    @property
    def beat_bits(self) -> int:
        """Bits of a beat, without padding."""
        return self.design.pixels_per_beat * self.design.network.input.bits

    @property
    def beat_bytes(self) -> int:
        """Bytes of a beat, with padding."""
        return -(-self.beat_bits // 8)

    @property
    def input_bytes(self) -> int:
        """Bytes of a transfer of ``s_axis``."""
        return self.options.input_bytes or self.beat_bytes

    @property
    def beats_per_transfer(self) -> int:
        """Beats of a transfer, 1 where it has one or a part of one."""
        return max(1, self.input_bytes // self.beat_bytes)

    @property
    def transfers_per_beat(self) -> int:
        """Transfers of a beat, 1 where it comes in one."""
        return max(1, self.beat_bytes // self.input_bytes)

    @property
    def transfers(self) -> int:
        """Transfers of a frame."""
        return -(-self.design.beats // self.beats_per_transfer) * self.transfers_per_beat

    @property
    def words(self) -> list[str]:
        """What each 32-bit word of a result is."""
        scores = [f"score of class {k}" for k in range(len(self.design.network.classes))]
        parts = {"class": ["class"], "cycles": ["cycles"], "scores": scores}
        return [word for part in self.options.content for word in parts[part]]

    @property
    def output_bytes(self) -> int:
        """Bytes of a transfer of ``m_axis``."""
        whole = WORD_BYTES * len(self.words)
        return self.options.output_bytes or (whole if self.design.streaming else WORD_BYTES)

    @property
    def result_transfers(self) -> int:
        """Transfers of a result."""
        return -(-WORD_BYTES * len(self.words) // self.output_bytes)

    @property
    def exact(self) -> bool:
        """Whether the cycle model says when results come: one clock, and a beat can be had every cycle."""
        return self.options.core_mhz is None and self.transfers_per_beat == 1

    @property
    def slower_cycles(self) -> int:
        """Cycles by which a frame whose beats come in parts may be later, at most (the circuit's times are maxima of
        sums, so none is later by more than the latest beat)."""
        return (self.transfers_per_beat - 1) * self.design.beats

    def frame(self, pixels: np.ndarray, *, ignored: int = 0) -> list[int]:
        """Return the transfers of one frame of ``pixels`` ``(n,)``, as integers, padding zero.

        ``ignored``: the value in places without a pixel.
        """
        beats = pack_beats(self.design, pixels, ignored=ignored)
        content = b"".join(beat.to_bytes(self.beat_bytes, "little") for beat in beats)
        return _cut(content, self.input_bytes)

    def result(self, number: int, scores: list[int], cycles: int) -> list[int]:
        """Return the transfers of the result of class ``number``, ``scores`` and ``cycles``, as integers."""
        parts = {"class": [number], "cycles": [cycles], "scores": scores}
        words = [word & 0xFFFFFFFF for part in self.options.content for word in parts[part]]
        return _cut(b"".join(word.to_bytes(WORD_BYTES, "little") for word in words), self.output_bytes)

    def latency(self, cycles: np.ndarray) -> dict[str, float | bool]:
        """Return ``min``, ``mean``, ``max`` of cycles from a frame's first transfer to its result's first, both
        counted, of frames that take the circuit ``cycles`` alone; ``exact``, or at most."""
        whole = np.asarray(cycles) + LATENCY_CYCLES + self.slower_cycles
        return {
            "min": int(whole.min()),
            "mean": round(math.fsum(whole.tolist()) / len(whole), 1),
            "max": int(whole.max()),
            "exact": self.exact,
        }


def _cut(content: bytes, size: int) -> list[int]:
    """Return ``content`` as little-endian integers of ``size`` bytes, the last filled with zeros."""
    return [int.from_bytes(content[k : k + size], "little") for k in range(0, len(content), size)]
