"""MAGIC gamma telescope: ten numbers an event, gamma shower or hadron; a table of text, checked and scaled to bytes.

19,020 events of the Cherenkov telescope MAGIC, simulated (R. K. Bock and others, Nucl. Instrum. Methods A 516, 2004),
from the KEEL repository. Looked for under :func:`s2nn_hw.quantize.data.sets.root`: ``magic/magic.dat``;
``magic/magic.zip`` with that file in it, which is downloaded if neither is there. What is checked is the numbers, not
how they are written: headers (lines that begin with ``@``) and spaces don't count.

The events are in the order of their class, so a fixed random permutation parts them: the first 14,265 are for training,
the other 4,755 the test. Each feature becomes the number of the 255 quantiles ``1/256 .. 255/256`` of the training
events that it reaches or passes, a byte: about as many training events at every value.
"""

import hashlib
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError

ARCHIVE, MEMBER, FOLDER = "magic.zip", "magic.dat", "magic"
CLASSES = ("gamma", "hadron")
LETTERS = {"g": 0, "h": 1}
FEATURES, EVENTS, TRAINING, SEED = 10, 19_020, 14_265, 2004
DIGEST = "427cf1671fee4c9b4573c36bdb797d749dcdf5ba0557b931be7bb340753807c6"
LARGEST = 1 << 23


def source(root: Path) -> Path | None:
    """Return the path of the file under ``root`` that holds the events, or None."""
    return next((path for path in (root / FOLDER / MEMBER, root / FOLDER / ARCHIVE) if path.is_file()), None)


def load(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return features, uint8 ``(count, 10)``, and labels of ``split`` from ``path`` of :func:`source`."""
    values, labels = parse(_text(path), path)
    advice = "delete it to download it again" if path.name == ARCHIVE else "another copy is wanted"
    if values.shape != (EVENTS, FEATURES) or digest(values, labels) != DIGEST:
        raise UserError(
            f"{path} must hold the {EVENTS:,} events of the MAGIC set, these {len(values):,} are others; {advice}"
        )
    return divide(values, labels, TRAINING, split)


def parse(text: str, name: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return features, float64 ``(count, 10)``, and uint8 labels of ``text``; an error names the line."""
    values, labels = [], []
    for number, line in enumerate(text.splitlines(), 1):
        words = [word.strip() for word in line.split(",")]
        if not line.strip() or line.startswith("@"):
            continue
        try:
            if len(words) != FEATURES + 1:
                raise ValueError(f"{len(words)} fields")
            labels.append(LETTERS[words[-1]])
            values.append([float(word) for word in words[:-1]])
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{name} line {number} must be {FEATURES} numbers and g or h, with commas ({error})"
            ) from None
    table = np.array(values, float).reshape(-1, FEATURES)
    if not np.isfinite(table).all():
        raise UserError(f"{name} holds numbers that are not finite")
    return table, np.array(labels, np.uint8)


def digest(values: np.ndarray, labels: np.ndarray) -> str:
    """Return the SHA-256 of the numbers as little-endian float64, row by row, and then the labels."""
    return hashlib.sha256(values.astype("<f8").tobytes() + labels.tobytes()).hexdigest()


def divide(values: np.ndarray, labels: np.ndarray, count: int, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ``split`` ("train": ``count`` of the events, "test": the others), features scaled to bytes."""
    order = np.random.default_rng(SEED).permutation(len(values))
    chosen = order[:count] if split == "train" else order[count:]
    edges = np.quantile(values[order[:count]], np.arange(1, 256) / 256, axis=0)
    columns = [np.searchsorted(edges[:, n], values[chosen, n], side="right") for n in range(values.shape[1])]
    return np.stack(columns, axis=1).astype(np.uint8), labels[chosen]


def _text(path: Path) -> str:
    try:
        if path.name == MEMBER:
            return path.read_bytes()[:LARGEST].decode("ascii")
        with zipfile.ZipFile(path) as archive:
            inside = next((info for info in archive.infolist() if Path(info.filename).name == MEMBER), None)
            if inside is None or inside.file_size > LARGEST:
                raise UserError(f"{path} must hold {MEMBER}, at most {LARGEST:,} bytes; delete it to download it again")
            return io.TextIOWrapper(archive.open(inside), "ascii").read()
    except (zipfile.BadZipFile, zlib.error, OSError, UnicodeDecodeError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path} can't be read ({error}); delete it to download it again") from None
