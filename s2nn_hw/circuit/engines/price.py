"""What the back end of every engine costs: adder trees, accumulators, and registers that memories take in."""

from math import ceil
from typing import Any

from s2nn_hw.family.cost import Cost
from s2nn_hw.family.record import Family

# LUTs a bit of the accumulator, measured on engines of 32 lanes: what a leak adds, what is held and added again where
# nothing is doubled, and constants that the group chooses on look-up tables of four inputs
LEAK, HELD, BY_GROUP = 0.65, 0.7, 0.9


def adder_bits(terms: int, bits: int) -> tuple[int, int]:
    """Return the bits of all adders, and of all registers, of a tree that sums ``terms`` values of ``bits`` bits.

    An adder's top bit is its carry, so it takes as many LUTs as its operands have bits.
    """
    adders = registers = 0
    while terms > 1:
        pairs, odd = divmod(terms, 2)
        adders += pairs * bits
        registers += pairs * (bits + 1) + odd * bits
        terms, bits = pairs + odd, bits + 1
    return adders, registers


def accumulators(family: Family, params: Any, terms: int, *, share: float = 1.0) -> Cost:
    """Return the cost of the trees over ``terms`` values a lane and of the accumulators behind them.

    ``params``: :class:`~s2nn_hw.circuit.engines.params.EngineParams`; ``share``: of the trees that is left where
    weights are constants.
    """
    widths = params.accumulator_widths()
    adders, registers = adder_bits(terms, max(params.bits, 2))
    total = int(widths.sum())

    def chain(bits: int) -> int:
        return family.carry * ceil(bits / family.carry)

    start = params.start()[0]
    presets = sum(
        int(value & ((1 << int(width)) - 1)).bit_count() for value, width in zip(start[0].tolist(), widths, strict=True)
    )
    luts = sum(chain(int(width)) for width in widths) + family.preset * presets
    tree = params.lanes * adders * (1 if family.carry == 1 else 1.15)
    tree, kept = tree * share, registers * share
    luts += tree + (family.double if params.planes > 1 else family.reload) * total
    if params.groups > 1:
        ways = params.groups if params.planes == 1 else 2 * params.groups
        luts += total * family.start * max(1, ways / 16)
    cost = Cost(luts=luts, ffs=total + params.lanes * kept)
    return cost + _actions(family, params, total) if params.acting else cost


def _actions(family: Family, params: Any, total: int) -> Cost:
    """Return the cost of the neurons' actions on accumulators of ``total`` bits, beyond that of an adder a bit."""
    actions = params.actions
    leaks, holds = (any(getattr(action, name) for action in actions) for name in ("leak", "holds"))
    doubles = any(action.doubles for action in actions)
    constants = sum(not (a.leak or a.adds_held or a.doubles or a.ends) for a in actions)
    shares = LEAK * leaks + HELD * (holds and not doubles)
    if params.groups > 1 and family.inputs < 6:
        shares += BY_GROUP * constants  # constants of several groups do not fit into the adder's tables
    return Cost(luts=shares * total, ffs=total * holds + params.lanes * any(action.late for action in actions))


def absorbs(family: Family, memory: Cost) -> bool:
    """Return whether builds take the register behind ``memory`` into its block RAM."""
    return family.output_registers and memory.brams > 0
