"""Energy of a frame in the device, an estimate: toggles of the simulated netlist times coefficients of the device.

    lut     glitch * (toggles of LUT outputs) * e_lut
    ff      (toggles of flip-flop outputs) * e_ff
    bram    reads * e_read + writes * e_write + (toggles of their outputs) * e_ff
    clock   cycles * ((clock pins of flip-flops, LUT memories, block RAMs and of the link) * e_load + e_tree)
    io      (bits of the result on the line) / 2 * e_io
    static  P_static / frames/s

Toggles of a frame are those of frames back to back. At the circuit's rate a frame takes ``interval`` cycles; at the
link's rate the circuit is clocked on in between, with the toggles of idle cycles. A link that is slower than the
circuit has its line in the second only. Ends of the band: every coefficient at its low end, at its high end.
"""

from s2nn_hw.errors import UserError
from s2nn_hw.report.quantities import column, quantity, significant, table, widest
from s2nn_hw.texts import read_json

FORMAT = "s2nn-activity"
CLASSES = ("lut", "ff", "bram", "clock", "io")
MOVED = ("lut", "ff", "bram", "bram_reads", "bram_writes")
PINS = ("clock_ff", "clock_bram", "clock_lutram")
LINK, OTHER = "link", "other"
BITS_PER_BYTE = 10  # start, eight data, stop; on average every second one differs from the one before
HALVES = {"RAMB18E1": 0.5, "RAMB36E1": 1.0}  # of the block whose access is priced


def load_activity(path):
    """Return the activity record in JSON file ``path``; :class:`UserError` if it is none, naming the field."""
    data = read_json(path, what="activity", limit=1 << 26)
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("version") != 1:
        raise UserError(f"activity {path} must have format '{FORMAT}', version 1; run `s2nn-hw activity` again")
    try:
        frame, idle = (_rows(data[name]) for name in ("frame", "idle"))
        if list(frame) != list(idle) or not data["cycles"]["per_frame"] > 0 or not data["frames"] > 0:
            raise ValueError("frame and idle must have the same rows, cycles and frames must be positive")
        _block_share(data)
        link = data["link"]["flip_flops"]
        if not (link is None or 0 <= link < float("inf")):
            raise ValueError("flip-flops of the link must be a count")
        if not all(
            isinstance(text, str)
            for text in (data["netlist"]["what"], data["link"]["by"], data["simulator"], data["saif"])
        ):
            raise ValueError("netlist.what, link.by, simulator and saif must be text")
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"activity {path} is damaged ({error}); run `s2nn-hw activity` again") from None
    return data


def device_energy(activity, coefficients, *, clock_mhz, interval_cycles, link_fps=None, reply_bytes=0):
    """Return ``energy.device`` of a report.

    ``activity``: an ``activity.json`` (:func:`load_activity`); ``coefficients``: of the device
    (:func:`.coefficients.find_coefficients`); ``interval_cycles``: mean cycles from a result to the next, back to
    back; ``link_fps``: frames/s that the host link allows; ``reply_bytes``: on its line per result.
    """
    circuit = 1e6 * clock_mhz / interval_cycles
    slow = link_fps is not None and link_fps < circuit
    # a line that is too slow for the circuit's rate can't be at work at it
    here = _Frame(activity, coefficients, interval_cycles, interval_cycles, 0 if slow else reply_bytes)
    result = (
        {
            "netlist": activity["netlist"]["what"],
            "link": activity["link"]["by"],
            "frames": activity["frames"],
            "simulator": activity["simulator"],
            "device": coefficients.device,
            "family": coefficients.title,
            "coefficients": coefficients.to_json(),
        }
        | here.at(circuit, "circuit")
        | {"classes": here.classes(), "layers": here.layers(), "at_link": None}
    )
    if slow:
        there = _Frame(activity, coefficients, 1e6 * clock_mhz / link_fps, interval_cycles, reply_bytes)
        result["at_link"] = there.at(link_fps, "link") | {"classes": there.classes(), "layers": there.layers()}
    return result | {"saif": activity["saif"], "vivado": activity.get("vivado")}


class _Frame:
    """pJ of a frame that takes ``cycles``, of which ``busy`` are at work; ``parts[row][class]``: ``(low, value,
    high)``, ``counts[class]``: what was counted."""

    def __init__(self, activity, coefficients, cycles, busy, reply_bytes):
        self.coefficients, self.cycles = coefficients, cycles
        frame, idle = _rows(activity["frame"]), _rows(activity["idle"])
        per_cycle, quiet = 1 / activity["cycles"]["per_frame"], max(0.0, cycles - busy)
        share = _block_share(activity)
        pj = {name: row.ends for name, row in coefficients.events.items()}
        lut = tuple(a * b for a, b in zip(pj["glitch"], pj["lut"], strict=True))
        self.parts, self.counts = {}, dict.fromkeys(CLASSES, 0.0)
        for name, row in frame.items():
            moved = {key: row[key] + quiet * idle[name][key] for key in MOVED}
            pins = per_cycle * sum(row[key] for key in PINS)
            self._add(name, "lut", (moved["lut"], lut))
            self._add(name, "ff", (moved["ff"], pj["ff"]))
            self._add(
                name,
                "bram",
                (share * moved["bram_reads"], pj["bram_read"]),
                (share * moved["bram_writes"], pj["bram_write"]),
                (moved["bram"], pj["ff"], 0),
            )
            self._add(name, "clock", (cycles * pins, pj["clock_load"]))
        self._add(OTHER, "clock", (cycles, pj["clock_tree"], 0))
        self._add(LINK, "clock", (cycles * (activity["link"]["flip_flops"] or 0), pj["clock_load"]))
        self._add(LINK, "io", (reply_bytes * BITS_PER_BYTE / 2, pj["io"]))

    def _add(self, name, group, *terms):
        """Add terms ``(count, pJ ends, 0 if it is not counted)`` to a class of a row."""
        row = self.parts.setdefault(name, {key: [0.0] * 3 for key in CLASSES})
        for count, ends, *counted in terms:
            self.counts[group] += count if not counted else 0
            for k, end in enumerate(ends):
                row[group][k] += count * end

    def total(self, names=None, groups=CLASSES):
        """Return ``(low, value, high)`` nJ of rows ``names`` (all) and ``groups``."""
        rows = self.parts.values() if names is None else [self.parts[name] for name in names]
        return tuple(sum(row[group][k] for row in rows for group in groups) / 1000 for k in range(3))

    def at(self, rate, limit):
        """Return ``rate``, ``frame`` (nJ) and ``power`` (mW) at so many frames/s."""
        still = tuple(end * 1e6 / rate for end in self.coefficients.static.ends)  # mW over frames/s
        work, whole = self.total(), tuple(a + b for a, b in zip(self.total(), still, strict=True))
        made = {"dynamic": work, "static": still, "total": whole}
        return {
            "rate": quantity(significant(rate), "frames/s", "formula", f"the {limit}'s"),
            "cycles": quantity(significant(self.cycles), "cycles", "formula", "clock over rate"),
            "frame": {f"{name}_nj": _estimate(ends, "nJ") for name, ends in made.items()},
            "power": {f"{name}_mw": _estimate([end * rate / 1e6 for end in ends], "mW") for name, ends in made.items()},
        }

    def classes(self):
        """Return the table of classes."""
        rows = [
            {"name": group, "events": significant(self.counts[group])} | self._nj(groups=(group,)) for group in CLASSES
        ]
        events = column(
            "events/frame",
            "simulation",
            "toggles (lut, ff), accesses in whole blocks (bram), clock pins times cycles (clock); io: "
            "toggles of the line, worked out",
        )
        return table({"events": events} | _columns(rows), rows)

    def layers(self):
        """Return the table of layers, then ``other`` (with the clock's trunk) and ``link``."""
        rows = [
            {"name": name}
            | {group: significant(self.total([name], (group,))[1]) for group in CLASSES}
            | self._nj([name])
            for name in self.parts
        ]
        return table(dict.fromkeys(CLASSES, _columns(rows)["nj"]) | _columns(rows), rows)

    def _nj(self, names=None, groups=CLASSES):
        low, value, high = (significant(end) for end in self.total(names, groups))
        whole = self.total()[1]
        return {"nj": value, "low_nj": low, "high_nj": high, "share": significant(value / whole, 4) if whole else 0.0}


def _columns(rows):
    made = {"source": "estimate", "by": "dynamic, one frame; low and high are a row's own ends", "band": widest(rows)}
    return dict.fromkeys(("nj", "low_nj", "high_nj"), column("nJ", **made)) | {"share": column("share", **made)}


def _estimate(ends, unit):
    low, value, high = (significant(end) for end in ends)
    return quantity(value, unit, "estimate", "activity times coefficients", (low, high))


def _rows(made):
    rows = {row["name"]: {key: float(row[key]) for key in (*MOVED, *PINS)} for row in made["rows"]}
    if not rows or any(not 0 <= value < float("inf") for row in rows.values() for value in row.values()):
        raise ValueError("rows of activity must be there, finite and not negative")
    return rows


def _block_share(activity):
    """Return how much of the block that is priced a block RAM of the netlist is on average."""
    cells = activity["netlist"]["cells"]
    counts = {name: cells[name] for name in HALVES if cells.get(name)}
    return sum(HALVES[name] * n for name, n in counts.items()) / sum(counts.values()) if counts else 1.0
