"""What a build is known by: digests of this package's sources, of tools and of databases."""

import hashlib
from importlib.metadata import version
from pathlib import Path

import s2nn_hw


def generator_digest():
    """Return a digest of all Python sources of ``s2nn_hw`` and ``hw``, in whatever folder below them."""
    state = hashlib.sha256()
    for root in (Path(s2nn_hw.__file__).parent, Path(__file__).parent):
        for path in sorted(root.rglob("*.py")):
            state.update(f"{root.name}/{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return state.hexdigest()


def database_digest(databases):
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


def amaranth_versions():
    """Return ``{package: name and version}`` of what generates the circuit."""
    return {name: f"{name} {version(name)}" for name in ("amaranth", "amaranth-boards")}
