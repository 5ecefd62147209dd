"""What a build is known by: digests of this package's sources, of tools and of databases."""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path

import s2nn_hw
from s2nn_hw.hw.flow.openxc7 import Databases

READERS = ("quantize", "sim", "report", "explore", "cli")


def sources_digest(*readers: str) -> str:
    """Return a digest of all Python sources of this package, in whatever folder, but for those of the ``readers``."""
    root, state = Path(s2nn_hw.__file__).parent, hashlib.sha256()
    for folder, names, files in os.walk(root, followlinks=True):
        names[:] = sorted(name for name in names if Path(folder) != root or name not in readers)
        for path in sorted(Path(folder) / name for name in files if name.endswith(".py")):
            state.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return state.hexdigest()


def generator_digest() -> str:
    """Return a digest of the sources that decide a build: all but the folders that only read what others make."""
    return sources_digest(*READERS)


def database_digest(databases: Databases) -> str:
    """Return a digest of openXC7's databases by path, size and time of change of each file, not by their contents.

    They have hundreds of megabytes; a copy with new times counts as another database.
    """
    state = hashlib.sha256(databases.part.encode())
    files = [Path(databases.chipdb), *sorted(Path(databases.family).rglob("*"))]
    for path in files:
        if path.is_file():
            facts = path.stat()
            state.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return state.hexdigest()


def amaranth_versions() -> dict[str, str]:
    """Return ``{package: name and version}`` of what generates the circuit."""
    return {name: f"{name} {version(name)}" for name in ("amaranth", "amaranth-boards")}
