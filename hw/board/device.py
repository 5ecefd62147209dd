"""A device: what it has, and a system clock that the shipped networks reach on it."""

from collections.abc import Iterable
from dataclasses import dataclass

RESOURCES = ("luts", "ffs", "brams", "dsps")


@dataclass(frozen=True)
class Budget:
    """What the device has: counts, and the kind of LUT and block RAM that is counted."""

    lut_kind: str
    luts: int
    ffs: int
    bram_kind: str
    brams: int
    dsps: int

    def title(self, resource: str) -> str:
        """Return how ``resource`` (one of ``RESOURCES``) is called on this device."""
        return {"luts": self.lut_kind, "ffs": "FF", "brams": self.bram_kind, "dsps": "DSP"}[resource]

    def count(self, resource: str) -> int:
        """Return how many of ``resource`` the device has."""
        return {"luts": self.luts, "ffs": self.ffs, "brams": self.brams, "dsps": self.dsps}[resource]


@dataclass(frozen=True)
class Device:
    """``name`` as its maker writes it; ``family`` decides clock primitives and flow; ``clock_hz`` is a safe clock."""

    name: str
    family: str
    budget: Budget
    clock_hz: int


def devices(
    family: str, lut_kind: str, bram_kind: str, clock_mhz: int, rows: Iterable[tuple[str, int, int, int, int]]
) -> tuple[Device, ...]:
    """Return the devices of ``family`` in ``rows``: their names; LUTs, flip-flops, block RAMs, DSPs of each."""
    return tuple(
        Device(name, family, Budget(lut_kind, luts, ffs, bram_kind, brams, dsps), clock_mhz * 1_000_000)
        for names, luts, ffs, brams, dsps in rows
        for name in names.split()
    )
