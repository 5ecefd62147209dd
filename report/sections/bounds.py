"""Lower bounds and roofline: how fast a layer could be with its banks, and the whole with everything the device has.

    words       a layer takes at most one word of its input a cycle
    adders      additions / (lanes * banks); of the device: / (LUTs / mean accumulator bits)
    memory      weight bits read / bits its memories give a cycle; of the device: / (block RAMs * bits of their port)

Weights that are constants in logic are read from no memory.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.report.quantities import Json, column, quantity, significant, table
from s2nn_hw.report.sections.layers import BOUND, LayerRow
from s2nn_hw.report.sections.measure import Measured
from s2nn_hw.report.sections.work import stage_work

COLUMNS = {
    "words_bound": column("cycles", "formula", "words of its input"),
    "adders_bound": column("cycles", "formula", "additions / (lanes * banks)"),
    "memory_bound": column("cycles", "formula", "weight bits / bits that its memories give a cycle"),
    "bound": column("cycles", "formula", BOUND),
    "interval": column("cycles", "formula", "engine that nobody holds up"),
    "ratio": column("ratio", "formula", "interval / bound"),
    "additions_per_cycle": column("additions/cycle", "formula", "at the circuit's mean interval"),
    "weight_bits_per_cycle": column("bits/cycle", "formula", "at the circuit's mean interval"),
}


@dataclass(frozen=True)
class _Load:
    """What a stage asks for in a frame: ``additions``, ``stored`` bits of weights read, and the ``width`` of the sums.

    ``width``: additions times bits of the widest accumulator.
    """

    additions: float
    stored: float
    width: float

    @classmethod
    def of(cls, stage: Stage, row: LayerRow, additions: float) -> "_Load":
        """Return that of ``stage``."""
        engine, weights = stage.engine, row.stage.weights
        if engine is None or weights is None:
            return cls(additions, 0.0, 0.0)
        stored = additions * weights.bits if any(deep > 1 for _, deep, _ in engine.memories) else 0.0
        return cls(additions, stored, additions * weights.accumulator_bits[-1])


def bounds(design: Design, rows: Sequence[LayerRow], measured: Measured, *, board: BoardFacts | None = None) -> Json:
    """Return ``{"device", "layers"}`` of the report, all of the images whose cycles were ``measured``.

    ``rows``: of :func:`s2nn_hw.report.sections.layers.layer_rows`; ``board``: if None, ``device`` is None.
    """
    interval = float(measured.intervals.mean()) if measured.intervals.size else None
    lines, loads = [], []
    for stage, row in zip(design.stages, rows, strict=True):
        load = _Load.of(stage, row, stage_work(design.network, stage, measured.timed_ones).synaptic_operations)
        lines.append(_line(stage, row, load, interval))
        loads.append(load)
    device = _device(design, loads, interval, board) if board else None
    return {"device": device, "layers": table(COLUMNS, lines)}


def _line(stage: Stage, row: LayerRow, load: _Load, interval: float | None) -> Json:
    """Return a stage's row of the table."""
    engine, weights, adders, memory = stage.engine, row.stage.weights, None, None
    if engine is not None and weights is not None:
        each = engine.lanes * engine.terms
        adders = significant(load.additions / each)
        memory = significant(load.stored / (each * weights.bits)) if load.stored else None
    return {
        "name": stage.name,
        "words_bound": sum(r.frame_words for r in stage.readers),
        "adders_bound": adders,
        "memory_bound": memory,
        "bound": row.cycles.bound,
        "interval": row.cycles.alone_interval,
        "ratio": row.cycles.alone_to_bound,
        "additions_per_cycle": _per_cycle(load.additions, interval),
        "weight_bits_per_cycle": _per_cycle(load.stored, interval),
    }


def _per_cycle(count: float, interval: float | None) -> float | None:
    """Return ``count`` over the interval, None without one."""
    return significant(count / interval) if interval else None


@dataclass(frozen=True)
class _Needed:
    """Cycles of a frame that what the device has allows at best, by what it is of."""

    words: float
    adders: float
    memory: float

    @property
    def by(self) -> str:
        """Which of them is the largest."""
        each = asdict(self)
        return max(each, key=each.__getitem__)

    @property
    def most(self) -> float:
        """The largest."""
        return max(self.words, self.adders, self.memory)


def _device(design: Design, loads: Sequence[_Load], interval: float | None, board: BoardFacts) -> Json:
    """Return what the device could give a cycle, what a frame needs, and the bounds that follow."""
    family, budget = FAMILIES[board.family], board.budget
    additions, weights = sum(load.additions for load in loads), sum(load.stored for load in loads)
    width = sum(load.width for load in loads)
    port = max(wide / share for share, _, shapes in family.blocks for _, wide in shapes)
    bits = budget["brams"].budget * port
    adders = budget["luts"].budget / (width / additions) if additions else None
    needed = _Needed(design.beats, additions / adders if adders else 0.0, weights / bits)

    def cycles(value: float, by: str) -> Json:
        return quantity(significant(float(value)), "cycles", "formula", by)

    found: Json = {
        "adders_per_cycle": quantity(
            significant(adders), "additions/cycle", "formula", "LUT budget / mean accumulator bits"
        ),
        "bram_bits_per_cycle": quantity(
            significant(float(bits)), "bits/cycle", "formula", f"block RAM budget * {port:g} bits"
        ),
        "additions": quantity(significant(additions), "additions/frame", "golden model"),
        "weight_bits": quantity(significant(weights), "bits/frame", "golden model", "additions * weight bits"),
        "words_bound": cycles(needed.words, "beats of the input"),
        "adders_bound": cycles(needed.adders, "additions / adders_per_cycle"),
        "memory_bound": cycles(needed.memory, "weight_bits / bram_bits_per_cycle"),
        "bound": cycles(needed.most, "the largest of the three"),
        "bound_by": needed.by,
    }
    if interval:  # there is none where no frame follows another
        found["interval"] = cycles(interval, "mean over the frames")
        found["ratio"] = quantity(significant(interval / needed.most), "ratio", "formula", "interval / bound")
    return found
