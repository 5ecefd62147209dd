"""Accuracy of a ReLU network's conversions against T, the number of spikes that an activation has at most.

no shift            thresholds from activations, which are cut to levels
shift               the same, activations rounded
shift, steps        the same in literal steps: neurons fire in the step in which they get there
trained clip-floor  weights and thresholds trained as levels, for each T anew
"""

import copy
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.network.layer import INPUT
from s2nn_hw.quantize.conversion.integers import integer_network
from s2nn_hw.quantize.conversion.methods import Stage, Work, resolved, run
from s2nn_hw.quantize.conversion.results import Job
from s2nn_hw.quantize.conversion.units import Converted
from s2nn_hw.quantize.data import source
from s2nn_hw.quantize.settings import Conversion
from s2nn_hw.quantize.summary import integer_run

COUNTS = (1, 2, 3, 4, 7, 15, 31)
VARIANTS = {
    "no shift": Conversion(form="two-phase", shift=False),
    "shift": Conversion(form="two-phase", shift=True),
    "shift, steps": Conversion(form="steps", shift=True),
    "trained clip-floor": Conversion(method="clip-floor"),
}


@dataclass(frozen=True)
class Point:
    """A conversion of the curve.

    variant          of :data:`VARIANTS`
    steps            T
    accuracy         of the integer network, a share of the test images
    accuracy_float   of the float model with the same levels
    spikes           ones of all planes of hidden layers, an image
    """

    variant: str
    steps: int
    accuracy: float
    accuracy_float: float
    spikes: float


@dataclass(frozen=True)
class Curve:
    """Accuracy against T.

    name, data_set, images   of what was converted, and what it was measured on
    accuracy_relu            of the ReLU network
    percentile, epochs       of the thresholds, and of the training of each clip-floor
    bits                     of weights, by layer
    points                   in the order in which they were made
    """

    name: str
    data_set: str
    images: int
    accuracy_relu: float
    percentile: float
    epochs: int
    bits: tuple[int, ...]
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-able file."""
        return dataclasses.asdict(self) | {"bits": list(self.bits), "points": [vars(point) for point in self.points]}

    @property
    def variants(self) -> list[str]:
        """The names of those that there are, in order."""
        return list(dict.fromkeys(point.variant for point in self.points))

    @property
    def table(self) -> dict[int, dict[str, Point]]:
        """The points by T, then by variant."""
        found: dict[int, dict[str, Point]] = {}
        for point in self.points:
            found.setdefault(point.steps, {})[point.variant] = point
        return found


def curve(job: Job, options: Conversion, counts: Sequence[int] = COUNTS) -> Curve:
    """Return the :class:`Curve` over ``counts``; a variant that the network has no form of is left out, and said.

    ``options``: percentile, epochs and learning rate; the rest is the variants'.
    """
    whole, points, recipe = job.prepared(options), list[Point](), job.checkpoint.recipe
    for name, change in VARIANTS.items():
        if change.method != "balance" and not options.epochs:
            continue
        for steps in counts:
            chosen = dataclasses.replace(options, method=change.method, form=change.form, shift=change.shift)
            try:
                points.append(_point(job, copy.deepcopy(whole), name, dataclasses.replace(chosen, steps=steps)))
            except UserError as error:
                job.console.print(f"{name}: left out for T = {steps} and more; {error}")
                break
            job.console.print(f"{name}, T = {steps}: {100 * points[-1].accuracy:.2f} %")
    return Curve(
        recipe.name,
        source.title(recipe.data),
        len(job.test[0]),
        round(job.relu(), 6),
        options.percentile,
        options.epochs,
        tuple(unit.bits[0] for unit in whole.layers),
        tuple(points),
    )


def _point(job: Job, net: Converted, name: str, options: Conversion) -> Point:
    """Convert ``net``, prepared, in place; return the point of variant ``name``."""
    options, stages = resolved(options), list[Stage]()
    assert options.steps is not None  # resolved
    run(Work(net, options, dataclasses.replace(job.trainer, said=False), job.test, stages))
    right, ones, _ = integer_run(integer_network(net), *(part.numpy() for part in job.test))
    spikes = sum(float(values.sum()) for key, values in ones.items() if key != INPUT)
    return Point(name, options.steps, round(right, 6), round(stages[-1].accuracy, 6), round(spikes, 2))
