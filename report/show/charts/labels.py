"""Names beside the points of a scatter plot, placed so that they miss each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, Literal, Protocol

import altair as alt

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.figure import rows_of
from s2nn_hw.report.show.palette import INK, PAPER

LETTER, LINE_HEIGHT = 6.2, 14  # px, of a label
PLOT_HEIGHT, PLOT_WIDTH = 280, 300  # px, the narrowest plot
Align = Literal["left", "center", "right"]
Place = tuple[Align, int, int]  # alignment, dx, dy
# where a label may stand, best first
PLACES: tuple[Place, ...] = (
    ("left", 9, 0),
    ("right", -9, 0),
    ("center", 0, -14),
    ("center", 0, 14),
    ("left", 9, -12),
    ("left", 9, 12),
    ("right", -9, -12),
    ("right", -9, 12),
)
Box = tuple[float, float, float, float]  # left, top, right, bottom, px
HOPELESS = 60  # px squared of overlap beyond which a label is left out


class Point(Protocol):
    """What can have a label: a ``name`` in ``ink`` beside ``x`` and ``y``; ``to_json`` gives the chart's data."""

    @property
    def name(self) -> str:
        """The label."""

    @property
    def x(self) -> float:
        """The value along x."""

    @property
    def y(self) -> float:
        """The value along y."""

    @property
    def ink(self) -> str:
        """The label's colour, empty for that of other texts."""

    def to_json(self) -> Json:
        """Return the chart's data."""


@dataclass(frozen=True)
class Ends:
    """The ends of a scale, which is logarithmic or not."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, domain: Sequence[float], log: bool) -> "Ends":
        """Return those of a ``domain``."""
        low, high = domain
        return cls(low, high, log)

    def share(self, value: float) -> float:
        """Return where ``value`` lies, 0 at the low end and 1 at the high one."""
        low, high, at = (log10(v) if self.log else v for v in (self.low, self.high, value))
        return (at - low) / (high - low)


def labels(
    points: Sequence[Point], wide: Ends, high: Ends, axes: Mapping[str, Any], room: float = PLOT_WIDTH
) -> list[alt.Chart]:
    """Return text layers with the name of each point.

    ``points``: the first ones choose first, and who finds no room gets no label. ``wide``, ``high``: of the scales.
    ``axes``: the x and y encodings; ``room``: the least width of the plot in px.
    """
    where = [(wide.share(point.x) * room, (1 - high.share(point.y)) * PLOT_HEIGHT) for point in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in where]
    groups: dict[tuple[int, str], list[Point]] = {}
    for point, at in zip(points, where, strict=True):
        boxes = [_box(at, LETTER * len(point.name), place) for place in PLACES]
        costs = [_overlap(box, taken, room) + place for place, box in enumerate(boxes)]
        best = min(range(len(PLACES)), key=costs.__getitem__)
        if costs[best] < HOPELESS:
            taken.append(boxes[best])
            groups.setdefault((best, point.ink or INK), []).append(point)
    made = []
    for (place, ink), group in groups.items():
        align, dx, dy = PLACES[place]
        base = alt.Chart(rows_of(point.to_json() for point in group)).encode(**axes, text="name:N")
        # a rim in the paper's colour keeps lines away from the letters
        made += [
            base.mark_text(align=align, dx=dx, dy=dy, fill=PAPER, stroke=PAPER, strokeWidth=3),
            base.mark_text(align=align, dx=dx, dy=dy, fill=ink),
        ]
    return made


def _box(at: tuple[float, float], width: float, place: Place) -> Box:
    """Return the box of a label of so many px at ``place`` beside a point."""
    align, dx, dy = place
    left = at[0] + dx - {"left": 0, "right": width, "center": width / 2}[align]
    return left, at[1] + dy - LINE_HEIGHT / 2, left + width, at[1] + dy + LINE_HEIGHT / 2


def _overlap(box: Box, taken: Sequence[Box], room: float) -> float:
    """Return how much of a label's box lies on others (px squared) or outside of the plot."""
    outside = max(0, -box[0], box[2] - room) + max(0, -box[1], box[3] - PLOT_HEIGHT)
    return 50 * outside + sum(
        max(0, min(box[2], b[2]) - max(box[0], b[0])) * max(0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken
    )
