"""The terms of one sum, as bits: carries out the operations that :mod:`s2nn_hw.circuit.unroll.compress` chose."""

from collections.abc import Iterable, Sequence

import numpy as np

from s2nn_hw.circuit.unroll.chains import CARRY, CONTINUES, KIND, LEFT, PLACE, ROW, SEGMENT, SIGN, SIZE, TERMS
from s2nn_hw.circuit.unroll.compress import LEVEL, LOW, PROMOTE
from s2nn_hw.circuit.unroll.logic import ONE, ZERO, Chain, Entry, Node, Table

Operation = list[int]  # a row that :func:`~s2nn_hw.circuit.unroll.compress.construct` has written


class Builder:
    """Collects nodes; equal ones exist once."""

    def __init__(self, inputs: int) -> None:
        self.inputs, self.count = inputs, inputs
        self.nodes: list[Node] = []
        self.known: dict[Node, int] = {}

    def _add(self, node: Node) -> int:
        first = self.known.get(node)
        if first is None:
            first = self.known[node] = self.count
            self.nodes.append(node)
            self.count += node.outputs
        return first

    def table(self, inputs: Sequence[int], values: np.ndarray | Sequence[int]) -> int:
        """Return the bit ``values[address]``: a constant or an input where it is no more than that."""
        entry = reduce_table(inputs, values)
        return self._add(entry) if isinstance(entry, Table) else entry

    def chain(self, left: Sequence[int], right: Sequence[Entry], carry: int, outputs: int) -> list[int]:
        """Return the bits of a chain."""
        first = self._add(Chain(tuple(left), tuple(right), carry, outputs))
        return list(range(first, first + outputs))


def reduce_table(inputs: Sequence[int], values: np.ndarray | Sequence[int]) -> Entry:
    """Return the table ``values`` (bool, one per address): a constant, one of ``inputs``, or a :class:`Table`.

    Inputs that do not matter are left out; the others come in ascending order.
    """
    cube, kept = np.asarray(values, bool).reshape((2,) * len(inputs)), list(inputs)
    for k in reversed(range(len(inputs))):  # input k is axis -1 - k
        axis = len(kept) - 1 - k
        low = cube.take(0, axis)
        if np.array_equal(low, cube.take(1, axis)):
            cube = low
            del kept[k]
    if not kept:
        return ONE if cube else ZERO
    order = sorted(range(len(kept)), key=kept.__getitem__)
    cube = cube.transpose([len(kept) - 1 - k for k in reversed(order)])
    truth = int.from_bytes(np.packbits(cube.ravel(), bitorder="little").tobytes(), "little")
    return kept[0] if (len(kept), truth) == (1, 2) else Table(tuple(kept[k] for k in order), truth)


def sums(weights: Iterable[int]) -> np.ndarray:
    """Return the sum of ``weights`` at each address, int64 ``(2^count,)``."""
    total = np.zeros(1, np.int64)
    for weight in weights:
        total = np.concatenate((total, total + weight))
    return total


def split(weight: int, limit: int) -> list[int]:
    """Return digits with the sum ``weight``, each a power of two times an odd number of at most ``limit``.

    With a ``limit`` of 1 they are the canonical signed digits.
    """
    digits, scale = [], 1
    while weight:
        while weight % 2 == 0:
            weight, scale = weight // 2, scale * 2
        if abs(weight) <= limit:
            digits.append(weight * scale)
            break
        step = 2 * (limit + 1)
        low = (weight + limit) % step - limit  # odd, of at most `limit`, and what is left divides by `step`
        digits.append(low * scale)
        weight -= low
    return digits


class Terms:
    """The terms of a sum ``row @ x``: bits by signed weight, first come first taken."""

    def __init__(self, builder: Builder, row: np.ndarray, limit: int) -> None:
        self.builder = builder
        self.pools: dict[int, list[int]] = {}
        self.coming: list[tuple[int, int]] = []
        for k in np.flatnonzero(row).tolist():
            for weight in split(int(row[k]), limit):
                self.pools.setdefault(weight, []).append(k)
        top = sum(abs(w) * len(bits) for w, bits in self.pools.items()).bit_length() + 2
        self.sizes = sorted({abs(w) for w in self.pools} | {1 << k for k in range(top + 1)})

    def histogram(self) -> np.ndarray:
        """Return how many terms there are, int64 ``(2, sizes)``: of positive and of negative weight."""
        start = np.zeros((2, len(self.sizes)), np.int64)
        for weight, bits in self.pools.items():
            start[int(weight < 0), self.sizes.index(abs(weight))] = len(bits)
        return start

    def follow(self, operations: Iterable[Operation], threshold: int) -> int:
        """Carry out ``operations``; return the ``threshold``, if the sum had to reach it, for what is left."""
        chain = None
        for op in operations:
            kind = op[KIND]
            if chain and not (kind == SEGMENT and op[CONTINUES]):
                self._finish(chain)
                chain = None
            if kind == LEVEL:
                self._arrive()
            elif kind == PROMOTE:
                threshold = self._promote(op, threshold)
            elif kind == LOW:
                threshold = self._low(op, threshold)
            else:
                chain = chain or _Growing(1 - 2 * op[SIGN], op[PLACE])
                threshold += self._row(chain, op) if kind == ROW else self._segment(chain, op)
        if chain:
            self._finish(chain)
        self._arrive()
        return threshold

    def bits(self) -> tuple[list[int], list[int]]:
        """Return what is left: ``(weights, bits)``."""
        pairs = [(weight, bit) for weight, bits in sorted(self.pools.items()) for bit in bits]
        return [weight for weight, _ in pairs], [bit for _, bit in pairs]

    def _take(self, weight: int) -> int:
        return self.pools[weight].pop(0)

    def _give(self, weight: int, bit: int, now: bool = False) -> None:
        """Add a bit: at the end of the level, or ``now``."""
        if bit == ZERO:
            raise AssertionError("a term that is never there")  # the search counted it
        if now:
            self.pools.setdefault(weight, []).append(bit)
        else:
            self.coming.append((weight, bit))

    def _arrive(self) -> None:
        for weight, bit in self.coming:
            self.pools.setdefault(weight, []).append(bit)
        self.coming = []

    def _weights(self, op: Operation) -> list[int]:
        return [self.sizes[abs(t) - 1] * (1 if t > 0 else -1) for t in op[TERMS:] if t]

    def _left(self, chain: "_Growing", op: Operation) -> None:
        for k in range(op[SIZE]):
            present = op[LEFT] >> k & 1
            chain.left.append(self._take(chain.sign << (op[PLACE] + k)) if present else ZERO)
            chain.most += present << (op[PLACE] + k)
        if op[CARRY]:
            chain.carry = self._take(chain.sign << op[PLACE])
            chain.most += 1 << op[PLACE]

    def _segment(self, chain: "_Growing", op: Operation) -> int:
        """Add a segment to ``chain``; return what the threshold grows by."""
        self._left(chain, op)
        weights = self._weights(op)
        bits = [self._take(weight) for weight in weights]
        values = sums([chain.sign * weight for weight in weights])
        offset = -int(values.min())
        values += offset
        chain.most += int(values.max())
        chain.right += [reduce_table(bits, values >> (op[PLACE] + k) & 1) for k in range(op[SIZE])]
        return chain.sign * offset

    def _row(self, chain: "_Growing", op: Operation) -> int:
        """Make ``chain`` an addition or a subtraction of single bits; return what the threshold grows by."""
        self._left(chain, op)
        weights = self._weights(op)
        chain.most += sum(map(abs, weights))
        bits = [self._take(weight) for weight in weights]
        if weights[0] * chain.sign > 0:
            chain.right = [*bits]
            return 0
        # left - right = left + not right + 1 - 2^size
        chain.right, chain.carry = [Table((bit,), 1) for bit in bits], ONE
        chain.most += 1 << chain.place
        return chain.sign << (chain.place + op[SIZE])

    def _finish(self, chain: "_Growing") -> None:
        width = (chain.most >> chain.place).bit_length()
        while width > len(chain.left) + 1:
            chain.left.append(ZERO)
            chain.right.append(ZERO)
        outputs = self.builder.chain(chain.left, chain.right, chain.carry, width)
        for k, bit in enumerate(outputs):
            self._give(chain.sign << (chain.place + k), bit)

    def _promote(self, op: Operation, threshold: int) -> int:
        size, sign = self.sizes[op[PLACE]], 1 - 2 * op[SIGN]
        units = -(-threshold // size)
        now = bool(self.pools.get(sign * size))
        if now:
            bit = self._take(sign * size)
        else:
            bit = self.coming.pop(next(k for k, (weight, _) in enumerate(self.coming) if weight == sign * size))[1]
        if (units % 2 == 1) == (sign > 0):
            self._give(2 * sign * size, bit, now)
        return (units + units % 2) * size

    def _low(self, op: Operation, threshold: int) -> int:
        place, weights = op[PLACE], self._weights(op)
        bits = [self._take(weight) for weight in weights]
        values = (sums(weights) - threshold) >> place
        least = int(values.min())
        values -= least
        for k in range(op[SIZE]):
            self._give(1 << (place + k), self.builder.table(bits, values >> k & 1))
        return -least << place

    def ripple(self, constant: int, width: int) -> tuple[int, ...]:
        """Return the ``width`` bits of the terms' sum and ``constant``, modulo ``2^width``, by adding rows."""
        columns: list[list[tuple[int, bool]]] = [[] for _ in range(width)]
        for weight, bit in zip(*self.bits(), strict=True):
            for digit in split(weight, 1):
                place = abs(digit).bit_length() - 1
                if place < width:
                    columns[place].append((bit, digit < 0))
                    constant -= (digit < 0) << place  # -x = not x - 1
        while True:
            constant &= (1 << width) - 1
            lowest = next(
                (
                    k
                    for k in range(width)
                    if len(columns[k]) > 1 or (columns[k] and columns[k][0][1]) or constant >> k & 1
                ),
                width,
            )
            if lowest == width:
                return tuple(bits[0][0] if bits else ZERO for bits in columns)
            left: list[int] = []
            right: list[Entry] = []
            for k in range(lowest, width):
                plain = next((n for n, (_, inverted) in enumerate(columns[k]) if not inverted), None)
                left.append(ZERO if plain is None else columns[k].pop(plain)[0])
                right.append(ZERO)
                if columns[k]:
                    bit, inverted = columns[k].pop(0)
                    right[-1] = Table((bit,), 1) if inverted else bit
                if right[-1] == ZERO and constant >> k & 1:
                    right[-1] = ONE
                    constant -= 1 << k
                if left[-1] == ZERO and constant >> k & 1:
                    left[-1] = ONE
                    constant -= 1 << k
            for k, bit in zip(range(lowest, width), self.builder.chain(left, right, ZERO, len(left)), strict=True):
                columns[k].append((bit, False))


class _Growing:
    """A chain that is put together from segments; ``most``: the largest sum."""

    def __init__(self, sign: int, place: int) -> None:
        self.sign, self.place = sign, place
        self.left: list[int] = []
        self.right: list[Entry] = []
        self.carry, self.most = ZERO, 0
