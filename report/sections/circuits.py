"""Two circuits of one network of ``ttfs`` neurons: spikes in their slots (ramp engine), or the bits of numbers."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.circuit.engines import ENGINES
from s2nn_hw.circuit.engines.event import EventParams
from s2nn_hw.circuit.engines.ramp import RampParams, has_slots
from s2nn_hw.cycles.timing import Deadlock
from s2nn_hw.design import Design
from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.report.quantities import Json, column, table
from s2nn_hw.report.sections.circuit_figures import add_ratios, circuit_figures, figure_columns

FRAMES = 100


def circuits_section(
    network: Network, plan: Plan, images: npt.NDArray[np.uint8], family: str, *, frames: int = FRAMES
) -> Json | None:
    """Return the table of both circuits of ``network``, None where no layer of ``ttfs`` neurons may have either.

    Rows: ``ramp``, ``plan`` with the ramp engine wherever it can be; ``planes``, with the event engine in its place.
    Cycles are means over the first ``frames`` of ``images``; ``family`` prices the LUTs. None where one of them can't
    be built, too.
    """
    pairs = zip(network.layers, plan.layers, strict=True)
    either = {layer.name for layer, choice in pairs if _may(network, layer, choice)}
    if not any(layer.own_neuron.ramp for layer in network.layers if layer.name in either):
        return None
    rows, energies = [], []
    for name, changed in (("ramp", _on_ramp), ("planes", _on_planes)):
        mine = Plan(tuple(changed(choice) if choice.name in either else choice for choice in plan.layers))
        try:
            figures, energy = circuit_figures(Design(network, mine), images[:frames], family)
        except (UserError, Deadlock):
            return None
        rows.append({"name": name, "this": "yes" if mine == plan else ""} | figures)
        energies.append(energy)
    add_ratios(*rows)
    kind = "the report's plan, engines changed"
    cycles = f"mean of {min(frames, len(images))} images, exact cycle function; {kind}"
    columns = {"this": column("", "setting", "the circuit of this report")}
    columns |= figure_columns(energies, cycles, kind, "circuit of planes")
    return table(columns, [{name: row[name] for name in ("name", *columns)} for row in rows])


def _may(network: Network, layer: Layer, choice: LayerPlan) -> bool:
    """Return whether ``layer`` may be on the ramp engine, and on another: values that it reads have several slots."""
    if choice.engine not in ENGINES or ENGINES[choice.engine].constant:
        return False
    planes = network.read(layer)
    return planes.count > 1 and has_slots(layer, planes)


def _on_ramp(choice: LayerPlan) -> LayerPlan:
    """Return the plan of a layer on the ramp engine."""
    return replace(choice, engine=RampParams.kind, taps=1, groups=1)


def _on_planes(choice: LayerPlan) -> LayerPlan:
    """Return the plan of a layer that is on no ramp engine: that of the event engine where it was."""
    return replace(choice, engine=EventParams.kind) if ENGINES[choice.engine].literal else choice
