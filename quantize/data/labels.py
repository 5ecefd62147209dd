"""Labels of the user's: names of classes, or integers from 0 on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from s2nn_hw.errors import UserError, listed, quoted
from s2nn_hw.network.labels import checked_labels

Labels = Sequence[str] | npt.NDArray[np.integer]
MOST_CLASSES = 1 << 12


def classes_of(labels: Labels, given: Sequence[str] | None, where: str) -> list[str]:
    """Return the names of the classes of ``labels``, in order: those ``given``, else integers 0 .. n-1 as texts, else
    the names that there are, numbers by their size, other texts as they sort."""
    if given is not None:
        names = list(given)
    elif isinstance(labels, np.ndarray):
        names = [str(number) for number in range(_count(labels, where))]
    else:
        different = set(labels)
        whole = all(text.isascii() and text.removeprefix("-").isdigit() for text in different)
        names = sorted(different, key=(lambda text: (int(text), text)) if whole and len(different) < 1000 else None)
    if not 2 <= len(names) <= MOST_CLASSES or len(set(names)) < len(names):
        raise UserError(
            f"{where}: 2 to {MOST_CLASSES:,} classes of different names are wanted, not {len(names):,}: {listed(names)}"
        )
    return names


def _count(labels: npt.NDArray[np.integer], where: str) -> int:
    if labels.dtype.kind not in "iu" or labels.ndim != 1 or not len(labels):
        raise UserError(f"{where}: labels must be integers, or texts, one an image, not {labels.dtype} {labels.shape}")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= MOST_CLASSES:
        raise UserError(f"{where}: labels must lie in 0 .. {MOST_CLASSES - 1}, not {low} .. {high}")
    missing = sorted(set(range(high + 1)) - set(np.unique(labels).tolist()))
    if missing:
        advice = "; classes count from 0, subtract 1" if missing == [0] else "; give names, or 'classes'"
        raise UserError(f"{where}: labels must be 0 .. {high}, and {listed(missing)} is of no image{advice}")
    return high + 1


def numbered(labels: Labels, names: Sequence[str], where: str) -> npt.NDArray[np.int64]:
    """Return ``labels`` as int64 numbers of the classes ``names``; :class:`UserError` for one that is none of them."""
    if isinstance(labels, np.ndarray):
        return checked_labels(labels, len(labels), len(names), f"{where}: labels")
    places = {name: place for place, name in enumerate(names)}
    strange = next((text for text in labels if text not in places), None)
    if strange is not None:
        raise UserError(f"{where}: label {quoted(strange)} is of no class; the classes are {listed(names)}")
    return np.array([places[text] for text in labels], np.int64)
