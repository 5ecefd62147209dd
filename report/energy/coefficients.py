"""Energy per event and static power of device families, from ``coefficients.toml``: each with source and spread."""

from dataclasses import dataclass
from numbers import Real
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.texts import read_toml

FORMAT = "s2nn-coefficients"
PATH = Path(__file__).parents[1] / "coefficients.toml"
NAMES = ("lut", "ff", "clock_load", "clock_tree", "bram_read", "bram_write", "io", "glitch")
BASES = ("measured", "tool", "data sheet", "published", "scaled")
UNITS = dict.fromkeys(NAMES, "pJ") | {"glitch": ""}


@dataclass(frozen=True)
class Coefficient:
    """``value`` between ``low`` and ``high`` in ``unit``; ``basis``: one of :data:`BASES`; ``source``: text."""

    name: str
    unit: str
    low: float
    value: float
    high: float
    basis: str
    source: str

    @property
    def ends(self):
        """``(low, value, high)``"""
        return self.low, self.value, self.high

    def scaled(self, name, unit, factor):
        """Return this coefficient times ``factor`` under another name and unit."""
        return Coefficient(name, unit, *(end * factor for end in self.ends), self.basis, self.source)

    def to_json(self):
        """Return the fields as a dictionary."""
        return {key: getattr(self, key) for key in ("name", "value", "unit", "low", "high", "basis", "source")}


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of one device: ``title`` of its family, ``bram_kind`` whose accesses are priced, ``events`` by
    name (:data:`NAMES`), ``static`` in mW."""

    device: str
    title: str
    bram_kind: str
    events: dict
    static: Coefficient

    def to_json(self):
        """Return a row per coefficient, static power last."""
        return [row.to_json() for row in (*self.events.values(), self.static)]


def load_coefficients(path=PATH):
    """Return the families in TOML file ``path``, each ``name``, ``family``, ``devices`` (how their names begin),
    ``title``, ``bram_kind``, ``events`` by name and ``static`` by device.

    :class:`UserError` for a file of another format, and for a row without source, with a value outside low .. high,
    of another unit, twice or missing; it names the row.
    """
    data = read_toml(path, what="coefficients")
    if data.get("format") != FORMAT or data.get("version") != 1:
        raise UserError(f"coefficients {path} must have format '{FORMAT}', version 1")
    families = data.get("families")
    if not isinstance(families, list) or not all(isinstance(family, dict) for family in families):
        raise UserError(f"coefficients {path}: [[families]] must be a list of tables")
    return [_family(family, path) for family in families]


def find_coefficients(device, luts=None, path=PATH):
    """Return the :class:`Coefficients` of ``device`` (e.g. ``LFE5U-85F``), None if its family has none.

    ``luts``: LUTs of the device; a device without static power of its own takes its family's per 1,000 LUTs.
    """
    wanted = device.upper()
    for family in load_coefficients(path):
        if not wanted.startswith(tuple(start.upper() for start in family["devices"])):
            continue
        static = {name.upper(): row for name, row in family["static"].items()}
        if wanted in static:
            return Coefficients(device, family["title"], family["bram_kind"], family["events"], static[wanted])
        if "" in static and luts:
            mine = static[""].scaled("static", "mW", luts / 1000)
            return Coefficients(device, family["title"], family["bram_kind"], family["events"], mine)
    return None


def _family(family, path):
    name = family.get("name")
    where = f"coefficients {path}: family {name!r}"
    for key in ("name", "family", "title", "bram_kind"):
        if not isinstance(family.get(key), str) or not family[key]:
            raise UserError(f"{where}: '{key}' must be text")
    devices = family.get("devices")
    if not isinstance(devices, list) or not devices or not all(isinstance(d, str) and d for d in devices):
        raise UserError(f"{where}: 'devices' must list how names of its devices begin")
    events, static = {}, {}
    for key, target, field in (("coefficients", events, "name"), ("static", static, "device")):
        rows = family.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UserError(f"{where}: [[families.{key}]] must be a list of tables")
        for row in rows:
            if not isinstance(row.get(field), str):
                raise UserError(f"{where}: a row of {key} needs '{field}'")
            if row[field] in target:
                raise UserError(f"{where}: row {row[field]!r} of {key} is there twice")
            target[row[field]] = _row(row, row[field], "static" if key == "static" else row[field], where)
    if set(events) != set(NAMES):
        raise UserError(f"{where} must have exactly {', '.join(NAMES)}, not {', '.join(events) or 'none'}")
    return {key: family[key] for key in ("name", "family", "title", "bram_kind", "devices")} | {
        "events": {key: events[key] for key in NAMES},
        "static": static,
    }


def _row(row, label, name, where):
    if not isinstance(row.get("source"), str) or not row["source"].strip():
        raise UserError(f"{where}: row {label!r} has no source; say where the figure is from, or leave it out")
    if row.get("basis") not in BASES:
        raise UserError(f"{where}: row {label!r}: basis must be one of {', '.join(BASES)}, not {row.get('basis')!r}")
    ends = [row.get(key) for key in ("low", "value", "high")]
    if not all(isinstance(end, Real) and not isinstance(end, bool) for end in ends):
        raise UserError(f"{where}: row {label!r} needs the numbers low, value and high")
    if not 0 <= ends[0] <= ends[1] <= ends[2] < float("inf"):
        raise UserError(f"{where}: row {label!r}: 0 <= low <= value <= high must hold, not {ends}")
    if not isinstance(row.get("unit"), str) or row["unit"] != UNITS.get(name, row["unit"]):
        raise UserError(f"{where}: row {label!r}: unit must be {UNITS.get(name, 'text')!r}, not {row.get('unit')!r}")
    if name == "static" and not (row["unit"] == "mW" if label else row["unit"].startswith("mW per 1,000")):
        raise UserError(f"{where}: row {label!r}: unit must be 'mW', or 'mW per 1,000 LUTs' without a device")
    return Coefficient(name, row["unit"], *(float(end) for end in ends), row["basis"], " ".join(row["source"].split()))
