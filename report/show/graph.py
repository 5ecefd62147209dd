"""The network as a graph in a column: a row per layer, joined by a rail of lines that show what reads what.

Each row draws its own piece of the lines in a box of :data:`ROW` units, whatever its height in the end: the main rail
(from each row to the next) on the left, and one more lane for every tensor that is also read further down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from s2nn_hw.report.quantities import Json

ROW = 100  # units from a row's top to its bottom
LANE, FIRST = 16, 14  # px between lanes, and of the first one


@dataclass
class Node:
    """One row: the input or a layer.

    ``sources``: names of the rows it reads; ``lines``: ``(kind, SVG path)`` with kind ``main`` or ``skip``;
    ``below``: ``(kind, x)`` of the lines that leave it downwards.
    """

    name: str
    sources: list[str]
    lines: list[tuple[str, str]] = field(default_factory=list)
    below: list[tuple[str, int]] = field(default_factory=list)

    @property
    def joins(self) -> bool:
        """Whether it adds up several sources."""
        return len(self.sources) > 1


def source_names(row: Json, known: Sequence[str]) -> list[str]:
    """Return the names of the ``known`` rows that a layer's table row reads.

    A source is a row's name or that of something fused into it (``conv1_pool`` behind ``conv1``); one that says
    nothing is taken for the row before.
    """
    said = row.get("sources") or []
    said = [part.strip() for part in said.split(",")] if isinstance(said, str) else said
    found: list[str] = []
    for name in said:
        if name not in known:
            fused = [k for k in known if str(name).startswith(k)]
            name = max(fused, key=len) if fused else known[-1]
        if name not in found:
            found.append(name)
    return found or [known[-1]]


def draw(rows: Sequence[Json]) -> tuple[list[Node], int]:
    """Return ``(nodes, width)`` of a report's layer rows: the input's node first, and the rail's width in px."""
    nodes = [Node("input", [])]
    for row in rows:
        nodes.append(Node(row["name"], source_names(row, [node.name for node in nodes])))
    index = {node.name: k for k, node in enumerate(nodes)}
    last: dict[int, int] = {}  # index of a tensor that is read beyond the next row -> its last reader
    for k, node in enumerate(nodes):
        for source in node.sources:
            if index[source] == k - 1:
                nodes[k - 1].lines.append(("main", f"M{FIRST} 50V{ROW}"))
                nodes[k - 1].below.append(("main", FIRST))
                node.lines.append(("main", f"M{FIRST} 0V50"))
            else:
                last[index[source]] = k
    lanes = _lanes(last)
    for start, lane in lanes.items():
        _skip(nodes, start, last[start], FIRST + LANE * (lane + 1))
    return nodes, 2 * FIRST + LANE * (max(lanes.values(), default=-1) + 1)


def _lanes(last: dict[int, int]) -> dict[int, int]:
    """Return the lane of each tensor that is read further down, from 0: the first that is free there."""
    ends: list[int] = []  # per lane, the row where it is free again
    lanes = {}
    for start in sorted(last):
        lane = next((k for k, end in enumerate(ends) if end <= start), len(ends))
        ends[lane : lane + 1] = [last[start]]
        lanes[start] = lane
    return lanes


def _skip(nodes: Sequence[Node], start: int, end: int, x: int) -> None:
    """Draw the line at ``x`` from the node ``start`` to all that read it, the last of them ``end``."""
    nodes[start].lines.append(("skip", f"M{FIRST} 50C{x} 50 {x} 60 {x} {ROW}"))
    nodes[start].below.append(("skip", x))
    for k in range(start + 1, end + 1):
        if k == end:
            nodes[k].lines.append(("skip", f"M{x} 0C{x} 40 {x} 50 {FIRST} 50"))
        else:
            nodes[k].lines.append(("skip", f"M{x} 0V{ROW}"))
            nodes[k].below.append(("skip", x))
            if k > start + 1 and nodes[start].name in nodes[k].sources:
                nodes[k].lines.append(("skip", f"M{x} 0C{x} 40 {x} 50 {FIRST} 50"))
