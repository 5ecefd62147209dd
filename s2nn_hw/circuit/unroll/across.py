"""What synthesis takes away across the registers between unrolled layers: outputs that are constant, equal or unread.

A layer alone has a result for each neuron. In the circuit a register that is constant or equal to another is none, and
what nobody reads is not there, so tables behind have fewer inputs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from s2nn_hw.circuit.unroll.collapse import pruned
from s2nn_hw.circuit.unroll.logic import ONE, ZERO, Chain, Entry, Logic, Table
from s2nn_hw.circuit.unroll.terms import Builder, reduce_table


def simplified(layers: Sequence[Logic]) -> list[Logic]:
    """Return ``layers``, each of which reads the results of the one before it, as they are in one circuit.

    The last layer's results are all kept; of others those remain that are read, and once where they are equal.
    Inputs keep their numbers.
    """
    known: dict[int, int] = {}  # of each input of a layer that is another bit
    found: list[Logic] = []
    for logic in layers:
        logic = _reduced(logic, known)
        flat = [bit for bits in logic.outputs for bit in bits]
        first: dict[int, int] = {}
        for place, bit in enumerate(flat):
            first.setdefault(bit, place)
        known = {place: bit if bit in (ZERO, ONE) else first[bit] for place, bit in enumerate(flat)}
        found.append(logic)
    for k in reversed(range(len(found) - 1)):
        read = {bit for node in found[k + 1].nodes for bit in node.bits()}
        read |= {bit for bits in found[k + 1].outputs for bit in bits}
        flat = [bit for bits in found[k].outputs for bit in bits]
        found[k] = pruned(replace(found[k], outputs=tuple((bit,) for place, bit in enumerate(flat) if place in read)))
    return found


def _reduced(logic: Logic, known: Mapping[int, int]) -> Logic:
    """Return ``logic`` with inputs replaced by those that ``known`` has for them, tables without what that leaves
    over, and equal nodes once."""
    builder, place = Builder(logic.inputs), {ZERO: ZERO, ONE: ONE}
    place |= {bit: known.get(bit, bit) for bit in range(logic.inputs)}
    for node, begin in zip(logic.nodes, logic.first_bits, strict=True):
        if isinstance(node, Chain):
            right: list[Entry] = [_looked_up(e, place) if isinstance(e, Table) else place[e] for e in node.right]
            made = builder.chain([place[bit] for bit in node.left], right, place[node.carry], node.outputs)
            place |= {begin + k: bit for k, bit in enumerate(made)}
            continue
        entry = _looked_up(node, place)
        place[begin] = builder.table(entry.inputs, _truth(entry)) if isinstance(entry, Table) else entry
    return Logic(logic.inputs, tuple(builder.nodes), tuple(tuple(place[b] for b in bits) for bits in logic.outputs))


def _truth(table: Table) -> np.ndarray:
    return np.array([table.truth >> k & 1 for k in range(1 << len(table.inputs))], bool)


def _looked_up(table: Table, place: Mapping[int, int]) -> Entry:
    """Return ``table`` over the bits that ``place`` has for its inputs: constants and repeated ones are none."""
    bits = [place[bit] for bit in table.inputs]
    live = list(dict.fromkeys(bit for bit in bits if bit not in (ZERO, ONE)))
    address = np.arange(1 << len(live))
    at = np.zeros_like(address)
    for k, bit in enumerate(bits):
        at |= (address >> live.index(bit) & 1 if bit in live else int(bit == ONE)) << k
    return reduce_table(live, _truth(table)[at])
