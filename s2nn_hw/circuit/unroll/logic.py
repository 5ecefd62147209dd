"""Logic over single bits: look-up tables and carry chains, in topological order, their own executable reference.

    table   ``out = truth[address]``, the address made of at most six bits
    chain   ``out = left + right + carry``: one ripple adder whose right operand may be looked up, position by
            position, inside the adder itself (a carry-chain bit is a LUT with spare inputs)

A bit is a number: :data:`ZERO`, :data:`ONE`, ``0 .. inputs - 1`` for the inputs, then each node's outputs in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

ZERO, ONE = -2, -1
TABLE_INPUTS = 6


@dataclass(frozen=True)
class Table:
    """One output bit: bit ``sum over k of value(inputs[k]) << k`` of the integer ``truth``."""

    inputs: tuple[int, ...]
    truth: int

    outputs: ClassVar[int] = 1

    def bits(self) -> Iterator[int]:
        """Yield the bits that are read."""
        yield from self.inputs


@dataclass(frozen=True)
class Chain:
    """``outputs`` bits, least significant first, of the unsigned sum ``left + right + carry``.

    ``left``: bits that reach the carry chain as they are. ``right``: as many entries, each a bit or a :class:`Table`
    that is looked up inside the adder. ``carry``: a bit. Position ``len(left)`` is the carry out; more do not exist.
    """

    left: tuple[int, ...]
    right: "tuple[Entry, ...]"
    carry: int = ZERO
    outputs: int = 0

    def bits(self) -> Iterator[int]:
        """Yield the bits that are read."""
        yield from self.left
        yield self.carry
        for entry in self.right:
            yield from entry.inputs if isinstance(entry, Table) else (entry,)


Entry = int | Table  # of the right operand of a chain
Node = Table | Chain


@dataclass(frozen=True, eq=False)
class Logic:
    """``inputs``: number of input bits; ``nodes``: :class:`Table` and :class:`Chain`, each reading earlier bits only.

    ``outputs``: one tuple of bits for each result, least significant first. Construction checks all of this.
    """

    inputs: int
    nodes: tuple[Node, ...]
    outputs: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        known = self.inputs
        for number, node in enumerate(self.nodes):
            if isinstance(node, Chain):
                if len(node.left) != len(node.right) or not 0 < node.outputs <= len(node.left) + 1:
                    raise ValueError(
                        f"node {number}: {len(node.left)} and {len(node.right)} positions can't give "
                        f"{node.outputs} bits"
                    )
                tables = [entry for entry in node.right if isinstance(entry, Table)]
            else:
                tables = [node]
            for table in tables:
                if len(table.inputs) > TABLE_INPUTS or not 0 <= table.truth < 1 << (1 << len(table.inputs)):
                    raise ValueError(f"node {number}: a table has at most {TABLE_INPUTS} inputs and a truth that fits")
            if any(not ZERO <= bit < known for bit in node.bits()):
                raise ValueError(f"node {number}: reads a bit that is not there yet")
            known += node.outputs
        if any(not ZERO <= bit < known for bits in self.outputs for bit in bits):
            raise ValueError("an output is a bit that is not there")

    @cached_property
    def first_bits(self) -> list[int]:
        """The first output bit of each node."""
        sizes = np.array([node.outputs for node in self.nodes], np.int64)
        return (self.inputs + np.cumsum(sizes) - sizes).tolist()

    @cached_property
    def levels(self) -> np.ndarray:
        """The level of each bit, int64: 0 for inputs, else one more than the highest level that its node reads."""
        level = np.zeros(self.inputs + sum(node.outputs for node in self.nodes) + 2, np.int64)  # [-2], [-1]: constants
        for node, first in zip(self.nodes, self.first_bits, strict=True):
            level[first : first + node.outputs] = 1 + max((level[bit] for bit in node.bits()), default=0)
        return level[:-2]

    @property
    def depth(self) -> int:
        """Levels between inputs and outputs."""
        return max((int(self.levels[bit]) for bits in self.outputs for bit in bits if bit >= 0), default=0)

    def evaluate(self, bits: np.ndarray) -> np.ndarray:
        """Return the results, unsigned, int64 ``(count, results)``, for input ``bits`` ``(count, inputs)``, 0 or 1."""
        bits = np.asarray(bits)
        count = len(bits)
        packed = np.packbits(bits.astype(bool), axis=0, bitorder="little")  # 8 frames a byte
        lanes = -(-packed.shape[0] // 8)
        words = np.zeros((lanes * 8, self.inputs), np.uint8)
        words[: len(packed)] = packed
        words = np.ascontiguousarray(words.T).view(np.uint64)
        values = np.zeros((len(self.levels) + 2, lanes), np.uint64)
        values[: self.inputs] = words
        values[ONE] = ~np.uint64(0)
        for node, first in zip(self.nodes, self.first_bits, strict=True):
            if isinstance(node, Table):
                values[first] = _look_up(node, values)
                continue
            carry = values[node.carry]
            for place, (left, entry) in enumerate(zip(node.left, node.right, strict=True)):
                a, b = values[left], _look_up(entry, values) if isinstance(entry, Table) else values[entry]
                half = a ^ b
                if place < node.outputs:
                    values[first + place] = half ^ carry
                carry = (a & b) | (half & carry)
            if node.outputs > len(node.left):
                values[first + len(node.left)] = carry
        result = np.zeros((count, len(self.outputs)), np.int64)
        for k, places in enumerate(self.outputs):
            for place, bit in enumerate(places):
                ones = np.unpackbits(values[bit].view(np.uint8), bitorder="little")[:count]
                result[:, k] |= ones.astype(np.int64) << place
        return result


def _look_up(table: Table, values: np.ndarray) -> np.ndarray:
    """Return the table's output for the packed ``values`` of all bits, by Shannon expansion."""
    size = len(table.inputs)
    ones = np.uint64(0xFFFFFFFFFFFFFFFF)
    part = [ones if table.truth >> k & 1 else np.uint64(0) for k in range(1 << size)]
    for bit in table.inputs:
        x = values[bit]
        part = [
            low if low is high or (np.isscalar(low) and np.isscalar(high) and low == high) else (x & high) | (~x & low)
            for low, high in zip(part[::2], part[1::2], strict=True)
        ]
    return np.broadcast_to(part[0], values.shape[1:])
