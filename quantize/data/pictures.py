"""Folders of pictures, one folder a class: ``FOLDER/CLASS/*``, or ``FOLDER/train/CLASS/*`` and ``FOLDER/test/CLASS/*``.

PNG, JPEG, BMP, PGM and PPM. Every picture becomes bytes of one channel or three:

    16 bits a pixel      the upper eight
    palette              the colours that it stands for
    alpha                no matter where all is opaque; else over black or white, as ``alpha`` says
    colour to grey       (299 R + 587 G + 114 B) / 1000, as Pillow rounds it
    grey to colour       three times
    another size         scaled by triangles over all pixels that count (Pillow's BILINEAR), where ``size`` is given

What a camera says of a picture's turn (EXIF) is not looked at.
"""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.files import read_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm")
FORMATS = ("PNG", "JPEG", "BMP", "PPM")
SOUNDS = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".m4a")
IGNORED = ("thumbs.db", "desktop.ini")
TRAIN, TEST = "train", "test"
MAX_FILE_BYTES = 1 << 26
MAX_SOURCE_PIXELS = 1 << 25  # of a picture before it is scaled
MAX_BYTES = 1 << 31  # of all pictures together
BACKGROUNDS = {"black": 0, "white": 255}


@dataclass(frozen=True)
class Form:
    """What pictures are to become; None: what they are. ``size`` rows and columns; ``scaled``: others are scaled to
    it, not refused; ``channels`` 1 or 3; ``alpha`` "black" or "white", what is behind them."""

    size: tuple[int, int] | None = None
    scaled: bool = False
    channels: int | None = None
    alpha: str | None = None


@dataclass(frozen=True)
class Folder:
    """The files of a folder: ``train`` and maybe ``test``, pairs of a class's name (None: pictures without) and a
    path."""

    train: tuple[tuple[str | None, Path], ...]
    test: tuple[tuple[str | None, Path], ...] | None = None


def read_folder(path: Path) -> Folder:
    """Return what is in the folder ``path``, in the order of the names."""
    if path.is_file():
        _check_name(path)
        return Folder(((None, path),))
    parts = {part.name: part for part in entries(path) if part.is_dir()}
    if set(parts) == {TRAIN, TEST}:
        return Folder(_classes(parts[TRAIN]), _classes(parts[TEST]))
    if not parts:
        return Folder(tuple((None, file) for file in _files(path)))
    return Folder(_classes(path))


def _classes(path: Path) -> tuple[tuple[str | None, Path], ...]:
    inside = entries(path)
    stray = [part for part in inside if not part.is_dir()]
    if stray:
        raise UserError(f"{stray[0]} must lie in the folder of a class, {path}/CLASS/")
    found = tuple((part.name, file) for part in inside for file in _files(part))
    if not found:
        raise UserError(f"folder {path} must hold a folder of pictures for each class")
    return found


def entries(path: Path) -> list[Path]:
    """Return what is in the folder ``path``, in the order of the names, but what systems leave there."""
    try:
        found = sorted(path.iterdir())
    except OSError as error:
        raise UserError(f"folder {path} can't be read: {error.strerror}") from None
    return [part for part in found if not is_ignored(Path(part.name))]


def is_ignored(path: Path) -> bool:
    """Return whether ``path``, as seen from a folder of data, is or lies in what systems leave in folders."""
    return any(part.startswith(".") or part.lower() in IGNORED for part in path.parts)


def _files(path: Path) -> list[Path]:
    found = entries(path)
    if not found:
        raise UserError(f"folder {path} is empty; pictures are wanted ({', '.join(SUFFIXES)})")
    for part in found:
        _check_name(part)
    return found


def _check_name(path: Path) -> None:
    if path.suffix.lower() in SOUNDS:
        raise UserError(f"{path} is sound, which is not taken as it is: give features of it, as .npz or a table")
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path} is no picture; a class's folder holds {', '.join(SUFFIXES)} alone")


def read_pictures(files: Sequence[Path], form: Form) -> tuple[npt.NDArray[np.uint8], Form]:
    """Return the pictures uint8 ``(count, rows, columns[, 3])``, and the ``form`` with nothing left open.

    :class:`UserError` names the first file that can't be decoded, or does not go with the ones before.
    """
    found: npt.NDArray[np.uint8] | None = None
    for index, path in enumerate(files):
        picture = _decoded(path, form)
        if form.size is None or form.channels is None:
            channels = form.channels or (1 if picture.ndim == 2 else 3)
            form = Form(picture.shape[:2], form.scaled, channels, form.alpha)
            picture = _decoded(path, form)
        if found is None:
            if len(files) * picture.size > MAX_BYTES:
                raise UserError(
                    f"{len(files):,} pictures of {picture.shape} are more than the limit of {MAX_BYTES:,} bytes; key "
                    "'data.size' makes them smaller"
                )
            found = np.empty((len(files), *picture.shape), np.uint8)
        found[index] = picture
    assert found is not None  # a folder without files is refused before
    return found, form


def _decoded(path: Path, form: Form) -> npt.NDArray[np.uint8]:
    """Return the pixels of a picture, ``(rows, columns)`` of grey or ``(rows, columns, 3)``, as ``form`` wants them."""
    from PIL import Image, UnidentifiedImageError

    data = read_bytes(path, what="picture", limit=MAX_FILE_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
                _check_size(picture.size, form, path)  # known from the header, before anything is decoded
                return _formed(picture, form, path)
    except UnidentifiedImageError:
        raise UserError(f"picture {path} can't be decoded: it is none of {', '.join(FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UserError(f"picture {path} has more pixels than anyone decodes") from None
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, IndexError, Warning) as error:
        kind = " ".join(str(error).split())[:120]
        raise UserError(f"picture {path} can't be decoded ({kind or type(error).__name__})") from None


def _check_size(size: tuple[int, int], form: Form, path: Path) -> None:
    columns, rows = size
    if rows * columns > MAX_SOURCE_PIXELS:
        raise UserError(
            f"picture {path} says that it has {columns:,} x {rows:,} pixels, more than the limit of "
            f"{MAX_SOURCE_PIXELS:,}"
        )
    if form.size is not None and not form.scaled and (rows, columns) != form.size:
        raise UserError(
            f"picture {path} has {rows} rows of {columns} pixels, {form.size[0]} of {form.size[1]} are wanted, as "
            "others have; key 'data.size' scales all to one size"
        )


def _formed(picture: "Image", form: Form, path: Path) -> npt.NDArray[np.uint8]:
    from PIL import Image

    whole: Any = _bytes(picture)
    if whole.mode in ("LA", "PA", "RGBA") or "transparency" in whole.info:
        whole = _over(whole.convert("RGBA"), form, path, grey=whole.mode in ("LA", "L"))
    grey = whole.mode in ("1", "L")
    if form.channels is not None and grey != (form.channels == 1):
        grey = form.channels == 1
    elif whole.mode not in ("L", "RGB", "1", "P", "CMYK", "YCbCr"):
        raise ValueError(f"mode {whole.mode}")
    whole = whole.convert("L" if grey else "RGB")
    if form.size is not None and form.scaled and (whole.height, whole.width) != form.size:
        whole = whole.resize(form.size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(whole, np.uint8)


def _bytes(picture: "Image") -> "Image":
    """Return ``picture``, or of one with 16 bits of grey a pixel the upper eight."""
    from PIL import Image

    if picture.mode == "F":
        raise ValueError("pixels that are no integers")
    if not picture.mode.startswith("I"):
        return picture
    wide = np.asarray(picture).astype(np.int64)  # Pillow's own conversion clips them to 255
    if wide.min() < 0 or wide.max() > 0xFFFF:
        raise ValueError("more than 16 bits a pixel")
    return Image.fromarray((wide >> 8).astype(np.uint8))


def _over(picture: "Image", form: Form, path: Path, *, grey: bool) -> "Image":
    """Return ``picture`` (RGBA) over what is behind it."""
    from PIL import Image

    if np.asarray(picture)[..., 3].min() < 255:
        if form.alpha is None:
            raise UserError(
                f"picture {path} is transparent in parts; key 'data.alpha' says what is behind it, black or white"
            )
        ground = Image.new("RGBA", picture.size, (*[BACKGROUNDS[form.alpha]] * 3, 255))
        picture = Image.alpha_composite(ground, picture)
    return picture.convert("RGB").convert("L") if grey else picture.convert("RGB")


def class_names(files: Sequence[tuple[str | None, Path]]) -> list[str]:
    """Return the names of the classes of ``files``, sorted; :class:`UserError` where pictures have none."""
    bare = [path for name, path in files if name is None]
    if bare:
        raise UserError(f"{bare[0]} must lie in the folder of a class, FOLDER/CLASS/{quoted(bare[0].name)[1:-1]}")
    found = sorted({name for name, _ in files if name is not None})
    if len(found) < 2:
        raise UserError(f"two classes or more are wanted, a folder each, not {listed(found)} alone")
    return found
