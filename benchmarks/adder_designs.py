"""Sums of constant weights made in other ways, to hold the mapping against: gated, tabled, embedded, da4ml."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from s2nn_hw.circuit.unroll.circuit import build, stages
from s2nn_hw.circuit.unroll.logic import ZERO, Logic
from s2nn_hw.circuit.unroll.terms import Builder, reduce_table, sums

TOP = "sums"
Bits = Sequence[int]  # what the mapping calls a bit, lowest first
Operand = tuple[Bits, int]  # and the largest value
ShiftedPorts = tuple[str, str, str, int]  # names of inputs, outputs, clock; enables


class Registered(wiring.Component):
    """Logic with a register after each level.

    ``i``: the inputs, one bit each.
    ``enable``: a level's register loads while its bit is 1.
    ``o``: the outputs, one bit each.
    """

    def __init__(self, logic: Logic) -> None:
        self.logic = logic
        super().__init__(
            {"i": In(logic.inputs), "enable": In(max(1, stages(logic))), "o": Out(sum(map(len, logic.outputs)))}
        )

    def elaborate(self, _platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        m.d.comb += self.o.eq(Cat(build(m, self.logic, self.i, enables=list(self.enable)[: stages(self.logic)])))
        return m


class Shifted(wiring.Component):
    """Module :data:`TOP` of ``inputs`` and ``outputs`` bits between shift registers: few pins, all paths timed.

    ``i``: the next bit of the inputs.
    ``load``: outputs are taken into their shift register.
    ``o``: the next bit of the outputs.

    ``ports``: the module's names for inputs, outputs and clock, and how many enables it has.
    """

    def __init__(self, inputs: int, outputs: int, ports: ShiftedPorts) -> None:
        self.inputs, self.outputs, self.ports = inputs, outputs, ports
        super().__init__({"i": In(1), "load": In(1), "o": Out(1)})

    def elaborate(self, _platform: object) -> Module:
        """Return the circuit."""
        m = Module()
        x, y, result, load = Signal(self.inputs), Signal(self.outputs), Signal(self.outputs), Signal()
        data_in, data_out, clock, enables = self.ports
        connections = {f"i_{data_in}": x, f"o_{data_out}": result, f"i_{clock}": ClockSignal()}
        if enables:
            connections |= {"i_enable": Const(-1, enables), "i_rst": 0}
        m.submodules += Instance(TOP, **connections)
        m.d.sync += [x.eq(Cat(self.i, x[:-1])), load.eq(self.load), y.eq(y >> 1), self.o.eq(y[0])]
        with m.If(load):
            m.d.sync += y.eq(result)
        return m


def tree(builder: Builder, operands: Sequence[Operand]) -> Operand:
    """Return the bits of the sum of unsigned ``operands``, ``(bits, largest)``, added in pairs, the narrowest first."""
    operands = sorted(operands, key=lambda operand: operand[1])
    while len(operands) > 1:
        level = []
        for (a, high_a), (b, high_b) in zip(operands[::2], operands[1::2], strict=False):
            width = max(len(a), len(b))
            a, b = list(a) + [ZERO] * (width - len(a)), list(b) + [ZERO] * (width - len(b))
            high = high_a + high_b
            outputs = max(1, min(width + 1, high.bit_length()))
            level.append((builder.chain(a, b, ZERO, outputs), high))
        operands = sorted(level + operands[len(operands) & ~1 :], key=lambda operand: operand[1])
    return operands[0] if operands else ((), 0)


def gated(builder: Builder, row: np.ndarray) -> Bits:
    """Each synapse is its constant, gated by the spike; a negative one by the spike's absence. Then a tree."""
    operands = []
    for k in np.flatnonzero(row).tolist():
        weight = int(row[k])
        bit = k if weight > 0 else builder.table([k], [1, 0])
        operands.append(([bit if abs(weight) >> p & 1 else ZERO for p in range(abs(weight).bit_length())], abs(weight)))
    return tree(builder, operands)[0]


def _groups(row: np.ndarray, sizes: Sequence[int]) -> list[list[int]]:
    """Return live inputs in groups of ``sizes``, similar weights together."""
    live = sorted(np.flatnonzero(row).tolist(), key=lambda k: (-(row[k] & -row[k]), abs(row[k])))
    groups: list[list[int]] = []
    while live:
        size = sizes[len(groups) % len(sizes)]
        groups.append(live[:size])
        live = live[size:]
    return groups


def _table(row: np.ndarray, group: Sequence[int]) -> tuple[np.ndarray, int]:
    values = sums([int(row[k]) for k in group])
    values -= values.min()
    return values, int(values.max())


def tables(builder: Builder, row: np.ndarray, size: int) -> Bits:
    """Each ``size`` spikes address one registered table of partial sums. Then a tree."""
    operands = []
    for group in _groups(row, (size,)):
        values, high = _table(row, group)
        operands.append(([builder.table(group, values >> p & 1) for p in range(high.bit_length())], high))
    return tree(builder, operands)[0]


def embedded(builder: Builder, row: np.ndarray) -> Bits:
    """A table of six spikes, then three adders in a row with a table of five in each. Then a tree."""
    operands: list[Operand] = []
    current: Operand = ((), 0)  # nothing yet
    for number, group in enumerate(_groups(row, (6, 5, 5, 5))):
        values, high = _table(row, group)
        width = high.bit_length()
        if number % 4 == 0:
            if number:
                operands.append(current)
            current = ([builder.table(group, values >> p & 1) for p in range(width)], high)
            continue
        left, total = list(current[0]), current[1] + high
        length = max(len(left), width)
        left += [ZERO] * (length - len(left))
        right = [reduce_table(group, values >> p & 1) for p in range(length)]
        current = (builder.chain(left, right, ZERO, min(length + 1, total.bit_length())), total)
    return tree(builder, [*operands, current])[0]


def by_rows(weights: np.ndarray, method: Callable[[Builder, np.ndarray], Bits]) -> Logic:
    """Return the :class:`Logic` of the sums of all rows, each above the true one by its negative weights."""
    builder = Builder(weights.shape[1])
    outputs = tuple(tuple(method(builder, row)) for row in weights)
    return Logic(builder.inputs, tuple(builder.nodes), outputs)


def equals_numpy(logic: Logic, weights: np.ndarray, constants: np.ndarray | int, count: int = 500) -> bool:
    """Return whether ``logic`` gives ``weights @ x + constants`` for random frames, all zeros and all ones."""
    rng = np.random.default_rng(0)
    x = rng.random((count, weights.shape[1])) < rng.random((count, 1))
    x[0], x[1] = 0, 1
    return np.array_equal(logic.evaluate(x), x @ weights.T + constants)


def da4ml_design(weights: np.ndarray, folder: Path) -> tuple[list[Path], int, int, bool] | None:
    """Return ``(Verilog files, bits of the result, stages, equal to numpy)`` of da4ml, one adder between registers.

    None if it is not installed. Its Python model is what is compared with numpy.
    """
    try:
        from da4ml.codegen import VerilogModel
        from da4ml.trace import FixedVariableArrayInput, HWConfig, comb_trace, to_pipeline
    except ImportError:
        return None
    x = FixedVariableArrayInput(weights.shape[1], hwconf=HWConfig(1, -1, -1)).quantize(0, 1, 0)
    pipeline = to_pipeline(comb_trace(x, x @ weights.T.astype(np.float32)), 1, verbose=False)
    VerilogModel(pipeline, TOP, folder, print_latency=False).write()
    frames = (np.random.default_rng(0).random((500, weights.shape[1])) < 0.4).astype(np.float64)
    same = np.array_equal(np.array([pipeline(frame) for frame in frames], float), frames @ weights.T)
    files = sorted((folder / "src").glob(f"{TOP}*.v")) + sorted((folder / "src" / "static").glob("*.v"))
    files = [path for path in files if "wrapper" not in path.name]
    width = sum(int(sum(bits)) for bits in np.array(pipeline.solutions[-1].out_kifs).T.tolist())
    return files, width, len(pipeline.solutions) + 1, same
