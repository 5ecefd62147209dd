"""Writing files whole or not at all, and reading arrays from strangers without trusting them."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from .errors import UserError

MAX_ARRAY_BYTES = 1 << 31


@contextlib.contextmanager
def atomic_path(path):
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, delete it on any error.

    Readers see the old file or the new one, never a part. The temporary name keeps the suffix, so that
    writers which look at it (``numpy.savez``) do the right thing.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise UserError(f"folder {path.parent} does not exist; make it or choose another output path")
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


def write_text(path, text):
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, data):
    """Write ``data`` as indented JSON to ``path`` atomically; keys keep their order."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def write_npz(path, **arrays):
    """Write named arrays to the compressed ``.npz`` file ``path`` atomically."""
    path = Path(path)
    if path.suffix != ".npz":
        raise UserError(f"output {path} must end in .npz")
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)


def read_bytes(path, *, what, limit=1 << 30):
    """Return the bytes of file ``path``; :class:`UserError` if it is missing, unreadable or over ``limit`` bytes."""
    path = Path(path)
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise UserError(f"{what} {path} is a folder, not a file")
        if size > limit:
            raise UserError(f"{what} {path} has {size:,} bytes, more than the limit of {limit:,}")
        return path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{what} {path} does not exist") from None
    except PermissionError:
        raise UserError(f"{what} {path} can't be read: permission denied") from None


def is_pickle(data):
    """Return whether ``data`` begins like a pickle or a ``torch.save`` archive, and not like a safetensors file.

    The first bytes alone may also be the length of a safetensors header, which is followed by its brace.
    """
    return data[8:9] != b"{" and data[:2] in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK")


def read_npy(path, *, what="images"):
    """Return the array in the ``.npy`` file ``path``, memory-mapped, object arrays (pickles) refused."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{what} {path} does not exist")
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{what} {path} is not a .npy file of numbers ({reason}); write it with numpy.save") from None
    if array.nbytes > MAX_ARRAY_BYTES:
        raise UserError(f"{what} {path} has {array.nbytes:,} bytes, more than the limit of {MAX_ARRAY_BYTES:,}")
    return array


@contextlib.contextmanager
def held(folder, doing):
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


def clear(folder):
    """Remove everything in ``folder``, links themselves and not what they lead to."""
    for path in Path(folder).iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
