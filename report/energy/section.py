"""The section ``energy`` of a report, put together from its parts."""

from s2nn_hw.report.energy.arithmetic import arithmetic
from s2nn_hw.report.energy.coefficients import find_coefficients
from s2nn_hw.report.energy.device import device_energy
from s2nn_hw.report.energy.readings import measured
from s2nn_hw.report.energy.sanity import sanity
from s2nn_hw.report.literature import load_literature


def energy_section(rows, *, board=None, activity=None, clock_mhz=None, interval_cycles=None, link=None, readings=None):
    """Return ``{"arithmetic", "device", "sanity", "measured"}``.

    ``rows``: a dictionary per layer (:func:`s2nn_hw.report.sections.layers.layer_rows`). ``board``: device and budget
    (:func:`s2nn_hw.hw.facts.board_facts`); ``activity``: an ``activity.json``; ``clock_mhz`` and ``interval_cycles``
    (mean, back to back); ``link``: ``frames_per_second`` and ``reply_bytes`` (:func:`s2nn_hw.hw.facts.link_facts`);
    ``readings``: of :func:`.readings.load_readings`. Without board, activity, clock and interval, or without
    coefficients for the device, ``device`` is None.
    """
    device = total = None
    if board and activity and clock_mhz and interval_cycles:
        coefficients = find_coefficients(board.device, board.budget["luts"].budget)
        if coefficients:
            given = {
                "clock_mhz": clock_mhz,
                "interval_cycles": interval_cycles,
                "reply_bytes": link.reply_bytes if link else 0,
            }
            device = device_energy(activity, coefficients, link_fps=link and link.frames_per_second, **given)
            if readings and readings["frames_per_second"]:
                same = device_energy(activity, coefficients, link_fps=readings["frames_per_second"], **given)
                total = (same["at_link"] or same)["frame"]["total_nj"]["value"]
    return {
        "arithmetic": arithmetic(rows),
        "device": device,
        "sanity": sanity(load_literature(), device),
        "measured": measured(readings, total) if readings else None,
    }
