"""What the parts around engines and neurons cost: windows, joins; fitted prices are in the family."""

from math import ceil

from s2nn_hw.circuit.geometry import WindowParams
from s2nn_hw.circuit.stage import Stage
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, multiplexer, ram
from s2nn_hw.family.record import Family


def window(family: Family, w: WindowParams) -> Cost:
    """Return the cost of a window: the ring, read at ``taps`` addresses, counters, and a register for what leaves."""
    store = ram(family, 1 << w.address_bits, w.width * w.value_bits, registered=True, ports=w.taps, block=w.wants_block)
    leaving = w.taps * w.width
    sliding = w.kernel[0] * w.kernel[1] > 1
    control = family.window[1 if sliding else 0] + (family.window[2] if max(w.pool) > 1 else 0)
    gate = family.gate if any(w.padding) or w.planes > 1 else 0
    chosen = ceil(2 * w.slot_bits / (family.inputs - 1)) if w.slot_bits else multiplexer(family, w.planes)
    luts = control + leaving * (gate + chosen)
    return store + Cost(luts=luts, ffs=leaving + (62 if sliding else 40))


def joining(family: Family, stage: Stage) -> Cost:
    """Return the cost of what merges the sources of a stage, and of the OR of a stage without weights."""
    cost = Cost()
    if len(stage.readers) > 1:
        width = max(r.tensor.width * (r.window.taps if r.window else 1) for r in stage.readers)
        cost += Cost(luts=width * multiplexer(family, len(stage.readers)) + 12, ffs=bits_for(stage.pass_words) + 1)
    if stage.engine is None:
        width = stage.readers[0].tensor.width
        cost += Cost(luts=width * (1 + ceil(stage.or_taps / (family.inputs - 1))) + 8, ffs=2 * width + 4)
    return cost
