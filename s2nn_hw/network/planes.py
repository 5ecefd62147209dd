"""Planes: what the bits of a tensor's values mean, and the values that sums are taken over.

    radix   P bits of one number, most significant first: ``x = sum over p of 2^(P-1-p) s_p``, 0 .. 2^P - 1
    signed  the same in two's complement: the first plane counts ``-2^(P-1)``, so -2^(P-1) .. 2^(P-1) - 1
    steps   the spikes of P steps of one sample, oldest first: ``x = sum over p of s_p``, 0 .. P

    s_p     spike of plane p, {0, 1}

A value is kept as one integer, its first plane in the highest of P bits, whatever the code: so pixels, graded
activations and spikes over time are one thing to windows, streams and memories. With one plane both codes are the same.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted

RADIX, STEPS = "radix", "steps"
MAX_RADIX, MAX_STEPS = 8, 31  # of what neurons give
MAX_BITS = 16  # of a pixel


@dataclass(frozen=True)
class Planes:
    """``count`` planes (1 to 16 of ``radix``, 1 to 31 of ``steps``) and their ``code``; one plane is always radix.

    ``signed``: of radix, the first plane is that of the sign.
    """

    count: int = 1
    code: str = RADIX
    signed: bool = False

    def __post_init__(self) -> None:
        if self.code not in (RADIX, STEPS):
            raise UserError(f"code must be {RADIX!r} or {STEPS!r}, not {quoted(self.code)}")
        most = MAX_BITS if self.code == RADIX else MAX_STEPS
        if type(self.count) is not int or not 1 <= self.count <= most:
            raise UserError(f"a tensor has 1 to {most} planes of code {self.code}, not {quoted(self.count)}")
        if type(self.signed) is not bool or (self.signed and self.code == STEPS):
            raise UserError(f"signed must be true or false, and false of code {STEPS!r}, not {quoted(self.signed)}")
        if self.count == 1:
            object.__setattr__(self, "code", RADIX)

    @property
    def radix(self) -> bool:
        """Whether planes are the bits of a number."""
        return self.code == RADIX

    @property
    def word(self) -> str:
        """What a plane is called: the bit of a number, the step of a spike."""
        return "bit" if self.radix else "step"

    @property
    def low(self) -> int:
        """The least value that the planes of an element stand for."""
        return -(2 ** (self.count - 1)) if self.signed else 0

    @property
    def peak(self) -> int:
        """The largest value that the planes of an element stand for."""
        return self.low + 2**self.count - 1 if self.radix else self.count

    @property
    def most(self) -> int:
        """The largest magnitude of such a value."""
        return max(self.peak, -self.low)

    @property
    def weights(self) -> tuple[int, ...]:
        """What a spike of each plane counts, the first plane first."""
        if not self.radix:
            return (1,) * self.count
        first, *others = (1 << plane for plane in reversed(range(self.count)))
        return (-first if self.signed else first, *others)

    def rate(self, spikes: float, values: int) -> float:
        """Return the spike rate: the share that ``spikes`` of a frame, all planes', are of ``values`` x planes."""
        return spikes / (values * self.count)

    def numbers(self, values: Any) -> Any:
        """Return what integer array, or tensor, ``values`` stand for: themselves, or how many of their planes are 1.

        Signed ones are of a signed type that holds them, as :meth:`~s2nn_hw.network.layer.Input.encode` gives them.
        """
        if self.signed:
            return (values ^ -self.low) + self.low
        return values if self.radix else sum((values >> plane) & 1 for plane in range(self.count))

    def split(self, values: Any) -> list[Any]:
        """Return the spikes of each plane of ``values``, like them, the first plane first."""
        return [(values >> plane) & 1 for plane in reversed(range(self.count))]

    def packed(self, spikes: list[np.ndarray]) -> np.ndarray:
        """Return the values, of the least integer type, of the ``spikes`` of each plane (0 or 1)."""
        kind = np.uint8 if self.count <= 8 else np.int32
        whole: Any = spikes[0].astype(kind, copy=False)
        for plane in spikes[1:]:
            whole = (whole << 1) | plane.astype(kind, copy=False)
        return whole

    def __str__(self) -> str:
        many = f"{self.count} planes" if self.count > 1 else "1 plane"
        many = many if self.count == 1 else f"{many} of code {self.code}"
        return f"{many}, signed" if self.signed else many


def given_planes(count: int, code: str) -> Planes:
    """Return the :class:`Planes` that neurons give: of radix at most 8."""
    if code == RADIX and (type(count) is not int or not 1 <= count <= MAX_RADIX):
        raise UserError(f"neurons give 1 to {MAX_RADIX} planes of code {RADIX}, not {quoted(count)}")
    return Planes(count, code)
