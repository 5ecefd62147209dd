"""The figures of a plan for a board: what ``s2nn-hw plan`` prints, and the ``estimate`` in a plan's file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from s2nn_hw.circuit.choices import LayerPlan
from s2nn_hw.cost.estimate import Packing
from s2nn_hw.family.board import BoardFacts
from s2nn_hw.network.layer import Layer
from s2nn_hw.network.network import Network
from s2nn_hw.plan.planned import RESOURCES, Candidate, Planned
from s2nn_hw.plan.planner import PLANNED_FRAMES

CHOSEN = ("engine", "width", "taps", "banks", "depth", "groups", "memory")  # of a layer's plan


@dataclass(frozen=True)
class UsedOf:
    """How much of a ``kind`` of resource the plan has ``used``, and how much there is."""

    kind: str
    used: float
    budget: int

    @property
    def share(self) -> float:
        """Of the budget."""
        return self.used / self.budget


@dataclass(frozen=True)
class PlannedLayer:
    """A layer: ``cycles`` a frame, also as a share of the target's, what it takes, its accumulators, its plan.

    ``lanes`` is None for a layer without neurons.
    """

    name: str
    cycles: int
    of_target: float
    luts: int
    ffs: int
    brams: float
    lanes: int | None
    weights: Packing
    choice: LayerPlan

    @classmethod
    def of(cls, layer: Layer, found: Candidate, wanted: float) -> "PlannedLayer":
        """Return the figures of ``layer`` built as ``found``, against ``wanted`` cycles a frame."""
        return cls(
            name=layer.name,
            cycles=round(found.cycles),
            of_target=round(found.cycles / wanted, 3),
            luts=round(found.cost.luts),
            ffs=round(found.cost.ffs),
            brams=found.cost.brams,
            lanes=-(-layer.neuron.size // found.choice.groups) if layer.neuron else None,
            weights=found.packing,
            choice=found.choice,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able."""
        counts = {"luts": self.luts, "ffs": self.ffs, "brams": self.brams, "lanes": self.lanes}
        chosen = {key: getattr(self.choice, key) for key in CHOSEN}
        cycles = {"name": self.name, "cycles": self.cycles, "of_target": self.of_target}
        return cycles | counts | asdict(self.weights) | {"choice": chosen}


@dataclass(frozen=True)
class PlanFigures:
    """The plan's figures, of exact cycles of so many typical ``frames`` of ``images`` (words that say where from).

    ``target_frames_per_second`` is None for a plan that is as fast as fits; ``resources``: by name; ``bound_cycles``:
    no plan of the planner's ways to build layers that fits has a shorter interval on these frames, None where that is
    not known.
    """

    frames: int
    images: str
    target_frames_per_second: float | None
    interval_cycles: float
    bound_cycles: float | None
    latency_cycles: float
    frames_per_second: float
    latency_us: float
    resources: Mapping[str, UsedOf]
    layers: tuple[PlannedLayer, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-able: the plan's ``estimate``."""
        own = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return own | {
            "resources": {name: asdict(row) for name, row in self.resources.items()},
            "layers": [layer.to_json() for layer in self.layers],
        }


def figures(
    network: Network, board: BoardFacts, clock: float, found: Planned, target: float | None, source: str
) -> PlanFigures:
    """Return the figures of ``found`` at ``clock`` MHz; ``target``: frames a second or None, ``source``: of images."""
    wanted = clock * 1e6 / target if target else found.interval
    return PlanFigures(
        frames=PLANNED_FRAMES,
        images=source,
        target_frames_per_second=target,
        interval_cycles=round(found.interval, 1),
        bound_cycles=None if found.bound is None else round(found.bound, 1),
        latency_cycles=round(found.latency, 1),
        frames_per_second=round(clock * 1e6 / found.interval, 1),
        latency_us=round(found.latency / clock, 2),
        resources={
            name: UsedOf(board.budget[name].kind, round(found.used[name], 1), board.budget[name].budget)
            for name in RESOURCES
        },
        layers=tuple(PlannedLayer.of(network.layer(name), row, wanted) for name, row in found.rows),
    )
