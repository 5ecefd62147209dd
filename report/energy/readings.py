"""Readings of a board: volts and amps by hand (TOML), or what a meter wrote (CSV), as power and energy per frame.

board power      W = mean over the time of volts * amps, while frames are sent back to back
idle power       W_0, the same with the circuit clocked and no frames
energy           W / frames/s per frame; (W - W_0) / frames/s is what a frame adds
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes
from s2nn_hw.report.quantities import Json, quantity, significant
from s2nn_hw.texts import read_toml

FORMAT = "s2nn-readings"
TEXTS, NUMBERS = ("instrument", "note"), ("volts", "amps", "idle_amps", "watts", "idle_watts", "frames_per_second")
COLUMNS = ("time_s", "volts", "amps", "watts", "state")
STATES = ("run", "idle")
LIMIT = 1 << 26  # bytes of a meter's file
MOST = {"volts": 60, "amps": 100, "idle_amps": 100, "watts": 6000, "idle_watts": 6000}  # more is a slip of the pen


@dataclass(frozen=True)
class Readings:
    """What was read of a board.

    run_w, idle_w            W at work, and clocked without frames (or None)
    frames_per_second        sent, or None
    samples, seconds         of a meter's file, else None
    instrument, date, note   texts or None
    file                     its name
    """

    run_w: float
    idle_w: float | None = None
    frames_per_second: float | None = None
    samples: int | None = None
    seconds: float | None = None
    instrument: str | None = None
    date: str | None = None
    note: str | None = None
    file: str = ""


def load_readings(path: Path | str, frames_per_second: float | None = None) -> Readings:
    """Return the readings in ``path`` (``.toml`` or ``.csv``, see ``docs/energy.md``).

    ``frames_per_second`` counts if the file has none. :class:`UserError`, one line, for a file that is not of the form,
    not finite, or not sensible.
    """
    path = Path(path)
    readers = {".toml": _by_hand, ".csv": _from_meter}
    if path.suffix.lower() not in readers:
        raise UserError(f"readings {path} must end in .toml (by hand) or .csv (from a meter)")
    found = replace(readers[path.suffix.lower()](path), file=path.name)
    if frames_per_second is not None and not found.frames_per_second:
        rate = _positive(frames_per_second, f"readings {path}: frames_per_second", math.inf)
        found = replace(found, frames_per_second=rate)
    if found.idle_w is not None and found.idle_w > 1.5 * found.run_w:
        raise UserError(
            f"readings {path}: idle takes {found.idle_w:.4g} W and running {found.run_w:.4g} W; "
            "are they the wrong way round?"
        )
    return found


def measured(readings: Readings, total_nj: float | None = None) -> Json:
    """Return ``energy.measured`` of a report from :func:`load_readings`.

    ``total_nj``: the estimate of a frame at the rate that was measured, in nJ; ``to_estimate`` is the board's energy
    over it, ``added_to_estimate`` the same of what a frame adds to idling.
    """
    by = f"{readings.instrument or 'instrument not named'}, {readings.file}"
    rate, run, idle = readings.frames_per_second, readings.run_w, readings.idle_w

    def frame(watts: float | None) -> Json | None:
        if watts is None or rate is None:
            return None
        return quantity(significant(1e9 * watts / rate), "nJ", "measured", by)

    def ratio(energy: Json | None) -> float | None:
        return significant(energy["value"] / total_nj, 4) if energy and total_nj else None

    whole, added = frame(run), frame(None if idle is None else run - idle)
    return {
        "file": readings.file,
        "instrument": readings.instrument,
        "date": readings.date,
        "note": readings.note,
        "samples": readings.samples,
        "seconds": readings.seconds,
        "board_w": quantity(significant(run), "W", "measured", by),
        "idle_w": None if idle is None else quantity(significant(idle), "W", "measured", by),
        "frames_per_second": None if rate is None else quantity(significant(rate), "frames/s", "measured", by),
        "nj_per_frame": whole,
        "added_nj_per_frame": added,
        "to_estimate": ratio(whole),
        "added_to_estimate": ratio(added),
    }


def _by_hand(path: Path) -> Readings:
    """Return the readings of a TOML file."""
    data = read_toml(path, what="readings", limit=1 << 16)
    where = f"readings {path}"
    if data.pop("format", None) != FORMAT or data.pop("version", None) != 1:
        raise UserError(f"{where} must have format = '{FORMAT}' and version = 1")
    unknown = sorted(set(data) - {*TEXTS, *NUMBERS, "date"})
    if unknown:
        raise UserError(f"{where}: field {unknown[0]!r} is unknown; known: {', '.join((*TEXTS, 'date', *NUMBERS))}")
    for name in NUMBERS:
        if isinstance(data.get(name), str):
            raise UserError(f"{where}: {name} must be a number without quotes, not {data[name]!r}")
        if name in data:
            data[name] = _positive(data[name], f"{where}: {name}", MOST.get(name, math.inf))
    run, idle = (_power(data, amps, watts, where) for amps, watts in (("amps", "watts"), ("idle_amps", "idle_watts")))
    if run is None:
        raise UserError(f"{where} needs volts and amps, or watts, of the board at work")
    return Readings(run, idle, data.get("frames_per_second"), **_texts(data, where))


def _power(data: Mapping[str, Any], amps: str, watts: str, where: str) -> float | None:
    """Return W of the two figures ``amps`` and ``watts``, of which one may be given, None without either."""
    if amps in data and watts in data:
        raise UserError(f"{where}: give {amps} or {watts}, not both")
    if amps in data and "volts" not in data:
        raise UserError(f"{where}: {amps} needs volts")
    return data.get(watts, data["volts"] * data[amps] if amps in data else None)


def _texts(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return instrument, date and note, texts or None."""
    for name in TEXTS:
        if not isinstance(data.get(name, ""), str):
            raise UserError(f"{where}: {name} must be text, not {data[name]!r}")
    day = data.get("date")
    if day is not None and not isinstance(day, (str, date, datetime)):
        raise UserError(f"{where}: date must be a date, not {day!r}")
    return {"instrument": data.get("instrument"), "date": None if day is None else str(day), "note": data.get("note")}


def _from_meter(path: Path) -> Readings:
    """Return the readings of a meter's CSV file."""
    where = f"readings {path}"
    try:
        text = read_bytes(path, what="readings", limit=LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{where} is not UTF-8 text") from None
    said, lines = dict[str, Any](), []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            key, colon, value = line[1:].partition(":")
            if colon:
                said[key.strip()] = value.strip()
        elif line.strip():
            lines.append((number, line))
    said = {key: value for key, value in said.items() if key in (*TEXTS, "date", "frames_per_second", "volts")}
    for name in ("frames_per_second", "volts"):
        if name in said:
            said[name] = _positive(said[name], f"{where}: {name}", MOST.get(name, math.inf))
    head, rows = _rows(lines, where)
    if "watts" not in head and ("amps" not in head or ("volts" not in head and "volts" not in said)):
        raise UserError(f"{where} needs a column watts, or volts and amps; a line '# volts: 5.0' stands for volts")
    texts = _texts(said, where)
    # one by one: the first line with a fault is the one that is named
    samples = (_sample(head, row, number, said.get("volts"), where) for number, row in rows)
    return replace(_means(samples, where), samples=len(rows), frames_per_second=said.get("frames_per_second"), **texts)


def _rows(lines: Sequence[tuple[int, str]], where: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and the cells of each further line with its number."""
    try:
        parsed = list(csv.reader(io.StringIO("\n".join(line for _, line in lines)), strict=True))
    except csv.Error as error:
        raise UserError(f"{where} is not CSV ({error})") from None
    head = [name.strip().lower() for name in parsed[0]] if parsed else []
    if "time_s" not in head or len(set(head)) != len(head):
        raise UserError(f"{where}: the first line must name the columns, time_s and of {', '.join(COLUMNS[1:])}, once")
    if len(parsed) < 3 or len(parsed) != len(lines):
        raise UserError(f"{where} has {max(0, len(parsed) - 1)} readings, at least two are needed")
    return head, [(number, row) for (number, _), row in zip(lines[1:], parsed[1:], strict=True)]


@dataclass(frozen=True)
class _Sample:
    """A line of a meter's file: ``number`` of the line, ``time`` in s, ``watts``, and ``run`` or ``idle``."""

    number: int
    time: float
    watts: float
    state: str


def _sample(head: Sequence[str], row: Sequence[str], number: int, volts: float | None, where: str) -> _Sample:
    """Return line ``number`` with the cells ``row``; ``volts``: where there is no column of them."""
    line = f"{where}, line {number}"
    if len(row) != len(head):
        raise UserError(f"{line}: {len(head)} columns wanted, not {len(row)}")
    cells = dict(zip(head, row, strict=True))

    def read(name: str) -> float:
        return _number(cells[name], f"{line}: {name}")

    now = read("time_s")
    if "watts" in cells:
        watts = read("watts")
    else:
        pressure = volts if volts is not None and "volts" not in cells else read("volts")
        watts = pressure * read("amps")
    if not 0 <= watts <= MOST["watts"]:
        raise UserError(f"{line}: {watts:.4g} W is not the power of a board (0 to {MOST['watts']})")
    state = cells.get("state", "run").strip().lower()
    if state not in STATES:
        raise UserError(f"{line}: state must be {' or '.join(STATES)}, not {cells['state']!r}")
    return _Sample(number, now, watts, state)


def _means(samples: Iterable[_Sample], where: str) -> Readings:
    """Return mean watts of each state, each reading counted for the time until the next."""
    joules, seconds = dict.fromkeys(STATES, 0.0), dict.fromkeys(STATES, 0.0)
    for before, now in pairwise(samples):
        if not now.time > before.time:
            raise UserError(f"{where}, line {now.number}: time_s must grow, not go from {before.time} to {now.time}")
        joules[before.state] += before.watts * (now.time - before.time)
        seconds[before.state] += now.time - before.time
    (run_j, idle_j), (run_s, idle_s) = ([spent[state] for state in STATES] for spent in (joules, seconds))
    if not run_j > 0:
        raise UserError(f"{where}: no energy while the board runs; is the column state right?")
    return Readings(
        run_w=run_j / run_s, idle_w=idle_j / idle_s if idle_s else None, seconds=significant(run_s + idle_s)
    )


def _number(text: Any, what: str) -> float:
    """Return a finite number; :class:`UserError` begins with ``what``."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise UserError(f"{what} must be a number, not {text!r}") from None
    if isinstance(text, bool) or not math.isfinite(value):
        raise UserError(f"{what} must be a finite number, not {text!r}")
    return value


def _positive(value: Any, what: str, most: float) -> float:
    """Return a positive number of at most ``most``; :class:`UserError` begins with ``what``."""
    number = _number(value, what)
    if not 0 < number <= most:
        raise UserError(
            f"{what} must be positive" + (f" and at most {most:g}" if most < math.inf else "") + f", not {value!r}"
        )
    return number
