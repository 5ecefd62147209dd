"""Energy of a frame that candidates are compared by, an estimate in 45 nm: additions and reads of weights.

    E = sum over layers of  (synaptic operations + g) e_add(a) + (bits of weights read) e_bit(bits of their memory)

a: bits of the widest accumulator of the layer; g: actions of its neurons, where they have several planes or steps.
Reads are those of the plan: the event engine reads a row of its bank's
memory for each spike and pass, the parallel engine the whole table. So fewer bits, sparser spikes, several banks
(smaller memories) and no parallel engine save energy. Constants are those of :mod:`s2nn_hw.report.energy.arithmetic`,
whose figure counts a read per operation whatever the plan. Clock, wires, spikes under way and leakage are left out: the
figure ranks plans and is no device's.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.design import Design
from s2nn_hw.report.energy.arithmetic import WORD, access_pj, add_pj
from s2nn_hw.report.sections.overview import TimeOverview
from s2nn_hw.report.sections.work import Ones, stage_work


def weight_reads(stage: Stage, ones: np.ndarray) -> list[tuple[float, int]]:
    """Return ``[(bits read a frame, bits of the memory)]`` of a stage, mean over frames.

    ``ones``: of this stage, see :meth:`s2nn_hw.cycles.timing.Timing.ones`.
    """
    return stage.engine.weight_reads(len(stage.positions), ones) if stage.engine else []


def frame_energy(design: Design, ones: Sequence[np.ndarray], values: Mapping[str, np.ndarray]) -> float:
    """Return the nanojoules of a frame, mean over frames, rounded to the picojoule.

    ``ones`` of every stage; ``values``: of every tensor by name, uint8 ``(frames, size)``.
    """
    means = Ones(
        {name: np.bitwise_count(x).mean(axis=0, dtype=np.float64) for name, x in values.items()},
        {name: (x != 0).mean(axis=0) for name, x in values.items()},
    )
    total = 0.0
    for stage, table in zip(design.stages, ones, strict=True):
        if stage.engine is not None:
            wide = int(stage.engine.accumulator_widths().max())
            acting = len(stage.positions) * stage.neurons * TimeOverview.of(design.network, stage).actions
            total += (stage_work(design.network, stage, means).synaptic_operations + acting) * add_pj(wide)
        total += sum(bits / WORD * access_pj(memory) for bits, memory in weight_reads(stage, table))
    return round(total / 1000, 3)
