"""What literal time costs: a network whose counts may be numbers, both as steps and as bits, under one kind of plan."""

import numpy as np
import numpy.typing as npt

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.cost.estimate import estimate
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.network.collapse import counterpart, is_literal
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.report.energy.arithmetic import Part, arithmetic
from s2nn_hw.report.quantities import Json, column, significant, table, widest
from s2nn_hw.report.sections.layers import LUT_BAND, layer_rows
from s2nn_hw.report.sections.measure import measure

FRAMES = 100
FIGURES = ("latency", "interval", "luts", "energy_nj")


def forms_section(
    network: Network, plan: Plan, images: npt.NDArray[np.uint8], family: str, *, frames: int = FRAMES
) -> Json | None:
    """Return the table of both forms of ``network`` (:mod:`s2nn_hw.network.collapse`), None where there is one only.

    Rows: ``literal`` and ``collapsed``; cycles are means over the first ``frames`` of ``images``. Each has the default
    plan of ``family``, or, where ``plan`` has all weights in logic, the unrolled one; None where one can't be built.
    """
    other = counterpart(network)
    if other is None:
        return None
    wired = all(choice.fused or _wired(choice.engine) for choice in plan.layers)
    rows, energies = [], []
    for form in sorted((network, other), key=is_literal, reverse=True):
        try:
            row, energy = _row(form, wired, images[:frames], family)
        except (UserError, Deadlock):
            return None
        rows.append(row | {"this": "yes" if form is network else ""})
        energies.append(energy)
    for name in FIGURES:
        first, last = rows[0][name], rows[1][name]
        rows[0][f"{name}_ratio"] = significant(first / last, 4) if first and last else None
        rows[1][f"{name}_ratio"] = 1
    kind = "unrolled plans" if wired else f"default plans of {family}"
    cycles = f"mean of {min(frames, len(images))} images, exact cycle function; {kind}"
    band = widest(energies, "total_nj")
    columns = {
        "this": column("", "setting", "the network of this report"),
        "planes": column("", "setting", "of hidden layers"),
        "latency": column("cycles", "formula", cycles),
        "interval": column("cycles", "formula", cycles),
        "luts": column("LUTs", "estimate", f"s2nn_hw/cost/parts.py, {kind}, without link", LUT_BAND),
        "energy_nj": column("nJ", "estimate", "arithmetic and its memory in 45 nm", band),
        "latency_ratio": column("ratio", "formula", "over the collapsed form"),
        "interval_ratio": column("ratio", "formula", "over the collapsed form"),
        "luts_ratio": column("ratio", "estimate", "over the collapsed form", LUT_BAND),
        "energy_nj_ratio": column("ratio", "estimate", "over the collapsed form", band),
    }
    return table(columns, [{name: row[name] for name in ("name", *columns)} for row in rows])


def _wired(engine: str) -> bool:
    """Return whether weights are logic on ``engine``, or there are none."""
    return engine not in ENGINES or ENGINES[engine].constant


def _row(network: Network, wired: bool, images: np.ndarray, family: str) -> tuple[Json, Json]:
    """Return the figures of one form, and the row of its energy with its ends."""
    plan = unrolled_plan(network, lut=FAMILIES[family].mapped_inputs) if wired else default_plan(network, family)
    design = Design(network, plan)
    measured = measure(design, images)
    energy = arithmetic([Part.of(row) for row in layer_rows(design, measured)])["models"]["rows"][0]
    planes = dict.fromkeys(str(network.planes[x.name]) for x in network.layers if not x.is_readout)
    return {
        "name": "literal" if is_literal(network) else "collapsed",
        "planes": list(planes),
        "latency": significant(float(measured.alone.mean())),
        "interval": significant(float(measured.intervals.mean())) if measured.intervals.size else None,
        "luts": estimate(design, family).luts,
        "energy_nj": energy["total_nj"],
    }, energy
