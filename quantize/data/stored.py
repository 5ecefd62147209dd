"""Images and labels as a ``.npz`` keeps them: of a shipped sample, and of a data set that takes long to decode."""

from pathlib import Path

import numpy as np


def stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(images, labels)`` in ``path``; the errors of :func:`numpy.load` and :class:`KeyError` if they are not.

    Images are uint8 ``(count, *shape)``, labels uint8 ``(count,)``.
    """
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]
