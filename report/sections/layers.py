"""The layers of a circuit: what each is, what real images make it do, what it costs, how close it is to its bound."""

from s2nn_hw.cost.estimate import estimate
from s2nn_hw.report.quantities import column, significant, table
from s2nn_hw.report.sections.overview import stage_overview
from s2nn_hw.report.sections.work import stage_work

LUT_BAND, FF_BAND, BRAM_BAND = (0.85, 1.2), (0.85, 1.15), (0.9, 1.1)  # docs/report.md: estimate against synthesis
CELL_BAND = (0.9, 1.15)  # logic cells of an iCE40, once placed
COUNTED = "mean over the images"
COLUMNS = {
    "engine": column("", "setting"),
    "shape": column("", "setting"),
    "sources": column("", "setting"),
    "synapses": column("weights", "setting"),
    "neurons": column("channels", "setting"),
    "connections": column("connections", "setting"),
    "bits": column("bits", "setting"),
    "accumulator_bits": column("bits", "formula", "interval arithmetic on the weights"),
    "lanes": column("accumulators", "setting"),
    "groups": column("groups", "setting"),
    "banks": column("weights per accumulator and cycle", "setting"),
    "active_inputs": column("ones/frame", "golden model", COUNTED),
    "active_share": column("share", "golden model", COUNTED),
    "active_taps": column("ones/frame", "golden model", "each counted for every window that covers it"),
    "synaptic_operations": column("additions/frame", "golden model", COUNTED),
    "spikes_out": column("spikes/frame", "golden model", COUNTED),
    "spike_rate": column("share", "golden model", "spikes / neurons"),
    "bound": column("cycles", "formula", "max(active taps * groups / banks, words)"),
    "alone_interval": column("cycles", "formula", "engine that nobody holds up"),
    "alone_to_bound": column("ratio", "formula"),
    "occupancy": column("share", "formula", "cycles alone / interval of the circuit"),
}
COSTS = {
    "luts": column("LUTs", "estimate", "s2nn_hw/cost/parts.py", LUT_BAND),
    "ffs": column("flip-flops", "estimate", "s2nn_hw/cost/parts.py", FF_BAND),
    "brams": column("block RAMs", "estimate", "s2nn_hw/family/memory.py", BRAM_BAND),
    "packing": column("share", "estimate", "weight bits / bits of their block RAMs", BRAM_BAND),
}


def layer_rows(design, measured, guess=None):
    """Return a plain dictionary per stage: what ``inspect`` says of it, its work, cycles and, from ``guess``, costs.

    ``guess``: what :func:`s2nn_hw.cost.estimate.estimate` returned for the design.
    """
    rows = []
    for k, stage in enumerate(design.stages):
        row = stage_overview(design.network, stage) | stage_work(design.network, stage, measured.ones)
        out = None if stage.is_readout else float(measured.ones[stage.output].sum())
        row |= {"spikes_out": significant(out), "neurons_out": design.network.size(stage.output)}
        row["spike_rate"] = significant(out / row["neurons_out"]) if out is not None else None
        row |= _cycles(measured, k)
        if guess:
            row |= {name: guess["layers"][k][name] for name in COSTS}
        rows.append(row)
    return rows


def _cycles(measured, k):
    """Return one stage's cycles alone, against the bound and against the circuit's interval."""
    own, bound = measured.own[k], measured.bounds[:, k]
    row = {"bound": significant(float(bound.mean())), "alone_interval": None, "alone_to_bound": None, "occupancy": None}
    if own is None:
        return row
    return row | {
        "alone_interval": significant(float(own.mean())),
        "alone_to_bound": significant(float(own.sum() / measured.interval_bounds[..., k].sum())),
        "occupancy": significant(float(own.sum() / measured.intervals.sum())),
    }


def layers_table(rows):
    """Return the report's table of ``rows`` (:func:`layer_rows`); costs are in it if the rows have them."""
    columns = COLUMNS | (COSTS if "luts" in rows[0] else {})
    return table(
        columns, [{"name": row["name"]} | {name: _plain(row.get(name), name) for name in columns} for row in rows]
    )


def _plain(value, name):
    if name == "shape":
        return "x".join(map(str, value))
    return value[-1] if name == "accumulator_bits" and value else value


def board_estimate(design, family):
    """Return the estimate of ``design`` with its host link, see :func:`s2nn_hw.cost.estimate.estimate`."""
    return estimate(design, family, link=True)
