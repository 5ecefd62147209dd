"""A record with each of its fields made wrong in turn: what a reader of strangers' JSON is tried on."""

import copy
import json
import math

from s2nn_hw.errors import UserError

WRONG = (None, "x", True, [], {}, -1, math.nan)


def spots(value, path=()):
    """Yield the way to every part of nested ``value`` but itself, of a list the first two entries."""
    parts = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from spots(part, (*path, key))


def mutations(data, wrong=WRONG):
    """Yield ``(path, value, JSON text)`` of ``data`` with the part at ``path`` replaced, or left out ("missing")."""
    for path in spots(data):
        for value in (*wrong, "missing"):
            changed = copy.deepcopy(data)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            old = parent.pop(path[-1])
            if value != "missing" and json.dumps(old) == json.dumps(value):
                continue
            if value != "missing":
                parent.insert(path[-1], value) if isinstance(parent, list) else parent.update({path[-1]: value})
            yield path, value, json.dumps(changed)


def tried(read):
    """Return ``(what read() gives, None)``, or ``(None, the one line that refuses)``."""
    try:
        return read(), None
    except UserError as error:
        said = str(error)
    assert said
    assert "\n" not in said
    return None, said
