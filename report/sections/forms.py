"""What literal time costs: a network whose counts may be numbers, both as steps and as bits, under one kind of plan."""

import numpy as np
import numpy.typing as npt

from s2nn_hw.circuit.choices import Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.family import FAMILIES
from s2nn_hw.network.collapse import counterpart, is_literal
from s2nn_hw.network.network import Network
from s2nn_hw.plan.defaults import default_plan, unrolled_plan
from s2nn_hw.report.quantities import Json, column, table
from s2nn_hw.report.sections.circuit_figures import add_ratios, circuit_figures, figure_columns

FRAMES = 100


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
    add_ratios(*rows)
    kind = "unrolled plans" if wired else f"default plans of {family}"
    cycles = f"mean of {min(frames, len(images))} images, exact cycle function; {kind}"
    columns = {
        "this": column("", "setting", "the network of this report"),
        "planes": column("", "setting", "of hidden layers"),
    } | figure_columns(energies, cycles, kind, "collapsed form")
    return table(columns, [{name: row[name] for name in ("name", *columns)} for row in rows])


def _wired(engine: str) -> bool:
    """Return whether weights are logic on ``engine``, or there are none."""
    return engine not in ENGINES or ENGINES[engine].constant


def _row(network: Network, wired: bool, images: np.ndarray, family: str) -> tuple[Json, Json]:
    """Return the figures of one form, and the row of its energy with its ends."""
    plan = unrolled_plan(network, lut=FAMILIES[family].mapped_inputs) if wired else default_plan(network, family)
    figures, energy = circuit_figures(Design(network, plan), images, family)
    planes = dict.fromkeys(str(network.planes[x.name]) for x in network.layers if not x.is_readout)
    return {"name": "literal" if is_literal(network) else "collapsed", "planes": list(planes)} | figures, energy
