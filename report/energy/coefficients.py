"""Energy per event and static power of device families, from ``coefficients.toml``: each with source and spread."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.report.quantities import Json
from s2nn_hw.texts import read_toml

FORMAT = "s2nn-coefficients"
PATH = Path(__file__).parents[1] / "coefficients.toml"
BASES = ("measured", "tool", "data sheet", "published", "scaled")


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
    def ends(self) -> tuple[float, float, float]:
        """``(low, value, high)``"""
        return self.low, self.value, self.high

    def scaled(self, name: str, unit: str, factor: float) -> "Coefficient":
        """Return this coefficient times ``factor`` under another name and unit."""
        low, value, high = (end * factor for end in self.ends)
        return Coefficient(name, unit, low, value, high, self.basis, self.source)

    def to_json(self) -> Json:
        """Return the fields as a dictionary."""
        return {key: getattr(self, key) for key in ("name", "value", "unit", "low", "high", "basis", "source")}


@dataclass(frozen=True)
class Events:
    """What an event takes, pJ; ``glitch``: how many times a LUT toggles for each time that is counted."""

    lut: Coefficient
    ff: Coefficient
    clock_load: Coefficient
    clock_tree: Coefficient
    bram_read: Coefficient
    bram_write: Coefficient
    io: Coefficient
    glitch: Coefficient

    @property
    def rows(self) -> tuple[Coefficient, ...]:
        """All of them, in the order of :data:`NAMES`."""
        return tuple(getattr(self, name) for name in NAMES)


NAMES = tuple(field.name for field in fields(Events))
UNITS = dict.fromkeys(NAMES, "pJ") | {"glitch": ""}


@dataclass(frozen=True)
class Coefficients:
    """Coefficients of one device: ``title`` of its family, ``bram_kind`` whose accesses are priced, ``events`` and
    ``static`` in mW."""

    device: str
    title: str
    bram_kind: str
    events: Events
    static: Coefficient

    def to_json(self) -> list[Json]:
        """Return a row per coefficient, static power last."""
        return [row.to_json() for row in (*self.events.rows, self.static)]


@dataclass(frozen=True)
class Family:
    """Coefficients of a family of devices: ``devices`` (how their names begin), ``static`` by device.

    ``static`` under the empty name is that of 1,000 LUTs, for devices without one of their own.
    """

    name: str
    family: str
    title: str
    bram_kind: str
    devices: tuple[str, ...]
    events: Events
    static: Mapping[str, Coefficient]

    def of_device(self, device: str, luts: float | None) -> Coefficients | None:
        """Return the coefficients of ``device`` with so many LUTs, None if it is of another family or unknown."""
        wanted = device.upper()
        if not wanted.startswith(tuple(start.upper() for start in self.devices)):
            return None
        static = {name.upper(): row for name, row in self.static.items()}
        mine = static.get(wanted)
        if mine is None and "" in static and luts:
            mine = static[""].scaled("static", "mW", luts / 1000)
        return Coefficients(device, self.title, self.bram_kind, self.events, mine) if mine else None


def load_coefficients(path: Path | str = PATH) -> list[Family]:
    """Return the families in TOML file ``path``.

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


def find_coefficients(device: str, luts: float | None = None, path: Path | str = PATH) -> Coefficients | None:
    """Return the :class:`Coefficients` of ``device`` (e.g. ``LFE5U-85F``), None if its family has none.

    ``luts``: LUTs of the device; a device without static power of its own takes its family's per 1,000 LUTs.
    """
    found = (family.of_device(device, luts) for family in load_coefficients(path))
    return next(filter(None, found), None)


def _family(family: Mapping[str, Any], path: Path | str) -> Family:
    """Return a family of the file; :class:`UserError` if something is missing or wrong."""
    where = f"coefficients {path}: family {family.get('name')!r}"
    texts: dict[str, Any] = {key: family.get(key) for key in ("name", "family", "title", "bram_kind")}
    for key, text in texts.items():
        if not isinstance(text, str) or not text:
            raise UserError(f"{where}: '{key}' must be text")
    devices = family.get("devices")
    if not isinstance(devices, list) or not devices or not all(isinstance(d, str) and d for d in devices):
        raise UserError(f"{where}: 'devices' must list how names of its devices begin")
    events = _rows(family, "coefficients", "name", where)
    static = _rows(family, "static", "device", where)
    if set(events) != set(NAMES):
        raise UserError(f"{where} must have exactly {', '.join(NAMES)}, not {', '.join(events) or 'none'}")
    return Family(**texts, devices=tuple(devices), events=Events(**events), static=static)


def _rows(family: Mapping[str, Any], key: str, field: str, where: str) -> dict[str, Coefficient]:
    """Return the rows of the tables ``key`` of a family by what they say under ``field``."""
    rows, found = family.get(key, []), dict[str, Coefficient]()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{where}: [[families.{key}]] must be a list of tables")
    for row in rows:
        label = row.get(field)
        if not isinstance(label, str):
            raise UserError(f"{where}: a row of {key} needs '{field}'")
        if label in found:
            raise UserError(f"{where}: row {label!r} of {key} is there twice")
        found[label] = _row(row, label, "static" if key == "static" else label, where)
    return found


def _row(row: Mapping[str, Any], label: str, name: str, where: str) -> Coefficient:
    """Return the coefficient ``name`` of a file's ``row``, which errors call ``label``."""
    source, basis, unit = (row.get(key) for key in ("source", "basis", "unit"))
    if not isinstance(source, str) or not source.strip():
        raise UserError(f"{where}: row {label!r} has no source; say where the figure is from, or leave it out")
    if basis not in BASES:
        raise UserError(f"{where}: row {label!r}: basis must be one of {', '.join(BASES)}, not {basis!r}")
    ends: list[Any] = [row.get(key) for key in ("low", "value", "high")]
    if not all(isinstance(end, Real) and not isinstance(end, bool) for end in ends):
        raise UserError(f"{where}: row {label!r} needs the numbers low, value and high")
    low, value, high = ends
    if not 0 <= low <= value <= high < float("inf"):
        raise UserError(f"{where}: row {label!r}: 0 <= low <= value <= high must hold, not {ends}")
    if not isinstance(unit, str) or unit != UNITS.get(name, unit):
        raise UserError(f"{where}: row {label!r}: unit must be {UNITS.get(name, 'text')!r}, not {unit!r}")
    if name == "static" and not (unit == "mW" if label else unit.startswith("mW per 1,000")):
        raise UserError(f"{where}: row {label!r}: unit must be 'mW', or 'mW per 1,000 LUTs' without a device")
    return Coefficient(name, unit, float(low), float(value), float(high), basis, " ".join(source.split()))
