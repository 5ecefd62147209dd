"""Where the LUTs of unrolled layers go, and what they buy: initiation interval, latency, LUTs times latency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.circuit.unroll.cost import cost
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.design import Design
from s2nn_hw.family import FAMILIES
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.plan.defaults import encodes
from s2nn_hw.report.quantities import Json, column, quantity, significant, table
from s2nn_hw.report.sections.layers import LUT_BAND

COLUMNS = {
    "luts": column("LUTs", "estimate", "s2nn_hw/circuit/unroll/cost.py, s2nn_hw/cost/parts.py", LUT_BAND),
    "share": column("share", "estimate", "of the accelerator", LUT_BAND),
    "synapses": column("synapses", "setting", "weights that are not zero"),
    "luts_per_synapse": column("LUTs/synapse", "estimate", "LUTs / synapses", LUT_BAND),
    "levels": column("levels", "formula", "tables and adders in a row"),
    "registers": column("cycles", "formula", "levels of registers"),
}
PARTS = ("encoder", "tables", "trees", "readout", "argmax", "rest")


def encoder(stage: Stage) -> bool:
    """Return whether ``stage`` is a layer that only encodes pixels (:func:`s2nn_hw.plan.defaults.encodes`)."""
    return not stage.fused and not stage.is_readout and encodes(stage.layer)


def logic_section(
    design: Design, board: BoardFacts | None, *, interval: float | None, latency: float, clock_mhz: float | None
) -> Json | None:
    """Return the section ``logic`` of a report; None where no weights are logic.

    LUTs are estimates of the accelerator without link for ``board``, which may be None. ``interval``: cycles between
    frames, mean, or None for a single frame; ``latency``: cycles of a frame, mean; ``clock_mhz`` or None.
    Parts: ``encoder`` (a first layer that only compares pixels; planes of pixels are wires, thresholds that the next
    layer's tables take in cost nothing), ``tables`` and ``trees`` (adders) of hidden layers, ``readout`` (sums of the
    scores), ``argmax``, ``rest`` (other engines, cycle count, control of the pipeline).
    """
    if not any(stage.engine and stage.engine.constant for stage in design.stages):
        return None
    ns = 1000 * latency / clock_mhz if clock_mhz else None
    result: Json = {
        "streaming": design.streaming,
        "initiation_interval": quantity(significant(interval), "cycles", "formula", "mean, frames back to back")
        if interval
        else None,
        "latency": {
            "cycles": quantity(significant(latency), "cycles", "formula", "mean, a frame alone"),
            "ns": quantity(significant(ns), "ns", "formula", f"cycles / {clock_mhz:g} MHz") if clock_mhz else None,
        },
        "luts": None,
        "lut_ns": None,
        "parts": None,
        "layers": None,
    }
    if not board:
        return result
    total = estimate(design, board.family).luts
    layers = [
        _LogicLayer.of(stage, stage.engine, board.family)
        for stage in design.stages
        if stage.engine and stage.engine.constant
    ]
    spent = _spent(layers, total)
    return (
        result
        | _whole(board.budget["luts"].kind, total, spent["encoder"], ns)
        | {
            "parts": table(
                {name: COLUMNS[name] for name in ("luts", "share")},
                [{"name": name, "luts": count, "share": significant(count / total)} for name, count in spent.items()],
            ),
            "layers": table(COLUMNS, [layer.to_json(total) for layer in layers]),
        }
    )


@dataclass(frozen=True)
class _LogicLayer:
    """A layer in logic: LUTs by part, weights that are not zero, ``levels`` of logic and of ``registers``."""

    name: str
    luts: int
    parts: Mapping[str, int]
    synapses: int
    levels: int
    registers: int

    @classmethod
    def of(cls, stage: Stage, engine: Any, family: str) -> "_LogicLayer":
        """Return that of a stage whose weights are logic, in ``engine``, for a device of ``family``."""
        found = cost(engine.logic, family, levels=engine.levels, chain=engine.chain)
        if stage.is_readout:
            winner = engine.neurons_cost(FAMILIES[family], stage, score_width=engine.score_width)
            spent = {"readout": found.luts, "argmax": ceil(winner.luts)}
        elif encoder(stage):
            spent = {"encoder": found.luts}
        else:
            spent = {"tables": found.tables, "trees": found.chains}
        synapses = sum(int(np.count_nonzero(s.weights)) for one in stage.layers for s in one.synapses)
        return cls(stage.name, found.luts, spent, synapses, engine.logic.depth, engine.registers)

    def to_json(self, total: int) -> Json:
        """Return its row of the table; ``total``: LUTs of the accelerator."""
        return {
            "name": self.name,
            "luts": self.luts,
            "share": significant(self.luts / total),
            "synapses": self.synapses,
            "luts_per_synapse": significant(self.luts / self.synapses) if self.synapses else None,
            "levels": self.levels,
            "registers": self.registers,
        }


def _spent(layers: Sequence[_LogicLayer], total: int) -> dict[str, int]:
    """Return LUTs by part, in the order of :data:`PARTS`; what no layer takes of ``total`` is the rest."""
    luts = {name: sum(layer.parts.get(name, 0) for layer in layers) for name in PARTS[:-1]}
    return luts | {PARTS[-1]: total - sum(luts.values())}


def _whole(kind: str, total: int, encoder_luts: int, ns: float | None) -> Json:
    """Return ``luts``, with and without the encoder, and ``lut_ns``: times the latency of ``ns``, None without it."""
    bare = total - encoder_luts
    made: Json = {
        "luts": {
            "total": _estimated(total, kind, "accelerator without link"),
            "without_encoder": _estimated(bare, kind, "without encoder"),
            "encoder": _estimated(encoder_luts, kind, "encoder"),
        }
    }
    if ns is not None:
        made["lut_ns"] = {
            name: _estimated(count * ns, f"{kind} ns", "LUTs x latency")
            for name, count in (("total", total), ("without_encoder", bare))
        }
    return made


def _estimated(value: float, unit: str, by: str) -> Json:
    """Return an estimate with the band of LUTs."""
    return quantity(significant(value), unit, "estimate", by, [significant(value * end) for end in LUT_BAND])
