"""What something takes of a device."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """LUTs, flip-flops and block RAMs in the family's units; costs add up and multiply."""

    luts: float = 0.0
    ffs: float = 0.0
    brams: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.luts + other.luts, self.ffs + other.ffs, self.brams + other.brams)

    def __mul__(self, times: float) -> "Cost":
        return Cost(self.luts * times, self.ffs * times, self.brams * times)
