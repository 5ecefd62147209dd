"""What nextpnr's log says: clocks, counts and the critical path, for builds of it whose report lacks them.

nextpnr-xilinx branched off in 2019 and prints a path as nextpnr did then::

    Info: Critical path report for clock 'clk' (posedge -> posedge):
    Info: curr total
    Info:  0.5  0.5  Source a.Q
    Info:  1.6  2.1    Net n budget 8.123000 ns (93,155) -> (91,157)
    Info:                Sink b.A3
    Info:  0.1  2.2  Setup b.D
    Info: 0.6 ns logic, 1.6 ns routing

Later nextpnr puts the kind of each step before its delay and leaves the budget out; both are read.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from s2nn_hw.hw.flow.toolreports import Bels, ClockRate, CriticalPath, Utilization

_NUMBER = r"(\d+(?:\.\d+)?)"
_CLOCK = re.compile(rf"Max frequency for clock\s+'([^']+)':\s*{_NUMBER} MHz \((?:PASS|FAIL) at {_NUMBER} MHz\)")
_COUNT = re.compile(r"^Info:\s+(\w+):\s+(\d+)/\s*(\d+)\s+\d+%", re.MULTILINE)
_HEAD = re.compile(r"Critical path report for clock\s+'([^']+)' \(")
_STEP = re.compile(
    r"(?:(?P<kind>[a-z][a-z-]*)\s+)?(?P<ns>-?\d+\.\d+)\s+(?P<total>-?\d+\.\d+)\s+"
    r"(?P<what>Source|Net|Setup) (?P<name>.*)"
)
_NET = re.compile(r"(?: budget -?\d+\.\d+ ns)? \(\d+,\d+\) -> \(\d+,\d+\)$")
_SUM = re.compile(r"(-?\d+\.\d+) ns logic, (-?\d+\.\d+) ns routing")


class Line(NamedTuple):
    """A line of a path: its kind, if it says that, its delay and all delays until here in ns, "Source", "Net" or
    "Setup", and the pin or net."""

    kind: str | None
    ns: float
    total_ns: float
    what: str
    name: str

    @classmethod
    def of(cls, text: str) -> "Line | None":
        """Return what ``text`` says, None if it is no such line."""
        found = _STEP.match(text)
        if not found:
            return None
        kind, ns, total, what, name = found.groups()
        return cls(kind, float(ns), float(total), what, name)


def log_clocks(text: str) -> dict[str, ClockRate]:
    """Return the clocks by name; the last of each clock, which is after routing, counts."""
    found = ((name, ClockRate(float(reached), float(wanted))) for name, reached, wanted in _CLOCK.findall(text))
    return {name: rate for name, rate in found if rate.wanted_mhz}


def log_utilization(text: str) -> Utilization:
    """Return ``{kind of bel: how many}`` from the table that is printed after packing."""
    return {bel: Bels(int(used), int(available)) for bel, used, available in _COUNT.findall(text)}


def log_critical_path(text: str) -> CriticalPath | None:
    """Return the slowest :class:`CriticalPath` inside one clock domain, None if the log has none."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        head = _HEAD.search(line)
        path = _path(lines) if head else None
        if head and path:
            found[head[1]] = path  # of a clock that is reported twice the last counts
    return max(found.values(), key=lambda path: path.delay_ns, default=None)


def _path(lines: Iterator[str]) -> CriticalPath | None:
    """Return the path whose lines follow; None if they do not end in its sum."""
    ends: list[str] = []
    steps: list[str] = []
    source: str | None = None
    wire: tuple[float, str] | None = None
    total = 0.0
    for line in lines:
        text = line.partition(": ")[2].strip()
        if done := _SUM.match(text):
            logic, routing = float(done[1]), float(done[2])
            return CriticalPath(ends[0], ends[-1], total, logic, routing, tuple(steps)) if source else None
        if text.startswith("Sink "):
            sink = text.removeprefix("Sink ")
            ends.append(sink)
            if wire:
                steps.append(f"{wire[0]:.2f} ns routing {source} -> {sink}, net {wire[1]}")
        elif step := Line.of(text):
            total = step.total_ns
            if step.what == "Net":
                wire = step.ns, _NET.sub("", step.name)
            else:
                source = step.name
                ends += [] if ends else [source]
                kind = step.kind or ("setup" if step.what == "Setup" else "logic")
                steps.append(f"{step.ns:.2f} ns {kind} {source}")
        elif not line.startswith(("Info: ", "Warning: ")):
            return None
    return None
