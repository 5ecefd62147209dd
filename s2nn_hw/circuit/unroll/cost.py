"""What a :class:`~s2nn_hw.circuit.unroll.logic.Logic` takes on a device, before synthesis."""

from dataclasses import dataclass

import numpy as np

from s2nn_hw.circuit.unroll.circuit import registers, subtracts
from s2nn_hw.circuit.unroll.logic import ONE, TABLE_INPUTS, ZERO, Chain, Logic, Table
from s2nn_hw.circuit.unroll.terms import split
from s2nn_hw.family import FAMILIES


@dataclass(frozen=True)
class Cost:
    """``tables``: LUTs of tables outside chains; ``chains``: LUTs of chains, on LUT4 families all their positions;
    ``positions``: of the carry chains, with those that need no LUT; ``ffs``: flip-flops."""

    tables: int
    chains: int
    positions: int
    ffs: int

    @property
    def luts(self) -> int:
        """LUTs of tables and chains."""
        return self.tables + self.chains


def cost(logic: Logic, family: str, *, levels: int = 1, chain: int = 1) -> Cost:
    """Return the :class:`Cost` of ``logic`` on device ``family``, as Yosys maps the circuit of ``build``."""
    device = FAMILIES[family]
    tables = chains = positions = 0
    for node in logic.nodes:
        if isinstance(node, Table):
            tables += _table(len(node.inputs), device.mapped_inputs)
            continue
        length = chain_positions(node)
        positions += length
        chains += _chain6(node, length) if device.mapped_inputs == 6 else _chain4(node, length, device.carry)
    return Cost(tables, chains, positions, registers(logic, levels, chain))


def _table(inputs: int, lut: int) -> int:
    """Return the LUTs of one table: where they have four inputs each input more doubles it."""
    return 1 if lut == 6 or inputs <= 4 else 1 << (inputs - 4)


def chain_positions(node: Chain) -> int:
    """Return the positions of the carry chain, with one for the carry in and one for the carry out."""
    carry_in = node.carry != ZERO and not (subtracts(node) and node.carry == ONE)
    return len(node.left) + carry_in + (node.outputs > len(node.left))


def _chain6(node: Chain, length: int) -> int:
    """A LUT wherever neither operand is known to be 0 and they are not the same; a table needs one always."""
    if length <= 2 and not subtracts(node):
        return node.outputs
    pairs = zip(node.left, node.right, strict=True)
    return sum(isinstance(b, Table) or (a != b and ZERO not in (a, b)) for a, b in pairs)


def _chain4(node: Chain, length: int, carry: int) -> int:
    """A LUT for each position; where they come in pairs (ECP5), Yosys makes the shortest of plain LUTs."""
    if carry != 2:
        return length
    return node.outputs + (node.carry >= 0) if length <= 4 else length + length % 2


@dataclass(frozen=True)
class Coefficients:
    """LUTs of a neuron with more live inputs than a table has: a sum over its weights and a constant.

    ``synapse``: each weight that is not zero; ``chunk``: each further term of :func:`~.terms.split` (weights whose odd
    factor is above 15); ``digit``: each canonical signed digit beyond those; ``neuron``: once. Fitted to 262 mapped
    neurons of 7 to 300 inputs, weights of one sign, ternary, 3, 4 and 8 bits.
    """

    synapse: float
    chunk: float
    digit: float
    neuron: float


COEFFICIENTS = {"lut6": Coefficients(0.595, 1.503, 0.356, -1.541), "lut4": Coefficients(1.629, 1.468, 0.863, -2.797)}


def predict_luts(weights: np.ndarray, family: str = "lut6") -> np.ndarray:
    """Return the expected LUTs of a firing layer, float64 ``(neurons,)``, without mapping it.

    ``weights``: int ``(neurons, inputs)``; ``family``: ``lut6`` or ``lut4``. Within 6 % (one standard deviation) for a
    neuron of 20 inputs or more, 19 % for smaller ones. A readout takes a few LUTs more.
    """
    weights = np.asarray(weights, np.int64)
    values, where = np.unique(np.abs(weights), return_inverse=True)
    chunks = np.array([len(split(int(v), 15)) for v in values])[where].reshape(weights.shape).sum(axis=1)
    digits = np.array([len(split(int(v), 1)) for v in values])[where].reshape(weights.shape).sum(axis=1)
    live, by = np.count_nonzero(weights, axis=1), COEFFICIENTS[family]
    luts = by.synapse * live + by.chunk * (chunks - live) + by.digit * (digits - chunks) + by.neuron
    small = np.array([_table(n, int(family[3:])) if n else 0 for n in range(TABLE_INPUTS + 1)])
    return np.where(live <= TABLE_INPUTS, small[np.minimum(live, TABLE_INPUTS)], np.maximum(luts, 1.0))
