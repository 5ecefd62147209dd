"""Data of the user's: read, checked, parted into training and test, and how its values become pixels.

What a recipe's ``[data] path`` may be, and what each key means, is in docs/data.md. Everything that the rest of a
training needs to know of the data is found once, when the recipe is read (:func:`resolved`), and travels with it.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.layer import Input
from s2nn_hw.network.scaling import Scaling
from s2nn_hw.quantize.data import own_sequences
from s2nn_hw.quantize.data.formats import ARRAYS, FOLDER, TABLE, Part, kind_of, read_parts
from s2nn_hw.quantize.data.labels import classes_of, numbered
from s2nn_hw.quantize.data.own_files import check_there, check_unchanged, digest_of, stamp
from s2nn_hw.quantize.settings import Data, Found
from s2nn_hw.terminal import working

BYTE = 8  # bits
SHARE = 0.2  # of each class for the test, where nothing is said
MINMAX, PERCENTILE = "minmax", "percentile"
PERCENTILES = (1, 99)
ONLY = {"label": TABLE, "columns": TABLE, "split": TABLE, "separator": TABLE, "size": FOLDER, "channels": FOLDER}
ONLY |= {"alpha": FOLDER}
Pictures = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]  # values as they are in the file, and classes


@dataclass(frozen=True)
class Own:
    """The user's data: ``train`` and ``test``, in an order drawn from the recipe's seed; names of ``classes``, of
    ``features`` of a table; ``sha256`` of the content; ``kind`` of the source."""

    train: Pictures
    test: Pictures
    classes: tuple[str, ...]
    features: tuple[str, ...] | None
    kind: str
    sha256: str


def resolved(data: Data, folder: Path | None) -> Data:
    """Return ``data`` with what was :class:`.settings.Found` in its file; a known set's as it is.

    ``folder``: what the path is looked for in; None: the file is not read, and must have been before.
    """
    if (data.set is None) == (data.path is None):
        raise UserError("key 'data.set' is missing, or 'data.path' of your own data: one of them is wanted")
    if data.path is None:
        given = [name for name in (*ONLY, "test", "test_share", "classes", "range", "missing") if _said(data, name)]
        if given or data.found != Found():
            raise UserError(f"key 'data.{(given or ['found'])[0]}' is for your own data, 'data.path', not a known set")
        return data
    if folder is None:
        found = data.found
        if None in (found.kind, found.sha256, found.shape, found.classes):
            raise UserError("key 'data.found', what the data held, is missing: give the recipe itself")
        scaling(data)  # its lengths are checked with the network's
        return data
    path, test = folder / data.path, None if data.test is None else str(folder / data.test)
    data = dataclasses.replace(data, path=str(path), test=test)
    found = own_sequences.found(data) if own_sequences.kind_of(path) else _found_images(data)
    if data.found != Found() and data.found != found:
        raise UserError(f"key 'data.found' says other things than {data.path} holds: leave it out")
    return dataclasses.replace(data, found=found)


def _found_images(data: Data) -> Found:
    _check_keys(data, kind_of(Path(str(data.path))))
    if data.left_out is not None:
        raise UserError("key 'data.left_out' is for sequences that have groups")
    held = read(data)
    if data.validation >= len(held.train[1]):
        raise UserError(f"key 'data.validation' must be below the {len(held.train[1]):,} images for training")
    return _found(data, held)


def _said(data: Data, name: str) -> bool:
    return getattr(data, name) is not None


def _check_keys(data: Data, kind: str) -> None:
    for name, wanted in ONLY.items():
        if _said(data, name) and kind != wanted:
            raise UserError(f"key 'data.{name}' is for {wanted}, and {data.path} is {kind}")
    if kind == TABLE and data.label is None:
        raise UserError("key 'data.label' must name the column of the labels")
    if isinstance(data.range, str) and data.range not in (MINMAX, PERCENTILE):
        raise UserError(f"key 'data.range' must be {MINMAX}, {PERCENTILE} or two numbers, not {quoted(data.range)}")
    if isinstance(data.range, tuple) and (len(data.range) != 2 or not data.range[0] < data.range[1]):
        raise UserError(f"key 'data.range' must be two numbers that rise, not {quoted(list(data.range))}")
    if isinstance(data.missing, str) and data.missing != "mean":
        raise UserError(f"key 'data.missing' must be mean or a number, not {quoted(data.missing)}")
    if data.size is not None and len(data.size) != 2:
        raise UserError(f"key 'data.size' must be rows and columns, not {quoted(list(data.size))}")
    if data.separator is not None and (len(data.separator) != 1 or data.separator in '"\r\n'):
        raise UserError(f"key 'data.separator' must be one character, not {quoted(data.separator)}")
    if data.test is not None and (data.split is not None or kind == FOLDER):
        other = "'data.split'" if data.split is not None else f"a folder, which may hold train/ and test/: {data.path}"
        raise UserError(f"key 'data.test' does not go with {other}")


def read(data: Data) -> Own:
    """Return what is in the files of ``data``; the last ones that were read are kept."""
    bare = dataclasses.replace(data, found=Found(), pixel_bits=1, validation=0, range=None)
    files = [Path(name) for name in (data.path, data.test) if name is not None]
    with working(f"reading {data.path}"):
        return _read(bare, tuple(stamp(path) for path in files))


@lru_cache(maxsize=1)
def _read(data: Data, stamps: tuple[Any, ...]) -> Own:
    assert data.path is not None
    path, further = Path(data.path), [] if data.test is None else [Path(data.test)]
    parts, features = read_parts(data)
    train, test = parts
    names = classes_of(train.labels, data.classes, train.name)
    shown = [_pictures(part, names) for part in parts if part is not None]
    if data.test_share is not None and test is not None:
        raise UserError(f"key 'data.test_share' has no place: {data.path} says what is for the test")
    generator = np.random.default_rng(data.seed)
    if test is None:
        shown = list(_shared(*shown[0], names, SHARE if data.test_share is None else data.test_share, generator))
    present = np.bincount(shown[0][1], minlength=len(names))
    if not present.all():
        raise UserError(f"{train.name}: class {quoted(names[int(present.argmin())])} has nothing to train on")
    # the last ones may be held out and the first ones looked at, so neither may be sorted by class
    first, second = (
        (values[order], labels[order]) for values, labels in shown for order in [_order(generator, labels)]
    )
    for array in (*first, *second):
        array.flags.writeable = False
    return Own(first, second, tuple(names), features, kind_of(path), digest_of([path, *further]))


def _order(generator: np.random.Generator, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return generator.permutation(len(labels))


def _pictures(part: Part, names: Sequence[str]) -> Pictures:
    return part.values, numbered(part.labels, names, part.name)


def _shared(
    values: npt.NDArray[Any],
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    share: float,
    generator: np.random.Generator,
) -> tuple[Pictures, Pictures]:
    """Return ``share`` of each class, rounded, for the test, and before them the rest; each class is in both."""
    held = np.zeros(len(labels), bool)
    for number, name in enumerate(names):
        places = np.flatnonzero(labels == number)
        if len(places) == 1:
            raise UserError(
                f"class {quoted(name)} has one image, and one for training and one for the test are wanted: give "
                "more, or key 'data.test'"
            )
        count = min(max(1, round(share * len(places))), len(places) - 1)
        held[generator.permutation(places)[: max(count, 0)]] = True
    return (values[~held], labels[~held]), (values[held], labels[held])


def _found(data: Data, held: Own) -> Found:
    values = held.train[0]
    low, high, missing = _range(data, values)
    shape = tuple(int(n) for n in values.shape[1:])
    Input(shape, data.pixel_bits, signed=data.signed)
    return Found(
        kind={TABLE: "table", FOLDER: "folder", ARRAYS: "npz"}[held.kind],
        sha256=held.sha256,
        shape=shape,
        classes=held.classes,
        features=held.features,
        low=low,
        high=high,
        missing=missing,
    )


Row = tuple[float, ...] | None


def _range(data: Data, values: npt.NDArray[Any]) -> tuple[Row, Row, Row]:
    """Return the raw values of the smallest and the largest pixel and of missing ones, measured on those for training;
    None where bytes are taken as they are, or nothing may be missing."""
    pixel, said = _pixel(data), data.range is not None or data.missing is not None
    if values.dtype == np.uint8 and not said and pixel.low == 0 and pixel.bits <= BYTE:
        return None, None, None
    raw = values.astype(np.float64)
    if np.isinf(raw).any():
        raise UserError(f"{data.path} holds infinities; finite numbers are wanted")
    unknown = np.isnan(raw)
    if unknown.any() and data.missing is None:
        raise UserError(_unknown(data, unknown))
    columns = raw.reshape(-1, 1 if raw.ndim == 3 else raw.shape[-1])
    known = ~np.isnan(columns)
    if not known.any(axis=0).all():
        place = int(known.any(axis=0).argmin())
        raise UserError(f"{data.path}: feature {place + 1} has no value at all in training; leave it out")
    if isinstance(data.range, tuple):
        low, high = (np.full(columns.shape[1], end) for end in data.range)
    elif data.range == PERCENTILE:
        low, high = np.nanpercentile(columns, PERCENTILES, axis=0)
    else:
        low, high = np.nanmin(columns, axis=0), np.nanmax(columns, axis=0)
    missing = None if data.missing is None else np.full(columns.shape[1], data.missing, object)
    if data.missing == "mean":
        missing = np.nanmean(columns, axis=0)
    rows = [None if row is None else tuple(float(value) for value in row) for row in (low, high, missing)]
    return rows[0], rows[1], rows[2]


def _unknown(data: Data, unknown: npt.NDArray[np.bool_]) -> str:
    return (
        f"{data.path}: {int(unknown.sum()):,} values are missing; key 'data.missing' fills them, with mean or a number"
    )


def scaling(data: Data) -> Scaling | None:
    """Return how raw values of the user's ``data`` become pixels, None where they are bytes."""
    found = data.found
    if found.low is None or found.high is None:
        return None
    if len(found.low) != len(found.high):
        raise UserError("key 'data.found': 'low' and 'high' must be of one length")
    pixel = _pixel(data)
    return Scaling.of_range(found.low, found.high, pixel.low, pixel.peak, found.missing)


def _pixel(data: Data) -> Input:
    """Return what enters where there is one pixel."""
    return Input((1,), data.pixel_bits, signed=data.signed)


def split(data: Data, part: str) -> Pictures:
    """Return raw values and classes of ``part``, "train" or "test", of the data that the recipe was read with."""
    check_there(data)
    held = read(data)
    check_unchanged(data, held.sha256)
    return held.train if part == "train" else held.test


def constant(data: Data) -> list[str]:
    """Return the names of features that have one value in all of training."""
    found = data.found
    if found.low is None or found.high is None:
        return []
    names = found.features or [str(place + 1) for place in range(len(found.low))]
    return [name for name, low, high in zip(names, found.low, found.high, strict=False) if math.isclose(low, high)]


def title(data: Data) -> str:
    """Return what results on the user's ``data`` are called: the file's name and the start of its digest."""
    return f"{Path(str(data.path)).name} ({str(data.found.sha256)[:12]})"
