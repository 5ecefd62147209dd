"""Names beside the points of a scatter plot, placed so that they miss each other."""

from math import log10

import altair as alt

from s2nn_hw.report.show.figure import rows_of
from s2nn_hw.report.show.palette import INK, PAPER

LETTER, LINE_HEIGHT = 6.2, 14  # px, of a label
PLOT_HEIGHT, PLOT_WIDTH = 280, 300  # px, the narrowest plot
# where a label may stand, best first: alignment, dx, dy
PLACES = (
    ("left", 9, 0),
    ("right", -9, 0),
    ("center", 0, -14),
    ("center", 0, 14),
    ("left", 9, -12),
    ("left", 9, 12),
    ("right", -9, -12),
    ("right", -9, 12),
)
HOPELESS = 60  # px squared of overlap beyond which a label is left out


def labels(points, wide, high, axes, room=PLOT_WIDTH):
    """Return text layers with the ``name`` of each point.

    ``points``: dictionaries with ``x``, ``y``, ``name`` and maybe ``ink``, their text's colour; the first ones choose
    first, and who finds no room gets no label. ``wide``, ``high``: ``((low, high), "log" or "linear")`` of the scales.
    ``axes``: the x and y encodings; ``room``: the least width of the plot in px.
    """
    where = [(_share(p["x"], *wide) * room, (1 - _share(p["y"], *high)) * PLOT_HEIGHT) for p in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in where]
    groups = {}
    for point, at in zip(points, where, strict=True):
        boxes = [_box(at, LETTER * len(point["name"]), place) for place in PLACES]
        costs = [_overlap(box, taken, room) + place for place, box in enumerate(boxes)]
        best = min(range(len(PLACES)), key=costs.__getitem__)
        if costs[best] < HOPELESS:
            taken.append(boxes[best])
            groups.setdefault((best, point.get("ink", INK)), []).append(point)
    made = []
    for (place, ink), group in groups.items():
        align, dx, dy = PLACES[place]
        base = alt.Chart(rows_of(group)).encode(**axes, text="name:N")
        # a rim in the paper's colour keeps lines away from the letters
        made += [
            base.mark_text(align=align, dx=dx, dy=dy, fill=PAPER, stroke=PAPER, strokeWidth=3),
            base.mark_text(align=align, dx=dx, dy=dy, fill=ink),
        ]
    return made


def _share(value, ends, kind):
    low, high, value = (log10(v) if kind == "log" else v for v in (*ends, value))
    return (value - low) / (high - low)


def _box(at, width, place):
    align, dx, dy = place
    left = at[0] + dx - {"left": 0, "right": width, "center": width / 2}[align]
    return left, at[1] + dy - LINE_HEIGHT / 2, left + width, at[1] + dy + LINE_HEIGHT / 2


def _overlap(box, taken, room):
    """Return how much of a label's box lies on others (px squared) or outside of the plot."""
    outside = max(0, -box[0], box[2] - room) + max(0, -box[1], box[3] - PLOT_HEIGHT)
    return 50 * outside + sum(
        max(0, min(box[2], b[2]) - max(box[0], b[0])) * max(0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken
    )
