"""The forms in which the user's data comes: arrays (``.npz``), folders of pictures, tables; read for training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import npz_names, read_npz
from s2nn_hw.quantize.data import pictures, tables
from s2nn_hw.quantize.data.labels import Labels
from s2nn_hw.quantize.settings import Data

ARRAYS, FOLDER, TABLE = "a .npz file", "a folder of pictures", "a table"
TRAIN, TEST = "train", "test"
IMAGES, LABELS, SPLIT, CLASSES = "images", "labels", "split", "classes"
Features = tuple[str, ...] | None


@dataclass(frozen=True)
class Part:
    """``values`` ``(count, *shape)`` and as many ``labels``; ``name``: what messages call where they are from."""

    values: npt.NDArray[Any]
    labels: Labels
    name: str

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.values):
            raise UserError(
                f"{self.name}: {len(self.values):,} images and {len(self.labels):,} labels; as many are wanted"
            )
        if not len(self.values):
            raise UserError(f"{self.name}: there is no image in it")


Parts = tuple[Part, Part | None]


def kind_of(path: Path) -> str:
    """Return which kind of data is in ``path``."""
    if path.is_dir():
        return FOLDER
    if path.suffix == ".npz":
        return ARRAYS
    if path.suffix in tables.SUFFIXES:
        return TABLE
    if path.suffix.lower() in pictures.SOUNDS:
        raise UserError(f"{path} is sound, which is not taken as it is: give features of it, as .npz or a table")
    raise UserError(
        f"data {path} must be a folder of pictures by class, a .npz file or a table ({', '.join(tables.SUFFIXES)})"
        + ("" if path.exists() else "; there is nothing of this name")
    )


def read_parts(data: Data) -> tuple[Parts, Features]:
    """Return the parts for training and for the test (None: to be drawn from the first), and a table's features."""
    path = Path(str(data.path))
    kind = kind_of(path)
    if kind == ARRAYS:
        return _arrays(data, path), None
    if kind == FOLDER:
        return _folder(data, path), None
    return _table(data, path)


def _arrays(data: Data, path: Path) -> Parts:
    parts = read_arrays(path)
    if data.test is not None:
        if TRAIN in parts or TEST in parts:
            raise UserError(f"key 'data.test' has no place: {path} has parts of its own")
        return parts[IMAGES], one_part(read_arrays(Path(data.test)), Path(data.test))
    return (parts[IMAGES], None) if IMAGES in parts else (parts[TRAIN], parts.get(TEST))


def one_part(parts: dict[str, Part], path: Path) -> Part:
    """Return the part of :func:`read_arrays` that is for the test: all, or that part."""
    found = parts.get(IMAGES, parts.get(TEST))
    if found is None:
        raise UserError(f"{path} has images for training alone")
    return found


def read_arrays(path: Path) -> dict[str, Part]:
    """Return the parts in the ``.npz`` file ``path`` by name: "images", or "train" and maybe "test"."""
    held = npz_names(path)
    pairs = {TRAIN: ("train_images", "train_labels"), TEST: ("test_images", "test_labels"), IMAGES: (IMAGES, LABELS)}
    if {"frames", "offsets"} <= set(held):
        raise UserError(f"{path} holds sequences, frames and offsets, where images are wanted")
    if (IMAGES in held) == ("train_images" in held):
        raise UserError(
            f"{path} must have arrays 'images' and 'labels', or 'train_images' and 'train_labels', not both; it has "
            f"{listed(held) or 'nothing'}"
        )
    wanted = [name for part, names in pairs.items() if names[0] in held for name in names]
    texts = ("labels", "train_labels", "test_labels", SPLIT, CLASSES)
    arrays = read_npz(path, [*wanted, SPLIT, CLASSES], needed=wanted, texts=texts)
    names = arrays.get(CLASSES)
    if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
        raise UserError(f"{path}: array 'classes' must be a list of texts, not {names.dtype} {names.shape}")
    found = {}
    for part, (images, labels) in pairs.items():
        if images in arrays:
            found[part] = _part(arrays[images], arrays[labels], names, f"{path}: '{images}'")
    if SPLIT in arrays:
        if IMAGES not in found:
            raise UserError(f"{path}: array 'split' is for 'images', and this file has parts of its own")
        return split_by(found[IMAGES], arrays[SPLIT], path)
    return found


def _part(values: npt.NDArray[Any], labels: npt.NDArray[Any], names: npt.NDArray[Any] | None, where: str) -> Part:
    if values.dtype.kind not in "biuf" or not 2 <= values.ndim <= 4 or 0 in values.shape[1:]:
        raise UserError(
            f"{where} must be numbers (count, features), (count, rows, columns) or (count, rows, columns, channels), "
            f"not {values.dtype} {values.shape}"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise UserError(f"{where}: labels must be integers or texts, one an image, not {labels.dtype} {labels.shape}")
    if labels.dtype.kind == "U":
        return Part(values, labels.tolist(), where)
    if names is not None:
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(names):
            raise UserError(
                f"{where}: labels must lie in 0 .. {len(names) - 1}, as there are {len(names)} classes, not "
                f"{labels.min()} .. {labels.max()}"
            )
        return Part(values, [str(names[number]) for number in labels], where)
    return Part(values, labels, where)


def split_by(whole: Part, words: npt.NDArray[Any], path: Path) -> dict[str, Part]:
    """Return the images ``whole`` parted by the array 'split' of the file ``path``: "train" and "test", or 0 and 1."""
    if words.shape != (len(whole.values),) or words.dtype.kind not in "biuU":
        raise UserError(f"{path}: array 'split' must say train or test of each of 'images', one text or integer each")
    said = [str(word) for word in words.astype(int)] if words.dtype.kind in "biu" else words.tolist()
    return divided(whole, said, f"{path}: array 'split'")


def held_out(words: Sequence[str], where: str) -> npt.NDArray[np.bool_]:
    """Return which of ``words`` say that an image is for the test: test or 1, others train or 0."""
    strange = next((word for word in words if word not in (TRAIN, TEST, "0", "1")), None)
    if strange is not None:
        raise UserError(f"{where} must be train or test (or 0 or 1), not {quoted(strange)}")
    return np.array([word in (TEST, "1") for word in words], bool)


def divided(whole: Part, words: Sequence[str], where: str) -> dict[str, Part]:
    """Return the parts of ``whole`` by ``words``, one an image: train or 0, test or 1."""
    held = held_out(words, where)
    found = {}
    for name, mask in ((TRAIN, ~held), (TEST, held)):
        places = np.flatnonzero(mask)
        every = whole.labels
        labels = every[places] if isinstance(every, np.ndarray) else [every[n] for n in places.tolist()]
        found[name] = Part(whole.values[places], labels, f"{where}: {name}")
    return found


def _folder(data: Data, path: Path) -> Parts:
    folder = pictures.read_folder(path)
    names = pictures.class_names(folder.train)
    if data.size is not None and len(data.size) == 2:
        form = pictures.Form((data.size[0], data.size[1]), True, data.channels, data.alpha)
    else:
        form = pictures.Form(None, False, data.channels, data.alpha)
    values, form = pictures.read_pictures([file for _, file in folder.train], form)
    train = Part(values, [str(name) for name, _ in folder.train], f"folder {path}")
    if folder.test is None:
        return train, None
    stray = next((str(name) for name, _ in folder.test if name not in names), None)
    if stray is not None:
        raise UserError(f"folder {path}/test: {quoted(stray)} is no class of {path}/train ({listed(names)})")
    values, _ = pictures.read_pictures([file for _, file in folder.test], form)
    return train, Part(values, [str(name) for name, _ in folder.test], f"folder {path}/test")


def _table(data: Data, path: Path) -> tuple[Parts, Features]:
    assert data.label is not None  # checked with the keys
    separator = data.separator or ","
    table = tables.read_table(path, separator=separator)
    others = (data.label, data.split)
    for name, what in zip(others, ("the labels", "the split"), strict=True):
        if name is not None:
            table.column(name, what)
    if data.columns is not None and set(data.columns) & set(others):
        raise UserError("key 'data.columns' must not name the column of labels or split")
    features = tuple(data.columns or [name for name in table.columns if name not in others])
    if not features or len(set(features)) < len(features):
        raise UserError(f"{table.name} must have columns of features, each once, not {listed(features) or 'none'}")
    whole = _rows(data, table, features)
    if data.split is not None:
        parts = divided(whole, table.labels(data.split), f"{table.name}, column {quoted(data.split)}")
        return (parts[TRAIN], parts[TEST]), features
    if data.test is not None:
        return (whole, _rows(data, tables.read_table(Path(data.test), separator=separator), features)), features
    return (whole, None), features


def _rows(data: Data, table: tables.Table, features: Sequence[str]) -> Part:
    values = table.numbers(features)
    if data.missing is None:
        table.check_whole(values, features)
    return Part(values, table.labels(str(data.label)), table.name)
