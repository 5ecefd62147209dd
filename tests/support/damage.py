"""Damage drawn from a seed: to nested values, bytes and JSON text; and values that no field wants."""

import json
import math

import numpy as np

ODD = (
    0,
    1,
    -1,
    2,
    3,
    64,
    1 << 20,
    1 << 31,
    1 << 63,
    -(1 << 63),
    10**40,
    0.5,
    2.0,
    1e300,
    math.nan,
    math.inf,
    True,
    False,
    None,
    "",
    "x",
    "input",
    "a" * 5000,
    "\ud800",
    "\x1b[2J",
    "[/b]",
    "é",
    [],
    [1],
    [[]],
    {},
    {"a": 1},
    "\x00",
    "../x",
)


class Wrong(Exception):
    """A file was accepted, or refused, against its document."""


def deep(depth):
    value = 1
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def spots(value, path=()):
    """Yield the paths of all values in nested objects and lists."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield from spots(below, (*path, key))


def changed(value, rng):
    """Return a copy of nested ``value`` with one change at a random place: replaced, dropped, doubled, renamed."""
    value = json.loads(json.dumps(value))
    places = [path for path in spots(value) if path]
    path = places[rng.integers(len(places))]
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    what = rng.choice(["odd", "odd", "near", "near", "drop", "double", "add", "rename", "other", "deep"])
    last = path[-1]
    here = parent[last]
    if what == "near" and type(here) is int:
        parent[last] = here + int(rng.choice([-1, 1, 7, -here]))
    elif what == "drop":
        del parent[last]
    elif what == "double" and isinstance(here, list) and here:
        here.append(here[int(rng.integers(len(here)))])
    elif what == "add" and isinstance(here, dict):
        here[str(rng.choice(["dilation", "synapse", "synapses", "inputs", "bits", "neuron", "extra"]))] = pick(ODD, rng)
    elif what == "rename" and isinstance(parent, dict):
        parent[str(last) + "x"] = parent.pop(last)
    elif what == "other":
        other = value
        for key in places[rng.integers(len(places))]:
            other = other[key]
        parent[last] = json.loads(json.dumps(other))
    elif what == "deep":
        parent[last] = deep(int(rng.choice([5, 40, 900])))
    else:
        parent[last] = pick(ODD, rng)
    return value


def pick(values, rng):
    return values[int(rng.integers(len(values)))]


def bent(data, rng):
    """Return bytes ``data`` with a few damages: flipped bits, other bytes, cut, doubled, more behind."""
    data = bytearray(data)
    for _ in range(int(rng.choice([1, 1, 1, 2, 5]))):
        at = int(rng.integers(len(data))) if len(data) else 0
        span = int(rng.choice([1, 2, 8, 64]))
        what = rng.choice(["bit", "bit", "bit", "byte", "cut", "drop", "double", "behind", "number", "text"])
        if what == "bit" and data:
            data[at] ^= 1 << int(rng.integers(8))
        elif what == "byte" and data:
            data[at] = int(rng.integers(256))
        elif what == "cut":
            del data[at:]
        elif what == "drop":
            del data[at : at + span]
        elif what == "double":
            data[at:at] = data[at : at + span]
        elif what == "behind":
            data += rng.integers(0, 256, span).astype(np.uint8).tobytes()
        elif what == "number":
            data[at:at] = str(pick([9, 99, 10**8, 10**30], rng)).encode()
        else:
            data[at:at] = pick(
                [
                    b"[" * 3000,
                    b"{",
                    b'"',
                    b"\\ud800",
                    b"NaN",
                    b"9" * 5000,
                    b"a." * 4000,
                    b"\x00",
                    b"\xff",
                    b"\n",
                    b"''' ",
                    b"'O'",
                ],
                rng,
            )
    return bytes(data)


def twice(text, rng):
    """Return JSON ``text`` with one key written twice."""
    at = [k for k in range(len(text)) if text[k] == "{"]
    where = pick(at, rng)
    key = text[where + 1 :].lstrip()
    name = key[: key.find('"', 1) + 1] if key.startswith('"') else '"a": 1, "a"'
    return f"{text[: where + 1]}{name}: {json.dumps(pick(ODD[:12], rng))}, {text[where + 1 :]}"
