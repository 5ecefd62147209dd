"""Energy of a frame that candidates are compared by, an estimate in 45 nm: additions and reads of weights.

    E = sum over layers of  (synaptic operations) e_add + (bits of weights read) e_read(bits of the memory read from)

Reads are those of the plan: the event engine reads a row of its bank's memory for each spike and pass, the parallel
engine the whole table. So fewer bits, sparser spikes, more banks (smaller memories) and no parallel engine save energy.
Constants are those of M. Horowitz, "Computing's energy problem", ISSCC 2014: a 64-bit access takes 10 pJ from 8 KiB,
20 pJ from 32 KiB, 100 pJ from 1 MiB; between and below them a power of the size is taken, which is ours. Clock, wires,
spikes under way and leakage are left out: the figure ranks plans and is no board's.
"""

from math import log

import numpy as np

from s2nn_hw.engines.event import EventParams
from s2nn_hw.report.energy import PJ
from s2nn_hw.report.work import stage_work

ACCESS_BITS = 64
SRAM_PJ = ((8, 10.0), (32, 20.0), (1024, 100.0))  # KiB, pJ of an access


def read_pj(memory_bits):
    """Return the picojoules of reading one bit from a memory of ``memory_bits``."""
    kib = max(memory_bits, 1) / 8192
    (low, low_pj), (high, high_pj) = SRAM_PJ[:2] if kib <= SRAM_PJ[1][0] else SRAM_PJ[1:]
    slope = log(high_pj / low_pj) / log(high / low)
    return low_pj * (kib / low) ** slope / ACCESS_BITS


def weight_reads(stage, ones):
    """Return ``[(bits read a frame, bits of the memory)]`` of a stage, mean over frames.

    ``ones``: of this stage, see :meth:`s2nn_hw.timing.Timing.ones`.
    """
    engine = stage.engine
    if engine is None:
        return []
    if not isinstance(engine, EventParams):
        passes = len(stage.positions) * engine.groups * engine.planes * engine.words
        return [(passes * width, rows * width) for _, rows, width in engine.memories]
    found, first = [], 0
    passes = engine.groups // ones.shape[2]
    for section, (_, rows, width) in zip(engine.sections, engine.memories, strict=True):
        read = float(ones[..., first : first + section.banks].sum()) if ones.shape[-1] > 1 else float(ones.sum())
        found.append((read / len(ones) * passes * width, rows * width))
        first += section.banks
    return found


def frame_energy(design, ones, values):
    """Return the nanojoules of a frame, mean over frames, rounded to the picojoule.

    ``ones`` of every stage; ``values``: of every tensor by name, uint8 ``(frames, size)``.
    """
    means = {name: np.bitwise_count(x).mean(axis=0, dtype=np.float64) for name, x in values.items()}
    total = 0.0
    for stage, table in zip(design.stages, ones, strict=True):
        total += stage_work(design.network, stage, means)["synaptic_operations"] * PJ["int32_add"]
        total += sum(bits * read_pj(memory) for bits, memory in weight_reads(stage, table))
    return round(total / 1000, 3)
