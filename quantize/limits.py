"""What the keys of a recipe take, said in the metadata of the fields that stand for them."""

import sys
from dataclasses import MISSING, Field, dataclass, field
from typing import Any

LIMITS = "limits"  # key of a field's metadata
LARGEST = sys.float_info.max


@dataclass(frozen=True)
class Limits:
    """What a key takes, in the metadata of its field.

    low, high   range of a number, or of each of a list
    choices     the values that are taken, empty: any
    key         its name in the file where that is no name in Python
    """

    low: float | None = None
    high: float | None = None
    choices: tuple[str | int, ...] = ()
    key: str | None = None


def within(
    default: Any = MISSING,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] = (),
    key: str | None = None,
) -> Any:
    """Return the field of a key with these :class:`Limits`."""
    return field(default=default, metadata={LIMITS: Limits(low, high, choices, key)})


def limits(entry: Field[Any]) -> Limits:
    """Return the limits of the key that ``entry``, a field, stands for."""
    found = entry.metadata.get(LIMITS)
    return found if isinstance(found, Limits) else Limits()
