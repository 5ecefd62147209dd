"""Constant weights to logic: for each neuron a heap of weighted spikes, compressed by chains and tables."""

from dataclasses import dataclass

import numpy as np

from ..errors import UserError
from . import heap
from .logic import ONE, ZERO, Chain, Logic, Table

FAMILIES = {"lut6": (6, 5), "lut4": (4, 1)}  # inputs of a table, and of one inside a chain
LARGEST = 1 << 24


@dataclass(frozen=True, eq=False)
class Mapped:
    """``logic``, and the ``constant`` that its unsigned results have above the sums: 0 for firing neurons."""

    logic: Logic
    constant: int = 0


class Builder:
    """Collects nodes; equal ones exist once. ``level`` of each bit follows :class:`Logic`."""

    def __init__(self, inputs):
        self.inputs, self.count = inputs, inputs
        self.nodes, self.known = [], {}

    def _add(self, node):
        first = self.known.get(node)
        if first is None:
            first = self.known[node] = self.count
            self.nodes.append(node)
            self.count += node.outputs
        return first

    def table(self, inputs, values):
        """Return the bit ``values[address]``: a constant or an input where it is no more than that."""
        inputs, truth = reduce_table(inputs, values)
        if not inputs:
            return ONE if truth else ZERO
        return inputs[0] if (len(inputs), truth) == (1, 2) else self._add(Table(inputs, truth))

    def chain(self, left, right, carry, outputs):
        """Return the bits of a chain."""
        first = self._add(Chain(tuple(left), tuple(right), carry, outputs))
        return list(range(first, first + outputs))


def reduce_table(inputs, values):
    """Return ``(inputs, truth)`` of the table ``values`` (bool, one per address) without inputs that don't matter."""
    cube, kept = np.asarray(values, bool).reshape((2,) * len(inputs)), list(inputs)
    for k in reversed(range(len(inputs))):  # input k is axis -1 - k
        axis = len(kept) - 1 - k
        low, high = cube.take(0, axis), cube.take(1, axis)
        if np.array_equal(low, high):
            cube = low
            del kept[k]
    order = sorted(range(len(kept)), key=kept.__getitem__)
    cube = cube.transpose([len(kept) - 1 - k for k in reversed(order)]) if kept else cube
    return tuple(kept[k] for k in order), int.from_bytes(np.packbits(cube.ravel(), bitorder="little"), "little")


def sums(weights):
    """Return the sum of ``weights`` at each address, int64 ``(2^count,)``."""
    total = np.zeros(1, np.int64)
    for weight in weights:
        total = np.concatenate((total, total + weight))
    return total


def map_layer(weights, offsets, *, fire, family="lut6", seconds=20.0, seed=0):
    """Return the :class:`Mapped` logic of a layer of constant integer weights.

    ``weights``: int ``(neurons, inputs)`` over input bits; ``offsets``: int ``(neurons,)``. With ``fire`` each result
    is the bit ``weights @ x + offset >= 0``; without, the unsigned ``weights @ x + offset + constant``, of one width.
    ``family``: ``lut6`` or ``lut4``. The search depends on ``seed`` and a number of moves; it ends early after
    ``seconds``, which is all that can make two results differ. :class:`UserError` for arguments that don't fit.
    """
    weights, offsets = np.asarray(weights), np.asarray(offsets)
    if weights.ndim != 2 or offsets.shape != weights.shape[:1]:
        raise UserError(f"a layer wants weights (neurons, inputs) and offsets (neurons,), not {weights.shape} and "
                        f"{offsets.shape}")
    if family not in FAMILIES:
        raise UserError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    weights, offsets = weights.astype(np.int64), offsets.astype(np.int64)
    if weights.size and (np.abs(weights).sum(axis=1)).max() > LARGEST:
        raise UserError(f"sums beyond {LARGEST:,} are not mapped")
    builder = Builder(weights.shape[1])
    if fire:
        outputs = tuple((map_fire(builder, row, int(offset), family),)
                        for row, offset in zip(weights, offsets, strict=True))
        return Mapped(Logic(builder.inputs, tuple(builder.nodes), outputs))
    low = np.minimum(weights, 0).sum(axis=1) + offsets
    high = np.maximum(weights, 0).sum(axis=1) + offsets
    low, high = int(low.min(initial=0)), int(high.max(initial=0))
    width = max(1, max(~low, high).bit_length())
    constant = 1 << width if low < 0 else 0  # so that a signed value is the unsigned one, its top bit inverted
    width += low < 0
    outputs = tuple(map_sum(builder, row, int(offset) + constant, width, family)
                    for row, offset in zip(weights, offsets, strict=True))
    return Mapped(Logic(builder.inputs, tuple(builder.nodes), outputs), constant)


def map_fire(builder, row, offset, family):
    """Return the bit ``row @ x + offset >= 0``."""
    final, inputs = FAMILIES[family]
    live = np.flatnonzero(row)
    if offset + np.minimum(row, 0).sum() >= 0:
        return ONE
    if offset + np.maximum(row, 0).sum() < 0:
        return ZERO
    if len(live) <= final:
        return builder.table(live.tolist(), sums(row[live]) + offset >= 0)
    terms = Terms(builder, row)
    found = terms.search(-offset, True, inputs, final)
    threshold = terms.follow(found, -offset, True)
    return terms.compare(threshold, final)


def map_sum(builder, row, offset, width, family):
    """Return the bits of ``row @ x + offset``, which is never negative and below ``2^width``."""
    final, inputs = FAMILIES[family]
    terms = Terms(builder, row)
    found = terms.search(0, False, inputs, final)
    return terms.ripple(offset - terms.follow(found, 0, False), width)


class Terms:
    """The terms of one sum: bits by signed weight, and what has become of them."""

    def __init__(self, builder, row):
        self.builder, self.pools = builder, {}
        for k in np.flatnonzero(row).tolist():
            for weight in split(int(row[k])):
                self.pools.setdefault(weight, []).append(k)
        self.coming = []
        top = sum(abs(w) * len(bits) for w, bits in self.pools.items()).bit_length() + 2
        self.sizes = sorted({abs(w) for w in self.pools} | {1 << k for k in range(top + 1)})
        self.top = top

    def search(self, threshold, fire, inputs, final):
        """Return the operations of :func:`heap.construct`."""
        sizes = np.array(self.sizes, np.int64)
        index = {size: c for c, size in enumerate(self.sizes)}
        places = np.array([(s & -s).bit_length() - 1 for s in self.sizes], np.int64)
        powers = np.array([index[1 << k] for k in range(self.top + 1)], np.int64)
        price = np.array([1.0 if s & (s - 1) == 0 else 1.6 for s in self.sizes])
        start = np.zeros((2, len(sizes)), np.int64)
        for weight, bits in self.pools.items():
            start[int(weight < 0), index[abs(weight)]] = len(bits)
        out = np.zeros((heap.ROWS, heap.COLUMNS), np.int64)
        _, _, rows, _ = heap.construct(sizes, places, powers, price, start, threshold, fire, inputs, final, 1.2, 1.2,
                                       out)
        return out[:rows].tolist()

    def take(self, weight):
        """Remove and return one bit of ``weight``."""
        return self.pools[weight].pop(0)

    def give(self, weight, bit, now=False):
        """Add a bit: at the end of the level, or ``now``."""
        if bit == ZERO:
            return
        if now:
            self.pools.setdefault(weight, []).append(bit)
        else:
            self.coming.append((weight, bit))

    def arrive(self):
        for weight, bit in self.coming:
            self.pools.setdefault(weight, []).append(bit)
        self.coming = []

    def follow(self, operations, threshold, fire):
        """Carry out ``operations``; return the threshold that is left."""
        chain = None
        for op in operations:
            if chain and not (op[heap.KIND] == heap.SEGMENT and op[heap.CONTINUES]):
                self.finish(chain)
                chain = None
            if op[heap.KIND] == heap.LEVEL:
                self.arrive()
            elif op[heap.KIND] == heap.PROMOTE:
                threshold = self.promote(op, threshold)
            elif op[heap.KIND] == heap.LOW:
                threshold = self.low(op, threshold)
            else:
                chain = chain or Growing(1 - 2 * op[heap.SIGN], op[heap.PLACE])
                threshold += self.segment(chain, op)
        if chain:
            self.finish(chain)
        self.arrive()
        return threshold

    def segment(self, chain, op):
        """Add a segment to ``chain``; return what the threshold grows by."""
        sign, place, size = chain.sign, op[heap.PLACE], op[heap.SIZE]
        weights = [self.sizes[abs(t) - 1] * (1 if t > 0 else -1) for t in op[heap.TERMS :] if t]
        for k in range(size):
            weight = sign << (place + k)
            chain.left.append(self.take(weight) if op[heap.LEFT] >> k & 1 else ZERO)
            chain.most += (op[heap.LEFT] >> k & 1) << (place + k)
        if op[heap.CARRY]:
            chain.carry = self.take(sign << place)
            chain.most += 1 << place
        bits = [self.take(weight) for weight in weights]
        values = sums([sign * weight for weight in weights])
        offset = -int(values.min())
        values += offset
        chain.most += int(values.max())
        for k in range(size):
            chain.right.append(entry(bits, values >> (place + k) & 1))
        return sign * offset

    def finish(self, chain):
        """Give the outputs of ``chain``."""
        width = (chain.most >> chain.place).bit_length()
        right = list(chain.right)
        while width > len(chain.left) + 1:
            chain.left.append(ZERO)
            right.append(ZERO)
        if width == 0:
            return
        outputs = self.builder.chain(chain.left, right, chain.carry, min(width, len(chain.left) + 1))
        for k, bit in enumerate(outputs):
            self.give(chain.sign << (chain.place + k), bit)

    def promote(self, op, threshold):
        size, sign = self.sizes[op[heap.PLACE]], 1 - 2 * op[heap.SIGN]
        units = -(-threshold // size)
        number = next((k for k, (weight, _) in enumerate(self.coming) if weight == sign * size), None)
        now = number is None
        bit = self.take(sign * size) if now else self.coming.pop(number)[1]
        if (units % 2 == 1) == (sign > 0):
            self.give(2 * sign * size, bit, now)
        return (units + units % 2) * size

    def low(self, op, threshold):
        place = op[heap.PLACE]
        weights = [self.sizes[abs(t) - 1] * (1 if t > 0 else -1) for t in op[heap.TERMS :] if t]
        bits = [self.take(weight) for weight in weights]
        values = (sums(weights) - threshold) >> place
        least = int(values.min())
        values -= least
        for k in range(op[heap.SIZE]):
            self.give(1 << (place + k), self.builder.table(bits, values >> k & 1))
        return -least << place

    def compare(self, threshold, final):
        """Return the bit that says whether the terms reach ``threshold``."""
        weights = [w for w, bits in sorted(self.pools.items()) for _ in bits]
        bits = [bit for _, bits in sorted(self.pools.items()) for bit in bits]
        if len(bits) <= final:
            return self.builder.table(bits, sums(weights) >= threshold)
        low = sum(w for w in weights if w < 0)
        high = sum(w for w in weights if w > 0)
        width = max(high - threshold, threshold - 1 - low).bit_length() + 1
        return self.builder.table([self.ripple(-threshold, width)[-1]], [1, 0])

    def ripple(self, constant, width):
        """Return the ``width`` bits of the terms' sum and ``constant``, modulo ``2^width``, by adding rows."""
        columns = [[] for _ in range(width)]
        for weight, bits in sorted(self.pools.items()):
            for bit in bits:
                for digit in split(weight, limit=1):
                    place = abs(digit).bit_length() - 1
                    if place < width:
                        columns[place].append((bit, digit < 0))
                        constant -= (digit < 0) << place
        while True:
            column = next((k for k in range(width) if len(columns[k]) > 1 or (columns[k] and columns[k][0][1])), width)
            known = next((k for k in range(width) if constant >> k & 1), width)
            lowest = min(column, known)
            if lowest >= width:
                return tuple(bits[0][0] if bits else ZERO for bits in columns)
            left, right = [], []
            for k in range(lowest, width):
                plain = next((n for n, (_, inverted) in enumerate(columns[k]) if not inverted), None)
                left.append(columns[k].pop(plain)[0] if plain is not None else ZERO)
                if columns[k]:
                    bit, inverted = columns[k].pop(0)
                    right.append(Table((bit,), 1) if inverted else bit)
                elif constant >> k & 1:
                    right.append(ONE)
                    constant -= 1 << k
                else:
                    right.append(ZERO)
                if left[-1] == ZERO and constant >> k & 1:
                    left[-1] = ONE
                    constant -= 1 << k
            constant &= (1 << width) - 1
            for k, bit in zip(range(lowest, width), self.builder.chain(left, right, ZERO, len(left)), strict=True):
                columns[k].append((bit, False))


@dataclass
class Growing:
    """A chain being put together from segments."""

    sign: int
    place: int

    def __post_init__(self):
        self.left, self.right, self.carry, self.most = [], [], ZERO, 0


def entry(bits, values):
    """Return what a chain adds for the table ``values`` of ``bits``: a constant, a bit or a :class:`Table`."""
    inputs, truth = reduce_table(bits, values)
    if not inputs:
        return ONE if truth else ZERO
    return inputs[0] if (len(inputs), truth) == (1, 2) else Table(inputs, truth)


def split(weight, limit=15):
    """Return digits with the sum ``weight``, each a power of two times an odd number of at most ``limit``."""
    digits, scale = [], 1
    while weight:
        while weight % 2 == 0:
            weight, scale = weight // 2, scale * 2
        if abs(weight) <= limit:
            digits.append(weight * scale)
            break
        step = 2 * (limit + 1)
        low = (weight + limit) % step - limit if limit > 1 else (1 if weight % 4 == 1 else -1)
        digits.append(low * scale)
        weight -= low
    return digits
