"""LUTs, flip-flops, block RAMs of the circuit before any synthesis: an estimate from the plan and the tables' shapes.

Memories follow the synthesis tool's own rule (``families``). Everything else is counted from the circuit: a LUT per
accumulator and tree bit, a flip-flop per register, and measured prices for control (``docs/report.md`` has them
against synthesis).
"""

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.circuit.unroll.across import simplified
from s2nn_hw.circuit.unroll.cost import cost as cost_of_logic
from s2nn_hw.cost import parts
from s2nn_hw.design import CYCLE_BITS, TAG_BITS, Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.cost import Cost
from s2nn_hw.family.memory import bits_for, ram
from s2nn_hw.family.record import Family
from s2nn_hw.network.address_events import EventFormat, output_source

LABEL = "estimate"
LINK_FRAMES = 4  # what the link buffers
# LUTs and flip-flops of a link of events, memories left out, over those of one of frames (`benchmarks event-link`)
EVENTS_OVER_FRAMES = (1.95, 1.3)


@dataclass(frozen=True)
class Packing:
    """Weights of a stage: ``weight_bits`` of the network, the block RAMs that they take, and bits stored over theirs.

    ``packing`` is None where weights are in logic.
    """

    weight_bits: int = 0
    weight_brams: float = 0
    packing: float | None = None


@dataclass(frozen=True)
class StageEstimate:
    """What the stage ``name`` takes, and its ``weights``."""

    name: str
    luts: int
    ffs: int
    brams: float
    weights: Packing

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able, what its weights take beside the rest."""
        counts = {"name": self.name, "luts": self.luts, "ffs": self.ffs, "brams": self.brams}
        return counts | asdict(self.weights)


@dataclass(frozen=True)
class Estimate:
    """What an accelerator takes: ``luts``, ``ffs``, ``brams`` (halves of RAMB36 on xc7), ``dsps``.

    ``cells``: the LUTs with what else takes a logic cell once placed; ``source``: :data:`LABEL`; ``lut_kind``,
    ``bram_kind``: what is counted; ``layers``: one a stage.
    """

    luts: int
    ffs: int
    brams: float
    dsps: int
    cells: int
    source: str
    lut_kind: str
    bram_kind: str
    layers: tuple[StageEstimate, ...]

    def counts(self) -> dict[str, float]:
        """Return the counts by resource."""
        return {"luts": self.luts, "ffs": self.ffs, "brams": self.brams, "dsps": self.dsps}

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        about = {"cells": self.cells, "source": self.source, "lut_kind": self.lut_kind, "bram_kind": self.bram_kind}
        return self.counts() | about | {"layers": [layer.to_json() for layer in self.layers]}


def stage_cost(family: Family, stage: Stage, width: int, *, predicted: bool = False) -> Cost:
    """Return the :class:`Cost` of one stage: windows, joins, engine, neurons that give words of ``width`` spikes.

    ``predicted``: logic is not searched for, see :func:`~s2nn_hw.circuit.engines.params.EngineParams.cost`.

    The argmax behind a readout is not in it.
    """
    cost = sums_cost(family, stage, predicted=predicted)
    if stage.engine is not None and not stage.is_readout:
        cost += stage.engine.neurons_cost(family, stage, width=width)
    return cost


def sums_cost(family: Family, stage: Stage, *, predicted: bool = False) -> Cost:
    """Return the :class:`Cost` of one stage without its neurons, see :func:`stage_cost`."""
    cost = sum((parts.window(family, r.window) for r in stage.readers if r.window), Cost())
    cost += parts.joining(family, stage)
    return cost + stage.engine.cost(family, predicted=predicted) if stage.engine is not None else cost


def link_cost(family: Family, beats: int, bits: int) -> Cost:
    """Return the :class:`Cost` of the UART host link: packets, and a buffer of :data:`LINK_FRAMES` frames, each of so
    many ``beats`` of ``bits``."""
    words = LINK_FRAMES << (beats - 1).bit_length()
    luts, ffs, luts_bit, ffs_bit = family.link
    return Cost(luts + luts_bit * bits, ffs + ffs_bit * bits, ram(family, words, bits, registered=True).brams)


def design_link_cost(family: Family, design: Design) -> Cost:
    """Return the :class:`Cost` of the host link of ``design``."""
    return link_cost(family, design.beats, design.pixels_per_beat * design.network.input.bits)


def event_link_cost(family: Family, design: Design) -> Cost:
    """Return the :class:`Cost` of the link of ``design`` that takes events and lists first spikes.

    Its frames are read in a second place, where events are put; the words of the layer whose spikes leave are kept for
    as many frames, and the bytes of one list.
    """
    frames = design_link_cost(family, design)
    bits, beats = design.pixels_per_beat * design.network.input.bits, LINK_FRAMES << (design.beats - 1).bit_length()
    leaving = design.tensors[output_source(design.network)]
    words, width = LINK_FRAMES << (leaving.words - 1).bit_length(), leaving.width * leaving.planes.count
    kept = ram(family, words, width, registered=True)
    listed = ram(family, EventFormat.of_output(design.network).most_bytes, 8, registered=True)
    put = ram(family, beats, bits, registered=True, ports=2)
    luts, ffs = (share * count for share, count in zip(EVENTS_OVER_FRAMES, (frames.luts, frames.ffs), strict=True))
    return Cost(luts, ffs, put.brams) + kept + listed


def streaming_cost(family: Family, design: Design) -> Cost:
    """Return the :class:`Cost` of what keeps results, and when their frames began, where frames never wait."""
    engine, classes, places = design.stages[-1].engine, len(design.network.classes), design.frames_under_way
    width = classes * (design.score_width - engine.unsigned) + bits_for(classes)
    kept = ram(family, places, width, registered=False) + ram(family, places, TAG_BITS, registered=False)
    pointers = 3 * bits_for(places + 1)
    return kept + Cost(luts=2 * TAG_BITS + pointers + 4, ffs=3 * TAG_BITS + pointers)


def frame_cost(family: Family, design: Design) -> Cost:
    """Return the :class:`Cost` of what stands around the stages: argmax, cycle counters, input."""
    last = design.stages[-1]
    readout = last.engine.neurons_cost(family, last, score_width=design.score_width, queued=design.streaming)
    if design.streaming:
        return readout + streaming_cost(family, design)
    forks = sum(sum(r.source == name for s in design.stages for r in s.readers) - 1 for name in design.tensors)
    return readout + around_cost(family, frames_under_way=design.frames_under_way, forks=forks, beats=design.beats)


def across_cost(family: Family, design: Design) -> list[Cost]:
    """Return, of each stage, what synthesis takes away where all are logic, one behind the other, as a :class:`Cost` of
    negative counts: neurons that are equal, constant or unread."""
    stages, engines = design.stages, [stage.engine for stage in design.stages]
    sources = [stage.readers[0].source for stage in stages]
    chained = sources[1:] == [stage.output for stage in stages[:-1]]
    if not (design.streaming and chained) or any(engine.ladder for engine in engines):
        return [Cost()] * len(stages)
    found = []
    for engine, logic in zip(engines, simplified([engine.logic for engine in engines]), strict=True):
        before, after = (
            cost_of_logic(one, family.name, levels=engine.levels, chain=engine.chain) for one in (engine.logic, logic)
        )
        found.append(Cost(luts=after.luts - before.luts, ffs=after.ffs - before.ffs))
    return found


def around_cost(family: Family, *, frames_under_way: int, forks: int, beats: int) -> Cost:
    """Return the :class:`Cost` of cycle counters and input of a circuit that frames may wait in.

    ``forks``: readers of tensors beyond the first.
    """
    starts = ram(family, frames_under_way, CYCLE_BITS, registered=False)
    return starts + Cost(luts=family.fixed + 2 * forks, ffs=2 * CYCLE_BITS + 2 * bits_for(beats) + 27)


def estimate(design: Design, family: str, *, link: bool = False, events: bool = False) -> Estimate:
    """Return the :class:`Estimate` of the accelerator.

    ``family``: one of ``FAMILIES``. ``link``: the UART host link counts too, with ``events`` the one that takes frames
    as events; clock and reset never do.
    """
    if family not in FAMILIES:
        raise UserError(f"device family {family!r} is unknown; known: {', '.join(FAMILIES)}")
    kind = FAMILIES[family]
    widths = {name: tensor.width for name, tensor in design.tensors.items()}
    costs = [stage_cost(kind, stage, widths.get(stage.output, 0)) for stage in design.stages]
    costs = [cost + less for cost, less in zip(costs, across_cost(kind, design), strict=True)]
    total = sum(costs, frame_cost(kind, design))
    if link:
        total += (event_link_cost if events else design_link_cost)(kind, design)
    return Estimate(
        luts=ceil(total.luts),
        ffs=ceil(total.ffs),
        brams=_plain(total.brams),
        dsps=0,
        cells=ceil(kind.cells(total)),
        source=LABEL,
        lut_kind=kind.lut_kind,
        bram_kind=kind.bram_kind,
        layers=tuple(
            StageEstimate(stage.name, ceil(cost.luts), ceil(cost.ffs), _plain(cost.brams), packing(kind, stage))
            for stage, cost in zip(design.stages, costs, strict=True)
        ),
    )


def packing(family: Family, stage: Stage) -> Packing:
    """Return the :class:`Packing` of the weights of ``stage``."""
    if stage.engine is None:
        return Packing()
    bits = sum(s.weights.size * s.bits for s in stage.layer.synapses)
    brams = stage.engine.memory_cost(family).brams
    return Packing(bits, _plain(brams), round(bits / (brams * family.block_bits), 4) if brams else None)


def _plain(count: float) -> float:
    return int(count) if count == int(count) else count
