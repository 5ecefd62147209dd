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

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from s2nn_hw.activity_record import ActivityRecord, block_share
from s2nn_hw.report.energy.coefficients import Coefficients
from s2nn_hw.report.quantities import Json, column, quantity, significant, table, widest

Ends = Sequence[float]  # low, value, high
CLASSES = ("lut", "ff", "bram", "clock", "io")
LINK, OTHER = "link", "other"
BITS_PER_BYTE = 10  # start, eight data, stop; on average every second one differs from the one before


@dataclass(frozen=True)
class Pace:
    """How fast a circuit runs: its clock, mean cycles from a result to the next, and what its link allows.

    ``link_fps``: frames/s that the host link allows, or None; ``reply_bytes``: on its line per result.
    """

    clock_mhz: float
    interval_cycles: float
    link_fps: float | None = None
    reply_bytes: int = 0

    @property
    def circuit_fps(self) -> float:
        """Frames/s of the circuit without the link."""
        return 1e6 * self.clock_mhz / self.interval_cycles

    @property
    def link_cycles(self) -> float | None:
        """Cycles from a result to the next where the link is slower than the circuit, else None."""
        slow = self.link_fps is not None and self.link_fps < self.circuit_fps
        return 1e6 * self.clock_mhz / self.link_fps if slow and self.link_fps else None


def device_energy(activity: ActivityRecord, coefficients: Coefficients, pace: Pace) -> Json:
    """Return ``energy.device`` of a report.

    ``coefficients``: of the device (:func:`.coefficients.find_coefficients`).
    """
    slow, busy = pace.link_cycles, pace.interval_cycles
    # a line that is too slow for the circuit's rate can't be at work at it
    here = _Frame(activity, coefficients, busy, busy, 0 if slow else pace.reply_bytes)
    result = (
        {
            "netlist": activity.netlist.what,
            "link": activity.link.by,
            "frames": activity.frames,
            "simulator": activity.simulator,
            "device": coefficients.device,
            "family": coefficients.title,
            "coefficients": coefficients.to_json(),
        }
        | here.at(pace.circuit_fps, "circuit")
        | {"classes": here.classes(), "layers": here.layers(), "at_link": None}
    )
    if slow and pace.link_fps:
        there = _Frame(activity, coefficients, slow, busy, pace.reply_bytes)
        result["at_link"] = there.at(pace.link_fps, "link") | {"classes": there.classes(), "layers": there.layers()}
    return result | {"saif": activity.saif, "vivado": activity.vivado and asdict(activity.vivado)}


class _Frame:
    """pJ of a frame that takes ``cycles``, of which ``busy`` are at work; ``parts[row][class]``: ``(low, value,
    high)``, ``counts[class]``: what was counted."""

    def __init__(
        self, activity: ActivityRecord, coefficients: Coefficients, cycles: float, busy: float, reply_bytes: int
    ) -> None:
        self.coefficients, self.cycles = coefficients, cycles
        self.parts: dict[str, dict[str, list[float]]] = {}
        self.counts: dict[str, float] = dict.fromkeys(CLASSES, 0.0)
        quiet, idle = max(0.0, cycles - busy), activity.idle.by_name
        share, pj = block_share(activity.netlist.cells), coefficients.events
        lut = tuple(a * b for a, b in zip(pj.glitch.ends, pj.lut.ends, strict=True))
        for name, row in activity.frame.by_name.items():
            still = idle[name]
            pins = 1 / activity.cycles.per_frame * row.clock_pins
            self._add(name, "lut", (row.lut + quiet * still.lut, lut))
            self._add(name, "ff", (row.ff + quiet * still.ff, pj.ff.ends))
            self._add(
                name,
                "bram",
                (share * (row.bram_reads + quiet * still.bram_reads), pj.bram_read.ends),
                (share * (row.bram_writes + quiet * still.bram_writes), pj.bram_write.ends),
            )
            self._add(name, "bram", (row.bram + quiet * still.bram, pj.ff.ends), counted=False)
            self._add(name, "clock", (cycles * pins, pj.clock_load.ends))
        self._add(OTHER, "clock", (cycles, pj.clock_tree.ends), counted=False)
        self._add(LINK, "clock", (cycles * (activity.link.flip_flops or 0), pj.clock_load.ends))
        self._add(LINK, "io", (reply_bytes * BITS_PER_BYTE / 2, pj.io.ends))

    def _add(self, name: str, group: str, *terms: tuple[float, Ends], counted: bool = True) -> None:
        """Add terms ``(count, pJ ends)`` to a class of a row; ``counted``: and to what was counted."""
        row = self.parts.setdefault(name, {key: [0.0] * 3 for key in CLASSES})
        for count, ends in terms:
            self.counts[group] += count if counted else 0
            for k, end in enumerate(ends):
                row[group][k] += count * end

    def total(self, names: Sequence[str] | None = None, groups: Sequence[str] = CLASSES) -> Ends:
        """Return ``(low, value, high)`` nJ of rows ``names`` (all) and ``groups``."""
        rows = self.parts.values() if names is None else [self.parts[name] for name in names]
        return [sum(row[group][k] for row in rows for group in groups) / 1000 for k in range(3)]

    def at(self, rate: float, limit: str) -> Json:
        """Return ``rate``, ``frame`` (nJ) and ``power`` (mW) at so many frames/s."""
        still = [end * 1e6 / rate for end in self.coefficients.static.ends]  # mW over frames/s
        work, whole = self.total(), [a + b for a, b in zip(self.total(), still, strict=True)]
        made = {"dynamic": work, "static": still, "total": whole}
        return {
            "rate": quantity(significant(rate), "frames/s", "formula", f"the {limit}'s"),
            "cycles": quantity(significant(self.cycles), "cycles", "formula", "clock over rate"),
            "frame": {f"{name}_nj": _estimate(ends, "nJ") for name, ends in made.items()},
            "power": {f"{name}_mw": _estimate([end * rate / 1e6 for end in ends], "mW") for name, ends in made.items()},
        }

    def classes(self) -> Json:
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

    def layers(self) -> Json:
        """Return the table of layers, then ``other`` (with the clock's trunk) and ``link``."""
        rows = [
            {"name": name}
            | {group: significant(self.total([name], (group,))[1]) for group in CLASSES}
            | self._nj([name])
            for name in self.parts
        ]
        columns = _columns(rows)
        classes: Json = dict.fromkeys(CLASSES, columns["nj"])
        return table(classes | columns, rows)

    def _nj(self, names: Sequence[str] | None = None, groups: Sequence[str] = CLASSES) -> Json:
        """Return nJ of rows ``names`` and ``groups``, and their share of everything."""
        low, value, high = (significant(end) for end in self.total(names, groups))
        whole = self.total()[1]
        return {"nj": value, "low_nj": low, "high_nj": high, "share": significant(value / whole, 4) if whole else 0.0}


def _columns(rows: Sequence[Json]) -> Json:
    """Return the columns of :meth:`_Frame._nj`, with the band that holds every row's ends."""
    by, band = "dynamic, one frame; low and high are a row's own ends", widest(rows)
    costs = dict.fromkeys(("nj", "low_nj", "high_nj"), column("nJ", "estimate", by, band))
    return costs | {"share": column("share", "estimate", by, band)}


def _estimate(ends: Ends, unit: str) -> Json:
    """Return a quantity with its band."""
    low, value, high = (significant(end) for end in ends)
    return quantity(value, unit, "estimate", "activity times coefficients", (low, high))
