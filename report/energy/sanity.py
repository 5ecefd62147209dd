"""Is an estimate in a plausible place? It stands beside published readings of boards and chips of similar size."""

from collections.abc import Iterable

from s2nn_hw.report.literature import System
from s2nn_hw.report.quantities import Json, quantity

ANCHORS = (
    "FINN CNV-W1A1 (MLPerf Tiny)",
    "hls4ml RN07 (MLPerf Tiny)",
    "FINN KWS-W3A3 (MLPerf Tiny)",
    "Spiker+",
    "Flexi-NeurA",
    "Syn2Logic",
)
REST = "regulators, USB bridge, DDR memory, Ethernet, flash, oscillators, LEDs"
NEAR = 10  # within this factor a chip of another make is near
FRUGAL_MW = 10  # a device with less static power is of another kind than those of the anchors


def sanity(rows: Iterable[System], device: Json | None = None) -> list[Json]:
    """Return a list of comparisons, one per anchor among the ``rows`` of the literature, in the order of
    :data:`ANCHORS`.

    ``device``: ``energy.device`` of the report, whose power at the circuit's rate is compared; None if there is none.
    Each comparison: ``what``, ``device``, ``of`` (``board`` or ``chip``), ``value`` (W), ``to_estimate`` (how many
    times the estimate, None without one), ``plausible`` (true, false, None where nothing can be said), ``source``,
    ``verdict``.
    """
    known = {row.system: row for row in rows if row.power_w}
    power = device["power"] if device else None
    return [_compare(known[name], known[name].power_w or 0.0, power) for name in ANCHORS if name in known]


def _compare(row: System, watts: float, power: Json | None) -> Json:
    """Return the comparison of a system that draws ``watts`` with the estimated ``power``."""
    measured = row.power_of == "board" or "measured" in row.convention
    value = quantity(
        watts,
        "W",
        "measured" if measured else "tool report",
        by=None if measured else "as the paper gives it; how it was found was not read",
    )
    ratio = plausible = None
    if power:
        low, high = (end / 1000 for end in power["total_mw"]["band"])
        ratio = round(1000 * watts / power["total_mw"]["value"], 3)
        if row.power_of == "board":
            plausible = high < watts
        elif power["static_mw"]["value"] >= FRUGAL_MW:
            plausible = low <= NEAR * watts and high >= watts / NEAR
    return {
        "what": row.system,
        "device": row.device,
        "of": row.power_of,
        "value": value,
        "to_estimate": ratio,
        "plausible": plausible,
        "source": row.source,
        "verdict": _verdict(row.power_of == "board", watts, ratio, plausible),
    }


def _verdict(board: bool, watts: float, ratio: float | None, plausible: bool | None) -> str:
    """Return the comparison in words; ``board``: it is with a whole one."""
    if ratio is None:
        return "nothing to compare: no activity run was made"
    if board:
        whole = f"the whole board draws {watts:.3g} W, {ratio:.3g} times the estimate of the chip"
        if plausible:
            return f"plausible: {whole}, which leaves the rest to {REST}"
        return f"doubtful: {whole}, so the chip alone could draw as much as a board with {REST}"
    near = f"{watts:.3g} W is {ratio:.3g} times the estimate"
    if plausible is None:
        return f"not comparable: {near}, of a device that is made for milliwatts"
    return f"plausible: {near}, another circuit" if plausible else f"far off: {near}, more than a factor of {NEAR}"
