"""``njit`` of numba with a cache where there is room for one: beside the code, in the user's, or in a private folder.

numba refuses to decorate a function with ``cache=True`` where none of its folders can be written. It also takes what it
once compiled for new as long as the function's own file is unchanged, though functions of other files are inlined into
it: so the cache lies in a folder of its own for each state of the files beside the function's.
"""

import contextlib
import hashlib
import inspect
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numba
from platformdirs import user_cache_path

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(**options: Any) -> Callable[[Function], Function]:
    """Return numba's decorator with ``options``; it caches in the first folder that has room, or does without."""

    def decorate(function: Function) -> Function:
        config: Any = numba.config  # which does not say what it has
        before = config.CACHE_DIR
        for folder in _folders(Path(inspect.getfile(function)).parent, before):
            config.CACHE_DIR = str(folder)
            try:
                return numba.njit(cache=True, **options)(function)
            except RuntimeError:  # "cannot cache function": no place for it
                continue
            finally:
                config.CACHE_DIR = before
        return numba.njit(**options)(function)

    return decorate


def _folders(code: Path, wanted: str) -> Iterator[Path]:
    """Yield the folders in which functions of folder ``code`` may be cached, each made if it can be.

    ``wanted``: numba's own setting (``NUMBA_CACHE_DIR``), empty without one.
    """
    state = hashlib.sha256()
    for path in sorted(code.glob("*.py")):
        state.update(f"{path.name}\0".encode() + path.read_bytes())
    name = f"numba-{state.hexdigest()[:16]}"
    for root in (Path(wanted) if wanted else None, code / "__pycache__", user_cache_path("s2nn-hw"), private_folder()):
        with contextlib.suppress(OSError):
            if root is not None:
                (root / name).mkdir(parents=True, exist_ok=True)
                yield root / name


def private_folder() -> Path | None:
    """Return a folder for compiled code that nobody else can write to, or None: what lies there is executed."""
    with contextlib.suppress(OSError):
        path = Path(tempfile.gettempdir()) / f"s2nn-hw-{os.getuid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return path
    return None
