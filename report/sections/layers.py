"""The layers of a circuit: what each is, what real images make it do, what it costs, how close it is to its bound."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from s2nn_hw.circuit.stage import Stage
from s2nn_hw.cost.estimate import Estimate, StageEstimate, estimate
from s2nn_hw.design import Design
from s2nn_hw.report.quantities import Json, column, significant, table
from s2nn_hw.report.sections.measure import Measured
from s2nn_hw.report.sections.overview import StageOverview, stage_overview
from s2nn_hw.report.sections.work import Work, slots_given, stage_work

LUT_BAND, FF_BAND, BRAM_BAND = (0.85, 1.2), (0.85, 1.15), (0.9, 1.1)  # docs/report.md: estimate against synthesis
CELL_BAND = (0.9, 1.15)  # logic cells of an iCE40, once placed
COUNTED = "mean over the images"
BOUND = "max(active taps * groups / banks + actions, words); words + actions where words alone count"
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
    "planes": column("planes", "setting", "of a value read, or its slots"),
    "code": column("", "setting", "of the planes read"),
    "planes_out": column("planes", "setting", "of a value that leaves, or its slots"),
    "actions": column("cycles", "formula", "positions * groups * (between * (planes - 1) + after)"),
    "active_inputs": column("ones/frame", "golden model", COUNTED),
    "active_share": column("share", "golden model", COUNTED),
    "active_taps": column("ones/frame", "golden model", "each counted for every window that covers it"),
    "synaptic_operations": column("additions/frame", "golden model", COUNTED),
    "spikes_out": column("spikes/frame", "golden model", COUNTED),
    "spike_rate": column("share", "golden model", "spikes / (neurons * planes)"),
    "bound": column("cycles", "formula", BOUND),
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


@dataclass(frozen=True)
class LayerCycles:
    """Cycles of a stage, mean: its lower ``bound``; alone, its engine held up by nobody; to the bound; occupancy.

    ``alone_interval``, ``alone_to_bound`` and ``occupancy`` (of the circuit's interval) are None for a join, and where
    no frame follows another.
    """

    bound: float
    alone_interval: float | None = None
    alone_to_bound: float | None = None
    occupancy: float | None = None


@dataclass(frozen=True)
class LayerRow:
    """A stage: what it is, the work of a frame, its spikes, cycles and, with an estimate, its ``cost``.

    ``spikes_out`` (a frame) and ``spike_rate`` (their share of the output's values x planes) are None for a readout;
    ``actions``: cycles of the neurons' actions in a frame, of an engine that does them one after the other, None of a
    join; ``cost``: of :data:`COSTS`, by name, empty without an estimate.
    """

    stage: StageOverview
    work: Work
    spikes_out: float | None
    spike_rate: float | None
    actions: int | None
    cycles: LayerCycles
    cost: Json

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.stage.name

    def to_json(self) -> Json:
        """Return the row of the report's table: the name, and a value of each of its columns."""
        weights: Any = self.stage.weights
        return (
            {
                "name": self.name,
                "engine": self.stage.engine,
                "shape": "x".join(map(str, self.stage.shape)),
                "sources": list(self.stage.sources),
                "synapses": self.stage.synapses,
                "neurons": self.stage.neurons,
                "connections": self.stage.connections,
                "bits": weights and weights.bits,
                "accumulator_bits": weights and weights.accumulator_bits[-1],
                "lanes": weights and weights.lanes,
                "groups": weights and weights.groups,
                "banks": weights and weights.banks,
                "planes": self.stage.time.planes,
                "code": self.stage.time.code,
                "planes_out": self.stage.time.planes_out,
                "actions": self.actions,
                "spikes_out": self.spikes_out,
                "spike_rate": self.spike_rate,
            }
            | asdict(self.work)
            | asdict(self.cycles)
            | self.cost
        )


def layer_rows(design: Design, measured: Measured, guess: Estimate | None = None) -> list[LayerRow]:
    """Return a row per stage: what ``inspect`` says of it, its work, cycles and, from ``guess``, costs.

    ``guess``: of the design.
    """
    rows = []
    for k, stage in enumerate(design.stages):
        out = None if stage.is_readout else float(measured.ones.given_by(stage).sum())
        rows.append(
            LayerRow(
                stage=stage_overview(design.network, stage),
                work=stage_work(design.network, stage, measured.ones),
                spikes_out=significant(out),
                spike_rate=None if out is None else significant(_rate(design, stage, out)),
                actions=stage.engine and len(stage.positions) * stage.engine.groups * stage.engine.action_cycles,
                cycles=_cycles(measured, k),
                cost=_costs(guess.layers[k]) if guess else {},
            )
        )
    return rows


def _rate(design: Design, stage: Stage, spikes: float) -> float:
    """Return the spike rate of what leaves ``stage`` with so many ``spikes`` a frame."""
    network, slots = design.network, slots_given(stage)
    return spikes / (network.size(stage.output) * (slots or network.planes[stage.output].count))


def _costs(guess: StageEstimate) -> Json:
    """Return those of :data:`COSTS`, in their order."""
    return {name: value for name, value in guess.to_json().items() if name in COSTS}


def _cycles(measured: Measured, k: int) -> LayerCycles:
    """Return one stage's cycles alone, against the bound and against the circuit's interval."""
    own, bound = measured.own[k], significant(float(measured.bounds[:, k].mean()))
    if own is None:
        return LayerCycles(bound)
    return LayerCycles(
        bound,
        significant(float(own.mean())),
        significant(float(own.sum() / measured.interval_bounds[..., k].sum())),
        significant(float(own.sum() / measured.intervals.sum())),
    )


def layers_table(rows: Sequence[LayerRow]) -> Json:
    """Return the report's table of ``rows`` (:func:`layer_rows`); costs are in it if the rows have them."""
    return table(COLUMNS | (COSTS if rows[0].cost else {}), [row.to_json() for row in rows])


def board_estimate(design: Design, family: str, *, events: bool = False) -> Estimate:
    """Return the estimate of ``design`` with its host link, of frames or of ``events``, see
    :func:`s2nn_hw.cost.estimate.estimate`."""
    return estimate(design, family, link=True, events=events)
