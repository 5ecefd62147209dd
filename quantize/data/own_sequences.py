"""Sequences of the user's: a ``.npz`` of frames over time, or a folder of recordings by class; read, checked, parted.

What a recipe's ``[data] path`` may be, and what each key means, is in docs/data.md.
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import npz_names
from s2nn_hw.network.sequences import Sequences, read_sequences
from s2nn_hw.quantize.audio.recordings import read_recordings
from s2nn_hw.quantize.data.labels import classes_of, numbered
from s2nn_hw.quantize.data.own_files import check_there, check_unchanged, digest_of, stamp
from s2nn_hw.quantize.data.pictures import TEST, TRAIN, entries, is_ignored
from s2nn_hw.quantize.data.sequence_sets import held_out
from s2nn_hw.quantize.settings import RECORDINGS, SEQUENCE_FILES, Data, Found
from s2nn_hw.terminal import working

SHARE = 0.2  # of the sequences for the test, where nothing is said
SOUND = ".wav"
KEYS = (
    "set",
    "path",
    "test",
    "test_share",
    "classes",
    "left_out",
    "seed",
    "pixel_bits",
    "signed",
    "validation",
    "found",
)


@dataclass(frozen=True)
class OwnSequences:
    """The user's sequences of bytes, ``train`` and ``test``, labelled with numbers of ``classes``; ``sha256`` of the
    content."""

    train: Sequences
    test: Sequences
    classes: tuple[str, ...]
    sha256: str


def kind_of(path: Path) -> str | None:
    """Return :data:`SEQUENCE_FILES` of a ``.npz`` with frames or offsets, :data:`RECORDINGS` of a folder that has .wav
    files in it, else None."""
    if path.is_dir():
        return RECORDINGS if any(file.suffix.lower() == SOUND for file in path.rglob("*")) else None
    if path.suffix == ".npz" and path.is_file():
        held = set(npz_names(path, "data"))
        return SEQUENCE_FILES if held & {"frames", "offsets"} and not held & {"images", "train_images"} else None
    return None


def found(data: Data) -> Found:
    """Return what there is to know of the sequences of ``data``, all its keys checked."""
    for entry in dataclasses.fields(data):
        if entry.name not in KEYS and getattr(data, entry.name) != entry.default:
            raise UserError(f"key 'data.{entry.name}' is not for sequences, which {data.path} holds")
    if data.test is not None and data.left_out is not None:
        raise UserError("keys 'data.test' and 'data.left_out' both say what the test is: one of them is wanted")
    if data.test_share is not None and (data.test, data.left_out) != (None, None):
        raise UserError("key 'data.test_share' has no place beside 'data.test' or 'data.left_out', which say it")
    if data.left_out is not None and not data.left_out.isprintable():
        raise UserError(f"key 'data.left_out' must be a name that can be printed, not {quoted(data.left_out)}")
    held = read(data)
    held_out(held.train, data.validation, data.seed)
    kind, shape = kind_of(Path(str(data.path))), (held.train.channels,)
    return Found(kind=kind, sha256=held.sha256, shape=shape, classes=held.classes)


def split(data: Data, part: str) -> Sequences:
    """Return the sequences of ``part``, "train" or "test", of the data that the recipe was read with."""
    check_there(data)
    held = read(data)
    check_unchanged(data, held.sha256)
    return held.train if part == TRAIN else held.test


def read(data: Data) -> OwnSequences:
    """Return what is in the files of ``data``; the last ones that were read are kept."""
    bare = dataclasses.replace(data, found=Found(), pixel_bits=1, validation=0)
    with working(f"reading {data.path}"):
        return _read(bare, tuple(stamp(path) for path in _files(data)))


def _files(data: Data) -> list[Path]:
    return [Path(name) for name in (data.path, data.test) if name is not None]


@lru_cache(maxsize=1)
def _read(data: Data, stamps: tuple[Any, ...]) -> OwnSequences:
    path = Path(str(data.path))
    test = None
    if kind_of(path) == RECORDINGS:
        train, test = _recordings(path)
    else:
        train = _labelled(read_sequences(path))
    if data.test is not None:
        if test is not None:
            raise UserError(f"key 'data.test' has no place: {path} has parts of its own")
        test = _labelled(_further(Path(data.test)))
        test.check_channels(train.channels)
    names = _classes(data, train)
    train, test = _numbered(train, names), None if test is None else _numbered(test, names)
    if data.left_out is not None:
        train, test = _without(train, test, data.left_out)
    if test is None:
        share = SHARE if data.test_share is None else data.test_share
        train, test = held_out(train, max(1, round(share * len(train))), data.seed, key="data.test_share")
        assert test is not None  # there is one at least
    elif data.test_share is not None:
        raise UserError(f"key 'data.test_share' has no place: {path} says what is for the test")
    present = np.bincount(_labels(train), minlength=len(names))
    if not present.all():
        raise UserError(f"{train.name}: class {quoted(names[int(present.argmin())])} has nothing to train on")
    return OwnSequences(train, test, names, digest_of(_files(data), SOUND))


def _further(path: Path) -> Sequences:
    kind = kind_of(path)
    if kind == RECORDINGS:
        train, test = _recordings(path)
        if test is not None:
            raise UserError(f"data {path} must be a folder of recordings by class, without parts of its own")
        return train
    if kind is None and path.exists():
        raise UserError(f"data {path} must hold sequences as key 'data.path' does: frames and offsets, or recordings")
    return read_sequences(path)


def _labelled(sequences: Sequences) -> Sequences:
    if sequences.labels is None:
        raise UserError(f"{sequences.name} must have an array 'labels', the class of each sequence")
    return dataclasses.replace(sequences, frames=sequences.as_bytes, bits=8)


def _recordings(path: Path) -> tuple[Sequences, Sequences | None]:
    """Return the recordings in the folder ``path``, and those that its folders say are for the test."""
    inside = _folders(path)
    if set(inside) == {TRAIN, TEST}:
        return _by_class(inside[TRAIN]), _by_class(inside[TEST])
    return _by_class(path), None


def _by_class(path: Path) -> Sequences:
    folders = {name: _sounds(folder) for name, folder in _folders(path).items()}
    empty = next((name for name, files in folders.items() if not files), None)
    if empty is not None:
        advice = f"; {TRAIN} and {TEST} are parts where both are there, and nothing beside them"
        raise UserError(
            f"folder {path / empty} must hold {SOUND} files of its class; there is none in it"
            + (advice if empty in (TRAIN, TEST) else "")
        )
    known = {file for files in folders.values() for file in files}
    stray = next((file for file in _all_sounds(path) if file not in known), None)
    if stray is not None:
        raise UserError(f"{stray} must lie in the folder of a class, {path}/CLASS/, and in none below it")
    names = classes_of(list(folders), None, f"folder {path}")
    files = [(name, file) for name in names for file in folders[name]]
    labels = np.array([names.index(name) for name, _ in files])
    return read_recordings((file for _, file in files), labels=labels, classes=tuple(names), name=f"recordings {path}")


def _folders(path: Path) -> dict[str, Path]:
    return {part.name: part for part in entries(path) if part.is_dir()}


def _all_sounds(path: Path) -> list[Path]:
    found = (file for file in path.rglob("*") if file.suffix.lower() == SOUND)
    return sorted(file for file in found if not is_ignored(file.relative_to(path)))


def _sounds(path: Path) -> list[Path]:
    return [file for file in entries(path) if file.suffix.lower() == SOUND]


def _classes(data: Data, train: Sequences) -> tuple[str, ...]:
    given = data.classes or train.classes
    return tuple(classes_of(_labels(train), given, train.name))


def _labels(sequences: Sequences) -> np.ndarray:
    assert sequences.labels is not None  # checked where they came in
    return sequences.labels


def _numbered(sequences: Sequences, names: tuple[str, ...]) -> Sequences:
    """Return ``sequences`` with labels that are numbers of ``names``: by their names where they have some."""
    labels, classes = _labels(sequences), sequences.classes
    said = labels if classes is None else [classes[label] for label in labels]
    return dataclasses.replace(sequences, labels=numbered(said, names, sequences.name), classes=names)


def _without(whole: Sequences, test: Sequences | None, left_out: str) -> tuple[Sequences, Sequences]:
    """Return ``whole`` without the group ``left_out``, and that group."""
    if test is not None:
        raise UserError(f"key 'data.left_out' has no place: {whole.name} has parts of its own")
    if whole.groups is None:
        raise UserError(f"key 'data.left_out' wants an array 'groups' in {whole.name}, and there is none")
    mine = whole.groups == left_out
    if not mine.any() or mine.all():
        known = listed(sorted(set(whole.groups.tolist())))
        raise UserError(f"key 'data.left_out' must be one of several groups, {known}, not {quoted(left_out)}")
    return whole.chosen(~mine), whole.chosen(mine)
