"""Free Spoken Digits: 3,000 recordings of the digits by six speakers, 50 times each, 8,000 samples a second.

By Zohar Jackson and others, CC BY-SA 4.0. Looked for under :func:`s2nn_hw.quantize.data.sets.root`, in this order:

    fsdd/DIGIT_SPEAKER_INDEX.wav
    fsdd-recordings.tar.xz               recordings/DIGIT_SPEAKER_INDEX.wav
    fsdd/v1.0.10.tar.gz                  the same in the authors' archive of that version; downloaded here if nothing is

What is checked is the samples of all recordings. Each becomes the frames of :mod:`s2nn_hw.quantize.audio.log_mel`.
The official test part are the recordings of index 0 to 4; with a speaker left out it is all of that speaker's.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.network.sequences import Sequences
from s2nn_hw.quantize.audio.log_mel import Samples
from s2nn_hw.quantize.audio.recordings import MAX_FILE_BYTES, frames_of, read_samples, samples_of
from s2nn_hw.quantize.data.archives import members

FOLDER, PACKED, ARCHIVE = "fsdd", "fsdd-recordings.tar.xz", "v1.0.10.tar.gz"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS, TAKES, TEST_TAKES = 10, 50, 5
CLASSES = tuple("0123456789")
DIGEST = "70212b17c4c01a8b5215abba38dc22992301b2defc345de8204ba6785e0b964c"
NAME = rf"([0-9])_({'|'.join(SPEAKERS)})_([0-9]|[1-4][0-9])\.wav"
Key = tuple[int, str, int]  # index, speaker, digit: in this order the first ones are of all speakers and digits


def source(root: Path) -> Path | None:
    """Return the folder or archive under ``root`` that holds the recordings, or None."""
    if any((root / FOLDER).glob("*.wav")):
        return root / FOLDER
    return next((path for path in (root / PACKED, root / FOLDER / ARCHIVE) if path.is_file()), None)


def load(path: Path, part: str, left_out: str | None = None) -> Sequences:
    """Return the recordings of ``part``, "train" or "test", from ``path`` of :func:`source`.

    ``left_out``: one of :data:`SPEAKERS`, whose recordings are the test and are not trained on.
    """
    held = dict(_recordings(path))
    if digest(held) != DIGEST:
        advice = "another copy is wanted" if path.is_dir() else "delete it to download it again"
        raise UserError(
            f"{path} must hold the {DIGITS * TAKES * len(SPEAKERS):,} recordings of Free Spoken Digits, these "
            f"{len(held):,} are others; {advice}"
        )
    return featured({key: held[key] for key in sorted(held) if is_test(key, left_out) == (part == "test")})


def is_test(key: Key, left_out: str | None) -> bool:
    """Whether the recording is for the test."""
    index, speaker, _ = key
    return index < TEST_TAKES if left_out is None else speaker == left_out


def featured(held: Mapping[Key, Samples]) -> Sequences:
    """Return recordings, samples by index, speaker and digit, as frames; labels are digits, groups speakers."""
    name = "{2}_{1}_{0}.wav".format
    return Sequences.of(
        [frames_of(samples, f"recording {name(*key)}") for key, samples in held.items()],
        labels=np.array([digit for _, _, digit in held]),
        groups=np.array([speaker for _, speaker, _ in held]),
        classes=CLASSES,
        name="Free Spoken Digits",
    )


def digest(held: Mapping[Key, Samples]) -> str:
    """Return the SHA-256 of recordings in the order of their keys: each one's name, a line end, its samples, 16 bits
    little-endian."""
    total = hashlib.sha256()
    for index, speaker, digit in sorted(held):
        total.update(f"{digit}_{speaker}_{index}\n".encode())
        total.update(held[index, speaker, digit].astype("<i2").tobytes())
    return total.hexdigest()


def _recordings(path: Path) -> Iterator[tuple[Key, Samples]]:
    if path.is_dir():
        found = ((re.fullmatch(NAME, file.name), file) for file in sorted(path.glob("*.wav")))
        yield from ((_key(match.groups()), read_samples(file)) for match, file in found if match)
        return
    for words, content in members(path, re.compile(rf"(?:[^/]+/)*recordings/{NAME}"), MAX_FILE_BYTES):
        key = _key(words)
        yield key, samples_of(content, f"{path}: {'_'.join(words)}.wav")


def _key(words: Iterable[str]) -> Key:
    digit, speaker, index = words
    return int(index), speaker, int(digit)
