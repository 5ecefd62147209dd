"""Where simulators build: in folders that make can work in, one builder at a time, and trusted by their mark alone."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from s2nn_hw.compiled import private_folder
from s2nn_hw.errors import UserError
from s2nn_hw.files import atomic_path

MARK = "built"
# GNU make can't build in a folder with a space, and takes brackets, $, # and others for its own
_ODD = re.compile(r"[^\w./+,@=~%-]")


def buildable(folder: Path | str) -> Path:
    """Return ``folder``, resolved, or, where make can't work in it for its name, one in the user's private folder."""
    folder = Path(folder).resolve()
    if not _ODD.search(str(folder)):
        return folder
    private = private_folder()
    if private is None or _ODD.search(str(private.resolve())):
        raise UserError(
            f"make, which builds the simulation, can't work in {folder}: its name has a space or a sign "
            "such as brackets; give --build a folder without"
        )
    other = private.resolve() / f"sim-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    other.mkdir(exist_ok=True)
    return other


def check_tool_folder(path: Path) -> None:
    """Refuse a tool that lies in a folder that make can't work with."""
    if _ODD.search(str(path)):
        raise UserError(
            f"Verilator lies in {path}, and make can't work with a space or a sign such as brackets in "
            "that name; set the environment up in a folder without"
        )


@contextlib.contextmanager
def building(place: Path) -> Iterator[None]:
    """Hold ``place`` while something is built there; a second builder waits, and a killed one lets go."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):  # without fcntl (Windows) nobody is kept out
            import fcntl

            handle = os.open(place, os.O_RDONLY)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def finished(place: Path) -> Path | None:
    """Return the folder of the model that was built in ``place``, None without the mark that names it."""
    with contextlib.suppress(OSError, ValueError):
        name = (place / MARK).read_text(encoding="utf-8")
        if re.fullmatch(r"model-\w+", name) and (place / name).is_dir():
            return place / name
    return None


def fresh(place: Path) -> Path:
    """Return a new folder for a model in ``place``, to be called while it is held; what was left there unmarked goes.

    Its name is new each time: compilers of a build that was killed may still write to theirs.
    """
    for left in place.glob("model-*"):
        shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="model-", dir=place))


def mark(place: Path, model: Path) -> None:
    """Say that ``model`` in ``place`` is whole."""
    with atomic_path(place / MARK) as temporary:
        temporary.write_text(model.name, encoding="utf-8")
