"""Raw values into pixels, as a network file records it: ``q = clip(rint((x - offset) / step), low, peak)``.

    x        what a file of the user's holds, converted to float64
    offset   raw value of pixel 0
    step     raw distance of two pixels that follow each other, above 0
    missing  what is taken for x where that is NaN; without it NaN is refused
    q        the pixel

All of it is IEEE 754 binary64, each operation rounded once, ``rint`` to the nearest integer, ties to the even one.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted

TABLES = ("offset", "step", "missing")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scaling:
    """``offset``, ``step`` and maybe ``missing``, each float64 ``(1,)``, or ``(features,)`` where the input has one
    axis, ``(channels,)`` where it has three."""

    offset: Floats
    step: Floats
    missing: Floats | None = None

    def __post_init__(self) -> None:
        tables = self.tables
        for name, table in tables.items():
            table = np.array(table, np.float64, order="C")
            table.flags.writeable = False
            object.__setattr__(self, name, table)
            if table.ndim != 1 or not len(table) or table.shape != np.shape(self.offset):
                raise UserError(f"input: {name} must be a list as long as the offsets, not of shape {table.shape}")
            if not np.isfinite(table).all():
                raise UserError(f"input: {name} must be finite, not {quoted(table[~np.isfinite(table)][0].item())}")
        if not (self.step > 0).all():
            raise UserError(f"input: step must be above 0, not {self.step.min():g}")

    @classmethod
    def of_range(
        cls, first: npt.ArrayLike, last: npt.ArrayLike, low: int, peak: int, missing: npt.ArrayLike | None = None
    ) -> Self:
        """Return the scaling that takes raw values ``first`` .. ``last`` (arrays) to pixels ``low`` .. ``peak``.

        Where both are the same, ``first`` is pixel ``low`` and the step is 1.
        """
        start, end = np.asarray(first, np.float64), np.asarray(last, np.float64)
        with np.errstate(over="ignore"):
            step = (end - start) / (peak - low)
        step = np.where(np.isfinite(step), step, end / (peak - low) - start / (peak - low))
        step = np.where(step > 0, step, 1.0)
        return cls(start - low * step, step, None if missing is None else np.asarray(missing, np.float64))

    @property
    def tables(self) -> dict[str, Floats]:
        """The tables by name, those that are there."""
        found = {name: getattr(self, name) for name in TABLES}
        return {name: table for name, table in found.items() if table is not None}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scaling):
            return NotImplemented
        mine, theirs = self.tables, other.tables
        return mine.keys() == theirs.keys() and all(mine[name].tobytes() == theirs[name].tobytes() for name in mine)

    def __hash__(self) -> int:
        return hash(tuple(table.tobytes() for table in self.tables.values()))

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise :class:`UserError` unless the tables are as long as an input of ``shape`` wants."""
        wanted = sorted({1} if len(shape) == 2 else {1, shape[-1]})
        if len(self.offset) not in wanted:
            raise UserError(
                f"input: offset and step of shape {quoted(list(shape))} must have {listed(wanted)} "
                f"value{'s' if wanted[-1] > 1 else ''}, not {len(self.offset):,}"
            )

    def quantise(self, values: Any, low: int, peak: int) -> npt.NDArray[np.int64]:
        """Return the pixels, like ``values``: numbers ``(..., features or channels)``, or any shape for one offset.

        :class:`UserError` for other types than real numbers, for infinities, and for NaN where nothing stands for it.
        """
        given = np.asarray(values)
        if given.dtype.kind not in "biuf":
            raise UserError(f"values must be real numbers, not {given.dtype}")
        raw = given.astype(np.float64)
        unknown = np.isnan(raw)
        if unknown.any():
            if self.missing is None:
                raise UserError(f"{_where(unknown)} is missing (NaN), and the network has nothing in its place")
            raw = np.where(unknown, self.missing, raw)
        if not np.isfinite(raw).all():
            raise UserError(f"{_where(~np.isfinite(raw))} is not finite")
        with np.errstate(over="ignore"):  # an infinity is clipped like all else
            scaled = (raw - self.offset) / self.step
        return np.clip(np.rint(scaled), low, peak).astype(np.int64)

    def raw(self, pixels: Any) -> Floats:
        """Return raw values, float64 like ``pixels`` ``(..., features or channels)``, that become these."""
        return np.asarray(pixels) * self.step + self.offset

    def coarser(self, bits: int) -> Self:
        """Return the scaling of which pixels are these without their ``bits`` lowest bits, values at a tie aside."""
        times = 2.0**bits
        return type(self)(self.offset + self.step * (times - 1) / 2, self.step * times, self.missing)


def _where(wrong: npt.NDArray[np.bool_]) -> str:
    """Return the place of the first value that is ``wrong``, in words."""
    place = np.argwhere(wrong)[0].tolist()
    return f"value {', '.join(map(str, place[1:]))} of frame {place[0]}" if len(place) > 1 else "a value"
