"""``njit`` of numba with a cache where there is room for one: beside the code, in the user's, or in a private folder.

numba refuses to decorate a function with ``cache=True`` where neither the code's folder nor the home can be written.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(**options: Any) -> Callable[[Function], Function]:
    """Return numba's decorator with ``options``; the cache moves to a temporary folder, or is done without."""

    def decorate(function: Function) -> Function:
        try:
            return numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function": no place for it
            folder = private_folder()
        if folder is not None:
            config: Any = numba.config  # which does not say what it has
            before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
            try:
                return numba.njit(cache=True, **options)(function)
            except RuntimeError:
                pass
            finally:
                config.CACHE_DIR = before
        return numba.njit(**options)(function)

    return decorate


def private_folder() -> Path | None:
    """Return a folder for compiled code that nobody else can write to, or None: what lies there is executed."""
    with contextlib.suppress(OSError):
        path = Path(tempfile.gettempdir()) / f"s2nn-hw-{os.getuid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
            return path
    return None
