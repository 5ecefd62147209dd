"""The classes that images are said to be of: one check for every command that measures accuracy."""

from typing import Any

import numpy as np

from s2nn_hw.errors import UserError, quoted


def checked_labels(labels: Any, count: int, classes: int, what: str = "labels") -> np.ndarray:
    """Return ``labels`` as int64 ``(count,)``; :class:`UserError` unless they are integers from 0 below ``classes``."""
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise UserError(f"{what} must be {count} integers, not {labels.dtype} of shape {quoted(labels.shape)}")
    if count and (labels.min() < 0 or labels.max() >= classes):
        advice = "; classes count from 0, subtract 1" if labels.min() == 1 and labels.max() == classes else ""
        raise UserError(f"{what} must lie in 0 .. {classes - 1}, not {labels.min()} .. {labels.max()}{advice}")
    return labels.astype(np.int64)
