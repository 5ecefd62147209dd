"""The data sets: standard files, checked, downloaded once if absent, and a shipped sample of each."""

import contextlib
import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data import cifar10, magic
from s2nn_hw.quantize.data.stored import stored

FOLDER_VARIABLE = "S2NN_DATA"
SPLITS = {"train": ("train", 60_000), "test": ("t10k", 10_000)}


@dataclass(frozen=True)
class DataSet:
    """Where the files of one data set are: folder name, mirrors, checksum by file name, class names.

    ``shape`` of an image: rows, columns and, with colours, channels; of an event: features. ``bits`` of a value, which
    may be ``signed``.
    """

    folder: str
    mirrors: tuple[str, ...]
    checksums: dict[str, str | None]
    classes: tuple[str, ...]
    title: str
    shape: tuple[int, ...] = (28, 28)
    bits: int = 8
    signed: bool = False


SETS = {
    "mnist": DataSet(
        "mnist",
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        {
            "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
        tuple("0123456789"),
        "MNIST",
    ),
    "fashion-mnist": DataSet(
        "fashion-mnist",
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
        ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"),
        "Fashion-MNIST",
    ),
    "cifar10": DataSet(
        "",
        ("https://www.cs.toronto.edu/~kriz/",),
        {cifar10.ARCHIVE: "md5:c32a1d4ab5d03f1284b67883e8d87530"},
        cifar10.CLASSES,
        "CIFAR-10 (JPEG)",
        cifar10.SHAPE,  # the shipped sample's title; files have their own
    ),
    "magic": DataSet(
        magic.FOLDER,
        ("https://sci2s.ugr.es/keel/dataset/data/classification/",),
        {magic.ARCHIVE: None},
        magic.CLASSES,
        "MAGIC",
        (magic.FEATURES,),  # no checksum: the archive's content is checked as it is read
    ),
}


def data_set(name: str) -> DataSet:
    """Return the :class:`DataSet` called ``name``."""
    if name not in SETS:
        raise UserError(f"data set {name!r} is unknown; known: {', '.join(SETS)}")
    return SETS[name]


def title(name: str) -> str:
    """Return what results on the set ``name`` are to be called; it depends on the files that are there."""
    found = cifar10.source(root()) if name == "cifar10" else None
    return found[1] if found else data_set(name).title


def known_title(name: str) -> str:
    """Return the :func:`title` of the set ``name``; of one that is not known here, the name."""
    try:
        return title(name)
    except UserError:
        return name


def root() -> Path:
    """Return the folder that holds one folder per data set: ``$S2NN_DATA``, else the user's cache."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else cache()


def cache() -> Path:
    """Return the user's cache folder of this project; it may not exist yet."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("s2nn-hw"))


def load(name: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(images, labels)`` of ``split`` ("train" or "test"): uint8 ``(count, *shape)`` and ``(count,)``.

    Files are looked for under :func:`root` and downloaded there, checksum verified, if absent.
    """
    info, (prefix, count) = data_set(name), SPLITS[split]
    if name == "cifar10":
        found = cifar10.source(root())
        return cifar10.load(found[0] if found else file_of(info, cifar10.ARCHIVE), split, cache())
    if name == "magic":
        return magic.load(magic.source(root()) or file_of(info, magic.ARCHIVE), split)
    images = read_idx(file_of(info, f"{prefix}-images-idx3-ubyte.gz"), 3)
    labels = read_idx(file_of(info, f"{prefix}-labels-idx1-ubyte.gz"), 1)
    if images.shape != (count, *info.shape) or labels.shape != (count,):
        raise UserError(
            f"{name} {split} files must hold {count} images of {info.shape} and as many labels, "
            f"not {images.shape} and {labels.shape}; delete them to download them again"
        )
    if labels.max() >= len(info.classes):
        raise UserError(f"{name} {split} labels must lie in 0 .. {len(info.classes) - 1}, not reach {labels.max()}")
    return images, labels


def present(name: str, split: str) -> bool:
    """Whether the files of ``split`` are under :func:`root`, so that :func:`load` downloads nothing."""
    info, (prefix, _) = data_set(name), SPLITS[split]
    if name == "cifar10":
        return cifar10.source(root()) is not None
    if name == "magic":
        return magic.source(root()) is not None
    folder = root() / info.folder
    return all((folder / f"{prefix}-{part}-ubyte.gz").is_file() for part in ("images-idx3", "labels-idx1"))


def read_idx(path: Path | str, axes: int) -> np.ndarray:
    """Return the uint8 array with ``axes`` axes in the gzip-compressed IDX file ``path``."""
    advice = "delete it to download it again"
    try:
        data = gzip.decompress(Path(path).read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path} is not a whole gzip file ({error}); {advice}") from None
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    start = 4 + 4 * axes
    if len(data) < start or data[:4] != bytes((0, 0, 8, axes)):
        raise UserError(f"{path} is not an IDX file of bytes with {axes} axes; {advice}")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    wanted = int(np.prod(shape, dtype=object))
    if len(data) - start != wanted:
        raise UserError(f"{path} must hold {wanted} bytes for shape {shape}, not {len(data) - start}; {advice}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def file_of(info: DataSet, name: str) -> Path:
    """Return the path of the file ``name`` of a set, downloaded if it is not there."""
    path = root() / info.folder / name
    if not path.exists():
        _download(info, path)
    return path


def _download(info: DataSet, path: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("WARNING")
    reason = "no mirror"
    for mirror in info.mirrors:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            pooch.retrieve(
                mirror + path.name,
                known_hash=info.checksums[path.name],
                fname=path.name,
                path=path.parent,
                downloader=pooch.HTTPDownloader(timeout=30),
            )
            return
        except (requests.RequestException, ValueError) as error:  # ValueError: the checksum differs
            host = mirror.split("/")[2]
            reason = f"no connection to {host}" if isinstance(error, requests.ConnectionError) else str(error)[:160]
        except OSError as error:
            raise UserError(f"{path} can't be written: {error.strerror}; set {FOLDER_VARIABLE} to a folder") from None
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # only if nothing is in it
    inside = "/".join(filter(None, (info.folder, path.name)))
    raise UserError(
        f"{path.name} can't be downloaded ({reason}); put it in {path.parent} by hand, or set {FOLDER_VARIABLE} "
        f"to a folder that holds {inside}"
    )


def samples(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the shipped sample of test images: uint8 ``(300, 28, 28)``, labels uint8 ``(300,)``; no download.

    CIFAR-10 has 100 of ``(32, 32, 3)``, MAGIC 300 of ``(10,)``.
    """
    data_set(name)
    return stored(Path(__file__).parents[1] / "samples" / f"{name}.npz")
