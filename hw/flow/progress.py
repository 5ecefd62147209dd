"""How far nextpnr is, read from its log while it runs: shown, and acted on where it will not end.

Both routers print a level that must come to zero: router1 the arcs that remain, router2 the wires that more than one
net uses. A level that stays is no accident of one iteration: a router that gets on lowers it by far more than a tenth
in the iterations and minutes that are allowed here.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path

from s2nn_hw.errors import UserError
from s2nn_hw.hw.flow.nextpnr_log import log_clocks
from s2nn_hw.hw.flow.toolchain import TRY
from s2nn_hw.hw.flow.toolreports import ClockRate, Timing

STALL_SECONDS = 600
# iterations without a tenth less: of router2 one is a pass over all nets that are left, of router1 an arc
STALL_ITERATIONS = {"overused wires": 50, "arcs left": 100_000}
_SHARE = 0.9
_PLACER = re.compile(r"at iteration #(\d+).*?\b(?:legal|wirelen) = (\d+)")
_DENSITY = re.compile(r"Info: overlap: (\w+=.*%)")  # of the placer by density
_ROUTER = {
    "overused wires": re.compile(r"\biter=(\d+) .*\boverused=(\d+)"),
    "arcs left": re.compile(r"^Info:\s+(\d+) \|\s+\d+\s+\d+ \|\s*-?\d+\s+-?\d+ \|\s*(\d+)"),
}
_ROUTING = re.compile(r"Info: (?:Routing\b|Running router|Setting up routing)")


class Watch:
    """Follows the log in file ``path`` of a nextpnr called ``tool``.

    ``text`` says in words where it is. ``placed(timing)`` is called once, with the clocks that nextpnr estimates
    between placement and routing, and may raise. :meth:`look` raises :class:`UserError` if the router does not improve.
    """

    def __init__(self, tool: str, path: Path | str, placed: Callable[[Timing], None] = lambda timing: None) -> None:
        self.tool, self.path, self.placed = tool, Path(path), placed
        self.text = ""
        self._offset, self._rest = 0, ""
        self._clocks: dict[str, ClockRate] = {}
        self._routing = False
        self._best: tuple[str, int, int, float] | None = (
            None  # (level's name, level, iteration, moment) of the last real improvement
        )

    def look(self) -> None:
        """Read what is new in the log."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            new = file.read()
        self._offset += len(new)
        *lines, self._rest = (self._rest + new.decode(errors="replace")).split("\n")
        for line in lines:
            self._line(line)

    def _line(self, line: str) -> None:
        if not self._routing:
            if clock := log_clocks(line):
                self._clocks |= clock
            elif self._clocks:  # the last of them was read: this is behind placement
                self._routing = True
                self.placed(Timing(self._clocks))
            elif step := _PLACER.search(line):
                self.text = f"placement, iteration {step[1]}, wire length {int(step[2]):,}"
            elif density := _DENSITY.search(line):
                self.text = f"placement, overlap {density[1]}"
        if _ROUTING.match(line):
            self._routing = True
            if not self.text.startswith("routing, iteration"):
                self.text = "routing" + self._estimate()
        for name, pattern in _ROUTER.items():
            if level := pattern.search(line):
                self._level(name, int(level[1]), int(level[2]))

    def _estimate(self) -> str:
        worst = Timing(self._clocks).slowest()
        return f", {worst[1]:.1f} MHz estimated of {worst[2]:g}" if worst else ""

    def _level(self, name: str, iteration: int, level: int) -> None:
        now = time.monotonic()
        self.text = f"routing, iteration {iteration:,}, {level:,} {name}{self._estimate()}"
        if self._best is None or name != self._best[0] or level <= _SHARE * self._best[1]:
            self._best = name, level, iteration, now
            return
        _, was, at, since = self._best
        if level and iteration - at >= STALL_ITERATIONS[name] and now - since >= STALL_SECONDS:
            raise UserError(
                f"{self.tool} was ended: its router no longer improves, {level:,} {name} at iteration {iteration:,} "
                f"and {was:,} at {at:,}, {(now - since) / 60:.0f} minutes before; {TRY}; its log is {self.path}"
            )
