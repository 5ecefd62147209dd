"""What copying drivers did to a netlist (:mod:`s2nn_hw.hw.netlist.fanout`)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from s2nn_hw.hw.netlist.primitives import CellLibrary


@dataclass(frozen=True)
class Left:
    """A net that keeps more loads than the limit, and why."""

    net: str
    loads: int
    reason: str


@dataclass(frozen=True)
class Spread:
    """What the pass did.

    ``nets_before``: how many nets were above ``limit``. ``highest_before``, ``highest_after``: the most loads of a net
    that is no clock; ``net_...``: its name. ``copies``: cells added, by type. ``buffers``: LUTs put between, each a
    level more for its loads; ``buffered``: the nets that have such, with their loads before. ``left``: nets still
    above.
    """

    limit: int
    nets_before: int
    highest_before: int
    net_before: str
    highest_after: int
    net_after: str
    copies: Mapping[str, int]
    buffers: int
    buffered: tuple[Left, ...]
    left: tuple[Left, ...]

    @property
    def added(self) -> int:
        """How many cells were added."""
        return sum(self.copies.values()) + self.buffers

    def cells(self, library: CellLibrary) -> Mapping[str, int]:
        """Return how many cells were added by type, in a netlist of ``library``."""
        return Counter(self.copies) + Counter({library.buffer.type: self.buffers})

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        copies = ", ".join(f"{count} {kind}" for kind, count in self.copies.items()) or "none"
        text = (
            f"fan-out: {self.nets_before} nets above {self.limit} loads, the highest {self.highest_before:,} "
            f"({self.net_before}); now {self.highest_after:,} ({self.net_after}); copies: {copies}"
        )
        if self.buffers:
            text += f"; {self.buffers} LUTs between, a level more, behind {len(self.buffered)} nets"
        return text + (f"; {len(self.left)} nets left above" if self.left else "")
