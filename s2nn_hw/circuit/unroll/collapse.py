"""Layers put together: the logic of one behind that of another, and tables that become one.

A table whose whole cone reads no more bits than a look-up table has inputs is one table: the tables that it reads are
looked up inside it. So a small sub-network with few inputs costs one LUT, and a thermometer of a pixel nothing.
"""

from collections.abc import Mapping
from dataclasses import replace

from s2nn_hw.circuit.unroll.logic import ONE, ZERO, Chain, Entry, Logic, Node, Table


def compose(first: Logic, second: Logic) -> Logic:
    """Return the :class:`Logic` in which ``second`` reads the outputs of ``first``, which have one bit each."""
    moved = {bit: outer for bit, (outer,) in enumerate(first.outputs)} | {ZERO: ZERO, ONE: ONE}
    count = first.inputs + sum(node.outputs for node in first.nodes)
    for node, begin in zip(second.nodes, second.first_bits, strict=True):
        moved |= {begin + k: count + begin - second.inputs + k for k in range(node.outputs)}
    nodes = first.nodes + tuple(_renamed(node, moved) for node in second.nodes)
    return Logic(first.inputs, nodes, tuple(tuple(moved[bit] for bit in result) for result in second.outputs))


def collapse(logic: Logic, *, limit: int) -> Logic:
    """Return ``logic`` with every table that has a cone of at most ``limit`` bits made one, and nothing unused.

    ``limit``: inputs of the device's LUTs; a table inside an adder has one less.
    """
    cones: dict[int, Table] = {}
    nodes: list[Node] = []
    for node, first in zip(logic.nodes, logic.first_bits, strict=True):
        if isinstance(node, Table):
            node = _flat(node, cones, limit)
            cones[first] = node
        else:
            node = replace(
                node, right=tuple(_flat(e, cones, limit - 1) if isinstance(e, Table) else e for e in node.right)
            )
        nodes.append(node)
    return pruned(Logic(logic.inputs, tuple(nodes), logic.outputs))


def pruned(logic: Logic) -> Logic:
    """Return ``logic`` without nodes that no output needs."""
    needed = {bit for result in logic.outputs for bit in result}
    kept: list[tuple[Node, int]] = []
    for node, first in zip(reversed(logic.nodes), reversed(logic.first_bits), strict=True):
        if any(first + k in needed for k in range(node.outputs)):
            needed.update(node.bits())
            kept.append((node, first))
    numbers: dict[int, int] = {}
    nodes: list[Node] = []
    following = logic.inputs
    for node, first in reversed(kept):
        nodes.append(_renamed(node, numbers))
        numbers |= {first + k: following + k for k in range(node.outputs)}
        following += node.outputs
    return Logic(
        logic.inputs, tuple(nodes), tuple(tuple(numbers.get(bit, bit) for bit in result) for result in logic.outputs)
    )


def _flat(table: Table, cones: Mapping[int, Table], limit: int) -> Table:
    """Return ``table`` over the bits of its cone if these are at most ``limit``, else as it is."""
    read = dict.fromkeys(leaf for bit in table.inputs for leaf in (cones[bit].inputs if bit in cones else (bit,)))
    leaves = tuple(leaf for leaf in read if leaf >= 0)
    if len(leaves) > limit or not any(bit in cones for bit in table.inputs):
        return table
    columns = {ZERO: 0, ONE: (1 << (1 << len(leaves))) - 1}
    for place, leaf in enumerate(leaves):  # the truth of each leaf itself, over all addresses
        columns[leaf] = sum(1 << address for address in range(1 << len(leaves)) if address >> place & 1)
    for bit in table.inputs:
        if bit in cones:
            columns[bit] = _truth(cones[bit], columns)
    return Table(leaves, _truth(table, columns))


def _truth(table: Table, columns: Mapping[int, int]) -> int:
    """Return the truth of ``table`` where each bit that it reads has the truth in ``columns``."""
    whole = columns[ONE]
    part = [whole if table.truth >> k & 1 else 0 for k in range(1 << len(table.inputs))]
    for bit in table.inputs:
        x = columns[bit]
        part = [(x & high) | (~x & whole & low) for low, high in zip(part[::2], part[1::2], strict=True)]
    return part[0]


def _renamed_table(table: Table, numbers: Mapping[int, int]) -> Table:
    return replace(table, inputs=tuple(numbers.get(bit, bit) for bit in table.inputs))


def _renamed(node: Node, numbers: Mapping[int, int]) -> Node:
    """Return ``node`` with the bits that it reads renamed; those that ``numbers`` lacks keep their number."""
    if isinstance(node, Table):
        return _renamed_table(node, numbers)
    right: tuple[Entry, ...] = tuple(
        _renamed_table(e, numbers) if isinstance(e, Table) else numbers.get(e, e) for e in node.right
    )
    left = tuple(numbers.get(bit, bit) for bit in node.left)
    return Chain(left, right, numbers.get(node.carry, node.carry), node.outputs)
