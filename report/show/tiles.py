"""The tiles at the top of the page: the headline figures, each with where it comes from."""

from dataclasses import dataclass

from s2nn_hw.report.quantities import Json
from s2nn_hw.report.show import words
from s2nn_hw.report.show.summary import busiest, energy, fit, frames, measured_energy, percent, slowest
from s2nn_hw.report.show.words import number, plain, quantity, scaled


@dataclass(frozen=True)
class Tile:
    """A headline figure: ``label``, ``value`` and ``unit`` as they are read, a ``note``, and whether it is ``bad``.

    ``q``: the quantity, column or Stats that it is from, or None.
    """

    label: str
    value: str
    unit: str
    q: Json | None
    note: str = ""
    bad: bool = False

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return words.origin(self.q) if self.q else ""

    @property
    def band(self) -> str:
        """Its error band, empty without one."""
        return words.band(self.q)


def tiles(report: Json) -> list[Tile]:
    """Return the headline figures."""
    made = [_accuracy(report), *_rates(report["rate"]), _latency(report), _logic(report.get("logic"))]
    made += [_energy(report), _fullest(report), _slowest(report)]
    return [tile for tile in made if tile is not None]


def _accuracy(report: Json) -> Tile | None:
    """Return the share of images that are classified right."""
    q = report["accuracy"]
    if not q or q["value"] is None:
        return None
    return Tile("Accuracy", percent(q), "%", q, plain(report["images"]["source"] or "images given", 60))


def _rates(rate: Json | None) -> list[Tile]:
    """Return frames/s of the circuit and, with a link, of the board."""
    if not rate or not rate["circuit"]:
        return []
    circuit, link, total = rate["circuit"], rate["link"], rate["total"]
    alone = Tile("Rate of the circuit", frames(circuit), "frames/s", circuit, "without the link" if link else "")
    if not link:
        return [alone]
    note = f"the link carries {frames(link)}, the circuit {frames(circuit)}"
    return [alone, Tile("Rate of the board", frames(total), "frames/s", total, note)]


def _latency(report: Json) -> Tile:
    """Return the mean latency, in time if there is a clock."""
    stats, clock = report["latency"]["us"] or report["latency"]["cycles"], report["clock"]
    digits, unit = scaled(stats["mean"], stats["unit"])
    at = f", at {quantity(clock['used'])}" if clock and report["latency"]["us"] else ""
    return Tile("Latency, mean", digits, unit, stats, f"p99 {scaled(stats['p99'], stats['unit'])[0]}{at}")


def _logic(logic: Json | None) -> Tile | None:
    """Return the interval of a circuit with weights in logic."""
    if not logic or not logic["initiation_interval"] or not logic["lut_ns"]:
        return None
    q, note = logic["initiation_interval"], f"LUTs x latency {quantity(logic['lut_ns']['total'])}"
    return Tile("Initiation interval", number(q["value"]), "cycles", q, note)


def _energy(report: Json) -> Tile:
    """Return a frame's energy, or how to have it."""
    q, what = energy(report)
    digits, unit = scaled(q["value"], q["unit"]) if q else (words.DASH, "")
    measured = measured_energy(report)
    beside = f"; whole board, measured: {quantity(measured)}" if measured and q is not measured else ""
    return Tile("Energy", digits, unit, q, what + beside)


def _fullest(report: Json) -> Tile | None:
    """Return the resource that is fullest."""
    found = busiest(report["resources"])
    if not found:
        return None
    row, share = found
    fits, why = fit(report)
    said = ", may not fit" if why else {None: "", True: ", fits", False: ", does not fit"}[fits]
    note = f"{quantity(row['used'])} of {number(row['budget']['value'])}" + said
    return Tile(f"Fullest: {plain(row['kind'], 20)}", number(share, "share"), "%", row["used"], note, share > 1)


def _slowest(report: Json) -> Tile | None:
    """Return the layer that sets the rate."""
    limit = slowest(report)
    if not limit:
        return None
    column = report["limiting"]["columns"]["share"]
    return Tile("Sets the rate", limit[0], "", column, f"for {number(limit[1], 'share')} % of the frames")
