"""NIR files (https://neuroir.org), HDF5: what one holds is looked at before any of it is read, then read by ``nir``.

Nested graphs become one: node ``a`` in graph ``g`` is ``g.a``. An edge is ``(name, name)``; edges into one node add up.
Loops are cut where spikes enter them again: those edges are late.
"""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, listed, one_line, quoted
from s2nn_hw.files import read_bytes
from s2nn_hw.quantize.importers.nir_loops import late_edges, origin

MAX_BYTES = 1 << 28  # of all arrays of a file, as they are unpacked
MAX_ENTRIES = 20_000
MAX_DEPTH = 8
KINDS = "biuf"
WANTED = "the package 'nir', which reads and writes NIR files, is not installed: pip install 's2nn-hw[import]'"


@dataclass(frozen=True, eq=False)
class NirGraph:
    """``nodes`` of the package ``nir`` by name, none of them a graph, in an order in which they can run; ``edges``
    between them; ``late``: those of them that bring what their source gave in the step before, so that there are
    loops; ``metadata`` of the whole."""

    nodes: dict[str, Any]
    edges: tuple[tuple[str, str], ...]
    metadata: dict[str, Any] = field(default_factory=dict)
    late: frozenset[tuple[str, str]] = frozenset()

    def before(self, name: str) -> list[str]:
        """Return the names of the nodes with an edge to ``name``, in the order of the file."""
        return [source for source, target in self.edges if target == name]

    def spikes_of(self, name: str) -> str:
        """Return the node whose spikes ``name``, from which a late edge leads, gives."""
        kinds = {name: type(node).__name__ for name, node in self.nodes.items()}
        found = origin(name, {name: self.before(name) for name in self.nodes}, kinds)
        assert found is not None
        return found


def library() -> Any:
    """Return the package ``nir``; :class:`UserError` where it is not installed."""
    try:
        import nir
    except ImportError:
        raise UserError(WANTED) from None
    return nir


def read_nir(path: Path | str) -> NirGraph:
    """Return the graph in NIR file ``path``; :class:`UserError` names what is wrong with it."""
    nir = library()
    import h5py

    data = read_bytes(path, what="NIR file")
    if data[:4] != b"\x89HDF":
        raise UserError(f"NIR file {path} is not an HDF5 file")
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            content = _group(file, _Room(h5py, MAX_BYTES, MAX_ENTRIES))
        node = content.get("node")
        if not isinstance(node, dict) or node.get("type") != "NIRGraph":
            raise UserError("it holds no NIR graph")
        return flattened(nir.dict2NIRNode({**node, "type_check": False}))
    except UserError as error:
        raise UserError(f"NIR file {path}: {error}") from None
    except (
        OSError,
        KeyError,
        ValueError,
        TypeError,
        AssertionError,
        AttributeError,
        IndexError,
        RuntimeError,
    ) as error:
        raise UserError(
            f"NIR file {path} can't be read: {type(error).__name__} {one_line(error)[:200]}; write it with nir.write"
        ) from None


@dataclass
class _Room:
    """What is left of the limits while a file is walked through."""

    h5py: Any
    room: int
    entries: int


def _group(group: Any, left: _Room, depth: int = 0) -> dict[str, Any]:
    """Return what the HDF5 ``group`` holds, groups as dictionaries."""
    if depth > 3 * MAX_DEPTH:
        raise UserError(f"its graphs are nested deeper than {MAX_DEPTH}")
    found: dict[str, Any] = {}
    for name in group:
        left.entries -= 1
        if left.entries < 0:
            raise UserError(f"it has more than {MAX_ENTRIES:,} entries")
        if not isinstance(group.get(name, getlink=True), left.h5py.HardLink):
            raise UserError(f"{quoted(name)} is a link, maybe to another file; links are not followed")
        item = group[name]
        if isinstance(item, left.h5py.Group):
            found[name] = _group(item, left, depth + 1)
        elif isinstance(item, left.h5py.Dataset):
            found[name] = _array(name, item, left)
    return found


def _array(name: str, item: Any, left: _Room) -> Any:
    """Return the number, array or text of the HDF5 data set ``item``, after its size was looked at."""
    if item.is_virtual or item.external:
        raise UserError(f"{quoted(name)} keeps its numbers in other files, which are not read")
    texts = left.h5py.check_string_dtype(item.dtype) is not None
    if not texts and item.dtype.kind not in KINDS:
        raise UserError(f"{quoted(name)} holds {quoted(item.dtype)}, not numbers or texts")
    sizes = [math.prod(item.shape or ()), math.prod(item.chunks or ())]
    left.room -= max(sizes) * item.dtype.itemsize
    if left.room < 0:
        raise UserError(f"it declares arrays of more than {MAX_BYTES:,} bytes, {quoted(name)} of {quoted(item.shape)}")
    value = item[()]
    if not texts and item.dtype.kind == "f" and not np.isfinite(value).all():
        raise UserError(f"{quoted(name)} holds numbers that are not finite")
    return value.decode() if isinstance(value, bytes) else value


def flattened(graph: Any) -> NirGraph:
    """Return ``graph``, a ``nir.NIRGraph``, with the nodes of graphs in it as its own, in an order to run in."""
    nir = library()
    nodes: dict[str, Any] = {}
    ends: dict[str, tuple[str, str]] = {}
    edges: list[tuple[str, str]] = []

    def add(part: Any, prefix: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise UserError(f"its graphs are nested deeper than {MAX_DEPTH}")
        for name, node in part.nodes.items():
            if isinstance(node, nir.NIRGraph):
                add(node, f"{prefix}{name}.", depth + 1)
                ends[prefix + name] = tuple(  # type: ignore[assignment]
                    f"{prefix}{name}.{_only(prefix + name, node, kind)}" for kind in (nir.Input, nir.Output)
                )
            else:
                nodes[prefix + name] = node
        edges.extend((prefix + source, prefix + target) for source, target in part.edges)

    add(graph, "", 0)
    whole = [
        (ends[source][1] if source in ends else source, ends[target][0] if target in ends else target)
        for source, target in edges
    ]
    for edge in whole:
        missing = [name for name in edge if name not in nodes]
        if missing:
            raise UserError(f"an edge from {quoted(edge[0])} to {quoted(edge[1])} is there, but no node {missing[0]!r}")
    if len(set(whole)) < len(whole):
        raise UserError("an edge is there twice")
    late = late_edges({name: type(node).__name__ for name, node in nodes.items()}, whole)
    order = list(_order(list(nodes), [edge for edge in whole if edge not in late]))
    metadata = graph.metadata if isinstance(graph.metadata, dict) else {}
    return NirGraph({name: nodes[name] for name in order}, tuple(whole), metadata, late)


def _only(name: str, graph: Any, kind: type) -> str:
    found = [inner for inner, node in graph.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise UserError(f"graph {name!r} must have one {kind.__name__} node, not {len(found)}")
    return str(found[0])


def _order(names: list[str], edges: list[tuple[str, str]]) -> Iterator[str]:
    """Yield ``names``, each behind those with an edge to it; :class:`UserError` names a circle."""
    waits: dict[str, set[str]] = {name: set() for name in names}
    after: dict[str, list[str]] = {}
    for source, target in edges:
        waits[target].add(source)
        after.setdefault(source, []).append(target)
    ready = [name for name in names if not waits[name]]
    for name in ready:
        yield name
        for target in after.get(name, []):
            waits[target].discard(name)
            if not waits[target]:
                ready.append(target)
    if len(ready) < len(names):
        left = [name for name in names if waits[name]]
        raise UserError(f"a loop without spiking neurons has no form here: {listed(_circle(left, waits))}")


def _circle(left: list[str], waits: dict[str, set[str]]) -> list[str]:
    """Return the names of one circle among the nodes that are ``left`` waiting for each other."""
    seen: list[str] = [left[0]]
    while True:
        source = min(waits[seen[-1]] & set(left))
        if source in seen:
            return [*seen[seen.index(source) :], source][::-1]
        seen.append(source)
