"""What a file of ours notes in its metadata of what its format has no field for."""

from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted
from s2nn_hw.network.scaling import TABLES, Scaling
from s2nn_hw.quantize.importers.operations import Entering
from s2nn_hw.texts import parse_json

Note = dict[str, Any]


def note_of(text: Any, key: str) -> Note:
    """Return the note that is the ``text`` under ``key``, empty where there is none."""
    if not isinstance(text, str):
        return {}
    found = parse_json(text, f"metadata {key!r}")
    return found if isinstance(found, dict) else {}


def classes_of(note: Note) -> tuple[str, ...] | None:
    """Return the names of the classes that ``note`` has, None without."""
    classes = note.get("classes")
    return tuple(classes) if isinstance(classes, list) and all(isinstance(name, str) for name in classes) else None


def scaling_of(note: Note, entering: Entering) -> Scaling | None:
    """Return how raw values become what enters a file with ``note``, None where it doesn't say, or a pixel of
    ``entering`` stands for another number than itself."""
    tables = note.get("scaling")
    if tables is None or not entering.plain:
        return None
    if not isinstance(tables, dict) or not {"offset", "step"} <= set(tables) <= set(TABLES):
        raise UserError(f"metadata: a scaling must have offset, step and maybe missing, not {quoted(tables)}")
    for name, table in tables.items():
        if not isinstance(table, list) or not all(type(number) in (int, float) for number in table):
            raise UserError(f"metadata: {name} of a scaling must be a list of numbers, not {quoted(table)}")
    shape = entering.shape
    found = Scaling(**{name: np.asarray(table, np.float64) for name, table in tables.items()})
    found.check((*shape[1:], shape[0]) if len(shape) == 3 and shape[0] > 1 else shape[-2:])
    return found
