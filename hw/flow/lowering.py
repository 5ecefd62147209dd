"""A clock that is missed and was not asked for: it is lowered to what was reached, and the build goes on.

The circuit knows its clock (PLL, clocks per bit, what it tells the host, heartbeat), so a lower one is another netlist,
and placement and routing are other ones too: nothing of a routed design is patched. What is saved is the router's time.
nextpnr estimates the clock after placement, within some percent of what routing gives; if that is far below, the try
ends there and the next is made for a lower clock, so that one routing is enough.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from s2nn_hw.errors import UserError
from s2nn_hw.hw.board.board import Board
from s2nn_hw.hw.board.clocking import highest_clock
from s2nn_hw.hw.flow.build_record import BuildRecord, BuiltClock, LoweredClock
from s2nn_hw.hw.flow.toolchain import Narrator
from s2nn_hw.hw.flow.work import ClockMissed
from s2nn_hw.hw.link.uart import clocks_per_bit

# Another placement of nearly the same circuit differed by 7.5 % (docs/boards.md); to an estimate routing adds some
# percent on ECP5 and Artix.
MARGINS = {"placement": 0.05, "routing": 0.08}
T = TypeVar("T")  # what a build gives
LOWERINGS = 2  # a lowered build that misses again gets one more


class Lowering:
    """The clocks of one build of ``board``: the first is ``clock_hz``; all of them make ``baud``.

    ``strict``: the clock was asked for, so that a missed one is an error.
    """

    def __init__(self, board: Board, clock_hz: int, baud: int, *, strict: bool) -> None:
        self.board, self.wanted_hz, self.clock_hz, self.baud = board, clock_hz, clock_hz, baud
        self.strict = strict
        self.lowered: list[LoweredClock] = []

    def build(self, attempt: Callable[[int, bool], T], folder: Path, narrator: Narrator) -> T:
        """Return what ``attempt(clock_hz, early)`` returns at the first clock that it does not miss.

        ``early``: it may end after placement. Logs of a missed try go to a folder of their own in ``folder``, the rest
        of it is removed.
        """
        while True:
            last = self.strict or len(self.lowered) == LOWERINGS
            try:
                return attempt(self.clock_hz, not last)
            except ClockMissed as miss:
                if self.strict:
                    raise
                if last:
                    raise UserError(
                        f"clock missed again after it was lowered {LOWERINGS} times, from "
                        f"{self.wanted_hz / 1e6:g} to {self.clock_hz / 1e6:g} MHz: {miss}"
                    ) from None
                lower_hz = self._lower(miss)
                reached = f"{miss.reached_mhz:.2f} MHz after {miss.after}"
                narrator.say(
                    f"clock: {reached} where {miss.wanted_mhz:g} MHz is wanted; built again for "
                    f"{lower_hz / 1e6:g} MHz (--freq MHZ would make a missed clock an error)"
                )
                path = miss.timing.critical_path
                self.lowered.append(
                    LoweredClock(
                        self.clock_hz / 1e6,
                        lower_hz / 1e6,
                        miss.after,
                        round(miss.reached_mhz, 3),
                        str(path) if path else None,
                    )
                )
                put_aside(folder, f"at-{self.clock_hz / 1e6:g}-mhz")
                self.clock_hz = lower_hz

    def _lower(self, miss: ClockMissed) -> int:
        """Return the next clock to try: the highest that can be made some percent below what was reached."""

        def makes_baud(clock_hz: int) -> bool:
            try:
                return bool(clocks_per_bit(clock_hz, self.baud))
            except UserError:
                return False

        try:
            return highest_clock(self.board, (1 - MARGINS[miss.after]) * miss.share * self.clock_hz, makes_baud)
        except UserError as error:
            raise UserError(f"{miss}; it can't be lowered: {error} ({self.baud:,} baud)") from None

    def record(self, reached_mhz: float | None) -> BuiltClock:
        """Return the clock of the build's record: what was wanted, what the design reaches and what it runs at."""
        return BuiltClock(self.wanted_hz / 1e6, reached_mhz, self.clock_hz / 1e6, tuple(self.lowered))


def put_aside(folder: Path, name: str) -> None:
    """Move the logs and reports in ``folder`` to its subfolder ``name`` and remove its other files."""
    aside = Path(folder) / name
    aside.mkdir()
    for path in sorted(Path(folder).iterdir()):
        if path.is_file() and (path.suffix in (".log", ".tim", ".rpt") or path.name.endswith("_nextpnr.json")):
            path.rename(aside / path.name)
        elif path.is_file():
            path.unlink()


def lowered_text(build: BuildRecord) -> str | None:
    """Return what to tell of the clock of ``build`` if it was lowered, else None."""
    clock = build.clock
    if not clock.lowered:
        return None
    first, path = clock.lowered[0], build.timing.critical_path if build.timing else None
    how = "estimated" if first.after == "placement" else "reached"
    why = f"; its critical path: {path}" if path else ""
    return (
        f"clock: {clock.clock_mhz:g} MHz, not the {clock.wanted_mhz:g} MHz wanted: "
        f"{first.reached_mhz:g} MHz were {how} after {first.after}; this design reaches "
        f"{clock.reached_mhz:g} MHz{why}"
    )
