"""Short carry chains joined to long ones: a carry chain comes in fours, and a position between two is enough."""

from collections.abc import Sequence
from dataclasses import replace

from s2nn_hw.circuit.unroll.collapse import pruned
from s2nn_hw.circuit.unroll.logic import ZERO, Chain, Entry, Logic, Node, Table

LONGEST = {"lut6": 16, "lut4": 24}  # positions of a joined chain: timing tools follow the carry through all of them


def pack(logic: Logic, family: str) -> Logic:
    """Return ``logic`` with its nodes in the order of levels, chains of a level joined, unused nodes left out.

    Between two chains lies one position with both operands equal to the upper one's carry in: what comes out there is
    the lower one's carry out, and what goes up is that carry in.
    """
    logic = pruned(logic)
    levels = logic.levels
    by_level: list[list[tuple[int, int]]] = [[] for _ in range(logic.depth + 1)]
    for number, first in enumerate(logic.first_bits):
        by_level[levels[first]].append((number, first))
    place = {ZERO: ZERO, ZERO + 1: ZERO + 1} | {bit: bit for bit in range(logic.inputs)}
    nodes: list[Node] = []
    count = logic.inputs

    def moved(table: Table) -> Table:
        return replace(table, inputs=tuple(place[bit] for bit in table.inputs))

    for members in by_level:
        open_chains: list[_Open] = []
        for number, first in members:
            node = logic.nodes[number]
            if isinstance(node, Table):
                nodes.append(moved(node))
                place[first] = count
                count += 1
                continue
            left = [place[b] for b in node.left]
            right: list[Entry] = [moved(e) if isinstance(e, Table) else place[e] for e in node.right]
            carry, old = place[node.carry], list(range(first, first + node.outputs))
            size = len(left) + 1
            subtracts = _subtracts(right, carry)
            fitting = next(
                (
                    c
                    for c in reversed(open_chains)
                    if c.subtracts == subtracts and len(c.left) + 1 + size <= LONGEST[family]
                ),
                None,
            )
            if fitting is None:
                open_chains.append(_Open(left, right, carry, old, subtracts))
            else:
                fitting.join(left, right, carry, old)
        for chain in open_chains:
            nodes.append(Chain(tuple(chain.left), tuple(chain.right), chain.carry, len(chain.old)))
            place |= {bit: count + k for k, bit in enumerate(chain.old) if bit is not None}
            count += len(chain.old)
    outputs = tuple(tuple(place[bit] for bit in bits) for bits in logic.outputs)
    return Logic(logic.inputs, tuple(nodes), outputs)


def _subtracts(right: Sequence[Entry], carry: int) -> bool:
    """Return whether a chain without tables has inverted operands: a subtraction, which only joins its like."""
    tables = [entry for entry in right if isinstance(entry, Table)]
    return bool(tables) and all(len(entry.inputs) == 1 for entry in tables)


class _Open:
    """A chain that others may join."""

    def __init__(self, left: list[int], right: list[Entry], carry: int, old: list[int], subtracts: bool) -> None:
        self.left, self.right, self.carry, self.subtracts = left, right, carry, subtracts
        self.old: list[int | None] = [*old]

    def join(self, left: list[int], right: list[Entry], carry: int, old: list[int]) -> None:
        """Put a chain above this one."""
        self.left.append(carry)
        self.right.append(carry)
        self.old += [*[None] * (len(self.left) - len(self.old)), *old]
        self.left += left
        self.right += right
