"""What planning finds: ways to build a layer, and plans with what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from s2nn_hw.circuit.choices import LayerPlan, Plan
from s2nn_hw.cost.estimate import Packing
from s2nn_hw.errors import UserError
from s2nn_hw.family.cost import Cost
from s2nn_hw.network.layer import Layer

RESOURCES = ("luts", "ffs", "brams")


@dataclass(frozen=True)
class Candidate:
    """One way to build one layer: its :class:`LayerPlan`, ``cycles`` a frame, :class:`Cost`, weights.

    ``cycles``: a bound below which no circuit of it is; ``exact``: what it takes alone, nobody holding it up.
    ``gives``, ``takes``: the width of the words of each tensor that leaves and that is read; ``pool``: the max pooling
    fused behind.
    """

    choice: LayerPlan
    cycles: float
    cost: Cost
    packing: Packing
    gives: Mapping[str, int] = field(default_factory=dict)
    takes: Mapping[str, int] = field(default_factory=dict)
    pool: Layer | None = None
    exact: bool = False


Used = Mapping[str, float]  # of each of :data:`RESOURCES`


@dataclass(frozen=True)
class Planned:
    """A plan, its candidates by layer, and what is known of it: the measured ``interval``, ``latency``, ``used``.

    ``bound``: cycles a frame that no plan of the planner's candidates that fits is below, on these frames; None where
    that was not asked, or not proven.
    """

    plan: Plan
    rows: tuple[tuple[str, Candidate], ...]
    interval: float
    latency: float
    used: Used
    bound: float | None = None


class OutOfReach(UserError):
    """No plan meets the target; the message names what limits it."""
