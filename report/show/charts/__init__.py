"""The figures of a report: pure functions from the report to a :class:`~..figure.Figure`, or None without data."""

from collections.abc import Callable

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show.charts.energy import arithmetic, device_classes, device_layers
from s2nn_hw.report.show.charts.roof import bounds, roofline
from s2nn_hw.report.show.charts.space import layer_resources, logic_parts, resources, spikes
from s2nn_hw.report.show.charts.time import interval, latency, limiting, timeline
from s2nn_hw.report.show.figure import Figure

ALL: tuple[Callable[[Json], Figure | None], ...] = (
    timeline,
    latency,
    interval,
    limiting,
    spikes,
    resources,
    layer_resources,
    logic_parts,
    device_classes,
    device_layers,
    arithmetic,
    roofline,
    bounds,
)


def figures(report: Json) -> dict[str, Figure]:
    """Return every figure that ``report`` has data for, as a dictionary by name, in the order of the page."""
    made = (draw(report) for draw in ALL)
    return {figure.name: figure for figure in made if figure is not None}
