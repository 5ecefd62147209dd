"""CIFAR-10: the standard binary files, or a folder or archive of 32 x 32 pictures, checked and never unpacked.

Looked for under :func:`s2nn_hw.quantize.data.sets.root`, in this order:

    cifar-10-batches-bin/      data_batch_1.bin .. data_batch_5.bin, test_batch.bin     "CIFAR-10"
    cifar-10-binary.tar.gz     the same in an archive; downloaded here if nothing is     "CIFAR-10"
    cifar10/                   train/CLASS/*.png, test/CLASS/*.png (or .jpg)             "CIFAR-10" if all are png
    cifar10-jpeg.tar.xz        train/CLASS/*.jpg, test/CLASS/*.jpg                       "CIFAR-10 (JPEG)"

JPEG changes the pixels, so results on such files carry the name in the last column. Pictures are decoded once, into
the user's cache folder.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.files import atomic_path
from s2nn_hw.quantize.data.archives import members
from s2nn_hw.quantize.data.stored import stored

if TYPE_CHECKING:
    from PIL.Image import Image

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SHAPE = (32, 32, 3)
ARCHIVE, BATCHES, FOLDER, JPEG = "cifar-10-binary.tar.gz", "cifar-10-batches-bin", "cifar10", "cifar10-jpeg.tar.xz"
FILES = {"train": tuple(f"data_batch_{n}.bin" for n in range(1, 6)), "test": ("test_batch.bin",)}
RECORDS, RECORD = 10_000, 1 + 3 * 32 * 32  # images in a binary file, bytes of each: label, then three planes
LARGEST_PICTURE = 1 << 20


def source(root: Path) -> tuple[Path, str] | None:
    """Return ``(path, title)`` of the first form of the data set that is under ``root``, or None."""
    if (root / BATCHES).is_dir():
        return root / BATCHES, "CIFAR-10"
    if (root / ARCHIVE).is_file():
        return root / ARCHIVE, "CIFAR-10"
    if (root / FOLDER).is_dir():
        lossy = any(path.suffix.lower() != ".png" for path in (root / FOLDER).glob("t*/*/*"))
        return root / FOLDER, "CIFAR-10 (JPEG)" if lossy else "CIFAR-10"
    if (root / JPEG).is_file():
        return root / JPEG, "CIFAR-10 (JPEG)"
    return None


def load(path: Path, split: str, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(images, labels)`` of ``split`` from ``path`` of :func:`source`: uint8 ``(count, 32, 32, 3)``, uint8.

    ``cache``: folder for decoded pictures. Those have no order of their own, so they come in a fixed random one.
    """
    if path.name == BATCHES:
        return records([(path / name, _bytes(path / name)) for name in FILES[split]])
    if path.name == ARCHIVE:
        found = dict(members(path, re.compile(rf"(?:\./)?{BATCHES}/([a-z0-9_]+\.bin)"), RECORDS * RECORD))
        missing = [name for name in FILES[split] if (name,) not in found]
        if missing:
            raise UserError(f"{path} must hold {BATCHES}/{missing[0]}; delete it to download it again")
        return records([(f"{path}: {name}", found[name,]) for name in FILES[split]])
    if path.name == FOLDER:
        return pictures(_files(path, split), path / split)
    return _decoded(path, split, cache)


def records(files: Sequence[tuple[Path | str, bytes]]) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of binary ``files``, pairs of a name and its bytes."""
    tables = []
    for name, content in files:
        if len(content) != RECORDS * RECORD:
            raise UserError(
                f"{name} must hold {RECORDS * RECORD:,} bytes, not {len(content):,}; delete it to download it again"
            )
        tables.append(np.frombuffer(content, np.uint8).reshape(RECORDS, RECORD))
    table = np.concatenate(tables)
    if table[:, 0].max() >= len(CLASSES):
        raise UserError(f"{files[0][0]}: labels must lie in 0 .. 9, not reach {table[:, 0].max()}")
    images = table[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), table[:, 0].copy()


def pictures(entries: Iterable[tuple[str, str, bytes]], where: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of ``entries``, tuples of class, file name, and content, in any order."""
    from PIL import Image

    entries = sorted(entries, key=lambda entry: entry[:2])
    images, labels = np.empty((len(entries), *SHAPE), np.uint8), np.empty(len(entries), np.uint8)
    for index, (label, name, content) in enumerate(entries):
        try:
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
                if picture.size != SHAPE[:2]:  # known from the header, before anything is decoded
                    raise ValueError(f"{picture.size[0]} x {picture.size[1]} pixels")
                images[index] = eight_bits(picture)
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(f"{where}: {label}/{name} must be a whole 32 x 32 picture ({error})") from None
        if label not in CLASSES:
            raise UserError(f"{where}: class folders must be among {', '.join(CLASSES)}, not {label!r}")
        labels[index] = CLASSES.index(label)
    if set(labels.tolist()) != set(range(len(CLASSES))):
        raise UserError(f"{where} must hold pictures of all of {', '.join(CLASSES)}")
    order = np.random.default_rng(0).permutation(len(images))
    return images[order], labels[order]


def eight_bits(picture: "Image") -> np.ndarray:
    """Return the pixels of Pillow's ``picture``, uint8 ``(rows, columns, 3)``: of 16 bits the upper eight."""
    if picture.mode.startswith("I"):  # grey, 16 bits; Pillow's own conversion clips them to 255
        grey = np.asarray(picture).astype(np.uint32)
        if grey.max() > 0xFFFF:
            raise ValueError("more than 16 bits a pixel")
        return np.repeat((grey >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if picture.mode == "F":
        raise ValueError("pixels that are no integers")
    return np.asarray(picture.convert("RGB"))


def _decoded(path: Path, split: str, cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pictures of an archive, kept in ``cache`` under a name made from the archive's content."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    kept = Path(cache) / f"cifar10-{hashlib.sha256(content).hexdigest()[:16]}-{split}.npz"
    if kept.is_file():
        try:
            return stored(kept)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            kept.unlink()  # damaged: decoded again below
    pattern = re.compile(r"(?:\./)?(train|test)/([a-z]+)/([^/]+\.(?:jpe?g|png))")
    entries = [
        (label, name, content)
        for (part, label, name), content in members(path, pattern, LARGEST_PICTURE)
        if part == split
    ]
    images, labels = pictures(entries, f"{path}: {split}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(kept) as temporary, open(temporary, "wb") as place:
            np.savez(place, images=images, labels=labels)
    except (OSError, UserError):
        pass  # no room for a cache: decoded anew next time
    return images, labels


def _files(path: Path, split: str) -> Iterator[tuple[str, str, bytes]]:
    for entry in sorted((path / split).glob("*/*")):
        if entry.suffix.lower() in (".png", ".jpg", ".jpeg"):
            yield entry.parent.name, entry.name, _bytes(entry)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
