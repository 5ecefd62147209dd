"""What planning finds: ways to build a layer, and plans with what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.cost.estimate import Packing
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost

RESOURCES = ("luts", "ffs", "brams")


@dataclass(frozen=True)
class Candidate:
    """One way to build one layer: its :class:`LayerPlan`, estimated ``cycles`` a frame, :class:`Cost`, weights."""

    choice: LayerPlan
    cycles: float
    cost: Cost
    packing: Packing


Used = Mapping[str, float]  # of each of :data:`RESOURCES`


@dataclass(frozen=True)
class Planned:
    """A plan, its candidates by layer, and what is known of it: the measured ``interval``, ``latency``, ``used``."""

    plan: Plan
    rows: tuple[tuple[str, Candidate], ...]
    interval: float
    latency: float
    used: Used


class OutOfReach(UserError):
    """No plan meets the target; the message names what limits it."""
