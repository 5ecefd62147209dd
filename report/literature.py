"""Figures of other systems, from ``literature.toml``: a row each, with what its figures hold and their source."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.texts import read_toml

FORMAT = "s2nn-literature"
PATH = Path(__file__).with_name("literature.toml")
TEXTS = ("system", "device", "task", "convention", "source")
NUMBERS = ("accuracy", "luts", "brams", "dsps", "latency_us", "frames_per_second", "power_w", "energy_uj", "clock_mhz")
UNITS = dict(zip(NUMBERS, ("%", "LUT", "block RAM", "DSP", "us", "frames/s", "W", "uJ", "MHz"), strict=True))
READ = ("paper", "repository", "abstract", "secondary", "measured")
POWER_OF = ("board", "chip")


@dataclass(frozen=True)
class System:
    """A system and its figures: others' from the literature, or one of ours beside them.

    system, device, task   what it is, on what, for which data set
    accuracy ... clock_mhz figures, None where not published; units in :data:`UNITS`
    power_of               one of :data:`POWER_OF`, None without power
    convention, source     what the figures hold, and where they are from
    read                   how they were come by, one of :data:`READ`
    """

    system: str
    device: str = ""
    task: str = ""
    accuracy: float | None = None
    luts: float | None = None
    brams: float | None = None
    dsps: float | None = None
    latency_us: float | None = None
    frames_per_second: float | None = None
    power_w: float | None = None
    energy_uj: float | None = None
    clock_mhz: float | None = None
    power_of: str | None = None
    convention: str = ""
    source: str = ""
    read: str = ""

    def figure(self, name: str) -> float | None:
        """Return the figure of that name, one of :data:`NUMBERS`."""
        value: float | None = getattr(self, name)
        return value


def load_literature(path: Path | str = PATH) -> list[System]:
    """Return the rows of TOML file ``path``.

    :class:`UserError` for another format, and for a row without source or convention, with an unknown field or a
    number that is none or negative; it names the row.
    """
    data = read_toml(path, what="literature")
    if data.get("format") != FORMAT or data.get("version") != 1:
        raise UserError(f"literature {path} must have format '{FORMAT}', version 1")
    rows = data.get("systems")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"literature {path}: [[systems]] must be a list of tables")
    done = [_row(row, k, path) for k, row in enumerate(rows, 1)]
    names = [row.system for row in done]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"literature {path}: system {name!r} is there twice; give each row a name of its own")
    return done


def _row(row: Mapping[str, Any], k: int, path: Path | str) -> System:
    """Return row number ``k`` of the file; :class:`UserError` if something is missing or wrong."""
    where = f"literature {path}: row {k} ({row.get('system')})"
    for name in TEXTS:
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise UserError(f"{where} has no {name}; every row needs {', '.join(TEXTS)}")
    known = (*TEXTS, *NUMBERS, "power_of", "read")
    unknown = sorted(set(row) - set(known))
    if unknown:
        raise UserError(f"{where}: field {unknown[0]!r} is unknown; known: {', '.join(known)}")
    if row.get("read") not in READ:
        raise UserError(f"{where}: 'read' must be one of {', '.join(READ)}, not {row.get('read')!r}")
    if row.get("power_of") not in (POWER_OF if "power_w" in row else (None,)):
        raise UserError(f"{where}: power_w and power_of ({' or '.join(POWER_OF)}) go together")
    for name in NUMBERS:
        value = row.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise UserError(f"{where}: {name} must be a number that is not negative, not {value!r}")
    if row.get("accuracy", 0) > 100:
        raise UserError(f"{where}: accuracy is in percent, not {row['accuracy']!r}")
    return System(**row)
