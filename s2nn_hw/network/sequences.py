"""Sequences of frames over time, of any lengths: one form in memory and in files, checked once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, counted, quoted
from s2nn_hw.files import read_npz, write_npz
from s2nn_hw.network.labels import checked_labels

MAX_FRAMES = 1 << 14  # of a sequence
MAX_CHANNELS = 1 << 12
MAX_BITS = 8
MAX_CLASSES = 1 << 12
NUMBERS, TEXTS = ("frames", "offsets", "labels", "bits"), ("groups", "classes")

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences, their frames one behind the other.

    frames    uint8 ``(total, channels)``, values of ``bits`` bits
    offsets   int64 ``(count + 1,)``: sequence n is ``frames[offsets[n] : offsets[n + 1]]``
    labels    int64 ``(count,)``, numbers of classes, or None
    groups    texts ``(count,)``: what sequences have in common that must not part them, such as the speaker; or None
    bits      1 .. 8
    classes   the classes' names, or None
    name      what messages call them
    """

    frames: Frames
    offsets: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64] | None = None
    groups: npt.NDArray[np.str_] | None = None
    bits: int = MAX_BITS
    classes: tuple[str, ...] | None = None
    name: str = "sequences"

    def __post_init__(self) -> None:
        frames, offsets, name = self.frames, self.offsets, self.name
        if frames.dtype != np.uint8 or frames.ndim != 2:
            raise UserError(
                f"{name}: frames must be uint8 (frames, channels), not {frames.dtype} {quoted(frames.shape)}"
            )
        if not 1 <= frames.shape[1] <= MAX_CHANNELS:
            raise UserError(f"{name}: frames must have 1 to {MAX_CHANNELS:,} channels, not {frames.shape[1]:,}")
        if offsets.dtype != np.int64 or offsets.ndim != 1 or len(offsets) < 2:
            raise UserError(
                f"{name}: offsets must be int64, one more than sequences, not {offsets.dtype} {quoted(offsets.shape)}"
            )
        if offsets[0] != 0 or offsets[-1] != len(frames):
            raise UserError(
                f"{name}: offsets must go from 0 to the {counted(len(frames), 'frame')} that there are, not from "
                f"{offsets[0]} to {offsets[-1]}"
            )
        _check_lengths(offsets, name)
        if not 1 <= self.bits <= MAX_BITS:
            raise UserError(f"{name}: values must be of 1 to {MAX_BITS} bits, not {self.bits}")
        most = (1 << self.bits) - 1
        if frames.max() > most:
            raise UserError(f"{name}: values of {counted(self.bits, 'bit')} end at {most}, not at {frames.max()}")
        if self.groups is not None and self.groups.shape != (len(self),):
            raise UserError(f"{name}: {len(self):,} groups are wanted, one a sequence, not {quoted(self.groups.shape)}")
        if self.labels is not None:
            classes = MAX_CLASSES if self.classes is None else len(self.classes)
            object.__setattr__(self, "labels", checked_labels(self.labels, len(self), classes, f"{name}: labels"))

    @classmethod
    def of(cls, parts: Sequence[Frames], **entries: Any) -> Self:
        """Return the sequences ``parts``, each uint8 ``(its frames, channels)``, with further ``entries``."""
        name = entries.get("name", cls.name)
        if not parts:
            raise UserError(f"{name}: there is no sequence")
        for number, part in enumerate(parts):
            if part.ndim != 2 or part.shape[1] != parts[0].shape[1]:
                raise UserError(
                    f"{name}: sequence {number} must have frames of {counted(parts[0].shape[-1], 'channel')} as the "
                    f"first has, not {quoted(part.shape)}"
                )
        offsets = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
        _check_lengths(offsets, name)
        return cls(np.concatenate(parts), offsets, **entries)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> Frames:
        """Return the frames of sequence ``number``, ``(its frames, channels)``."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.frames[self.offsets[number] : self.offsets[number + 1]]

    @property
    def channels(self) -> int:
        """Values of a frame."""
        return self.frames.shape[1]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Frames of each sequence."""
        return np.diff(self.offsets)

    def chosen(self, numbers: Any) -> Self:
        """Return the sequences ``numbers`` (integers, or a bool for each), in that order."""
        places = np.arange(len(self))[numbers]
        return type(self).of(
            [self[int(place)] for place in places],
            labels=None if self.labels is None else self.labels[places],
            groups=None if self.groups is None else self.groups[places],
            bits=self.bits,
            classes=self.classes,
            name=self.name,
        )

    def shortened(self, most: int) -> Self:
        """Return the sequences, of those with more than ``most`` frames the first ones."""
        if self.lengths.max() <= most:
            return self
        parts = [self[number][:most] for number in range(len(self))]
        others = {name: getattr(self, name) for name in ("labels", "groups", "bits", "classes", "name")}
        return type(self).of(parts, **others)

    def padded(self, numbers: Any = slice(None)) -> tuple[Frames, npt.NDArray[np.int64]]:
        """Return the sequences ``numbers`` as uint8 ``(count, longest, channels)``, zeros behind the shorter ones, and
        their lengths."""
        places = np.arange(len(self))[numbers]
        lengths = self.lengths[places]
        frames = np.zeros((len(places), int(lengths.max(initial=0)), self.channels), np.uint8)
        for row, place in enumerate(places):
            frames[row, : lengths[row]] = self[int(place)]
        return frames, lengths

    @property
    def as_bytes(self) -> Frames:
        """The frames, values of fewer bits than 8 as the top ones of an image's."""
        return self.frames << np.uint8(MAX_BITS - self.bits)

    def check_channels(self, channels: int) -> None:
        """Raise :class:`UserError` unless frames have so many ``channels``."""
        if self.channels != channels:
            raise UserError(
                f"{self.name}: frames of {counted(channels, 'channel')} are wanted, not of {self.channels:,}"
            )


def _check_lengths(offsets: npt.NDArray[np.int64], name: str) -> None:
    lengths = np.diff(offsets)
    wrong = np.flatnonzero((lengths < 1) | (lengths > MAX_FRAMES))
    if len(wrong):
        raise UserError(
            f"{name}: sequence {wrong[0]} must have 1 to {MAX_FRAMES:,} frames, not {int(lengths[wrong[0]]):,}"
        )


def read_sequences(path: Path | str) -> Sequences:
    """Return the :class:`Sequences` in the ``.npz`` file ``path``, as :func:`write_sequences` writes them.

    It needs ``frames`` and ``offsets``; ``labels``, ``groups``, ``bits`` and ``classes`` may be there.
    """
    found = read_npz(path, (*NUMBERS, *TEXTS), needed=NUMBERS[:2], texts=TEXTS, what="sequences")
    name = f"sequences {path}"
    offsets, bits = found["offsets"], found.get("bits", np.array(MAX_BITS))
    if offsets.dtype.kind not in "iu" or bits.dtype.kind not in "iu" or bits.shape:
        raise UserError(f"{name}: offsets must be integers and bits one integer")
    if offsets.dtype.kind == "u" and offsets.size and offsets.max() > np.iinfo(np.int64).max:
        raise UserError(f"{name}: offsets must lie below 2^63")
    texts = {key: found[key] for key in TEXTS if key in found}
    for key, array in texts.items():
        if array.dtype.kind != "U" or array.ndim != 1:
            raise UserError(f"{name}: {key} must be texts of one axis, not {array.dtype} {quoted(array.shape)}")
    classes = tuple(texts["classes"].tolist()) if "classes" in texts else None
    return Sequences(
        found["frames"], offsets.astype(np.int64), found.get("labels"), texts.get("groups"), int(bits), classes, name
    )


def write_sequences(path: Path | str, sequences: Sequences) -> None:
    """Write ``sequences`` to the ``.npz`` file ``path``, whole or not at all."""
    entries: dict[str, Any] = {name: getattr(sequences, name) for name in NUMBERS[:3]}
    entries |= {name: getattr(sequences, name) for name in TEXTS} | {"bits": np.array(sequences.bits)}
    write_npz(path, **{name: np.asarray(value) for name, value in entries.items() if value is not None})
