"""The section ``energy`` of a report, put together from its parts."""

from collections.abc import Sequence
from dataclasses import replace

from s2nn_hw.report.energy.arithmetic import Part, arithmetic
from s2nn_hw.report.energy.coefficients import find_coefficients
from s2nn_hw.report.energy.device import Pace, device_energy
from s2nn_hw.report.energy.readings import measured
from s2nn_hw.report.energy.sanity import sanity
from s2nn_hw.report.known import Known
from s2nn_hw.report.literature import load_literature
from s2nn_hw.report.quantities import Json


def energy_section(
    parts: Sequence[Part],
    known: Known | None = None,
    *,
    clock_mhz: float | None = None,
    interval_cycles: float | None = None,
) -> Json:
    """Return ``{"arithmetic", "device", "sanity", "measured"}``.

    ``parts``: the layers; ``clock_mhz`` and ``interval_cycles`` (mean, back to back): what the circuit runs at. Without
    a board, activity, clock and interval, or without coefficients for the device, ``device`` is None.
    """
    known = known or Known()
    board, activity, link, readings = known.board, known.activity, known.link, known.readings
    device = total = None
    if board and activity and clock_mhz and interval_cycles:
        coefficients = find_coefficients(board.device, board.budget["luts"].budget)
        if coefficients:
            pace = Pace(clock_mhz, interval_cycles)
            if link:
                pace = replace(pace, link_fps=link.frames_per_second, reply_bytes=link.reply_bytes)
            device = device_energy(activity, coefficients, pace)
            if readings and readings.frames_per_second:
                same = device_energy(activity, coefficients, replace(pace, link_fps=readings.frames_per_second))
                total = (same["at_link"] or same)["frame"]["total_nj"]["value"]
    return {
        "arithmetic": arithmetic(parts),
        "device": device,
        "sanity": sanity(load_literature(), device),
        "measured": measured(readings, total) if readings else None,
    }
