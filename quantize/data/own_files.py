"""The user's files of data as a whole: whether they are there, and are still what they were."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.quantize.data.pictures import is_ignored
from s2nn_hw.quantize.settings import Data


def stamp(path: Path) -> tuple[Any, ...]:
    """Return what changes where a file, or one in a folder, is written."""
    try:
        entries = sorted(path.rglob("*")) if path.is_dir() else [path]
        return tuple((str(entry), entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    except OSError:
        return ()  # told when it is read


def digest_of(paths: Sequence[Path], suffix: str = "") -> str:
    """Return the SHA-256 of a file, as ``sha256sum`` has it; of a folder that of such a list of its files, those whose
    names end in ``suffix`` in any case, of several that of their lines."""
    if len(paths) > 1:
        return hashlib.sha256("".join(f"{digest_of([path], suffix)}\n" for path in paths).encode()).hexdigest()
    (path,) = paths
    if not path.is_dir():
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UserError(f"data {path} can't be read: {error.strerror or error}") from None
    files = sorted(
        entry
        for entry in path.rglob("*")
        if entry.is_file() and entry.name.lower().endswith(suffix) and not is_ignored(entry.relative_to(path))
    )
    lines = [f"{digest_of([file])}  {file.relative_to(path).as_posix()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def check_there(data: Data) -> None:
    """Raise :class:`UserError` where the files of ``data`` are not."""
    if not Path(str(data.path)).exists():
        raise UserError(
            f"the data {data.path} of the recipe is not here: put it there again (SHA-256 {data.found.sha256}), or "
            "work in the folder in which the recipe was read"
        )


def check_unchanged(data: Data, sha256: str) -> None:
    """Raise :class:`UserError` unless the content of the files, of digest ``sha256``, is what the recipe was read
    with."""
    if sha256 != data.found.sha256:
        raise UserError(
            f"the data {data.path} has changed since the recipe was read: SHA-256 {str(data.found.sha256)[:12]} is "
            f"wanted, {sha256[:12]} came; train again with --fresh"
        )
