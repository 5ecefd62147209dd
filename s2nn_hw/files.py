"""Writing files whole or not at all, and reading arrays from strangers without trusting them."""

import contextlib
import json
import math
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from s2nn_hw.errors import UserError, listed, one_line, quoted

MAX_ARRAY_BYTES = 1 << 31
CHUNK = 1 << 20
MAX_HEADER_BYTES = 1 << 14  # of a .npy file
MAX_AXES = 32
_ENTRY = (
    r"""[ \n]*+['"](?:descr['"] *+: *+['"]([^'"\\]{1,40})['"]|fortran_order['"] *+: *+(True|False)|"""
    r"""shape['"] *+: *+\(([0-9, ]*+)\)) *+"""
)
_HEADER = re.compile(rf"\{{{_ENTRY},{_ENTRY},{_ENTRY},?[ \n]*+\}}[ \n]*+")


def checked_place(path: Path | str) -> Path:
    """Return :class:`~pathlib.Path` ``path``, to be written sooner or later; :class:`UserError` without its folder."""
    path = Path(path)
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist; make it or choose another output path")
    return path


def checked_apart(output: Path | str | None, *inputs: Path | str | None) -> None:
    """Raise :class:`UserError` if the file ``output`` is one of ``inputs``, which it would take the place of."""
    for given in inputs:
        if output is not None and given is not None and Path(output).resolve() == Path(given).resolve():
            raise UserError(f"output {output} is what is read; choose another")


@contextlib.contextmanager
def output_folder(path: Path | str) -> Iterator[Path]:
    """Make folder ``path``, with those above it, before work for it begins, and yield it.

    :class:`UserError` if it can't be made or takes no files. On any error what was made goes again, if it is empty.
    """
    folder = Path(path)
    made = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except FileExistsError:
            raise UserError(f"output folder {folder} is a file") from None
        except OSError as error:
            why = f"output folder {folder} can't be written: {error.strerror or error}"
            raise UserError(f"{why}; choose another with -o") from None
        yield folder
    except BaseException:
        for place in made:
            with contextlib.suppress(OSError):  # somebody else's files may be there by now
                place.rmdir()
        raise


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, delete it on any error.

    Readers see the old file or the new one, never a part. The temporary name keeps the suffix, so that
    writers which look at it (``numpy.savez``) do the right thing.
    """
    path = checked_place(path)
    if path.is_dir():
        raise UserError(f"output {path} is a folder, not a file")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str, *, mark: str) -> Iterator[Path]:
    """Yield an empty folder beside ``path``; it becomes ``path`` on success and goes on any error.

    A folder that stands there is replaced if it is empty or has the file ``mark``, which ours have; else
    :class:`UserError`.
    """
    path = checked_place(path)
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise UserError(f"output folder {path} is {'a link' if path.is_symlink() else 'a file'}")
    if path.is_dir() and any(path.iterdir()) and not (path / mark).is_file():
        raise UserError(f"output folder {path} holds other files (no {mark}); choose another")
    try:
        place = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    except OSError as error:
        raise UserError(f"output folder {path} can't be made: {error.strerror or error}") from None
    made, before = place / "new", place / "old"
    try:
        made.mkdir()
        yield made
        made.chmod(0o755)
        if path.is_dir():
            path.rename(before)
        made.rename(path)
    except OSError as error:
        if before.is_dir() and not path.exists():
            before.rename(path)
        raise UserError(f"output folder {path} can't be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically; :class:`UserError` if there is no room for it or no permission."""
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}") from None


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` (UTF-8, half characters as escapes) to ``path`` atomically."""
    write_bytes(path, text.encode("utf-8", errors="backslashreplace"))


def write_json(path: Path | str, data: Any) -> None:
    """Write ``data`` as indented JSON to ``path`` atomically; keys keep their order."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def checked_npz(path: Path | str) -> Path:
    """Return :func:`checked_place` of ``path``, which must be that of an ``.npz`` file."""
    if Path(path).suffix != ".npz":
        raise UserError(f"output {path} must end in .npz")
    return checked_place(path)


def write_npz(path: Path | str, **arrays: Any) -> None:
    """Write named arrays to the compressed ``.npz`` file ``path`` atomically."""
    path = checked_npz(path)
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def write_npy(path: Path | str, array: np.ndarray) -> None:
    """Write ``array`` to the ``.npy`` file ``path`` atomically."""
    with atomic_path(path) as temporary:
        np.save(temporary, array, allow_pickle=False)


def read_bytes(path: Path | str, *, what: str, limit: int = 1 << 30) -> bytes:
    """Return the bytes of file ``path``; :class:`UserError` if it is missing, unreadable or over ``limit`` bytes."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UserError(f"{what} {path} is a folder, not a file")
        if not path.is_file():  # a pipe without a writer would be waited for for ever
            raise UserError(f"{what} {path} is no plain file")
        if size <= limit:
            with open(path, "rb") as file:
                data = file.read(size + 1)  # no more: that many bytes are asked for before anything is read
                while len(data) > size and len(data) <= limit:  # files of /proc say that they are empty
                    size, data = len(data), data + file.read(min(CHUNK, limit + 1 - len(data)))
            if len(data) <= limit:
                return data
        raise UserError(f"{what} {path} has {max(size, limit + 1):,} bytes, more than the limit of {limit:,}")
    except FileNotFoundError:
        raise UserError(f"{what} {path} does not exist{_beside(path)}") from None
    except PermissionError:
        raise UserError(f"{what} {path} can't be read: permission denied") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        raise UserError(f"{what} {path} can't be read: {getattr(error, 'strerror', None) or error}") from None


def _beside(path: Path) -> str:
    """Return the end of a line about a file that is not there: which files of its kind are."""
    try:
        names = sorted(p.name for p in path.parent.iterdir() if path.suffix and p.suffix == path.suffix)
    except OSError:
        return ""
    return f"; {path.parent} holds {listed(names)}" if names else ""


def is_pickle(data: bytes) -> bool:
    """Return whether ``data`` begins like a pickle or a ``torch.save`` archive, and not like a safetensors file.

    The first bytes alone may also be the length of a safetensors header, which is followed by its brace.
    """
    return data[8:9] != b"{" and data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")


def read_npy(path: Path | str, *, what: str = "images") -> np.ndarray:
    """Return the array of numbers in the ``.npy`` file ``path``, read-only; the file must hold it and nothing else.

    Its header is read here, by pattern: numpy evaluates it, and stumbles over what it may evaluate to.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise UserError(f"{what} {path} is a folder, not a file")
        if not path.is_file():
            raise UserError(
                f"{what} {path} is no plain file" if path.exists() else f"{what} {path} does not exist{_beside(path)}"
            )
        size = path.stat().st_size
        with open(path, "rb") as file:
            start = file.read(MAX_HEADER_BYTES)
        kind, shape, order, offset = _npy_header(start)
        wanted = math.prod(shape) * kind.itemsize
        if wanted > MAX_ARRAY_BYTES:
            raise ValueError(f"an array of {quoted(shape)} is beyond the limit of {MAX_ARRAY_BYTES:,} bytes")
        if size - offset != wanted:
            raise ValueError(f"{wanted:,} bytes wanted for {quoted(shape)} of {kind}, {size - offset:,} came")
        if not wanted:
            return np.zeros(shape, kind)
        return np.memmap(path, kind, "r", offset, shape, order)
    except PermissionError:
        raise UserError(f"{what} {path} can't be read: permission denied") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"{what} {path} is not a .npy file of numbers ({reason}); write it with numpy.save") from None


def read_images(path: Path | str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return ``(images, labels or None)`` of file ``path``: a ``.npy`` of images alone, or a ``.npz`` with an array
    ``images`` and maybe one ``labels``, as the shipped samples have."""
    path = Path(path)
    if path.suffix != ".npz" or not path.is_file():
        images, labels = np.array(read_npy(path)), None
    else:
        arrays = read_npz(path, ("images", "labels"), needed=("images",))
        images, labels = arrays["images"], arrays.get("labels")
    if images.ndim and not len(images):
        raise UserError(f"images {path} is an array of {quoted(images.shape)}: there is no image in it")
    return images, labels


def read_npz(
    path: Path | str,
    names: Iterable[str],
    *,
    needed: Iterable[str] = (),
    texts: Iterable[str] = (),
    what: str = "images",
) -> dict[str, np.ndarray]:
    """Return those arrays of the ``.npz`` file ``path`` that are in ``names``; the rest is not read.

    Shapes are known from each array's header before it is unpacked, and all arrays together have at most
    :data:`MAX_ARRAY_BYTES`. ``needed`` must be there; ``texts`` may be of texts, the others are numbers; ``what``:
    what messages call the file.
    """
    path, room, found = Path(path), MAX_ARRAY_BYTES, dict[str, np.ndarray]()
    needed = list(needed)
    asked: str | None = None
    _plain(path, what)
    try:
        with zipfile.ZipFile(path) as archive:
            held_names = [name.removesuffix(".npy") for name in archive.namelist()]
            if len(set(held_names)) < len(held_names):
                raise ValueError("two of its arrays have one name")
            if missing := [name for name in needed if name not in held_names]:
                needed = missing
                raise ValueError(f"it holds {listed(held_names) or 'nothing'}")
            for name in names:
                if name in held_names:
                    asked = name
                    found[name] = _zipped(archive, f"{name}.npy", room, texts=name in texts)
                    room -= found[name].nbytes
    except PermissionError:
        raise UserError(f"{what} {path} can't be read: permission denied") from None
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        if asked is not None:
            kinds = "numbers or texts" if asked in texts else "numbers"
            raise UserError(f"{what} {path}: '{asked}' is no array of {kinds} ({one_line(error)})") from None
        wanted = needed[0] if needed else "images"
        raise UserError(
            f"{what} {path} is not a .npz file with an array '{wanted}' ({one_line(error)}); write it with "
            f"numpy.savez(..., {wanted}=x)"
        ) from None
    return found


def npz_names(path: Path | str, what: str = "images") -> list[str]:
    """Return the names of the arrays in the ``.npz`` file ``path``, which messages call ``what``."""
    _plain(Path(path), what)
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(f"{what} {path} is not a .npz file ({one_line(error)})") from None


def _plain(path: Path, what: str = "images") -> None:
    """Raise :class:`UserError` unless ``path`` is a file; a pipe would be waited for."""
    if not path.is_file():
        why = "is no plain file" if path.exists() else f"does not exist{_beside(path)}"
        raise UserError(f"{what} {path} {why}")


def _zipped(archive: zipfile.ZipFile, name: str, room: int, *, texts: bool) -> np.ndarray:
    """Return the array in member ``name`` of a zip file; ValueError for anything but one array of numbers, or of more
    than ``room`` bytes."""
    if name not in archive.namelist():
        raise ValueError(f"'{name.removesuffix('.npy')}' is no .npy file")
    with archive.open(name) as file:
        start = file.read(MAX_HEADER_BYTES)
        kind, shape, order, offset = _npy_header(start, texts=texts)
        wanted = math.prod(shape) * kind.itemsize
        if wanted > room:
            raise ValueError(f"'{name}' of {quoted(shape)} is beyond the limit of {MAX_ARRAY_BYTES:,} bytes for all")
        came = archive.getinfo(name).file_size - offset
        if came != wanted:
            raise ValueError(f"'{name}' has {came:,} bytes for {quoted(shape)} of {kind}")
        data = start[offset:] + file.read(wanted + 1)
    if len(data) != wanted:
        raise ValueError(f"'{name}' has {len(data):,} bytes for {quoted(shape)} of {kind}")
    return np.frombuffer(data, kind).reshape(shape, order=order) if wanted else np.zeros(shape, kind)


def _npy_header(start: bytes, *, texts: bool = False) -> tuple[np.dtype, tuple[int, ...], Literal["C", "F"], int]:
    """Return ``(dtype, shape, order, offset of the array)`` of a file that begins with ``start``, or ValueError.

    ``texts``: the array may also be of texts of at most 999 characters.
    """
    if start[:6] != b"\x93NUMPY":
        raise ValueError("it does not begin like one" if start else "it is empty")
    if start[6:8] not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise ValueError(f"format version {quoted(start[6:8])} is unknown")
    begin = 10 if start[6] == 1 else 12
    end = begin + int.from_bytes(start[8:begin], "little")
    if len(start) < end:
        raise ValueError("its header is cut off or too long")
    found = _HEADER.fullmatch(start[begin:end].decode("latin-1"))
    parts = found.groups() if found else ()
    kinds, orders, shapes = ([part for part in parts[k::3] if part is not None] for k in range(3))
    if not len(kinds) == len(orders) == len(shapes) == 1:
        raise ValueError("its header does not name one plain type and one shape")
    if not re.fullmatch(r"[<>=|]?[biufc]\d{1,2}" + (r"|[<>]U\d{1,3}" if texts else ""), kinds[0]):
        raise ValueError(f"it holds values of type {quoted(kinds[0])}")
    try:
        kind = np.dtype(kinds[0])
    except TypeError:
        raise ValueError(f"type {quoted(kinds[0])} is unknown") from None
    shape = _npy_shape(shapes[0])
    return kind, shape, "F" if orders[0] == "True" else "C", end


def _npy_shape(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    elif len(parts) == 1 and parts[0]:
        raise ValueError("its shape is no tuple")
    if parts == [""]:
        return ()
    if len(parts) > MAX_AXES or not all(re.fullmatch(r"\d{1,10}", part) for part in parts):
        raise ValueError(f"its shape ({text[:40]}) is none")
    return tuple(map(int, parts))


@contextlib.contextmanager
def held(folder: Path | str, doing: str) -> Iterator[None]:
    """Hold an existing ``folder`` against a second process; :class:`UserError` with what that one is ``doing``."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):  # without fcntl (Windows) there is no lock
            import fcntl

            handle = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another {doing} {folder}; wait for it or end it") from None
        yield


def clear(folder: Path | str) -> None:
    """Remove everything in ``folder``, links themselves and not what they lead to."""
    for path in Path(folder).iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
