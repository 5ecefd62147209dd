"""What a circuit of sequences takes, an estimate: registers and what stands in front of them, vectors, memories.

Prices a bit are fitted to builds by yosys (``python -m benchmarks recurrent``); memories follow the rules of
:mod:`s2nn_hw.family.memory`.
"""

from math import ceil

from s2nn_hw.circuit.recurrent.params import RecurrentParams
from s2nn_hw.cycles.ticks import UNDER_WAY
from s2nn_hw.design import CYCLE_BITS
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, ram, rom
from s2nn_hw.family.record import Family
from s2nn_hw.sequence_design import SequenceDesign, sequences_kept

# look-up tables of 6 and of 4 inputs: a bit of a lane's registers, one of a state that is loaded from a memory, one of
# a vector that is scanned, one of a score, a layer
PRICES = {6: (1.9, 3.2, 0.9, 1.6, 40), 4: (3.0, 1.2, 2.0, 2.2, 60)}
LEAST = 0.6  # of an estimate: below that a build is refused; those measured took 0.94 to 1.5 of theirs


def layer_cost(family: Family, p: RecurrentParams) -> Cost:
    """Return the :class:`Cost` of one layer."""
    register, loaded, scanned, _, layer = PRICES[family.inputs]
    wide = sum(r.width for r in p.registers.values())
    vectors = sum(source.bits for source in p.sources)
    kept = sum(source.bits for source in p.sources if not source.direct)
    given = 0 if p.is_readout else p.neuron.size * p.neuron.planes.count
    luts = p.lanes * wide * register + vectors * scanned + layer
    ffs = p.lanes * (wide + 1) + kept + given + len(p.chunk_rows) + 2 * p.choice.width + 20
    cost = Cost(luts=luts, ffs=ffs) + rom(family, len(p.rows), p.lanes * p.bits, p.choice.memory)
    if p.groups > 1:
        cost += Cost(luts=p.lanes * p.state_bits * loaded, ffs=3 * bits_for(p.groups))
        cost += ram(family, p.groups, p.lanes * p.state_bits, registered=True)
    return sum((ram(family, words, bits, registered=True) for words, bits in p.memories), cost)


def circuit_cost(family: Family, design: SequenceDesign, *, link: bool) -> Cost:
    """Return the :class:`Cost` of ``design``; ``link``: behind the host link, with its memory of recordings."""
    score, entering = PRICES[family.inputs][3], design.network.input
    scores = design.score_width * len(design.network.classes)
    around = Cost(luts=score * scores + 3 * CYCLE_BITS, ffs=scores + design.score_width + 2 * CYCLE_BITS + 20)
    around += Cost(luts=10, ffs=entering.size * entering.bits) + ram(family, UNDER_WAY, CYCLE_BITS, registered=False)
    total = sum((layer_cost(family, stage) for stage in design.stages), around)
    if link:
        luts, ffs, luts_bit, ffs_bit = family.link
        bits = design.pixels_per_beat * entering.bits
        rows = entering.frames * design.beats
        kept = ram(family, sequences_kept(rows, bits) * rows, bits, registered=True, block=True)
        total += kept + Cost(luts + luts_bit * bits, ffs + ffs_bit * bits)
    return total


def counts(family: Family, cost: Cost) -> dict[str, float]:
    """Return ``luts``, ``ffs`` and ``brams`` of ``cost``, as a board counts them once they are placed."""
    return {"luts": ceil(family.cells(cost)), "ffs": ceil(cost.ffs), "brams": ceil(2 * cost.brams) / 2}


def least_counts(family: Family, design: SequenceDesign) -> dict[str, float]:
    """Return what :func:`counts` of ``design`` behind the host link are at least, by :data:`LEAST`."""
    found = counts(family, circuit_cost(family, design, link=True))
    return {name: count if name == "brams" else LEAST * count for name, count in found.items()}
