"""Records from strangers: what JSON gave, as a dataclass whose fields have been checked against their types.

A dataclass says what its fields may be, ``count: Annotated[int, Meta(ge=0)]``; what does not fit is refused with one
line that names the file and the field.
"""

import math
import re
from typing import Annotated, Any, TypeVar

import msgspec

from s2nn_hw.errors import UserError, quoted, readable

MOST_KEYS = 1000  # of a table in which the wrong entry is searched
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]  # of anything: a time, a count, a power
Positive = Annotated[float, msgspec.Meta(gt=0, le=1e15)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Number = Count | Amount  # what is read stays the integer or the fraction that it was

Kind = TypeVar("Kind")
Steps = tuple[str | int, ...]  # from the whole to a part: keys and places


def is_format(data: object, name: str, version: int) -> bool:
    """Whether ``data`` is a JSON object that says of itself format ``name`` and ``version``; true is not 1."""
    if not isinstance(data, dict):
        return False
    came = data.get("version")
    return data.get("format") == name and type(came) is int and came == version


def convert(data: Any, kind: type[Kind], where: str, *, plain: bool = False) -> Kind:
    """Return ``data``, as JSON gave it, as ``kind`` (a dataclass, a list of them ...), converting nothing.

    :class:`UserError`, which begins with ``where`` and names the field, if a field is missing or of another kind (true
    is no number, 2.5 no integer), and for NaN and infinities. ``plain``: also for control characters in any text or
    key. Fields that ``kind`` does not know are left out.
    """
    _look_through(data, where, plain)
    try:
        return msgspec.convert(data, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise UserError(_said(error, data, kind, where)) from None
    except RecursionError:
        raise UserError(f"{where} is nested too deep") from None


def _look_through(data: Any, where: str, plain: bool) -> None:
    """Raise :class:`UserError` if a number in ``data`` is not finite or, with ``plain``, a text not readable."""
    rest: list[tuple[Steps, Any]] = [((), data)]
    while rest:
        steps, value = rest.pop()
        if isinstance(value, dict):
            rest += [((*steps, key), part) for key, part in value.items()]
            if plain and any(isinstance(key, str) and readable(key) != key for key in value):
                raise UserError(f"{where}{_field(steps)}: a name in it has control characters")
        elif isinstance(value, list):
            rest += [((*steps, place), part) for place, part in enumerate(value)]
        elif isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"{where}{_field(steps)}: {value} is no number to go on with")
        elif plain and isinstance(value, str) and readable(value) != value:
            raise UserError(f"{where}{_field(steps)}: {quoted(value)} has control characters")


def _said(error: msgspec.ValidationError, data: Any, kind: Any, where: str) -> str:
    """Return the line about ``error``, which ``data`` made in the place of a ``kind``."""
    reason, _, path = str(error).partition(" - at ")
    steps = _steps(str(error), path, data, kind)
    missing = re.fullmatch("Object missing required field `(.*)`", reason)
    if missing:
        return f"{where}{_field((*steps, missing[1]))} is missing"
    reason = reason.replace("`", "").replace("Expected", "expected").replace("Invalid", "invalid")
    value = _part(data, steps)
    came = "" if ", got" in reason or isinstance(value, dict | list) else f", not {quoted(value)}"
    return f"{where}{_field(steps)}: {reason}{came}"


def _steps(said: str, path: str, data: Any, kind: Any) -> Steps:
    """Return the way to the part of ``data`` that msgspec calls ``path``; it does not tell which entry of a table.

    That is the one which alone in its table makes the same error, ``said``.
    """
    steps: Steps = ()
    for name, place in re.findall(r"\.([^.\[\]`]+)|\[(\d+|\.\.\.)\]", path):
        if name or place != "...":
            steps = (*steps, name or int(place))
            continue
        table = _part(data, steps)
        if not isinstance(table, dict):
            break
        for key in list(table)[:MOST_KEYS]:
            alone = _replaced(data, steps, {key: table[key]})
            try:
                msgspec.convert(alone, type=kind, strict=True)
            except msgspec.ValidationError as error:
                if str(error) == said:
                    data, steps = alone, (*steps, key)
                    break
        else:
            break
    return steps


def _part(data: Any, steps: Steps) -> Any:
    for step in steps:
        try:
            data = data[step]
        except (LookupError, TypeError):
            return None
    return data


def _replaced(data: Any, steps: Steps, part: Any) -> Any:
    """Return ``data`` with ``part`` at the end of ``steps``; the rest is the same."""
    if not steps:
        return part
    below = _replaced(data[steps[0]], steps[1:], part)
    if isinstance(data, dict):
        return data | {steps[0]: below}
    return [below if place == steps[0] else value for place, value in enumerate(data)]


def _field(steps: Steps) -> str:
    """Return how a message names what is at the end of ``steps``: field a.b[2]."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
    return f": field {quoted(text)[1:-1]}" if text else ""
