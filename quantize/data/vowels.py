"""JapaneseVowels: nine men say two vowels, 7 to 29 frames of 12 cepstral coefficients; the class is who speaks.

270 recordings for training and 370 for the test, by M. Kudo, J. Toyama and M. Shimbo (Pattern Recognition Letters
20, 1999), CC BY 4.0. Looked for under :func:`s2nn_hw.quantize.data.sets.root`, then in an installed ``aeon``:

    japanese-vowels/JapaneseVowels_TRAIN.ts, japanese-vowels/JapaneseVowels_TEST.ts
    japanese-vowels/JapaneseVowels.zip               both in the archive of timeseriesclassification.com
    japanese-vowels/aeon-1.6.0-py3-none-any.whl      both in the package aeon

What is checked is the numbers. Each channel becomes a byte, its smallest value in training 0 and its largest 255. The
files are sorted by class, so the recordings are put in a fixed random order.
"""

import hashlib
import importlib.util
import io
import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.files import read_bytes
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.network.sequences import MAX_FRAMES, Sequences

FOLDER, WHEEL, ZIP = "japanese-vowels", "aeon-1.6.0-py3-none-any.whl", "JapaneseVowels.zip"
FILES = {"train": "JapaneseVowels_TRAIN.ts", "test": "JapaneseVowels_TEST.ts"}
COUNTS = {"train": 270, "test": 370}
DIGESTS = {
    "train": "0d8b38b08ed2a4317e8949033f6aa31f10374e8bd73a39934df12afa7afb165d",
    "test": "6baa90dda42e96459171a61aa3c95c834911d1447be3c6e377a84c8d283bbec9",
}
CHANNELS = 12
CLASSES = tuple("123456789")
LARGEST = 1 << 23
PEAK, SEED = 255, 1999

Recording = npt.NDArray[np.float64]  # (frames, channels)


def source(root: Path) -> Path | None:
    """Return the folder or archive that holds both parts, or None."""
    folder = root / FOLDER
    if all((folder / name).is_file() for name in FILES.values()):
        return folder
    packed = next((folder / name for name in (ZIP, WHEEL) if (folder / name).is_file()), None)
    return packed or _installed()


def missing(root: Path) -> NoReturn:
    """Raise :class:`UserError`: nothing is here, and how it comes here."""
    package, version, *_ = WHEEL.split("-")
    raise UserError(
        f"JapaneseVowels is not here: pip download --no-deps {package}=={version} -d {root / FOLDER}, or put "
        f"{' and '.join(FILES.values())} there"
    )


def _installed() -> Path | None:
    """Return the folder of the files in an installed aeon, without importing it, or None."""
    found = importlib.util.find_spec("aeon")
    places = list(found.submodule_search_locations or ()) if found else []
    folders = [Path(place) / "datasets" / "data" / "JapaneseVowels" for place in places]
    return next((folder for folder in folders if all((folder / name).is_file() for name in FILES.values())), None)


def load(path: Path, part: str) -> Sequences:
    """Return the recordings of ``part``, "train" or "test", from ``path`` of :func:`source`."""
    training = _checked(path, "train")
    return scaled(*(_checked(path, part) if part == "test" else training), training[0])


def _checked(path: Path, part: str) -> tuple[list[Recording], list[str]]:
    recordings, labels = parse(_text(path, part), f"{path}: {FILES[part]}", CHANNELS)
    if len(labels) != COUNTS[part] or digest(recordings, labels) != DIGESTS[part]:
        advice = "another copy is wanted" if path.is_dir() else "delete it to download it again"
        raise UserError(
            f"{path} must hold the {COUNTS[part]} recordings of JapaneseVowels, {part} part, these {len(labels):,} "
            f"are others; {advice}"
        )
    return recordings, labels


def parse(text: str, name: str, channels: int) -> tuple[list[Recording], list[str]]:
    """Return the recordings, float64 ``(frames, channels)``, and labels in ``text`` of a .ts file.

    Lines that begin with ``#`` or ``@`` say what it is. In the others values stand with commas, channels with colons,
    and the label is last.
    """
    recordings, labels = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", "@")):
            continue
        *rows, label = line.strip().split(":")
        where = f"{name} line {number:,}"
        if len(rows) != channels:
            raise UserError(f"{where} must have {channels} channels and a label, with colons, not {len(rows)} channels")
        values = [row.split(",") for row in rows]
        if len({len(row) for row in values}) != 1 or len(values[0]) > MAX_FRAMES:
            raise UserError(f"{where}: channels must be of one length of at most {MAX_FRAMES:,} frames")
        recordings.append(np.array([[_number(word, where) for word in row] for row in values]).T)
        labels.append(label)
    return recordings, labels


def _number(word: str, where: str) -> float:
    try:
        if not math.isfinite(value := float(word)):
            raise ValueError
    except ValueError:
        raise UserError(f"{where}: a finite number is wanted, not {quoted(word)}") from None
    return value


def digest(recordings: Sequence[Recording], labels: Sequence[str]) -> str:
    """Return the SHA-256 of the recordings: of each a line of its label and frames, then its values, little-endian
    float64, frame by frame."""
    total = hashlib.sha256()
    for values, label in zip(recordings, labels, strict=True):
        total.update(f"{label} {len(values)}\n".encode())
        total.update(np.ascontiguousarray(values, "<f8").tobytes())
    return total.hexdigest()


def scaled(recordings: Sequence[Recording], labels: Sequence[str], training: Sequence[Recording]) -> Sequences:
    """Return ``recordings`` as bytes, each channel between its extremes in ``training``, in a fixed random order."""
    known = np.concatenate(list(training))
    scaling = Scaling.of_range(known.min(axis=0), known.max(axis=0), 0, PEAK)
    order = np.random.default_rng(SEED).permutation(len(recordings))
    return Sequences.of(
        [scaling.quantise(recordings[place], 0, PEAK).astype(np.uint8) for place in order],
        labels=np.array([CLASSES.index(labels[place]) for place in order]),
        classes=CLASSES,
        name="JapaneseVowels",
    )


def _text(path: Path, part: str) -> str:
    try:
        if path.is_dir():
            return read_bytes(path / FILES[part], what="data", limit=LARGEST).decode("utf-8")
        with zipfile.ZipFile(path) as archive:
            inside = next((info for info in archive.infolist() if Path(info.filename).name == FILES[part]), None)
            if inside is None or inside.file_size > LARGEST:
                raise UserError(f"{path} must hold {FILES[part]}, at most {LARGEST:,} bytes; another copy is wanted")
            return io.TextIOWrapper(archive.open(inside), "utf-8").read()
    except (zipfile.BadZipFile, zlib.error, OSError, UnicodeDecodeError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} can't be read ({error}); delete it to download it again") from None
