"""Readings of a board: volts and amps by hand (TOML), or what a meter wrote (CSV), as power and energy per frame.

board power      W = mean over the time of volts * amps, while frames are sent back to back
idle power       W_0, the same with the circuit clocked and no frames
energy           W / frames/s per frame; (W - W_0) / frames/s is what a frame adds
"""

import csv
import io
import math
from datetime import date, datetime
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.files import read_bytes
from s2nn_hw.report.quantities import quantity, significant
from s2nn_hw.texts import read_toml

FORMAT = "s2nn-readings"
TEXTS, NUMBERS = ("instrument", "note"), ("volts", "amps", "idle_amps", "watts", "idle_watts", "frames_per_second")
COLUMNS = ("time_s", "volts", "amps", "watts", "state")
STATES = ("run", "idle")
LIMIT = 1 << 26  # bytes of a meter's file
MOST = {"volts": 60, "amps": 100, "idle_amps": 100, "watts": 6000, "idle_watts": 6000}  # more is a slip of the pen


def load_readings(path, frames_per_second=None):
    """Return the readings in ``path`` (``.toml`` or ``.csv``, see ``docs/energy.md``).

    The result: ``file`` (its name), ``instrument``, ``date``, ``note`` (texts or None), ``run_w``, ``idle_w`` (or
    None), ``frames_per_second`` (or None; the argument counts if the file has none), ``samples``, ``seconds`` (of a
    CSV, else None). :class:`UserError`, one line, for a file that is not of the form, not finite, or not sensible.
    """
    path = Path(path)
    readers = {".toml": _by_hand, ".csv": _from_meter}
    if path.suffix.lower() not in readers:
        raise UserError(f"readings {path} must end in .toml (by hand) or .csv (from a meter)")
    found = readers[path.suffix.lower()](path)
    if frames_per_second is not None:
        found["frames_per_second"] = found["frames_per_second"] or _positive(
            frames_per_second, f"readings {path}: frames_per_second", math.inf
        )
    if found["idle_w"] is not None and found["idle_w"] > 1.5 * found["run_w"]:
        raise UserError(
            f"readings {path}: idle takes {found['idle_w']:.4g} W and running {found['run_w']:.4g} W; "
            "are they the wrong way round?"
        )
    return {"file": path.name} | found


def measured(readings, total_nj=None):
    """Return ``energy.measured`` of a report from :func:`load_readings`.

    ``total_nj``: the estimate of a frame at the rate that was measured, in nJ; ``to_estimate`` is the board's energy
    over it, ``added_to_estimate`` the same of what a frame adds to idling.
    """
    by = f"{readings['instrument'] or 'instrument not named'}, {readings['file']}"
    rate, run, idle = readings["frames_per_second"], readings["run_w"], readings["idle_w"]

    def frame(watts):
        if watts is None or rate is None:
            return None
        return quantity(significant(1e9 * watts / rate), "nJ", "measured", by)

    def ratio(energy):
        return significant(energy["value"] / total_nj, 4) if energy and total_nj else None

    whole, added = frame(run), frame(None if idle is None else run - idle)
    return {
        "file": readings["file"],
        "instrument": readings["instrument"],
        "date": readings["date"],
        "note": readings["note"],
        "samples": readings["samples"],
        "seconds": readings["seconds"],
        "board_w": quantity(significant(run), "W", "measured", by),
        "idle_w": None if idle is None else quantity(significant(idle), "W", "measured", by),
        "frames_per_second": None if rate is None else quantity(significant(rate), "frames/s", "measured", by),
        "nj_per_frame": whole,
        "added_nj_per_frame": added,
        "to_estimate": ratio(whole),
        "added_to_estimate": ratio(added),
    }


def _by_hand(path):
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
    return _texts(data, where) | {
        "run_w": run,
        "idle_w": idle,
        "frames_per_second": data.get("frames_per_second"),
        "samples": None,
        "seconds": None,
    }


def _power(data, amps, watts, where):
    if amps in data and watts in data:
        raise UserError(f"{where}: give {amps} or {watts}, not both")
    if amps in data and "volts" not in data:
        raise UserError(f"{where}: {amps} needs volts")
    return data.get(watts, data["volts"] * data[amps] if amps in data else None)


def _texts(data, where):
    for name in TEXTS:
        if not isinstance(data.get(name, ""), str):
            raise UserError(f"{where}: {name} must be text, not {data[name]!r}")
    day = data.get("date")
    if day is not None and not isinstance(day, (str, date, datetime)):
        raise UserError(f"{where}: date must be a date, not {day!r}")
    return {"instrument": data.get("instrument"), "date": None if day is None else str(day), "note": data.get("note")}


def _from_meter(path):
    where = f"readings {path}"
    try:
        text = read_bytes(path, what="readings", limit=LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{where} is not UTF-8 text") from None
    said, lines = {}, []
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
    return (
        _texts(said, where)
        | _means(head, rows, said.get("volts"), where)
        | {"frames_per_second": said.get("frames_per_second")}
    )


def _rows(lines, where):
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


def _means(head, rows, volts, where):
    """Return mean watts of each state, each reading counted for the time until the next."""
    spent = {state: [0.0, 0.0] for state in STATES}  # joules, seconds
    before = None
    for number, row in rows:
        if len(row) != len(head):
            raise UserError(f"{where}, line {number}: {len(head)} columns wanted, not {len(row)}")
        cells = dict(zip(head, row, strict=True))
        now = _number(cells["time_s"], f"{where}, line {number}: time_s")
        if "watts" in cells:
            watts = _number(cells["watts"], f"{where}, line {number}: watts")
        else:
            pressure = _number(cells["volts"], f"{where}, line {number}: volts") if "volts" in cells else volts
            watts = pressure * _number(cells["amps"], f"{where}, line {number}: amps")
        if not 0 <= watts <= MOST["watts"]:
            raise UserError(f"{where}, line {number}: {watts:.4g} W is not the power of a board (0 to {MOST['watts']})")
        state = cells.get("state", "run").strip().lower()
        if state not in STATES:
            raise UserError(f"{where}, line {number}: state must be {' or '.join(STATES)}, not {cells['state']!r}")
        if before is not None:
            if not now > before[0]:
                raise UserError(f"{where}, line {number}: time_s must grow, not go from {before[0]} to {now}")
            spent[before[2]][0] += before[1] * (now - before[0])
            spent[before[2]][1] += now - before[0]
        before = (now, watts, state)
    (run_j, run_s), (idle_j, idle_s) = (spent[state] for state in STATES)
    if not run_j > 0:
        raise UserError(f"{where}: no energy while the board runs; is the column state right?")
    return {
        "run_w": run_j / run_s,
        "idle_w": idle_j / idle_s if idle_s else None,
        "samples": len(rows),
        "seconds": significant(run_s + idle_s),
    }


def _number(text, what):
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise UserError(f"{what} must be a number, not {text!r}") from None
    if isinstance(text, bool) or not math.isfinite(value):
        raise UserError(f"{what} must be a finite number, not {text!r}")
    return value


def _positive(value, what, most):
    number = _number(value, what)
    if not 0 < number <= most:
        raise UserError(
            f"{what} must be positive" + (f" and at most {most:g}" if most < math.inf else "") + f", not {value!r}"
        )
    return number
