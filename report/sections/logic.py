"""Where the LUTs of unrolled layers go, and what they buy: initiation interval, latency, LUTs times latency."""

from math import ceil

import numpy as np

from s2nn_hw.circuit.unroll.cost import cost
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.family import FAMILIES
from s2nn_hw.plan.defaults import encodes
from s2nn_hw.report.quantities import column, quantity, significant, table
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


def encoder(stage):
    """Return whether ``stage`` is a layer that only encodes pixels (:func:`s2nn_hw.plan.defaults.encodes`)."""
    return not stage.fused and not stage.is_readout and encodes(stage.layer)


def logic_section(design, board, *, interval, latency, clock_mhz):
    """Return the section ``logic`` of a report; None where no weights are logic.

    LUTs are estimates of the accelerator without link for ``board``, which may be None. ``interval``: cycles between
    frames, mean, or None for a single frame; ``latency``: cycles of a frame, mean; ``clock_mhz`` or None.
    Parts: ``encoder`` (a first layer that only compares pixels; planes of pixels are wires, thresholds that the next
    layer's tables take in cost nothing), ``tables`` and ``trees`` (adders) of hidden layers, ``readout`` (sums of the
    scores), ``argmax``, ``rest`` (other engines, cycle count, control of the pipeline).
    """
    unrolled = [stage for stage in design.stages if stage.engine and stage.engine.constant]
    if not unrolled:
        return None
    result = {
        "streaming": design.streaming,
        "initiation_interval": quantity(significant(interval), "cycles", "formula", "mean, frames back to back")
        if interval
        else None,
        "latency": {
            "cycles": quantity(significant(latency), "cycles", "formula", "mean, a frame alone"),
            "ns": quantity(significant(1000 * latency / clock_mhz), "ns", "formula", f"cycles / {clock_mhz:g} MHz")
            if clock_mhz
            else None,
        },
        "luts": None,
        "lut_ns": None,
        "parts": None,
        "layers": None,
    }
    if not board:
        return result
    family, guess = FAMILIES[board.family], estimate(design, board.family)
    luts, rows = dict.fromkeys(PARTS, 0), []
    for stage in unrolled:
        found = cost(stage.engine.logic, board.family, levels=stage.engine.levels, chain=stage.engine.chain)
        if stage.is_readout:
            luts["readout"] += found.luts
            luts["argmax"] = ceil(stage.engine.neurons_cost(family, stage, score_width=stage.engine.score_width).luts)
        elif encoder(stage):
            luts["encoder"] += found.luts
        else:
            luts["tables"] += found.tables
            luts["trees"] += found.chains
        synapses = sum(int(np.count_nonzero(s.weights)) for one in stage.layers for s in one.synapses)
        rows.append(_row(stage.name, found.luts, guess["luts"], synapses, stage.engine))
    luts["rest"] = guess["luts"] - sum(luts.values())
    kind, total = board.budget["luts"].kind, guess["luts"]
    counts = {"total": total, "without_encoder": total - luts["encoder"], "encoder": luts["encoder"]}

    def lut(value, by):
        band = [significant(value * end) for end in LUT_BAND]
        return quantity(value, kind, "estimate", by, band)

    result["luts"] = {
        name: lut(value, "accelerator without link" if name == "total" else name.replace("_", " "))
        for name, value in counts.items()
    }
    if clock_mhz:
        ns = 1000 * latency / clock_mhz
        result["lut_ns"] = {
            name: quantity(
                significant(counts[name] * ns),
                f"{kind} ns",
                "estimate",
                "LUTs x latency",
                [significant(counts[name] * ns * end) for end in LUT_BAND],
            )
            for name in ("total", "without_encoder")
        }
    result["parts"] = table(
        {name: COLUMNS[name] for name in ("luts", "share")},
        [{"name": name, "luts": count, "share": significant(count / total)} for name, count in luts.items()],
    )
    result["layers"] = table(COLUMNS, rows)
    return result


def _row(name, luts, total, synapses, engine):
    return {
        "name": name,
        "luts": luts,
        "share": significant(luts / total),
        "synapses": synapses,
        "luts_per_synapse": significant(luts / synapses) if synapses else None,
        "levels": engine.logic.depth,
        "registers": engine.registers,
    }
