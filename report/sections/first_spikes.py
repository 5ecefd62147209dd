"""When neurons spike first: of ttfs neurons, how many spike and in which slots, and when the class is certain."""

import numpy as np

from s2nn_hw.network.early_decision import readout_slots
from s2nn_hw.network.first_spikes import slots_of
from s2nn_hw.network.network import Network
from s2nn_hw.report.quantities import Json, column, significant, table
from s2nn_hw.report.sections.measure import Measured

MOST_SLOTS = 31  # of neurons; pixels of more bits have more, of which slot by slot says little


def first_spikes_section(network: Network, measured: Measured) -> Json | None:
    """Return a row for the pixels and each layer of times, means over all images, None where no neuron is ``ttfs``.

    ``slot_0`` ..: share of the values that spike first in that slot; None where a tensor has fewer slots.
    """
    slots = slots_of(network)
    if not slots:
        return None
    images = len(measured.classes)
    last = max(count for count in slots.values() if count <= MOST_SLOTS)
    rows = [_row(name, count, measured.first_spikes[name] / images, last) for name, count in slots.items()]
    by = "mean over the images"
    columns = {
        "slots": column("slots", "setting", "in which a value may spike, once"),
        "values": column("values", "setting"),
        "spikes": column("spikes/frame", "golden model", by),
        "spikes_per_neuron": column("share", "golden model", "values that spike at all"),
        "mean_slot": column("slots", "golden model", "of those that spike, 0 first"),
    } | {f"slot_{slot}": column("share", "golden model", "of the values") for slot in range(last)}
    return table(columns, [{name: row[name] for name in ("name", *columns)} for row in rows])


def early_decision(network: Network, measured: Measured) -> Json | None:
    """Return a row: T of what the readout reads, after how many slots the class is certain, mean and 99 % of the
    images, and the slots that are left, with their cycles on a ramp engine; None where the readout reads no times."""
    if measured.decided is None:
        return None
    slots, after = readout_slots(network), measured.decided
    mean = float(after.mean())
    bound = "exact: no spike that may still come changes the class"
    columns = {
        "slots": column("slots", "setting"),
        "mean": column("slots", "golden model", bound),
        "p99": column("slots", "golden model", bound),
        "saved": column("slots", "golden model", "mean of those that are left"),
        "saved_cycles": column("cycles", "formula", "of those slots, nobody holding the readout up, at most"),
    }
    cycles = None if measured.left is None else significant(float(measured.left.mean()))
    row: Json = {"slots": slots, "mean": significant(mean), "p99": significant(float(np.percentile(after, 99)))}
    row |= {"saved": significant(slots - mean), "saved_cycles": cycles}
    return table(columns, [{"name": network.layers[-1].name, **row}])


def _row(name: str, slots: int, counts: np.ndarray, last: int) -> Json:
    """Return the row of a tensor of ``counts`` ``(slots + 1,)``, a frame, the last one those that are silent."""
    values, spikes = float(counts.sum()), float(counts[:-1].sum())
    shares = {f"slot_{k}": None if slots > MOST_SLOTS or k >= slots else counts[k] / values for k in range(last)}
    return {
        "name": name,
        "slots": slots,
        "values": round(values),
        "spikes": significant(spikes),
        "spikes_per_neuron": significant(spikes / values),
        "mean_slot": significant(float(counts[:-1] @ np.arange(slots)) / spikes) if spikes else None,
    } | {key: None if share is None else significant(float(share)) for key, share in shares.items()}
