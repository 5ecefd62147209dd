"""JSON and TOML from strangers: size, depth and numbers are bounded, what is written twice is refused.

A document is refused with one line that names the file; nothing in it can take long or nest without end.
"""

import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.files import read_bytes

DEPTH = 32  # of lists and objects within each other
LARGEST = 1 << 63
DIGITS = 20  # of an integer; more are too large anyway, and slow to read
MOST_PARTS = 16  # of a dotted key: the parser's time grows with their square
_WORD = rb"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DOTTED = re.compile(rb"(?<![A-Za-z0-9_-])" + _WORD + rb"(?:[ \t]*+\.[ \t]*+" + _WORD + rb"){%d}" % MOST_PARTS)


def parse_json(data: str | bytes | bytearray, what: str) -> Any:
    """Return the value of JSON text or bytes ``data`` (UTF-8); :class:`UserError` begins with ``what``.

    No key twice, integers below 2^63 in size, finite numbers, whole characters, at most :data:`DEPTH` levels.
    """
    try:
        text = data.decode("utf-8") if isinstance(data, bytes | bytearray) else data
        value = json.loads(
            text, object_pairs_hook=_once, parse_constant=_refuse, parse_int=_integer, parse_float=_number
        )
    except RecursionError:
        raise UserError(f"{what} is nested deeper than {DEPTH} levels") from None
    except ValueError as error:
        raise UserError(f"{what} is not JSON ({_short(error)})") from None
    _check(value, what)
    return value


def read_json(path: Path | str, *, what: str, limit: int = 1 << 20) -> Any:
    """Return the value in JSON file ``path``, at most ``limit`` bytes; errors as of :func:`parse_json`."""
    return parse_json(read_bytes(path, what=what, limit=limit), f"{what} {path}")


def read_toml(path: Path | str, *, what: str, limit: int = 1 << 16) -> dict[str, Any]:
    """Return the dictionary in TOML file ``path``; :class:`UserError` if it can't be read, is too long or no TOML."""
    data = read_bytes(path, what=what, limit=limit)
    if _DOTTED.search(data):
        raise UserError(f"{what} {path} has a dotted key of more than {MOST_PARTS} parts")
    try:
        value = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise UserError(f"{what} {path} is not UTF-8 text") from None
    except RecursionError:
        raise UserError(f"{what} {path} is nested deeper than {DEPTH} levels") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{what} {path} is not TOML ({_short(error)})") from None
    except ValueError:  # Python's limit for the digits of an integer
        raise UserError(f"{what} {path} holds a number of thousands of digits") from None
    _check(value, f"{what} {path}")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"key {quoted(name)} is there twice")
            seen.add(name)
    return table


def _integer(text: str) -> int:
    if len(text) > DIGITS or not abs(value := int(text)) < LARGEST:
        raise ValueError(f"{quoted(text)} is too large a number")
    return value


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(f"{quoted(text)} is too large a number")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _check(value: Any, what: str) -> None:
    """Raise :class:`UserError` where ``value`` is nested too deep, a text is no whole Unicode or a number too large."""
    level = [value]
    for _ in range(DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below += [*item, *item.values()]
            elif isinstance(item, list):
                below += item
            elif isinstance(item, str) and not item.isascii() and any("\ud800" <= c < "\ue000" for c in item):
                raise UserError(f"{what}: text {quoted(item)} holds half a character (a lone surrogate)")
            elif type(item) is int and not abs(item) < LARGEST:
                raise UserError(f"{what}: {quoted(str(item))} is too large a number")
        level = below
        if not level:
            return
    raise UserError(f"{what} is nested deeper than {DEPTH} levels")


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + "..."
