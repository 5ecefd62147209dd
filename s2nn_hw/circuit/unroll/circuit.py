"""The circuit of a :class:`~s2nn_hw.circuit.unroll.logic.Logic`: tables and adders, a register after each few
levels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, Value

from s2nn_hw.circuit.unroll.logic import ONE, ZERO, Chain, Logic, Node, Table

WORD = 16  # bits of a Signal that only holds others


def stages(logic: Logic, levels: int = 1, chain: int = 1) -> int:
    """Return how many registers lie between inputs and outputs, see :func:`build`."""
    return _count(logic, homes(logic, levels, chain))


def _count(logic: Logic, home: Sequence[int]) -> int:
    return 1 + max((home[bit] for places in logic.outputs for bit in places if bit >= 0), default=-1)


def homes(logic: Logic, levels: int, chain: int) -> list[int]:
    """Return the stage in which each bit is made, as early as can be, -1 for inputs."""
    home = [-1] * logic.inputs
    used = [0] * logic.inputs  # levels of its stage up to the bit
    for node in logic.nodes:
        read = [bit for bit in node.bits() if bit >= 0]
        stage = max((home[bit] for bit in read), default=0)
        before = max((used[bit] for bit in read if home[bit] == stage), default=0)
        stage, here = max(stage, 0), 1 if isinstance(node, Table) else chain
        if before and before + here > levels:
            stage, before = stage + 1, 0
        home += [stage] * node.outputs
        used += [before + here] * node.outputs
    return home


def build(
    m: Module,
    logic: Logic,
    bits: Value,
    *,
    enables: Iterable[Value | None] | None = None,
    levels: int = 1,
    chain: int = 1,
    domain: str = "sync",
) -> list[Signal]:
    """Add the circuit to module ``m``; return one Signal for each result of ``logic``, least significant bit first.

    ``bits``: a Value of ``logic.inputs`` bits. All results belong to the inputs of :func:`stages` cycles ago, or of
    this cycle if there are none. ``enables``: a Value for each stage, None for always: the stage's registers load
    while it is 1. ``levels``: between registers, a table one and a carry chain ``chain`` of them; a node that has more
    by itself has a stage of its own. Registers have no reset.
    """
    home = homes(logic, levels, chain)
    count = _count(logic, home)
    enables = [None] * count if enables is None else list(enables)
    if len(enables) != count:
        raise ValueError(f"{count} stages want as many enables, not {len(enables)}")
    work = _Work(m, logic, home, _last_stages(logic, home, count), domain)
    work.enter(bits)
    for k in range(count):
        work.stage(k, enables[k])
    m.d.comb += work.comb
    results = []
    for number, places in enumerate(logic.outputs):
        result = Signal(len(places), name=f"result{number}")
        m.d.comb += result.eq(Cat(work.now[bit] for bit in places))
        results.append(result)
    return results


class _Work:
    """The circuit of ``logic`` under way, stage by stage.

    ``now``: what each bit is in the stage that is being built; ``waiting``: bits that later stages need;
    ``comb``: statements without a clock.
    """

    def __init__(self, m: Module, logic: Logic, home: Sequence[int], needed: Sequence[int], domain: str) -> None:
        self.m, self.logic, self.needed, self.domain = m, logic, needed, domain
        self.now: dict[int, Value] = {ZERO: Const(0, 1), ONE: Const(1, 1)}
        self.comb: list[Any] = []
        self.waiting = [bit for bit in range(logic.inputs) if needed[bit] > 0]
        self.soon = {
            bit
            for node, first in zip(logic.nodes, logic.first_bits, strict=True)
            for bit in node.bits()
            if bit >= 0 and home[bit] == home[first]
        }  # read in the stage in which they are made
        self.nodes: dict[int, list[tuple[int, int]]] = {}  # of each stage: number and first bit
        for number, first in enumerate(logic.first_bits):
            if max(needed[first : first + logic.nodes[number].outputs]) >= 0:
                self.nodes.setdefault(home[first], []).append((number, first))

    def enter(self, bits: Value) -> None:
        """Let the inputs be ``bits``, word by word: a slice costs time by the length of all the bits."""
        for first in range(0, self.logic.inputs, WORD):
            places = range(first, min(first + WORD, self.logic.inputs))
            if any(self.needed[bit] >= 0 for bit in places):
                word = Signal(len(places), name=f"input{first}", reset_less=True)
                self.comb.append(word.eq(bits[first : places.stop]))
                self.now |= dict(zip(places, word, strict=True))

    def stage(self, k: int, enable: Value | None) -> None:
        """Add stage ``k``: its nodes, and the registers behind it, which load while ``enable`` is 1."""
        held: list[Any] = []
        later: dict[int, Value] = {}
        for number, first in self.nodes.get(k, ()):
            node = self.logic.nodes[number]
            signal, places = Signal(node.outputs, name=f"n{number}", reset_less=True), range(node.outputs)
            made = {first + place: signal[place] for place in places}
            if not any(bit in self.soon for bit in made):
                held.append(signal.eq(_value(node, self.now)))
                later |= made
            else:
                self.comb.append(signal.eq(_value(node, self.now)))
                self.now |= made
                self.waiting += [bit for bit in made if self.needed[bit] > k]
        moved = [bit for bit in self.waiting if self.needed[bit] > k]
        later |= _words(held, f"delay{k}_", [self.now[bit] for bit in moved], moved)
        if enable is None:
            self.m.d[self.domain] += held
        else:
            with self.m.If(enable):
                self.m.d[self.domain] += held
        self.now |= later
        self.waiting = [bit for bit in later if self.needed[bit] > k + 1]


def registers(logic: Logic, levels: int = 1, chain: int = 1) -> int:
    """Return how many flip-flops :func:`build` makes."""
    home = homes(logic, levels, chain)
    count = _count(logic, home)
    needed = _last_stages(logic, home, count)
    total = sum(max(0, needed[bit]) for bit in range(logic.inputs))
    for node, first in zip(logic.nodes, logic.first_bits, strict=True):
        last = [needed[first + place] for place in range(node.outputs)]
        stage = home[first]
        total += sum(max(0, k - stage) for k in last)
    return total


def subtracts(node: Chain) -> bool:
    """Return whether a chain is written as a subtraction: if anything is looked up in it."""
    return any(isinstance(entry, Table) for entry in node.right)


def _words(statements: list[Any], name: str, values: Sequence[Value], bits: Sequence[int]) -> dict[int, Value]:
    """Assign ``values`` to Signals of :data:`WORD` bits; return which Value each of ``bits`` is then.

    Amaranth looks at a whole Signal to take a bit of it, so wide ones are slow.
    """
    found: dict[int, Value] = {}
    for first in range(0, len(values), WORD):
        part = values[first : first + WORD]
        word = Signal(len(part), name=f"{name}{first}", reset_less=True)
        statements += [word.eq(Cat(part))]
        found |= {bits[first + place]: word[place] for place in range(len(part))}
    return found


def _last_stages(logic: Logic, home: Sequence[int], count: int) -> list[int]:
    """Return the last stage that reads each bit, ``count`` for the outputs, -1 for what nobody reads."""
    needed = [-1] * len(home)
    for node, first in zip(logic.nodes, logic.first_bits, strict=True):
        for bit in node.bits():
            if bit >= 0 and needed[bit] < home[first]:
                needed[bit] = home[first]
    for places in logic.outputs:
        for bit in places:
            if bit >= 0:
                needed[bit] = count
    return needed


def _value(node: Node, now: Mapping[int, Value]) -> Value:
    """Return the Value of a node."""
    if isinstance(node, Table):
        return _expanded(node, now)
    left, carry = Cat(now[bit] for bit in node.left), now[node.carry]
    if not subtracts(node):
        right = Cat(now[entry] for entry in node.right if not isinstance(entry, Table))
        return left + right + carry if node.carry != ZERO else left + right
    # Yosys swaps the operands of an addition as it likes, and only the second one's tables join the adder's LUTs:
    # a - ~b = a + b + 1 stays in order. The lowest position makes the carry, without a LUT as its operands are equal.
    right = Cat(_look_up(entry, now, True) if isinstance(entry, Table) else ~now[entry] for entry in node.right)
    if node.carry == ONE:
        return (Cat(left, Const(0, 1)) - Cat(right, Const(1, 1)))[: len(node.left) + 1]
    return (Cat(carry, left, Const(0, 1)) - Cat(~carry, right, Const(1, 1)))[1 : len(node.left) + 2]


def _expanded(table: Table, now: Mapping[int, Value]) -> Value:
    """Return a table's Value as ``low ^ (x & (low ^ high))``, by its last input ``x``.

    Written as a multiplexer with a constant operand it would become a reset of the register behind it, whose
    condition takes further LUTs.
    """
    if len(table.inputs) < 2:
        return _look_up(table, now)
    size = 1 << (len(table.inputs) - 1)
    low, high = table.truth & ((1 << size) - 1), table.truth >> size
    rest, x = table.inputs[:-1], now[table.inputs[-1]]
    return _look_up(Table(rest, low), now) ^ (x & _look_up(Table(rest, low ^ high), now))


def _look_up(table: Table, now: Mapping[int, Value], inverted: bool = False) -> Value:
    size = 1 << len(table.inputs)
    truth = table.truth ^ ((1 << size) - 1) if inverted else table.truth
    if size == 2 and truth in (1, 2):
        return now[table.inputs[0]] if truth == 2 else ~now[table.inputs[0]]
    return Const(truth, size).bit_select(Cat(now[bit] for bit in table.inputs), 1)
