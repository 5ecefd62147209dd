"""What planning and reports know of a board, without its pins."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Budget:
    """How many of a kind of resource (``LUT6``, ``RAMB36`` ...) a device has."""

    kind: str
    budget: int


@dataclass(frozen=True)
class BoardFacts:
    """A board: ``name`` as commands take it and ``title``, its ``device`` and ``family``, system clock, link's baud.

    ``budget``: of the device, by ``luts``, ``ffs``, ``brams``, ``dsps``.
    """

    name: str
    title: str
    device: str
    family: str
    clock_mhz: float
    baud: int
    budget: Mapping[str, Budget]

    def to_json(self) -> dict[str, Any]:
        """Return all of it, JSON-able."""
        return asdict(self)
