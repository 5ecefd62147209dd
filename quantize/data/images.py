"""The images on which a network is judged: files given, else the test set of its data set.

Files hold raw values, which the network's own record takes to pixels: arrays (``.npy``, ``.npz``), pictures (one file,
a folder of them, or of one folder a class), tables; or first spikes (``.events``). Where they hold labels, too,
accuracy is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import npz_names, read_images, read_npy, read_npz
from s2nn_hw.network.address_events import SUFFIX, Events
from s2nn_hw.network.labels import checked_labels
from s2nn_hw.network.layer import Input
from s2nn_hw.network.network import Network
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data import formats, pictures, sets, source, tables
from s2nn_hw.quantize.data.labels import numbered
from s2nn_hw.quantize.data.reading import Reading, reading_of
from s2nn_hw.quantize.recipe import load_recipe
from s2nn_hw.terminal import working

LABEL = "label"  # the column of labels where a network doesn't name one
Frames = tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None, str]


@dataclass(frozen=True)
class Taker:
    """What images are for: what ``entering`` takes, the names of the ``classes``, and how files are read."""

    entering: Input
    classes: Sequence[str]
    reading: Reading | None

    @classmethod
    def of(cls, network: Network) -> Self:
        """Return that of ``network``."""
        return cls(network.input, network.classes, reading_of(network))

    @classmethod
    def at(cls, path: Path) -> Self:
        """Return that of the network or recipe in file ``path``."""
        if path.suffix != ".toml":
            return cls.of(load(path))
        data = load_recipe(path).data
        return cls(source.recorded(data), source.classes(data), None if data.path is None else Reading.of(data))


def images_for(
    network: Path | str, images: Path | str | None, labels: Path | str | None, *, download: bool = True
) -> Frames:
    """Return ``(images, labels or None, where they are from)``: the given files, else the data set's test set.

    ``images``: see :func:`read_frames`. Without ``download`` and without the data set's files here, the shipped sample
    stands in.
    """
    if images is not None:
        taker = Taker.at(Path(network))
        values, found, where = read_frames(Path(images), taker)
        if labels is not None:
            given = read_npy(labels, what="labels")
            found = checked_labels(given, len(values), len(taker.classes), f"labels {labels}")
        return values, found, where
    if labels is not None:
        raise UserError(f"labels {labels} need --images X.npy beside them")
    return _test_set(Path(network), load(network), download=download)


def _test_set(path: Path, network: Network, *, download: bool) -> Frames:
    reading, name = reading_of(network), network.provenance.get("data_set")
    if reading is not None:
        raise UserError(
            f"network {path} was trained on own data, {reading.name}: give --images, {_wanted(reading, network)}, or "
            "the .test.npz that `s2nn-hw train` wrote"
        )
    if not isinstance(name, str):
        raise UserError(f"network {path} does not say which data set it is for; give --images X.npy")
    if not download and not sets.present(name, "test"):
        found = sets.samples(name)
        where = f"shipped sample of the {sets.title(name)} test set, which is not on this machine"
    else:
        found, where = sets.load(name, "test"), f"{sets.title(name)} test set"
    try:
        network.encode(found[0][:1])
    except UserError as error:
        raise UserError(
            f"network {path} says that it is for data set {name}, whose images do not fit it ({error}); "
            "give --images X.npy"
        ) from None
    return found[0], found[1].astype(np.int64), where


def _wanted(reading: Reading, network: Network) -> str:
    """Return what kind of file ``network`` takes, in words."""
    if reading.features is not None:
        return f"a table with columns {listed(reading.features)}"
    shape = ", ".join(map(str, network.input.shape))
    return "a folder of pictures" if reading.kind == "folder" else f".npy or .npz of raw values (count, {shape})"


def read_frames(path: Path, taker: Taker) -> Frames:
    """Return ``(raw values, labels or None, where they are from)`` of file or folder ``path`` for ``taker``.

    values   ``(count, *shape)``, at least one
    labels   int64, numbers of the taker's classes, where the file has labels
    """
    suffix = path.suffix.lower()
    if path.is_dir() or suffix in (*pictures.SUFFIXES, *pictures.SOUNDS):
        values, labels = _pictures(path, taker)
    elif suffix in tables.SUFFIXES:
        values, labels = _table(path, taker)
    elif suffix == ".npz" and path.is_file():
        values, labels = _arrays(path, taker)
    elif suffix == SUFFIX:
        values, labels = Events.read(path).images(taker.entering), None
    else:
        values, labels = read_images(path)[0], None
    if not values.ndim or not len(values):
        raise UserError(f"images {path}: at least one image is needed")
    return values, labels, str(path)


def _arrays(path: Path, taker: Taker) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    held, start = npz_names(path), ""
    if "images" not in held and "test_images" in held:
        start = "test_"
    names = (f"{start}images", f"{start}labels", "split", "classes")
    arrays = read_npz(path, names, needed=names[:1], texts=names[1:])
    values, labels = arrays[names[0]], arrays.get(names[1])
    if not values.ndim or not len(values):
        raise UserError(f"images {path} is an array of {quoted(values.shape)}: there is no image in it")
    if labels is not None and labels.shape != values.shape[:1]:
        raise UserError(
            f"labels {path} must be {len(values)} integers, not {labels.dtype} of shape {quoted(labels.shape)}"
        )
    words: list[str] | npt.NDArray[Any] | None = labels
    if labels is not None and labels.dtype.kind == "U":
        words = labels.tolist()
    elif labels is not None and "classes" in arrays and labels.dtype.kind in "iu":
        own = arrays["classes"].tolist()
        words = [own[number] for number in checked_labels(labels, len(values), len(own), f"labels {path}")]
    if "split" in arrays and not start:
        # labels that lack are none that are looked at
        part = formats.Part(values, [""] * len(values) if words is None else words, f"images {path}")
        part = formats.split_by(part, arrays["split"], path)[formats.TEST]
        values, words = part.values, None if words is None else part.labels  # type: ignore[assignment]
    if words is None:
        return values, None
    where = f"labels {path}"
    if isinstance(words, np.ndarray):
        return values, checked_labels(words, len(values), len(taker.classes), where)
    return values, numbered(words, taker.classes, where)


def _table(path: Path, taker: Taker) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    reading, separator = taker.reading, ","
    label, features = LABEL, None
    if reading is not None and reading.features is not None:
        label, features = reading.label or LABEL, reading.features
        separator = reading.separator or separator
    table = tables.read_table(path, separator=separator)
    values: npt.NDArray[Any] = table.numbers(features or [name for name in table.columns if name != label])
    scaling = taker.entering.scaling
    if scaling is None or scaling.missing is None:
        table.check_whole(values, features or list(table.columns))
    if scaling is None:
        values = _whole(values, table)
    labels = None
    if label in table.columns:
        labels = numbered(table.labels(label), taker.classes, f"{table.name}, column {quoted(label)}")
    if reading is not None and reading.split in table.columns:
        rows = _test_rows(table, reading.split)
        values, labels = values[rows], None if labels is None else labels[rows]
    return values, labels


def _test_rows(table: tables.Table, column: str) -> npt.NDArray[np.int64]:
    """Return the places of the rows of ``table`` that its ``column`` has for the test, which are not trained on."""
    where = f"{table.name}, column {quoted(column)}"
    rows = np.flatnonzero(formats.held_out(table.labels(column), where))
    if not len(rows):
        raise UserError(f"{where}: no row is for the test; leave the column out where all rows are meant")
    return rows


def _whole(values: npt.NDArray[np.float64], table: tables.Table) -> npt.NDArray[Any]:
    """Return ``values`` for a network that records no scaling, which takes integers: as bytes where they are."""
    if (values != np.rint(values)).any() or abs(values).max(initial=0) > 1 << 31:
        raise UserError(f"{table.name} must hold integers: the network records no offset and step of raw values")
    bytes_ = values.min(initial=0) >= 0 and values.max(initial=0) <= 255
    return values.astype(np.uint8 if bytes_ else np.int64)


def _pictures(path: Path, taker: Taker) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64] | None]:
    shape, reading = taker.entering.shape, taker.reading
    channels = 1 if len(shape) == 2 else shape[-1]
    if len(shape) == 1 or channels not in (1, 3) or taker.entering.events:
        raise UserError(f"images {path} are pictures, and the network takes {quoted(list(shape))} values that are none")
    folder = pictures.read_folder(path)
    chosen = folder.test or folder.train
    scaled, alpha = (False, None) if reading is None else (bool(reading.scaled), reading.alpha)
    form = pictures.Form((shape[0], shape[1]), scaled, channels, alpha)
    with working(f"reading {path}"):
        values, _ = pictures.read_pictures([file for _, file in chosen], form)
    names = [name for name, _ in chosen if name is not None]
    labels = numbered(names, taker.classes, f"folder {path}") if names else None
    return values.reshape(len(values), *shape), labels
