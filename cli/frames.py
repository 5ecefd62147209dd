"""The images or events that a command works on: files given, else the test set, else random events."""

from pathlib import Path

import numpy as np

from s2nn_hw.emit import random_frames
from s2nn_hw.files import read_images
from s2nn_hw.network.store import load
from s2nn_hw.quantize.data.images import Taker, images_for, read_frames

RANDOM_EVENTS = 100  # frames


def frames_for(
    source: Path, images: Path | None, labels: Path | None = None, *, download: bool = False
) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Return ``(images, labels or None, where they are from)`` as
    :func:`~s2nn_hw.quantize.data.images.images_for` does for the network or recipe in file ``source``.

    A network of events that names no data set gets :data:`RANDOM_EVENTS` frames of random events, the same each time.
    """
    if images is None and labels is None and source.suffix != ".toml":
        network = load(source)
        if network.input.events and "data_set" not in network.provenance:
            return random_frames(network, RANDOM_EVENTS), None, "random events, as no data set is named"
    return images_for(source, images, labels, download=download)


def values_for(images: Path, network: Path | None) -> np.ndarray:
    """Return the raw values ``(count, *shape)`` in file ``images`` for the ``network`` in a file; None: of arrays."""
    return read_images(images)[0] if network is None else read_frames(images, Taker.at(network))[0]
