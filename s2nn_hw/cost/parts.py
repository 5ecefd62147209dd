"""What each part of the circuit costs: engines, windows, neurons, joins; fitted prices are in ``families``."""

from math import ceil

import numpy as np

from s2nn_hw.circuit.engines.parallel import ParallelParams
from s2nn_hw.circuit.engines.params import memory_columns
from s2nn_hw.circuit.unroll.cost import cost, predict_luts
from s2nn_hw.cost.memory import Cost, multiplexer, ram, rom

PIPELINE = 1  # LUTs of a pipeline's level: its room and its clock enable
PREDICTED_FFS = 1.3  # flip-flops a LUT, of logic that nobody has searched for yet
CONSTANT_TREE = 0.65  # of an adder tree's LUTs, for each weight that is no 0, where weights are constants


def bits_for(count):
    return max(1, (count - 1).bit_length())


def adder_bits(terms, bits):
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


def constant_share(params):
    """Return which share of a tree over constant weights is left: spikes are all that varies, zeros add nothing."""
    return CONSTANT_TREE * float((params.weights != 0).mean())


def accumulators(family, params, terms):
    """Return the cost of the trees over ``terms`` values a lane and of the accumulators behind them."""
    widths = params.accumulator_widths()
    adders, registers = adder_bits(terms, max(params.bits, 2))
    total = int(widths.sum())

    def chain(bits):
        return family.carry * ceil(bits / family.carry)

    start = params.start()[0]
    presets = sum(
        int(value & ((1 << int(width)) - 1)).bit_count() for value, width in zip(start[0].tolist(), widths, strict=True)
    )
    luts = sum(chain(int(width)) for width in widths) + family.preset * presets
    tree = params.lanes * adders * (1 if family.carry == 1 else 1.15)
    if isinstance(params, ParallelParams) and params.rows == 1:  # constants
        tree *= constant_share(params)
        registers *= constant_share(params)
    luts += tree + (family.double if params.planes > 1 else family.reload) * total
    if params.groups > 1:
        ways = params.groups if params.planes == 1 else 2 * params.groups
        luts += total * family.start * max(1, ways / 16)
    return Cost(luts=luts, ffs=total + params.lanes * registers)


def weight_memory(family, params):
    """Return the cost of the memories of weights of one engine."""
    if not params.memories:
        return Cost()
    if isinstance(params, ParallelParams):
        parts = [(params.bits, _columns(params))]
    else:
        parts = [(section.bits, None) for section in params.sections]
    return sum(
        (
            rom(family, rows, part, params.memory, bits=bits, columns=columns) * count
            for (count, rows, width), (bits, columns) in zip(params.memories, parts, strict=True)
            if rows > 1
            for part in (memory_columns(rows, width) if params.kind == "event" else [width])
        ),
        Cost(),
    )


def _columns(params):
    """Return how many different columns a parallel engine's memory has, constants apart; None where they hardly repeat.

    Equal columns are one in logic, with one register.
    """
    if not 1 < params.rows <= 64:
        return None
    lanes = np.arange(params.lanes)[:, None]
    rows = params.weights.transpose(0, 2, 1, 3)[:, :, lanes, params.inputs_of_lane].reshape(params.rows, -1)
    codes = ((rows < 0) if params.bits == 1 else rows.astype(np.int64) & ((1 << params.bits) - 1)).astype(np.uint64)
    planes = np.concatenate([codes >> np.uint64(b) & np.uint64(1) for b in range(params.bits)], axis=1)
    found = np.unique((planes << np.arange(params.rows, dtype=np.uint64)[:, None]).sum(axis=0, dtype=np.uint64))
    return int(((found != 0) & (found != (1 << params.rows) - 1)).sum())


def event_engine(family, p):
    """Return the cost of an event engine: queues, scanners, rows, trees, accumulators."""
    cost = weight_memory(family, p) + accumulators(family, p, p.all_banks)
    for section, (_, rows, width) in zip(p.sections, p.memories, strict=True):
        index = bits_for(p.groups * section.rows)
        queue = ram(family, p.depth, section.share + index + p.tag_bits, registered=False)
        row, pointer = index + bits_for(section.share), bits_for(p.depth)
        sign = 3 if section.bits == 1 else 0
        scanner = Cost(
            luts=family.scan * section.share + 6, ffs=2 * section.share + index + row + 3 * pointer + 2 + sign
        )
        head = Cost(luts=(section.share + index) / 2, ffs=section.share + index + p.tag_bits + 4)
        stored = rom(family, rows, width, p.memory, bits=section.bits)
        gated = Cost(ffs=width * (2 - _absorbs(family, stored)))
        cost += (queue + head + scanner + gated) * section.banks
    index = bits_for(p.groups * p.table_words)
    control = index * (2 if p.pooled or p.planes > 1 else 1) + bits_for(p.groups) + bits_for(p.repeats)
    return cost + Cost(luts=family.layer + control, ffs=index + 9 + control + p.capture_cycles * (2 + p.planes // 2))


def parallel_engine(family, p):
    """Return the cost of a parallel engine: gated registers of weights, trees, accumulators."""
    gates = p.lanes * p.terms * p.bits * (constant_share(p) / 2 if p.rows == 1 else 1)
    index = bits_for(p.groups * p.table_words)
    cost = weight_memory(family, p) + accumulators(family, p, p.terms)
    late = p.capture_cycles * (2 + p.planes // 2)
    raw = p.row_bits * (1 - _absorbs(family, weight_memory(family, p))) if p.rows > 1 else 0
    return cost + Cost(luts=family.layer + index, ffs=gates + raw + 2 * p.width + index + 9 + late)


def _absorbs(family, memory):
    """Return whether builds take the register behind ``memory`` (a :class:`Cost`) into its block RAM."""
    return family.name == "xc7" and memory.brams > 0


def unrolled_engine(family, p, *, predicted):
    """Return the cost of an unrolled engine: of its logic, or as ``predicted`` without the search for it."""
    held = (p.words - 1) * p.width + bits_for(p.words)
    if not predicted:
        found = cost(p.logic, family.name, levels=p.levels, chain=p.chain)
        return Cost(luts=found.luts + PIPELINE * p.registers, ffs=found.ffs + held + p.registers)
    luts = 0.0
    while p is not None:
        luts += float(predict_luts(p.weights.reshape(p.lanes, -1), f"lut{p.lut}").sum())
        p = p.inner
    return Cost(luts=luts, ffs=PREDICTED_FFS * luts + held)


def winner(family, classes, width, registers):
    """Return the cost of the argmax behind an unrolled readout."""
    return Cost(luts=family.winner * (classes - 1) * width, ffs=classes * width * (1 + registers) + registers)


def engine(family, params, *, predicted=False):
    """Return the cost of an engine of any kind; ``predicted``: that of logic without the search for it."""
    if params.kind == "unrolled":
        return unrolled_engine(family, params, predicted=predicted)
    return (event_engine if params.kind == "event" else parallel_engine)(family, params)


def window(family, w):
    """Return the cost of a window: the ring, read at ``taps`` addresses, counters, and a register for what leaves."""
    store = ram(family, 1 << w.address_bits, w.width * w.planes, registered=True, ports=w.taps, block=w.wants_block)
    leaving = w.taps * w.width
    sliding = w.kernel[0] * w.kernel[1] > 1
    control = family.window[1 if sliding else 0] + (family.window[2] if w.pool > 1 else 0)
    gate = family.gate if w.padding or w.planes > 1 else 0
    luts = control + leaving * (gate + multiplexer(family, w.planes))
    return store + Cost(luts=luts, ffs=leaving + (62 if sliding else 40))


def fire_unit(family, stage, width):
    """Return the cost of a layer's neurons: groups and cells collected, room for ``slots`` cells, cut into words."""
    p, neurons = stage.engine, stage.neurons
    if p.kind == "unrolled":
        return Cost(luts=(width * multiplexer(family, ceil(neurons / width))) if neurons > width else 0)
    words = ceil(neurons / width)
    cost = Cost(luts=family.fire * p.lanes + width * multiplexer(family, words), ffs=bits_for(words) + 2)
    if p.groups * p.repeats > 1:
        held = p.lanes * p.groups
        joined = p.lanes * (1 + multiplexer(family, p.groups)) if p.repeats > 1 else 0
        cost += Cost(luts=joined + p.groups / 2 + 6, ffs=held + bits_for(p.groups) + bits_for(p.repeats))
    if p.slots > 1:
        cost += ram(family, p.slots, neurons, registered=False) + Cost(luts=10, ffs=3 * bits_for(p.slots))
    else:
        cost += Cost(ffs=neurons + 1)
    return cost


def readout_unit(family, classes, width, stage):
    """Return the cost of the scores' register and their argmax, a comparison per register."""
    levels = (classes - 1).bit_length()
    ffs, size = classes * width + max(1, levels) + 1, classes
    while size > 1:
        size = ceil(size / 2)
        ffs += size * (width + levels)
    cost = Cost(luts=family.argmax * (classes - 1) * width, ffs=ffs)
    if stage.engine.groups > 1:
        cost += Cost(luts=stage.engine.groups, ffs=stage.engine.groups * stage.engine.lanes * width)
    return cost


def joining(family, stage):
    """Return the cost of what merges the sources of a stage, and of the OR of a stage without weights."""
    cost = Cost()
    if len(stage.readers) > 1:
        width = max(r.tensor.width * (r.window.taps if r.window else 1) for r in stage.readers)
        cost += Cost(luts=width * multiplexer(family, len(stage.readers)) + 12, ffs=bits_for(stage.pass_words) + 1)
    if stage.engine is None:
        width = stage.readers[0].tensor.width
        cost += Cost(luts=width * (1 + ceil(stage.or_taps / (family.inputs - 1))) + 8, ffs=2 * width + 4)
    return cost
