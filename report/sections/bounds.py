"""Lower bounds and roofline: how fast a layer could be with its banks, and the whole with everything the device has.

    words       a layer takes at most one word of its input a cycle
    adders      additions / (lanes * banks); of the device: / (LUTs / mean accumulator bits)
    memory      weight bits read / bits its memories give a cycle; of the device: / (block RAMs * bits of their port)

Weights that are constants in logic are read from no memory.
"""

from s2nn_hw.family import FAMILIES
from s2nn_hw.report.quantities import column, quantity, significant, table
from s2nn_hw.report.sections.work import stage_work

COLUMNS = {
    "words_bound": column("cycles", "formula", "words of its input"),
    "adders_bound": column("cycles", "formula", "additions / (lanes * banks)"),
    "memory_bound": column("cycles", "formula", "weight bits / bits that its memories give a cycle"),
    "bound": column("cycles", "formula", "max(active taps * groups / banks, words)"),
    "interval": column("cycles", "formula", "engine that nobody holds up"),
    "ratio": column("ratio", "formula", "interval / bound"),
    "additions_per_cycle": column("additions/cycle", "formula", "at the circuit's mean interval"),
    "weight_bits_per_cycle": column("bits/cycle", "formula", "at the circuit's mean interval"),
}


def bounds(design, rows, measured, *, board=None):
    """Return ``{"device", "layers"}`` of the report, all of the images whose cycles were ``measured``.

    ``rows``: of :func:`s2nn_hw.report.sections.layers.layer_rows`; ``board``: with ``family`` and ``budget``, or None,
    then ``device`` is None.
    """
    interval = float(measured.intervals.mean()) if measured.intervals.size else None
    lines, additions, weights, width = [], 0.0, 0.0, 0.0
    for stage, row in zip(design.stages, rows, strict=True):
        engine = stage.engine
        work = stage_work(design.network, stage, measured.timed_ones)["synaptic_operations"]
        stored = work * row["bits"] if engine and any(deep > 1 for _, deep, _ in engine.memories) else 0
        line = {
            "name": stage.name,
            "words_bound": sum(r.frame_words for r in stage.readers),
            "adders_bound": None,
            "memory_bound": None,
            "bound": row["bound"],
            "interval": row["alone_interval"],
            "ratio": row["alone_to_bound"],
            "additions_per_cycle": _per_cycle(work, interval),
            "weight_bits_per_cycle": _per_cycle(stored, interval),
        }
        if engine is not None:
            line["adders_bound"] = significant(work / (engine.lanes * engine.terms))
            line["memory_bound"] = significant(stored / (engine.lanes * engine.terms * row["bits"])) if stored else None
            width += work * row["accumulator_bits"][-1]
        lines.append(line)
        additions, weights = additions + work, weights + stored
    device = _device(design, additions, weights, width, interval, board) if board else None
    return {"device": device, "layers": table(COLUMNS, lines)}


def _per_cycle(count, interval):
    return significant(count / interval) if interval else None


def _device(design, additions, weights, width, interval, board):
    """Return what the device could give a cycle, what a frame needs, and the bounds that follow."""
    family, budget = FAMILIES[board.family], board.budget
    port = max(wide / share for share, _, shapes in family.blocks for _, wide in shapes)
    bits = budget["brams"].budget * port
    adders = budget["luts"].budget / (width / additions) if additions else None
    needed = {"words": design.beats, "adders": additions / adders if adders else 0.0, "memory": weights / bits}
    least = max(needed.values())

    def cycles(value, by):
        return quantity(significant(float(value)), "cycles", "formula", by)

    return {
        "adders_per_cycle": quantity(
            significant(adders), "additions/cycle", "formula", "LUT budget / mean accumulator bits"
        ),
        "bram_bits_per_cycle": quantity(
            significant(float(bits)), "bits/cycle", "formula", f"block RAM budget * {port:g} bits"
        ),
        "additions": quantity(significant(additions), "additions/frame", "golden model"),
        "weight_bits": quantity(significant(weights), "bits/frame", "golden model", "additions * weight bits"),
        "words_bound": cycles(needed["words"], "beats of the input"),
        "adders_bound": cycles(needed["adders"], "additions / adders_per_cycle"),
        "memory_bound": cycles(needed["memory"], "weight_bits / bram_bits_per_cycle"),
        "bound": cycles(least, "the largest of the three"),
        "bound_by": max(needed, key=needed.get),
        "interval": cycles(interval, "mean over the frames") if interval else None,
        "ratio": quantity(significant(interval / least), "ratio", "formula", "interval / bound") if interval else None,
    }
